/*
 * One domain back to a time, as a candidate (st_restore.c). The directory of
 * that time says which stream the domain was, deleted since or not; then that
 * stream is built as it was. Both happen at the replicator, while everything
 * else goes on here; only the comparison shuts the gate, and it goes in
 * pieces, so that call records and streams are served in between.
 *
 * One restore at a time: what it holds is a copy of a database.
 */
#include <stdlib.h>
#include <string.h>

#include "st_op.h"
#include "st_restore.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define RESTORE_ROWS 100 /* compared in one turn of the loop */

struct restore {
	struct st *st;
	struct op_call *call;
	uint64_t time;
	struct past past;   /* the domain's stream */
	struct obj_row row; /* of the directory */
	bool has_row;
	char domain[OBJ_KEY];
	char stream[STREAM_NAME];
	struct st_hold *hold;
	bool shut; /* the gate is, for us */
	struct st_changes changes;
	struct st_restore_walk walk;
	struct loop_timer *next;
};

/* The end of it, good or bad; everything is let go. */
static void
restore_finish(struct restore *b, const struct err *e)
{
	struct op_call *call = b->call;
	struct st *st = b->st;
	bool shut = b->shut;

	st->restore = NULL;
	past_forget(st->cfg.repl, b);
	if (b->past.db != NULL)
		past_close(&b->past);
	if (b->has_row)
		obj_row_fini(&b->row);
	st_hold_close(&b->hold);
	st_changes_fini(&b->changes);
	loop_timer_free(&b->next);
	free(b);
	if (e != NULL) {
		op_finish(call, e);
	} else {
		call->rev = st->rev;
		st_answer_on_ack(st, st_op_commit_stream(st), call);
	}
	if (shut)
		st_gate_open(st);
}

void
st_restore_fail(struct st *st, const struct err *why)
{
	restore_finish(st->restore, why);
}

/* ---- the comparison --------------------------------------------------------
 */

static void
restore_row(const struct restore *b)
{
	struct op_call *call = b->call;
	int64_t rev;

	op_row(call);
	op_put(call, "domain", b->domain);
	op_put_time(call, "time", b->past.time);
	if ((rev = st_restore_rev(b->past.db)) >= 0)
		op_put_int(call, "rev", rev);
	op_put_int(call, "changes", (int64_t)b->changes.n);
	if (b->changes.n == 0)
		op_warn(call, "nothing has changed since then");
}

/* All that differs, in one turn: the candidate has all of it or nothing. */
static int
restore_fill(void *arg, struct err *e)
{
	struct restore *b = arg;
	int r = st_op_keep(b->st, b->call, e);

	return r != 0 ? r
		      : st_restore_fill(&b->st->view, b->call->who.session,
			    b->st->rev, &b->changes, e);
}

static void
restore_on_next(void *arg)
{
	struct restore *b = arg;
	struct err e;
	int r = st_restore_step(&b->walk, RESTORE_ROWS, &e);

	if (r == 1) {
		loop_timer_set(b->next, 0);
		return;
	}
	if (r == 0 && (r = st_stream_whole(b->st, restore_fill, b, &e)) == 0)
		restore_row(b);
	restore_finish(b, r != 0 ? &e : NULL);
}

/* What the directory says of the domain now. */
static int
restore_directory(struct restore *b, struct err *e)
{
	struct st *st = b->st;
	struct st_place root = {
	    .stream = ST_ROOT_STREAM, .db = st->view.db(st, ST_ROOT_STREAM)};
	struct obj_row is;
	bool there;
	int r;

	if ((r = st_view_row(&root, &b->row.path, &is, &there, e)) != 0)
		return r;
	if (!there)
		return st_restore_domain(&b->changes, &b->row, NULL, e);
	if (str_equal(obj_value(&is, "id"), obj_value(&b->row, "id")))
		r = st_restore_domain(&b->changes, &b->row, &is, e);
	else
		r = err_set(e, ERR_REFUSED,
		    "domain %s was deleted and made anew since: delete it "
		    "and commit, then restore",
		    b->domain);
	obj_row_fini(&is);
	return r;
}

/* In its turn: nobody changes the configuration until it is over. */
static void
restore_compare(void *arg, const struct err *why)
{
	struct restore *b = arg;
	struct st *st = b->st;
	struct err e;

	if (why != NULL)
		return; /* the ownership is over: st_restore_fail was called */
	st_gate_shut(st);
	b->shut = true;
	b->walk = (struct st_restore_walk){.objs = st->cfg.objs,
	    .domain = b->domain,
	    .stream = b->stream,
	    .was = b->past.db,
	    .is = st->view.db(st, b->stream),
	    .changes = &b->changes};
	if (st_op_candidate_empty(st, b->call, &e) != 0 ||
	    restore_directory(b, &e) != 0)
		restore_finish(b, &e);
	else
		loop_timer_set(b->next, 0);
}

/* ---- the databases ----------------------------------------------------------
 */

/* A database of an older release gets what it lacks. */
static int
restore_prepare(
    struct restore *b, enum st_kind kind, sqlite3 *db, struct err *e)
{
	return st_upgrade(b->st->cfg.objs, kind, db, e);
}

