#ifndef TESTS_SG_HARNESS_H
#define TESTS_SG_HARNESS_H

/*
 * The gate in this process, between phones outside (127.0.0.1) and a
 * registrar and two B2BUAs inside (127.0.0.2), all in one loop. Messages are
 * text; what the phones were ever sent is looked through at the end for
 * anything of the inside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/base/mem.h"
#include "daemon/sg/sg.h"
#include "tests/lib/phone.h"

extern const struct role sg_role;

struct gate {
	struct loop *loop;
	struct self self;
	struct peer control;
	struct sg *sg;
	struct phone *sr, *b2bua[2];
	unsigned heard;		 /* sockets of the inside that the gate knows */
	struct phone *phone[16]; /* to be looked through */
	unsigned nphones;
	char *chain, *key;
	json_t *feed;
	unsigned calls; /* makes identifiers */
};

static char text[PHONE_SIZE]; /* the message received last */

/* ---- the frame of the process, as far as the gate uses it -------------- */

void
role_ready(struct self *self)
{
	(void)self;
}

void
role_stopped(struct self *self)
{
	(void)self;
}

void
role_stats(struct self *self, const struct role_stat *stats)
{
	(void)self;
	(void)stats;
}

/* ---- setting up -------------------------------------------------------- */

static inline void
gate_put(struct gate *g, const char *key, const struct phone *p,
    enum owner_state state, uint64_t epoch)
{
	struct owner o = {.epoch = epoch, .state = state};

	str_copy(o.key, sizeof o.key, key);
	str_copy(o.instance, sizeof o.instance, "x/1@srv1");
	if (p != NULL)
		o.inside = p->self;
	assert_int_equal(owner_map_put(g->self.owners, &o), 0);
}

/* A socket of the inside that is nobody's. */
static inline struct phone *
gate_stranger(struct gate *g)
{
	union addr from, to;

	assert_true(addr_parse(&from, "127.0.0.2", 0));
	assert_true(addr_parse(&to, "127.0.0.2",
	    (uint16_t)atoi(strchr(g->sg->inside_text, ':') + 1)));
	return phone_open_from(g->loop, SIP_UDP, &to, NULL, &from);
}

/* A socket of the inside, of an instance that the map knows. */
static inline struct phone *
gate_inside(struct gate *g)
{
	struct phone *p = gate_stranger(g);
	char name[ROLE_NAME];

	snprintf(name, sizeof name, "b2bua/%u", ++g->heard);
	gate_put(g, name, p, OWNER_SERVING, 1);
	return p;
}

/* The same, and the gate is told. */
static inline void
gate_own(struct gate *g, const char *key, const struct phone *p,
    enum owner_state state, uint64_t epoch)
{
	gate_put(g, key, p, state, epoch);
	sg_role.on_owners(&g->self);
}

static inline json_t *
gate_listener(const char *transport, const char *domain)
{
	return json_pack("{s:s,s:s,s:s,s:i,s:s}", "name", transport,
	    "transport", transport, "address", "127.0.0.1", "port", 0, "domain",
	    domain);
}

/* The private key as ST stores it. */
static inline char *
gate_sealed_key(struct gate *g, const char *certificate)
{
	uint8_t key[CRYPT_KEY], sealed[4096];
	struct crypt_seal *seal;
	char *hex;
	long n;

	crypt_derive(key, g->self.key_certificate, "certificate key");
	seal = crypt_seal_new(key);
	n = crypt_seal(seal, sealed, sizeof sealed, g->key, strlen(g->key),
	    certificate, strlen(certificate));
	assert_true(n > 0);
	crypt_seal_free(&seal);
	hex = malloc((size_t)n * 2 + 1);
	str_hex(hex, sealed, (size_t)n);
	return hex;
}

