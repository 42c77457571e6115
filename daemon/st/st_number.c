/*
 * What B2BUA asks before it says that there is no such number: the rows of
 * the owner's copy of a domain that routing a call from a user to a number
 * needs, without secrets. In its turn among commits, so that it sees only
 * what was acknowledged. With a session the rows are those that its candidate
 * would make of them, which is carried out in savepoints that are undone in the
 * same turn.
 */
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role.h"

struct number {
	struct st *st;
	struct rpc_request *request;
	char stream[STREAM_NAME];
	char id[ST_ID];
	char user[OBJ_KEY], number[OBJ_KEY];
	char session[OP_SESSION]; /* "" = what runs */
	struct st_hold *hold;
	struct st_job *job; /* the candidate's change set */
	json_t *rows, *state;
};

static void
number_end(struct number *n, const struct err *e)
{
	if (e == NULL)
		rpc_reply(n->request,
		    json_pack(
			"{s:O, s:O*}", "rows", n->rows, "state", n->state));
	else
		rpc_fail(n->request, e);
	st_hold_close(&n->hold);
	if (n->job != NULL)
		st_job_free(&n->job);
	json_decref(n->rows);
	json_decref(n->state);
	free(n);
}

/* One row, if it is there; *user (may be NULL) = whose number it is. */
static void
number_tell(struct number *n, const char *kind, const char *key, char *user)
{
	const struct obj *const *objs = n->st->cfg.objs;
	sqlite3 *db = stream_db(st_stream_find(n->st, n->stream)->stream);
	struct obj_path p = {.nkeys = 2};
	json_t *values = json_object();
	const struct op_field *f;
	struct obj_row row;
	int i;

	p.obj = obj_find(objs, obj_find(objs, NULL, "domain"), kind);
	str_copy(p.key[1], sizeof p.key[1], key);
	if (obj_get(db, &p, &row, NULL) != 0) {
		json_decref(values);
		return;
	}
	for (i = 0; (f = &p.obj->fields[i])->name != NULL; i++) {
		if (row.value[i] != NULL && !f->type->secret)
			json_object_set_new(
			    values, f->name, json_string(row.value[i]));
	}
	if (user != NULL && obj_value(&row, "user") != NULL)
		str_copy(user, OBJ_KEY, obj_value(&row, "user"));
	json_array_append_new(
	    n->rows, json_pack("[s, s, o]", kind, key, values));
	obj_row_fini(&row);
}

static int
number_tell_all(struct number *n, sqlite3 *db, struct err *e)
{
	char owner[OBJ_KEY] = "";

	(void)db;
	(void)e;
	n->st->count.numbers++;
	number_tell(n, "user", n->user, NULL);
	if (strcmp(n->number, n->user) != 0)
		number_tell(n, "user", n->number, NULL);
	number_tell(n, "number", n->number, owner);
	if (owner[0] != '\0' && strcmp(owner, n->user) != 0 &&
	    strcmp(owner, n->number) != 0)
		number_tell(n, "user", owner, NULL);
	return 0;
}

/* ---- as a candidate would have it ---------------------------------------- */

/* Of the domain itself: whether it carries calls. */
static int
number_tell_state(struct number *n, sqlite3 *root, struct err *e)
{
	sqlite3_stmt *s = st_sql(
	    root, e, "SELECT state FROM domain WHERE id = ?1", "s", n->id);
	int r = st_sql_first(s, e);
	const char *state = r == 0 ? st_text(s, 0) : NULL;

	if (r == -ERR_ABSENT)
		err_set(e, ERR_ABSENT, "the candidate has no such domain");
	else if (state != NULL)
		n->state = json_string(state);
	sqlite3_finalize(s);
	return r;
}

typedef int number_fn(struct number *, sqlite3 *, struct err *);

/* fn sees a stream with the candidate's changes, which it does not keep. */
static int
number_try(struct number *n, const char *stream, number_fn *fn, struct err *e)
{
	struct stream *open = st_stream_find(n->st, stream)->stream;
	sqlite3 *db = stream_db(open);
	int r;

	if ((r = stream_join(open, e)) != 0 || (r = stream_mark(open, e)) != 0)
		return r;
	r = st_apply(
	    n->st->cfg.objs, db, stream, &n->job->changes, NULL, NULL, e);
	if (r == 0)
		r = fn(n, db, e);
	stream_mark_undo(open, NULL);
	return r;
}

static void
number_on_compared(void *arg, struct st_job *j, const struct err *why)
{
	struct number *n = arg;
	struct err e;

	n->job = j;
	if (why != NULL)
		number_end(n, why);
	else if (number_try(n, ST_ROOT_STREAM, number_tell_state, &e) != 0 ||
	    number_try(n, n->stream, number_tell_all, &e) != 0)
		number_end(n, &e);
	else
		number_end(n, NULL);
}

/* ---- the question -------------------------------------------------------- */

static void
number_work(void *arg, const struct err *why)
{
	struct number *n = arg;
	struct st_job *j;

	if (why == NULL && n->session[0] != '\0') {
		j = st_job_new(n->st, n->session, number_on_compared, n);
		j->task = ST_TASK_COMPARE;
		st_job_start(j);
		return;
	}
	if (why == NULL)
		number_tell_all(n, NULL, NULL);
	number_end(n, why);
}

static void
number_on_open(void *arg, const struct err *why)
{
	struct number *n = arg;

	if (why != NULL)
		number_end(n, why);
	else
		st_gate_enter(n->st, number_work, n);
}

void
st_number(struct st *st, struct rpc_request *q, json_t *params)
{
	const char *id, *user, *number, *session = "";
	struct number *n;

	if (!st->serving) {
		rpc_failf(q, ERR_NOOWNER, "not the owner of the store");
		return;
	}
	if (json_unpack(params, "{s:s, s:s, s:s, s?s}", "domain_id", &id,
		"user", &user, "number", &number, "session", &session) != 0 ||
	    strlen(id) >= ST_ID || strlen(user) >= OBJ_KEY ||
	    strlen(number) >= OBJ_KEY || strlen(session) >= OP_SESSION) {
		rpc_failf(q, ERR_INVALID, "expected domain_id, user, number");
		return;
	}
	if (st_view_known(&st->view, id) == 0) {
		rpc_failf(q, ERR_ABSENT, "no domain has this id");
		return;
	}
	n = xcalloc(1, sizeof *n);
	n->st = st;
	n->request = q;
	n->rows = json_array();
	st_domain_stream(n->stream, id);
	str_copy(n->id, sizeof n->id, id);
	str_copy(n->session, sizeof n->session, session);
	str_copy(n->user, sizeof n->user, user);
	str_copy(n->number, sizeof n->number, number);
	n->hold = st_hold_new(st, number_on_open, n);
	st_hold_add(n->hold, n->stream, ST_DOMAIN);
	st_hold_go(n->hold);
}
