/* The gate under what is hostile, broken or changing. */
#include "tests/unit/sg_harness.h"

#define TORTURE "tests/data/torture/"

/* ---- torture ----------------------------------------------------------- */

static size_t
read_file(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL)
		fail_msg("%s: run from the top of the tree", path);
	n = fread(out, 1, size, f);
	fclose(f);
	return n;
}

/* An answer as a class: of what is well-formed, any that is not 400. */
static bool
is_of_class(int code, const char *class)
{
	if (strcmp(class, "pass") == 0)
		return code == 200 || code == 401 || code == 405 ||
		    code == 407 || code == 481 || code == 501;
	return code == atoi(class);
}

/* The gate is alive: a good request gets its answer. */
static void
gate_is_alive(struct phone *p, unsigned n)
{
	char call[32];

	snprintf(call, sizeof call, "alive%u", n);
	phone_ask(p, "OPTIONS", "sip:demo.test", call, call, 1, NULL, NULL);
	do {
		if (phone_recv(p, text) == 0)
			fail_msg("no answer after message %u", n);
	} while (status() != 200);
	assert_non_null(strstr(text, call));
}

/* What comes before the answer to a good request sent behind. */
static int
answer_before_next(struct phone *p, unsigned n)
{
	char call[32];
	int code = 0;

	snprintf(call, sizeof call, "next%u", n);
	phone_ask(p, "OPTIONS", "sip:demo.test", call, call, 1, NULL, NULL);
	while (phone_recv(p, text) > 0 && strstr(text, call) == NULL)
		code = status();
	return code;
}

typedef void torture_fn(struct gate *, const char *path, const char *class,
    const char *msg, size_t n, unsigned number);

static void
for_each_torture(struct gate *g, torture_fn *fn)
{
	char path[128], class[16], full[256];
	static char msg[20000];
	FILE *f = fopen(TORTURE "class", "r");
	unsigned seen = 0;
	size_t n;

	assert_non_null(f);
	while (fscanf(f, "%127s %15s", path, class) == 2) {
		snprintf(full, sizeof full, TORTURE "%s", path);
		n = read_file(full, msg, sizeof msg);
		fn(g, path, class, msg, n, seen++);
	}
	fclose(f);
	assert_int_equal(seen, 62);
}

static void
torture_udp(struct gate *g, const char *path, const char *class,
    const char *msg, size_t n, unsigned number)
{
	struct phone *p = g->phone[0];
	int code;

	phone_send(p, msg, n);
	code = answer_before_next(p, number);
	if (strcmp(class, "drop") == 0 ? code != 0 : !is_of_class(code, class))
		fail_msg("%s over UDP: %d, not %s", path, code, class);
}

/* Over a stream the message may also not end where it should: then it is
 * answered 400, or waited for; the next connection works. */
static void
torture_tcp(struct gate *g, const char *path, const char *class,
    const char *msg, size_t n, unsigned number)
{
	struct phone *p = gate_phone(g, SIP_TCP);
	bool waits = strstr(path, "clerr") != NULL ||
	    memmem(msg, n, "\r\n\r\n", 4) == NULL;
	int code;

	phone_send(p, msg, n);
	phone_turn(p, waits ? 50 : 1000);
	if (p->plain.len > 0)
		phone_recv(p, text);
	else
		text[0] = '\0';
	code = status();
	if (strcmp(class, "drop") == 0 || waits) {
		if (code != 0 && code != 400)
			fail_msg("%s over TCP: %d", path, code);
	} else if (code != 400 && !is_of_class(code, class)) {
		fail_msg("%s over TCP: %d, not %s", path, code, class);
	}
	g->nphones--;
	gate_look_through(p);
	phone_close(&p);
	p = gate_phone(g, SIP_TCP);
	gate_is_alive(p, number);
	g->nphones--;
	phone_close(&p);
}

/* Every message of RFC 4475 and 5118: no death, the right class of answer,
 * and the next good request works. */
static void
torture_is_survived(void **state)
{
	struct gate g;

	(void)state;
	gate_init(&g);
	gate_phone(&g, SIP_UDP);
	for_each_torture(&g, torture_udp);
	for_each_torture(&g, torture_tcp);
	gate_fini(&g);
}

