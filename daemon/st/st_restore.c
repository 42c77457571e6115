/*
 * What has to change so that a domain is again as it was. Rows are compared
 * field by field; what differs becomes a candidate, so that everything that
 * guards a commit guards this one: conflicts, references, unique names and
 * numbers, acknowledgement by all members, audit, rollback. A database put in
 * the place of the running one would pass all of that by.
 *
 * Secrets are compared and go back as they were sealed, for the same domain
 * and user, so they open as they did. Fields of the system stay as they run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "st_restore.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

#define RESTORE_APPLY (10 * CLOCK_SEC) /* for a commit to be carried out */

int
st_restore_time(const char *text, uint64_t now, uint64_t *time, struct err *e)
{
	char said[CLOCK_TEXT], is[CLOCK_TEXT];
	int r = st_moment(text, now, time, e);

	if (r != 0)
		return r;
	if (*time >= now + CLOCK_MS) {
		clock_text(said, *time);
		clock_text(is, now);
		return err_set(e, ERR_INVALID,
		    "%s is still to come: it is %s now", said, is);
	}
	return 0;
}

int64_t
st_restore_rev(sqlite3 *db)
{
	return st_sql_number(db, "SELECT max(rev) FROM _applied");
}

uint64_t
st_restore_until(sqlite3 *commit, const char *stream, uint64_t time)
{
	sqlite3_stmt *s = st_sql(commit, NULL,
	    "SELECT (SELECT min(time) FROM revision), (SELECT min(r.time) "
	    "FROM revision r WHERE r.time > ?1 AND EXISTS (SELECT 1 FROM "
	    "change c WHERE c.rev = r.rev AND c.stream = ?2))",
	    "is", (int64_t)time, stream);
	uint64_t first, next, until = time;

	/* what cannot be read leaves the time as it was given */
	if (s != NULL && sqlite3_step(s) == SQLITE_ROW) {
		first = (uint64_t)sqlite3_column_int64(s, 0);
		next = (uint64_t)sqlite3_column_int64(s, 1);
		if (first != 0 && first <= time)
			until = time + RESTORE_APPLY;
		if (next != 0 && next <= until)
			until = next - 1;
	}
	sqlite3_finalize(s);
	return until;
}

/* ---- the difference -------------------------------------------------------
 */

static bool
restore_keeps(const struct op_field *f)
{
	return (f->flags & OP_INTERNAL) != 0;
}

/* An object that is not there now: all of it. */
static void
restore_made(struct st_changes *c, const char *stream, const char *path,
    const struct obj_row *was)
{
	int i;

	st_changes_add(c, stream, path, "", NULL, "1");
	for (i = 0; was->path.obj->fields[i].name != NULL; i++) {
		if (was->value[i] != NULL)
			st_changes_add(c, stream, path,
			    was->path.obj->fields[i].name, NULL, was->value[i]);
	}
}

static void
restore_changed(struct st_changes *c, const char *stream, const char *path,
    const struct obj_row *was, const struct obj_row *is)
{
	const struct op_field *f = was->path.obj->fields;
	int i;

	for (i = 0; f[i].name != NULL; i++) {
		if (!restore_keeps(&f[i]) &&
		    !str_equal(was->value[i], is->value[i]))
			st_changes_add(c, stream, path, f[i].name, is->value[i],
			    was->value[i]);
	}
}

int
st_restore_domain(struct st_changes *c, const struct obj_row *was,
    const struct obj_row *is, struct err *e)
{
	char path[OBJ_PATH];

	(void)e;
	obj_path_text(&was->path, path, sizeof path);
	if (is == NULL)
		restore_made(c, ST_ROOT_STREAM, path, was);
	else
		restore_changed(c, ST_ROOT_STREAM, path, was, is);
	return 0;
}

/* A row that was: made again, or its fields. */
static int
restore_was(void *arg, struct obj_row *was, struct err *e)
{
	struct st_restore_walk *w = arg;
	char path[OBJ_PATH];
	struct obj_row is;
	int r;

	obj_path_text(&was->path, path, sizeof path);
	r = obj_get(w->is, &was->path, &is, e);
	if (r == -ERR_ABSENT) {
		restore_made(w->changes, w->stream, path, was);
	} else if (r == 0) {
		restore_changed(w->changes, w->stream, path, was, &is);
		obj_row_fini(&is);
	} else {
		return r;
	}
	str_copy(w->after, sizeof w->after, was->path.key[was->path.nkeys - 1]);
	w->budget--;
	return 0;
}

/* A row that is: gone again when it was not there. */
static int
restore_is(void *arg, struct obj_row *is, struct err *e)
{
	struct st_restore_walk *w = arg;
	char path[OBJ_PATH];
	int r;

	if ((r = obj_exists(w->was, &is->path, e)) < 0)
		return r;
	if (r == 0) {
		obj_path_text(&is->path, path, sizeof path);
		st_changes_add(w->changes, w->stream, path, "", "1", NULL);
	}
	str_copy(w->after, sizeof w->after, is->path.key[is->path.nkeys - 1]);
	w->budget--;
	return 0;
}

/* The next kind; after the last one the other half begins. */
static bool
restore_turn(struct st_restore_walk *w)
{
	w->after[0] = '\0';
	if (w->objs[++w->obj] != NULL)
		return true;
	w->obj = 0;
	if (w->back)
		return false;
	w->back = true;
	return true;
}

int
st_restore_step(struct st_restore_walk *w, unsigned rows, struct err *e)
{
	struct obj_path kind = {.nkeys = 1};
	unsigned before;
	int r;

	w->budget = rows;
	str_copy(kind.key[0], sizeof kind.key[0], w->domain);
	while (w->budget > 0) {
		kind.obj = w->objs[w->obj];
		before = w->budget;
		if (kind.obj->place == OBJ_DOMAIN &&
		    (r = obj_each(w->back ? w->is : w->was, &kind,
			 w->after[0] != '\0' ? w->after : NULL, before,
			 w->back ? restore_is : restore_was, w, e)) != 0)
			return r;
		if (w->budget > 0 && !restore_turn(w))
			return 0;
	}
	return 1;
}

/* ---- the candidate ---------------------------------------------------------
 */

int
st_restore_fill(const struct st_view *v, const char *session, int64_t rev,
    const struct st_changes *c, struct err *e)
{
	const char *path = "";
	const struct st_change *s;
	size_t i;
	int r = 0;

	for (i = 0; i < c->n && r == 0; i++) {
		s = &c->list[i];
		if (strcmp(s->path, path) != 0) {
			path = s->path;
			r = st_cand_intend(v->cand, session, path,
			    s->field[0] == '\0' && s->new == NULL ? ST_DELETE
								  : ST_SET,
			    s->field[0] != '\0' || s->old != NULL, rev, e);
		}
		if (r == 0 && s->field[0] != '\0')
			r = st_cand_put(v->cand, session, path, s->field,
			    s->old, s->new, rev, e);
	}
	return r;
}
