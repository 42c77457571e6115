/*
 * `compare`: the candidate's change set, a row a step; or what has changed
 * since a revision. A deleted domain's stream is kept as it is, so what the
 * domain holds is no part of the change set; it is named here all the same,
 * for it is lost to whoever uses it. Each such stream is open only for its
 * turn.
 */
#include <stdlib.h>
#include <string.h>

#include "st_op.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define COMPARE_GONE 10000 /* objects named of one domain */

struct compare {
	struct op_call *call;
	struct st_job *job;
	size_t at; /* the next step */
	/* the domain that goes with the steps before it */
	char name[OBJ_KEY];
	char id[ST_ID];
	unsigned gone; /* of what it holds, named so far */
	struct st_hold *hold;
};

static void compare_next(struct compare *);

static void
compare_finish(struct compare *c, const struct err *e)
{
	struct op_call *call = c->call;

	call->rev = c->job->st->rev;
	st_hold_close(&c->hold);
	st_job_free(&c->job);
	free(c);
	op_finish(call, e);
}

/* ---- what goes along with a domain ----------------------------------------
 */

static int
compare_gone_row(void *arg, struct obj_row *row, struct err *e)
{
	struct compare *c = arg;
	char path[OBJ_PATH];

	(void)e;
	if (c->gone++ == COMPARE_GONE)
		return 1; /* enough */
	obj_path_text(&row->path, path, sizeof path);
	st_op_put_change(c->call,
	    &(struct st_change){.path = path, .field = "", .old = "1"});
	return 0;
}

/* All that the domain's stream holds, by name. */
static int
compare_gone(struct compare *c, sqlite3 *db, struct err *e)
{
	const struct obj *const *o = c->job->st->cfg.objs;
	struct obj_path kind = {.nkeys = 1};
	int r = 0;

	str_copy(kind.key[0], sizeof kind.key[0], c->name);
	c->gone = 0;
	for (; r == 0 && *o != NULL; o++) {
		kind.obj = *o;
		if ((*o)->place == OBJ_DOMAIN)
			r = obj_each(
			    db, &kind, NULL, 0, compare_gone_row, c, e);
	}
	if (r > 0)
		op_warn(c->call,
		    "domain %s: more goes with it than the %d objects that "
		    "are named",
		    c->name, COMPARE_GONE);
	return r < 0 ? r : 0;
}

static void
compare_on_open(void *arg, const struct err *why)
{
	struct compare *c = arg;
	char stream[STREAM_NAME];
	struct err e;

	st_domain_stream(stream, c->id);
	if (why == NULL &&
	    compare_gone(c,
		stream_db(st_stream_find(c->job->st, stream)->stream), &e) != 0)
		why = &e;
	if (why != NULL) {
		compare_finish(c, why);
		return;
	}
	st_hold_close(&c->hold);
	compare_next(c);
}

/* ---- the steps ------------------------------------------------------------
 */

/* A step that ends a domain: its id goes. */
static bool
compare_ends_domain(const struct compare *c, const struct st_change *step)
{
	return strcmp(step->stream, ST_ROOT_STREAM) == 0 &&
	    strcmp(step->field, "id") == 0 &&
	    step->new == NULL &&st_view_known(&c->job->st->view, step->old) !=
	    0;
}

/* The steps of one object; true when it is a domain that goes. */
static bool
compare_object(struct compare *c)
{
	const struct st_changes *all = &c->job->changes;
	const char *path = all->list[c->at].path;
	const struct st_change *step;
	struct obj_path p;

	c->id[0] = '\0';
	for (; c->at < all->n; c->at++) {
		step = &all->list[c->at];
		if (strcmp(step->path, path) != 0)
			break;
		st_op_put_change(c->call, step);
		if (compare_ends_domain(c, step))
			str_copy(c->id, sizeof c->id, step->old);
	}
	if (c->id[0] == '\0' ||
	    obj_path_parse(c->job->st->cfg.objs, path, &p, NULL) != 0)
		return false;
	str_copy(c->name, sizeof c->name, p.key[0]);
	return true;
}

/* On to the next domain that goes; its stream must be open. */
static void
compare_next(struct compare *c)
{
	char stream[STREAM_NAME];

	while (c->at < c->job->changes.n) {
		if (!compare_object(c))
			continue;
		st_domain_stream(stream, c->id);
		c->hold = st_hold_new(c->job->st, compare_on_open, c);
		st_hold_add(c->hold, stream, ST_DOMAIN);
		st_hold_go(c->hold);
		return;
	}
	compare_finish(c, NULL);
}

static void
compare_on_done(void *arg, struct st_job *j, const struct err *e)
{
	struct compare *c = xcalloc(1, sizeof *c);

	c->call = arg;
	c->job = j;
	if (e != NULL)
		compare_finish(c, e);
	else
		compare_next(c);
}

/* ---- since a revision ------------------------------------------------------
 */

/* Of each field the value before the first step since then, and that behind
 * the last. The columns beside min() and max() are those of its row:
 * sqlite.org/lang_select.html, "Bare columns in an aggregate query". */
