/*
 * JSON-RPC 2.0 between our processes and to the console. Framing is one
 * message a line. Foreign bytes come in here from the control socket, so
 * sizes are bounded before anything is parsed, and a peer that breaks the
 * protocol is answered once and closed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc.h"
#include "buf.h"
#include "log.h"
#include "map.h"
#include "mem.h"
#include "str.h"

/* Codes of the specification, section 5.1. */
#define RPC_PARSE_ERROR -32700
#define RPC_INVALID_REQUEST -32600
#define RPC_METHOD_NOT_FOUND -32601
#define RPC_INVALID_PARAMS -32602
#define RPC_SERVER_ERROR -32000

#define RPC_KEPT (256u << 10) /* bytes of a buffer that is empty */

struct rpc_call {
	struct rpc *rpc;
	json_int_t id;
	rpc_reply_fn *fn;
	void *arg;
	struct loop_timer *timer;
};

struct rpc_request {
	TAILQ_ENTRY(rpc_request) entry;
	struct rpc *rpc; /* NULL once the rpc is closed */
	json_t *id;
};

struct rpc {
	struct loop *loop;
	int fd;
	struct loop_fd *io;
	struct rpc_handler h;
	struct buf in, out;
	size_t scanned; /* bytes of in without a newline */
	size_t sent;	/* bytes of out already written */
	json_int_t next_id;
	struct map calls; /* id -> struct rpc_call */
	TAILQ_HEAD(, rpc_request) requests;
	unsigned open; /* length of requests */
	json_t *err_data;
	struct loop_defer flush, end;
	loop_fn *on_taken;
	void *taken_arg;
	struct err why;
	bool full;     /* the socket takes no more now */
	bool paused;   /* nothing is read */
	bool dead;     /* on_closed is due or done */
	bool closed;   /* rpc_close was called */
	unsigned busy; /* depth of callbacks */
};

static void rpc_on_io(void *arg, int fd, int events);
static void rpc_flush(void *arg);
static void rpc_end(void *arg);
static void rpc_broken(struct rpc *, enum err_code, const char *words);

struct rpc *
rpc_open(struct loop *loop, int fd, const struct rpc_handler *h)
{
	struct rpc *r = xcalloc(1, sizeof *r);

	r->loop = loop;
	r->fd = fd;
	r->h = *h;
	if (r->h.max_in == 0)
		r->h.max_in = RPC_MAX_IN;
	if (r->h.max_out == 0)
		r->h.max_out = RPC_MAX_OUT;
	r->out.max = r->h.max_out;
	TAILQ_INIT(&r->requests);
	r->flush = (struct loop_defer){.fn = rpc_flush, .arg = r};
	r->end = (struct loop_defer){.fn = rpc_end, .arg = r};
	r->io = loop_fd_open(loop, fd, LOOP_READ, rpc_on_io, r);
	return r;
}

int
rpc_fd(const struct rpc *r)
{
	return r->fd;
}

json_t *
rpc_err_data(const struct rpc *r)
{
	return r->err_data;
}

static void
rpc_call_free(struct rpc_call *c)
{
	loop_timer_free(&c->timer);
	free(c);
}

/* Take a call off the table and tell its owner. */
static void
rpc_call_finish(struct rpc_call *c, json_t *result, const struct err *e)
{
	struct rpc *r = c->rpc;

	map_del(&r->calls, &c->id, sizeof c->id);
	r->busy++;
	if (c->fn != NULL)
		c->fn(c->arg, result, e);
	r->busy--;
	rpc_call_free(c);
}

/* Fail every open call; each callback may close or call again. */
static void
rpc_fail_calls(struct rpc *r, const struct err *why)
{
	struct rpc_call *c;
	size_t at = 0;

	while ((c = map_next(&r->calls, &at, NULL, NULL)) != NULL) {
		rpc_call_finish(c, NULL, why);
		at = 0;
	}
}

