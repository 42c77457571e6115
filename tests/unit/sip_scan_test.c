/* The lazy scanner and the splice editor, called with bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/sip/scan.h"

#define TORTURE "tests/data/torture/"

static struct scan scan;
static char store[70000];

/* Scan a copy of the text, which the result points into. */
static int
scan_text(const char *text, size_t n)
{
	assert_true(n < sizeof store);
	memcpy(store, text, n);
	store[n] = '\0';
	return scan_message(&scan, store, n);
}

static void
span_is(struct scan_span s, const char *want)
{
	char text[512];

	assert_true(s.n < sizeof text);
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	assert_string_equal(text, want);
}

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

#define REQUEST                                                      \
	"INVITE sip:102@demo.test SIP/2.0\r\n"                       \
	"Via: SIP/2.0/UDP 10.0.0.7:5062;branch=z9hG4bKabc;rport\r\n" \
	"Via: SIP/2.0/TCP [2001:db8::1]:5080;branch=z9hG4bKlow\r\n"  \
	"Max-Forwards: 70\r\n"                                       \
	"f: \"A; <b>\" <sip:101@demo.test;x=y>;tag=ft\r\n"           \
	"To: <sip:102@demo.test>\r\n"                                \
	"i: 12345@10.0.0.7\r\n"                                      \
	"CSeq: 7 INVITE\r\n"                                         \
	"m: <sip:101@10.0.0.7:5062>\r\n"                             \
	"X-Tandem-User: 100\r\n"                                     \
	"Content-Length: 5\r\n"                                      \
	"\r\n"                                                       \
	"v=0\r\n"

/* What a border must know of a plain request is where the text has it. */
static void
request_is_picked(void **state)
{
	(void)state;
	assert_int_equal(scan_text(REQUEST, strlen(REQUEST)), 0);
	assert_true(scan.request);
	assert_false(scan.odd);
	assert_int_equal(scan.method, SCAN_INVITE);
	span_is(scan.uri.user, "102");
	span_is(scan.uri.host, "demo.test");
	span_is(scan.via.transport, "UDP");
	span_is(scan.via.host, "10.0.0.7");
	assert_int_equal(scan.via.port, 5062);
	span_is(scan.via.branch, "z9hG4bKabc");
	assert_true(scan.via.has_rport);
	span_is(scan.via.rport, ";rport");
	span_is(scan.from.display, "\"A; <b>\"");
	span_is(scan.from.uri.user, "101");
	span_is(scan.from_tag, "ft");
	assert_int_equal(scan.to_tag.n, 0);
	span_is(scan.call_id, "12345@10.0.0.7");
	assert_int_equal(scan.cseq, 7);
	assert_int_equal(scan.max_forwards, 70);
	assert_int_equal(scan.nlines, 10);
	assert_int_equal(scan.size - scan.body, 5);
}

/* Of a response the method is that of its CSeq. */
static void
response_is_picked(void **state)
{
	static const char text[] = "SIP/2.0 183 Session Progress\r\n"
				   "v: SIP/2.0/UDP h:5060;branch=z9hG4bK1\r\n"
				   "f: <sip:a@h>;tag=1\r\n"
				   "t: <sip:b@h>;tag=2\r\n"
				   "i: x\r\nCSeq: 1 INVITE\r\n\r\n";

	(void)state;
	assert_int_equal(scan_text(text, sizeof text - 1), 0);
	assert_false(scan.request);
	assert_int_equal(scan.status, 183);
	assert_int_equal(scan.method, SCAN_INVITE);
	span_is(scan.to_tag, "2");
}

/* A folded line is one line, joined by blanks, lengths unchanged. */
static void
folded_lines_are_joined(void **state)
{
	static const char text[] =
	    "OPTIONS sip:h SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP\r\n  h;\r\n\tbranch=z9hG4bK1\r\n"
	    "f : <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\n"
	    "i: x\r\nCSeq: 1\r\n OPTIONS\r\n\r\n";

	(void)state;
	assert_int_equal(scan_text(text, sizeof text - 1), 0);
	assert_true(scan.odd);
	assert_int_equal(scan.nlines, 5);
	span_is(scan.via.branch, "z9hG4bK1");
	assert_int_equal(scan.size, sizeof text - 1);
	assert_null(memchr(
	    store + scan.line[0].at, '\n', scan.line[0].end - scan.line[0].at));
}

