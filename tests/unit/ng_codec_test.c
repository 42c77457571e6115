/* The ng codec: what is read, what is refused, and that both agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/ng/ng.h"
#include "tests/lib/fault.h"

static json_t *
decode(const char *text)
{
	struct err e;
	json_t *v;

	if (ng_decode(text, strlen(text), &v, &e) != 0) {
		print_error("%s: %s\n", text, e.text);
		fail();
	}
	return v;
}

static void
refuse(const char *text, size_t n)
{
	struct err e = {0};
	json_t *v = (json_t *)&e;

	assert_int_not_equal(ng_decode(text, n, &v, &e), 0);
	assert_null(v);
	assert_int_not_equal(e.code, ERR_NONE);
	assert_true(e.text[0] != '\0');
}

static void
encodes_to(json_t *dict, const char *text)
{
	struct buf b = BUF_INIT;

	assert_int_equal(ng_encode(&b, dict), 0);
	assert_string_equal(b.data, text);
	buf_fini(&b);
	json_decref(dict);
}

/* The protocol's own example is read and written as it stands. */
static void
ping_is_read_and_written(void **state)
{
	json_t *v = decode("d7:command4:pinge");

	(void)state;
	assert_string_equal(ng_str(v, "command"), "ping");
	encodes_to(v, "d7:command4:pinge");
}

/* Keys leave in order, whatever the order in which they came. */
static void
keys_are_sorted(void **state)
{
	(void)state;
	encodes_to(decode("d2:zz1:a1:bi-7e3:abcl1:xd1:ki0eeee"),
	    "d3:abcl1:xd1:ki0eee1:bi-7e2:zz1:ae");
}

/* JSON says the same as bencode; its booleans become numbers. */
static void
json_and_bencode_are_one(void **state)
{
	(void)state;
	encodes_to(decode("{\"command\":\"offer\",\"flags\":[\"a\",\"b\"],"
			  "\"n\":42,\"yes\":true,\"no\":false,\"o\":{}}"),
	    "d7:command5:offer5:flagsl1:a1:be1:ni42e2:noi0e1:ode3:yesi1ee");
}

/* Bytes of a text are kept, line ends and colons included. */
static void
text_is_kept(void **state)
{
	json_t *v = decode("d3:sdp10:v=0\r\no=1:e0:5:\xc3\xa4\xe2\x82\xac"
			   "e");

	(void)state;
	assert_string_equal(ng_str(v, "sdp"), "v=0\r\no=1:e");
	assert_string_equal(ng_str(v, ""), "\xc3\xa4\xe2\x82\xac");
	json_decref(v);
}

