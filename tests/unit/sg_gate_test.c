/* The gate as a whole: registrations and calls over every transport. */
#include "tests/unit/sg_harness.h"

/* ---- registering ------------------------------------------------------- */

/* A REGISTER passes when its nonce is ours, and the inside learns where it
 * came from; the reply shows nothing of the inside. */
static void
registers_over(struct gate *g, enum sip_proto proto)
{
	struct phone *p = gate_phone(g, proto);
	char at[ADDR_TEXT + 64], self[ADDR_TEXT];
	const char *via;

	addr_text(self, &p->self);
	phone_ask(p, "REGISTER", "sip:demo.test", "a", "c1", 1, NULL, NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 401);
	assert_non_null(strstr(header("To"), ";tag="));
	assert_non_null(strstr(header("Via"), ";received=127.0.0.1"));
	assert_non_null(strstr(header_nth("WWW-Authenticate", 0), "SHA-256"));
	assert_non_null(strstr(header_nth("WWW-Authenticate", 1), "MD5"));
	assert_string_equal(
	    param(header("WWW-Authenticate"), "realm"), "demo.test");
	phone_ask(p, "REGISTER", "sip:demo.test", "b", "c1", 2, NULL,
	    answer_challenge("Authorization"));
	assert_true(phone_recv(g->sr, text) > 0);
	via = header("Via");
	assert_true(str_prefix(via, "SIP/2.0/UDP 127.0.0.2:"));
	assert_non_null(strstr(via, ";flow="));
	via = header_nth("Via", 1);
	snprintf(
	    at, sizeof at, ";rport=%u;received=127.0.0.1", addr_port(&p->self));
	assert_non_null(strstr(via, at));
	assert_non_null(strstr(header("Path"), "@127.0.0.2:"));
	assert_non_null(strstr(header("Path"), ";lr>"));
	snprintf(at, sizeof at, "%s;transport=%s;listener=%s", self,
	    sip_proto_name(proto), sip_proto_name(proto));
	assert_string_equal(header("X-Tandem-Source"), at);
	assert_string_equal(header("X-Tandem-Domain"), "demo.test");
	assert_string_equal(header("Max-Forwards"), "69");
	assert_null(header("X-Tandem-User"));
	assert_null(header("X-Evil"));
	assert_null(header("Route"));
	assert_non_null(header("User-Agent"));
	assert_non_null(strstr(header("Contact"), "+sip.instance"));
	inside_reply(g->sr, 200, "sr", "Contact: <sip:101@x>;expires=60\r\n");
	phone_recv(p, text);
	assert_int_equal(status(), 200);
	assert_string_equal(header("Contact"), "<sip:101@x>;expires=60");
	assert_non_null(strstr(header("Via"), "z9hG4bKb"));
	assert_null(header_nth("Via", 1));
	assert_null(header("Path"));
	assert_null(header("Warning"));
}

static void
every_transport_registers(void **state)
{
	struct gate g;
	unsigned i;

	(void)state;
	gate_init(&g);
	for (i = 0; i < SIP_PROTOS; i++)
		registers_over(&g, i);
	assert_int_equal(g.sg->count.challenges, SIP_PROTOS);
	assert_int_equal(g.sg->count.trusted, SIP_PROTOS - 1);
	gate_fini(&g);
}

/* A nonce too old is stale, one of nobody is just asked for anew. */
static void
old_nonces_are_stale(void **state)
{
	struct gate g;
	struct phone *p;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_TCP);
	phone_ask(p, "REGISTER", "sip:demo.test", "a", "c", 1, NULL, NULL);
	phone_recv(p, text);
	clock_step((int64_t)(SG_NONCE_LIFE + 1) * (int64_t)CLOCK_SEC);
	phone_ask(p, "REGISTER", "sip:demo.test", "b", "c", 2, NULL,
	    answer_challenge("Authorization"));
	phone_recv(p, text);
	assert_int_equal(status(), 401);
	assert_non_null(strstr(header("WWW-Authenticate"), "stale=true"));
	clock_step(-(int64_t)(SG_NONCE_LIFE + 1) * (int64_t)CLOCK_SEC);
	phone_ask(p, "REGISTER", "sip:demo.test", "c", "c", 3, NULL,
	    "Authorization: Digest username=\"101\", realm=\"demo.test\", "
	    "nonce=\"AAAAAAAAAAAAAAAAAAAAAAAA\", uri=\"x\", "
	    "response=\"0\"\r\n");
	phone_recv(p, text);
	assert_int_equal(status(), 401);
	assert_null(strstr(header("WWW-Authenticate"), "stale"));
	gate_fini(&g);
}