/* ---- limits ------------------------------------------------------------ */

/* Over its rate a source is not heard; its neighbours would be. */
static void
floods_are_bounded(void **state)
{
	struct gate g;
	struct phone *p;
	char call[16];
	unsigned i;

	(void)state;
	gate_init(&g);
	json_decref(g.feed);
	g.feed = gate_make_feed(&g, 50);
	gate_send_feed(&g);
	p = gate_phone(&g, SIP_UDP);
	for (i = 0; i < 2000; i++) {
		snprintf(call, sizeof call, "f%u", i);
		phone_ask(
		    p, "OPTIONS", "sip:demo.test", call, call, 1, NULL, NULL);
		if (i % 50 == 0)
			phone_turn(p, 5);
	}
	while (!phone_silent(p, 50))
		phone_recv(p, text);
	assert_true(g.sg->count.answered >= 100);
	assert_true(g.sg->count.answered < 400);
	assert_true(g.sg->count.over_rate > 1000);
	gate_fini(&g);
}

/* A stream over its rate waits, and loses nothing. */
static void
fast_streams_wait(void **state)
{
	static const enum sip_proto protos[] = {SIP_TCP, SIP_TLS, SIP_WS};
	struct gate g;
	struct phone *p;
	char call[16];
	unsigned i, j;

	(void)state;
	gate_init(&g);
	json_decref(g.feed);
	g.feed = gate_make_feed(&g, 200);
	gate_send_feed(&g);
	for (j = 0; j < 3; j++) {
		if (g.sg->guard.newest != NULL) /* a full bucket again */
			g.sg->guard.newest->tokens = 400 * 1000;
		p = gate_phone(&g, protos[j]);
		for (i = 0; i < 450; i++) {
			snprintf(call, sizeof call, "s%u-%u", j, i);
			phone_ask(p, "OPTIONS", "sip:demo.test", call, call, 1,
			    NULL, NULL);
		}
		for (i = 0; i < 450; i++) {
			assert_true(phone_recv(p, text) > 0);
			snprintf(call, sizeof call, "s%u-%u", j, i);
			assert_string_equal(header("Call-ID"), call);
		}
	}
	assert_true(g.sg->count.paused > 0);
	assert_int_equal(g.sg->count.over_rate, 0);
	gate_fini(&g);
}

#define WRONG "X-Tandem-Refused: credentials\r\n"

/* The registrar says 403 to credentials; why: a line for the gate alone. */
static void
refused_register(struct gate *g, struct phone *p, unsigned n, const char *why)
{
	char call[16];

	snprintf(call, sizeof call, "w%u", n);
	phone_ask(p, "REGISTER", "sip:demo.test", call, call, 1, NULL, NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 401);
	phone_ask(p, "REGISTER", "sip:demo.test", call, call, 2, NULL,
	    answer_challenge("Authorization"));
	assert_true(phone_recv(g->sr, text) > 0);
	inside_reply(g->sr, 403, "sr", why);
	phone_recv(p, text);
	assert_int_equal(status(), 403);
}

static void
wrong_password(struct gate *g, struct phone *p, unsigned n)
{
	refused_register(g, p, n, WRONG);
}

struct ran {
	bool done;
	json_t *rows;
	struct err e;
};

static void
on_ran(void *arg, struct op_call *call, const struct err *e)
{
	struct ran *r = arg;

	r->done = true;
	r->rows = json_incref(call->rows);
	if (e != NULL)
		r->e = *e;
}

/* Run an operation of the gate. */
static struct ran
try(struct gate *g, const char *name, const char *arg, const char *value)
{
	const struct op *const *op = sg_role.ops;
	struct op_who who = {.name = "t", .role = ADMIN_SITE};
	struct ran r = {0};
	json_t *args = json_object();

	if (arg != NULL)
		json_object_set_new(args, arg, json_string(value));
	while (*op != NULL && strcmp((*op)->name, name) != 0)
		op++;
	assert_non_null(*op);
	op_run(*op, args, &who, &g->self, on_ran, &r);
	json_decref(args);
	assert_true(r.done);
	return r;
}

