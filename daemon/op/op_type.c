/*
 * The type table: every kind of value that an operation or an object can
 * have, and what holds for all of them: lists, limits in words, JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op_room.h"
#include "daemon/base/str.h"

#define OP_TYPE(id, word, json_, secret_, parse_, brief_) \
	const struct op_type op_type_##id = {             \
	    .name = word,                                 \
	    .brief = brief_,                              \
	    .json = json_,                                \
	    .secret = secret_,                            \
	    .parse = parse_,                              \
	}

OP_TYPE(text, "text", OP_STRING, false, op_parse_text, "text");
OP_TYPE(blob, "blob", OP_STRING, false, op_parse_lines,
    "lines of text, or @file:F for those of a file");
OP_TYPE(int, "int", OP_INTEGER, false, op_parse_int, "a whole number");
OP_TYPE(bool, "bool", OP_BOOLEAN, false, op_parse_bool, "yes or no");
OP_TYPE(choice, "choice", OP_STRING, false, op_parse_choice, "one word of");
OP_TYPE(duration, "duration", OP_INTEGER, false, op_parse_duration,
    "a time such as 90, 90s, 5m, 2h, 1d");
OP_TYPE(name, "name", OP_STRING, false, op_parse_name,
    "a name of 1..32 letters a-z, digits, '-'");
OP_TYPE(domain, "domain", OP_STRING, false, op_parse_domain,
    "a domain name such as demo.test");
OP_TYPE(number, "number", OP_STRING, false, op_parse_number,
    "a number, 1..32 of 0-9 a-z * # + . _ -");
OP_TYPE(
    host, "host", OP_STRING, false, op_parse_host, "a host name or an address");
OP_TYPE(address, "address", OP_STRING, false, op_parse_address,
    "an IPv4 or IPv6 address");
OP_TYPE(port, "port", OP_INTEGER, false, op_parse_port, "a port, 1..65535");
OP_TYPE(ports, "ports", OP_STRING, false, op_parse_ports,
    "a range of ports such as 30000-39999");
OP_TYPE(secret, "secret", OP_STRING, true, op_parse_secret,
    "a secret; @file:F and @env:V are read by the console");
OP_TYPE(time, "time", OP_STRING, false, op_parse_time,
    "a time such as 2027-03-01T08:30:00Z");
OP_TYPE(moment, "moment", OP_STRING, false, op_parse_moment,
    "a time such as 2027-03-01T08:30:00Z, -10m or +2h");
OP_TYPE(bytes, "bytes", OP_INTEGER, false, op_parse_bytes,
    "a size such as 512, 64k, 10m, 2g");
OP_TYPE(codes, "codes", OP_STRING, false, op_parse_codes,
    "a status of SIP or some such as 503, 4xx, 4xx-6xx, 486-488");
OP_TYPE(span, "span", OP_STRING, false, op_parse_span,
    "a bound of time such as <10s or >1h");
OP_TYPE(uri, "uri", OP_STRING, false, op_parse_uri, "a URI");
OP_TYPE(piece, "piece", OP_STRING, false, op_parse_nothing,
    "bytes of a file, base64");
OP_TYPE(instance, "instance", OP_STRING, false, op_parse_instance,
    "an instance such as sg/1");
OP_TYPE(session, "session", OP_STRING, false, op_parse_session,
    "a session such as srv1.7f31c2");
OP_TYPE(login, "login", OP_STRING, false, op_parse_login,
    "a login name of 1..32 letters, digits, '_', '.', '-'");
OP_TYPE(fingerprint, "fingerprint", OP_STRING, false, op_parse_fingerprint,
    "a fingerprint: sha256: and 64 hexadecimal digits");
OP_TYPE(ref, "ref", OP_STRING, false, op_parse_ref, "the name of an object");
OP_TYPE(path, "path", OP_STRING, false, op_parse_path,
    "an object such as domain demo.test user 101");
OP_TYPE(values, "values", OP_STRING, false, op_parse_nothing,
    "fields of the object, each with its value");
OP_TYPE(fields, "fields", OP_STRING, false, op_parse_name,
    "names of fields of the object");
OP_TYPE(member, "member", OP_STRING, false, op_parse_text,
    "a value that is in the list");

static const struct op_type *const op_types[] = {&op_type_text, &op_type_blob,
    &op_type_int, &op_type_bool, &op_type_choice, &op_type_duration,
    &op_type_name, &op_type_domain, &op_type_number, &op_type_host,
    &op_type_codes, &op_type_span, &op_type_address, &op_type_port,
    &op_type_ports, &op_type_secret, &op_type_time, &op_type_moment,
    &op_type_bytes, &op_type_uri, &op_type_piece, &op_type_instance,
    &op_type_session, &op_type_login, &op_type_fingerprint, &op_type_ref,
    &op_type_path, &op_type_values, &op_type_fields, &op_type_member};

const struct op_type *
op_type_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof op_types / sizeof op_types[0]; i++) {
		if (strcmp(op_types[i]->name, name) == 0)
			return op_types[i];
	}
	return NULL;
}

const struct op_field *
op_field_find(const struct op_field *f, const char *name)
{
	for (; f != NULL && f->name != NULL; f++) {
		if (strcmp(f->name, name) == 0)
			return f;
	}
	return NULL;
}

int
op_parse(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	return f->type->parse(f, in, out, size, e);
}

/* Whether canonical list text holds the value. */
static bool
op_list_has(const char *list, const char *value)
{
	size_t n = strlen(value), at;

	for (; *list != '\0'; list += at + (list[at] == ' ')) {
		at = strcspn(list, " ");
		if (at == n && strncmp(list, value, n) == 0)
			return true;
	}
	return false;
}

