/*
 * The one shape of all answers for programs, of data as of errors: the console
 * prints it with --json, HTTPS carries it. Members are only ever added to it.
 */
#include <string.h>

#include "op.h"

json_t *
op_envelope(const char *op, json_t *rows, json_t *result)
{
	json_t *rev = json_object_get(result, "rev");
	json_t *warn = json_object_get(result, "warn");

	warn = warn != NULL ? json_incref(warn) : json_array();
	rows = rows != NULL ? json_incref(rows) : json_array();
	rev = json_integer_value(rev) != 0 ? json_incref(rev) : json_null();
	return json_pack("{s:i, s:s?, s:b, s:o, s:o, s:O?, s:O*, s:o}", "v", 1,
	    "op", op, "ok", 1, "rev", rev, "data", rows, "next",
	    json_object_get(result, "next"), "cut",
	    json_object_get(result, "cut"), "warn", warn);
}

json_t *
op_envelope_error(const char *op, const struct err *e)
{
	return json_pack(
	    "{s:i, s:s?, s:b, s:s, s:s, s:n, s:n, s:n, s:n, s:[], s:n, s:[],"
	    " s:n, s:[]}",
	    "v", 1, "op", op, "ok", 0, "code", err_name(e->code), "message",
	    e->text[0] != '\0' ? e->text : err_text(e->code), "path", "file",
	    "line", "column", "expected", "rev", "data", "next", "warn");
}

void
op_envelope_add(json_t *o, json_t *data)
{
	json_t *rows = json_object_get(data, "rows"), *value;
	const char *name;

	if (json_is_null(json_object_get(o, "path")) &&
	    json_array_size(rows) == 1)
		json_object_set(o, "path",
		    json_object_get(json_array_get(rows, 0), "path"));
	json_object_foreach (data, name, value) {
		if (json_object_get(o, name) == NULL ||
		    (json_is_null(json_object_get(o, name)) &&
			strcmp(name, "path") == 0))
			json_object_set(o, name, value);
	}
}

const char *
op_row_text(json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text != NULL ? text : "";
}

uint64_t
op_row_int(json_t *row, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(row, name));
}
