#ifndef OP_ROOM_H
#define OP_ROOM_H

#include "op.h"

/*
 * What the files of this room share and nobody else needs.
 */

/* op_type_*.c: one parse function per type, in the form of struct op_type. */
typedef int op_parse_fn(const struct op_field *, const char *in, char *out,
    size_t size, struct err *);
op_parse_fn op_parse_text, op_parse_lines, op_parse_choice, op_parse_bool;
op_parse_fn op_parse_secret;
op_parse_fn op_parse_name, op_parse_uri, op_parse_instance, op_parse_nothing;
op_parse_fn op_parse_int, op_parse_duration, op_parse_bytes, op_parse_port;
op_parse_fn op_parse_ports, op_parse_time, op_parse_moment;
op_parse_fn op_parse_codes, op_parse_span;
op_parse_fn op_parse_domain, op_parse_host, op_parse_address, op_parse_number;
op_parse_fn op_parse_session, op_parse_login, op_parse_fingerprint;
op_parse_fn op_parse_ref, op_parse_path;

/* Bytes of a canonical value of the field, with the NUL; never more than
 * OP_BLOB. */
size_t op_size(const struct op_field *);
/* Copy a canonical value out; -ERR_TOOBIG when it does not fit. */
int op_copy(char *out, size_t size, const char *value, struct err *);

/* op_table.c: the operation that follows a name in the alphabet, or NULL. */
const struct op *op_after(const struct op_table *, const char *name);
/* What a verb does to the system, NULL when it is no verb. */
const char *op_verb_brief(const char *verb);

/* op_table.c: the arguments of which exactly one is given, "a, b or c". */
#define OP_ONE_WORDS 128
void op_one_words(const struct op *, char out[OP_ONE_WORDS]);

/* op_right.c: the arguments of a limited administrator's call that were not
 * given become their own domain. */
void op_limit_args(const struct op *, const struct op_who *, json_t *args);

/* op_obj.c */
const struct obj *obj_by_name(const struct obj *const *, const char *name);

#endif