/* Append one word of a list, canonical, unless it is there already. */
static int
op_list_add(const struct op_field *f, const char *word, char *out, size_t size,
    struct err *e)
{
	char value[OP_VALUE];
	size_t used = strlen(out);
	int r = op_parse(f, word, value, sizeof value, e);

	if (r != 0 || op_list_has(out, value))
		return r;
	if (used + 1 + strlen(value) >= size)
		return err_set(
		    e, ERR_TOOBIG, "expected at most %zu bytes", size - 1);
	snprintf(out + used, size - used, "%s%s", used != 0 ? " " : "", value);
	return 0;
}

int
op_parse_list(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	char word[OP_VALUE];
	size_t n;
	int r;

	out[0] = '\0';
	for (in += strspn(in, " []"); *in != '\0'; in += strspn(in, " []")) {
		n = strcspn(in, " []");
		if (!str_ncopy(word, sizeof word, in, n))
			return err_set(e, ERR_TOOBIG, "a word is too long");
		if ((r = op_list_add(f, word, out, size, e)) != 0)
			return r;
		in += n;
	}
	return 0;
}

/* "sg | sr | st" */
static void
op_describe_choices(const struct op_field *f, struct buf *b)
{
	const char *const *c;

	for (c = f->choices; c != NULL && *c != NULL; c++)
		buf_fmt(b, "%s%s", c != f->choices ? " | " : "", *c);
}

/* Limits of a text are counted in characters. */
static void
op_describe_length(const struct op_field *f, struct buf *b)
{
	if (f->min == 0)
		buf_fmt(b, ", up to %" PRId64 " characters", f->max);
	else
		buf_fmt(
		    b, ", %" PRId64 "..%" PRId64 " characters", f->min, f->max);
}

/* Limits behind the words of the type. */
static void
op_describe_limits(const struct op_field *f, struct buf *b)
{
	if (f->min == 0 && f->max == 0)
		return;
	if (f->type == &op_type_text || f->type == &op_type_blob ||
	    f->type == &op_type_secret || f->type == &op_type_member)
		op_describe_length(f, b);
	else
		buf_fmt(b, ", %" PRId64 "..%" PRId64 "%s", f->min, f->max,
		    f->type == &op_type_duration ? " s" : "");
}

