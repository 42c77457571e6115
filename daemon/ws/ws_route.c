/*
 * What a request of HTTP means. No path is written down for an operation: its
 * words are the path, its positional arguments follow them, the others are
 * query or body.
 *
 *   GET    /v1/show/roles?instance=sg/1   an operation that reads
 *   POST   /v1/request/server/drain/srv2  one that acts or edits; {"args"}
 *   GET    /v1/config/domain/a.test       objects below a path
 *   PATCH  /v1/config/domain/a.test/user/101  {"field": value}, and commit
 *   DELETE /v1/config/...                 and commit
 *   POST   /v1/rpc                        JSON-RPC 2.0, one or a batch
 *   GET    /v1/rpc                        the same over WebSocket
 *   GET    /v1/openapi.json, /metrics
 *
 * Pure; every byte here is foreign.
 */
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ws.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define ROUTE_SEGMENTS 32
#define ROUTE_WORDS 128 /* of an operation's name, with the NUL */

struct route {
	struct ws_plan *plan;
	const struct op_table *table;
	enum ws_method method;
	char *segment[ROUTE_SEGMENTS]; /* decoded */
	size_t count;
	json_t *query; /* name -> text, or texts */
	json_t *body;  /* NULL = none */
};

/* ---- what is refused ------------------------------------------------------
 */

static void
route_refuse(struct route *r, int status, const struct err *e)
{
	r->plan->status = status;
	r->plan->err = *e;
}

static void
route_refuse_method(struct route *r, const char *allow)
{
	struct err e;

	err_set(&e, ERR_INVALID, "expected %s", allow);
	route_refuse(r, 405, &e);
	r->plan->allow = allow;
}

static void
route_refuse_path(struct route *r)
{
	struct err e;

	err_set(&e, ERR_ABSENT, "there is nothing at this path");
	route_refuse(r, 404, &e);
}

/* ---- steps ----------------------------------------------------------------
 */

/* params is taken. */
static void
route_step(struct route *r, const char *method, json_t *params)
{
	json_array_append_new(r->plan->steps,
	    json_pack("{s:s, s:o}", "method", method, "params", params));
}

/* What the query of a request that edits may say of its commit. */
static const char *const route_commit_names[] = {"comment", "confirmed", "at"};
#define ROUTE_NAMES 3

/* Nothing in a query is passed over in silence: a word that was meant to hold
 * a commit back must not be lost. false = refused. */
static bool
route_check_query(struct route *r, bool commit)
{
	const char *name;
	json_t *value;
	struct err e;
	size_t i;

	json_object_foreach (r->query, name, value) {
		for (i = 0; i < ROUTE_NAMES; i++) {
			if (strcmp(route_commit_names[i], name) == 0)
				break;
		}
		if (i < ROUTE_NAMES || (commit && strcmp(name, "commit") == 0))
			continue;
		err_set(&e, ERR_UNKNOWN,
		    "query: %.64s: expected %scomment, "
		    "confirmed or at",
		    name, commit ? "commit, " : "");
		route_refuse(r, 400, &e);
		return false;
	}
	return true;
}

static json_t *
route_commit_args(struct route *r)
{
	json_t *args = json_object();
	json_t *value;
	size_t i;

	for (i = 0; i < ROUTE_NAMES; i++) {
		value = json_object_get(r->query, route_commit_names[i]);
		if (value != NULL)
			json_object_set(args, route_commit_names[i], value);
	}
	return args;
}

/* ---- operations ------------------------------------------------------------
 */

/* The operation whose words the path begins with; *used: how many. */
static const struct op *
route_op(struct route *r, size_t *used)
{
	char name[ROUTE_WORDS] = "";
	const struct op *op, *found = NULL;
	size_t i, n = 0;

	for (i = 0; i < r->count; i++) {
		n += (size_t)snprintf(name + n, sizeof name - n, "%s%s",
		    i > 0 ? " " : "", r->segment[i]);
		if (n >= sizeof name)
			break;
		if ((op = op_find(r->table, name)) != NULL) {
			found = op;
			*used = i + 1;
		}
	}
	return found;
}

