#ifndef OBJ_OBJ_H
#define OBJ_OBJ_H

#include <sqlite3.h>
#include <stdbool.h>

#include "daemon/op/op.h"

/*
 * Configuration objects: a file each, only data. From the table come the
 * schema of the streams, set/delete/show, checks of references, export,
 * compare, completion and man pages.
 */

/* Which stream an object's rows live in (DESIGN section 3). */
enum obj_place {
	OBJ_SITE,  /* site/<name>: infrastructure and structure */
	OBJ_ROOT,  /* domain/root: the directory of domains */
	OBJ_DOMAIN /* domain/<id>: everything of one domain */
};

struct obj_row; /* one object's values, see below */

struct obj {
	const char *name;	  /* path keyword and table name: "user" */
	const struct obj *parent; /* NULL at the top */
	enum obj_place place;
	struct op_field key; /* name and type of its key */
	const char *brief;
	const char *about;
	const char *example;	       /* a `set` line; runs in `make check` */
	const struct op_field *fields; /* {0}-ended */
	/*
	 * What the types cannot say (exactly one of two fields, ...): called
	 * for each row a commit has touched, before it is decided. NULL =
	 * nothing more. Words name the field.
	 */
	int (*check)(const struct obj_row *, struct err *);
};

#define OBJ_DEPTH 3 /* keys of a path: domain a.test user 101 -> 2 */
#define OBJ_KEY 256 /* bytes of a canonical key, with the NUL */

/* The path of one object, or of all of a kind (nkeys one short). */
struct obj_path {
	const struct obj *obj;
	unsigned nkeys;
	char key[OBJ_DEPTH][OBJ_KEY]; /* canonical, outermost first */
};

/* "domain demo.test user 101"; out is always terminated. */
void obj_path_text(const struct obj_path *, char *out, size_t size);
/* Back from canonical text. */
int obj_path_parse(const struct obj *const *objs, const char *text,
    struct obj_path *, struct err *);
const struct obj *obj_find(
    const struct obj *const *objs, const struct obj *parent, const char *name);
const struct op_field *obj_field(const struct obj *, const char *name);
unsigned obj_depth(const struct obj *); /* keys of its full path */

/* Values of one object; NULL = not set. In the order of obj->fields. */
#define OBJ_FIELDS 32
struct obj_row {
	struct obj_path path;
	char *value[OBJ_FIELDS];
};
const char *obj_value(const struct obj_row *, const char *field); /* or def */
void obj_row_fini(struct obj_row *);

/* ---- rows in SQLite (obj_store.c) -------------------------------------- */

/*
 * Tables: one per object, '-' in names becomes '_'; a column for each key
 * that is not implied by the stream, one per field. Texts are canonical;
 * int and bool are INTEGER, sealed secrets BLOB. Opening a stream of an
 * older release adds the columns it lacks.
 */
int obj_schema(const struct obj *const *objs, enum obj_place, struct buf *);
int obj_upgrade(
    const struct obj *const *objs, enum obj_place, sqlite3 *, struct err *);

/* -ERR_ABSENT when there is no such row. */
int obj_get(sqlite3 *, const struct obj_path *, struct obj_row *, struct err *);
bool obj_exists(sqlite3 *, const struct obj_path *);
/* Create the row if absent; value NULL clears the field; field NULL only
 * creates. A value of a secret field is stored as the given blob text. */
int obj_set(sqlite3 *, const struct obj_path *, const char *field,
    const char *value, struct err *);
int obj_delete(sqlite3 *, const struct obj_path *, struct err *);
/* Call fn for each row of the kind below the path (nkeys may be short), in
 * key order; fn's row is borrowed; a result other than 0 ends the walk and
 * is returned. limit 0 = all. after: first key greater than (NULL = all). */
typedef int obj_each_fn(void *arg, struct obj_row *, struct err *);
int obj_each(sqlite3 *, const struct obj_path *kind, const char *after,
    unsigned limit, obj_each_fn *, void *arg, struct err *);

/* The compiled table, NULL-ended. */
extern const struct obj *const obj_table[];

#endif
