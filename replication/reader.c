/*
 * A stream at a reader: a read-only connection to the database of this
 * server, and news of it from the replicator. It never writes, checkpoints
 * or removes a file.
 *
 * Snapshots may show commits that are not acknowledged yet; the notes of
 * reader_changes never do: each bears the LSN of its commit. A reader that
 * fell behind the rows which the owner keeps is told to read all anew.
 */
#include <stdlib.h>
#include <string.h>

#include "repl_room.h"
#include "stream_path.h"
#include "wal_vfs.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define READER_BUSY 100 /* ms that another's recovery is waited for */
#define READER_ROWS 256 /* notes taken in one snapshot */

enum reader_sql { READ_FIRST, READ_LAST, READ_ROWS, READ_MAX };

struct reader {
	unsigned magic;
	struct repl *repl;
	uint32_t handle;
	char name[STREAM_NAME];
	reader_fn *fn;
	void *arg;
	sqlite3 *db;
	sqlite3_stmt *sql[READ_MAX];
	struct ship_state now; /* as the replicator told it last */
	uint64_t generation;   /* of the file that db has open */
	uint32_t file;	       /* and its number */
	uint64_t lsn;	       /* acknowledged, and told to fn */
	int64_t seq;	       /* last row of _change that was taken */
	bool opened;	       /* fn was told OPEN; ABSENT otherwise */
	bool told;	       /* fn was told anything */
	bool reload;	       /* fn is to be told RELOAD */
	bool failing;	       /* the database did not open; said once */
	struct loop_defer news;
	unsigned busy;
	bool dead;
};

static int
reader_sql_err(struct reader *rd, struct err *e, const char *what)
{
	int rc = sqlite3_errcode(rd->db) & 0xff;

	return err_set(e,
	    rc == SQLITE_BUSY || rc == SQLITE_LOCKED ? ERR_BUSY : ERR_IO,
	    "%s: %s: %s", rd->name, what, sqlite3_errmsg(rd->db));
}

/* ---- the database ------------------------------------------------------- */

static void
reader_close_db(struct reader *rd)
{
	int i;

	for (i = 0; i < READ_MAX; i++) {
		sqlite3_finalize(rd->sql[i]);
		rd->sql[i] = NULL;
	}
	if (rd->db != NULL)
		wal_vfs_on_damage(rd->db, NULL, NULL);
	/* Statements of the user may still be there: they end it. */
	sqlite3_close_v2(rd->db);
	rd->db = NULL;
}

/* The first column of the one row, or 0. */
static int
reader_number(
    struct reader *rd, enum reader_sql which, int64_t *out, struct err *e)
{
	sqlite3_stmt *st = rd->sql[which];
	int rc = sqlite3_step(st), r = 0;

	*out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		r = reader_sql_err(rd, e, sqlite3_sql(st));
	sqlite3_reset(st);
	return r;
}

static void
reader_on_damage(void *arg, uint32_t page)
{
	struct reader *rd = arg;

	repl_damaged(rd->repl, rd->handle, page);
}