/* A further value of an argument makes a list of it. */
static void
route_add(json_t *args, const char *name, const char *value)
{
	json_t *old = json_object_get(args, name);

	if (old == NULL)
		json_object_set_new(args, name, json_string(value));
	else if (json_is_array(old))
		json_array_append_new(old, json_string(value));
	else
		json_object_set_new(
		    args, name, json_pack("[O, s]", old, value));
}

/* Segments behind the words are positional arguments; a path takes all that
 * are left. */
static int
route_keys(struct route *r, const struct op *op, size_t at, json_t *args)
{
	const struct op_field *f;

	for (f = op->args; f != NULL && f->name != NULL; f++) {
		for (; f->type == &op_type_path && at < r->count; at++) {
			const char *before = json_string_value(
			    json_object_get(args, f->name));
			char *path = before == NULL
			    ? xstrdup(r->segment[at])
			    : xasprintf("%s %s", before, r->segment[at]);

			json_object_set_new(args, f->name, json_string(path));
			free(path);
		}
		if (f->flags & OP_KEY && at < r->count)
			route_add(args, f->name, r->segment[at++]);
	}
	return at < r->count ? -ERR_ABSENT : 0;
}

/* Arguments of the path stand above those of query or body. A flag may stand
 * there without a value. */
static void
route_args(const struct op *op, json_t *from, json_t *args)
{
	const struct op_field *f;
	const char *name;
	json_t *value;

	json_object_foreach (from, name, value) {
		if (json_object_get(args, name) != NULL)
			continue;
		f = op_field_find(op->args, name);
		if (f != NULL && f->flags & OP_FLAG &&
		    str_equal(json_string_value(value), ""))
			json_object_set_new(args, name, json_true());
		else
			json_object_set(args, name, value);
	}
}

/* The query of what does not read. false = refused. */
static bool
route_query(struct route *r, const struct op *op)
{
	struct err e;

	if (op->kind == OP_CONFIG)
		return route_check_query(r, true);
	if (json_object_size(r->query) == 0)
		return true;
	err_set(&e, ERR_UNKNOWN, "query: expected arguments in the body");
	route_refuse(r, 400, &e);
	return false;
}

static void
route_operation(struct route *r)
{
	size_t used = 0;
	const struct op *op = route_op(r, &used);
	bool reads = op != NULL && op->kind == OP_READ;
	json_t *args;

	if (op == NULL) {
		route_refuse_path(r);
		return;
	}
	if (r->method != (reads ? WS_GET : WS_POST)) {
		route_refuse_method(r, reads ? "GET" : "POST");
		return;
	}
	if (!reads && !route_query(r, op))
		return;
	args = json_object();
	if (route_keys(r, op, used, args) != 0) {
		json_decref(args);
		route_refuse_path(r);
		return;
	}
	route_args(op, reads ? r->query : r->body, args);
	route_step(r, op->name, args);
	if (op->kind == OP_CONFIG &&
	    json_object_get(r->query, "commit") != NULL)
		route_step(r, "commit", route_commit_args(r));
}

/* ---- configuration ---------------------------------------------------------
 */

/* The segments as a path: keys hold no spaces. */
static char *
route_path(struct route *r, size_t at)
{
	struct buf b = BUF_INIT;

	for (; at < r->count; at++) {
		if (b.len > 0)
			buf_char(&b, ' ');
		buf_str(&b, r->segment[at]);
	}
	return b.data != NULL ? buf_take(&b) : xstrdup("");
}