static inline json_t *
gate_make_feed(struct gate *g, unsigned rate)
{
	json_t *listeners = json_array(), *l;
	char *hex = gate_sealed_key(g, "c1");
	unsigned i;

	for (i = 0; i < SIP_PROTOS; i++) {
		l = gate_listener(sip_proto_name(i), "");
		if (sip_proto_is_secure(i)) {
			json_object_set_new(
			    l, "certificate", json_string("c1"));
			json_object_set_new(l, "chain", json_string(g->chain));
			json_object_set_new(l, "key", json_string(hex));
		}
		json_array_append_new(listeners, l);
	}
	free(hex);
	return json_pack(
	    "{s:[{s:s,s:[s],s:s,s:s},{s:s,s:[],s:s,s:s}],s:o,s:{s:i,s:i}}",
	    "domains", "name", "demo.test", "alias", "alias.test", "realm",
	    "demo.test", "state", "on", "name", "b.test", "alias", "realm",
	    "b.test", "state", "on", "listeners", listeners, "gate",
	    "requests-per-second", (int)rate, "ban-after", 20);
}

static inline void
gate_send_feed(struct gate *g)
{
	sg_role.on_request(&g->self, &g->control, NULL, "feed", g->feed);
}

static inline void
gate_init(struct gate *g)
{
	struct err e;

	memset(g, 0, sizeof *g);
	g->loop = loop_new();
	g->self.loop = g->loop;
	g->self.id = ROLE_SG;
	g->self.index = 1;
	g->self.role = &sg_role;
	str_copy(g->self.name, sizeof g->self.name, "sg/1");
	memset(g->self.key_site, 7, CRYPT_KEY);
	memset(g->self.key_certificate, 9, CRYPT_KEY);
	assert_true(addr_parse(&g->self.inside, "127.0.0.2", 0));
	assert_int_equal(owner_map_create(NULL, &g->self.owners, &e), 0);
	g->control.role = ROLE_CONTROL;
	if (sg_role.start(&g->self, &e) != 0)
		fail_msg("%s", e.text);
	g->sg = g->self.state_of_role;
	cert_make("gate.test", &g->chain, &g->key);
	g->sr = gate_inside(g);
	g->b2bua[0] = gate_inside(g);
	g->b2bua[1] = gate_inside(g);
	gate_own(g, "sr", g->sr, OWNER_SERVING, 1);
	gate_own(g, "calls/b2bua-1", g->b2bua[0], OWNER_SERVING, 1);
	g->feed = gate_make_feed(g, 100000);
	gate_send_feed(g);
}

static inline struct phone *
gate_phone(struct gate *g, enum sip_proto proto)
{
	struct sg_listener *l = NULL;
	struct phone *p;

	while ((l = sg_listener_next(g->sg, l)) != NULL && l->proto != proto)
		;
	assert_non_null(l);
	assert_non_null(l->sip);
	p = phone_open(
	    g->loop, proto, sip_listener_address(l->sip), "gate.test");
	assert_non_null(p);
	if (g->nphones < 16)
		g->phone[g->nphones++] = p;
	return p;
}

/* Nothing of the inside may ever have reached this phone. */
static inline void
gate_look_through(const struct phone *p)
{
	static const char *const secret[] = {"127.0.0.2", "X-Tandem", "b2bua",
	    "sr/1", "sg/1", "srv1", "Server:"};
	unsigned i;

	for (i = 0; i < sizeof secret / sizeof secret[0]; i++) {
		if (p->raw.len > 0 &&
		    memmem(p->raw.data, p->raw.len, secret[i],
			strlen(secret[i])) != NULL)
			fail_msg("\"%s\" was shown outside:\n%s", secret[i],
			    p->raw.data);
	}
}

static inline void
gate_fini(struct gate *g)
{
	unsigned i;

	for (i = 0; i < g->nphones; i++) {
		gate_look_through(g->phone[i]);
		phone_close(&g->phone[i]);
	}
	phone_close(&g->sr);
	phone_close(&g->b2bua[0]);
	phone_close(&g->b2bua[1]);
	sg_role.on_stop(&g->self);
	owner_map_close(&g->self.owners);
	loop_free(&g->loop);
	json_decref(g->feed);
	free(g->chain);
	free(g->key);
}

