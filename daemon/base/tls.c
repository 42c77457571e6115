/*
 * TLS 1.3 on the loop: handshake, then bytes both ways between the wire and a
 * pair of sockets. Each certificate is checked anew at every connection (no
 * tickets, no resumption), against the one CA of the cluster; a console checks
 * that of its server against what it remembers and what the system trusts.
 *
 * Back-pressure: a side is read only while the buffer towards the other has
 * room, so a slow reader slows the writer at the other server, through TCP.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "sock.h"
#include "str.h"
#include "tls.h"

/* A silent peer: probes after 1 s, by TCP given up 5 s after its last sign;
 * for who does not look at tls_silence before. */
static const struct sock_alive tls_near = {
    .idle = 1, .pause = 1, .count = 4, .silence_ms = 5000};
/* A console's way is longer, and may be a bad one: 60 s. */
static const struct sock_alive tls_far = {
    .idle = 20, .pause = 10, .count = 4, .silence_ms = 60000};
/* For what is left when the user has closed its end. */
#define TLS_LINGER CLOCK_SEC
#define TLS_BACKLOG_PAUSE (100 * CLOCK_MS) /* no descriptors: later */

struct tls_id {
	SSL_CTX *server, *client;
	char name[CA_NAME];
	char cluster[CA_ID];
};

/* Bytes on their way: data[at .. at + len). */
struct tls_hold {
	size_t at, len;
	uint8_t data[TLS_HOLD];
};

enum tls_state {
	TLS_CONNECTING,
	TLS_SHAKING,
	TLS_OPEN,
	TLS_LEAVING, /* the user has closed: what it wrote goes out */
	TLS_LEFT     /* the peer has closed: what it wrote goes in */
};

struct tls {
	struct loop *loop;
	enum tls_state state;
	enum tls_side side;
	SSL *ssl;
	int fd, plain;
	struct loop_fd *io, *plain_io;
	struct loop_timer *linger;
	uint8_t print[CA_PRINT], shown[CA_PRINT];
	bool pinned, named, distrusted;
	char peer[CA_NAME];
	bool read_wants_write, write_wants_read, write_blocked, plain_blocked;
	bool paused;
	uint64_t nin, nout;
	struct err why; /* TLS_LEFT: the end to be told */
	struct tls_hold in, out;
	void (*on_up)(void *arg, struct tls *, int plain);
	void (*on_end)(void *arg, struct tls *, const struct err *why);
	void *arg;
};

/* ---- who we are --------------------------------------------------------- */

/* The whole verification of one who knows only a fingerprint: the chain is
 * [server, CA], the CA is the token's, and nobody else vouches. */
static int
tls_verify_join(X509_STORE_CTX *ctx, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls *t = SSL_get_app_data(ssl);
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(ctx);
	X509 *ca = sk_X509_value(chain, 1);
	uint8_t print[CA_PRINT];
	unsigned n = sizeof print;

	(void)arg;
	if (sk_X509_num(chain) == 2 &&
	    X509_digest(ca, EVP_sha256(), print, &n) == 1 &&
	    CRYPTO_memcmp(print, t->print, CA_PRINT) == 0 &&
	    X509_check_ca(ca) == 1 &&
	    X509_verify(sk_X509_value(chain, 0), X509_get0_pubkey(ca)) == 1)
		return 1;
	X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_UNTRUSTED);
	return 0;
}

/* The server of a console: remembered, or vouched for by the system. */
static int
tls_verify_console(X509_STORE_CTX *ctx, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);
	unsigned n = CA_PRINT;

	(void)arg;
	if (X509_digest(
		X509_STORE_CTX_get0_cert(ctx), EVP_sha256(), t->shown, &n) != 1)
		return 0;
	if (t->pinned && CRYPTO_memcmp(t->shown, t->print, CA_PRINT) == 0)
		return 1;
	if (t->named && X509_verify_cert(ctx) == 1)
		return 1;
	if (X509_STORE_CTX_get_error(ctx) == X509_V_OK)
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_UNTRUSTED);
	t->distrusted = true;
	return 0;
}

static SSL_CTX *
tls_context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1)
		fatalx("tls: libssl has no TLS 1.3");
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_max_cert_list(ctx, 8192);
	SSL_CTX_set_verify_depth(ctx, 1);
	return ctx;
}