/* The rows of an operation. */
static json_t *
operate(struct gate *g, const char *name, const char *arg, const char *value)
{
	struct ran r = try(g, name, arg, value);

	if (r.e.code != ERR_NONE)
		fail_msg("%s: %s", name, r.e.text);
	return r.rows;
}

/* What the operation names is not there. */
static void
absent(struct gate *g, const char *name, const char *arg, const char *value)
{
	struct ran r = try(g, name, arg, value);

	assert_int_equal(r.e.code, ERR_ABSENT);
	json_decref(r.rows);
}

static const char *
cell(json_t *rows, size_t row, const char *col)
{
	const char *s = json_string_value(
	    json_object_get(json_array_get(rows, row), col));

	return s != NULL ? s : "";
}

/* Guessing passwords ends in a ban: datagrams dropped, connections closed
 * and refused, until it is lifted. */
static void
guessing_is_banned(void **state)
{
	struct gate g;
	struct phone *udp, *tcp, *late;
	json_t *rows;
	unsigned i;

	(void)state;
	gate_init(&g);
	udp = gate_phone(&g, SIP_UDP);
	tcp = gate_phone(&g, SIP_TCP);
	gate_is_alive(tcp, 0);
	for (i = 0; i < 20; i++)
		wrong_password(&g, udp, i);
	assert_true(phone_wait_closed(tcp));
	phone_ask(udp, "OPTIONS", "sip:demo.test", "x", "x", 1, NULL, NULL);
	assert_true(phone_silent(udp, 100));
	late = gate_phone(&g, SIP_TCP);
	assert_true(phone_wait_closed(late));
	rows = operate(&g, "show bans", NULL, NULL);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(cell(rows, 0, "address"), "127.0.0.1");
	assert_string_equal(cell(rows, 0, "cause"), "wrong passwords");
	json_decref(rows);
	rows = operate(&g, "request unban", "address", "127.0.0.1");
	assert_int_equal(json_array_size(rows), 1);
	json_decref(rows);
	absent(&g, "request unban", "address", "127.0.0.1");
	gate_is_alive(udp, 1);
	gate_fini(&g);
}

/* Bytes that are no SIP get nothing; a stream of them is closed. */
static void
garbage_is_dropped(void **state)
{
	struct gate g;
	struct phone *p;
	unsigned i;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_UDP);
	for (i = 0; i < 20; i++)
		phone_text(p, "\x16\x03\x01 not SIP at all");
	phone_send(p, "\0\0\0\0", 4);
	phone_text(p, "\r\n\r\n");
	gate_is_alive(p, 0);
	assert_int_equal(g.sg->count.garbage, 20);
	assert_int_equal(sip_transport_count(g.sg->transport)->pings, 2);
	p = gate_phone(&g, SIP_TCP);
	phone_text(p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(phone_wait_closed(p));
	assert_int_equal(p->raw.len, 0);
	p = gate_phone(&g, SIP_WS);
	phone_text(p, "hello");
	assert_true(phone_wait_closed(p));
	gate_fini(&g);
}

/* Lost framing: 400, and 513 for what is too long, then the end. */
static void
broken_streams_are_told(void **state)
{
	static char big[PHONE_SIZE];
	struct gate g;
	struct phone *p;
	int n;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_TCP);
	phone_text(p,
	    "OPTIONS sip:demo.test SIP/2.0\r\nVia: SIP/2.0/TCP h;branch="
	    "z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: "
	    "x\r\nCSeq: 1 OPTIONS\r\n\r\n");
	phone_recv(p, text);
	assert_int_equal(status(), 400);
	assert_true(phone_wait_closed(p));
	p = gate_phone(&g, SIP_TCP);
	n = snprintf(big, sizeof big,
	    "MESSAGE sip:102@demo.test SIP/2.0\r\nVia: SIP/2.0/TCP h;branch="
	    "z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: "
	    "x\r\nCSeq: 1 MESSAGE\r\nContent-Length: 61000\r\n\r\n");
	memset(big + n, 'x', 61000);
	phone_send(p, big, (size_t)n + 61000);
	phone_recv(p, text);
	assert_int_equal(status(), 513);
	phone_text(p,
	    "MESSAGE sip:102@demo.test SIP/2.0\r\nVia: SIP/2.0/TCP h;branch="
	    "z9hG4bK2\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: "
	    "x\r\nCSeq: 1 MESSAGE\r\nContent-Length: 99999999\r\n\r\n");
	phone_recv(p, text);
	assert_int_equal(status(), 513);
	assert_true(phone_wait_closed(p));
	gate_fini(&g);
}