static const char compare_since[] =
    "SELECT a.path, a.field, a.old, b.new, stream FROM "
    "(SELECT stream, path, field, old, min(rev * 1000000000 + n) FROM change "
    "WHERE rev > ?1 GROUP BY stream, path, field) a JOIN "
    "(SELECT stream, path, field, new, max(rev * 1000000000 + n) FROM change "
    "WHERE rev > ?1 GROUP BY stream, path, field) b "
    "USING(stream, path, field) "
    "WHERE a.old IS NOT b.new ORDER BY a.path, a.field";

/* Does the domain of a stream run? What was changed in one that does not is
 * kept aside with it, and is no difference to what runs. */
static bool
compare_runs(struct op_call *call, const char *stream)
{
	static const char front[] = "domain/";

	return !str_prefix(stream, front) ||
	    strcmp(stream, ST_ROOT_STREAM) == 0 ||
	    st_view_runs(&st_of(call)->view, stream + strlen(front)) != 0;
}

/* Of a domain that ended since then, or was made anew, one step tells. */
static void
compare_warn(struct op_call *call, const struct st_change *c)
{
	if (strcmp(c->field, "id") == 0 && c->old != NULL)
		op_warn(call,
		    "%s: ended since then; what was in it is not named",
		    c->path);
}

/* Those who have only a part of the tree see what lies in it. */
static bool
compare_is_seen(
    const struct op_call *call, const char *path, enum obj_layer layer)
{
	struct obj_path p;

	if (obj_path_parse(st_of(call)->cfg.objs, path, &p, NULL) != 0)
		return !op_is_limited(&call->who) && layer == OBJ_ANY_LAYER;
	return op_sees_path(&call->who, &p) &&
	    (layer == OBJ_ANY_LAYER || layer == p.obj->layer);
}

static int
compare_rows(struct op_call *call, sqlite3 *commit, int64_t rev, struct err *e)
{
	sqlite3_stmt *s = st_sql(commit, e, compare_since, "i", rev);
	enum obj_layer layer = st_op_layer(call);
	char stream[STREAM_NAME] = "";
	struct st_change c;
	bool runs = true;
	int step = SQLITE_ERROR;

	while (s != NULL && (step = sqlite3_step(s)) == SQLITE_ROW) {
		c = (struct st_change){.path = st_text(s, 0),
		    .field = st_text(s, 1),
		    .old = st_text(s, 2),
		    .new = st_text(s, 3)};
		/* rows of one domain come together */
		if (strcmp(stream, st_text(s, 4)) != 0) {
			str_copy(stream, sizeof stream, st_text(s, 4));
			runs = compare_runs(call, stream);
		}
		if (!runs || !compare_is_seen(call, c.path, layer))
			continue;
		st_op_put_change(call, &c);
		compare_warn(call, &c);
	}
	sqlite3_finalize(s);
	return step == SQLITE_DONE ? 0 : st_sql_fail(commit, e, "history");
}

static void
compare_history(struct st *st, struct op_call *call, int64_t rev)
{
	sqlite3 *commit = stream_db(st_op_commit_stream(st));
	struct st_revision v;
	struct err e;

	call->rev = st->rev;
	if (st_revision_get(commit, rev, &v, &e) != 0 ||
	    compare_rows(call, commit, rev, &e) != 0)
		op_finish(call, &e);
	else
		st_answer_on_ack(st, st_op_commit_stream(st), call);
}

static void
compare_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct st_job *j;

	if (st_op_refuse(st, call, why))
		return;
	if (op_arg(call, "rev") != NULL) {
		compare_history(st, call, op_arg_int(call, "rev", 0));
		return;
	}
	j = st_job_new(st, call->who.session, compare_on_done, call);
	j->task = ST_TASK_COMPARE;
	j->layer = st_op_layer(call);
	st_job_start(j);
}

static void
compare_run(struct op_call *call)
{
	st_op_enter(call, compare_work);
}

static const struct op_field compare_args[] = {
    {.name = "rev",
	.type = &op_type_int,
	.min = 1,
	.max = INT32_MAX,
	.brief = "what has changed since that revision, instead"},
    ST_OP_LAYER,
    {0},
};

static const struct op_field compare_cols[] = {
    {.name = "change",
	.type = &op_type_choice,
	.choices = st_change_words,
	.brief = "made, changed or deleted"},
    {.name = "path", .type = &op_type_path, .brief = "the object"},
    {.name = "field",
	.type = &op_type_name,
	.brief = "its field; none: the object itself"},
    {.name = "old",
	.type = &op_type_text,
	.brief = "the value that runs, or ran"},
    {.name = "new",
	.type = &op_type_text,
	.brief = "the value wanted, or that runs"},
    {0},
};

const struct op st_op_compare = {
    .name = "compare",
    .kind = OP_READ,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "what a commit would change",
    .about = "The candidate of this session against what runs now. No rows: "
	     "there is nothing to commit. Secrets are masked. Of a domain "
	     "that goes, all users, numbers and other objects that go with "
	     "it are named, without their fields; its data stay on disk, "
	     "and rollback or restore bring it back. With rev it is what runs "
	     "now against what ran as of that revision, whoever changed it, "
	     "and the candidate does not count: rollback to that revision "
	     "leads back over it. Of a domain that ended since then only "
	     "itself is named.",
    .example = "set domain demo.test user 104 name Dora\ncompare\n"
	       "compare rev 1",
    .args = compare_args,
    .cols = compare_cols,
    .run = compare_run,
};