/* Release what is left once no callback of this rpc is running. */
static void
rpc_free(struct rpc *r)
{
	struct rpc_call *c;
	struct rpc_request *q;
	size_t at = 0;

	while ((c = map_next(&r->calls, &at, NULL, NULL)) != NULL)
		rpc_call_free(c);
	map_fini(&r->calls);
	while ((q = TAILQ_FIRST(&r->requests)) != NULL) {
		TAILQ_REMOVE(&r->requests, q, entry);
		q->rpc = NULL;
	}
	loop_defer_cancel(r->loop, &r->flush);
	loop_defer_cancel(r->loop, &r->end);
	buf_fini(&r->in);
	buf_fini(&r->out);
	free(r);
}

/* Deferred end of a dead or closed rpc: nothing of it is on the stack. */
static void
rpc_end(void *arg)
{
	struct rpc *r = arg;

	if (!r->closed) {
		r->busy++;
		rpc_fail_calls(r, &r->why);
		if (!r->closed && r->h.on_closed != NULL)
			r->h.on_closed(r->h.arg, r, &r->why);
		r->busy--;
	}
	if (r->closed)
		rpc_free(r);
}

void
rpc_close(struct rpc **rp)
{
	struct rpc *r = *rp;

	*rp = NULL;
	if (r == NULL || r->closed)
		return;
	if (!r->dead)
		rpc_flush(r); /* what is answered should still arrive */
	r->closed = true;
	loop_defer_cancel(r->loop, &r->flush);
	loop_fd_close(&r->io);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	loop_defer(r->loop, &r->end);
}

/* The stream is of no more use: tell the owner at the end of the turn. */
static void
rpc_broken(struct rpc *r, enum err_code code, const char *words)
{
	if (r->dead || r->closed)
		return;
	r->dead = true;
	err_set(&r->why, code, "%s", words);
	loop_fd_want(r->io, 0);
	loop_defer(r->loop, &r->end);
}

size_t
rpc_queued(const struct rpc *r)
{
	return r->out.len - r->sent;
}

void
rpc_on_taken(struct rpc *r, loop_fn *fn, void *arg)
{
	r->on_taken = fn;
	r->taken_arg = arg;
}

static void
rpc_want(struct rpc *r)
{
	if (!r->dead && !r->closed)
		loop_fd_want(r->io,
		    (r->paused ? 0 : LOOP_READ) | (r->full ? LOOP_WRITE : 0));
}

void
rpc_pause(struct rpc *r, bool paused)
{
	r->paused = paused;
	rpc_want(r);
}

/* The peer has all that there was. A buffer that has become large is not kept
 * for the next time. */
static void
rpc_taken(struct rpc *r)
{
	bool was_full = r->full;

	if (r->out.cap > RPC_KEPT) {
		buf_fini(&r->out);
		r->out.max = r->h.max_out;
	}
	buf_reset(&r->out);
	r->sent = 0;
	r->full = false;
	rpc_want(r);
	if (was_full && r->on_taken != NULL)
		r->on_taken(r->taken_arg);
}

/* Write what the socket takes; ask for more when it is full. */
static void
rpc_flush(void *arg)
{
	struct rpc *r = arg;
	ssize_t n;

	while (!r->dead && r->sent < r->out.len) {
		n = send(r->fd, r->out.data + r->sent, r->out.len - r->sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			buf_eat(&r->out, r->sent);
			r->sent = 0;
			r->full = true;
			rpc_want(r);
			return;
		}
		if (n < 0) {
			rpc_broken(r, ERR_CLOSED, strerror(errno));
			return;
		}
		r->sent += (size_t)n;
	}
	if (!r->dead)
		rpc_taken(r);
}

static int
rpc_dump_to(const char *s, size_t n, void *arg)
{
	buf_add(arg, s, n);
	return 0;
}

/* One member of the message in the making (section 4, 5); the value is
 * taken. */
