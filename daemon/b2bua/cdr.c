/*
 * The books: one row for every call that was admitted, answered or not. The
 * row goes into the calls stream and waits there until ST has collected it.
 * Numbers of rows begin with the time (us): ST knows how far it got in a
 * stream by its name, and a server that left and joined again under its name
 * begins a new one.
 */
#include <string.h>

#include "b2bua.h"

const char cdr_schema[] =
    "CREATE TABLE call (id INTEGER PRIMARY KEY, record BLOB NOT NULL);"
    "CREATE TABLE cdr (seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL, domain TEXT NOT NULL, caller TEXT NOT NULL,"
    " caller_name TEXT NOT NULL, called TEXT NOT NULL,"
    " destination TEXT NOT NULL, start INTEGER NOT NULL, ring INTEGER,"
    " answer INTEGER, end INTEGER NOT NULL, code INTEGER NOT NULL,"
    " reason TEXT NOT NULL, ended_by TEXT NOT NULL, instance TEXT NOT NULL,"
    " rx_caller INTEGER, rx_callee INTEGER, lost_caller INTEGER,"
    " lost_callee INTEGER);"
    "INSERT INTO sqlite_sequence (name, seq)"
    " VALUES ('cdr', CAST(strftime('%s', 'now') AS INTEGER) * 1000000);";

const char cdr_insert[] =
    "INSERT INTO cdr (id, domain, caller, caller_name, called, destination,"
    " start, ring, answer, end, code, reason, ended_by, instance,"
    " rx_caller, rx_callee, lost_caller, lost_callee)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

static const char *
cdr_side(enum call_side side)
{
	switch (side) {
	case CALL_SIDE_CALLER:
		return "caller";
	case CALL_SIDE_CALLEE:
		return "callee";
	default:
		return "system";
	}
}

int
cdr_write(sqlite3_stmt *s, const struct call *c, struct err *err)
{
	const char *texts[] = {c->id, c->domain_id, c->caller_number,
	    c->caller_name, c->called, c->destination};
	const uint64_t times[] = {c->start, c->ring, c->answer, c->end};
	const char *ends[] = {
	    c->reason, cdr_side(c->ended_by), c->b2bua->self->full};
	const int64_t media[] = {
	    c->rx_caller, c->rx_callee, c->lost_caller, c->lost_callee};
	int rc;

	sqlite3_clear_bindings(s);
	for (int i = 0; i < 6; i++)
		sqlite3_bind_text(s, 1 + i, texts[i], -1, SQLITE_STATIC);
	for (int i = 0; i < 4; i++)
		if (times[i] != 0)
			sqlite3_bind_int64(s, 7 + i, (int64_t)times[i]);
	sqlite3_bind_int(s, 11, c->code);
	for (int i = 0; i < 3; i++)
		sqlite3_bind_text(s, 12 + i, ends[i], -1, SQLITE_STATIC);
	for (int i = 0; i < 4; i++)
		if (media[i] >= 0)
			sqlite3_bind_int64(s, 15 + i, media[i]);
	rc = sqlite3_step(s);
	sqlite3_reset(s);
	if (rc != SQLITE_DONE)
		return err_set(err, ERR_IO, "cdr: %s",
		    sqlite3_errmsg(sqlite3_db_handle(s)));
	return 0;
}
