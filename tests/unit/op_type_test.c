/* Types of values: one canonical text for everything that means the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/obj/obj.h"
#include "daemon/op/op.h"

/* What a field makes of a text; "!" when it is refused. */
static const char *
made(const struct op_field *f, const char *in)
{
	static char out[OP_BLOB];
	struct err e;
	int r = f->flags & OP_LIST ? op_parse_list(f, in, out, sizeof out, &e)
				   : op_parse(f, in, out, sizeof out, &e);

	if (r == 0)
		return out;
	assert_true(r == -ERR_INVALID || r == -ERR_TOOBIG);
	assert_int_equal(-r, e.code);
	assert_true(strlen(e.text) > 0);
	assert_int_not_equal(e.text[strlen(e.text) - 1], '.');
	return "!";
}

#define MADE(type_, in, want) \
	assert_string_equal(  \
	    made(&(struct op_field){.name = "x", .type = &(type_)}, in), want)

/* D3: separators go only where all else is digits; letters have no case; a
 * plus stands in front; digits of other scripts are refused. */
static void
number_follows_d3(void **state)
{
	(void)state;
	MADE(op_type_number, "101", "101");
	MADE(op_type_number, "+7 (495) 123-45-67", "+74951234567");
	MADE(op_type_number, "8.800.555", "8800555");
	MADE(op_type_number, "a.ivanov", "a.ivanov");
	MADE(op_type_number, "A.Ivanov-2", "a.ivanov-2");
	MADE(op_type_number, "*31#", "*31#");
	MADE(op_type_number, "*31 #", "!");
	MADE(op_type_number, "7+5", "!");
	MADE(op_type_number, "(+7)495", "+7495");
	MADE(op_type_number, "+", "!");
	MADE(op_type_number, "", "!");
	MADE(op_type_number, "-", "-");
	MADE(op_type_number, "()", "!");
	MADE(op_type_number, "\xd9\xa1\xd9\xa0", "!"); /* Arabic digits */
	MADE(op_type_number, "12345678901234567890123456789012",
	    "12345678901234567890123456789012");
	MADE(op_type_number, "123456789012345678901234567890123", "!");
	MADE(op_type_number, "a b", "!");
	MADE(op_type_number, "10;rm", "!");
}

/* A count has one spelling, whatever the units were. */
static void
counts_have_one_spelling(void **state)
{
	(void)state;
	MADE(op_type_int, "007", "7");
	MADE(op_type_int, "-0", "0");
	MADE(op_type_int, "1e3", "!");
	MADE(op_type_int, "99999999999999999999", "!");
	MADE(op_type_duration, "90", "90");
	MADE(op_type_duration, "90s", "90");
	MADE(op_type_duration, "1m30s", "90");
	MADE(op_type_duration, "2h", "7200");
	MADE(op_type_duration, "1d", "86400");
	MADE(op_type_duration, "1h30", "!");
	MADE(op_type_duration, "h", "!");
	MADE(op_type_duration, "", "!");
	MADE(op_type_duration, "9999999999999999d", "!");
	MADE(op_type_span, "<10s", "<10");
	MADE(op_type_span, ">1h", ">3600");
	MADE(op_type_span, ">1m30s", ">90");
	MADE(op_type_span, "10s", "!");
	MADE(op_type_span, ">", "!");
	MADE(op_type_span, ">-5", "!");
	MADE(op_type_span, "<>5", "!");
	MADE(op_type_span, "", "!");
	MADE(op_type_codes, "503", "503");
	MADE(op_type_codes, "4xx", "400-499");
	MADE(op_type_codes, "4XX-6xx", "400-699");
	MADE(op_type_codes, "400-499", "400-499");
	MADE(op_type_codes, "486-5xx", "486-599");
	MADE(op_type_codes, "486-486", "486");
	MADE(op_type_codes, "5xx-4xx", "!");
	MADE(op_type_codes, "4x6", "!");
	MADE(op_type_codes, "x00", "!");
	MADE(op_type_codes, "7xx", "!");
	MADE(op_type_codes, "099", "!");
	MADE(op_type_codes, "4xx-", "!");
	MADE(op_type_codes, "-4xx", "!");
	MADE(op_type_codes, "400-500-600", "!");
	MADE(op_type_codes, "", "!");
	MADE(op_type_bytes, "64k", "65536");
	MADE(op_type_bytes, "10m", "10485760");
	MADE(op_type_bytes, "4503599627370497", "!");
	MADE(op_type_port, "5060", "5060");
	MADE(op_type_port, "0", "!");
	MADE(op_type_port, "65536", "!");
	MADE(op_type_ports, "30000-39999", "30000-39999");
	MADE(op_type_ports, "5004", "5004-5004");
	MADE(op_type_ports, "39999-30000", "!");
	MADE(op_type_ports, "1-", "!");
}

