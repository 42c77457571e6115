#ifndef SIP_SIP_H
#define SIP_SIP_H

#include <sofia-sip/sip.h>
#include <sofia-sip/msg.h>

#include "daemon/base/buf.h"
#include "daemon/base/dgram.h"
#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/sock.h"

/*
 * SIP messages as bytes: the full parse by sofia-sip, replies assembled as
 * text, digest credentials. What faces the outside
 * (streams, TLS, WebSocket, splicing) is in transport.h and scan.h.
 */

#define SIP_MAX 65535 /* bytes of one message */

/* ---- the full parse (sip_parse.c) -------------------------------------- */

struct sip_parsed {
	msg_t *msg;
	sip_t *sip;
};

/*
 * Parse one whole message; buf is changed and must outlive the result; it
 * has room for one byte behind n. -ERR_SYNTAX when it is no SIP message or
 * lacks what RFC 3261 8.1.1 demands; then sip may still be set, so that a
 * 400 can be made (if it has a sip_request). -ERR_UNKNOWN when all is there
 * but the version is not 2.0 (505). sip_parsed_fini in every case.
 */
int sip_parse(struct sip_parsed *, char *buf, size_t n, struct err *);
void sip_parsed_fini(struct sip_parsed *);

/* ---- replies as text (sip_reply.c) ------------------------------------- */

/*
 * Status line, the Via, From, To, Call-ID and CSeq of the request (RFC 3261
 * 8.2.6), to_tag put on the To when it has none. The caller adds headers with
 * buf_fmt and ends with sip_reply_end.
 */
void sip_reply_begin(struct buf *, const sip_t *request, int status,
    const char *phrase, const char *to_tag);
/* Content-Length and body (NULL = none). */
void sip_reply_end(struct buf *, const char *type, const void *body, size_t n);
/* Where a reply goes: received and rport of the top Via (RFC 3261 18.2.2,
 * RFC 3581). False when the Via names no address. */
bool sip_reply_address(const sip_t *request, union addr *);
const char *sip_phrase(int status); /* RFC 3261 21; "" when unknown */

/* ---- URIs (sip_uri.c) -------------------------------------------------- */

/* RFC 3261 19.1.4; other schemes byte by byte. */
bool sip_uri_equal(const url_t *, const url_t *);
/* The same of two texts; what is no URI equals only the same text. */
bool sip_uri_equal_text(const char *, const char *);
/*
 * The user of an address-of-record: escapes resolved, parameters of the user
 * part cut (RFC 3261 10.3 step 5). False when there is none, when it does not
 * fit or would hold a control byte.
 */
bool sip_uri_user(const url_t *, char *out, size_t size);
/* The URI as text; false when it does not fit. */
bool sip_uri_text(const url_t *, char *out, size_t size);

/* ---- digest credentials (sip_digest.c) --------------------------------- */

/* RFC 3261 22, RFC 7616, RFC 8760; quotes removed, empty when absent. */
struct sip_digest {
	char username[256];
	char realm[256];
	char nonce[128];
	char uri[512];
	char response[65];  /* 32 or 64 lower-case digits */
	char algorithm[16]; /* "MD5" or "SHA-256" */
	char qop[9];	    /* "" or "auth" */
	char nc[9];
	char cnonce[128];
};
/* The value of an Authorization or Proxy-Authorization header. */
int sip_digest_parse(
    struct sip_digest *, const char *value, size_t n, struct err *);
/* The same from a header that sip_parse has cut already. */
int sip_digest_take(struct sip_digest *, const msg_auth_t *, struct err *);
/* ha1: hexadecimal, of the digest's algorithm. Constant time. */
bool sip_digest_check(
    const struct sip_digest *, const char *method, const char *ha1);
/* HA1 of user, realm, password; out 33 (MD5) or 65 (SHA-256) bytes. */
void sip_digest_ha1(char *out, bool sha256, const char *user, const char *realm,
    const char *password);

#endif
