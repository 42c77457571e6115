/*
 * The private candidates of all sessions, as rows of stream `commit`: so
 * they survive the death of the store's owner. A row keeps the value that
 * ran when the session first touched the field; a commit compares it with
 * what runs then. An edit is two or three kept statements.
 */
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

enum cand_stmt {
	CAND_OBJECT,
	CAND_VALUE,
	CAND_PUT,
	CAND_FORGET,
	CAND_FORGET_ONE,
	CAND_DROP,
	CAND_DROP_DRAFT,
	CAND_KEEP,
	CAND_LIST,
	CAND_FRESH,
	CAND_STMTS
};

static const char *const cand_sql[CAND_STMTS] = {
    [CAND_OBJECT] = "SELECT base, value, rev FROM candidate "
		    "WHERE session = ?1 AND path = ?2 AND field = ''",
    [CAND_VALUE] = "SELECT value FROM candidate "
		   "WHERE session = ?1 AND path = ?2 AND field = ?3",
    [CAND_PUT] = "INSERT INTO candidate(session, path, field, base, value, "
		 "rev) VALUES(?1, ?2, ?3, ?4, ?5, ?6) "
		 "ON CONFLICT(session, path, field) "
		 "DO UPDATE SET value = excluded.value",
    /* what is below begins with the path and a space; '!' is its successor */
    [CAND_FORGET] = "DELETE FROM candidate WHERE session = ?1 AND "
		    "(path = ?2 OR (path > ?2 || ' ' AND path < ?2 || '!'))",
    [CAND_FORGET_ONE] =
	"DELETE FROM candidate WHERE session = ?1 AND path = ?2",
    [CAND_DROP] = "DELETE FROM candidate WHERE session = ?1",
    [CAND_DROP_DRAFT] = "DELETE FROM draft WHERE session = ?1",
    [CAND_KEEP] = "INSERT INTO draft(session, operator, source, started) "
		  "VALUES(?1, ?2, ?3, ?4) ON CONFLICT(session) DO NOTHING",
    [CAND_LIST] = "SELECT path, field, base, value, rev FROM candidate "
		  "WHERE session = ?1 ORDER BY path, field",
    /* nobody was there, or below, between the first touch and our commit */
    [CAND_FRESH] =
	"UPDATE candidate SET rev = ?2 WHERE session = ?1 AND field = '' AND "
	"NOT EXISTS (SELECT 1 FROM change c WHERE c.rev > candidate.rev AND "
	"c.rev < ?2 AND (c.path = candidate.path OR c.path > candidate.path "
	"|| ' ' AND c.path < candidate.path || '!'))",
};

struct st_cand {
	sqlite3 *db;
	sqlite3_stmt *stmt[CAND_STMTS];
	/* the domain resolved last; session "" = none */
	char session[OP_SESSION];
	char name[OBJ_KEY];
	struct st_domain domain;
	int lost; /* the error of a read, 0 = none */
};

struct st_cand *
st_cand_open(sqlite3 *commit, struct err *e)
{
	struct st_cand *c = xcalloc(1, sizeof *c);
	int i;

	c->db = commit;
	for (i = 0; i < CAND_STMTS; i++) {
		if (sqlite3_prepare_v3(commit, cand_sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &c->stmt[i],
			NULL) != SQLITE_OK) {
			st_sql_fail(commit, e, "candidate");
			st_cand_close(&c);
			return NULL;
		}
	}
	return c;
}

void
st_cand_close(struct st_cand **cp)
{
	struct st_cand *c = *cp;
	int i;

	*cp = NULL;
	if (c == NULL)
		return;
	for (i = 0; i < CAND_STMTS; i++)
		sqlite3_finalize(c->stmt[i]);
	free(c);
}

sqlite3 *
st_cand_db(const struct st_cand *c)
{
	return c->db;
}

bool
st_cand_recall(const struct st_cand *c, const char *session, const char *name,
    struct st_domain *d)
{
	if (c->session[0] == '\0' || strcmp(c->session, session) != 0 ||
	    strcmp(c->name, name) != 0)
		return false;
	*d = c->domain;
	return true;
}

