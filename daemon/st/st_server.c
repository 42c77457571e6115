/*
 * Rows of servers that no operator writes: what the boot file of a server says
 * of it, and, when it is new, how many instances of each role it runs. They
 * are edits of the system's own candidate and become a revision like any
 * other; for a server that joins, control asks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role.h"

/* How many instances a server runs of each role before anybody says so. */
static const struct {
	const char *role, *instances;
} server_roles[] = {{"sg", "1"}, {"sr", "2"}, {"st", "2"}, {"b2bua", "1"},
    {"mg", "1"}, {"mgc", "2"}};

/* One object that the system sets itself, into its own candidate. */
static int
server_set(struct st *st, const char *path, json_t *values, struct err *e)
{
	struct st_editor by = {.view = &st->view,
	    .seal = st->seal,
	    .session = ST_SYSTEM,
	    .rev = st->rev,
	    .internal = true};
	struct obj_path p;
	int r;

	r = obj_path_parse(st->cfg.objs, path, &p, e);
	if (r == 0)
		r = st_edit_set(&by, &p, values, e);
	json_decref(values);
	return r;
}

static int
server_set_roles(struct st *st, const char *server, struct err *e)
{
	char path[OBJ_PATH];
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < sizeof server_roles / sizeof server_roles[0];
	     i++) {
		snprintf(path, sizeof path, "server %s role %s", server,
		    server_roles[i].role);
		r = server_set(st, path,
		    json_pack("{s:s}", "instances", server_roles[i].instances),
		    e);
	}
	return r != 0 ? r : server_set(st, "gate default", json_object(), e);
}

/* What is configured of it; false when nothing is. */
static bool
server_row(struct st *st, const struct st_server *s, struct obj_row *row)
{
	struct obj_path p;

	obj_path_parse(st->cfg.objs, "server", &p, NULL);
	p.nkeys = 1;
	str_copy(p.key[0], sizeof p.key[0], s->name);
	return obj_get(st->view.db(st, st->view.site), &p, row, NULL) == 0;
}

/* Is the server there already? 1, 0, or the error that it is of another kind:
 * what holds data becomes no witness, and no witness ever holds any. */
static int
server_known(struct st *st, const struct st_server *s, struct err *e)
{
	struct obj_row row;
	bool witness;

	if (!server_row(st, s, &row))
		return 0;
	witness = obj_value_yes(&row, "witness");
	obj_row_fini(&row);
	return witness == s->witness
	    ? 1
	    : err_set(e, ERR_CONFLICT,
		  "server %s is %s witness: request server remove and delete "
		  "it first, or give it another name",
		  s->name, witness ? "a" : "no");
}

bool
st_server_is_as(struct st *st, const struct st_server *s)
{
	struct obj_row row;
	bool same;

	if (!server_row(st, s, &row))
		return false;
	same = str_equal(obj_value(&row, "inside"), s->inside) &&
	    obj_value_int(&row, "port-base", -1) == (int64_t)s->port_base &&
	    obj_value_yes(&row, "witness") == s->witness;
	obj_row_fini(&row);
	return same;
}

int
st_server_edits(struct st *st, const struct st_server *s, struct err *e)
{
	char path[OBJ_PATH], base[8];
	json_t *values;
	int r, known;

	snprintf(path, sizeof path, "server %s", s->name);
	snprintf(base, sizeof base, "%u", s->port_base);
	if ((r = st_cand_drop(st->view.cand, ST_SYSTEM, NULL, e)) != 0)
		return r;
	if ((known = server_known(st, s, e)) < 0)
		return known;
	values = json_pack(
	    "{s:s, s:s}", "inside", s->inside, "port-base", base);
	if (s->witness)
		json_object_set_new(values, "witness", json_string("yes"));
	r = server_set(st, path, values, e);
	return r != 0 || known || s->witness ? r
					     : server_set_roles(st, s->name, e);
}

struct st_job *
st_server_job(
    struct st *st, const struct st_server *s, st_job_fn *fn, void *arg)
{
	struct st_job *j = st_job_new(st, ST_SYSTEM, fn, arg);

	str_copy(j->rev.operator, sizeof j->rev.operator, ST_SYSTEM);
	str_copy(j->rev.source, sizeof j->rev.source, s->name);
	rand_hex(j->rev.txid, 16);
	return j;
}

/* ---- a server that joins ------------------------------------------------- */

struct server_put {
	struct st *st;
	struct rpc_request *request;
	struct st_server server;
};

static void
server_put_end(struct server_put *w, const struct err *e)
{
	if (e == NULL)
		rpc_reply(w->request, json_object());
	else
		rpc_fail(w->request, e);
	free(w);
}

static void
server_on_put(void *arg, struct st_job *j, const struct err *e)
{
	struct err copy = e != NULL ? *e : (struct err){0};

	st_job_free(&j);
	server_put_end(arg, e != NULL ? &copy : NULL);
}

/* In its turn among commits. */
static void
server_put_work(void *arg, const struct err *why)
{
	struct server_put *w = arg;
	struct st *st = w->st;
	struct st_stream *commit = st_stream_find(st, "commit");
	struct st_revision pending;
	struct st_job *j;
	struct err e = {0};
	int r;

	if (why != NULL)
		e = *why;
	else if (commit == NULL)
		err_set(&e, ERR_NOOWNER, "not the owner of the store");
	else if ((r = st_revision_pending(
		      stream_db(commit->stream), &pending)) == 0)
		err_set(&e, ERR_BUSY, "revision %lld is not finished",
		    (long long)pending.rev);
	else if (r != -ERR_ABSENT)
		st_sql_unread(r, &e);
	else if (stream_join(commit->stream, &e) == 0)
		st_server_edits(st, &w->server, &e);
	if (e.code != ERR_NONE) {
		server_put_end(w, &e);
		return;
	}
	j = st_server_job(st, &w->server, server_on_put, w);
	snprintf(j->rev.comment, sizeof j->rev.comment, "server %s joins",
	    w->server.name);
	st_job_start(j);
}

void
st_server_put(struct st *st, struct rpc_request *q, json_t *params)
{
	struct server_put *w = xcalloc(1, sizeof *w);
	const char *name, *inside;
	int port_base, witness = 0;

	w->st = st;
	w->request = q;
	if (json_unpack(params, "{s:s, s:s, s:i, s?b}", "name", &name, "inside",
		&inside, "port-base", &port_base, "witness", &witness) != 0 ||
	    !str_copy(w->server.name, sizeof w->server.name, name) ||
	    !str_copy(w->server.inside, sizeof w->server.inside, inside)) {
		rpc_failf(q, ERR_INVALID, "expected name, inside, port-base");
		free(w);
		return;
	}
	w->server.port_base = (unsigned)port_base;
	w->server.witness = witness != 0;
	if (!st->serving) {
		rpc_failf(q, ERR_NOOWNER, "not the owner of the store");
		free(w);
		return;
	}
	st_gate_enter(st, server_put_work, w);
}
