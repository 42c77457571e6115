/*
 * A stream at its owner: one connection, which alone writes and checkpoints,
 * and the group transaction that many requests share. SQLite never syncs
 * here; what makes a commit durable is the replicator's ship log.
 *
 * A group ends with the turn of the loop when nothing is on its way to the
 * disk; otherwise when that comes back, or after STREAM_GROUP_US, or with
 * STREAM_GROUP_MAX joins. So a lone request does not wait, and under load
 * groups are as large as what arrives during one sync.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "repl_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* Bytes of -wal that may wait for the replicator before joins are refused. */
#define STREAM_BEHIND (UINT64_C(32) << 20)
/* Rows of _change kept for readers; old ones are removed now and then. */
#define STREAM_CHANGES 1024
#define STREAM_CHANGES_TRIM 128

/* ---- SQLite ------------------------------------------------------------- */

int
stream_sql_err(struct stream *s, sqlite3 *db, struct err *e, const char *what)
{
	enum err_code code = ERR_IO;
	int rc = db != NULL ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM;

	if (rc == SQLITE_FULL)
		code = ERR_FULL;
	else if (rc == SQLITE_NOMEM)
		code = ERR_NOMEM;
	else if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		code = ERR_BUSY;
	else if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB)
		code = ERR_CORRUPT;
	return err_set(e, code, "%s: %s: %s", s->config.name, what,
	    db != NULL ? sqlite3_errmsg(db) : "out of memory");
}

int
stream_exec(struct stream *s, const char *sql, struct err *e)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return stream_sql_err(s, s->db, e, sql);
	return 0;
}

/* Run one of the prepared statements, which give no rows. */
static int
stream_run(struct stream *s, enum stream_sql which, struct err *e)
{
	sqlite3_stmt *st = s->sql[which];
	int rc = sqlite3_step(st), r = 0;

	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		r = stream_sql_err(s, s->db, e, sqlite3_sql(st));
	sqlite3_reset(st);
	return r;
}

/* ---- states ------------------------------------------------------------- */

void
stream_set_lost(struct stream *s, const struct err *e)
{
	if (s->state == STREAM_LOST)
		return;
	s->why = *e;
	s->state = STREAM_LOST;
	s->welcome = false;
	log_warnx("stream=%s epoch=%llu %s: %s", s->config.name,
	    (unsigned long long)s->config.epoch,
	    s->told ? "lost" : "not opened", e->text);
	loop_defer(s->repl->loop, &s->deliver);
}

/* Somebody removed the -wal: others open another one, or none. What was
 * shipped is in the ship log, from which the next owner's file is made good. */
static int
stream_check_wal(struct stream *s, struct err *e)
{
	struct stat st;

	if (fstat(s->wal_fd, &st) != 0 || st.st_nlink != 0)
		return 0;
	err_set(e, ERR_CORRUPT, "%s: its -wal was removed", s->config.name);
	stream_set_lost(s, e);
	return -(int)e->code;
}

/* Why nothing can be written now. */
static int
stream_check(const struct stream *s, struct err *e)
{
	uint64_t behind;

	if (s->state == STREAM_LOST) {
		*e = s->why;
		return -(int)e->code;
	}
	if (s->state != STREAM_READY)
		return err_set(
		    e, ERR_NOOWNER, "%s: not open yet", s->config.name);
	behind = (uint64_t)(s->frames - s->ship_frame) * s->page_size;
	if (behind > STREAM_BEHIND)
		return err_set(e, ERR_BUSY,
		    "%s: %llu MiB wait for the replicator", s->config.name,
		    (unsigned long long)(behind >> 20));
	return 0;
}

/* ---- the group ---------------------------------------------------------- */

/* When the group that was just begun or joined ends. */
static void
group_arm(struct stream *s)
{
	if (s->joins >= STREAM_GROUP_MAX || s->acked == s->lsn)
		loop_defer(s->repl->loop, &s->group_end);
	else if (s->joins == 1)
		loop_timer_set(s->group_timer, STREAM_GROUP_US);
}