/* An unknown domain is challenged like any other, an alias by its realm. */
static void
unknown_domains_are_not_told(void **state)
{
	static const struct {
		const char *uri, *realm;
	} rows[] = {{"sip:1@nowhere.test", "nowhere.test"},
	    {"sip:1@ALIAS.test", "demo.test"}, {"sip:1@b.test", "b.test"}};
	struct gate g;
	struct phone *p;
	char out[1024];
	unsigned i;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_TCP);
	for (i = 0; i < 3; i++) {
		snprintf(out, sizeof out,
		    "REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch="
		    "z9hG4bK%u\r\nFrom: <%s>;tag=1\r\nTo: <%s>\r\nCall-ID: "
		    "u%u\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n",
		    i, rows[i].uri, rows[i].uri, i);
		phone_text(p, out);
		phone_recv(p, text);
		assert_int_equal(status(), 401);
		assert_string_equal(
		    param(header("WWW-Authenticate"), "realm"), rows[i].realm);
	}
	gate_fini(&g);
}

/* A phone that gives up at SHA-256 is asked for MD5 alone. */
static void
old_phones_get_md5(void **state)
{
	struct gate g;
	struct phone *p;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_TCP);
	phone_text(p,
	    "REGISTER sip:demo.test SIP/2.0\r\nVia: SIP/2.0/TCP h;branch="
	    "z9hG4bKx\r\nFrom: <sip:1@demo.test>;tag=1\r\nTo: <sip:1@"
	    "demo.test>\r\nCall-ID: u\r\nCSeq: 1 REGISTER\r\nUser-Agent: "
	    "baresip v1.0.0 (x86_64/linux)\r\nContent-Length: 0\r\n\r\n");
	phone_recv(p, text);
	assert_int_equal(status(), 401);
	assert_null(strstr(text, "SHA-256"));
	assert_null(header_nth("WWW-Authenticate", 1));
	gate_fini(&g);
}

/* ---- calls from phones ------------------------------------------------- */

/* INVITE until the B2BUA has it, in text: with credentials over UDP, trusted
 * on the connection that registered. */
static void
phone_invite(
    struct gate *g, struct phone *p, const char *branch, const char *call)
{
	phone_ask(
	    p, "INVITE", "sip:102@demo.test", branch, call, 1, NULL, NULL);
	if (p->proto == SIP_UDP) {
		phone_recv(p, text);
		assert_int_equal(status(), 407);
		phone_ask(p, "ACK", "sip:102@demo.test", branch, call, 1,
		    param(header("To"), "tag"), NULL);
		phone_ask(p, "INVITE", "sip:102@demo.test", branch, call, 2,
		    NULL, answer_challenge("Proxy-Authorization"));
	}
	assert_true(phone_recv(g->b2bua[0], text) > 0);
	assert_true(str_prefix(text, "INVITE sip:102@demo.test SIP/2.0"));
}

/* INVITE, its CANCEL on the same branch, 180 and 200 with a sealed Contact,
 * ACK and BYE to that Contact reach the instance by its name. */
