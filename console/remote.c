/*
 * A console's way to a server that is elsewhere: TLS to the listener of its ws
 * (tandem-api(7)), a WebSocket inside, and a socket on which rpc speaks as it
 * does to the server beside it. Who we are our certificate says, see
 * keyfile.c. Who the server is must be known before anything is sent: what was
 * remembered, else what the system vouches for, or what somebody says yes to.
 *
 * It is waited for, as for any answer; Ctrl-C ends that. The addresses of a
 * name are looked up once, before there is a prompt: getaddrinfo(3) waits for
 * as long as it likes.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/ca.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"
#include "daemon/base/tls.h"
#include "daemon/base/websocket.h"

#define REMOTE_PATIENCE (15 * CLOCK_SEC) /* for all of one connection */
#define REMOTE_ADDRESSES 8
#define REMOTE_REFUSAL 65536 /* bytes of why it was refused */

/* Nothing was said before: what is known of it. */
#define REMOTE_SHUT                                                         \
	"the server ended the connection at once: it has too many of this " \
	"address, does not hear it now, or is none for consoles"

struct remote {
	struct conn *conn;
	char server[OPTIONS_HOST + 16]; /* "host:port" */
	struct tls_id *id;
	union addr addresses[REMOTE_ADDRESSES];
	size_t naddresses;
	/* one connection */
	struct tls *tls;
	struct loop_timer *patience;
	int wire; /* behind TLS, until the bridge has it */
	struct loop_fd *wire_io;
	struct buf came;
	char key[WEBSOCKET_KEY];
	struct bridge *bridge;
	int lines; /* of the user; -1 = not there yet */
	bool done;
	bool distrusted;
	bool refused; /* it was reached, and says why it does not let us in */
	uint8_t shown[CA_PRINT];
	struct err why;
};

/* ---- one connection --------------------------------------------------------
 */

static void
remote_drop(struct remote *r)
{
	bridge_close(&r->bridge);
	loop_fd_close(&r->wire_io);
	if (r->wire >= 0)
		close(r->wire);
	r->wire = -1;
	tls_close(&r->tls);
	loop_timer_free(&r->patience);
	buf_fini(&r->came);
	r->came = (struct buf)BUF_INIT;
}

/* It has come, or it will not. */
static void
remote_done(struct remote *r)
{
	r->done = true;
	loop_stop(r->conn->loop);
}

static void
remote_fail(struct remote *r, enum err_code code, const char *words)
{
	if (r->done)
		return;
	err_set(&r->why, code, "%s", words);
	remote_done(r);
}

static void
remote_on_patience(void *arg)
{
	remote_fail(arg, ERR_CONNECT, "no answer in time");
}

/* The lines end: rpc tells. */
static void
remote_on_bridge_end(void *arg)
{
	struct remote *r = arg;

	bridge_close(&r->bridge);
}

/* What was sent before the end can still be read from the other side. */
static void
remote_on_tls_end(void *arg, struct tls *t, const struct err *why)
{
	struct remote *r = arg;
	bool shut = why->code == ERR_CLOSED && !tls_is_dialling(t);

	r->distrusted = tls_distrusts(t, r->shown);
	tls_close(&r->tls);
	if (r->wire < 0 && r->bridge == NULL)
		remote_fail(r, ERR_CONNECT, shut ? REMOTE_SHUT : why->text);
}

/* It speaks WebSocket from here on. */
static void
remote_switch(struct remote *r, size_t head)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		ends) != 0) {
		remote_fail(r, ERR_FULL, strerror(errno));
		return;
	}
	loop_fd_close(&r->wire_io);
	r->bridge = bridge_open(r->conn->loop, r->wire, ends[0],
	    r->came.data + head, r->came.len - head, remote_on_bridge_end, r);
	r->wire = -1;
	r->lines = ends[1];
	remote_done(r);
}

/* The words of a refusal are an envelope of --json, or it is no server of
 * ours. */
static void
remote_refused(struct remote *r, const struct websocket_answer *a)
{
	json_t *o = json_loadb(r->came.data + a->head, r->came.len - a->head,
	    JSON_DISABLE_EOF_CHECK, NULL);
	const char *code = json_string_value(json_object_get(o, "code"));
	const char *words = json_string_value(json_object_get(o, "message"));
	char safe[ERR_TEXT_MAX];

	if (code != NULL && words != NULL) {
		str_escape(safe, sizeof safe, words, strlen(words));
		r->refused = true;
		remote_fail(r, err_by_name(code), safe);
	} else {
		snprintf(safe, sizeof safe,
		    "it answers with status %u: no server for consoles",
		    a->status);
		remote_fail(r, ERR_CONNECT, safe);
	}
	json_decref(o);
}

