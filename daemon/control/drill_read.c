/*
 * What of a drill's rows this server holds: read from its replica as any
 * reader would. A replica shows a write a moment after it was acknowledged,
 * so the last one that was is waited for; behind it all others are there or
 * lost.
 */
#include <stdlib.h>
#include <string.h>

#include "drill.h"
#include "daemon/base/mem.h"
#include "daemon/base/sql.h"
#include "daemon/base/str.h"
#include "daemon/role/role_drill.h"

/* Where the rows of a key lie, and how the number of one is read. ?1 is the
 * session of the drill, or what else its rows belong to. */
static const struct reading_kind {
	const char *key, *stream, *sql;
	bool of_session;
} reading_kinds[] = {
    {"sr", "location",
	"SELECT CAST(user AS INTEGER) FROM binding WHERE domain = ?1", false},
    {"mgc", "media",
	"SELECT CAST(substr(call, length(?1) + 2) AS INTEGER) FROM session"
	" WHERE gate = ?1",
	false},
    {"st", "commit",
	"SELECT CAST(substr(path, 9) AS INTEGER) FROM candidate"
	" WHERE session = ?1 AND field = ''",
	true},
};

struct reading {
	struct reader *reader;
	struct loop_timer *timer;
	const struct reading_kind *kind;
	char who[64]; /* whose rows: see reading_kinds */
	uint64_t until;
	drill_read_fn *fn;
	void *arg;
};

/* The numbers that are there, NULL when nothing can be read. */
static json_t *
reading_rows(struct reading *r)
{
	sqlite3 *db = reader_db(r->reader);
	sqlite3_stmt *s;
	json_t *rows;
	int step;

	if (db == NULL ||
	    sqlite3_prepare_v2(db, r->kind->sql, -1, &s, NULL) != SQLITE_OK)
		return NULL;
	rows = json_array();
	sqlite3_bind_text(s, 1, r->who, -1, SQLITE_STATIC);
	while ((step = sqlite3_step(s)) == SQLITE_ROW)
		json_array_append_new(
		    rows, json_integer(sqlite3_column_int64(s, 0)));
	if (sql_end(s, step, r->kind->stream, NULL) != 0) {
		json_decref(rows); /* less than all tells of a loss */
		rows = NULL;
	}
	sqlite3_finalize(s);
	return rows;
}

static bool
reading_has(json_t *rows, uint64_t number)
{
	json_t *one;
	size_t i;

	json_array_foreach (rows, i, one) {
		if ((uint64_t)json_integer_value(one) == number)
			return true;
	}
	return false;
}

/* It is there, or patience ended. */
static void
reading_on_timer(void *arg)
{
	struct reading *r = arg;
	json_t *rows = reading_rows(r);
	struct err e;

	err_set(&e, ERR_BUSY, "the replica cannot be read now");
	r->fn(r->arg, rows, rows == NULL ? &e : NULL);
	json_decref(rows);
	reader_close(&r->reader);
	loop_timer_free(&r->timer);
	free(r);
}

static void
reading_ignore(void *arg, const char *object, const char *key)
{
	(void)arg;
	(void)object;
	(void)key;
}

static void
reading_on_event(void *arg, struct reader *reader, enum reader_event event)
{
	struct reading *r = arg;
	json_t *rows;

	if (event == READER_CHANGED)
		reader_changes(reader, reading_ignore, NULL, NULL);
	if ((rows = reading_rows(r)) == NULL)
		return;
	if (r->until == UINT64_MAX || reading_has(rows, r->until))
		loop_timer_set(r->timer, 0); /* not from within the reader */
	json_decref(rows);
}

/* Of the keys that can be drilled, or else the last. */
static const struct reading_kind *
reading_kind(const char *key)
{
	size_t i = 0, last = sizeof reading_kinds / sizeof reading_kinds[0] - 1;

	while (i < last && strcmp(reading_kinds[i].key, key) != 0)
		i++;
	return &reading_kinds[i];
}

void
drill_read(struct control *c, const char *key, const char *as,
    const char *session, uint64_t until, drill_read_fn *fn, void *arg)
{
	struct reading *r = xcalloc(1, sizeof *r);
	struct err e;

	r->kind = reading_kind(key);
	if (r->kind->of_session)
		str_copy(r->who, sizeof r->who, session);
	else
		role_drill_name(r->who, as);
	r->until = until;
	r->fn = fn;
	r->arg = arg;
	r->timer = loop_timer_new(c->self->loop, reading_on_timer, r);
	loop_timer_set(r->timer, DRILL_READ_PATIENCE);
	if (reader_open(c->self->repl, r->kind->stream, reading_on_event, r,
		&r->reader, &e) != 0) {
		fn(arg, NULL, &e);
		loop_timer_free(&r->timer);
		free(r);
	}
}
