/* What all operations of the store do before and after their own work. */
#include <stdio.h>
#include <string.h>

#include "st_op.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

const char *const st_change_words[] = {"+", "~", "-", NULL};

bool
st_op_refuse(struct st *st, struct op_call *call, const struct err *why)
{
	if (why != NULL)
		op_finish(call, why);
	else if (!st->serving)
		op_failf(call, ERR_NOOWNER, "this store does not serve");
	return why != NULL || !st->serving;
}

void
st_op_enter(struct op_call *call, st_work_fn *fn)
{
	struct st *st = st_of(call);

	if (!st_op_refuse(st, call, NULL))
		st_gate_enter(st, fn, call);
}

struct stream *
st_op_commit_stream(struct st *st)
{
	return st_stream_find(st, "commit")->stream;
}

int
st_op_keep(struct st *st, const struct op_call *call, struct err *e)
{
	struct stream *commit = st_op_commit_stream(st);
	int r = stream_join(commit, e);

	if (r != 0 || !call->who.keep)
		return r;
	return st_cand_keep(st->view.cand, &call->who, clock_real(), e);
}

int
st_op_candidate_empty(struct st *st, const struct op_call *call, struct err *e)
{
	struct pool *pool = pool_new();
	struct st_entry *list;
	size_t n = 0;
	int r;

	r = st_cand_list(st->view.cand, call->who.session, pool, &list, &n, e);
	pool_free(&pool);
	if (r == 0 && n > 0)
		r = err_set(e, ERR_REFUSED,
		    "the candidate has changes: commit or discard them first");
	return r;
}

enum obj_layer
st_op_layer(const struct op_call *call)
{
	return st_layer(op_arg(call, "layer"));
}

/* The first line of many, and how much there is. */
static void
op_put_lines(struct op_call *call, const char *col, const char *text)
{
	size_t n = strcspn(text, "\n");
	char shown[160];

	if (text[n] == '\0') {
		op_put(call, col, text);
		return;
	}
	snprintf(shown, sizeof shown, "%.*s ... (%zu bytes)",
	    n < 100 ? (int)n : 100, text, strlen(text));
	op_put(call, col, shown);
}

/* A value as people may see it: secrets masked. */
static void
st_op_put_value(struct op_call *call, const char *col, const char *path,
    const char *field, const char *value)
{
	const struct op_field *f = NULL;
	struct obj_path p;

	if (value == NULL || field[0] == '\0')
		return;
	if (obj_path_parse(st_of(call)->cfg.objs, path, &p, NULL) == 0)
		f = obj_field(p.obj, field);
	if (f == NULL || f->type->secret)
		op_put(call, col, OP_MASK);
	else
		op_put_lines(call, col, value);
}

void
st_op_put_change(struct op_call *call, const struct st_change *c)
{
	op_row(call);
	op_put(call, "change",
	    st_change_words[c->old == NULL ? 0
		    : c->new == NULL	   ? 2
					   : 1]);
	op_put(call, "path", c->path);
	if (c->field[0] == '\0')
		return;
	op_put(call, "field", c->field);
	st_op_put_value(call, "old", c->path, c->field, c->old);
	st_op_put_value(call, "new", c->path, c->field, c->new);
}
