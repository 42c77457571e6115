/*
 * The texts that a gate gives out and must know again without remembering:
 * tokens, branches, To-tags, nonces. All follow from the site's key, so any
 * gate of the site may see them come back, after a restart too. Nothing here
 * trusts what comes back: what does not open is nobody's.
 *
 * Formats, before sealing (bytes):
 *   flow      1 | 2 listener(4) address(4 | 16) port(2)     UDP over IPv4 | 6
 *             3 connection(8)                               a stream
 *   instance  the name: "b2bua-1.srv1", so that any gate of the site finds it
 *   branch    4 | 6 address(4 | 16) port(2) rest            of the inner Via;
 *             rest: its branch behind "z9hG4bK"
 *   nonce     time(4) mac(8) of time and address, mac(6) of time; base64url
 */
#include <stdlib.h>

#include "daemon/base/mem.h"
#include "sg.h"

/* ---- sealing, and remembering what was sealed lately -------------------- */

#define MEMO_SLOTS 4096

/* AES-SIV costs more than all the rest of passing a message on; a dialog's
 * messages bear the same few texts. */
struct sg_memo {
	struct memo_slot {
		uint8_t kind, nin, nout;
		uint8_t in[SG_TOKEN];
		uint8_t out[SG_TOKEN];
	} slot[MEMO_SLOTS];
};

#define NONCE_SLOTS 32768
#define NONCE_OWN 8  /* bytes of the mac over time and address */
#define NONCE_TIME 6 /* of the mac over time alone */
#define NONCE_BYTES (4 + NONCE_OWN + NONCE_TIME)

struct nonce_source {
	uint8_t n;
	uint8_t bytes[17];
};

struct sg_nonce_memo {
	uint8_t bytes[NONCE_BYTES];
	struct nonce_source source;
};

static const char *const sg_kind_names[SG_KINDS] = {
    "flow", "instance", "branch"};

static struct memo_slot *
sg_memo_slot(struct sg_memo *m, const void *in, size_t n)
{
	return &m->slot[str_hash(in, n) & (MEMO_SLOTS - 1)];
}

static bool
sg_memo_holds(
    const struct memo_slot *s, enum sg_kind kind, const void *in, size_t n)
{
	return s->nin == n && s->kind == kind + 1 && memcmp(s->in, in, n) == 0;
}

static void
sg_memo_put(struct memo_slot *s, enum sg_kind kind, const void *in, size_t n,
    const void *out, size_t nout)
{
	s->kind = (uint8_t)(kind + 1);
	s->nin = (uint8_t)n;
	s->nout = (uint8_t)nout;
	memcpy(s->in, in, n);
	memcpy(s->out, out, nout);
}

void
sg_keys_init(struct sg_keys *k, const uint8_t site[CRYPT_KEY])
{
	uint8_t key[CRYPT_KEY];
	char use[32];
	int kind;

	memset(k, 0, sizeof *k);
	for (kind = 0; kind < SG_KINDS; kind++) {
		snprintf(use, sizeof use, "sg %s", sg_kind_names[kind]);
		crypt_derive(key, site, use);
		k->seal[kind] = crypt_seal_new(key);
	}
	crypt_derive(key, site, "sg outgoing branch");
	memcpy(k->branch, key, sizeof k->branch);
	crypt_derive(key, site, "sg to-tag");
	memcpy(k->tag, key, sizeof k->tag);
	crypt_derive(k->nonce, site, "sg nonce");
	k->sealed = xcalloc(1, sizeof *k->sealed);
	k->opened = xcalloc(1, sizeof *k->opened);
	k->faces = xcalloc(SG_FACES, sizeof *k->faces);
	k->nonces = xcalloc(NONCE_SLOTS, sizeof *k->nonces);
}

void
sg_keys_fini(struct sg_keys *k)
{
	int kind;

	for (kind = 0; kind < SG_KINDS; kind++)
		crypt_seal_free(&k->seal[kind]);
	free(k->sealed);
	free(k->opened);
	free(k->faces);
	free(k->nonces);
	memset(k, 0, sizeof *k);
}

