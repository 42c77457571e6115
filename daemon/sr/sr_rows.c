/*
 * Rows of the location database: the only file of the room with SQL on it.
 * One prepared statement per question; a refresh is one update by rowid, and
 * a select by (domain, user) where the user was not seen lately. Expired rows
 * are found by walking the table a little at a time, so that no index has to be
 * kept for them. Decides nothing. Called with the stream's connection, by tests
 * with any.
 *
 * A TEXT domain and user repeat in each row and in the index; rows are about
 * 400 bytes, so a refresh dirties one page of 1024.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "sr.h"

const char sr_rows_schema[] =
    "CREATE TABLE binding("
    " domain TEXT NOT NULL," /* id */
    " user TEXT NOT NULL,"
    " contact TEXT NOT NULL,"
    " call_id TEXT NOT NULL,"
    " cseq INTEGER NOT NULL,"
    " expires INTEGER NOT NULL," /* real clock, s */
    " q INTEGER NOT NULL,"	 /* 0..1000 */
    " path TEXT NOT NULL,"
    " source TEXT NOT NULL,"
    " user_agent TEXT NOT NULL,"
    " instance TEXT NOT NULL,"
    " reg_id INTEGER NOT NULL,"
    " updated INTEGER NOT NULL);" /* real clock, s */
    "CREATE INDEX binding_user ON binding(domain, user);";

enum sr_sql {
	SR_SQL_LOAD,
	SR_SQL_INSERT,
	SR_SQL_UPDATE,
	SR_SQL_DELETE,
	SR_SQL_SCAN,
	SR_SQL_LOCATE,
	SR_SQL_MAX
};

static const char *const sr_sql[SR_SQL_MAX] = {
    [SR_SQL_LOAD] = "SELECT rowid, contact, call_id, cseq, expires, q,"
		    " instance, reg_id, source FROM binding"
		    " WHERE domain = ?1 AND user = ?2 ORDER BY rowid",
    [SR_SQL_INSERT] = "INSERT INTO binding(domain, user, contact, call_id,"
		      " cseq, expires, q, path, source, user_agent, instance,"
		      " reg_id, updated)"
		      " VALUES(?12,?13,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [SR_SQL_UPDATE] = "UPDATE binding SET contact=?1, call_id=?2, cseq=?3,"
		      " expires=?4, q=?5, path=?6, source=?7, user_agent=?8,"
		      " instance=?9, reg_id=?10, updated=?11"
		      " WHERE rowid=?12",
    [SR_SQL_DELETE] = "DELETE FROM binding WHERE rowid=?1",
    [SR_SQL_SCAN] = "SELECT rowid, expires, domain, user FROM binding"
		    " WHERE rowid > ?1"
		    " ORDER BY rowid LIMIT ?2",
    [SR_SQL_LOCATE] = "SELECT contact, path, source, q, expires FROM binding"
		      " WHERE domain = ?1 AND user = ?2 AND expires > ?3"
		      " ORDER BY q DESC, updated DESC",
};

struct sr_rows {
	sqlite3 *db;
	sqlite3_stmt *st[SR_SQL_MAX];
	struct sr_memory *memory;
};

/* A transaction was undone: what was kept of it was never written. */
static void
sr_rows_on_rollback(void *arg)
{
	struct sr_rows *r = arg;

	sr_memory_clear(r->memory);
}

/* SQLite's own words. */
static int
sr_rows_err(struct sr_rows *r, struct err *err)
{
	return err_set(err, ERR_IO, "location: %s", sqlite3_errmsg(r->db));
}

int
sr_rows_open(struct sr_rows **rp, sqlite3 *db, struct err *err)
{
	struct sr_rows *r = xcalloc(1, sizeof *r);
	int i, rc = 0;

	r->db = db;
	r->memory = sr_memory_new();
	sqlite3_rollback_hook(db, sr_rows_on_rollback, r);
	for (i = 0; i < SR_SQL_MAX && rc == 0; i++) {
		if (sqlite3_prepare_v3(db, sr_sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &r->st[i],
			NULL) != SQLITE_OK)
			rc = sr_rows_err(r, err);
	}
	if (rc != 0)
		sr_rows_close(&r);
	*rp = r;
	return rc;
}

