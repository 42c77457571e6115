/*
 * A change set and how it is carried out in one stream. The steps are
 * literal (path, old, new), so a commit that was decided can be applied by
 * another process, later, without asking anything again.
 */
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

void
st_changes_init(struct st_changes *c)
{
	memset(c, 0, sizeof *c);
	c->pool = pool_new();
}

void
st_changes_fini(struct st_changes *c)
{
	free(c->list);
	pool_free(&c->pool);
	memset(c, 0, sizeof *c);
}

/* A copy in the pool; equal to the text before it, the same copy. */
static const char *
st_changes_text(struct st_changes *c, const char *text, const char *before)
{
	if (text == NULL || (before != NULL && strcmp(text, before) == 0))
		return text == NULL ? NULL : before;
	return pool_str(c->pool, text);
}

void
st_changes_add(struct st_changes *c, const char *stream, const char *path,
    const char *field, const char *old, const char *new)
{
	const struct st_change *last = c->n > 0 ? &c->list[c->n - 1] : NULL;
	struct st_change one;

	one.stream = st_changes_text(
	    c, stream, last != NULL ? last->stream : NULL);
	one.path = st_changes_text(c, path, last != NULL ? last->path : NULL);
	one.field = st_changes_text(c, field, NULL);
	one.old = st_changes_text(c, old, NULL);
	one.new = st_changes_text(c, new, NULL);
	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 64 : 2 * c->cap;
		c->list = xrealloc(c->list, c->cap * sizeof *c->list);
	}
	c->list[c->n++] = one;
}

size_t
st_changes_streams(const struct st_changes *c, const char **out, size_t room)
{
	struct map seen = {0};
	const char *name;
	size_t i, n = 0;

	for (i = 0; i < c->n; i++) {
		name = c->list[i].stream;
		if ((i > 0 && name == c->list[i - 1].stream) ||
		    map_str(&seen, name) != NULL)
			continue;
		if (map_str_put(&seen, name, (void *)name) != 0)
			fatalx("out of memory");
		if (n < room)
			out[n] = name;
		n++;
	}
	map_fini(&seen);
	return n;
}

/* The work on one stream. */
struct apply {
	const struct obj *const *objs;
	sqlite3 *db;
	st_note_fn *note;
	void *arg;
	struct obj_path path;
	const char *text; /* of path */
	bool gone;	  /* path was deleted by the step before */
};

/* The keys of an object as its stream knows it: a domain's own name is the
 * stream's and left out. */
static void
apply_key(const struct obj_path *p, char *out, size_t size)
{
	unsigned i = p->obj->place == OBJ_DOMAIN ? 1 : 0;

	out[0] = '\0';
	for (; i < p->nkeys; i++) {
		if (out[0] != '\0')
			strncat(out, " ", size - strlen(out) - 1);
		strncat(out, p->key[i], size - strlen(out) - 1);
	}
}

/* The next step speaks of another object: tell readers of it. */
static int
apply_turn(struct apply *a, const char *path, struct err *e)
{
	char key[OBJ_PATH];
	int r;

	if (a->text != NULL && (a->text == path || strcmp(a->text, path) == 0))
		return 0;
	a->text = path;
	a->gone = false;
	if ((r = obj_path_parse(a->objs, path, &a->path, e)) != 0)
		return r;
	apply_key(&a->path, key, sizeof key);
	return a->note != NULL ? a->note(a->arg, a->path.obj->name, key, e) : 0;
}

/* A deleted domain leaves a stone with its id: the stream is kept. */
static int
apply_bury(struct apply *a, struct err *e)
{
	struct obj_row row;
	struct err why;
	int r;

	if (a->path.obj->place != OBJ_ROOT)
		return 0;
	if (obj_get(a->db, &a->path, &row, &why) != 0)
		return why.code == ERR_ABSENT
		    ? 0
		    : err_set(e, why.code, "%s", why.text);
	r = st_sql_run(a->db, e,
	    "INSERT OR REPLACE INTO tombstone(id, name, time) "
	    "VALUES(?1, ?2, ?3)",
	    "ssi", obj_value(&row, "id"), a->path.key[0],
	    (int64_t)clock_real());
	obj_row_fini(&row);
	return r;
}

/* A domain that gets back the id it had is no longer dead. */
static int
apply_unbury(struct apply *a, const struct st_change *c, struct err *e)
{
	if (a->path.obj->place != OBJ_ROOT || c->new == NULL ||
	    strcmp(c->field, "id") != 0)
		return 0;
	return st_sql_run(
	    a->db, e, "DELETE FROM tombstone WHERE id = ?1", "s", c->new);
}

static int
apply_field(struct apply *a, const struct st_change *c, struct err *e)
{
	int r;

	if (a->gone)
		return 0;
	r = obj_set(a->db, &a->path, c->field, c->new, e);
	return r != 0 ? r : apply_unbury(a, c, e);
}

/* One step; a field of an object that the steps delete is history only. */
static int
apply_step(struct apply *a, const struct st_change *c, struct err *e)
{
	int r = apply_turn(a, c->path, e);

	if (r != 0)
		return r;
	if (c->field[0] != '\0')
		return apply_field(a, c, e);
	a->gone = c->new == NULL;
	if (!a->gone)
		return obj_set(a->db, &a->path, NULL, NULL, e);
	/* It may have gone with the object above it, in a step before. */
	if ((r = obj_exists(a->db, &a->path, e)) <= 0)
		return r;
	if ((r = apply_bury(a, e)) == 0)
		r = obj_delete(a->db, &a->path, e);
	return r;
}

int
st_apply(const struct obj *const *objs, sqlite3 *db, const char *stream,
    const struct st_changes *c, st_note_fn *note, void *arg, struct err *e)
{
	struct apply a = {.objs = objs, .db = db, .note = note, .arg = arg};
	size_t i;
	int r;

	for (i = 0; i < c->n; i++) {
		if (strcmp(c->list[i].stream, stream) != 0)
			continue;
		if ((r = apply_step(&a, &c->list[i], e)) != 0)
			return err_wrap(e, "%s", c->list[i].path);
	}
	return 0;
}

/* Was the commit carried out here before? */
static int
apply_seen(sqlite3 *db, const char *txid, bool *seen, struct err *e)
{
	int r = st_sql_found(
	    st_sql(db, e, "SELECT 1 FROM _applied WHERE txid = ?1", "s", txid),
	    e);

	*seen = r == 1;
	return r < 0 ? r : 0;
}

int
st_apply_once(const struct obj *const *objs, sqlite3 *db, const char *stream,
    const struct st_changes *c, int64_t rev, const char *txid, st_note_fn *note,
    void *arg, struct err *e)
{
	bool seen;
	int r;

	if ((r = apply_seen(db, txid, &seen, e)) != 0 || seen)
		return r;
	if ((r = st_apply(objs, db, stream, c, note, arg, e)) != 0)
		return r;
	/* Commits come one after another: only the last can be repeated. */
	r = st_sql_run(db, e, "DELETE FROM _applied WHERE rev < ?1", "i", rev);
	if (r == 0)
		r = st_sql_run(db, e,
		    "INSERT OR REPLACE INTO _applied(rev, txid) "
		    "VALUES(?1, ?2)",
		    "is", rev, txid);
	return r;
}
