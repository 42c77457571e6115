/*
 * TLS of the border: TLS 1.2 and 1.3 only, suites with forward secrecy and
 * authenticated encryption, no renegotiation, no compression, session tickets
 * for phones that come back. Certificates come from memory; which one answers
 * is chosen by SNI among all listeners. The only file of the room, beside the
 * reads and writes of sip_conn.c, that knows libssl.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "sip_stream.h"

struct sip_tls {
	SSL_CTX *ctx;
	X509 *cert; /* ours, borrowed from ctx; NULL for a client */
	sip_tls_pick_fn *pick;
	void *arg;
};

/* TLS 1.2: ECDHE with AES-GCM or ChaCha20 (RFC 9325 4.2). */
#define TLS_SUITES                                                   \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

void
sip_tls_words(char *out, size_t size)
{
	unsigned long code = ERR_peek_last_error();

	if (code == 0)
		str_copy(out, size, "connection lost");
	else
		ERR_error_string_n(code, out, size);
	ERR_clear_error();
}

/* err with the words of libssl behind ours. */
static int
tls_fail(struct err *e, const char *what)
{
	char words[256];

	sip_tls_words(words, sizeof words);
	return err_set(e, ERR_INVALID, "%s: %s", what, words);
}

/* What both sides share. */
static SSL_CTX *
tls_context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL)
		fatalx("tls: no context");
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	if (SSL_CTX_set_cipher_list(ctx, TLS_SUITES) != 1)
		fatalx("tls: libssl lacks the suites of RFC 9325");
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

/* Passphrases are never asked for. */
static int
tls_no_passphrase(char *buf, int size, int rw, void *arg)
{
	(void)buf;
	(void)size;
	(void)rw;
	(void)arg;
	return -1;
}

/* The end of a text of PEM is an error to libssl too; any other is one. */
static bool
tls_is_end(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_PEM &&
	    ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

/* The certificate and those above it. */
static int
tls_use_chain(struct sip_tls *t, const char *pem, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x = bio != NULL
	    ? PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL)
	    : NULL;
	int r = 0;

	if (x == NULL || SSL_CTX_use_certificate(t->ctx, x) != 1)
		r = tls_fail(e, "chain: expected certificates in PEM");
	X509_free(x);
	while (r == 0 &&
	    (x = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL)) !=
		NULL) {
		if (SSL_CTX_add0_chain_cert(t->ctx, x) != 1) {
			X509_free(x);
			r = tls_fail(e, "chain: certificate behind the first");
		}
	}
	if (r == 0 && !tls_is_end())
		r = tls_fail(e, "chain: certificate behind the first");
	BIO_free(bio);
	ERR_clear_error();
	t->cert = SSL_CTX_get0_certificate(t->ctx);
	return r;
}

static int
tls_use_key(struct sip_tls *t, const char *pem, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio != NULL
	    ? PEM_read_bio_PrivateKey(bio, NULL, tls_no_passphrase, NULL)
	    : NULL;
	int r = 0;

	if (key == NULL)
		r = tls_fail(
		    e, "key: expected a private key in PEM, no passphrase");
	else if (X509_check_private_key(t->cert, key) != 1)
		r = tls_fail(e, "key: of another certificate than the first");
	else if (SSL_CTX_use_PrivateKey(t->ctx, key) != 1)
		r = tls_fail(e, "key");
	EVP_PKEY_free(key);
	BIO_free(bio);
	return r;
}

/* SNI: switch to the identity that bears the name. */
static int
tls_on_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct sip_tls *t = arg, *other;

	(void)alert;
	if (name == NULL || t->pick == NULL || sip_tls_names(t, name))
		return SSL_TLSEXT_ERR_OK;
	if ((other = t->pick(t->arg, name)) != NULL)
		SSL_set_SSL_CTX(ssl, other->ctx);
	return SSL_TLSEXT_ERR_OK;
}

struct sip_tls *
sip_tls_new(const char *chain, const char *key, struct err *e)
{
	struct sip_tls *t = xcalloc(1, sizeof *t);

	t->ctx = tls_context(TLS_server_method());
	SSL_CTX_set_session_id_context(
	    t->ctx, (const unsigned char *)"tandem", 6);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_tlsext_servername_callback(t->ctx, tls_on_name);
	SSL_CTX_set_tlsext_servername_arg(t->ctx, t);
	if (tls_use_chain(t, chain, e) != 0 || tls_use_key(t, key, e) != 0)
		sip_tls_free(&t);
	return t;
}