/* RFC 3339, shown in UTC; days that do not exist are refused. */
static void
times_become_utc(void **state)
{
	(void)state;
	MADE(op_type_time, "2027-03-01", "2027-03-01T00:00:00.000Z");
	MADE(op_type_time, "2027-03-01T08:30:00Z", "2027-03-01T08:30:00.000Z");
	MADE(op_type_time, "2027-03-01 08:30", "2027-03-01T08:30:00.000Z");
	MADE(op_type_time, "2027-03-01T08:30:00.5+03:00",
	    "2027-03-01T05:30:00.500Z");
	MADE(op_type_time, "2027-03-01T08:30:00.123456Z",
	    "2027-03-01T08:30:00.123Z");
	MADE(op_type_time, "2027-02-29", "!");
	MADE(op_type_time, "2027-13-01", "!");
	MADE(op_type_time, "2027-03-01T24:00:00Z", "!");
	MADE(op_type_time, "2027-03-01T08:30:00Zx", "!");
	MADE(op_type_time, "1970-01-01T00:00:00+01:00", "!");
	MADE(op_type_time, "yesterday", "!");
	MADE(op_type_moment, "2027-03-01", "2027-03-01T00:00:00.000Z");
	MADE(op_type_moment, "-10m", "-600");
	MADE(op_type_moment, "-0s", "!");
	MADE(op_type_moment, "-", "!");
	MADE(op_type_moment, "10m", "!");
}

/* Names of hosts and domains are small letters without a last dot. */
static void
names_are_folded(void **state)
{
	(void)state;
	MADE(op_type_domain, "Demo.TEST.", "demo.test");
	MADE(op_type_domain, "xn--80aswg.xn--p1ai", "xn--80aswg.xn--p1ai");
	MADE(op_type_domain, "a..b", "!");
	MADE(op_type_domain, "-a.test", "!");
	MADE(op_type_domain, "192.0.2.1", "!");
	MADE(op_type_domain, "\xd0\xb7.\xd1\x80", "!");
	MADE(op_type_domain, ".", "!");
	MADE(op_type_address, "[2001:DB8::7]", "2001:db8::7");
	MADE(op_type_address, "192.0.2.7", "192.0.2.7");
	MADE(op_type_address, "192.0.2.300", "!");
	MADE(op_type_host, "SIP.Example.com", "sip.example.com");
	MADE(op_type_host, "2001:db8:0::7", "2001:db8::7");
	MADE(op_type_host, "a b", "!");
	MADE(op_type_name, "Edge-1", "edge-1");
	MADE(op_type_name, "-x", "!");
	MADE(op_type_name, "a_b", "!");
	MADE(op_type_instance, "b2bua/12", "b2bua/12");
	MADE(op_type_instance, "sg/1@srv-2", "sg/1@srv-2");
	MADE(op_type_instance, "sg/1@", "!");
	MADE(op_type_instance, "sg/1@-a", "!");
	MADE(op_type_instance, "sg@srv2/1", "!");
	MADE(op_type_instance, "@/1", "!");
	MADE(op_type_instance, "sg/01", "!");
	MADE(op_type_instance, "sg", "!");
	MADE(op_type_bool, "YES", "yes");
	MADE(op_type_bool, "maybe", "!");
}