/* What another reader could take for a line of its own is refused. */
static void
hidden_lines_are_refused(void **state)
{
	static const char *const hide[] = {
	    "\nX-Tandem-User: 1", "\rX: 1", "\n\nbody", "\x01", "\x0b"};
	char text[1024];
	unsigned i;
	int n;

	(void)state;
	for (i = 0; i < sizeof hide / sizeof hide[0]; i++) {
		n = snprintf(text, sizeof text,
		    "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n"
		    "Subject: a%s\r\nf: <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\n"
		    "i: x\r\nCSeq: 1 OPTIONS\r\n\r\n",
		    hide[i]);
		assert_int_equal(scan_text(text, (size_t)n), -ERR_SYNTAX);
		assert_int_equal(scan.refuse, 400);
	}
	n = snprintf(text, sizeof text, "OPTIONS sip:h SIP/2.0\r\nS: a#b\r\n");
	text[strcspn(text, "#")] = '\0';
	assert_int_equal(scan_text(text, (size_t)n), -ERR_SYNTAX);
	assert_null(memchr(store, '\0', (size_t)n));
}

/* Bytes that are not SIP have no answer. */
static void
garbage_is_no_message(void **state)
{
	static const char *const bad[] = {"", "\r\n\r\n",
	    "GET / HTTP/1.1\r\n\r\n", "SIP/2.0 99 Low\r\n\r\n",
	    "SIP/2.0 700 High\r\n\r\n", "SIP/2.0 20O K\r\n\r\n",
	    "INVITE sip:a@b\r\n\r\n", "INVITE", "INVITE sip:a@b SIP/2.0",
	    "\x16\x03\x01\x02"};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(
		    scan_text(bad[i], strlen(bad[i])), -ERR_UNKNOWN);
}

/* Those that are well-formed and refused for what they ask for. */
static bool
is_for_the_gate(const char *path)
{
	return strstr(path, "intmeth") != NULL ||
	    strstr(path, "unksm2") != NULL;
}

/* Each torture message is taken or refused as its class says. */
static void
torture_has_its_class(void **state)
{
	char path[128], class[16], full[256], text[20000];
	FILE *f = fopen(TORTURE "class", "r");
	unsigned seen = 0;
	int r, status;
	size_t n;

	(void)state;
	assert_non_null(f);
	while (fscanf(f, "%127s %15s", path, class) == 2) {
		snprintf(full, sizeof full, TORTURE "%s", path);
		n = read_file(full, text, sizeof text);
		r = scan_text(text, n);
		status = atoi(class);
		seen++;
		if (is_for_the_gate(path))
			continue;
		if (status == 400 || status == 416 || status == 505) {
			if (r != -ERR_SYNTAX || scan.refuse != status)
				fail_msg("%s: %d %d", path, r, scan.refuse);
		} else if (strcmp(class, "drop") == 0) {
			if (r == 0 && scan.request)
				fail_msg("%s: taken", path);
		} else if (r != 0) {
			fail_msg("%s: %s", path, scan.err.text);
		}
	}
	fclose(f);
	assert_int_equal(seen, 62);
}

/* Addresses that are none are refused; those that are, are taken apart. */
static void
addresses_are_checked(void **state)
{
	static const char *const good[] = {"sip:a@b", "<sip:b>",
	    "sips:a@b:5061",
	    "\"x\\\"y\" <sip:a@[::1]:5060;transport=tcp>;tag=1",
	    "Bob Smith <sip:b@h>", "tel:+123;phone-context=x", "<tel:112>",
	    "caller<sip:c@h>;tag=3", "sip:a;b@h", "<sip:%61;x=1@h?a=b>"};
	static const char *const bad[] = {"", "a@b", "sip:", "<sip:a@b",
	    "\"x <sip:a@b>", "sip:a@b?x=y", "<sip:a@b>x", "< sip:a@b>",
	    "sip:a@b:0", "sip:a@b:65536", "sip:a@[::1", "sip:a@[1.2.3.4]",
	    "sip:@h", "Bell, A <sip:a@b>", "<sip:a b@c>", "sip:a@b;;tag=1",
	    "<<sip:a@b>>"};
	struct scan_address a;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof good[0]; i++) {
		/* A bare addr-spec ends at its first ';' (RFC 3261 20). */
		if (!scan_address(&a, good[i], strlen(good[i])) &&
		    strcmp(good[i], "sip:a;b@h") != 0)
			fail_msg("refused: %s", good[i]);
	}
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (scan_address(&a, bad[i], strlen(bad[i])) && *a.end != ',')
			fail_msg("taken: %s", bad[i]);
	}
}

