/*
 * tandemd join: a blank server becomes one of a site. It asks the server that
 * the token names, over TLS, and puts what it is given in its state directory;
 * the next start of tandemd finds the others with it. Until the answer is
 * here nothing is written but the directory and its lock.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"
#include "supervisor.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/rpc.h"
#include "daemon/base/str.h"
#include "daemon/base/tls.h"

#define JOIN_CONNECT (10 * CLOCK_SEC)
#define JOIN_ANSWER (60 * CLOCK_SEC)

/* One attempt. */
struct join {
	struct loop *loop;
	struct loop_timer *timer;
	struct conf conf;
	struct join_token token;
	struct join_request want;
	char *key; /* our own, new */
	struct tls_id *id;
	struct tls *tls;
	struct rpc *rpc;
	bool done;
	struct err err; /* ERR_NONE = joined */
};

static void
join_end(struct join *j, const struct err *e)
{
	if (j->done)
		return;
	j->done = true;
	if (e != NULL)
		j->err = *e;
	loop_stop(j->loop);
}

/* ---- the answer --------------------------------------------------------- */

/* Borrowed texts as a gift to be taken. */
static int
join_take(struct join *j, const struct join_reply *r, struct err *e)
{
	const struct identity_gift g = {
	    .certificate = (char *)(uintptr_t)r->certificate,
	    .ca = (char *)(uintptr_t)r->ca,
	    .ca_key = (char *)(uintptr_t)r->ca_key,
	    .keys = (char *)(uintptr_t)r->keys};
	const struct identity_site s = {.name = r->site,
	    .witness = j->conf.witness,
	    .servers = r->servers,
	    .n = r->n};
	uint8_t print[CA_PRINT];

	if (strcmp(r->site, j->conf.site) != 0)
		return err_set(e, ERR_CONFLICT,
		    "the answer is of site %s, the boot file says %s", r->site,
		    j->conf.site);
	if (ca_print(r->ca, print, e) != 0 ||
	    memcmp(print, j->token.print, CA_PRINT) != 0)
		return err_set(e, ERR_REFUSED, "the answer is of another CA");
	return identity_take(j->conf.state, j->conf.server, j->key, &g, &s, e);
}

static void
join_on_reply(void *arg, json_t *result, const struct err *why)
{
	struct join *j = arg;
	struct join_reply r;
	struct err e;

	if (why != NULL) {
		join_end(j, why);
	} else if (join_reply_decode(&r, result, &e) != 0 ||
	    join_take(j, &r, &e) != 0) {
		err_wrap(&e,
		    "the site has let this server in, but it could not take "
		    "it (for another attempt make a token with \"name %s\")",
		    j->conf.server);
		join_end(j, &e);
	} else {
		join_end(j, NULL);
	}
}

/* ---- the connection ----------------------------------------------------- */

static void
join_on_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	(void)rpc;
	join_end(arg, why);
}

/* The other asks nothing of us. */
static void
join_on_request(void *arg, struct rpc *rpc, struct rpc_request *q,
    const char *method, json_t *params)
{
	(void)arg;
	(void)rpc;
	(void)method;
	(void)params;
	if (q != NULL)
		rpc_failf(q, ERR_UNKNOWN, "nothing can be asked here");
}

static void
join_on_up(void *arg, struct tls *t, int plain)
{
	struct join *j = arg;
	const struct rpc_handler handler = {.on_request = join_on_request,
	    .on_closed = join_on_closed,
	    .arg = j,
	    .max_in = JOIN_MESSAGE};

	(void)t;
	loop_timer_cancel(j->timer);
	j->rpc = rpc_open(j->loop, plain, &handler);
	rpc_call(j->rpc, "join", join_request_encode(&j->want), JOIN_ANSWER,
	    join_on_reply, j);
}

static void
join_on_tls_end(void *arg, struct tls *t, const struct err *why)
{
	struct join *j = arg;
	char at[ADDR_TEXT];
	struct err e = *why;

	(void)t;
	tls_close(&j->tls);
	if (j->rpc != NULL)
		return; /* its end says it, after what has still come */
	addr_text(at, &j->token.address);
	if (strstr(e.text, "certificate") != NULL)
		err_set(&e, ERR_REFUSED,
		    "who answers there is not of the cluster of this token");
	err_wrap(&e, "%s", at);
	join_end(j, &e);
}

