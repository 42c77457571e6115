/*
 * How an owner comes to its stream: it claims the epoch at the replicator,
 * opens the database, ships what an owner before it had committed and the
 * replicator never got, and is ready when that is on disk. And how it leaves.
 *
 * A database that is gone although the ship log knows it is refused, never
 * made anew. One that was there before the ship log is taken as the stream's
 * beginning: its file is synced before anything of it is acknowledged.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "page_sum.h"
#include "repl_room.h"
#include "stream_path.h"
#include "wal_vfs.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define OPEN_BUSY 1000 /* ms that another's recovery is waited for */

void
stream_announce(struct stream *s)
{
	struct ship_msg m = {.type = SHIP_MSG_OPEN,
	    .handle = s->handle,
	    .u.open.epoch = s->config.epoch};

	if (s->state == STREAM_LOST)
		return;
	str_copy(m.u.open.name, sizeof m.u.open.name, s->config.name);
	repl_send(s->repl, &m);
}

void
stream_on_refused(struct stream *s, const struct ship_msg *m)
{
	struct err e;

	err_set(&e, m->u.refused.code, "%s", m->u.refused.words);
	stream_set_lost(s, &e);
}

/* ---- the database ------------------------------------------------------- */

/* The one integer that a statement gives. */
static int
open_number(struct stream *s, const char *sql, int64_t *out, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		return stream_sql_err(s, s->db, e, sql);
	rc = sqlite3_step(st);
	*out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return stream_sql_err(s, s->db, e, sql);
	return 0;
}

/* WAL mode, and no checkpoint of SQLite's own. FULL is what makes wal_vfs
 * write out a commit; it syncs nothing. */
static int
open_pragmas(struct stream *s, struct err *e)
{
	char sql[200];
	int64_t page_size, n;
	int r;

	snprintf(sql, sizeof sql,
	    "PRAGMA synchronous=OFF; PRAGMA page_size=%u;"
	    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	    "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384",
	    s->config.page_size);
	if ((r = stream_exec(s, sql, e)) != 0 ||
	    (r = open_number(s, "PRAGMA page_size", &page_size, e)) != 0 ||
	    (r = open_number(s, "SELECT count(*) FROM sqlite_schema", &n, e)) !=
		0)
		return r;
	s->page_size = (uint32_t)page_size;
	sqlite3_wal_autocheckpoint(s->db, 0);
	sqlite3_wal_hook(s->db, stream_on_wal, s);
	return 0;
}

static void
stream_on_damage(void *arg, uint32_t page)
{
	struct stream *s = arg;

	repl_damaged(s->repl, s->handle, page);
}

static int
open_sqlite(struct stream *s, const char *path, struct err *e)
{
	const char *vfs = wal_vfs();
	char wal[STREAM_PATH];
	int r, room = PAGE_SUM;

	if (vfs == NULL)
		return err_set(e, ERR_NOMEM, "%s", s->config.name);
	if (sqlite3_open_v2(path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_PRIVATECACHE,
		vfs) != SQLITE_OK)
		return stream_sql_err(s, s->db, e, "open");
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, OPEN_BUSY);
	wal_vfs_on_damage(s->db, stream_on_damage, s);
	/* Counts for a database that is new. */
	sqlite3_file_control(s->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &room);
	if ((r = open_pragmas(s, e)) != 0)
		return r;
	snprintf(wal, sizeof wal, "%.390s-wal", path);
	s->wal_fd = open(wal, O_RDONLY | O_CLOEXEC);
	if (s->wal_fd < 0)
		return err_errno(e, ERR_IO, "%s", wal);
	return 0;
}

/* The file is there when the log says so, and made when the log does not know
 * the stream. 1 = it is new. */
static int
open_file(struct stream *s, const char *path, uint64_t lsn, struct err *e)
{
	struct stat st;
	int r;

	if (lsn != 0 && (stat(path, &st) != 0 || st.st_size == 0))
		return err_set(e, ERR_CORRUPT,
		    "%s: database is gone, the ship log has LSN %llu",
		    s->config.name, (unsigned long long)lsn);
	if ((r = stream_path_dirs(s->repl->root, s->config.name, e)) != 0)
		return r;
	return stream_path_create(path, e);
}

/* What was there before the log goes into the file as a whole, and the
 * replicator syncs it. */
static int
open_base(struct stream *s, struct err *e)
{
	struct ship_msg m = {.type = SHIP_MSG_WRITTEN,
	    .handle = s->handle,
	    .u.written = {0, true}};

	if (sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_TRUNCATE,
		NULL, NULL) != SQLITE_OK)
		return stream_sql_err(s, s->db, e, "checkpoint");
	repl_send(s->repl, &m);
	log_info("stream=%s taken as it is, the ship log does not know it",
	    s->config.name);
	return 0;
}

/* The tables of a new stream; one commit that contains them. A stream taken
 * as it is makes a commit too: readers wait for the first. */