static void
rpc_put(struct rpc *r, const char *name, json_t *value)
{
	buf_str(&r->out, ",\"");
	buf_str(&r->out, name);
	buf_str(&r->out, "\":");
	json_dump_callback(
	    value, rpc_dump_to, &r->out, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(value);
}

/*
 * Queue one message of two or three members, all taken; a NULL one is left
 * out. They are written as they are: no object is made of them for that.
 */
static void
rpc_send(struct rpc *r, const char *name, json_t *value, const char *other,
    json_t *beside, json_t *id)
{
	if (r->dead || r->closed) {
		json_decref(value);
		json_decref(beside);
		json_decref(id);
		return;
	}
	buf_str(&r->out, "{\"jsonrpc\":\"2.0\"");
	rpc_put(r, name, value);
	if (beside != NULL)
		rpc_put(r, other, beside);
	if (id != NULL)
		rpc_put(r, "id", id);
	buf_str(&r->out, "}\n");
	if (r->out.failed)
		rpc_broken(r, ERR_FULL, "reader too slow");
	else
		loop_defer(r->loop, &r->flush);
}

static void
rpc_on_timeout(void *arg)
{
	struct rpc_call *c = arg;
	struct err e;

	err_set(&e, ERR_TIMEOUT, "no answer in time");
	rpc_call_finish(c, NULL, &e);
}

void
rpc_call(struct rpc *r, const char *method, json_t *params, uint64_t timeout,
    rpc_reply_fn *fn, void *arg)
{
	struct rpc_call *c = xcalloc(1, sizeof *c);

	c->rpc = r;
	c->id = ++r->next_id;
	c->fn = fn;
	c->arg = arg;
	if (map_put(&r->calls, &c->id, sizeof c->id, c, NULL) != 0)
		fatalx("rpc: out of memory");
	if (timeout != 0) {
		c->timer = loop_timer_new(r->loop, rpc_on_timeout, c);
		loop_timer_set(c->timer, timeout);
	}
	rpc_send(r, "method", json_string(method), "params", params,
	    json_integer(c->id));
	if (r->dead && !r->closed)
		loop_defer(r->loop, &r->end);
}

void
rpc_forget(struct rpc *r, void *arg)
{
	struct rpc_call *c;
	size_t at = 0;

	while ((c = map_next(&r->calls, &at, NULL, NULL)) != NULL) {
		if (c->arg == arg)
			c->fn = NULL;
	}
}

void
rpc_prolong(struct rpc *r, uint64_t timeout)
{
	struct rpc_call *c;
	size_t at = 0;

	while ((c = map_next(&r->calls, &at, NULL, NULL)) != NULL) {
		if (c->timer != NULL)
			loop_timer_set(c->timer, timeout);
	}
}

void
rpc_notify(struct rpc *r, const char *method, json_t *params)
{
	rpc_send(r, "method", json_string(method), "params", params, NULL);
}

/* Take a request off its rpc; the rpc or NULL when that is gone. */
static struct rpc *
rpc_request_take(struct rpc_request *q, json_t **id)
{
	struct rpc *r = q->rpc;

	*id = q->id;
	if (r != NULL) {
		TAILQ_REMOVE(&r->requests, q, entry);
		r->open--;
	}
	free(q);
	return r;
}

void
rpc_reply(struct rpc_request *q, json_t *result)
{
	json_t *id;
	struct rpc *r = rpc_request_take(q, &id);

	if (r == NULL) {
		json_decref(id);
		json_decref(result);
		return;
	}
	rpc_send(
	    r, "result", result != NULL ? result : json_null(), NULL, NULL, id);
}

/* Our code as a word in data.code, foreign bytes safe; data is taken. */
static json_t *
rpc_error_object(const struct err *e, int code, json_t *data)
{
	const char *text = e->text[0] != '\0' ? e->text : err_text(e->code);
	char safe[2 * ERR_TEXT_MAX];

	str_escape(safe, sizeof safe, text, strlen(text));
	if (data == NULL)
		data = json_object();
	json_object_set_new(data, "code", json_string(err_name(e->code)));
	return json_pack(
	    "{s:i, s:s, s:o}", "code", code, "message", safe, "data", data);
}

json_t *
rpc_error(const struct err *e, json_t *data)
{
	return rpc_error_object(e,
	    e->code == ERR_UNKNOWN ? RPC_METHOD_NOT_FOUND
		: e->code == ERR_SYNTAX || e->code == ERR_INVALID
		? RPC_INVALID_PARAMS
		: RPC_SERVER_ERROR,
	    data);
}

json_t *
rpc_not_a_request(const struct err *e, bool parsed)
{
	return json_pack("{s:s, s:o, s:n}", "jsonrpc", "2.0", "error",
	    rpc_error_object(
		e, parsed ? RPC_INVALID_REQUEST : RPC_PARSE_ERROR, NULL),
	    "id");
}

bool
rpc_was_json(const struct err *e)
{
	return !str_prefix(e->text, "JSON");
}

size_t
rpc_size(json_t *v)
{
	const char *key;
	json_t *member;
	size_t n = 16, i;

	switch (json_typeof(v)) {
	case JSON_STRING:
		return n + json_string_length(v);
	case JSON_OBJECT:
		json_object_foreach (v, key, member)
			n += strlen(key) + rpc_size(member);
		return n;
	case JSON_ARRAY:
		json_array_foreach (v, i, member)
			n += rpc_size(member);
		return n;
	default:
		return n;
	}
}

void
rpc_fail_data(struct rpc_request *q, const struct err *e, json_t *data)
{
	json_t *id;
	struct rpc *r = rpc_request_take(q, &id);

	if (r == NULL) {
		json_decref(id);
		json_decref(data);
		return;
	}
	rpc_send(r, "error", rpc_error(e, data), NULL, NULL, id);
}

void
rpc_fail(struct rpc_request *q, const struct err *e)
{
	rpc_fail_data(q, e, NULL);
}

void
rpc_failf(struct rpc_request *q, enum err_code code, const char *fmt, ...)
{
	struct err e = {.code = code};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof e.text, fmt, ap);
	va_end(ap);
	rpc_fail_data(q, &e, NULL);
}