static void
join_on_timer(void *arg)
{
	struct join *j = arg;
	char at[ADDR_TEXT];
	struct err e;

	addr_text(at, &j->token.address);
	err_set(&e, ERR_TIMEOUT, "%s: no answer", at);
	join_end(j, &e);
}

static int
join_connect(struct join *j, struct err *e)
{
	struct tls_config config = {.loop = j->loop,
	    .side = TLS_JOIN_DIAL,
	    .on_up = join_on_up,
	    .on_end = join_on_tls_end,
	    .arg = j};
	int r;

	if ((r = tls_id_blank(&j->id, e)) != 0)
		return r;
	if ((config.fd = sock_tcp_connect(&j->token.address, e)) < 0)
		return config.fd;
	config.id = j->id;
	memcpy(config.print, j->token.print, CA_PRINT);
	if ((j->tls = tls_open(&config)) == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	j->timer = loop_timer_new(j->loop, join_on_timer, j);
	loop_timer_set(j->timer, JOIN_CONNECT);
	return 0;
}

/* ---- this server -------------------------------------------------------- */

/* The state directory is ours alone and blank. The lock stays until the end
 * of the process. */
static int
join_claim_state(struct join *j, struct err *e)
{
	int fd;

	if (mkdir(j->conf.state, 0750) != 0 && errno != EEXIST)
		return err_errno(e, ERR_IO, "%s", j->conf.state);
	supervisor_become(&j->conf);
	if ((fd = supervisor_lock(j->conf.state, e)) < 0)
		return fd;
	return identity_blank(j->conf.state, e);
}

/* What we say of ourselves, with a key that never leaves. */
static int
join_prepare(struct join *j, struct err *e)
{
	struct join_request *w = &j->want;
	int r;

	memcpy(w->secret, j->token.secret, JOIN_SECRET);
	str_copy(w->site, sizeof w->site, j->conf.site);
	str_copy(w->self.name, sizeof w->self.name, j->conf.server);
	w->witness = j->conf.witness;
	w->self.inside = j->conf.inside;
	addr_set_port(&w->self.inside, j->conf.port_base);
	w->csr_len = sizeof w->csr;
	if ((r = ca_key_make(&j->key, e)) != 0)
		return r;
	return ca_csr_make(j->key, j->conf.server, w->csr, &w->csr_len, e);
}

static void
join_fini(struct join *j)
{
	rpc_close(&j->rpc);
	tls_close(&j->tls);
	tls_id_free(&j->id);
	loop_timer_free(&j->timer);
	if (j->loop != NULL)
		loop_run(j->loop); /* what was deferred; nothing is left */
	loop_free(&j->loop);
	ca_forget(&j->key);
	explicit_bzero(&j->want, sizeof j->want);
}

static int
join_run(struct join *j, const char *token, const char *path, struct err *e)
{
	int r;

	if ((r = join_token_decode(&j->token, token, e)) != 0)
		return err_wrap(e, "token");
	if ((r = conf_read(&j->conf, path, e)) != 0 ||
	    (r = join_claim_state(j, e)) != 0 || (r = join_prepare(j, e)) != 0)
		return r;
	j->loop = loop_new();
	if ((r = join_connect(j, e)) != 0)
		return r;
	loop_run(j->loop);
	*e = j->err;
	return -(int)e->code;
}

int
join_main(const char *token, const char *path, bool debug)
{
	struct join j = {0};
	struct err e = {0};
	int r;

	log_init("tandemd join", debug);
	umask(0007);
	r = join_run(&j, token, path, &e);
	join_fini(&j);
	if (r != 0) {
		fprintf(stderr, "tandemd join: %s\n", e.text);
		return e.code == ERR_SYNTAX ? 2 : 1;
	}
	printf("Server %s has joined site %s. Its state is in %s.\n"
	       "Start it now: tandemd -f %s\n",
	    j.conf.server, j.conf.site, j.conf.state, path);
	return 0;
}