/* Nothing that could mislead a terminal becomes a value. */
static void
texts_are_safe_to_show(void **state)
{
	(void)state;
	MADE(op_type_text, "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd",
	    "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd");
	MADE(op_type_text, "a\x1b[2J", "!");
	MADE(op_type_text, "a\nb", "!");
	MADE(op_type_text, "\xe2\x80\xae", "!"); /* right-to-left override */
	MADE(op_type_text, "\xff", "!");
	MADE(op_type_blob, "a\r\nb\rc\n", "a\nb\nc\n");
	MADE(op_type_blob, "a\x07", "!");
	MADE(op_type_uri, "sip:101@192.0.2.7:5060;ob",
	    "sip:101@192.0.2.7:5060;ob");
	MADE(op_type_uri, "sip:a b", "!");
}

/* Limits count characters, not bytes, and say what is allowed. */
static void
limits_are_said(void **state)
{
	struct op_field text = {.type = &op_type_text, .min = 2, .max = 4};
	struct op_field num = {.type = &op_type_int, .min = 1, .max = 8};
	char out[64];
	struct err e;

	(void)state;
	assert_string_equal(made(&text, "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd"),
	    "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd");
	assert_string_equal(made(&text, "x"), "!");
	assert_string_equal(made(&text, "abcde"), "!");
	assert_int_equal(
	    op_parse(&num, "9", out, sizeof out, &e), -ERR_INVALID);
	assert_string_equal(e.text, "expected 1..8");
}

/* A fingerprint has one spelling, whatever printed it; nothing that is shorter
 * or longer is one. */
static void
fingerprints_have_one_spelling(void **state)
{
#define HALF "0123456789abcdef0123456789abcdef"
	(void)state;
	MADE(op_type_fingerprint, "sha256:" HALF HALF, "sha256:" HALF HALF);
	MADE(op_type_fingerprint,
	    "SHA256:0123456789ABCDEF0123456789ABCDEF" HALF,
	    "sha256:" HALF HALF);
	MADE(op_type_fingerprint,
	    "sha256:01:23:45:67:89:AB:CD:EF:0123456789abcdef" HALF,
	    "sha256:" HALF HALF);
	MADE(op_type_fingerprint, HALF HALF, "!");
	MADE(op_type_fingerprint, "sha256:" HALF, "!");
	MADE(op_type_fingerprint, "sha256:" HALF HALF "0", "!");
	MADE(op_type_fingerprint, "sha256:" HALF HALF ":", "!");
	MADE(op_type_fingerprint, "sha256:0:12" HALF HALF, "!");
	MADE(op_type_fingerprint, "sha256::" HALF HALF, "!");
	MADE(op_type_fingerprint, "sha512:" HALF HALF, "!");
	MADE(op_type_fingerprint,
	    "sha256:g123456789abcdef0123456789abcdef" HALF, "!");
	MADE(op_type_fingerprint, "", "!");
}

/* A list keeps its order, drops what is there twice, and refuses as one. */
static void
lists_are_joined_by_spaces(void **state)
{
	struct op_field f = {.type = &op_type_domain, .flags = OP_LIST};

	(void)state;
	assert_string_equal(
	    made(&f, "[B.test a.test b.test]"), "b.test a.test");
	assert_string_equal(made(&f, "a.test"), "a.test");
	assert_string_equal(made(&f, "[]"), "");
	assert_string_equal(made(&f, "[a.test x..y]"), "!");
}

static void
choice_folds_and_lists(void **state)
{
	static const char *const words[] = {"udp", "tcp", NULL};
	struct op_field f = {.type = &op_type_choice, .choices = words};
	char out[16];
	struct err e;

	(void)state;
	assert_string_equal(made(&f, "UDP"), "udp");
	assert_int_equal(
	    op_parse(&f, "sctp", out, sizeof out, &e), -ERR_INVALID);
	assert_string_equal(e.text, "expected udp | tcp");
}