/* The words and code of an error reply. */
static void
rpc_decode_error(struct rpc_message *m, json_t *error)
{
	const char *text = json_string_value(json_object_get(error, "message"));
	const char *name;

	m->err_data = json_object_get(error, "data");
	name = json_string_value(json_object_get(m->err_data, "code"));
	err_set(&m->err, name != NULL ? err_by_name(name) : ERR_INTERNAL, "%s",
	    text != NULL ? text : "error without a message");
	if (m->err.code == ERR_NONE)
		m->err.code = ERR_INTERNAL;
}

/* Which of the three kinds root is; fills the members. */
static int
rpc_classify(struct rpc_message *m, struct err *e)
{
	json_t *method = json_object_get(m->root, "method"), *error;
	const char *version = json_string_value(
	    json_object_get(m->root, "jsonrpc"));

	if (version == NULL || strcmp(version, "2.0") != 0)
		return err_set(e, ERR_SYNTAX, "jsonrpc: expected \"2.0\"");
	m->id = json_object_get(m->root, "id");
	if (method != NULL) {
		m->method = json_string_value(method);
		m->params = json_object_get(m->root, "params");
		if (m->method == NULL)
			return err_set(
			    e, ERR_SYNTAX, "method: expected a string");
		if (m->params != NULL && !json_is_object(m->params) &&
		    !json_is_array(m->params))
			return err_set(e, ERR_SYNTAX,
			    "params: expected an object or an array");
		if (m->id != NULL && !json_is_string(m->id) &&
		    !json_is_number(m->id) && !json_is_null(m->id))
			return err_set(
			    e, ERR_SYNTAX, "id: expected a string or a number");
		m->kind = m->id != NULL ? RPC_REQUEST : RPC_NOTIFICATION;
		return 0;
	}
	m->kind = RPC_REPLY;
	m->result = json_object_get(m->root, "result");
	error = json_object_get(m->root, "error");
	if ((m->result == NULL) == (error == NULL))
		return err_set(
		    e, ERR_SYNTAX, "expected a method, a result or an error");
	if (error != NULL)
		rpc_decode_error(m, error);
	return 0;
}

int
rpc_take(struct rpc_message *m, json_t *root, struct err *e)
{
	memset(m, 0, sizeof *m);
	m->root = root;
	if (!json_is_object(root))
		return err_set(e, ERR_SYNTAX,
		    "expected a JSON object (batches are not served)");
	return rpc_classify(m, e);
}

int
rpc_decode(struct rpc_message *m, const char *line, size_t n, struct err *e)
{
	json_error_t je;
	int r;

	memset(m, 0, sizeof *m);
	m->root = json_loadb(line, n, JSON_REJECT_DUPLICATES, &je);
	if (m->root == NULL)
		return err_set(
		    e, ERR_SYNTAX, "JSON: column %d: %s", je.column, je.text);
	if ((r = rpc_take(m, m->root, e)) != 0) {
		json_decref(m->root);
		m->root = NULL;
	}
	return r;
}

