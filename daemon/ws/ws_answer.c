/*
 * What is answered: rows of operations as JSON in the shape of the console's,
 * as JSON-RPC, as text of Prometheus. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "ws.h"

json_t *
ws_answer_envelope(const struct ws_result *r)
{
	json_t *o;

	if (r->result != NULL)
		return op_envelope(
		    r->method, json_object_get(r->result, "data"), r->result);
	o = op_envelope_error(r->method, &r->err);
	op_envelope_add(o, r->data);
	return o;
}

/* The value of a field as its type has it: 3, true, ["a", "b"]; a secret stays
 * the word that leaves it as it is. */
static json_t *
answer_value(const struct op_field *f, json_t *value)
{
	char *text;
	json_t *o;

	if (f == NULL || f->type->secret || op_from_json(f, value, &text, NULL))
		return json_incref(value);
	o = op_to_json(f, text);
	free(text);
	return o;
}

/* A set line as an object; NULL, with words, when it is none. */
static json_t *
answer_object(const struct op_table *table, const char *line, struct err *e)
{
	json_t *o = NULL, *values = json_object(), *value;
	const char *name;
	struct op_walk w;

	if (op_walk(table, line, 0, &w) != 0) {
		err_set(e, ERR_INTERNAL, "%s: %s", line, w.err.text);
	} else {
		json_object_foreach (
		    json_object_get(w.args, "values"), name, value) {
			json_object_set_new(values, name,
			    answer_value(obj_field(w.obj, name), value));
		}
		o = json_pack("{s:O, s:O}", "path",
		    json_object_get(w.args, "path"), "values", values);
	}
	json_decref(values);
	op_walk_fini(&w);
	return o;
}

json_t *
ws_answer_config(const struct op_table *table, struct ws_result *r)
{
	json_t *rows = json_object_get(r->result, "data"), *row, *out, *o;
	const char *line;
	size_t i;

	if (r->result == NULL)
		return ws_answer_envelope(r);
	out = json_array();
	json_array_foreach (rows, i, row) {
		line = json_string_value(json_object_get(row, "line"));
		o = answer_object(table, line != NULL ? line : "", &r->err);
		/* Without one object of many the answer would be wrong. */
		if (o == NULL) {
			json_decref(out);
			r->result = NULL;
			return ws_answer_envelope(r);
		}
		json_array_append_new(out, o);
	}
	o = op_envelope(r->method, out, r->result);
	json_decref(out);
	return o;
}

json_t *
ws_answer_rpc(const struct ws_result *r)
{
	if (r->result != NULL)
		return json_pack("{s:s, s:O, s:O}", "jsonrpc", "2.0", "result",
		    r->result, "id", r->id);
	return json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", "error",
	    rpc_error(&r->err, r->data != NULL ? json_copy(r->data) : NULL),
	    "id", r->id);
}

/* ---- metrics (Prometheus text format 0.0.4) -------------------------------
 */

/* The value of a label. */
static void
metrics_label(struct buf *b, const char *name, const char *value)
{
	buf_fmt(b, "%s=\"", name);
	for (; value != NULL && *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			buf_char(b, '\\');
		if (*value == '\n')
			buf_str(b, "\\n");
		else
			buf_char(b, *value);
	}
	buf_char(b, '"');
}

/* tandem_sip_in: letters, digits and '_' only. */
static void
metrics_name(struct buf *b, const char *name)
{
	buf_str(b, "tandem_");
	for (; *name != '\0'; name++)
		buf_char(b,
		    (*name >= 'a' && *name <= 'z') ||
			    (*name >= '0' && *name <= '9')
			? *name
			: '_');
}

static const char *
metrics_text(json_t *row, const char *name)
{
	const char *s = json_string_value(json_object_get(row, name));

	return s != NULL ? s : "";
}

/* All rows of one name: they must stand together. */
static void
metrics_family(json_t *rows, size_t first, struct buf *b)
{
	json_t *row = json_array_get(rows, first);
	const char *name = metrics_text(row, "counter");

	buf_str(b, "# HELP ");
	metrics_name(b, name);
	buf_fmt(b, " %s\n# TYPE ", metrics_text(row, "about"));
	metrics_name(b, name);
	buf_str(b, " untyped\n");
	for (; first < json_array_size(rows); first++) {
		row = json_array_get(rows, first);
		if (strcmp(metrics_text(row, "counter"), name) != 0)
			continue;
		metrics_name(b, name);
		buf_char(b, '{');
		metrics_label(b, "process", metrics_text(row, "instance"));
		buf_fmt(b, "} %lld\n",
		    (long long)json_integer_value(
			json_object_get(row, "value")));
	}
}

void
ws_answer_metrics(json_t *statistics, json_t *alarms, struct buf *b)
{
	json_t *seen = json_object(), *row;
	const char *name;
	size_t i;

	json_array_foreach (statistics, i, row) {
		name = metrics_text(row, "counter");
		if (json_object_get(seen, name) != NULL)
			continue;
		json_object_set_new(seen, name, json_true());
		metrics_family(statistics, i, b);
	}
	json_decref(seen);
	buf_str(b,
	    "# HELP tandem_alarm what is wrong now\n"
	    "# TYPE tandem_alarm gauge\n");
	json_array_foreach (alarms, i, row) {
		buf_str(b, "tandem_alarm{");
		metrics_label(b, "alarm", metrics_text(row, "alarm"));
		buf_char(b, ',');
		metrics_label(b, "subject", metrics_text(row, "subject"));
		buf_char(b, ',');
		metrics_label(b, "server", metrics_text(row, "server"));
		buf_str(b, "} 1\n");
	}
}