static void
calls_over(struct gate *g, enum sip_proto proto)
{
	struct phone *p = gate_phone(g, proto), *b = g->b2bua[0];
	char contact[256], branch[128], want[256], call[32], self[ADDR_TEXT];

	snprintf(call, sizeof call, "call%u", ++g->calls);
	addr_text(self, &b->self);
	if (proto != SIP_UDP)
		phone_register(g, p, NULL, 0);
	phone_invite(g, p, "inv", call);
	str_copy(branch, sizeof branch, param(header("Via"), "branch"));
	assert_non_null(strstr(header("Record-Route"), "@127.0.0.2:"));
	assert_string_equal(header("X-Tandem-Domain"), "demo.test");
	if (proto != SIP_UDP)
		assert_string_equal(header("X-Tandem-User"), "101");
	else
		assert_null(header("X-Tandem-User"));
	snprintf(want, sizeof want, "Contact: <sip:b2bua-1@%s>\r\n", self);
	inside_reply(b, 180, "bt", want);
	phone_recv(p, text);
	assert_int_equal(status(), 180);
	assert_null(header("Record-Route"));
	snprintf(contact, sizeof contact, "%s", header("Contact"));
	assert_true(str_prefix(contact, "<sip:"));
	contact[strlen(contact) - 1] = '\0'; /* without '>' */
	phone_ask(p, "CANCEL", "sip:102@demo.test", "inv", call,
	    proto == SIP_UDP ? 2 : 1, NULL, NULL);
	assert_true(phone_recv(b, text) > 0);
	assert_true(str_prefix(text, "CANCEL sip:102@demo.test"));
	assert_string_equal(param(header("Via"), "branch"), branch);
	inside_reply(b, 200, "bt", NULL);
	phone_recv(p, text);
	assert_non_null(strstr(header("CSeq"), "CANCEL"));
	phone_ask(p, "BYE", contact + 1, "bye", call, 3, "bt", NULL);
	assert_true(phone_recv(b, text) > 0);
	snprintf(want, sizeof want, "BYE sip:b2bua-1@%s SIP/2.0", self);
	assert_true(str_prefix(text, want));
	inside_reply(b, 200, NULL, NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 200);
}

static void
every_transport_calls(void **state)
{
	struct gate g;
	unsigned i;

	(void)state;
	gate_init(&g);
	for (i = 0; i < SIP_PROTOS; i++)
		calls_over(&g, i);
	assert_int_equal(g.sg->count.absorbed, 1);
	assert_int_equal(g.sg->holds.count, 0);
	gate_fini(&g);
}

/* Only the user who registered on a flow is trusted on it, and only as long
 * as he is registered. */
static void
trust_is_of_one_user(void **state)
{
	struct gate g;
	struct phone *p;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_TLS);
	phone_ask(p, "INVITE", "sip:102@demo.test", "x", "x1", 1, NULL, NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 407);
	phone_register(&g, p, NULL, 0);
	phone_text(p,
	    "INVITE sip:102@demo.test SIP/2.0\r\nVia: SIP/2.0/TLS h;branch="
	    "z9hG4bKo\r\nFrom: <sip:103@demo.test>;tag=1\r\nTo: <sip:102@"
	    "demo.test>\r\nCall-ID: o\r\nCSeq: 1 INVITE\r\n"
	    "Content-Length: 0\r\n\r\n");
	phone_recv(p, text);
	assert_int_equal(status(), 407);
	phone_ask(p, "REGISTER", "sip:demo.test", "u", "u", 1, NULL,
	    answer_challenge("Authorization"));
	assert_true(phone_recv(g.sr, text) > 0);
	inside_reply(g.sr, 200, "sr", NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 200);
	phone_ask(p, "INVITE", "sip:102@demo.test", "y", "x2", 1, NULL, NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 407);
	gate_fini(&g);
}

/* ---- calls to phones --------------------------------------------------- */

/* A request of the B2BUA by way of a route. */
static void
inside_ask(struct phone *b, const char *method, const char *uri,
    const char *branch, const char *route, const char *to_tag)
{
	char out[4096], self[ADDR_TEXT];

	addr_text(self, &b->self);
	snprintf(out, sizeof out,
	    "%s %s SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\n"
	    "Route: %s\r\nMax-Forwards: 70\r\n"
	    "From: <sip:102@demo.test>;tag=bf\r\n"
	    "To: <sip:101@demo.test>%s%s\r\nCall-ID: in1\r\n"
	    "CSeq: 5 %s\r\nContact: <sip:b2bua-1@%s>\r\n"
	    "X-Tandem-Call: 77\r\nUser-Agent: tandem srv1\r\n"
	    "Content-Length: 0\r\n\r\n",
	    method, uri, self, branch, route, to_tag != NULL ? ";tag=" : "",
	    to_tag != NULL ? to_tag : "",
	    strcmp(method, "ACK") == 0 ? "ACK" : method, self);
	phone_text(b, out);
}