static int
reader_open_db(struct reader *rd, struct err *e)
{
	static const char *const sql[READ_MAX] = {
	    [READ_FIRST] = "SELECT seq FROM _change ORDER BY seq LIMIT 1",
	    [READ_LAST] = "SELECT seq FROM _change ORDER BY seq DESC LIMIT 1",
	    [READ_ROWS] = "SELECT seq, object, key FROM _change"
			  " WHERE seq > ?1 AND lsn <= ?2 ORDER BY seq"
			  " LIMIT ?3",
	};
	char path[STREAM_PATH];
	int i, r;

	if ((r = stream_path(
		 path, rd->repl->root, rd->name, rd->now.file, e)) != 0)
		return r;
	if (sqlite3_open_v2(path, &rd->db,
		SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_PRIVATECACHE,
		wal_vfs()) != SQLITE_OK)
		return reader_sql_err(rd, e, path);
	wal_vfs_on_damage(rd->db, reader_on_damage, rd);
	sqlite3_extended_result_codes(rd->db, 1);
	sqlite3_busy_timeout(rd->db, READER_BUSY);
	sqlite3_db_config(rd->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	for (i = 0; i < READ_MAX; i++) {
		if (sqlite3_prepare_v3(rd->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &rd->sql[i],
			NULL) != SQLITE_OK)
			return reader_sql_err(rd, e, sql[i]);
	}
	return reader_number(rd, READ_LAST, &rd->seq, e);
}

/* True when rows that were not taken yet are gone; then all are taken. */
static int
reader_is_behind(struct reader *rd, bool *behind, struct err *e)
{
	int64_t first, last;
	int r;

	*behind = false;
	if ((r = reader_number(rd, READ_FIRST, &first, e)) != 0 ||
	    (r = reader_number(rd, READ_LAST, &last, e)) != 0)
		return r;
	if (first <= rd->seq + 1 && last >= rd->seq)
		return 0;
	*behind = true;
	rd->seq = last;
	return 0;
}

/* ---- news --------------------------------------------------------------- */

/* Call fn; false when it closed the reader. */
static bool
reader_tell(struct reader *rd, enum reader_event event)
{
	rd->told = true;
	rd->busy++;
	rd->fn(rd->arg, rd, event);
	rd->busy--;
	return !rd->dead;
}

/* There is a database, new or another one: open it. */
static void
reader_news_open(struct reader *rd)
{
	bool again = rd->db != NULL;
	struct err e;

	reader_close_db(rd);
	if (reader_open_db(rd, &e) != 0) {
		if (!rd->failing)
			log_warnx("reader of %s", e.text);
		rd->failing = true;
		reader_close_db(rd);
		repl_tick_soon(rd->repl);
		return;
	}
	rd->failing = false;
	rd->generation = rd->now.generation;
	rd->file = rd->now.file;
	rd->lsn = rd->now.lsn;
	rd->opened = true;
	rd->reload = false;
	reader_tell(rd, again ? READER_RELOAD : READER_OPEN);
}

/* There are commits that fn does not know of. */
static void
reader_news_changed(struct reader *rd)
{
	bool behind = false;
	struct err e;

	if (reader_is_behind(rd, &behind, &e) != 0) {
		repl_tick_soon(rd->repl);
		return;
	}
	rd->lsn = rd->now.lsn;
	behind = behind || rd->reload;
	rd->reload = false;
	reader_tell(rd, behind ? READER_RELOAD : READER_CHANGED);
}

static void
reader_on_news(void *arg)
{
	struct reader *rd = OBJ(arg, reader, READER_MAGIC);

	rd->busy++;
	if (!rd->now.present) {
		if (rd->opened || !rd->told) {
			reader_close_db(rd);
			rd->opened = false;
			reader_tell(rd, READER_ABSENT);
		}
	} else if (rd->db == NULL || rd->generation != rd->now.generation ||
	    rd->file != rd->now.file) {
		reader_news_open(rd);
	} else if (rd->lsn != rd->now.lsn || rd->reload) {
		reader_news_changed(rd);
	}
	rd->busy--;
	if (rd->dead && rd->busy == 0)
		free(rd);
}

void
reader_on_state(struct reader *rd, const struct ship_msg *m)
{
	if (m->handle != rd->handle)
		return;
	rd->now = m->u.state;
	loop_defer(rd->repl->loop, &rd->news);
}

bool
reader_on_tick(struct reader *rd)
{
	bool again = rd->now.present &&
	    (rd->db == NULL || rd->lsn != rd->now.lsn || rd->reload);

	if (again)
		loop_defer(rd->repl->loop, &rd->news);
	return again;
}

/* ---- the notes of changes ----------------------------------------------- */

/* Take rows behind the last one out of a short snapshot: object and key, each
 * with its NUL. Returns how many, or an error. */
static int
reader_take(struct reader *rd, struct buf *out, struct err *e)
{
	sqlite3_stmt *st = rd->sql[READ_ROWS];
	int rc, n = 0;

	sqlite3_bind_int64(st, 1, rd->seq);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)rd->lsn);
	sqlite3_bind_int(st, 3, READER_ROWS);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		int64_t seq = sqlite3_column_int64(st, 0);
		const char *object = (const char *)sqlite3_column_text(st, 1);
		const char *key = (const char *)sqlite3_column_text(st, 2);

		if (seq != rd->seq + 1 || object == NULL || key == NULL) {
			rd->reload = true;
			break;
		}
		buf_add(out, object, strlen(object) + 1);
		buf_add(out, key, strlen(key) + 1);
		rd->seq = seq;
		n++;
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		n = reader_sql_err(rd, e, "changes");
	sqlite3_reset(st);
	if (out->failed)
		return err_set(e, ERR_NOMEM, "%s", rd->name);
	return n;
}