/* A part of its answer, or its end. */
static void
remote_look(struct remote *r, bool ended)
{
	struct websocket_answer a;
	struct err e = {0};
	int known = websocket_answer(&a,
	    r->came.data != NULL ? r->came.data : "", r->came.len, r->key, &e);
	size_t body = known == 0 ? r->came.len - a.head : 0;

	if (known < 0)
		remote_fail(r, ERR_CONNECT, e.text);
	else if (known == 0 && a.status == 101)
		remote_switch(r, a.head);
	else if (known == 0 &&
	    (ended || body >= a.body || body >= REMOTE_REFUSAL))
		remote_refused(r, &a);
	else if (ended)
		remote_fail(r, ERR_CONNECT, "closed by the server");
}

static void
remote_on_wire(void *arg, int fd, int events)
{
	struct remote *r = arg;
	char piece[4096];
	ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		buf_add(&r->came, piece, (size_t)n);
	else
		loop_fd_want(r->wire_io, 0);
	remote_look(r, n <= 0);
}

static void
remote_on_up(void *arg, struct tls *t, int plain)
{
	struct remote *r = arg;
	struct buf ask = BUF_INIT;

	(void)t;
	websocket_key(r->key);
	buf_fmt(&ask,
	    "GET /v1/rpc HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: %s\r\n\r\n",
	    r->server, r->key);
	r->wire = plain;
	if (ask.failed ||
	    send(plain, ask.data, ask.len, MSG_NOSIGNAL) != (ssize_t)ask.len)
		remote_fail(r, ERR_CONNECT, "closed by the server");
	buf_fini(&ask);
	r->wire_io = loop_fd_open(
	    r->conn->loop, plain, LOOP_READ, remote_on_wire, r);
}

/* Wait for it, no longer than for an answer. */
static void
remote_wait(struct remote *r)
{
	struct conn *c = r->conn;
	uint64_t patience = REMOTE_PATIENCE;
	bool caught = conn_catch(c);

	if (c->timeout != 0 && c->timeout < patience)
		patience = c->timeout;
	r->patience = loop_timer_new(c->loop, remote_on_patience, r);
	loop_timer_set(r->patience, patience);
	while (!r->done && !c->interrupted)
		loop_run(c->loop);
	loop_timer_free(&r->patience);
	conn_release(c, caught);
	if (!r->done)
		err_set(&r->why, ERR_CLOSED, "interrupted");
}

/* The descriptor of its lines, or -1 with the reason in r->why. */
static int
remote_try(struct remote *r, const union addr *to, const uint8_t *pin)
{
	struct tls_config config = {.loop = r->conn->loop,
	    .id = r->id,
	    .side = TLS_CONSOLE,
	    .host = pin == NULL ? r->conn->opt->host : NULL,
	    .pinned = pin != NULL,
	    .on_up = remote_on_up,
	    .on_end = remote_on_tls_end,
	    .arg = r};

	r->done = r->distrusted = r->refused = false;
	r->lines = -1;
	if (pin != NULL)
		memcpy(config.print, pin, CA_PRINT);
	if ((config.fd = sock_tcp_connect(to, &r->why)) < 0)
		return -1;
	if ((r->tls = tls_open(&config)) == NULL) {
		err_set(&r->why, ERR_NOMEM, "out of memory");
		return -1;
	}
	remote_wait(r);
	if (r->lines < 0)
		remote_drop(r);
	return r->lines;
}

/* The first address that answers at all. */
static int
remote_dial(struct remote *r, const char *fingerprint)
{
	uint8_t pin[CA_PRINT];
	bool pinned = fingerprint[0] != '\0' &&
	    str_unhex(pin, sizeof pin, fingerprint + strlen("sha256:"),
		2 * CA_PRINT) == CA_PRINT;
	int fd = -1;
	size_t i;

	for (i = 0; i < r->naddresses && fd < 0; i++) {
		fd = remote_try(r, &r->addresses[i], pinned ? pin : NULL);
		if (r->why.code != ERR_CONNECT || r->distrusted)
			break;
	}
	return fd;
}