/* What is cut short, unbalanced, doubled or followed by more is refused. */
static void
malformed_is_refused(void **state)
{
	static const char *const bad[] = {"", "d", "x", "i3e", "le", "4:ping",
	    "d7:command4:ping", "d7:command4:pin", "d7:commande", "d7:command",
	    "d1:a1:be ", "d1:a1:bede", "di1e1:ae", "d1:ai e", "d1:ai-0ee",
	    "d1:ai01ee", "d1:ai-ee", "d1:aiee", "d1:ai1", "d1:a01:be",
	    "d1:a-1:be", "d1:a99999999999999999999:be", "d1:a65508:be",
	    "d1:ai9223372036854775808ee", "d1:ai99999999999999999999ee",
	    "d1:a1:b1:a1:ce", "d1:al1:be",
	    "d1:a1:\xff"
	    "e",
	    "d1:\xff"
	    "1:ae",
	    "{", "{}x", "[]", "{\"a\":1,\"a\":2}", "{\"a\":null}",
	    "{\"a\":1.5}", "{\"a\":\"\\u0000\"}", "{\"a\":[null]}"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		refuse(bad[i], strlen(bad[i]));
	refuse("d1:a1:\0e", 8);
	refuse("d1:\0"
	       "1:ae",
	    8);
}

/* The largest number is read; the next is not. */
static void
numbers_have_64_bits(void **state)
{
	json_t *v = decode("d1:ai9223372036854775807e1:bi-9223372036854775807e"
			   "e");

	(void)state;
	assert_int_equal(ng_int(v, "a", 0), INT64_MAX);
	assert_int_equal(ng_int(v, "b", 0), -INT64_MAX);
	json_decref(v);
}

/* Neither depth nor number of values is the sender's to choose. */
static void
depth_and_number_are_bounded(void **state)
{
	char text[60000];
	size_t n = 0, i;

	(void)state;
	n += (size_t)sprintf(text, "d1:a");
	for (i = 0; i < 20000; i++)
		text[n++] = 'l';
	for (i = 0; i < 20000; i++)
		text[n++] = 'e';
	text[n++] = 'e';
	refuse(text, n);
	n = (size_t)sprintf(text, "d1:al");
	for (i = 0; i < 20000; i++)
		n += (size_t)sprintf(text + n, "0:");
	n += (size_t)sprintf(text + n, "ee");
	refuse(text, n);
	n = 0;
	for (i = 0; i < 3000; i++)
		n += (size_t)sprintf(text + n, "{\"a\":");
	refuse(text, n);
	for (i = 0, n = 0; i < 100; i++)
		n += (size_t)sprintf(text + n, "{\"a\":");
	n += (size_t)sprintf(text + n, "1");
	for (i = 0; i < 100; i++)
		text[n++] = '}';
	refuse(text, n);
}

/* What bencode cannot say, or a datagram not hold, is not written. */
static void
unspeakable_is_not_encoded(void **state)
{
	struct buf b = BUF_INIT;
	char *big = test_calloc(70001, 1);
	json_t *v;

	(void)state;
	v = json_pack("{s:n}", "a");
	assert_int_equal(ng_encode(&b, v), -ERR_INVALID);
	json_decref(v);
	buf_reset(&b);
	v = json_pack("{s:f}", "a", 1.5);
	assert_int_equal(ng_encode(&b, v), -ERR_INVALID);
	json_decref(v);
	buf_reset(&b);
	memset(big, 'x', 70000);
	v = json_pack("{s:s}", "a", big);
	assert_int_equal(ng_encode(&b, v), -ERR_TOOBIG);
	json_decref(v);
	buf_reset(&b);
	v = json_array();
	assert_int_equal(ng_encode(&b, v), -ERR_INVALID);
	json_decref(v);
	test_free(big);
	buf_fini(&b);
}

/* Memory that is not there is an error, never a half-written message. */
static void
no_memory_is_an_error(void **state)
{
	static const char text[] = "d1:al1:bd1:ci1eee1:dd3:eee0:ee";
	struct buf b;
	json_t *v;
	long n;
	int r;

	(void)state;
	for (n = 0;; n++) {
		fault_alloc_at(n);
		r = ng_decode(text, sizeof text - 1, &v, NULL);
		fault_alloc_off();
		if (!fault_alloc_hit())
			break;
		assert_int_not_equal(r, 0);
		assert_null(v);
	}
	assert_int_equal(r, 0);
	assert_true(n > 2); /* one for each key */
	json_decref(v);
	v = json_pack("{s:{s:[i]}}", "a", "b", 1);
	for (n = 0;; n++) {
		b = (struct buf)BUF_INIT;
		fault_alloc_at(n);
		r = ng_encode(&b, v);
		fault_alloc_off();
		buf_fini(&b);
		if (!fault_alloc_hit())
			break;
		assert_int_equal(r, -ERR_NOMEM);
	}
	assert_int_equal(r, 0);
	json_decref(v);
}

/* Flags are read as rtpengine reads them: list or text, any joint. */
static void
flags_are_found(void **state)
{
	json_t *v = decode("d7:replacel6:origin18:session-connectione3:ICE6:"
			   "remove5:flagsl13:trust addressi3eee");

	(void)state;
	assert_true(ng_flag(v, "replace", "origin"));
	assert_true(ng_flag(v, "replace", "session connection"));
	assert_false(ng_flag(v, "replace", "session"));
	assert_false(ng_flag(v, "replace", "origin-full"));
	assert_true(ng_flag(v, "ICE", "remove"));
	assert_true(ng_flag(v, "flags", "trust-address"));
	assert_false(ng_flag(v, "absent", "remove"));
	json_decref(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ping_is_read_and_written),
	    cmocka_unit_test(keys_are_sorted),
	    cmocka_unit_test(json_and_bencode_are_one),
	    cmocka_unit_test(text_is_kept),
	    cmocka_unit_test(malformed_is_refused),
	    cmocka_unit_test(numbers_have_64_bits),
	    cmocka_unit_test(depth_and_number_are_bounded),
	    cmocka_unit_test(unspeakable_is_not_encoded),
	    cmocka_unit_test(no_memory_is_an_error),
	    cmocka_unit_test(flags_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