const char *
sip_tls_expiry(const struct sip_tls *t)
{
	if (X509_cmp_current_time(X509_get0_notAfter(t->cert)) < 0)
		return "has expired";
	if (X509_cmp_current_time(X509_get0_notBefore(t->cert)) > 0)
		return "is not valid yet";
	return NULL;
}

/* ---- who a peer is, by its certificate -------------------------------------
 */

#define TLS_CERT_MAX 16384 /* bytes of what a stranger may show */

static int
tls_take_any(X509_STORE_CTX *ctx, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

void
sip_tls_ask(struct sip_tls *t)
{
	SSL_CTX_set_verify(
	    t->ctx, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, NULL);
	SSL_CTX_set_cert_verify_callback(t->ctx, tls_take_any, NULL);
	SSL_CTX_set_max_cert_list(t->ctx, TLS_CERT_MAX);
}

/* -1: it is no time. */
static int64_t
tls_seconds(const ASN1_TIME *at)
{
	struct tm tm;

	return ASN1_TIME_to_tm(at, &tm) == 1 ? (int64_t)timegm(&tm) : -1;
}

bool
sip_tls_peer(SSL *ssl, struct sip_tls_peer *peer)
{
	X509 *x = SSL_get0_peer_certificate(ssl);
	uint8_t digest[32];
	unsigned n = sizeof digest;

	if (x == NULL || X509_digest(x, EVP_sha256(), digest, &n) != 1)
		return false;
	str_copy(peer->fingerprint, sizeof peer->fingerprint, "sha256:");
	str_hex(peer->fingerprint + strlen("sha256:"), digest, sizeof digest);
	peer->from = tls_seconds(X509_get0_notBefore(x));
	peer->until = tls_seconds(X509_get0_notAfter(x));
	return peer->from >= 0 && peer->until >= 0;
}

/* Trust those of the PEM text. */
static int
tls_trust(SSL_CTX *ctx, const char *pem, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x;
	int count = 0;

	while (bio != NULL &&
	    (x = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL)) !=
		NULL) {
		count += X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x);
		X509_free(x);
	}
	BIO_free(bio);
	ERR_clear_error();
	if (count == 0)
		return err_set(e, ERR_INVALID, "no certificate to trust");
	return 0;
}

struct sip_tls *
sip_tls_new_client(const char *ca, struct err *e)
{
	struct sip_tls *t = xcalloc(1, sizeof *t);

	t->ctx = tls_context(TLS_client_method());
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	if (ca == NULL)
		SSL_CTX_set_default_verify_paths(t->ctx);
	else if (tls_trust(t->ctx, ca, e) != 0)
		sip_tls_free(&t);
	return t;
}

void
sip_tls_free(struct sip_tls **tp)
{
	struct sip_tls *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	/* Sessions keep the context; the way back to us they lose. */
	SSL_CTX_set_tlsext_servername_callback(t->ctx, NULL);
	SSL_CTX_free(t->ctx);
	free(t);
}

void
sip_tls_set_pick(struct sip_tls *t, sip_tls_pick_fn *pick, void *arg)
{
	t->pick = pick;
	t->arg = arg;
}

bool
sip_tls_names(const struct sip_tls *t, const char *name)
{
	return t->cert != NULL &&
	    X509_check_host(t->cert, name, 0, 0, NULL) == 1;
}

SSL *
sip_tls_session(struct sip_tls *t)
{
	SSL *ssl = SSL_new(t->ctx);

	if (ssl != NULL)
		SSL_set_accept_state(ssl);
	return ssl;
}

SSL *
sip_tls_open(struct sip_tls *t, int fd, const char *name)
{
	SSL *ssl = SSL_new(t->ctx);

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	if (name == NULL) {
		SSL_set_accept_state(ssl);
		return ssl;
	}
	SSL_set_connect_state(ssl);
	SSL_set_tlsext_host_name(ssl, name);
	if (SSL_set1_host(ssl, name) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}