/* ---- who the server is -----------------------------------------------------
 */

static int
remote_is_another(
    struct remote *r, const char *known, const char *shown, struct err *e)
{
	char path[4096];

	if (known_path(path, sizeof path, e) != 0)
		return -(int)e->code;
	return err_set(e, ERR_CONNECT,
	    "THE CERTIFICATE OF %s HAS CHANGED: it had the fingerprint %s, and "
	    "has %s now. Somebody may be listening in. If it was changed on "
	    "purpose, take its line out of %.160s",
	    r->server, known, shown, path);
}

/* Nothing vouches for it. 0: somebody does now, and known is its fingerprint.
 */
static int
remote_judge(struct remote *r, char known[OP_PRINT], struct err *e)
{
	const struct options *opt = r->conn->opt;
	char shown[OP_PRINT];

	remote_fingerprint(shown, r->shown);
	if (opt->server[0] != '\0')
		return err_set(e, ERR_CONNECT,
		    "the certificate of %s has the fingerprint %s, not that of "
		    "--server",
		    r->server, shown);
	if (known[0] != '\0')
		return remote_is_another(r, known, shown, e);
	if (!r->conn->may_ask)
		return err_set(e, ERR_CONNECT,
		    "the server %s is not known here, and nobody vouches for "
		    "its certificate, whose fingerprint is %s: if that is "
		    "right, say so with --server, or once at a prompt",
		    r->server, shown);
	if (!known_ask(r->server, shown))
		return err_set(e, ERR_CONNECT, "%s is not trusted", r->server);
	str_copy(known, OP_PRINT, shown);
	return known_add(r->server, shown, e);
}

/* ---- all of it -------------------------------------------------------------
 */

/* The addresses of its name. */
static int
remote_resolve(struct remote *r, struct err *e)
{
	const struct options *opt = r->conn->opt;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *one;
	int error = getaddrinfo(opt->host, NULL, &hints, &list);

	if (error != 0)
		return err_set(e, ERR_CONNECT, "cannot connect to %s: %s",
		    r->server, gai_strerror(error));
	for (one = list; one != NULL && r->naddresses < REMOTE_ADDRESSES;
	     one = one->ai_next) {
		union addr *a = &r->addresses[r->naddresses];

		if (one->ai_addrlen > sizeof *a)
			continue;
		memset(a, 0, sizeof *a);
		memcpy(a, one->ai_addr, one->ai_addrlen);
		addr_set_port(a, opt->port);
		r->naddresses++;
	}
	freeaddrinfo(list);
	return 0;
}

int
remote_new(struct conn *c, struct remote **out, struct err *e)
{
	const struct options *opt = c->opt;
	struct remote *r = xcalloc(1, sizeof *r);
	char path[4096];
	int code;

	r->conn = c;
	r->wire = r->lines = -1;
	snprintf(r->server, sizeof r->server,
	    strchr(opt->host, ':') != NULL ? "[%s]:%u" : "%s:%u", opt->host,
	    opt->port);
	if ((opt->identity == NULL &&
		(code = remote_path(path, sizeof path, "console.pem", e)) !=
		    0) ||
	    (code = keyfile_open(opt->identity != NULL ? opt->identity : path,
		 &r->id, e)) != 0 ||
	    (code = remote_resolve(r, e)) != 0)
		remote_free(&r);
	*out = r;
	return code;
}

void
remote_free(struct remote **rp)
{
	struct remote *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	remote_drop(r);
	tls_id_free(&r->id);
	free(r);
}

int
remote_open(struct remote *r, struct err *e)
{
	char known[OP_PRINT] = "";
	int fd, code;

	remote_drop(r);
	if (r->conn->opt->server[0] != '\0')
		str_copy(known, sizeof known, r->conn->opt->server);
	else if ((code = known_find(r->server, known, e)) != 0)
		return code;
	fd = remote_dial(r, known);
	if (fd < 0 && r->distrusted) {
		if ((code = remote_judge(r, known, e)) != 0)
			return code;
		fd = remote_dial(r, known);
	}
	if (fd >= 0)
		return fd;
	*e = r->why;
	return err_wrap(e,
	    r->refused ? "refused by %s" : "cannot connect to %s", r->server);
}