static void
restore_on_domain(void *arg, struct past *p, const struct err *why)
{
	struct restore *b = arg;
	struct err e;

	if (why != NULL) {
		restore_finish(b, why);
		return;
	}
	b->past = *p;
	if (restore_prepare(b, ST_DOMAIN, b->past.db, &e) != 0)
		restore_finish(b, &e);
	else
		st_gate_enter(b->st, restore_compare, b);
}

/* The stream is open, so the replicator knows its last commit. */
static void
restore_on_open(void *arg, const struct err *why)
{
	struct restore *b = arg;
	struct st *st = b->st;

	if (why != NULL) {
		restore_finish(b, why);
		return;
	}
	past_ask(st->cfg.repl, b->stream,
	    st_restore_until(st->view.db(st, "commit"), b->stream, b->time),
	    restore_on_domain, b);
}

/* The domain as the directory had it. */
static int
restore_find(struct restore *b, sqlite3 *root, struct err *e)
{
	struct obj_path path;
	char text[CLOCK_TEXT];
	const char *id;
	int r;

	if (restore_prepare(b, ST_ROOT, root, e) != 0)
		return -(int)e->code;
	st_domain_path(b->st->cfg.objs, b->domain, &path);
	clock_text(text, b->time);
	r = obj_get(root, &path, &b->row, e);
	if (r != 0 && r != -ERR_ABSENT)
		return r;
	if (r != 0)
		return err_set(e, ERR_ABSENT, "there was no domain %s at %s",
		    b->domain, text);
	b->has_row = true;
	id = obj_value(&b->row, "id");
	if (id != NULL && (r = st_view_known(&b->st->view, id)) < 0)
		return st_sql_unread(r, e);
	if (id == NULL || r == 0)
		return err_set(e, ERR_ABSENT,
		    "nothing is left of domain %s as it was at %s", b->domain,
		    text);
	st_domain_stream(b->stream, id);
	return 0;
}

static void
restore_on_root(void *arg, struct past *p, const struct err *why)
{
	struct restore *b = arg;
	struct err e;
	int r;

	if (why != NULL) {
		restore_finish(b, why);
		return;
	}
	r = restore_find(b, p->db, &e);
	past_close(p);
	if (r != 0) {
		restore_finish(b, &e);
		return;
	}
	b->hold = st_hold_new(b->st, restore_on_open, b);
	st_hold_add(b->hold, b->stream, ST_DOMAIN);
	st_hold_go(b->hold);
}

/* One at a time, into an empty candidate; the time is read. */
static int
restore_admit(
    struct st *st, const struct op_call *call, uint64_t *time, struct err *e)
{
	int r;

	if (st->restore != NULL)
		return err_set(e, ERR_BUSY, "another domain is being restored");
	r = st_restore_time(op_arg(call, "to"), clock_real(), time, e);
	return r != 0 ? r : st_op_candidate_empty(st, call, e);
}

static void
restore_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct restore *b;
	uint64_t time;
	struct err e;

	if (st_op_refuse(st, call, why))
		return;
	if (restore_admit(st, call, &time, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	b = xcalloc(1, sizeof *b);
	b->st = st;
	b->call = call;
	b->time = time;
	str_copy(b->domain, sizeof b->domain, op_arg(call, "domain"));
	st_changes_init(&b->changes);
	b->next = loop_timer_new(st->cfg.loop, restore_on_next, b);
	st->restore = b;
	past_ask(st->cfg.repl, ST_ROOT_STREAM,
	    st_restore_until(st->view.db(st, "commit"), ST_ROOT_STREAM, time),
	    restore_on_root, b);
}

static void
restore_run(struct op_call *call)
{
	st_op_enter(call, restore_work);
}

static const struct op_field restore_args[] = {
    {.name = "domain",
	.type = &op_type_domain,
	.ref = "domain",
	.flags = OP_REQUIRED,
	.brief = "of this domain, which may be deleted now"},
    {.name = "to",
	.type = &op_type_moment,
	.flags = OP_REQUIRED,
	.brief = "to this time"},
    {0},
};

static const struct op_field restore_cols[] = {
    {.name = "domain", .type = &op_type_domain, .brief = "its name"},
    {.name = "time",
	.type = &op_type_time,
	.brief = "last commit of its data up to then"},
    {.name = "rev",
	.type = &op_type_int,
	.brief = "last revision that it had carried out"},
    {.name = "changes",
	.type = &op_type_int,
	.brief = "steps of the candidate"},
    {0},
};

const struct op st_op_restore = {
    .name = "restore",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "a candidate that brings one domain back to a time",
    .about =
	"Fills the candidate, which must be empty, with what makes the "
	"domain again what it was after the last revision decided by that "
	"time; look at it with compare, then commit or discard it. Other "
	"domains are not touched. A deleted domain comes back with its own "
	"data. Passwords return as they were; call records and "
	"registrations are not configuration and stay. The time is RFC 3339, "
	"in UTC when it names no offset, or a span before now. How far back "
	"a server can go show history says: what counts is the one on which "
	"the owner of st runs.",
    .example = "restore domain demo.test to -1s\ncompare\ndiscard",
    .args = restore_args,
    .cols = restore_cols,
    .run = restore_run,
};