void
sr_rows_close(struct sr_rows **rp)
{
	struct sr_rows *r = *rp;
	int i;

	*rp = NULL;
	if (r == NULL)
		return;
	for (i = 0; i < SR_SQL_MAX; i++)
		sqlite3_finalize(r->st[i]);
	sqlite3_rollback_hook(r->db, NULL, NULL);
	sr_memory_free(&r->memory);
	free(r);
}

/* A text that outlives the step. */
static void
sr_bind_text(sqlite3_stmt *st, int at, const char *s)
{
	sqlite3_bind_text(st, at, s, -1, SQLITE_STATIC);
}

/* A column into a buffer; what the buffer cannot hold was never written. */
static void
sr_column_text(sqlite3_stmt *st, int at, char *out, size_t size)
{
	const char *s = (const char *)sqlite3_column_text(st, at);
	size_t n = (size_t)sqlite3_column_bytes(st, at);

	if (s == NULL || n >= size)
		n = 0;
	if (n != 0)
		memcpy(out, s, n);
	out[n] = '\0';
}

/* The row that SR_SQL_LOAD stands on. */
static void
sr_rows_get(sqlite3_stmt *st, struct sr_binding *b)
{
	b->row = sqlite3_column_int64(st, 0);
	b->fate = SR_KEEP;
	sr_column_text(st, 1, b->contact, sizeof b->contact);
	sr_column_text(st, 2, b->call_id, sizeof b->call_id);
	b->cseq = (uint32_t)sqlite3_column_int64(st, 3);
	b->expires = sqlite3_column_int64(st, 4);
	b->q = (unsigned)sqlite3_column_int(st, 5);
	sr_column_text(st, 6, b->instance, sizeof b->instance);
	b->reg_id = sqlite3_column_int64(st, 7);
	sr_column_text(st, 8, b->source, sizeof b->source);
}

/* From the database. */
static int
sr_rows_select(struct sr_rows *r, const char *domain, const char *user,
    struct sr_set *set, struct err *err)
{
	sqlite3_stmt *st = r->st[SR_SQL_LOAD];
	int rc, result = 0;

	set->count = 0;
	sr_bind_text(st, 1, domain);
	sr_bind_text(st, 2, user);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (set->count == SR_BINDINGS) {
			result = err_set(err, ERR_FULL,
			    "user %s: more than %d bindings", user,
			    SR_BINDINGS);
			break;
		}
		sr_rows_get(st, &set->binding[set->count++]);
	}
	if (rc != SQLITE_DONE && result == 0)
		result = sr_rows_err(r, err);
	sqlite3_reset(st);
	return result;
}

int
sr_rows_load(struct sr_rows *r, const char *domain, const char *user,
    struct sr_set *set, struct err *err)
{
	int rc;

	if (sr_memory_load(r->memory, domain, user, set))
		return 0;
	if ((rc = sr_rows_select(r, domain, user, set, err)) == 0)
		sr_memory_keep(r->memory, domain, user, set);
	return rc;
}

unsigned
sr_rows_count(const struct sr_set *set)
{
	unsigned i, n = 0;

	for (i = 0; i < set->count; i++)
		n += set->binding[i].fate != SR_KEEP &&
		    set->binding[i].fate != SR_GONE;
	return n;
}

/* Run a statement that gives no rows. */
static int
sr_rows_run(struct sr_rows *r, sqlite3_stmt *st, struct err *err)
{
	int rc = sqlite3_step(st), result = 0;

	if (rc != SQLITE_DONE)
		result = sr_rows_err(r, err);
	sqlite3_reset(st);
	return result;
}