size_t
sg_seal(struct sg_keys *k, enum sg_kind kind, const void *plain, size_t n,
    char out[SG_TOKEN])
{
	uint8_t sealed[SG_PLAIN + CRYPT_TAG];
	struct memo_slot *s;
	size_t len;
	long r;

	if (n == 0 || n > SG_PLAIN)
		return 0;
	s = sg_memo_slot(k->sealed, plain, n);
	if (sg_memo_holds(s, kind, plain, n)) {
		memcpy(out, s->out, s->nout);
		out[s->nout] = '\0';
		return s->nout;
	}
	r = crypt_seal(k->seal[kind], sealed, sizeof sealed, plain, n, NULL, 0);
	if (r < 0 || STR_B64_LEN((size_t)r) >= SG_TOKEN)
		return 0;
	len = str_b64(out, sealed, (size_t)r);
	sg_memo_put(s, kind, plain, n, out, len);
	sg_memo_put(
	    sg_memo_slot(k->opened, out, len), kind, out, len, plain, n);
	return len;
}

long
sg_open(struct sg_keys *k, enum sg_kind kind, const char *text, size_t n,
    uint8_t out[SG_PLAIN])
{
	uint8_t sealed[SG_PLAIN + CRYPT_TAG];
	struct memo_slot *s;
	long r;

	if (n <= STR_B64_LEN(CRYPT_TAG) || n >= SG_TOKEN)
		return -1;
	s = sg_memo_slot(k->opened, text, n);
	if (sg_memo_holds(s, kind, text, n)) {
		memcpy(out, s->out, s->nout);
		return s->nout;
	}
	if ((r = str_unb64(sealed, sizeof sealed, text, n)) < 0)
		return -1;
	r = crypt_open(
	    k->seal[kind], out, SG_PLAIN, sealed, (size_t)r, NULL, 0);
	if (r > 0)
		sg_memo_put(s, kind, text, n, out, (size_t)r);
	return r > 0 ? r : -1;
}

/* ---- hashes ------------------------------------------------------------ */

/* Pieces to be hashed, divided; a long one goes in as its own hash. */
struct sg_pieces {
	size_t n;
	uint8_t bytes[640];
};

static void
sg_piece(struct sg_pieces *p, const uint8_t key[16], const void *at, size_t n)
{
	uint64_t h;

	p->bytes[p->n++] = (uint8_t)n;
	if (n == 0)
		return;
	if (n <= 120) {
		memcpy(p->bytes + p->n, at, n);
		p->n += n;
		return;
	}
	h = str_hash_key(key, at, n);
	memcpy(p->bytes + p->n, &h, sizeof h);
	p->n += sizeof h;
}

/* What is the same in a request, its CANCEL and the ACK to its failure, and
 * in nothing else. Without a branch of RFC 3261 the fields of 17.2.3. */
static void
sg_branch_pieces(
    const struct sg_keys *k, const struct scan *s, struct sg_pieces *p)
{
	const struct scan_span b = s->via.branch;

	p->n = 0;
	sg_piece(p, k->tag, &s->via.port, sizeof s->via.port);
	sg_piece(p, k->tag, s->via.host.p, s->via.host.n);
	sg_piece(p, k->tag, s->call_id.p, s->call_id.n);
	if (b.n > 7 && str_iequal(b.p, 7, "z9hG4bK")) {
		sg_piece(p, k->tag, b.p, b.n);
		return;
	}
	sg_piece(p, k->tag, &s->cseq, sizeof s->cseq);
	sg_piece(p, k->tag, s->from_tag.p, s->from_tag.n);
	sg_piece(p, k->tag, s->uri.all.p, s->uri.all.n);
}

void
sg_branch(
    const struct sg_keys *k, const struct scan *s, char out[SG_BRANCH_TEXT])
{
	struct sg_pieces p;
	uint64_t h[2];

	sg_branch_pieces(k, s, &p);
	h[0] = str_hash_key(k->branch[0], p.bytes, p.n);
	h[1] = str_hash_key(k->branch[1], p.bytes, p.n);
	str_b64(out, h, sizeof h);
}

