#ifndef OBJ_OBJ_H
#define OBJ_OBJ_H

#include <sqlite3.h>
#include <stdbool.h>

#include "daemon/op/op.h"

/*
 * Configuration objects: a file each, only data. From the table come the
 * schema of the streams, set/delete/show, checks of references, export,
 * compare, completion and man pages. The description (struct obj, struct
 * obj_path, obj_find ...) stands in op.h, because the console has it too.
 */

/* The compiled table, NULL-ended; a parent stands before its children. */
extern const struct obj *const obj_table[];

/* ---- the values of one object (obj.c) ---------------------------------- */

/*
 * In the order of obj->fields; NULL = not set. Canonical texts, lists joined
 * by ' '. A secret is the lower-case hexadecimal of its sealed bytes.
 */
struct obj_row {
	struct obj_path path;
	char *value[OBJ_FIELDS];
};
/* The value, or the field's default, or NULL. */
const char *obj_value(const struct obj_row *, const char *field);
int64_t obj_value_int(const struct obj_row *, const char *field, int64_t def);
bool obj_value_yes(const struct obj_row *, const char *field);
void obj_row_fini(struct obj_row *);
/*
 * What can be said of a row alone, at commit: required fields are there,
 * and the object's own check. References are checked by the caller, who
 * knows the streams (obj_ref, obj_exists, obj_referrer).
 */
int obj_check(const struct obj_row *, struct err *);

/* ---- rows in SQLite (obj_store.c, obj_schema.c) ------------------------ */

/*
 * Tables: one per object, named after it; a column for each key that is not
 * implied by the stream (of the parents first), one per field; '-' in names
 * becomes '_'. Numbers and yes/no (1/0) are INTEGER, secrets BLOB, the rest
 * TEXT. Opening a stream of an older release adds what it lacks; columns of
 * a newer one are left alone.
 */
int obj_schema(const struct obj *const *objs, enum obj_place, struct buf *);
int obj_upgrade(
    const struct obj *const *objs, enum obj_place, sqlite3 *, struct err *);

/* -ERR_ABSENT when there is no such row. */
int obj_get(sqlite3 *, const struct obj_path *, struct obj_row *, struct err *);
/* 1 or 0; negative when the database cannot tell, which is no "no". */
int obj_exists(sqlite3 *, const struct obj_path *, struct err *);
/* Create the row if absent; value NULL clears the field; field NULL only
 * creates. */
int obj_set(sqlite3 *, const struct obj_path *, const char *field,
    const char *value, struct err *);
/* The whole row at once: created or replaced, in one statement. */
int obj_put(sqlite3 *, const struct obj_row *, struct err *);
/* The row and, in the same stream, everything below it. -ERR_ABSENT. */
int obj_delete(sqlite3 *, const struct obj_path *, struct err *);
/* Call fn for each row of the kind below the path (nkeys may be short), in
 * key order; fn's row is borrowed; a result other than 0 ends the walk and
 * is returned. limit 0 = all. after: first key greater than (NULL = all). */
typedef int obj_each_fn(void *arg, struct obj_row *, struct err *);
int obj_each(sqlite3 *, const struct obj_path *kind, const char *after,
    unsigned limit, obj_each_fn *, void *arg, struct err *);
/* Append the keys of the kind that start with prefix: for completion. */
int obj_keys(sqlite3 *, const struct obj_path *kind, const char *prefix,
    unsigned limit, json_t *out, struct err *);
/* Is there another object of the same key space with this key? Its path.
 * Results as of obj_exists. */
int obj_clash(sqlite3 *, const struct obj *const *objs, const struct obj_path *,
    struct obj_path *other, struct err *);
/* Does a row of this stream refer to the object? The first that does. */
int obj_referrer(sqlite3 *, const struct obj *const *objs, enum obj_place,
    const struct obj_path *, struct obj_path *by, struct err *);

/* ---- who may (obj_admin.c) --------------------------------------------- */

/* Role and domain of who->name: without any administrator everybody is
 * site-admin. -ERR_PERMISSION when there are some and this is none of them;
 * the role is nobody's then, as with any other error. */
int obj_admin_role(const struct obj *const *objs, sqlite3 *site,
    struct op_who *, struct err *);

/* The same of who has shown a certificate: who->name becomes that of the
 * administrator who has its fingerprint, however many there are.
 * -ERR_PERMISSION when nobody has it. */
int obj_certificate_role(const struct obj *const *objs, sqlite3 *site,
    const char *fingerprint, struct op_who *, struct err *);

/* The same for a token: who->name is "token:NAME". */
#define OBJ_TOKEN "token:"
enum obj_scope { OBJ_SCOPE_READ, OBJ_SCOPE_CONFIGURE, OBJ_SCOPE_ACT };
extern const char *const obj_scopes[]; /* their words, NULL-ended (token.c) */
struct obj_token_rights {
	unsigned scope;	  /* bits: 1u << enum obj_scope */
	unsigned rate;	  /* requests a second */
	uint64_t expires; /* real clock, us; 0 = never */
	char digest[65];  /* of its secret: another one is another token */
};
/* secret NULL: was looked at before. What is wrong, absent, off or over is
 * refused with the same words to who does not know the secret; rights mean
 * something with 0 only. */
int obj_token_role(const struct obj *const *objs, sqlite3 *site,
    const char *secret, struct op_who *, struct obj_token_rights *,
    struct err *);
/* The role of whoever configures, by who->name: a person's, or a token's that
 * may configure. */
int obj_who_role(const struct obj *const *objs, sqlite3 *site, struct op_who *,
    struct err *);
/* What is stored of a secret; out holds 65. */
void obj_token_digest(char *out, const char *token, const char *secret);

/*
 * Between these two the statements made for the connection are kept and used
 * again: for a commit of thousands. Without them each call prepares its own.
 * Close before the connection.
 */
void obj_cache_open(sqlite3 *);
void obj_cache_close(sqlite3 *);

#endif