static void
route_config(struct route *r)
{
	char *path;
	json_t *args;

	if (r->method != WS_GET && !route_check_query(r, false))
		return;
	path = route_path(r, 1);
	args = json_object();

	if (path[0] != '\0')
		json_object_set_new(args, "path", json_string(path));
	free(path);
	switch (r->method) {
	case WS_GET:
		r->plan->form = WS_CONFIG;
		route_step(r, "show configuration", args);
		return;
	case WS_PATCH:
		if (r->body != NULL && json_object_size(r->body) > 0)
			json_object_set(args, "values", r->body);
		route_step(r, "set", args);
		break;
	case WS_DELETE:
		route_step(r, "delete", args);
		break;
	default:
		json_decref(args);
		route_refuse_method(r, "GET, PATCH, DELETE");
		return;
	}
	route_step(r, "commit", route_commit_args(r));
}

/* ---- JSON-RPC ---------------------------------------------------------------
 */

/* A request of JSON-RPC 2.0, section 4. */
static int
route_rpc_one(struct route *r, json_t *one, struct err *e)
{
	struct rpc_message m;
	json_t *step;
	int error = rpc_take(&m, one, e);

	if (error != 0)
		return error;
	if (m.kind == RPC_REPLY)
		return err_set(e, ERR_SYNTAX, "method: expected a string");
	if (m.params != NULL && !json_is_object(m.params))
		return err_set(e, ERR_INVALID,
		    "params: expected arguments by their names");
	step = json_pack("{s:s}", "method", m.method);
	if (m.params != NULL)
		json_object_set(step, "params", m.params);
	if (m.id != NULL)
		json_object_set(step, "id", m.id);
	json_array_append_new(r->plan->steps, step);
	return 0;
}

static void
route_rpc(struct route *r)
{
	struct err e = {0};
	json_t *one;
	size_t i;

	r->plan->form = r->method == WS_GET ? WS_SOCKET : WS_RPC;
	if (r->method == WS_GET)
		return;
	if (r->method != WS_POST) {
		route_refuse_method(r, "GET, POST");
		return;
	}
	r->plan->batch = json_is_array(r->body);
	if (!r->plan->batch) {
		if (route_rpc_one(r, r->body, &e) != 0)
			route_refuse(r, 400, &e);
		return;
	}
	if (json_array_size(r->body) == 0 ||
	    json_array_size(r->body) > WS_BATCH) {
		err_set(&e, ERR_INVALID, "expected 1 to %d requests", WS_BATCH);
		route_refuse(r, 400, &e);
		return;
	}
	json_array_foreach (r->body, i, one) {
		if (route_rpc_one(r, one, &e) == 0)
			continue;
		err_wrap(&e, "request %zu of the batch", i + 1);
		route_refuse(r, 400, &e);
		return;
	}
}

/* ---- the path ----------------------------------------------------------- */

/* Is the path this one part, and no more? */
static bool
route_is(const struct route *r, const char *part)
{
	return r->count == 1 && strcmp(r->segment[0], part) == 0;
}

static void
route_go(struct route *r)
{
	if (route_is(r, "metrics")) {
		if (r->method != WS_GET) {
			route_refuse_method(r, "GET");
			return;
		}
		r->plan->form = WS_METRICS;
		route_step(r, "show statistics", json_object());
		route_step(r, "show alarms", json_object());
		return;
	}
	if (r->count < 2 || strcmp(r->segment[0], "v1") != 0) {
		route_refuse_path(r);
		return;
	}
	free(r->segment[0]);
	memmove(r->segment, r->segment + 1, --r->count * sizeof r->segment[0]);
	if (route_is(r, "openapi.json")) {
		if (r->method != WS_GET)
			route_refuse_method(r, "GET");
		r->plan->form = WS_OPENAPI;
	} else if (route_is(r, "rpc")) {
		route_rpc(r);
	} else if (strcmp(r->segment[0], "config") == 0) {
		route_config(r);
	} else {
		route_operation(r);
	}
}

/* n bytes without their %XX; NULL when they are no text. */
static char *
route_decode(const char *from, size_t n, bool plus)
{
	char *raw = xstrndup(from, n), *text;
	size_t len = 0;

	text = evhttp_uridecode(raw, plus, &len);
	free(raw);
	if (text != NULL && strlen(text) == len && str_utf8(text, len))
		return text;
	free(text);
	return NULL;
}

