/*
 * What B2BUA asks before it says that there is no such number: the rows of
 * the owner's copy of a domain that routing a call from a user to a number
 * needs, without secrets. In its turn among commits, so that it sees only
 * what was acknowledged.
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
	char user[OBJ_KEY], number[OBJ_KEY];
	struct st_hold *hold;
	json_t *rows;
};

static void
number_end(struct number *n, const struct err *e)
{
	if (e == NULL)
		rpc_reply(n->request, json_pack("{s:O}", "rows", n->rows));
	else
		rpc_fail(n->request, e);
	st_hold_close(&n->hold);
	json_decref(n->rows);
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

static void
number_work(void *arg, const struct err *why)
{
	struct number *n = arg;
	char owner[OBJ_KEY] = "";

	if (why == NULL) {
		n->st->count.numbers++;
		number_tell(n, "user", n->user, NULL);
		if (strcmp(n->number, n->user) != 0)
			number_tell(n, "user", n->number, NULL);
		number_tell(n, "number", n->number, owner);
		if (owner[0] != '\0' && strcmp(owner, n->user) != 0 &&
		    strcmp(owner, n->number) != 0)
			number_tell(n, "user", owner, NULL);
	}
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
	const char *id, *user, *number;
	struct number *n;

	if (!st->serving) {
		rpc_failf(q, ERR_NOOWNER, "not the owner of the store");
		return;
	}
	if (json_unpack(params, "{s:s, s:s, s:s}", "domain_id", &id, "user",
		&user, "number", &number) != 0 ||
	    strlen(user) >= OBJ_KEY || strlen(number) >= OBJ_KEY) {
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
	str_copy(n->user, sizeof n->user, user);
	str_copy(n->number, sizeof n->number, number);
	n->hold = st_hold_new(st, number_on_open, n);
	st_hold_add(n->hold, n->stream, ST_DOMAIN);
	st_hold_go(n->hold);
}