void
st_cand_remember(struct st_cand *c, const char *session, const char *name,
    const struct st_domain *d)
{
	c->session[0] = '\0';
	if (d == NULL || !str_copy(c->session, sizeof c->session, session) ||
	    !str_copy(c->name, sizeof c->name, name)) {
		c->session[0] = '\0';
		return;
	}
	c->domain = *d;
}

/* A write to the path of a domain itself: what was resolved may be wrong. */
static void
st_cand_doubt(struct st_cand *c, const char *path)
{
	const char *key = strchr(path, ' ');

	if (key != NULL && strchr(key + 1, ' ') == NULL)
		c->session[0] = '\0';
}

/* Not everybody who asks hears of it. */
static int
cand_lost(struct st_cand *c, int r)
{
	if (r != 0)
		c->lost = r;
	return r;
}

int
st_cand_sound(struct st_cand *c, struct err *e)
{
	int r = c->lost;

	c->lost = 0;
	return r != 0 ? st_sql_unread(r, e) : 0;
}

int
st_cand_object(struct st_cand *c, const char *session, const char *path,
    struct st_object *o, struct err *e)
{
	sqlite3_stmt *s = c->stmt[CAND_OBJECT];
	const char *value;
	int r;

	memset(o, 0, sizeof *o);
	st_stmt_bind(s, "ss", session, path);
	r = sqlite3_step(s);
	if (r == SQLITE_ROW) {
		value = st_text(s, 1);
		o->intent = value == NULL ? ST_DELETE
		    : *value == '='	  ? ST_REPLACE
					  : ST_SET;
		o->existed = st_text(s, 0) != NULL;
		o->rev = sqlite3_column_int64(s, 2);
	}
	r = st_sql_end(s, r, e);
	sqlite3_reset(s);
	return cand_lost(c, r);
}

int
st_cand_intend(struct st_cand *c, const char *session, const char *path,
    enum st_intent intent, bool existed, int64_t rev, struct err *e)
{
	int r;

	if ((r = st_cand_sound(c, e)) != 0)
		return r;
	st_cand_doubt(c, path);
	return st_stmt_run(c->stmt[CAND_PUT], e, "sssssi", session, path, "",
	    existed ? "1" : NULL,
	    intent == ST_DELETE	       ? NULL
		: intent == ST_REPLACE ? "="
				       : "+",
	    rev);
}

int
st_cand_value(struct st_cand *c, const char *session, const char *path,
    const char *field, struct buf *out, bool *null)
{
	sqlite3_stmt *s = c->stmt[CAND_VALUE];
	const char *value;
	int step, r;

	st_stmt_bind(s, "sss", session, path, field);
	step = sqlite3_step(s);
	r = step == SQLITE_DONE ? -ERR_ABSENT
				: cand_lost(c, st_sql_end(s, step, NULL));
	value = r == 0 ? st_text(s, 0) : NULL;
	if (null != NULL)
		*null = value == NULL;
	if (out != NULL && value != NULL)
		buf_str(out, value);
	sqlite3_reset(s);
	return r;
}

int
st_cand_put(struct st_cand *c, const char *session, const char *path,
    const char *field, const char *base, const char *value, int64_t rev,
    struct err *e)
{
	int r;

	if ((r = st_cand_sound(c, e)) != 0)
		return r;
	st_cand_doubt(c, path);
	return st_stmt_run(c->stmt[CAND_PUT], e, "sssssi", session, path, field,
	    base, value, rev);
}

int
st_cand_forget(
    struct st_cand *c, const char *session, const char *path, struct err *e)
{
	c->session[0] = '\0';
	return st_stmt_run(c->stmt[CAND_FORGET], e, "ss", session, path);
}

int
st_cand_renamed(struct st_cand *c, const char *session, const char *from,
    const char *to, struct err *e)
{
	return st_sql_run(c->db, e,
	    "UPDATE candidate SET base = ?3 WHERE session = ?1 AND path = ?2 "
	    "AND field = '' AND base IS NOT NULL",
	    "sss", session, from, to);
}

