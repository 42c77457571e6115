/*
 * The connection to control: JSON-RPC over its socket, or over one that leads
 * to a server elsewhere (remote.c), with waiting that Ctrl-C ends. An
 * interrupted wait cancels nothing at the server.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"

#define CONN_MAX_IN (256u << 20) /* a listing of a million rows */

struct conn_request {
	TAILQ_ENTRY(conn_request) entry;
	struct conn *conn;
	conn_fn *fn; /* NULL: nobody waits any more */
	void *arg;
};

void
reply_fini(struct reply *r)
{
	json_decref(r->result);
	json_decref(r->err_data);
	memset(r, 0, sizeof *r);
}

/* A request ends once, with its reply or with the connection. */
static void
conn_request_end(struct conn_request *q)
{
	TAILQ_REMOVE(&q->conn->requests, q, entry);
	q->conn->open--;
	free(q);
}

/* A reply, of whatever kind, to one of our requests. */
static void
conn_on_reply(void *arg, json_t *result, const struct err *e)
{
	struct conn_request *q = arg;
	struct conn *c = q->conn;
	struct reply reply = {0};

	reply.result = json_incref(result);
	if (e != NULL) {
		reply.err = *e;
		reply.err_data = json_incref(rpc_err_data(c->rpc));
	}
	if (q->fn != NULL)
		q->fn(q->arg, &reply);
	reply_fini(&reply);
	conn_request_end(q);
	loop_stop(c->loop);
}

/* The end of the connection; its requests have been failed before. */
static void
conn_on_closed(void *arg, struct rpc *r, const struct err *why)
{
	struct conn *c = arg;

	(void)r;
	(void)why;
	rpc_close(&c->rpc);
	loop_stop(c->loop);
}

/* Words of another operator, or why the session ends. */
static void
conn_message(struct conn *c, json_t *params)
{
	const char *from = json_string_value(json_object_get(params, "from"));
	const char *text = json_string_value(json_object_get(params, "text"));
	struct buf words = BUF_INIT, safe = BUF_INIT;

	if (from == NULL || text == NULL || c->opt->quiet)
		return;
	buf_fmt(&words, "message of %s: %s", from, text);
	text_safe(&safe, words.data != NULL ? words.data : "");
	if (c->on_message != NULL) {
		c->on_message(c->message_arg, safe.data);
	} else {
		fputs("tandem: ", stderr);
		text_put(stderr, safe.data);
		fputs("\n", stderr);
	}
	buf_fini(&words);
	buf_fini(&safe);
}

/* How far the operation is that we wait for: while it tells, the time for an
 * answer begins anew. */
static void
conn_on_request(void *arg, struct rpc *r, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct conn *c = arg;

	if (q != NULL) {
		rpc_failf(q, ERR_UNKNOWN, "%s: a console does nothing", method);
		return;
	}
	if (strcmp(method, "message") == 0)
		conn_message(c, params);
	if (strcmp(method, "changes") == 0 && c->on_changes != NULL)
		c->on_changes(c->changes_arg, params);
	if (strcmp(method, "progress") != 0 || c->open == 0)
		return;
	c->moving = true;
	rpc_prolong(r, c->timeout);
	if (c->on_progress != NULL)
		c->on_progress(c->progress_arg, params);
	else
		progress_show(c->opt, params);
}

/* Ctrl-C ends the waiting, never the operation; but one that tells how far it
 * is ends by it in order, and is waited for. */
static void
conn_on_sigint(void *arg)
{
	struct conn *c = arg;

	if (c->moving && !c->stopped && c->rpc != NULL) {
		c->stopped = true;
		rpc_notify(c->rpc, "interrupt", NULL);
		return;
	}
	c->interrupted = true;
	loop_stop(c->loop);
}

void
conn_send(
    struct conn *c, const char *method, json_t *params, conn_fn *fn, void *arg)
{
	struct conn_request *q = xcalloc(1, sizeof *q);
	struct reply gone = {0};

	if (c->rpc == NULL) {
		json_decref(params);
		free(q);
		err_set(&gone.err, ERR_CLOSED, "the server is gone");
		fn(arg, &gone);
		return;
	}
	q->conn = c;
	q->fn = fn;
	q->arg = arg;
	TAILQ_INSERT_TAIL(&c->requests, q, entry);
	c->open++;
	rpc_call(c->rpc, method, params, c->timeout, conn_on_reply, q);
}

bool
conn_catch(struct conn *c)
{
	if (c->sigint != NULL)
		return false;
	c->sigint = loop_signal_open(c->loop, SIGINT, conn_on_sigint, c);
	return true;
}

void
conn_release(struct conn *c, bool caught)
{
	if (caught)
		loop_signal_close(&c->sigint);
}

void
conn_wait(struct conn *c, unsigned most)
{
	bool caught = conn_catch(c);

	while (c->open > most && !c->interrupted && c->rpc != NULL)
		loop_run(c->loop);
	conn_release(c, caught);
}

struct conn_one {
	struct reply *reply;
	bool done;
};

/* The one reply that conn_call waits for. */
static void
conn_take_one(void *arg, struct reply *r)
{
	struct conn_one *one = arg;

	*one->reply = *r;
	json_incref(r->result);
	json_incref(r->err_data);
	one->done = true;
}