/* INVITE by Path, CANCEL and ACK on its branch, replies with the inner Via
 * put back, BYE by the Record-Route of the phone's reply. */
static void
rings_over(struct gate *g, enum sip_proto proto)
{
	struct phone *p = gate_phone(g, proto), *b = g->b2bua[0];
	char path[512], uri[ADDR_TEXT + 16], self[ADDR_TEXT], want[256];
	char branch[256], route[512];

	addr_text(self, &p->self);
	snprintf(uri, sizeof uri, "sip:101@%s", self);
	addr_text(self, &b->self);
	phone_register(g, p, path, sizeof path);
	inside_ask(b, "INVITE", uri, "q1", path, NULL);
	assert_true(phone_recv(p, text) > 0);
	snprintf(want, sizeof want, "INVITE %s SIP/2.0", uri);
	assert_true(str_prefix(text, want));
	assert_null(header("Route"));
	assert_null(header("User-Agent"));
	assert_null(header_nth("Via", 1));
	assert_string_equal(header("Max-Forwards"), "69");
	snprintf(
	    want, sizeof want, "SIP/2.0/%s 127.0.0.1:", sip_proto_via(proto));
	assert_true(str_prefix(header("Via"), want));
	str_copy(branch, sizeof branch, param(header("Via"), "branch"));
	phone_reply(p, 180, "pt");
	assert_true(phone_recv(b, text) > 0);
	assert_int_equal(status(), 180);
	snprintf(want, sizeof want, "SIP/2.0/UDP %s;branch=z9hG4bKq1", self);
	assert_string_equal(header("Via"), want);
	assert_null(header("X-Tandem-User"));
	assert_non_null(strstr(header("Contact"), "101@127.0.0.1"));
	str_copy(route, sizeof route, header("Record-Route"));
	inside_ask(b, "CANCEL", uri, "q1", path, NULL);
	assert_true(phone_recv(p, text) > 0);
	assert_true(str_prefix(text, "CANCEL "));
	assert_string_equal(param(header("Via"), "branch"), branch);
	inside_ask(b, "ACK", uri, "q1", path, "pt");
	assert_true(phone_recv(p, text) > 0);
	assert_true(str_prefix(text, "ACK "));
	assert_string_equal(param(header("Via"), "branch"), branch);
	inside_ask(b, "BYE", uri, "q2", route, "pt");
	assert_true(phone_recv(p, text) > 0);
	assert_true(str_prefix(text, "BYE "));
	phone_reply(p, 200, "pt");
	assert_true(phone_recv(b, text) > 0);
	assert_non_null(strstr(header("Via"), ";branch=z9hG4bKq2"));
	assert_null(header("Record-Route"));
}

static void
every_transport_rings(void **state)
{
	struct gate g;
	unsigned i;

	(void)state;
	gate_init(&g);
	for (i = 0; i < SIP_PROTOS; i++)
		rings_over(&g, i);
	gate_fini(&g);
}

/* To a connection that is gone: 430 inside; a token of nobody likewise. */
static void
gone_flows_are_told(void **state)
{
	struct gate g;
	struct phone *p;
	char path[512];

	(void)state;
	gate_init(&g);
	p = phone_open(g.loop, SIP_TCP,
	    sip_listener_address(sip_listener_find(g.sg->transport,
		(uint32_t)str_hash_key(
		    (const uint8_t *)"tandem listener", "tcp", 3))),
	    NULL);
	phone_register(&g, p, path, sizeof path);
	phone_close(&p);
	while (sip_transport_count(g.sg->transport)->open > 0)
		phone_turn(g.sr, 10);
	assert_int_equal(g.sg->count.trusted, 0);
	inside_ask(g.b2bua[0], "INVITE", "sip:101@x", "g1", path, NULL);
	phone_recv(g.b2bua[0], text);
	assert_int_equal(status(), 430);
	inside_ask(g.b2bua[0], "INVITE", "sip:101@x", "g2",
	    "<sip:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@127.0.0.2;lr>",
	    NULL);
	phone_recv(g.b2bua[0], text);
	assert_int_equal(status(), 430);
	gate_fini(&g);
}

