/*
 * What HTTPS offers, as OpenAPI 3.1: a path for each operation and each object,
 * made from their records alone. The rules by which a record becomes a path
 * stand in tandem-api(7).
 */
#include <stdio.h>
#include <string.h>

#include "op_room.h"

/* ---- schemas ---------------------------------------------------------------
 */

/* Of one value: type, bounds, choices. */
static json_t *
openapi_value(const struct op_field *f)
{
	static const char *const types[] = {[OP_STRING] = "string",
	    [OP_INTEGER] = "integer",
	    [OP_BOOLEAN] = "boolean"};
	enum op_json json = f->flags & OP_FLAG ? OP_BOOLEAN : f->type->json;
	json_t *o = json_pack("{s:s}", "type", types[json]), *list;
	const char *const *c;

	if (json == OP_INTEGER && (f->min != 0 || f->max != 0)) {
		json_object_set_new(o, "minimum", json_integer(f->min));
		json_object_set_new(o, "maximum", json_integer(f->max));
	}
	if (f->choices != NULL) {
		list = json_array();
		for (c = f->choices; *c != NULL; c++)
			json_array_append_new(list, json_string(*c));
		json_object_set_new(o, "enum", list);
	}
	if (f->type->secret)
		json_object_set_new(o, "writeOnly", json_true());
	return o;
}

static json_t *
openapi_field(const struct op_field *f)
{
	json_t *o;

	if (f->type == &op_type_values)
		o = json_pack("{s:s}", "type", "object");
	else if (f->flags & OP_LIST)
		o = json_pack(
		    "{s:s, s:o}", "type", "array", "items", openapi_value(f));
	else
		o = openapi_value(f);
	json_object_set_new(
	    o, "description", json_sprintf("%s (%s)", f->brief, f->type->name));
	if (f->def != NULL)
		json_object_set_new(o, "default", op_to_json(f, f->def));
	return o;
}

/* Does it stand in the path? What is itself a path of objects does not: it has
 * slashes where a part of a path must have none. */
static bool
openapi_is_part(const struct op_field *f)
{
	return f->flags & OP_KEY && f->flags & OP_REQUIRED &&
	    f->type != &op_type_path;
}

/* An object whose members are the fields. */
static json_t *
openapi_object(const struct op_field *f)
{
	json_t *members = json_object(), *required = json_array(), *o;
	json_t *one = json_array();

	for (; f != NULL && f->name != NULL; f++) {
		if (openapi_is_part(f))
			continue;
		json_object_set_new(members, f->name, openapi_field(f));
		if (f->flags & OP_REQUIRED)
			json_array_append_new(required, json_string(f->name));
		if (f->flags & OP_ONE)
			json_array_append_new(
			    one, json_pack("{s:[s]}", "required", f->name));
	}
	o = json_pack("{s:s, s:o}", "type", "object", "properties", members);
	if (json_array_size(required) > 0)
		json_object_set(o, "required", required);
	json_decref(required);
	if (json_array_size(one) > 0)
		json_object_set(o, "oneOf", one);
	json_decref(one);
	return o;
}

static json_t *
openapi_row(const struct op_field *f)
{
	json_t *members = json_object(), *o;

	for (; f != NULL && f->name != NULL; f++) {
		o = openapi_field(f);
		json_object_set_new(o, "type",
		    json_pack("[O, s]", json_object_get(o, "type"), "null"));
		json_object_set_new(members, f->name, o);
	}
	return json_pack("{s:s, s:o}", "type", "object", "properties", members);
}

/* ---- answers ----------------------------------------------------------------
 */

static json_t *
openapi_content(json_t *schema)
{
	return json_pack("{s:{s:o}}", "application/json", "schema", schema);
}

/* The envelope with rows of these columns. */
static json_t *
openapi_answers(json_t *row)
{
	json_t *data = json_pack(
	    "{s:{s:s, s:o}}", "data", "type", "array", "items", row);

	return json_pack("{s:{s:s, s:o}, s:{s:s}}", "200", "description",
	    "done", "content",
	    openapi_content(json_pack("{s:[{s:s}, {s:s, s:o}]}", "allOf",
		"$ref", "#/components/schemas/answer", "type", "object",
		"properties", data)),
	    "default", "$ref", "#/components/responses/error");
}