/* Answer what cannot be parsed, then give the stream up. */
static void
rpc_refuse(struct rpc *r, const struct err *e, int code)
{
	rpc_send(r, "error", rpc_error_object(e, code, NULL), NULL, NULL,
	    json_null()); /* whose id is not known */
	rpc_flush(r);
	rpc_broken(r, e->code, e->text);
}

static void
rpc_on_request(struct rpc *r, struct rpc_message *m)
{
	struct rpc_request *q = NULL;
	struct err e;

	if (m->kind == RPC_REQUEST) {
		if (r->open >= RPC_MAX_OPEN) {
			err_set(&e, ERR_BUSY, "too many open requests");
			rpc_refuse(r, &e, RPC_SERVER_ERROR);
			return;
		}
		q = xcalloc(1, sizeof *q);
		q->rpc = r;
		q->id = json_incref(m->id);
		TAILQ_INSERT_TAIL(&r->requests, q, entry);
		r->open++;
	}
	if (r->h.on_request != NULL)
		r->h.on_request(r->h.arg, r, q, m->method, m->params);
	else if (q != NULL)
		rpc_failf(q, ERR_UNKNOWN, "%s: no such method", m->method);
}

static void
rpc_on_reply(struct rpc *r, struct rpc_message *m)
{
	json_int_t id = json_integer_value(m->id);
	struct rpc_call *c = map_get(&r->calls, &id, sizeof id);

	if (c == NULL)
		return; /* it timed out before */
	r->err_data = m->err_data;
	rpc_call_finish(c, m->result, m->result != NULL ? NULL : &m->err);
	r->err_data = NULL;
}

static void
rpc_on_line(struct rpc *r, const char *line, size_t n)
{
	struct rpc_message m;
	struct err e;

	if (rpc_decode(&m, line, n, &e) != 0) {
		rpc_refuse(r, &e,
		    rpc_was_json(&e) ? RPC_INVALID_REQUEST : RPC_PARSE_ERROR);
		return;
	}
	r->busy++;
	if (m.kind == RPC_REPLY)
		rpc_on_reply(r, &m);
	else
		rpc_on_request(r, &m);
	r->busy--;
	json_decref(m.root);
}

/* A message over the limit: said once, then the stream is given up. */
static void
rpc_refuse_size(struct rpc *r)
{
	struct err e;

	err_set(&e, ERR_TOOBIG, "a message has at most %zu bytes", r->h.max_in);
	rpc_refuse(r, &e, RPC_INVALID_REQUEST);
}

/* Handle every whole line in the buffer. */
static void
rpc_take_lines(struct rpc *r)
{
	size_t start = 0, n;
	char *line, *nl;

	while (!r->dead && !r->closed) {
		line = r->in.data + start;
		nl = memchr(
		    line + r->scanned, '\n', r->in.len - start - r->scanned);
		n = nl != NULL ? (size_t)(nl - line) : r->in.len - start;
		if (n > r->h.max_in) {
			rpc_refuse_size(r);
			return;
		}
		if (nl == NULL) {
			r->scanned = n;
			break;
		}
		r->scanned = 0;
		*nl = '\0';
		start += n + 1;
		rpc_on_line(r, line, n);
	}
	if (!r->dead && !r->closed)
		buf_eat(&r->in, start);
}

static void
rpc_on_io(void *arg, int fd, int events)
{
	struct rpc *r = arg;
	char *at;
	ssize_t n;

	if (events & LOOP_WRITE)
		rpc_flush(r);
	if (!(events & LOOP_READ) || r->dead || r->closed)
		return;
	if ((at = buf_reserve(&r->in, 65536)) == NULL)
		fatalx("rpc: out of memory");
	n = recv(fd, at, 65536, MSG_DONTWAIT);
	if (n > 0) {
		r->in.len += (size_t)n;
		r->in.data[r->in.len] = '\0';
		rpc_take_lines(r);
	} else if (n == 0) {
		rpc_broken(r, ERR_CLOSED, "closed by the other side");
	} else if (errno != EAGAIN && errno != EINTR) {
		rpc_broken(r, ERR_CLOSED, strerror(errno));
	}
}