/* ---- what the gate answers itself -------------------------------------- */

static void
own_answers(void **state)
{
	static const struct {
		const char *method, *uri, *to_tag, *extra;
		int want;
	} rows[] = {
	    {"OPTIONS", "sip:demo.test", NULL, NULL, 200},
	    {"OPTIONS", "sip:102@demo.test", NULL, NULL, 407},
	    {"BYE", "sip:102@demo.test", "x", NULL, 481},
	    {"BYE", "sip:102@demo.test", NULL, NULL, 481},
	    {"INVITE", "sip:102@demo.test", "x", NULL, 481},
	    {"BOGUS", "sip:102@demo.test", NULL, NULL, 501},
	    {"INVITE", "http:102@demo.test", NULL, NULL, 416},
	    {"INVITE", "sip:102@demo.test", NULL, "Proxy-Require: a\r\n", 420},
	    {"MESSAGE", "sip:102@demo.test", NULL, NULL, 407},
	    {"INVITE", "tel:+1", NULL, NULL, 407},
	};
	struct gate g;
	struct phone *p;
	char call[16];
	unsigned i, j;

	(void)state;
	gate_init(&g);
	for (j = SIP_UDP; j <= SIP_TCP; j++) {
		p = gate_phone(&g, j);
		for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			snprintf(call, sizeof call, "own%u", i);
			phone_ask(p, rows[i].method, rows[i].uri, call, call, 1,
			    rows[i].to_tag, rows[i].extra);
			phone_recv(p, text);
			if (status() != rows[i].want)
				fail_msg("%s %s: %d", rows[i].method,
				    rows[i].uri, status());
			if (rows[i].want == 200)
				assert_non_null(header("Allow"));
			if (rows[i].want == 420)
				assert_string_equal(header("Unsupported"), "a");
		}
	}
	gate_fini(&g);
}

/* sips: is for connections that are secret to the gate at least. */
static void
sips_needs_tls(void **state)
{
	struct gate g;
	struct phone *p;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_TCP);
	phone_ask(p, "INVITE", "sips:102@demo.test", "a", "a", 1, NULL, NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 416);
	p = gate_phone(&g, SIP_TLS);
	phone_ask(p, "INVITE", "sips:102@demo.test", "b", "b", 1, NULL, NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 407);
	gate_fini(&g);
}

/* The inside is told which domain a Request-URI means: by a name of it, or an
 * address of the gate for the caller's own; nothing when it means none. */
static void
targets_are_told(void **state)
{
	static const struct {
		const char *uri, *want;
	} rows[] = {{"sip:102@demo.test", "demo.test"},
	    {"sip:102@ALIAS.test;x=y", "demo.test"},
	    {"sip:102@b.test", "b.test"}, {"sip:102@127.0.0.1", "demo.test"},
	    {"sip:102@demo.test:", "demo.test"},
	    {"sip:102@127.0.0.1:", "demo.test"}, {"tel:102", "demo.test"},
	    {"sip:102@out.test", "demo.test"}, {"sip:102@evil.test", NULL},
	    {"sip:102@10.9.9.9", NULL}, {"sip:102@demo.test:9", NULL},
	    {"sip:102@127.0.0.1:9", NULL}};
	struct gate g;
	struct phone *p;
	char uri[128], call[16], port[8];
	size_t i;

	(void)state;
	gate_init(&g);
	json_object_set_new(
	    json_array_get(json_object_get(g.feed, "listeners"), SIP_TLS),
	    "advertised", json_string("out.test"));
	gate_send_feed(&g);
	p = gate_phone(&g, SIP_TCP);
	phone_register(&g, p, NULL, 0);
	snprintf(port, sizeof port, "%u",
	    addr_port(sip_listener_address(sg_listener_next(g.sg, NULL)->sip)));
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snprintf(call, sizeof call, "t%zu", i);
		str_copy(uri, sizeof uri, rows[i].uri);
		if (uri[strlen(uri) - 1] == ':')
			str_copy(uri + strlen(uri), 8, port);
		phone_ask(p, "INVITE", uri, call, call, 1, NULL, NULL);
		assert_true(phone_recv(g.b2bua[0], text) > 0);
		if (rows[i].want == NULL)
			assert_null(header("X-Tandem-Target"));
		else
			assert_string_equal(
			    header("X-Tandem-Target"), rows[i].want);
		inside_reply(g.b2bua[0], 486, "t", NULL);
		phone_recv(p, text);
	}
	gate_fini(&g);
}