/* ---- operations --------------------------------------------------------- */

static json_t *
openapi_parameter(const struct op_field *f, const char *in)
{
	bool path = strcmp(in, "path") == 0;

	return json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", f->name, "in", in,
	    "description", f->brief, "required",
	    path || (f->flags & OP_REQUIRED) != 0, "schema", openapi_field(f));
}

/* What the query of a request that edits may say of its commit. */
static const struct op_field openapi_commit[] = {
    {.name = "comment", .type = &op_type_text, .brief = "of the revision"},
    {.name = "confirmed",
	.type = &op_type_int,
	.min = 1,
	.max = 65535,
	.brief = "minutes until it is undone, unless confirmed"},
    {.name = "at", .type = &op_type_moment, .brief = "commit then, not now"},
    {0},
};
static const struct op_field openapi_commits = {.name = "commit",
    .type = &op_type_bool,
    .flags = OP_FLAG,
    .brief = "commit the edit; else it ends with the request"};

static void
openapi_may_commit(json_t *parameters)
{
	const struct op_field *f;

	for (f = openapi_commit; f->name != NULL; f++)
		json_array_append_new(
		    parameters, openapi_parameter(f, "query"));
}

/* "/v1/show/call/{call}": words, then what is positional and required. */
static void
openapi_path(const struct op *op, struct buf *b, json_t *parameters)
{
	const struct op_field *f;
	const char *at;

	buf_str(b, "/v1/");
	for (at = op->name; *at != '\0'; at++)
		buf_char(b, *at == ' ' ? '/' : *at);
	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (!openapi_is_part(f))
			continue;
		buf_fmt(b, "/{%s}", f->name);
		json_array_append_new(parameters, openapi_parameter(f, "path"));
	}
}

/* The other arguments: query of what reads, body of what does. */
static void
openapi_arguments(const struct op *op, json_t *o, json_t *parameters)
{
	const struct op_field *f;
	bool any = false;

	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (openapi_is_part(f))
			continue;
		any = true;
		if (op->kind == OP_READ)
			json_array_append_new(
			    parameters, openapi_parameter(f, "query"));
	}
	if (any && op->kind != OP_READ)
		json_object_set_new(o, "requestBody",
		    json_pack("{s:o}", "content",
			openapi_content(openapi_object(op->args))));
}

static void
openapi_op(const struct op *op, json_t *paths)
{
	json_t *parameters = json_array(), *o;
	struct buf path = BUF_INIT;

	o = json_pack("{s:s, s:s, s:s, s:[s], s:o}", "operationId", op->name,
	    "summary", op->brief, "description", op->about, "tags",
	    op->kind == OP_READ		? "read"
		: op->kind == OP_CONFIG ? "configure"
					: "act",
	    "responses", openapi_answers(openapi_row(op->cols)));
	openapi_path(op, &path, parameters);
	openapi_arguments(op, o, parameters);
	if (op->kind == OP_CONFIG) {
		json_array_append_new(
		    parameters, openapi_parameter(&openapi_commits, "query"));
		openapi_may_commit(parameters);
	}
	if (json_array_size(parameters) > 0)
		json_object_set(o, "parameters", parameters);
	json_decref(parameters);
	json_object_set_new(paths, path.data,
	    json_pack("{s:o}", op->kind == OP_READ ? "get" : "post", o));
	buf_fini(&path);
}

/* ---- objects ------------------------------------------------------------ */

static json_t *
openapi_config_row(void)
{
	return json_pack("{s:s, s:{s:{s:s}, s:{s:s}}}", "type", "object",
	    "properties", "path", "type", "string", "values", "type", "object");
}

