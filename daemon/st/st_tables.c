/*
 * What the store's streams hold beside the rows of objects, whose tables
 * follow from the object table.
 *
 *   every stream  _applied: the last commit carried out here, by which a
 *                 commit is applied once however often it is tried.
 *   commit        candidate: what sessions want, a row a field; field ""
 *                   is the object itself, its value '+' set, '=' replaced,
 *                   NULL deleted, its base '1' when it existed.
 *                 draft: the candidates that are kept (st_draft.c).
 *                 revision: the decisions. change: their change sets, a row
 *                   a step; rows and not one JSON text, so that the last to
 *                   touch a path is found by an index.
 *                 unconfirmed: revisions that are undone at a time
 *                   (st_confirm.c).
 *                 exclusive: the session that alone may commit
 *                   (st_exclusive.c), if any.
 *                 collected: how far call records were taken over.
 *   domain/root   tombstone: deleted domains, whose streams are kept.
 *   domain/<id>   cdr: the domain's call records.
 *
 * Fields that refer to objects are indexed: deleting a user must not read
 * every number of a domain.
 */
#include <ctype.h>
#include <string.h>

#include "st.h"

static const char tables_all[] =
    "CREATE TABLE IF NOT EXISTS _applied(rev INTEGER PRIMARY KEY, "
    "txid TEXT NOT NULL);\n";

static const char tables_commit[] =
    "CREATE TABLE IF NOT EXISTS candidate(session TEXT NOT NULL, "
    "path TEXT NOT NULL, field TEXT NOT NULL, base TEXT, value TEXT, "
    "rev INTEGER NOT NULL, PRIMARY KEY(session, path, field));\n"
    "CREATE TABLE IF NOT EXISTS draft(session TEXT PRIMARY KEY, "
    "operator TEXT NOT NULL, source TEXT NOT NULL, started INTEGER NOT NULL, "
    "ended INTEGER, at INTEGER, minutes INTEGER, fixed INTEGER, "
    "comment TEXT, failed TEXT, txid TEXT);\n"
    "CREATE TABLE IF NOT EXISTS unconfirmed(rev INTEGER PRIMARY KEY, "
    "until INTEGER NOT NULL, operator TEXT NOT NULL, failed TEXT);\n"
    "CREATE TABLE IF NOT EXISTS revision(rev INTEGER PRIMARY KEY, "
    "txid TEXT NOT NULL UNIQUE, time INTEGER NOT NULL, "
    "operator TEXT NOT NULL, source TEXT NOT NULL, comment TEXT, "
    "changes INTEGER NOT NULL, applied INTEGER NOT NULL, layer TEXT);\n"
    "CREATE INDEX IF NOT EXISTS revision_pending ON revision(rev) "
    "WHERE applied = 0;\n"
    "CREATE TABLE IF NOT EXISTS change(rev INTEGER NOT NULL, "
    "n INTEGER NOT NULL, stream TEXT NOT NULL, path TEXT NOT NULL, "
    "field TEXT NOT NULL, old TEXT, new TEXT, PRIMARY KEY(rev, n));\n"
    "CREATE INDEX IF NOT EXISTS change_path ON change(path, rev);\n"
    "CREATE TABLE IF NOT EXISTS exclusive(session TEXT PRIMARY KEY, "
    "operator TEXT NOT NULL, source TEXT NOT NULL, since INTEGER NOT NULL);\n"
    "CREATE TABLE IF NOT EXISTS collected(stream TEXT PRIMARY KEY, "
    "seq INTEGER NOT NULL);\n";

static const char tables_root[] =
    "CREATE TABLE IF NOT EXISTS tombstone(id TEXT PRIMARY KEY, "
    "name TEXT NOT NULL, time INTEGER NOT NULL);\n";

static const char tables_domain[] =
    "CREATE TABLE IF NOT EXISTS cdr(seq INTEGER PRIMARY KEY AUTOINCREMENT, "
    "id TEXT NOT NULL, domain TEXT NOT NULL, caller TEXT, caller_name TEXT, "
    "called TEXT, destination TEXT, start INTEGER, ring INTEGER, "
    "answer INTEGER, end INTEGER, code INTEGER, reason TEXT, ended_by TEXT, "
    "instance TEXT, rx_caller INTEGER, rx_callee INTEGER, "
    "lost_caller INTEGER, lost_callee INTEGER, UNIQUE(domain, id));\n"
    "CREATE INDEX IF NOT EXISTS cdr_start ON cdr(start);\n";