void
sg_tag(const struct sg_keys *k, const struct scan *s, char out[SG_TAG])
{
	struct sg_pieces p = {.n = 0};
	uint64_t h;

	sg_piece(&p, k->tag, s->call_id.p, s->call_id.n);
	sg_piece(&p, k->tag, s->from_tag.p, s->from_tag.n);
	sg_piece(&p, k->tag, &s->cseq, sizeof s->cseq);
	h = str_hash_key(k->tag, p.bytes, p.n);
	str_b64(out, &h, sizeof h);
}

/* ---- nonces ------------------------------------------------------------ */

/* time(4), then both macs, of which the second is made when asked for. */
static void
sg_nonce_bytes(const struct sg_keys *k, uint32_t time,
    const struct nonce_source *source, bool second, uint8_t out[NONCE_BYTES])
{
	uint8_t text[4 + sizeof source->bytes] = {(uint8_t)(time >> 24),
	    (uint8_t)(time >> 16), (uint8_t)(time >> 8), (uint8_t)time};

	memcpy(out, text, 4);
	if (second)
		crypt_mac(out + 4 + NONCE_OWN, NONCE_TIME, k->nonce, text, 4);
	memcpy(text + 4, source->bytes, source->n);
	crypt_mac(out + 4, NONCE_OWN, k->nonce, text, 4 + source->n);
}

/* The address a nonce is for, without its port. */
static void
sg_nonce_source(struct nonce_source *s, const union addr *a)
{
	memset(s, 0, sizeof *s);
	if (a->sa.sa_family == AF_INET6) {
		s->bytes[0] = 6;
		memcpy(s->bytes + 1, &a->in6.sin6_addr, 16);
		s->n = 17;
	} else {
		s->bytes[0] = 4;
		memcpy(s->bytes + 1, &a->in4.sin_addr, 4);
		s->n = 5;
	}
}

/* Nonces known to be ours: given out, or checked, lately. */
static struct sg_nonce_memo *
sg_nonce_slot(struct sg_keys *k, const uint8_t bytes[NONCE_BYTES])
{
	return &k->nonces[str_hash(bytes, NONCE_BYTES) & (NONCE_SLOTS - 1)];
}

void
sg_nonce_make(
    struct sg_keys *k, uint32_t now_s, const union addr *a, char out[SG_NONCE])
{
	struct nonce_source source;
	struct sg_nonce_memo *m;
	uint8_t bytes[NONCE_BYTES];

	sg_nonce_source(&source, a);
	sg_nonce_bytes(k, now_s, &source, true, bytes);
	m = sg_nonce_slot(k, bytes);
	memcpy(m->bytes, bytes, sizeof bytes);
	m->source = source;
	str_b64(out, bytes, sizeof bytes);
}

/* A nonce of another address or too old was ours once: the credentials may
 * be right, so the phone is told to try again by itself (RFC 7616 3.3). */
static enum sg_nonce
sg_nonce_doubt(const struct sg_keys *k, uint32_t time,
    const struct nonce_source *source, const uint8_t got[NONCE_BYTES])
{
	uint8_t want[NONCE_BYTES];

	sg_nonce_bytes(k, time, source, true, want);
	return crypt_equal(
		   got + 4 + NONCE_OWN, want + 4 + NONCE_OWN, NONCE_TIME)
	    ? SG_NONCE_STALE
	    : SG_NONCE_FORGED;
}