/* ---- messages ---------------------------------------------------------- */

/* Value of the n-th header line of this name in text, in a store that the
 * next eight calls leave alone; NULL when there is none. */
static inline const char *
header_nth(const char *name, unsigned nth)
{
	static char store[8][2048];
	static unsigned at;
	const char *p = text, *end = strstr(text, "\r\n\r\n"), *eol;
	size_t n = strlen(name);

	while ((p = strstr(p, "\r\n")) != NULL && p < end) {
		p += 2;
		if (strncasecmp(p, name, n) != 0 || p[n] != ':')
			continue;
		if (nth-- > 0)
			continue;
		eol = strstr(p, "\r\n");
		at = (at + 1) % 8;
		snprintf(store[at], sizeof store[at], "%.*s",
		    (int)(eol - p - (ptrdiff_t)n - 2), p + n + 2);
		return store[at];
	}
	return NULL;
}

static inline const char *
header(const char *name)
{
	return header_nth(name, 0);
}

static inline bool
has(const char *words)
{
	return strstr(text, words) != NULL;
}

/* The parameter of a value: nonce="x" or ;branch=x. */
static inline const char *
param(const char *value, const char *name)
{
	static char store[8][512];
	static unsigned at;
	const char *p = strstr(value, name);
	size_t n;

	assert_non_null(p);
	p += strlen(name);
	assert_int_equal(*p, '=');
	p += p[1] == '"' ? 2 : 1;
	n = strcspn(p, "\";,> \r\n");
	at = (at + 1) % 8;
	snprintf(store[at], sizeof store[at], "%.*s", (int)n, p);
	return store[at];
}

static inline int
status(void)
{
	return strncmp(text, "SIP/2.0 ", 8) == 0 ? atoi(text + 8) : 0;
}

/* A request of a phone; extra are whole lines. */
static inline void
phone_ask(struct phone *p, const char *method, const char *uri,
    const char *branch, const char *call, unsigned cseq, const char *to_tag,
    const char *extra)
{
	char out[4096];
	char at[ADDR_TEXT];

	addr_text(at, &p->self);
	snprintf(out, sizeof out,
	    "%s %s SIP/2.0\r\n"
	    "Via: SIP/2.0/%s 10.1.1.1:5060;branch=z9hG4bK%s;rport\r\n"
	    "Max-Forwards: 70\r\n"
	    "From: \"A\" <sip:101@demo.test>;tag=f%s\r\n"
	    "To: <sip:%s@demo.test>%s%s\r\n"
	    "Call-ID: %s\r\nCSeq: %u %s\r\n"
	    "Contact: <sip:101@%s>;+sip.instance=\"<urn:uuid:0>\"\r\n"
	    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY\r\n"
	    "X-Tandem-User: 999\r\nX-Evil: 1\r\nUser-Agent: test 1\r\n"
	    "Supported: path, outbound, gruu, replaces, timer, 100rel\r\n"
	    "Accept: application/sdp, application/dtmf-relay, text/plain\r\n"
	    "Accept-Language: en\r\n"
	    "Route: <sip:evil.test;lr>\r\n"
	    "%sContent-Length: 0\r\n\r\n",
	    method, uri, sip_proto_via(p->proto), branch, call,
	    strcmp(method, "REGISTER") == 0 ? "101" : "102",
	    to_tag != NULL ? ";tag=" : "", to_tag != NULL ? to_tag : "", call,
	    cseq, method, at, extra != NULL ? extra : "");
	phone_text(p, out);
}