/* The values that insert and update share. */
static void
sr_rows_bind(sqlite3_stmt *st, const struct sr_binding *b,
    const struct sr_request *req, int64_t now)
{
	sr_bind_text(st, 1, b->contact);
	sr_bind_text(st, 2, b->call_id);
	sqlite3_bind_int64(st, 3, b->cseq);
	sqlite3_bind_int64(st, 4, b->expires);
	sqlite3_bind_int(st, 5, (int)b->q);
	sr_bind_text(st, 6, req->path);
	sr_bind_text(st, 7, req->source);
	sr_bind_text(st, 8, req->agent);
	sr_bind_text(st, 9, b->instance);
	sqlite3_bind_int64(st, 10, b->reg_id);
	sqlite3_bind_int64(st, 11, now);
}

int
sr_rows_delete(struct sr_rows *r, int64_t row, struct err *err)
{
	sqlite3_bind_int64(r->st[SR_SQL_DELETE], 1, row);
	return sr_rows_run(r, r->st[SR_SQL_DELETE], err);
}

/* Make the fate of one binding true. */
static int
sr_rows_fulfil(struct sr_rows *r, const char *domain, const char *user,
    struct sr_binding *b, const struct sr_request *req, int64_t now,
    struct err *err)
{
	bool new = b->fate == SR_INSERT;
	sqlite3_stmt *st = r->st[new ? SR_SQL_INSERT : SR_SQL_UPDATE];
	int rc;

	if (b->fate == SR_REMOVE)
		return sr_rows_delete(r, b->row, err);
	if (!new && b->fate != SR_UPDATE)
		return 0;
	sr_rows_bind(st, b, req, now);
	if (new) {
		sr_bind_text(st, 12, domain);
		sr_bind_text(st, 13, user);
	} else
		sqlite3_bind_int64(st, 12, b->row);
	if ((rc = sr_rows_run(r, st, err)) != 0)
		return rc;
	if (sqlite3_changes(r->db) != 1)
		return err_set(err, ERR_CORRUPT,
		    "location: a row of user %s is not there", user);
	if (new)
		b->row = sqlite3_last_insert_rowid(r->db);
	return 0;
}

int
sr_rows_write(struct sr_rows *r, const char *domain, const char *user,
    struct sr_set *set, const struct sr_request *req, int64_t now,
    struct err *err)
{
	unsigned i;
	int rc = 0;

	for (i = 0; i < set->count && rc == 0; i++)
		rc = sr_rows_fulfil(
		    r, domain, user, &set->binding[i], req, now, err);
	if (rc == 0)
		sr_memory_keep(r->memory, domain, user, set);
	else
		sr_memory_forget(r->memory, domain, user);
	return rc;
}

int
sr_rows_scan(struct sr_rows *r, int64_t *at, unsigned limit, int64_t now,
    int64_t *ids, unsigned *nids, struct err *err)
{
	sqlite3_stmt *st = r->st[SR_SQL_SCAN];
	unsigned seen = 0;
	int rc;

	*nids = 0;
	sqlite3_bind_int64(st, 1, *at);
	sqlite3_bind_int64(st, 2, limit);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		*at = sqlite3_column_int64(st, 0);
		seen++;
		if (sqlite3_column_int64(st, 1) > now)
			continue;
		ids[(*nids)++] = *at;
		sr_memory_forget(r->memory,
		    (const char *)sqlite3_column_text(st, 2),
		    (const char *)sqlite3_column_text(st, 3));
	}
	if (seen < limit)
		*at = 0;
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? (int)seen : sr_rows_err(r, err);
}

json_t *
sr_rows_locate(struct sr_rows *r, const char *domain, const char *user,
    int64_t now, struct err *err)
{
	sqlite3_stmt *st = r->st[SR_SQL_LOCATE];
	json_t *list = json_array();
	int rc;

	sr_bind_text(st, 1, domain);
	sr_bind_text(st, 2, user);
	sqlite3_bind_int64(st, 3, now);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:I, s:I}", "contact",
			sqlite3_column_text(st, 0), "path",
			sqlite3_column_text(st, 1), "source",
			sqlite3_column_text(st, 2), "q",
			(json_int_t)sqlite3_column_int64(st, 3), "expires",
			(json_int_t)sqlite3_column_int64(st, 4)));
	sqlite3_reset(st);
	if (rc == SQLITE_DONE)
		return list;
	json_decref(list);
	sr_rows_err(r, err);
	return NULL;
}