const char *
st_entry_renamed(const struct st_entry *self)
{
	return self->base != NULL && strcmp(self->base, "1") != 0 ? self->base
								  : NULL;
}

int
st_cand_keep(
    struct st_cand *c, const struct op_who *who, uint64_t now, struct err *e)
{
	return st_stmt_run(c->stmt[CAND_KEEP], e, "sssi", who->session,
	    who->name, who->from, (int64_t)now);
}

int
st_cand_drop(struct st_cand *c, const char *session, int64_t *n, struct err *e)
{
	int r = st_stmt_run(c->stmt[CAND_DROP], e, "s", session);

	c->session[0] = '\0';
	if (n != NULL)
		*n = sqlite3_changes64(c->db);
	if (r == 0)
		r = st_stmt_run(c->stmt[CAND_DROP_DRAFT], e, "s", session);
	return r;
}

/* A text of a row into the pool; NULL stays NULL. */
static const char *
st_cand_text(struct pool *p, sqlite3_stmt *s, int col)
{
	const char *text = st_text(s, col);

	return text != NULL ? pool_str(p, text) : NULL;
}

int
st_cand_list(struct st_cand *c, const char *session, struct pool *p,
    struct st_entry **list, size_t *n, struct err *e)
{
	sqlite3_stmt *s = c->stmt[CAND_LIST];
	struct st_entry *all = NULL, *one;
	const char *path, *last = NULL;
	size_t cap = 0;
	int r;

	*n = 0;
	st_stmt_bind(s, "s", session);
	while ((r = sqlite3_step(s)) == SQLITE_ROW) {
		if (*n == cap) {
			cap = cap == 0 ? 64 : 2 * cap;
			all = xrealloc(all, cap * sizeof *all);
		}
		path = st_text(s, 0);
		if (last == NULL || strcmp(last, path) != 0)
			last = pool_str(p, path);
		one = &all[(*n)++];
		one->path = last;
		one->field = st_cand_text(p, s, 1);
		one->base = st_cand_text(p, s, 2);
		one->value = st_cand_text(p, s, 3);
		one->rev = sqlite3_column_int64(s, 4);
	}
	sqlite3_reset(s);
	if (all != NULL)
		pool_own(p, free, all);
	*list = all;
	return r == SQLITE_DONE ? 0 : st_sql_fail(c->db, e, "candidate");
}

/* The rows of a layer, by their objects; *left: those of others. */
static int
cand_forget_layer(struct st_cand *c, const struct obj *const *objs,
    const char *session, enum obj_layer layer, size_t *left, struct err *e)
{
	struct pool *pool;
	struct st_entry *list;
	struct obj_path p;
	size_t n, i;
	int r;

	*left = 0;
	pool = pool_new();
	r = st_cand_list(c, session, pool, &list, &n, e);
	for (i = 0; r == 0 && i < n; i++) {
		if (i > 0 && list[i].path == list[i - 1].path)
			continue;
		if (obj_path_parse(objs, list[i].path, &p, NULL) != 0 ||
		    p.obj->layer != layer)
			++*left;
		else
			r = st_stmt_run(c->stmt[CAND_FORGET_ONE], e, "ss",
			    session, list[i].path);
	}
	pool_free(&pool);
	return r;
}

int
st_cand_done(struct st_cand *c, const struct obj *const *objs,
    const char *session, enum obj_layer layer, int64_t rev, struct err *e)
{
	size_t left;
	int r;

	if (layer == OBJ_ANY_LAYER)
		return st_cand_drop(c, session, NULL, e);
	c->session[0] = '\0';
	r = cand_forget_layer(c, objs, session, layer, &left, e);
	if (r == 0 && left == 0)
		r = st_cand_drop(c, session, NULL, e);
	else if (r == 0 && rev != 0)
		r = st_stmt_run(c->stmt[CAND_FRESH], e, "si", session, rev);
	return r;
}