/* A plain OPTIONS over UDP learns what is spoken here (RFC 3261 11.2). */
static void
options_tell_abilities(void **state)
{
	static const char plain[] =
	    "OPTIONS sip:demo.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.1.1:5060;"
	    "branch=z9hG4bKabcdef0123456789;rport\r\nMax-Forwards: 70\r\n"
	    "From: <sip:101@demo.test>;tag=12345678\r\n"
	    "To: <sip:demo.test>\r\nCall-ID: 0123456789abcdef\r\n"
	    "CSeq: 1 OPTIONS\r\nContact: <sip:101@10.1.1.1:5060>\r\n"
	    "Accept: application/sdp\r\nContent-Length: 0\r\n\r\n";
	struct gate g;
	struct phone *p;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_UDP);
	phone_text(p, plain);
	assert_true(phone_recv(p, text) <= sizeof plain - 1 + 128);
	assert_int_equal(status(), 200);
	assert_non_null(strstr(header("Allow"), "UPDATE"));
	assert_non_null(header("Accept"));
	assert_non_null(header("k"));
	gate_fini(&g);
}

/* A datagram's answer is no longer than it was, a little slack aside. */
static void
answers_do_not_grow(void **state)
{
	static const char terse[] =
	    "OPTIONS sip:demo.test SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bKx;"
	    "rport\r\nf:<sip:a>;tag=1\r\nt:<sip:b>\r\ni:x\r\n"
	    "CSeq:1 OPTIONS\r\n\r\n";
	struct gate g;
	struct phone *p;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_UDP);
	phone_text(p, terse);
	assert_true(phone_recv(p, text) <= sizeof terse - 1 + 128);
	assert_int_equal(status(), 200);
	assert_null(header("Allow"));
	gate_fini(&g);
}

/* Without rport the answer goes to the port of sent-by, unless NAT shows. */
static void
answers_find_the_port(void **state)
{
	struct gate g;
	struct phone *from, *to;
	char out[1024];

	(void)state;
	gate_init(&g);
	from = gate_phone(&g, SIP_UDP);
	to = gate_phone(&g, SIP_UDP);
	snprintf(out, sizeof out,
	    "OPTIONS sip:demo.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;"
	    "branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\n"
	    "Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n",
	    addr_port(&to->self));
	phone_text(from, out);
	assert_true(phone_recv(to, text) > 0);
	phone_text(from,
	    "OPTIONS sip:demo.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;"
	    "branch=z9hG4bKy\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\n"
	    "Call-ID: y\r\nCSeq: 1 OPTIONS\r\n\r\n");
	assert_true(phone_recv(from, text) > 0);
	assert_non_null(strstr(header("Via"), ";received=127.0.0.1"));
	gate_fini(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_transport_registers),
	    cmocka_unit_test(old_nonces_are_stale),
	    cmocka_unit_test(unknown_domains_are_not_told),
	    cmocka_unit_test(old_phones_get_md5),
	    cmocka_unit_test(every_transport_calls),
	    cmocka_unit_test(trust_is_of_one_user),
	    cmocka_unit_test(every_transport_rings),
	    cmocka_unit_test(gone_flows_are_told),
	    cmocka_unit_test(own_answers),
	    cmocka_unit_test(sips_needs_tls),
	    cmocka_unit_test(targets_are_told),
	    cmocka_unit_test(options_tell_abilities),
	    cmocka_unit_test(answers_do_not_grow),
	    cmocka_unit_test(answers_find_the_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