/* Late loop: new calls are refused, everything else goes on. */
static void
overload_sheds_calls_first(void **state)
{
	struct gate g;
	struct phone *p;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_TCP);
	phone_register(&g, p, NULL, 0);
	g.sg->late = CLOCK_SEC;
	phone_ask(p, "INVITE", "sip:102@demo.test", "s", "s", 1, NULL, NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 503);
	assert_non_null(header("Retry-After"));
	g.sg->late = CLOCK_SEC;
	phone_ask(p, "REGISTER", "sip:demo.test", "t", "t", 1, NULL, NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 401);
	assert_int_equal(g.sg->count.shed, 1);
	gate_fini(&g);
}

/* ---- owners that come and go ------------------------------------------- */

/* What came over a stream is repeated until it is answered, and at once when
 * another serves; the phone notices nothing. */
static void
streams_survive_the_registrar(void **state)
{
	struct gate g;
	struct phone *p, *next;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_WSS);
	phone_ask(p, "REGISTER", "sip:demo.test", "a", "h", 1, NULL, NULL);
	phone_recv(p, text);
	phone_ask(p, "REGISTER", "sip:demo.test", "b", "h", 2, NULL,
	    answer_challenge("Authorization"));
	assert_true(phone_recv(g.sr, text) > 0);
	assert_true(phone_recv(g.sr, text) > 0); /* T1 later, again */
	assert_non_null(strstr(header("CSeq"), "2 REGISTER"));
	next = gate_inside(&g);
	gate_put(&g, "sr", next, OWNER_SERVING, 2);
	gate_is_alive(p, 7); /* this message reads the map before us */
	g.sg->holds.first->due += 3600 * CLOCK_SEC;
	sg_role.on_owners(&g.self);
	assert_true(phone_recv(next, text) > 0);
	assert_int_equal(g.sg->holds.count, 1);
	inside_reply(next, 200, "sr", "Contact: <sip:1@h>;expires=60\r\n");
	assert_true(phone_recv(p, text) > 0);
	assert_int_equal(status(), 200);
	assert_int_equal(g.sg->holds.count, 0);
	phone_close(&next);
	gate_fini(&g);
}

/* In a dialog the Request-URI follows the instance to where it is adopted. */
static void
dialogs_follow_their_adopter(void **state)
{
	struct gate g;
	struct phone *p;
	char contact[256], want[256], self[ADDR_TEXT];

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_TCP);
	phone_register(&g, p, NULL, 0);
	phone_ask(p, "INVITE", "sip:102@demo.test", "i", "i", 1, NULL, NULL);
	assert_true(phone_recv(g.b2bua[0], text) > 0);
	addr_text(self, &g.b2bua[0]->self);
	snprintf(want, sizeof want, "Contact: <sip:b2bua-1@%s>\r\n", self);
	inside_reply(g.b2bua[0], 200, "bt", want);
	phone_recv(p, text);
	snprintf(contact, sizeof contact, "%s", header("Contact"));
	contact[strlen(contact) - 1] = '\0';
	gate_own(&g, "calls/b2bua-1", NULL, OWNER_CLAIMING, 2);
	phone_ask(p, "BYE", contact + 1, "j", "i", 2, "bt", NULL);
	assert_true(phone_silent(g.b2bua[1], 50));
	gate_own(&g, "calls/b2bua-1", g.b2bua[1], OWNER_SERVING, 2);
	assert_true(phone_recv(g.b2bua[1], text) > 0);
	addr_text(self, &g.b2bua[1]->self);
	snprintf(want, sizeof want, "BYE sip:b2bua-1@%s SIP/2.0", self);
	assert_true(str_prefix(text, want));
	inside_reply(g.b2bua[1], 200, NULL, NULL);
	phone_recv(p, text);
	assert_int_equal(status(), 200);
	gate_fini(&g);
}