/* The reply of the inside to the request in text. */
static inline void
inside_reply(struct phone *p, int code, const char *to_tag, const char *extra)
{
	char out[8192];
	const char *v;
	unsigned i;
	size_t n;

	n = (size_t)snprintf(out, sizeof out, "SIP/2.0 %d X\r\n", code);
	for (i = 0; (v = header_nth("Via", i)) != NULL; i++)
		n += (size_t)snprintf(
		    out + n, sizeof out - n, "Via: %s\r\n", v);
	for (i = 0; (v = header_nth("Record-Route", i)) != NULL; i++)
		n += (size_t)snprintf(
		    out + n, sizeof out - n, "Record-Route: %s\r\n", v);
	v = header("Path");
	if (v != NULL)
		n += (size_t)snprintf(
		    out + n, sizeof out - n, "Path: %s\r\n", v);
	n += (size_t)snprintf(out + n, sizeof out - n,
	    "From: %s\r\nTo: %s%s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n",
	    header("From"), header("To"), to_tag != NULL ? ";tag=" : "",
	    to_tag != NULL ? to_tag : "", header("Call-ID"), header("CSeq"));
	snprintf(out + n, sizeof out - n,
	    "%sServer: tandem sr/1@srv1\r\nX-Tandem-Trace: 1\r\n"
	    "Warning: 399 127.0.0.2 \"x\"\r\nContent-Length: 0\r\n\r\n",
	    extra != NULL ? extra : "");
	phone_text(p, out);
}

/* The same of a phone: its reply has the Vias it got and a Contact. */
static inline void
phone_reply(struct phone *p, int code, const char *to_tag)
{
	char out[8192], at[ADDR_TEXT];
	const char *v;
	unsigned i;
	size_t n;

	addr_text(at, &p->self);
	n = (size_t)snprintf(out, sizeof out, "SIP/2.0 %d X\r\n", code);
	for (i = 0; (v = header_nth("Via", i)) != NULL; i++)
		n += (size_t)snprintf(
		    out + n, sizeof out - n, "Via: %s\r\n", v);
	snprintf(out + n, sizeof out - n,
	    "From: %s\r\nTo: %s;tag=%s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
	    "Contact: <sip:101@%s>\r\nX-Tandem-User: 1\r\n"
	    "Content-Length: 0\r\n\r\n",
	    header("From"), header("To"), to_tag, header("Call-ID"),
	    header("CSeq"), at);
	phone_text(p, out);
}

/* A credentials line for the challenge in text. */
static inline const char *
answer_challenge(const char *name)
{
	static char out[512];
	const char *c = header("WWW-Authenticate");

	if (c == NULL)
		c = header("Proxy-Authenticate");
	assert_non_null(c);
	snprintf(out, sizeof out,
	    "%s: Digest username=\"101\", realm=\"%s\", nonce=\"%s\", "
	    "uri=\"sip:demo.test\", response=\"0\"\r\n",
	    name, param(c, "realm"), param(c, "nonce"));
	return out;
}

/* Registered: challenge, credentials, 200; the registrar's look at it is
 * left in text, the flow's Path in path. */
static inline void
phone_register(struct gate *g, struct phone *p, char *path, size_t size)
{
	char call[32], branch[32], contact[128], at[ADDR_TEXT];

	snprintf(call, sizeof call, "reg%u", ++g->calls);
	snprintf(branch, sizeof branch, "r%u", g->calls);
	phone_ask(p, "REGISTER", "sip:demo.test", branch, call, 1, NULL, NULL);
	assert_true(phone_recv(p, text) > 0);
	assert_int_equal(status(), 401);
	strcat(branch, "b");
	phone_ask(p, "REGISTER", "sip:demo.test", branch, call, 2, NULL,
	    answer_challenge("Authorization"));
	assert_true(phone_recv(g->sr, text) > 0);
	assert_non_null(header("Path"));
	if (path != NULL)
		snprintf(path, size, "%s", header("Path"));
	addr_text(at, &p->self);
	snprintf(contact, sizeof contact,
	    "Contact: <sip:101@%s>;expires=60\r\n", at);
	inside_reply(g->sr, 200, "sr", contact);
	assert_true(phone_recv(p, text) > 0);
	assert_int_equal(status(), 200);
}

#endif