enum sg_nonce
sg_nonce_check(struct sg_keys *k, uint32_t now_s, const union addr *a,
    const char *nonce, size_t n)
{
	uint8_t got[NONCE_BYTES], want[NONCE_BYTES];
	struct nonce_source source;
	struct sg_nonce_memo *m;
	uint32_t time;

	if (str_unb64(got, sizeof got, nonce, n) != NONCE_BYTES)
		return SG_NONCE_FORGED;
	time = (uint32_t)got[0] << 24 | (uint32_t)got[1] << 16 |
	    (uint32_t)got[2] << 8 | got[3];
	sg_nonce_source(&source, a);
	if (now_s - time > SG_NONCE_LIFE)
		return sg_nonce_doubt(k, time, &source, got);
	m = sg_nonce_slot(k, got);
	if (memcmp(m->bytes, got, sizeof got) == 0 &&
	    memcmp(&m->source, &source, sizeof source) == 0)
		return SG_NONCE_GOOD;
	sg_nonce_bytes(k, time, &source, false, want);
	if (!crypt_equal(got, want, 4 + NONCE_OWN))
		return sg_nonce_doubt(k, time, &source, got);
	memcpy(m->bytes, got, sizeof got);
	m->source = source;
	return SG_NONCE_GOOD;
}

/* ---- flows ------------------------------------------------------------- */

size_t
sg_flow_encode(const struct sip_flow *f, uint8_t out[SG_FLOW_BYTES])
{
	uint32_t tag;
	size_t n;

	if (f->proto != SIP_UDP) {
		out[0] = 3;
		memcpy(out + 1, &f->conn, 8);
		return 9;
	}
	tag = sip_listener_tag(f->listener);
	memcpy(out + 1, &tag, 4);
	if (f->peer.sa.sa_family == AF_INET6) {
		out[0] = 2;
		memcpy(out + 5, &f->peer.in6.sin6_addr, 16);
		memcpy(out + 21, &f->peer.in6.sin6_port, 2);
		n = 23;
	} else {
		out[0] = 1;
		memcpy(out + 5, &f->peer.in4.sin_addr, 4);
		memcpy(out + 9, &f->peer.in4.sin_port, 2);
		n = 11;
	}
	return n;
}

bool
sg_flow_decode(
    struct sip_transport *t, const uint8_t *p, size_t n, struct sip_flow *f)
{
	uint64_t conn;
	uint32_t tag;

	if (n == 9 && p[0] == 3) {
		memcpy(&conn, p + 1, 8);
		return sip_flow_find(t, conn, f);
	}
	if (!(n == 11 && p[0] == 1) && !(n == 23 && p[0] == 2))
		return false;
	memset(f, 0, sizeof *f);
	memcpy(&tag, p + 1, 4);
	f->listener = sip_listener_find(t, tag);
	f->proto = SIP_UDP;
	if (n == 11) {
		f->peer.in4.sin_family = AF_INET;
		memcpy(&f->peer.in4.sin_addr, p + 5, 4);
		memcpy(&f->peer.in4.sin_port, p + 9, 2);
	} else {
		f->peer.in6.sin6_family = AF_INET6;
		memcpy(&f->peer.in6.sin6_addr, p + 5, 16);
		memcpy(&f->peer.in6.sin6_port, p + 21, 2);
	}
	return f->listener != NULL &&
	    sip_listener_proto(f->listener) == SIP_UDP;
}

/* Fill in the texts of a flow. */
static void
sg_face_make(struct sg_keys *k, struct sg_face *f, const struct sip_flow *flow,
    const uint8_t *bytes, size_t n)
{
	char token[SG_TOKEN];

	f->n = (uint8_t)n;
	memcpy(f->bytes, bytes, n);
	str_b64(f->flow, bytes, n);
	sg_seal(k, SG_FLOW, bytes, n, token);
	str_copy(f->token, sizeof f->token, token);
	addr_text(f->peer, &flow->peer);
}

const struct sg_face *
sg_face_get(struct sg_keys *k, const struct sip_flow *flow)
{
	uint8_t bytes[SG_FLOW_BYTES];
	size_t n = sg_flow_encode(flow, bytes);
	struct sg_face *f = &k->faces[str_hash(bytes, n) & (SG_FACES - 1)];

	if (f->n != n || memcmp(f->bytes, bytes, n) != 0)
		sg_face_make(k, f, flow, bytes, n);
	return f;
}