int
reader_changes(
    struct reader *rd, reader_change_fn *fn, void *arg, struct err *e)
{
	struct buf rows = BUF_INIT;
	const char *object, *key, *end;
	int n = READER_ROWS;

	rd->busy++;
	while (n == READER_ROWS && !rd->dead && rd->db != NULL) {
		buf_reset(&rows);
		if ((n = reader_take(rd, &rows, e)) <= 0)
			break;
		end = rows.data + rows.len;
		for (object = rows.data; object < end && !rd->dead;
		     object = key + strlen(key) + 1) {
			key = object + strlen(object) + 1;
			fn(arg, object, key);
		}
	}
	buf_fini(&rows);
	rd->busy--;
	if (rd->dead) {
		if (rd->busy == 0)
			free(rd);
	} else if (rd->reload) {
		loop_defer(rd->repl->loop, &rd->news);
	}
	return n < 0 ? n : 0;
}

/* ---- the door ----------------------------------------------------------- */

void
reader_announce(struct reader *rd)
{
	struct ship_msg m = {.type = SHIP_MSG_READ, .handle = rd->handle};

	str_copy(m.u.open.name, sizeof m.u.open.name, rd->name);
	repl_send(rd->repl, &m);
}

int
reader_open(struct repl *repl, const char *name, reader_fn *fn, void *arg,
    struct reader **out, struct err *e)
{
	struct reader *rd;
	int r;

	if (!ship_name_ok(name, strlen(name)))
		return err_set(e, ERR_INVALID, "%s: no name of a stream", name);
	if ((rd = calloc(1, sizeof *rd)) == NULL)
		return err_set(e, ERR_NOMEM, "%s", name);
	rd->magic = READER_MAGIC;
	rd->repl = repl;
	rd->fn = fn;
	rd->arg = arg;
	rd->news = (struct loop_defer){.fn = reader_on_news, .arg = rd};
	str_copy(rd->name, sizeof rd->name, name);
	if ((r = repl_slot_take(repl, NULL, rd, &rd->handle, e)) != 0) {
		free(rd);
		return r;
	}
	reader_announce(rd);
	*out = rd;
	return 0;
}

void
reader_close(struct reader **rdp)
{
	struct reader *rd = *rdp;
	struct ship_msg m = {.type = SHIP_MSG_UNREAD};

	*rdp = NULL;
	if (rd == NULL || rd->dead)
		return;
	reader_close_db(rd);
	m.handle = rd->handle;
	repl_send(rd->repl, &m);
	repl_slot_free(rd->repl, rd->handle);
	loop_defer_cancel(rd->repl->loop, &rd->news);
	rd->dead = true;
	if (rd->busy == 0)
		free(rd);
}

sqlite3 *
reader_db(struct reader *rd)
{
	return rd->db;
}

const char *
reader_name(const struct reader *rd)
{
	return rd->name;
}

void
reader_status(const struct reader *rd, struct stream_status *out)
{
	memset(out, 0, sizeof *out);
	str_copy(out->name, sizeof out->name, rd->name);
	out->epoch = rd->now.epoch;
	out->lsn = rd->now.lsn;
	out->acked = rd->now.lsn;
}