/* A failure that a phone says once over a stream is said until its ACK. */
static void
failures_are_held_until_the_ack(void **state)
{
	struct gate g;
	struct phone *p, *b;
	char path[512], out[2048], self[ADDR_TEXT];
	static const char *const methods[] = {"INVITE", "ACK"};
	unsigned i;

	(void)state;
	gate_init(&g);
	b = g.b2bua[0];
	p = gate_phone(&g, SIP_WS);
	phone_register(&g, p, path, sizeof path);
	addr_text(self, &b->self);
	for (i = 0; i < 2; i++) {
		snprintf(out, sizeof out,
		    "%s sip:101@x SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch="
		    "z9hG4bKheld\r\nRoute: %s\r\nFrom: <sip:a@b>;tag=1\r\n"
		    "To: <sip:101@b>%s\r\nCall-ID: z\r\nCSeq: 1 %s\r\n"
		    "Max-Forwards: 9\r\nContent-Length: 0\r\n\r\n",
		    methods[i], self, path, i > 0 ? ";tag=pt" : "", methods[i]);
		phone_text(b, out);
		assert_true(phone_recv(p, text) > 0);
		if (i > 0)
			break;
		phone_reply(p, 486, "pt");
		assert_true(phone_recv(b, text) > 0);
		assert_int_equal(status(), 486);
		assert_true(phone_recv(b, text) > 0); /* again */
		assert_int_equal(status(), 486);
		assert_int_equal(g.sg->holds.count, 1);
	}
	assert_int_equal(g.sg->holds.count, 0);
	gate_fini(&g);
}

/* Nobody there for a moment: a datagram is left to be repeated. Nobody at
 * all: 503. */
static void
absence_is_told_late(void **state)
{
	struct gate g;
	struct phone *p;
	unsigned i;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_UDP);
	phone_ask(p, "REGISTER", "sip:demo.test", "a", "n", 1, NULL, NULL);
	phone_recv(p, text);
	gate_own(&g, "sr", NULL, OWNER_DOWN, 1);
	phone_ask(p, "REGISTER", "sip:demo.test", "b", "n", 2, NULL,
	    answer_challenge("Authorization"));
	assert_true(phone_silent(p, 100));
	for (i = 0; i < g.sg->route.count; i++)
		g.sg->route.owner[i].since -= SG_PATIENCE;
	phone_ask(p, "REGISTER", "sip:demo.test", "b", "n", 2, NULL,
	    "Authorization: x\r\n");
	phone_recv(p, text);
	assert_int_equal(status(), 401);
	phone_ask(p, "REGISTER", "sip:demo.test", "c", "n", 3, NULL,
	    answer_challenge("Authorization"));
	phone_recv(p, text);
	assert_int_equal(status(), 503);
	assert_non_null(header("Retry-After"));
	gate_fini(&g);
}

/* ---- what control changes ---------------------------------------------- */

static json_t *
feed_listener(struct gate *g, const char *name)
{
	json_t *l;
	size_t i;

	json_array_foreach (json_object_get(g->feed, "listeners"), i, l) {
		if (strcmp(json_string_value(json_object_get(l, "name")),
			name) == 0)
			return l;
	}
	return NULL;
}

static void
feed_without(struct gate *g, const char *name)
{
	json_t *l, *rows = json_object_get(g->feed, "listeners");
	size_t i;

	json_array_foreach (rows, i, l) {
		if (l == feed_listener(g, name)) {
			json_array_remove(rows, i);
			return;
		}
	}
	fail_msg("no listener %s", name);
}

/* A feed opens, moves, certifies and closes listeners; connections of those
 * that stay go on. */