static const struct {
	const char *sql;
	int place; /* of the objects it holds; -1 = none */
} tables[] = {
    [ST_SITE] = {"", OBJ_SITE},
    [ST_COMMIT] = {tables_commit, -1},
    [ST_ROOT] = {tables_root, OBJ_ROOT},
    [ST_DOMAIN] = {tables_domain, OBJ_DOMAIN},
};

/* A word of the table as a name of SQL: '-' becomes '_'. */
static void
st_tables_name(struct buf *b, const char *word)
{
	for (; *word != '\0'; word++)
		buf_char(b, *word == '-' ? '_' : *word);
}

/* Indexes of the fields that refer to other objects. */
static void
st_tables_indexes(
    const struct obj *const *objs, enum obj_place place, struct buf *b)
{
	const struct op_field *f;

	for (; *objs != NULL; objs++) {
		if ((*objs)->place != place)
			continue;
		for (f = (*objs)->fields; f != NULL && f->name != NULL; f++) {
			if (f->type != &op_type_ref || (f->flags & OP_LIST))
				continue;
			buf_str(b, "CREATE INDEX IF NOT EXISTS \"");
			st_tables_name(b, (*objs)->name);
			buf_char(b, '_');
			st_tables_name(b, f->name);
			buf_str(b, "_ref\" ON \"");
			st_tables_name(b, (*objs)->name);
			buf_str(b, "\"(\"");
			st_tables_name(b, f->name);
			buf_str(b, "\");\n");
		}
	}
}

/* The store's own part of a stream; harmless where it already stands. */
static void
st_tables_own(const struct obj *const *objs, enum st_kind kind, struct buf *b)
{
	buf_str(b, tables_all);
	buf_str(b, tables[kind].sql);
	if (tables[kind].place >= 0)
		st_tables_indexes(objs, (enum obj_place)tables[kind].place, b);
}

int
st_schema(const struct obj *const *objs, enum st_kind kind, struct buf *b)
{
	int r = 0;

	if (tables[kind].place >= 0)
		r = obj_schema(objs, (enum obj_place)tables[kind].place, b);
	st_tables_own(objs, kind, b);
	return r != 0 ? r : b->failed ? -ERR_NOMEM : 0;
}

/* Columns that tables of our own had not from the first release on. */
static const struct {
	enum st_kind kind;
	const char *table, *column, *sql;
} tables_later[] = {
    {ST_COMMIT, "revision", "layer",
	"ALTER TABLE revision ADD COLUMN layer TEXT"},
    {ST_COMMIT, "draft", "txid", "ALTER TABLE draft ADD COLUMN txid TEXT"},
};

static int
st_tables_grow(sqlite3 *db, enum st_kind kind, struct err *e)
{
	sqlite3_stmt *s;
	size_t i;
	int there;

	for (i = 0; i < sizeof tables_later / sizeof tables_later[0]; i++) {
		if (tables_later[i].kind != kind)
			continue;
		s = st_sql(db, e,
		    "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2", "ss",
		    tables_later[i].table, tables_later[i].column);
		if ((there = st_sql_found(s, e)) < 0)
			return there;
		if (!there && st_sql_run(db, e, tables_later[i].sql, "") != 0)
			return -ERR_IO;
	}
	return 0;
}

int
st_upgrade(const struct obj *const *objs, enum st_kind kind, sqlite3 *db,
    struct err *e)
{
	struct buf b = BUF_INIT;
	int r = 0;

	if (tables[kind].place >= 0)
		r = obj_upgrade(
		    objs, (enum obj_place)tables[kind].place, db, e);
	st_tables_own(objs, kind, &b);
	if (r == 0 && b.failed)
		r = err_set(e, ERR_NOMEM, "out of memory");
	if (r == 0 && sqlite3_exec(db, b.data, NULL, NULL, NULL) != SQLITE_OK)
		r = st_sql_fail(db, e, "tables");
	buf_fini(&b);
	return r != 0 ? r : st_tables_grow(db, kind, e);
}