/* A segment, decoded; it must be a word that the console would take. */
static int
route_segment(struct route *r, const char *from, size_t n, struct err *e)
{
	char *text;

	if (n == 0)
		return 0;
	if (r->count == ROUTE_SEGMENTS)
		return err_set(e, ERR_TOOBIG, "the path has too many parts");
	text = route_decode(from, n, false);
	if (text == NULL || *text == '\0' || strpbrk(text, " \t\r\n") != NULL) {
		free(text);
		return err_set(e, ERR_SYNTAX,
		    "part %zu of the path: expected UTF-8 without spaces",
		    r->count + 1);
	}
	r->segment[r->count++] = text;
	return 0;
}

/* "name=value&flag" */
static int
route_split_query(struct route *r, const char *at, struct err *e)
{
	size_t n, key;
	char *name, *value;
	int error = 0;

	for (; error == 0 && *at != '\0' && *at != '#'; at += n) {
		at += strspn(at, "&");
		n = strcspn(at, "&#");
		key = strcspn(at, "=&#");
		if (n == 0)
			continue;
		name = route_decode(at, key, true);
		value = key < n ? route_decode(at + key + 1, n - key - 1, true)
				: xstrdup("");
		if (name == NULL || *name == '\0' || value == NULL)
			error = err_set(e, ERR_SYNTAX,
			    "query: expected name=value&... in UTF-8");
		else
			route_add(r->query, name, value);
		free(name);
		free(value);
	}
	return error;
}

static int
route_split(struct route *r, const char *uri, struct err *e)
{
	size_t n = strcspn(uri, "?#"), len;
	const char *at = uri, *end = uri + n;
	int error;

	for (; at < end; at += len + 1) {
		len = strcspn(at, "/?#");
		if ((error = route_segment(r, at, len, e)) != 0)
			return error;
	}
	return uri[n] == '?' ? route_split_query(r, uri + n + 1, e) : 0;
}

/* JSON of an object, or for JSON-RPC also of an array. */
static int
route_parse(struct route *r, const char *body, size_t n, struct err *e)
{
	json_error_t je;
	char words[sizeof je.text * 4];

	r->plan->parsed = true;
	if (n == 0)
		return 0;
	r->body = json_loadb(body, n, JSON_REJECT_DUPLICATES, &je);
	if (r->body == NULL) {
		r->plan->parsed = false;
		str_escape(words, sizeof words, je.text, strlen(je.text));
		return err_set(e, ERR_SYNTAX, "body: line %d, column %d: %s",
		    je.line, je.column, words);
	}
	if (!json_is_object(r->body) &&
	    !(json_is_array(r->body) && r->plan->form == WS_RPC))
		return err_set(e, ERR_SYNTAX, "body: expected an object");
	return 0;
}

void
ws_route(struct ws_plan *plan, const struct op_table *table,
    enum ws_method method, const char *uri, const char *body, size_t n)
{
	struct route r = {.plan = plan, .table = table, .method = method};
	struct err e = {0};
	size_t i;

	memset(plan, 0, sizeof *plan);
	plan->steps = json_array();
	r.query = json_object();
	if (route_split(&r, uri, &e) == 0 && r.count == 2 &&
	    strcmp(r.segment[1], "rpc") == 0 && method == WS_POST)
		plan->form = WS_RPC;
	if (e.code != ERR_NONE || route_parse(&r, body, n, &e) != 0)
		route_refuse(&r, err_http(e.code), &e);
	else
		route_go(&r);
	for (i = 0; i < r.count; i++)
		free(r.segment[i]);
	json_decref(r.query);
	json_decref(r.body);
}

void
ws_plan_fini(struct ws_plan *plan)
{
	json_decref(plan->steps);
	plan->steps = NULL;
}