int
stream_join(struct stream *s, struct err *e)
{
	int r;

	if ((r = stream_check(s, e)) != 0)
		return r;
	if (s->group && s->joins >= STREAM_GROUP_MAX)
		stream_commit(s, NULL);
	if (!s->group) {
		if ((r = stream_check_wal(s, e)) != 0)
			return r;
		stream_checkpoint_joining(s);
		if ((r = stream_run(s, SQL_BEGIN, e)) != 0)
			return r;
		s->group = true;
		s->joins = 0;
	}
	s->joins++;
	group_arm(s);
	return 0;
}

int
stream_commit(struct stream *s, struct err *e)
{
	struct err why;
	int r = 0;

	if (!s->group)
		return 0;
	loop_timer_cancel(s->group_timer);
	s->group = false;
	if (s->state == STREAM_LOST) {
		why = s->why;
		r = -(int)why.code;
	} else if (sqlite3_get_autocommit(s->db)) {
		r = err_set(&why, ERR_IO, "%s: SQLite undid the transaction",
		    s->config.name);
	} else {
		r = stream_run(s, SQL_COMMIT, &why);
	}
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	stream_acks_commit(s, r != 0 ? &why : NULL);
	if (r != 0) {
		log_warnx("stream=%s %s", s->config.name, why.text);
		if (e != NULL)
			*e = why;
		return r;
	}
	repl_pump(s->repl);
	stream_checkpoint_committed(s);
	return 0;
}

void
stream_end_turn(void *arg)
{
	struct stream *s = OBJ(arg, stream, STREAM_MAGIC);

	if (s->group)
		stream_commit(s, NULL);
	else
		repl_pump(s->repl);
}

static void
stream_on_timer(void *arg)
{
	struct stream *s = OBJ(arg, stream, STREAM_MAGIC);

	stream_commit(s, NULL);
}

void
stream_delivered(struct stream *s)
{
	if (s->state != STREAM_READY)
		return;
	if (s->group && s->acked == s->lsn)
		loop_defer(s->repl->loop, &s->group_end);
	if (!s->group)
		stream_checkpoint_acked(s);
}

/* ---- inside a group ----------------------------------------------------- */

static int
group_run(struct stream *s, enum stream_sql which, struct err *e)
{
	if (!s->group)
		return err_set(
		    e, ERR_INTERNAL, "%s: no group is open", s->config.name);
	return stream_run(s, which, e);
}

int
stream_mark(struct stream *s, struct err *e)
{
	return group_run(s, SQL_MARK, e);
}

int
stream_mark_keep(struct stream *s, struct err *e)
{
	return group_run(s, SQL_KEEP, e);
}

int
stream_mark_undo(struct stream *s, struct err *e)
{
	int r = group_run(s, SQL_UNDO, e);

	return r != 0 ? r : group_run(s, SQL_KEEP, e);
}

int
stream_change(
    struct stream *s, const char *object, const char *key, struct err *e)
{
	sqlite3_stmt *st = s->sql[SQL_CHANGE];
	int r;

	if (!s->group)
		return err_set(
		    e, ERR_INTERNAL, "%s: no group is open", s->config.name);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)s->lsn + 1);
	sqlite3_bind_text(st, 2, object, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, key, -1, SQLITE_STATIC);
	r = stream_run(s, SQL_CHANGE, e);
	sqlite3_clear_bindings(st);
	if (r != 0 || ++s->changes < STREAM_CHANGES_TRIM)
		return r;
	s->changes = 0;
	sqlite3_bind_int(s->sql[SQL_CHANGE_TRIM], 1, STREAM_CHANGES);
	return stream_run(s, SQL_CHANGE_TRIM, e);
}

/* ---- opening, closing, asking ------------------------------------------- */