/* Key, certificate and CA into a context; they have been checked. */
static bool
tls_context_fill(SSL_CTX *ctx, EVP_PKEY *key, X509 *cert, X509 *ca)
{
	/* The CA goes along, so that one who joins can see its fingerprint. */
	return SSL_CTX_use_certificate(ctx, cert) == 1 &&
	    SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
	    SSL_CTX_add1_chain_cert(ctx, ca) == 1 &&
	    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) == 1;
}

static X509 *
tls_read_cert(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return x;
}

static EVP_PKEY *
tls_read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio != NULL
	    ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)
	    : NULL;

	BIO_free(bio);
	return key;
}

static int
tls_id_fill(struct tls_id *id, const char *key_pem, const char *cert_pem,
    const char *ca_pem, struct err *e)
{
	EVP_PKEY *key = tls_read_key(key_pem);
	X509 *cert = tls_read_cert(cert_pem), *ca = tls_read_cert(ca_pem);
	int r = 0;

	id->server = tls_context(TLS_server_method());
	id->client = tls_context(TLS_client_method());
	SSL_CTX_set_verify(id->server,
	    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify(id->client, SSL_VERIFY_PEER, NULL);
	if (key == NULL || cert == NULL || ca == NULL ||
	    !tls_context_fill(id->server, key, cert, ca) ||
	    !tls_context_fill(id->client, key, cert, ca))
		r = err_set(e, ERR_INVALID, "libssl does not take it");
	EVP_PKEY_free(key);
	X509_free(cert);
	X509_free(ca);
	ERR_clear_error();
	return r;
}

int
tls_id_new(const char *identity, struct tls_id **out, struct err *e)
{
	char *key = ca_block(identity, "PRIVATE KEY", NULL), *cert, *ca;
	const char *rest = "";
	struct tls_id *id = xcalloc(1, sizeof *id);
	int r;

	cert = ca_block(identity, "CERTIFICATE", &rest);
	ca = ca_block(rest, "CERTIFICATE", NULL);
	if (key == NULL || cert == NULL || ca == NULL)
		r = err_set(e, ERR_INVALID,
		    "expected a key, a certificate and that of its CA");
	else if ((r = ca_check(key, cert, ca, e)) == 0 &&
	    (r = ca_subject(cert, id->name, sizeof id->name, e)) == 0 &&
	    (r = ca_subject(ca, id->cluster, sizeof id->cluster, e)) == 0)
		r = tls_id_fill(id, key, cert, ca, e);
	ca_forget(&key);
	free(cert);
	free(ca);
	if (r != 0) {
		tls_id_free(&id);
		err_wrap(e, "identity");
	}
	*out = id;
	return r;
}

int
tls_id_blank(struct tls_id **out, struct err *e)
{
	struct tls_id *id = xcalloc(1, sizeof *id);

	(void)e;
	id->client = tls_context(TLS_client_method());
	SSL_CTX_set_verify(id->client, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(id->client, tls_verify_join, NULL);
	*out = id;
	return 0;
}

/* What it shows, and whom it trusts: who vouches for servers may have others
 * between. */
static int
tls_id_fill_console(
    struct tls_id *id, const char *key_pem, const char *cert_pem, struct err *e)
{
	EVP_PKEY *key = tls_read_key(key_pem);
	X509 *cert = tls_read_cert(cert_pem);
	int r = 0;

	id->client = tls_context(TLS_client_method());
	SSL_CTX_set_verify(id->client, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(id->client, 8);
	SSL_CTX_set_max_cert_list(id->client, 65536);
	SSL_CTX_set_cert_verify_callback(id->client, tls_verify_console, NULL);
	SSL_CTX_set_default_verify_paths(id->client);
	if (key == NULL || cert == NULL ||
	    SSL_CTX_use_certificate(id->client, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(id->client, key) != 1)
		r = err_set(e, ERR_INVALID,
		    "the key and the certificate do not belong together");
	EVP_PKEY_free(key);
	X509_free(cert);
	ERR_clear_error();
	return r;
}

int
tls_id_console(const char *pem, struct tls_id **out, struct err *e)
{
	char *key = ca_block(pem, "PRIVATE KEY", NULL);
	char *cert = ca_block(pem, "CERTIFICATE", NULL);
	struct tls_id *id = xcalloc(1, sizeof *id);
	int r;

	if (key == NULL || cert == NULL)
		r = err_set(
		    e, ERR_INVALID, "expected a key and a certificate in PEM");
	else
		r = tls_id_fill_console(id, key, cert, e);
	ca_forget(&key);
	free(cert);
	if (r != 0)
		tls_id_free(&id);
	*out = id;
	return r;
}

void
tls_id_free(struct tls_id **idp)
{
	struct tls_id *id = *idp;

	*idp = NULL;
	if (id == NULL)
		return;
	SSL_CTX_free(id->server);
	SSL_CTX_free(id->client);
	free(id);
}

const char *
tls_id_name(const struct tls_id *id)
{
	return id->name;
}

const char *
tls_id_cluster(const struct tls_id *id)
{
	return id->cluster;
}

/* ---- the end ------------------------------------------------------------ */

/* In words of ours where those of OpenSSL say less than is known. */
static const char *
tls_verify_words(long verify)
{
	switch (verify) {
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
		return "issued by a CA that is not trusted here";
	default:
		return X509_verify_cert_error_string(verify);
	}
}

/* Why libssl failed, in words for a log. */
static void
tls_words(const struct tls *t, int error, int saved, struct err *e)
{
	unsigned long code = ERR_peek_error();
	long verify = SSL_get_verify_result(t->ssl);
	const char *reason = ERR_reason_error_string(code);

	if (verify != X509_V_OK)
		err_set(e, ERR_REFUSED, "certificate: %s",
		    tls_verify_words(verify));
	else if (code != 0 &&
	    ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
		err_set(e, ERR_REFUSED, "%s",
		    reason != NULL ? reason : "protocol broken");
	else if (error == SSL_ERROR_SYSCALL && saved != 0)
		err_set(e, ERR_CLOSED, "%s", strerror(saved));
	else
		err_set(e, ERR_CLOSED, "closed by the peer");
	ERR_clear_error();
}

/* The last thing that is done with t: the callee closes it. */
static void
tls_end(struct tls *t, const struct err *why)
{
	struct err copy = *why;

	t->on_end(t->arg, t, &copy);
}

void
tls_close(struct tls **tp)
{
	struct tls *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	loop_fd_close(&t->io);
	loop_fd_close(&t->plain_io);
	loop_timer_free(&t->linger);
	/* Without effect before the handshake; the peer then sees the end. */
	if (SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl);
	ERR_clear_error();
	SSL_free(t->ssl);
	close(t->fd);
	if (t->plain >= 0)
		close(t->plain);
	OPENSSL_cleanse(&t->in, sizeof t->in);
	OPENSSL_cleanse(&t->out, sizeof t->out);
	free(t);
}

/* ---- bytes -------------------------------------------------------------- */

/* Room behind what is held; what is held moves to the front for it. */
static size_t
tls_hold_room(struct tls_hold *h)
{
	if (h->len == 0 || h->at > TLS_HOLD / 2) {
		memmove(h->data, h->data + h->at, h->len);
		h->at = 0;
	}
	return TLS_HOLD - h->at - h->len;
}

static void
tls_hold_eat(struct tls_hold *h, size_t n)
{
	h->at += n;
	h->len -= n;
}

/* From the wire, while there is room. False: the connection is over, why is
 * set. */
static bool
tls_read_wire(struct tls *t)
{
	struct tls_hold *h = &t->in;
	size_t room, n;
	int error, saved;

	t->read_wants_write = false;
	while ((room = tls_hold_room(h)) > 0) {
		errno = 0;
		if (SSL_read_ex(t->ssl, h->data + h->at + h->len, room, &n) ==
		    1) {
			h->len += n;
			t->nin += n;
			continue;
		}
		saved = errno;
		error = SSL_get_error(t->ssl, 0);
		t->read_wants_write = error == SSL_ERROR_WANT_WRITE;
		if (error == SSL_ERROR_WANT_READ ||
		    error == SSL_ERROR_WANT_WRITE)
			return true;
		if (error == SSL_ERROR_ZERO_RETURN)
			err_set(&t->why, ERR_CLOSED, "closed by the peer");
		else
			tls_words(t, error, saved, &t->why);
		return false;
	}
	return true;
}

static bool
tls_write_wire(struct tls *t)
{
	struct tls_hold *h = &t->out;
	size_t n;
	int error, saved;

	t->write_wants_read = t->write_blocked = false;
	while (h->len > 0) {
		errno = 0;
		if (SSL_write_ex(t->ssl, h->data + h->at, h->len, &n) == 1) {
			tls_hold_eat(h, n);
			t->nout += n;
			continue;
		}
		saved = errno;
		error = SSL_get_error(t->ssl, 0);
		t->write_wants_read = error == SSL_ERROR_WANT_READ;
		t->write_blocked = error == SSL_ERROR_WANT_WRITE;
		if (t->write_wants_read || t->write_blocked)
			return true;
		tls_words(t, error, saved, &t->why);
		return false;
	}
	return true;
}

/* From the user. False: it has closed its end. */
static bool
tls_read_plain(struct tls *t)
{
	struct tls_hold *h = &t->out;
	size_t room = tls_hold_room(h);
	ssize_t n;

	if (room == 0)
		return true;
	n = recv(t->plain, h->data + h->at + h->len, room, 0);
	if (n > 0)
		h->len += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool
tls_write_plain(struct tls *t)
{
	struct tls_hold *h = &t->in;
	ssize_t n;

	t->plain_blocked = false;
	while (h->len > 0) {
		n = send(t->plain, h->data + h->at, h->len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		t->plain_blocked = n < 0 && errno == EAGAIN;
		if (n <= 0)
			return t->plain_blocked;
		tls_hold_eat(h, (size_t)n);
	}
	return true;
}

/* What must happen before there is something to do again. */
static void
tls_want(struct tls *t)
{
	int wire = 0, plain = 0;
	bool reading = t->state == TLS_OPEN;

	if (t->paused)
		return;
	if ((reading && tls_hold_room(&t->in) > 0) || t->write_wants_read)
		wire |= LOOP_READ;
	if (t->write_blocked || t->read_wants_write)
		wire |= LOOP_WRITE;
	if (reading && tls_hold_room(&t->out) > 0)
		plain |= LOOP_READ;
	/* What libssl has read but not given needs no sign of the wire. */
	if (t->plain_blocked || (reading && SSL_pending(t->ssl) > 0))
		plain |= LOOP_WRITE;
	loop_fd_want(t->io, wire);
	loop_fd_want(t->plain_io, plain);
}

static void
tls_on_linger(void *arg)
{
	struct tls *t = arg;
	struct err e;

	err_set(&e, ERR_CLOSED, "closed here");
	tls_end(t, &e);
}

/* The user closed: what it wrote goes out, for a while. */
static void
tls_leave(struct tls *t)
{
	t->state = TLS_LEAVING;
	t->in.len = 0;
	t->plain_blocked = t->read_wants_write = false;
	if (!tls_write_wire(t) || t->out.len == 0) {
		tls_on_linger(t);
		return;
	}
	t->linger = loop_timer_new(t->loop, tls_on_linger, t);
	loop_timer_set(t->linger, TLS_LINGER);
	tls_want(t);
}

/* The peer is gone: what it wrote goes in, then the end is told. */
static void
tls_left(struct tls *t)
{
	t->state = TLS_LEFT;
	t->read_wants_write = t->write_wants_read = t->write_blocked = false;
	if (!tls_write_plain(t) || t->in.len == 0)
		tls_end(t, &t->why);
	else
		tls_want(t);
}

/* One pass over both directions. May be the end of t. */
static void
tls_pump(struct tls *t)
{
	if (t->state == TLS_LEFT) {
		tls_left(t);
	} else if (t->state == TLS_LEAVING) {
		if (!tls_write_wire(t) || t->out.len == 0)
			tls_on_linger(t);
		else
			tls_want(t);
	} else if (!tls_read_wire(t) || !tls_write_wire(t)) {
		tls_left(t);
	} else if (!tls_write_plain(t) || !tls_read_plain(t)) {
		tls_leave(t);
	} else if (!tls_write_wire(t)) {
		tls_left(t);
	} else {
		tls_want(t);
	}
}

static void
tls_on_plain(void *arg, int fd, int events)
{
	(void)fd;
	(void)events;
	tls_pump(arg);
}

/* ---- the beginning ------------------------------------------------------ */

static void
tls_take_peer(struct tls *t)
{
	X509 *x = SSL_get0_peer_certificate(t->ssl);
	char name[CA_NAME] = "";
	int n;

	if (x == NULL)
		return;
	n = X509_NAME_get_text_by_NID(
	    X509_get_subject_name(x), NID_commonName, name, sizeof name);
	if (n > 0 && ca_name_good(name, (size_t)n))
		str_copy(t->peer, sizeof t->peer, name);
}

static void
tls_up(struct tls *t)
{
	int ends[2];
	struct err e;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		ends) != 0) {
		err_errno(&e, ERR_FULL, "socket");
		tls_end(t, &e);
		return;
	}
	tls_take_peer(t);
	t->state = TLS_OPEN;
	t->plain = ends[0];
	/* Its first turn looks at what came with the handshake. */
	t->plain_io = loop_fd_open(
	    t->loop, t->plain, LOOP_READ | LOOP_WRITE, tls_on_plain, t);
	loop_fd_want(t->io, LOOP_READ);
	t->on_up(t->arg, t, ends[1]);
}

static void
tls_shake(struct tls *t)
{
	struct err e;
	int r, error, saved;

	errno = 0;
	r = SSL_do_handshake(t->ssl);
	saved = errno;
	if (r == 1) {
		tls_up(t);
		return;
	}
	error = SSL_get_error(t->ssl, r);
	if (error == SSL_ERROR_WANT_READ) {
		loop_fd_want(t->io, LOOP_READ);
	} else if (error == SSL_ERROR_WANT_WRITE) {
		loop_fd_want(t->io, LOOP_WRITE);
	} else {
		tls_words(t, error, saved, &e);
		tls_end(t, &e);
	}
}

/* A connection on its way has come, or not. */
static void
tls_connected(struct tls *t)
{
	int error = 0;
	socklen_t n = sizeof error;
	struct err e;

	getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &n);
	if (error != 0) {
		err_set(&e, ERR_CONNECT, "%s", strerror(error));
		tls_end(t, &e);
		return;
	}
	t->state = TLS_SHAKING;
	tls_shake(t);
}

static void
tls_on_wire(void *arg, int fd, int events)
{
	struct tls *t = arg;

	(void)fd;
	(void)events;
	ERR_clear_error();
	if (t->state == TLS_CONNECTING)
		tls_connected(t);
	else if (t->state == TLS_SHAKING)
		tls_shake(t);
	else
		tls_pump(t);
}

static void
tls_set_options(int fd, const struct sock_alive *alive)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	sock_keep_alive(fd, alive);
}

static bool
tls_dials(const struct tls_config *c)
{
	return c->side == TLS_DIAL || c->side == TLS_JOIN_DIAL ||
	    c->side == TLS_CONSOLE;
}

/* The name or address that the certificate must be for; only a name is told to
 * the server (RFC 6066 3). */
static void
tls_set_host(SSL *ssl, const char *host)
{
	union addr a;

	if (addr_parse(&a, host, 0)) {
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
		return;
	}
	SSL_set_tlsext_host_name(ssl, host);
	SSL_set1_host(ssl, host);
}

/* The end of libssl's side for one who dials or accepts. */
static SSL *
tls_ssl(const struct tls_config *c, struct tls *t)
{
	bool dials = tls_dials(c);
	SSL *ssl = SSL_new(dials ? c->id->client : c->id->server);

	if (ssl == NULL || SSL_set_fd(ssl, c->fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_app_data(ssl, t);
	if (c->host != NULL)
		tls_set_host(ssl, c->host);
	if (c->side == TLS_JOIN_ACCEPT)
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
	if (dials)
		SSL_set_connect_state(ssl);
	else
		SSL_set_accept_state(ssl);
	return ssl;
}

struct tls *
tls_open(const struct tls_config *c)
{
	struct tls *t = xcalloc(1, sizeof *t);
	bool dials = tls_dials(c);

	if ((t->ssl = tls_ssl(c, t)) == NULL) {
		ERR_clear_error();
		close(c->fd);
		free(t);
		return NULL;
	}
	t->loop = c->loop;
	t->state = dials ? TLS_CONNECTING : TLS_SHAKING;
	t->side = c->side;
	t->fd = c->fd;
	t->plain = -1;
	memcpy(t->print, c->print, CA_PRINT);
	t->pinned = c->pinned;
	t->named = c->host != NULL;
	t->on_up = c->on_up;
	t->on_end = c->on_end;
	t->arg = c->arg;
	tls_set_options(t->fd, c->side == TLS_CONSOLE ? &tls_far : &tls_near);
	t->io = loop_fd_open(
	    t->loop, t->fd, dials ? LOOP_WRITE : LOOP_READ, tls_on_wire, t);
	return t;
}

void
tls_pause(struct tls *t, bool paused)
{
	t->paused = paused;
	if (!paused && t->plain_io != NULL) {
		tls_want(t);
		return;
	}
	/* A handshake goes on with what its next step finds. */
	loop_fd_want(t->io, paused ? 0 : LOOP_WRITE);
	if (t->plain_io != NULL)
		loop_fd_want(t->plain_io, 0);
}

bool
tls_is_dialling(const struct tls *t)
{
	return t->state == TLS_CONNECTING;
}

uint64_t
tls_silence(const struct tls *t)
{
	struct tcp_info i;
	socklen_t n = sizeof i;
	uint32_t ms;

	if (getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &i, &n) != 0)
		return 0;
	ms = i.tcpi_last_ack_recv < i.tcpi_last_data_recv
	    ? i.tcpi_last_ack_recv
	    : i.tcpi_last_data_recv;
	return ms * CLOCK_MS;
}

const char *
tls_peer(const struct tls *t)
{
	return t->peer;
}

bool
tls_distrusts(const struct tls *t, uint8_t print[CA_PRINT])
{
	memcpy(print, t->shown, CA_PRINT);
	return t->distrusted;
}

void
tls_count(const struct tls *t, uint64_t *in, uint64_t *out)
{
	*in = t->nin;
	*out = t->nout;
}

/* ---- a listener --------------------------------------------------------- */

struct tls_door {
	int fd;
	struct loop_fd *io;
	struct loop_timer *pause;
	bool paused;
	tls_door_fn *fn;
	void *arg;
};

static void
tls_door_on_pause(void *arg)
{
	struct tls_door *d = arg;

	loop_fd_want(d->io, d->paused ? 0 : LOOP_READ);
}

void
tls_door_pause(struct tls_door *d, bool paused)
{
	d->paused = paused;
	tls_door_on_pause(d);
}

/* One a turn. Without descriptors it waits, or the loop would spin. */
static void
tls_door_on_io(void *arg, int fd, int events)
{
	struct tls_door *d = arg;
	union addr from;
	socklen_t n = sizeof from;
	int s;

	(void)events;
	memset(&from, 0, sizeof from);
	s = accept4(fd, &from.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (s >= 0) {
		d->fn(d->arg, s, &from);
		return;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
	    errno == ENOMEM) {
		log_warn("accept");
		loop_fd_want(d->io, 0);
		loop_timer_set(d->pause, TLS_BACKLOG_PAUSE);
	}
}

int
tls_door_open(struct loop *loop, const union addr *at, tls_door_fn *fn,
    void *arg, struct tls_door **out, struct err *e)
{
	struct tls_door *d;
	int fd = sock_tcp_listen(at, e);

	*out = NULL;
	if (fd < 0)
		return fd;
	d = *out = xcalloc(1, sizeof *d);
	d->fd = fd;
	d->fn = fn;
	d->arg = arg;
	d->io = loop_fd_open(loop, fd, LOOP_READ, tls_door_on_io, d);
	d->pause = loop_timer_new(loop, tls_door_on_pause, d);
	return 0;
}

void
tls_door_close(struct tls_door **dp)
{
	struct tls_door *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	loop_fd_close(&d->io);
	loop_timer_free(&d->pause);
	close(d->fd);
	free(d);
}

void
tls_door_address(const struct tls_door *d, union addr *a)
{
	socklen_t n = sizeof *a;

	memset(a, 0, sizeof *a);
	getsockname(d->fd, &a->sa, &n);
}