static void
feeds_change_listeners(void **state)
{
	struct gate g;
	struct phone *tcp, *tls, *ws;
	json_t *rows;
	char *chain, *key, *hex;
	size_t i, errors = 0;

	(void)state;
	gate_init(&g);
	tcp = gate_phone(&g, SIP_TCP);
	tls = gate_phone(&g, SIP_TLS);
	ws = gate_phone(&g, SIP_WS);
	gate_is_alive(tcp, 1);
	/* Another certificate for tls, none that opens for wss, ws goes. */
	cert_make("new.test", &chain, &key);
	free(g.key);
	g.key = key;
	hex = gate_sealed_key(&g, "c2");
	json_object_set_new(
	    feed_listener(&g, "tls"), "chain", json_string(chain));
	json_object_set_new(
	    feed_listener(&g, "tls"), "certificate", json_string("c2"));
	json_object_set_new(feed_listener(&g, "tls"), "key", json_string(hex));
	json_object_set_new(
	    feed_listener(&g, "wss"), "key", json_string("00ff"));
	json_object_set_new(
	    feed_listener(&g, "wss"), "advertised", json_string("w.test"));
	feed_without(&g, "ws");
	json_object_set_new(
	    feed_listener(&g, "udp"), "advertised", json_string("phones.test"));
	gate_send_feed(&g);
	assert_true(phone_wait_closed(ws));
	gate_is_alive(tcp, 2);
	gate_is_alive(tls, 3);
	tls = gate_phone(&g, SIP_TLS);
	gate_is_alive(tls, 4);
	rows = operate(&g, "show listeners", NULL, NULL);
	assert_int_equal(json_array_size(rows), 4);
	for (i = 0; i < 4; i++) {
		if (strcmp(cell(rows, i, "listener"), "udp") == 0)
			assert_true(
			    str_prefix(cell(rows, i, "told"), "phones.test:"));
		errors += cell(rows, i, "error")[0] != '\0';
	}
	assert_int_equal(errors, 1);
	json_decref(rows);
	free(chain);
	free(hex);
	gate_fini(&g);
}

/* One domain changes alone. */
static void
feeds_change_domains(void **state)
{
	struct gate g;
	struct phone *p;
	json_t *change = json_pack("{s:s,s:[],s:s,s:s}", "name", "demo.test",
	    "alias", "realm", "was.test", "state", "on");

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_UDP);
	sg_role.on_request(&g.self, &g.control, NULL, "feed-domain", change);
	phone_ask(p, "REGISTER", "sip:demo.test", "a", "n", 1, NULL, NULL);
	phone_recv(p, text);
	assert_string_equal(
	    param(header("WWW-Authenticate"), "realm"), "was.test");
	json_object_set_new(change, "state", json_null());
	sg_role.on_request(&g.self, &g.control, NULL, "feed-domain", change);
	assert_null(sg_domain_by_host(
	    &g.sg->domains, (struct scan_span){"demo.test", 9}));
	json_decref(change);
	gate_fini(&g);
}

/* A 403 that is not about credentials is no wrong password. */
static void
other_refusals_ban_nobody(void **state)
{
	struct gate g;
	struct phone *p;
	unsigned i;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_UDP);
	for (i = 0; i < 30; i++)
		refused_register(&g, p, i, NULL);
	assert_int_equal(g.sg->count.bans_made, 0);
	gate_fini(&g);
}

/* What somebody else sends to the inside port goes nowhere and is counted. */
static void
strangers_are_not_heard(void **state)
{
	struct gate g;
	struct phone *p, *other;
	unsigned turn = 0;

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_TCP);
	other = gate_stranger(&g);
	phone_text(other, "OPTIONS sip:101@x SIP/2.0\r\n\r\n");
	while (g.self.ears.strangers == 0 && turn < 100)
		gate_is_alive(p, ++turn);
	assert_int_equal(g.self.ears.strangers, 1);
	assert_int_equal(g.sg->count.inside_in, 0);
	phone_close(&other);
	gate_fini(&g);
}