void
op_describe(const struct op_field *f, struct buf *b)
{
	if (f->flags & OP_LIST && f->type != &op_type_values)
		buf_str(b, "list of ");
	if (f->type == &op_type_values && f->flags & OP_LIST) {
		buf_str(b, "a field of the object and its value or [values]");
	} else if (f->flags & OP_FLAG) {
		buf_str(b, "the word alone");
	} else if (f->type == &op_type_choice) {
		op_describe_choices(f, b);
	} else if (f->type == &op_type_int && (f->min != 0 || f->max != 0)) {
		buf_fmt(b, "%" PRId64 "..%" PRId64, f->min, f->max);
	} else if (f->type == &op_type_ref && f->ref != NULL) {
		buf_fmt(b, "the name of a %s", f->ref);
	} else {
		buf_str(b, f->type->brief);
		op_describe_limits(f, b);
	}
}

/* ---- JSON --------------------------------------------------------------- */

/* A secret never becomes JSON; numbers and yes or no become their kind. */
static json_t *
op_one_to_json(const struct op_field *f, const char *canonical)
{
	int64_t v;

	if (f->type->secret)
		return json_string(OP_MASK);
	if (f->type->json == OP_INTEGER &&
	    str_int(canonical, INT64_MIN + 1, INT64_MAX, &v))
		return json_integer(v);
	if (f->type->json == OP_BOOLEAN)
		return json_boolean(strcmp(canonical, "yes") == 0);
	return json_string(canonical);
}

json_t *
op_to_json(const struct op_field *f, const char *canonical)
{
	char word[OP_VALUE];
	json_t *list;
	size_t n;

	if (canonical == NULL)
		return json_null();
	if (!(f->flags & OP_LIST))
		return op_one_to_json(f, canonical);
	list = json_array();
	for (; *canonical != '\0'; canonical += n + (canonical[n] == ' ')) {
		n = strcspn(canonical, " ");
		str_ncopy(word, sizeof word, canonical, n);
		json_array_append_new(list, op_one_to_json(f, word));
	}
	return list;
}

/* The text of a plain JSON value; number holds it where it has none. */
static const char *
op_json_text(json_t *in, char number[24])
{
	if (json_is_integer(in)) {
		snprintf(number, 24, "%" JSON_INTEGER_FORMAT,
		    json_integer_value(in));
		return number;
	}
	if (json_is_boolean(in))
		return json_is_true(in) ? "yes" : "no";
	return json_string_value(in);
}

/* The members of an array, each canonical, joined by spaces. */
static int
op_json_list(
    const struct op_field *f, json_t *in, char *out, size_t size, struct err *e)
{
	const char *text;
	char number[24];
	json_t *item;
	size_t i;
	int r;

	out[0] = '\0';
	json_array_foreach (in, i, item) {
		if ((text = op_json_text(item, number)) == NULL)
			return err_set(
			    e, ERR_INVALID, "expected texts in the list");
		if ((r = op_list_add(f, text, out, size, e)) != 0)
			return r;
	}
	return 0;
}

/* JSON of any shape into out. */
static int
op_json_parse(
    const struct op_field *f, json_t *in, char *out, size_t size, struct err *e)
{
	const char *text;
	char number[24];

	if (json_is_array(in) && f->flags & OP_LIST)
		return op_json_list(f, in, out, size, e);
	if ((text = op_json_text(in, number)) == NULL)
		return err_set(e, ERR_INVALID, "expected %s", f->type->brief);
	return f->flags & OP_LIST ? op_parse_list(f, text, out, size, e)
				  : op_parse(f, text, out, size, e);
}

size_t
op_size(const struct op_field *f)
{
	return f->type == &op_type_blob || f->type->secret ? OP_BLOB : OP_VALUE;
}

int
op_from_json(const struct op_field *f, json_t *in, char **out, struct err *e)
{
	char value[OP_BLOB];
	int r;

	*out = NULL;
	if ((r = op_json_parse(f, in, value, op_size(f), e)) != 0)
		return r;
	*out = strdup(value);
	return *out != NULL ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}
