#ifndef OBJ_ROOM_H
#define OBJ_ROOM_H

#include "obj.h"

/* The objects, a file each. */
extern const struct obj obj_server, obj_role, obj_listener, obj_certificate;
extern const struct obj obj_site, obj_gate, obj_domain, obj_user, obj_number;
extern const struct obj obj_administrator, obj_token;

/* The last field of every object; what `annotate` sets. */
#define OBJ_DESCRIPTION                                                   \
	{                                                                 \
		.name = "description", .type = &op_type_text, .max = 200, \
		.brief = "note for operators"                             \
	}

/* obj.c: choices of a field `state`. */
extern const char *const obj_on_off[];

/* administrator.c: what their roles are called, NULL-ended; whether role and
 * domain of a row go together. */
extern const char *const obj_admin_roles[];
int obj_admin_check(const struct obj_row *, struct err *);

/* obj_schema.c: a name as SQL has it ('-' becomes '_'), quoted. */
void obj_sql_name(struct buf *, const char *name);
/*
 * The key columns of an object, outermost first: those of its parents that
 * the stream does not imply, then its own. Returns their count; *first is
 * the index in a path of the first of them.
 */
unsigned obj_key_columns(
    const struct obj *, const struct op_field *out[OBJ_DEPTH], unsigned *first);

/* obj_store.c: why a database refused, see sql_fail; of a step that gives a
 * row or none: 1, 0, or that; one value as a parameter. */
int obj_refuse(sqlite3 *, struct err *);
int obj_found(sqlite3 *, int step, struct err *);
int obj_bind(sqlite3_stmt *, int at, const struct op_field *, const char *);
/* obj_query.c: a statement, from the cache if there is one; ends sql. */
int obj_prepare(sqlite3 *, struct buf *sql, sqlite3_stmt **, struct err *);
void obj_release(sqlite3 *, sqlite3_stmt *);

#endif