/* "/v1/config/domain/{domain}/user/{user}", outermost first. */
static void
openapi_obj_path(const struct obj *obj, struct buf *b, json_t *parameters)
{
	if (obj->parent != NULL)
		openapi_obj_path(obj->parent, b, parameters);
	else
		buf_str(b, "/v1/config");
	buf_fmt(b, "/%s/{%s}", obj->name, obj->key.name);
	json_array_append_new(parameters, openapi_parameter(&obj->key, "path"));
}

static json_t *
openapi_obj_do(const struct obj *obj, const char *verb)
{
	char id[128], summary[128];
	json_t *parameters = json_array();

	if (strcmp(verb, "show") != 0)
		openapi_may_commit(parameters);
	snprintf(id, sizeof id, "%s %s", verb, obj->name);
	snprintf(summary, sizeof summary, "%s %s", verb, obj->brief);
	return json_pack("{s:s, s:s, s:[s], s:o, s:o}", "operationId", id,
	    "summary", summary, "tags", "config", "parameters", parameters,
	    "responses", openapi_answers(openapi_config_row()));
}

static void
openapi_obj(const struct obj *obj, json_t *paths)
{
	json_t *parameters = json_array();
	struct buf path = BUF_INIT;
	json_t *set = openapi_obj_do(obj, "set");

	json_object_set_new(set, "requestBody",
	    json_pack(
		"{s:o}", "content", openapi_content(openapi_row(obj->fields))));
	json_object_set_new(set, "description", json_string(obj->about));
	openapi_obj_path(obj, &path, parameters);
	json_object_set_new(paths, path.data,
	    json_pack("{s:o, s:o, s:o, s:o}", "parameters", parameters, "get",
		openapi_obj_do(obj, "show"), "patch", set, "delete",
		openapi_obj_do(obj, "delete")));
	buf_fini(&path);
}

/* ---- the document ------------------------------------------------------- */

static const struct op_field openapi_envelope[] = {
    {.name = "v", .type = &op_type_int, .brief = "1"},
    {.name = "op", .type = &op_type_text, .brief = "operation"},
    {.name = "ok", .type = &op_type_bool, .brief = "it was done"},
    {.name = "rev", .type = &op_type_int, .brief = "revision answered from"},
    {.name = "next",
	.type = &op_type_text,
	.brief = "as argument after it gives the rest of a list"},
    {.name = "warn",
	.type = &op_type_text,
	.flags = OP_LIST,
	.brief = "what to look at"},
    {0},
};

static const struct op_field openapi_error[] = {
    {.name = "v", .type = &op_type_int, .brief = "1"},
    {.name = "op", .type = &op_type_text, .brief = "operation"},
    {.name = "ok", .type = &op_type_bool, .brief = "it was not done"},
    {.name = "code", .type = &op_type_name, .brief = "kind of the error"},
    {.name = "message", .type = &op_type_text, .brief = "in words"},
    {.name = "path", .type = &op_type_text, .brief = "object it is about"},
    {0},
};

static json_t *
openapi_components(void)
{
	json_t *ref = openapi_content(
	    json_pack("{s:s}", "$ref", "#/components/schemas/error"));

	return json_pack("{s:{s:{s:s, s:s}}, s:{s:o, s:o}, s:{s:{s:s, s:o}}}",
	    "securitySchemes", "token", "type", "http", "scheme", "bearer",
	    "schemas", "answer", openapi_row(openapi_envelope), "error",
	    openapi_row(openapi_error), "responses", "error", "description",
	    "refused or failed", "content", ref);
}

json_t *
op_openapi(const struct op_table *t, const char *version)
{
	json_t *paths = json_object();
	const struct op *const *op;
	const struct obj *const *obj;

	for (op = t->ops; op != NULL && *op != NULL; op++) {
		if (!op_is_monitor(*op)) /* an answer that goes on */
			openapi_op(*op, paths);
	}
	for (obj = t->objs; obj != NULL && *obj != NULL; obj++)
		openapi_obj(*obj, paths);
	return json_pack("{s:s, s:{s:s, s:s}, s:[{s:[]}], s:o, s:o}", "openapi",
	    "3.1.0", "info", "title", "Tandem", "version", version, "security",
	    "token", "paths", paths, "components", openapi_components());
}