static int
stream_config_copy(
    struct stream *s, const struct stream_config *c, struct err *e)
{
	s->config = *c;
	s->config.name = s->config.schema = NULL;
	if (!ship_name_ok(c->name, strlen(c->name)))
		return err_set(
		    e, ERR_INVALID, "%s: no name of a stream", c->name);
	if (ship_part_frames(c->page_size) == 0 || c->epoch == 0)
		return err_set(e, ERR_INVALID, "%s: page size %u, epoch %llu",
		    c->name, c->page_size, (unsigned long long)c->epoch);
	s->config.name = strdup(c->name);
	s->config.schema = c->schema != NULL ? strdup(c->schema) : NULL;
	if (s->config.name == NULL ||
	    (c->schema != NULL && s->config.schema == NULL))
		return err_set(e, ERR_NOMEM, "%s", c->name);
	return 0;
}

void
stream_free(struct stream *s)
{
	free((char *)(uintptr_t)s->config.name);
	free((char *)(uintptr_t)s->config.schema);
	free(s);
}

int
stream_open(struct repl *repl, const struct stream_config *c,
    struct stream **out, struct err *e)
{
	struct stream *s = calloc(1, sizeof *s);
	int r;

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "%s", c->name);
	s->magic = STREAM_MAGIC;
	s->repl = repl;
	s->wal_fd = -1;
	ack_list_init(&s->acks);
	ack_list_init(&s->joined);
	s->deliver = (struct loop_defer){.fn = stream_deliver, .arg = s};
	s->group_end = (struct loop_defer){.fn = stream_end_turn, .arg = s};
	if ((r = stream_config_copy(s, c, e)) != 0 ||
	    (r = repl_slot_take(repl, s, NULL, &s->handle, e)) != 0) {
		stream_free(s);
		return r;
	}
	s->group_timer = loop_timer_new(repl->loop, stream_on_timer, s);
	stream_announce(s);
	*out = s;
	return 0;
}

void
stream_close(struct stream **sp)
{
	struct stream *s = *sp;
	struct ship_msg m = {.type = SHIP_MSG_CLOSE};
	struct err e;

	*sp = NULL;
	if (s == NULL || s->dead)
		return;
	stream_commit(s, NULL);
	while (stream_has_more(s) && stream_ship(s, &e) == 0)
		;
	stream_acks_drop(s);
	stream_close_db(s);
	m.handle = s->handle;
	repl_send(s->repl, &m);
	repl_unqueue(s->repl, s);
	repl_slot_free(s->repl, s->handle);
	loop_defer_cancel(s->repl->loop, &s->deliver);
	loop_defer_cancel(s->repl->loop, &s->group_end);
	loop_timer_free(&s->group_timer);
	s->dead = true;
	if (s->busy == 0)
		stream_free(s);
}

void
stream_settle(struct stream *s)
{
	if (s->state != STREAM_TAIL || s->acked != s->lsn)
		return;
	s->state = STREAM_READY;
	/* Nobody may ever commit to it: what opening it wrote, or an owner
	 * before left, must not keep the ship log. */
	repl_tick_soon(s->repl);
}

void
stream_on_tick(struct stream *s, bool *more)
{
	if (s->state == STREAM_READY && stream_checkpoint_idle(s))
		*more = true;
}

sqlite3 *
stream_db(struct stream *s)
{
	return s->db;
}

const char *
stream_name(const struct stream *s)
{
	return s->config.name;
}

uint64_t
stream_epoch(const struct stream *s)
{
	return s->config.epoch;
}

void
stream_status(const struct stream *s, struct stream_status *out)
{
	memset(out, 0, sizeof *out);
	str_copy(out->name, sizeof out->name, s->config.name);
	out->epoch = s->config.epoch;
	out->lsn = s->lsn;
	out->acked = s->acked;
	out->wal_frames = s->frames;
	out->pending = s->lsn - s->acked;
}