/* Canonical text becomes JSON of the type's kind; a secret never does. */
static void
json_has_the_kind_of_the_type(void **state)
{
	static const struct op_field f[] = {{.type = &op_type_int},
	    {.type = &op_type_bool}, {.type = &op_type_text},
	    {.type = &op_type_secret},
	    {.type = &op_type_name, .flags = OP_LIST}};
	static const char *const in[] = {"7", "yes", "7", "swordfish", "a b"};
	static const char *const want[] = {
	    "7", "true", "\"7\"", "\"********\"", "[\"a\",\"b\"]"};
	json_t *v;
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		v = op_to_json(&f[i], in[i]);
		text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		assert_string_equal(text, want[i]);
		free(text);
		json_decref(v);
	}
}

/* JSON of the wrong shape is refused, of the right one made canonical. */
static void
json_is_checked(void **state)
{
	struct op_field num = {.type = &op_type_int, .min = 1, .max = 9};
	struct op_field list = {.type = &op_type_name, .flags = OP_LIST};
	json_t *v;
	char *text;
	struct err e;

	(void)state;
	v = json_integer(9);
	assert_int_equal(op_from_json(&num, v, &text, &e), 0);
	assert_string_equal(text, "9");
	free(text);
	json_decref(v);
	v = json_pack("[s,s]", "A", "b");
	assert_int_equal(op_from_json(&num, v, &text, &e), -ERR_INVALID);
	assert_int_equal(op_from_json(&list, v, &text, &e), 0);
	assert_string_equal(text, "a b");
	free(text);
	json_decref(v);
	v = json_object();
	assert_int_equal(op_from_json(&list, v, &text, &e), -ERR_INVALID);
	json_decref(v);
}

/* A reference has the canonical form of the key it refers to; a path that of
 * its keys. */
static void
references_follow_their_object(void **state)
{
	struct op_field ref = {.type = &op_type_ref, .ref = "user"};
	struct op_field path = {.type = &op_type_path};

	(void)state;
	op_use_objects(NULL);
	assert_string_equal(made(&ref, "1 01"), "!");
	op_use_objects(obj_table);
	assert_string_equal(made(&ref, "1 01"), "101");
	assert_string_equal(made(&path, "domain  Demo.Test user A.B"),
	    "domain demo.test user a.b");
	assert_string_equal(made(&path, "domain x user"), "domain x user");
	path.flags = OP_REQUIRED;
	assert_string_equal(made(&path, "domain x user"), "!");
	assert_string_equal(made(&path, ""), "!");
	op_use_objects(NULL);
}

/* Every type is found by its name, and parses without a buffer overrun. */
static void
types_are_found(void **state)
{
	struct op_field f = {.name = "x"};
	char in[5000], out[8];
	size_t i;
	static const char *const names[] = {"text", "blob", "int", "bool",
	    "duration", "name", "domain", "number", "host", "address", "port",
	    "ports", "secret", "time", "bytes", "uri", "instance",
	    "fingerprint", "ref", "path", "values", "fields", "choice"};

	(void)state;
	memset(in, '1', sizeof in - 1);
	in[sizeof in - 1] = '\0';
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		f.type = op_type_find(names[i]);
		assert_non_null(f.type);
		memset(out, 'z', sizeof out);
		assert_true(op_parse(&f, in, out, sizeof out, NULL) != 0);
	}
	assert_null(op_type_find("nonsense"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(number_follows_d3),
	    cmocka_unit_test(counts_have_one_spelling),
	    cmocka_unit_test(times_become_utc),
	    cmocka_unit_test(names_are_folded),
	    cmocka_unit_test(texts_are_safe_to_show),
	    cmocka_unit_test(limits_are_said),
	    cmocka_unit_test(fingerprints_have_one_spelling),
	    cmocka_unit_test(lists_are_joined_by_spaces),
	    cmocka_unit_test(choice_folds_and_lists),
	    cmocka_unit_test(json_has_the_kind_of_the_type),
	    cmocka_unit_test(json_is_checked),
	    cmocka_unit_test(references_follow_their_object),
	    cmocka_unit_test(types_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