/* A phone that knows only an address belongs to the listener's domain. */
static void
addresses_mean_the_default_domain(void **state)
{
	struct gate g;
	struct phone *p;

	(void)state;
	gate_init(&g);
	json_object_set_new(
	    feed_listener(&g, "tcp"), "domain", json_string("b.test"));
	gate_send_feed(&g);
	p = gate_phone(&g, SIP_TCP);
	phone_text(p,
	    "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h;branch="
	    "z9hG4bKx\r\nFrom: <sip:1@127.0.0.1>;tag=1\r\nTo: <sip:1@"
	    "127.0.0.1>\r\nCall-ID: u\r\nCSeq: 1 REGISTER\r\n"
	    "Content-Length: 0\r\n\r\n");
	phone_recv(p, text);
	assert_string_equal(
	    param(header("WWW-Authenticate"), "realm"), "b.test");
	gate_fini(&g);
}

/* Connections are listed with their users and can be closed by name. */
static void
flows_are_shown_and_closed(void **state)
{
	struct gate g;
	struct phone *p, *other;
	json_t *rows;
	char flow[32];

	(void)state;
	gate_init(&g);
	p = gate_phone(&g, SIP_TLS);
	other = gate_phone(&g, SIP_TCP);
	gate_is_alive(other, 1);
	phone_register(&g, p, NULL, 0);
	rows = operate(&g, "show flows", NULL, NULL);
	assert_int_equal(json_array_size(rows), 2);
	json_decref(rows);
	rows = operate(&g, "show flows", "user", "101");
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(cell(rows, 0, "user"), "101@demo.test");
	assert_string_equal(cell(rows, 0, "transport"), "tls");
	assert_string_equal(cell(rows, 0, "instance"), "sg/1");
	str_copy(flow, sizeof flow, cell(rows, 0, "flow"));
	json_decref(rows);
	rows = operate(&g, "request flow close", "flow", flow);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(cell(rows, 0, "user"), "101@demo.test");
	json_decref(rows);
	assert_true(phone_wait_closed(p));
	absent(&g, "request flow close", "flow", flow);
	gate_is_alive(other, 2);
	gate_fini(&g);
}

/* The error of the listener over TLS. */
static bool
tls_has_error(struct gate *g)
{
	json_t *rows = operate(g, "show listeners", NULL, NULL);
	bool has = false;
	size_t i;

	for (i = 0; i < json_array_size(rows); i++) {
		if (strcmp(cell(rows, i, "transport"), "tls") == 0)
			has = cell(rows, i, "error")[0] != '\0';
	}
	json_decref(rows);
	return has;
}

/* A new certificate that is of no use: the listener goes on with the one it
 * had and says so, until it gets a good one. */
static void
useless_certificates_show(void **state)
{
	struct gate g;
	json_t *tls;

	(void)state;
	gate_init(&g);
	tls = json_array_get(json_object_get(g.feed, "listeners"), SIP_TLS);
	assert_false(tls_has_error(&g));
	json_object_set_new(tls, "chain", json_string("junk"));
	gate_send_feed(&g);
	assert_true(tls_has_error(&g));
	gate_is_alive(gate_phone(&g, SIP_TLS), 1);
	json_object_set_new(tls, "chain", json_string(g.chain));
	gate_send_feed(&g);
	assert_false(tls_has_error(&g));
	gate_fini(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(torture_is_survived),
	    cmocka_unit_test(useless_certificates_show),
	    cmocka_unit_test(floods_are_bounded),
	    cmocka_unit_test(fast_streams_wait),
	    cmocka_unit_test(guessing_is_banned),
	    cmocka_unit_test(garbage_is_dropped),
	    cmocka_unit_test(broken_streams_are_told),
	    cmocka_unit_test(overload_sheds_calls_first),
	    cmocka_unit_test(streams_survive_the_registrar),
	    cmocka_unit_test(dialogs_follow_their_adopter),
	    cmocka_unit_test(failures_are_held_until_the_ack),
	    cmocka_unit_test(absence_is_told_late),
	    cmocka_unit_test(feeds_change_listeners),
	    cmocka_unit_test(feeds_change_domains),
	    cmocka_unit_test(other_refusals_ban_nobody),
	    cmocka_unit_test(strangers_are_not_heard),
	    cmocka_unit_test(addresses_mean_the_default_domain),
	    cmocka_unit_test(flows_are_shown_and_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