void
conn_forget(struct conn *c, void *arg)
{
	struct conn_request *q;

	for (q = TAILQ_FIRST(&c->requests); q != NULL;
	     q = TAILQ_NEXT(q, entry)) {
		if (q->arg == arg)
			q->fn = NULL;
	}
}

int
conn_call(
    struct conn *c, const char *method, json_t *params, struct reply *reply)
{
	struct conn_one one = {.reply = reply};
	bool caught = conn_catch(c);

	memset(reply, 0, sizeof *reply);
	c->moving = c->stopped = false;
	conn_send(c, method, params, conn_take_one, &one);
	while (!one.done && !c->interrupted && c->rpc != NULL)
		loop_run(c->loop);
	conn_release(c, caught);
	if (c->moving && c->on_progress == NULL)
		progress_end(c->opt);
	if (!one.done) {
		conn_forget(c, &one);
		reply->interrupted = c->interrupted;
		err_set(&reply->err, ERR_CLOSED, "%s",
		    c->interrupted ? "interrupted" : "the server is gone");
	}
	return -(int)reply->err.code;
}

int
conn_call_in(struct conn *c, const char *method, json_t *params,
    uint64_t timeout, struct reply *reply)
{
	uint64_t usual = c->timeout;
	int r;

	c->timeout = timeout;
	r = conn_call(c, method, params, reply);
	c->timeout = usual;
	return r;
}

/* A text of the description, made safe to show. */
static void
conn_take_text(json_t *o, const char *name, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(o, name));

	out[0] = '\0';
	if (text != NULL)
		str_escape(out, size, text, strlen(text));
}

/* What can be done here, and whom we speak to. Where we were called from is
 * told by sshd(8) to us, and by us to the server. */
static int
conn_describe(struct conn *c, struct err *e)
{
	const char *ssh = c->remote == NULL ? getenv("SSH_CONNECTION") : NULL;
	struct reply reply;
	int r = conn_call(c, "describe",
	    ssh != NULL ? json_pack("{s:s}", "ssh", ssh) : NULL, &reply);

	if (r != 0)
		*e = reply.err;
	else if ((r = op_table_decode(reply.result, &c->table, e)) != 0)
		err_wrap(e, "the server's description of itself");
	conn_take_text(reply.result, "version", c->version, sizeof c->version);
	conn_take_text(reply.result, "server", c->server, sizeof c->server);
	conn_take_text(reply.result, "site", c->site, sizeof c->site);
	conn_take_text(reply.result, "user", c->user, sizeof c->user);
	conn_take_text(reply.result, "session", c->session, sizeof c->session);
	conn_take_text(reply.result, "role", c->role, sizeof c->role);
	conn_take_text(reply.result, "domain", c->domain, sizeof c->domain);
	reply_fini(&reply);
	return r;
}

void
conn_init(struct conn *c, const struct options *opt)
{
	memset(c, 0, sizeof *c);
	TAILQ_INIT(&c->requests);
	c->loop = loop_new();
	c->opt = opt;
	c->timeout = opt->timeout * CLOCK_SEC;
}

/* A descriptor for rpc. */
static int
conn_dial(struct conn *c, struct err *e)
{
	int r;

	if (c->opt->host[0] == '\0') {
		if ((r = sock_unix_connect(c->opt->socket, e)) >= 0)
			return r;
		e->code = ERR_CONNECT;
		return err_wrap(e, "cannot connect");
	}
	if (c->remote == NULL && (r = remote_new(c, &c->remote, e)) != 0)
		return r;
	return remote_open(c->remote, e);
}

/* A server that has no room for us now, or is not ready, is one that we cannot
 * connect to: nothing was asked yet that it could refuse. */
static int
conn_refused(struct err *e)
{
	if (e->code == ERR_FULL || e->code == ERR_BUSY)
		e->code = ERR_CONNECT;
	return -(int)e->code;
}

int
conn_open(struct conn *c, struct err *e)
{
	struct rpc_handler h = {.on_request = conn_on_request,
	    .on_closed = conn_on_closed,
	    .arg = c,
	    .max_in = CONN_MAX_IN};
	int fd, r;

	if ((fd = conn_dial(c, e)) < 0)
		return conn_refused(e);
	c->rpc = rpc_open(c->loop, fd, &h);
	op_table_fini(&c->table);
	if ((r = conn_describe(c, e)) != 0)
		rpc_close(&c->rpc);
	return r != 0 ? conn_refused(e) : 0;
}

/* Deferred: the loop has nothing more to do. */
static void
conn_stop(void *arg)
{
	loop_stop(arg);
}

void
conn_fini(struct conn *c)
{
	struct loop_defer last = {.fn = conn_stop, .arg = c->loop};
	struct conn_request *q;

	if (c->loop == NULL)
		return;
	rpc_close(&c->rpc);
	remote_free(&c->remote);
	while ((q = TAILQ_FIRST(&c->requests)) != NULL)
		conn_request_end(q);
	op_table_fini(&c->table);
	loop_signal_close(&c->sigint);
	loop_defer(c->loop, &last); /* behind the deferred end of the rpc */
	loop_run(c->loop);
	loop_free(&c->loop);
}