static int
open_tables(struct stream *s, struct err *e)
{
	static const char change[] =
	    "CREATE TABLE _change(seq INTEGER PRIMARY KEY,"
	    " lsn INTEGER NOT NULL, object TEXT NOT NULL, key TEXT NOT NULL)";
	int64_t n;
	char sql[80];
	int r;

	r = open_number(s,
	    "SELECT count(*) FROM sqlite_schema WHERE name='_change'", &n, e);
	if (r != 0 || (n != 0 && s->lsn != 0))
		return r;
	if (n != 0) {
		if ((r = open_number(s, "PRAGMA user_version", &n, e)) != 0)
			return r;
		snprintf(
		    sql, sizeof sql, "PRAGMA user_version=%lld", (long long)n);
		return stream_exec(s, sql, e);
	}
	if ((r = stream_exec(s, "BEGIN IMMEDIATE", e)) != 0)
		return r;
	if ((s->config.schema != NULL &&
		(r = stream_exec(s, s->config.schema, e)) != 0) ||
	    (r = stream_exec(s, change, e)) != 0 ||
	    (r = stream_exec(s, "COMMIT", e)) != 0)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static int
open_prepare(struct stream *s, struct err *e)
{
	static const char *const sql[SQL_MAX] = {
	    [SQL_BEGIN] = "BEGIN IMMEDIATE",
	    [SQL_COMMIT] = "COMMIT",
	    [SQL_ROLLBACK] = "ROLLBACK",
	    [SQL_MARK] = "SAVEPOINT m",
	    [SQL_KEEP] = "RELEASE m",
	    [SQL_UNDO] = "ROLLBACK TO m",
	    [SQL_CHANGE] = "INSERT INTO _change(lsn, object, key)"
			   " VALUES(?1, ?2, ?3)",
	    [SQL_CHANGE_TRIM] = "DELETE FROM _change WHERE seq <="
				" (SELECT max(seq) FROM _change) - ?1",
	};
	int i;

	for (i = 0; i < SQL_MAX; i++) {
		if (sqlite3_prepare_v3(s->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &s->sql[i],
			NULL) != SQLITE_OK)
			return stream_sql_err(s, s->db, e, sql[i]);
	}
	return 0;
}

/* ---- the replicator's answer -------------------------------------------- */

/* The first welcome: everything up to what has to be shipped. */
static int
open_database(struct stream *s, const struct ship_welcome *w, struct err *e)
{
	char path[STREAM_PATH];
	int r, made;

	s->file = w->file;
	if ((r = stream_path(
		 path, s->repl->root, s->config.name, s->file, e)) != 0)
		return r;
	if ((made = open_file(s, path, w->lsn, e)) < 0)
		return made;
	if ((r = open_sqlite(s, path, e)) != 0)
		return r;
	if (w->lsn == 0 && !made && (r = open_base(s, e)) != 0)
		return r;
	if (w->page_size != 0 && w->page_size != s->page_size)
		return err_set(e, ERR_CORRUPT,
		    "%s: pages of %u bytes, the ship log has %u",
		    s->config.name, s->page_size, w->page_size);
	if (ship_part_frames(s->page_size) == 0)
		return err_set(e, ERR_INVALID, "%s: pages of %u bytes",
		    s->config.name, s->page_size);
	if ((r = stream_ship_from(s, w, e)) != 0 ||
	    (r = open_tables(s, e)) != 0 || (r = open_prepare(s, e)) != 0)
		return r;
	s->state = STREAM_TAIL;
	return 0;
}

void
stream_on_welcome(struct stream *s, const struct ship_msg *m)
{
	const struct ship_welcome *w = &m->u.welcome;
	struct err e;
	int r;

	if (s->state == STREAM_LOST || s->welcome)
		return;
	if (s->state == STREAM_OPENING)
		r = open_database(s, w, &e);
	else
		r = stream_ship_from(s, w, &e);
	if (r != 0) {
		stream_set_lost(s, &e);
		return;
	}
	s->welcome = true;
	repl_queue(s->repl, s);
	stream_settle(s);
	loop_defer(s->repl->loop, &s->deliver);
	loop_defer(s->repl->loop, &s->group_end);
}

/* ---- leaving ------------------------------------------------------------ */

/*
 * The last connection to a database checkpoints it and removes -wal and -shm,
 * which it may only when everything in them is on disk in the ship log.
 */
void
stream_close_db(struct stream *s)
{
	int i;

	for (i = 0; i < SQL_MAX; i++) {
		sqlite3_finalize(s->sql[i]);
		s->sql[i] = NULL;
	}
	stream_checkpoint_close(s);
	if (s->wal_fd >= 0)
		close(s->wal_fd);
	s->wal_fd = -1;
	if (s->db == NULL)
		return;
	if (s->state != STREAM_READY || s->acked != s->lsn)
		sqlite3_db_config(
		    s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_wal_hook(s->db, NULL, NULL);
	wal_vfs_on_damage(s->db, NULL, NULL);
	if (sqlite3_close(s->db) != SQLITE_OK) {
		log_warnx(
		    "stream=%s closed with statements in use", s->config.name);
		sqlite3_close_v2(s->db);
	}
	s->db = NULL;
}