/* Items of a list: commas in quotes and brackets do not divide. */
static void
lists_are_divided(void **state)
{
	const char *list = "<sip:a,b@h>;x=1 , \"c,d\" <sip:e>,,<sip:f>";
	const char *at = list, *end = list + strlen(list);
	struct scan_span item;

	(void)state;
	assert_true(scan_item(&at, end, &item));
	span_is(item, "<sip:a,b@h>;x=1");
	assert_true(scan_item(&at, end, &item));
	span_is(item, "\"c,d\" <sip:e>");
	assert_true(scan_item(&at, end, &item));
	span_is(item, "<sip:f>");
	assert_false(scan_item(&at, end, &item));
}

/* Credentials are read name by name, without quotes. */
static void
credentials_are_read(void **state)
{
	const char *text = "realm=\"a, b\", nonce=xyz ,qop=auth";
	const char *at = text, *end = text + strlen(text);
	struct scan_span name, value;

	(void)state;
	assert_true(scan_auth(&at, end, &name, &value));
	span_is(name, "realm");
	span_is(value, "a, b");
	assert_true(scan_auth(&at, end, &name, &value));
	span_is(value, "xyz");
	assert_true(scan_auth(&at, end, &name, &value));
	span_is(value, "auth");
	assert_false(scan_auth(&at, end, &name, &value));
}

/* Every row is found under its name in any case and its compact form. */
static void
headers_are_found(void **state)
{
	char name[64], compact;
	unsigned id, i;

	(void)state;
	for (id = 1; id < SCAN_HEADERS; id++) {
		snprintf(name, sizeof name, "%s", scan_header_name(id));
		assert_int_equal(scan_header_find(name, strlen(name)), id);
		for (i = 0; name[i] != '\0'; i++)
			name[i] = name[i] >= 'a' && name[i] <= 'z'
			    ? (char)(name[i] - 32)
			    : name[i];
		assert_int_equal(scan_header_find(name, strlen(name)), id);
	}
	compact = 'V';
	assert_int_equal(scan_header_find(&compact, 1), SCAN_VIA);
	assert_int_equal(scan_header_find("X-Tandem-User", 13), SCAN_OTHER);
	assert_int_equal(scan_header_find("1", 1), SCAN_OTHER);
	assert_int_equal(scan_header_find("Server", 6), SCAN_OTHER);
	assert_int_equal(scan_header_flags(SCAN_OTHER), 0);
}

/* Edits given in any order come out at their places. */
static void
edits_are_spliced(void **state)
{
	struct splice s;
	char out[64];
	long n;

	(void)state;
	splice_init(&s, "0123456789", 10);
	splice_put(&s, 10, "end", 3);
	splice_cut(&s, 2, 3);
	splice_fmt(&s, 2, "<%d>", 7);
	splice_put(&s, 0, "a", 1);
	splice_put(&s, 0, "b", 1);
	splice_cut(&s, 4, 2);
	n = splice_out(&s, out, sizeof out);
	assert_int_equal(n, 14);
	assert_memory_equal(out, "ab01<7>6789end", 14);
	assert_int_equal(splice_out(&s, out, 13), -1);
}

/* An edit that does not fit spoils the whole, never a part of it. */
static void
edits_are_bounded(void **state)
{
	static char big[SPLICE_NOTES + 1];
	struct splice s;
	char out[512];
	unsigned i;

	(void)state;
	splice_init(&s, "0123456789", 10);
	splice_cut(&s, 8, 3);
	assert_int_equal(splice_out(&s, out, sizeof out), -1);
	splice_init(&s, "0123456789", 10);
	splice_put(&s, 11, "x", 1);
	assert_int_equal(splice_out(&s, out, sizeof out), -1);
	splice_init(&s, "0123456789", 10);
	splice_put(&s, 0, big, sizeof big);
	assert_int_equal(splice_out(&s, out, sizeof out), -1);
	splice_init(&s, "0123456789", 10);
	for (i = 0; i <= SPLICE_EDITS; i++)
		splice_put(&s, 5, "x", 1);
	assert_int_equal(splice_out(&s, out, sizeof out), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(request_is_picked),
	    cmocka_unit_test(response_is_picked),
	    cmocka_unit_test(folded_lines_are_joined),
	    cmocka_unit_test(hidden_lines_are_refused),
	    cmocka_unit_test(garbage_is_no_message),
	    cmocka_unit_test(torture_has_its_class),
	    cmocka_unit_test(addresses_are_checked),
	    cmocka_unit_test(lists_are_divided),
	    cmocka_unit_test(credentials_are_read),
	    cmocka_unit_test(headers_are_found),
	    cmocka_unit_test(edits_are_spliced),
	    cmocka_unit_test(edits_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
