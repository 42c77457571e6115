/* The small things everything stands on: strings, maps, buffers, pools,
 * errors, addresses, keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <locale.h>
#include <wctype.h>

#include <cmocka.h>

#include "daemon/base/buf.h"
#include "daemon/base/clock.h"
#include "daemon/base/crypt.h"
#include "daemon/base/err.h"
#include "daemon/base/fold.h"
#include "daemon/base/map.h"
#include "daemon/base/pool.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"
#include "tests/lib/fault.h"

/* Foreign bytes can neither forge a line nor turn a line around. */
static void
escape_makes_foreign_bytes_safe(void **state)
{
	char out[256];

	(void)state;
	str_escape(out, sizeof out, "a\nb\x1b[2J", 7);
	assert_string_equal(out, "a\\x0ab\\x1b[2J");
	str_escape(out, sizeof out, "\xe2\x80\xae", 3);
	assert_string_equal(out, "\\xe2\\x80\\xae");
	str_escape(out, sizeof out, "\xd0\x98\xff", 3);
	assert_string_equal(out, "\xd0\x98\\xff");
	assert_int_equal(str_escape(out, 4, "\x01\x02", 2), 0);
}

/* UTF-8 has one form: no surrogates, no overlong bytes, no end missing. */
static void
utf8_refuses_what_rfc_3629_refuses(void **state)
{
	(void)state;
	assert_true(str_utf8("\xd0\x98\xf0\x9f\x98\x80", 6));
	assert_false(str_utf8("\xc0\xaf", 2));
	assert_false(str_utf8("\xe0\x80\xaf", 3));
	assert_false(str_utf8("\xed\xa0\x80", 3));
	assert_false(str_utf8("\xf4\x90\x80\x80", 4));
	assert_false(str_utf8("\xd0", 1));
}

/* A number is digits within its limits and nothing else. */
static void
int_takes_only_whole_numbers_in_range(void **state)
{
	int64_t v = 7;

	(void)state;
	assert_true(str_int("0", 0, 9, &v) && v == 0);
	assert_true(str_int("-5", -9, 9, &v) && v == -5);
	assert_false(str_int("-5", 0, 9, &v));
	assert_false(str_int("", 0, 9, &v));
	assert_false(str_int("1x", 0, 9, &v));
	assert_false(str_int("+1", 0, 9, &v));
	assert_false(str_int(" 1", 0, 9, &v));
	assert_false(str_int("99999999999999999999", 0, INT64_MAX, &v));
}

/* Base64 and hexadecimal come back as they went, and one text has one
 * meaning. */
static void
b64_and_hex_are_one_to_one(void **state)
{
	uint8_t in[40], back[40];
	char text[128];
	size_t n, len;

	(void)state;
	for (n = 0; n <= sizeof in; n++) {
		rand_bytes(in, n);
		len = str_b64(text, in, n);
		assert_int_equal(len, STR_B64_LEN(n));
		assert_int_equal(str_unb64(back, n, text, len), n);
		assert_memory_equal(in, back, n);
		str_hex(text, in, n);
		assert_int_equal(str_unhex(back, n, text, 2 * n), n);
		assert_memory_equal(in, back, n);
	}
	assert_int_equal(str_unb64(back, 40, "AB", 2), -1); /* stray bits */
	assert_int_equal(str_unb64(back, 40, "A", 1), -1);
	assert_int_equal(str_unb64(back, 0, "AAAA", 4), -1);
	assert_int_equal(str_unhex(back, 40, "0g", 2), -1);
}

/* The hash is SipHash-1-3: equal on every server under one key. */
static void
hash_is_the_published_function(void **state)
{
	uint8_t key[16], in[8];
	size_t i;

	(void)state;
	for (i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (i = 0; i < 8; i++)
		in[i] = (uint8_t)i;
	assert_int_equal(
	    str_hash_key(key, in, 0), UINT64_C(0xabac0158050fc4dc));
	assert_int_equal(str_hash_key(key, in, 8), str_hash_key(key, in, 8));
	assert_int_not_equal(
	    str_hash_key(key, in, 7), str_hash_key(key, in, 8));
}

/* A map holds what was put and not removed, through any mix of both. */
static void
map_agrees_with_an_array(void **state)
{
	struct map m = {0};
	char value[512], key[16];
	bool there[512] = {false};
	size_t at = 0, count = 0, seen = 0, i, step;
	const void *k;
	size_t len;

	(void)state;
	srand(1);
	for (step = 0; step < 20000; step++) {
		i = (size_t)rand() % 512;
		snprintf(key, sizeof key, "k%zu", i);
		if (rand() % 2) {
			assert_int_equal(map_str_put(&m, key, &value[i]), 0);
			count += !there[i];
			there[i] = true;
		} else {
			assert_ptr_equal(
			    map_str_del(&m, key), there[i] ? &value[i] : NULL);
			count -= there[i];
			there[i] = false;
		}
		assert_int_equal(m.count, count);
	}
	for (i = 0; i < 512; i++) {
		snprintf(key, sizeof key, "k%zu", i);
		assert_ptr_equal(map_str(&m, key), there[i] ? &value[i] : NULL);
	}
	while (map_next(&m, &at, &k, &len) != NULL) {
		assert_non_null(map_del(&m, k, len));
		seen++;
	}
	assert_int_equal(seen, count);
	assert_int_equal(m.count, 0);
	map_fini(&m);
}

/* When memory is gone a map says so and keeps what it had. */
static void
map_survives_a_failing_allocator(void **state)
{
	struct map m = {0};
	char key[16];
	int i, r, put = 0;

	(void)state;
	for (i = 0; i < 200; i++) {
		snprintf(key, sizeof key, "%d", i);
		fault_alloc_at(i % 3);
		r = map_str_put(&m, key, key);
		fault_alloc_off();
		assert_true(r == 0 || r == -ERR_NOMEM);
		put += r == 0;
		assert_int_equal(map_str(&m, key) != NULL, r == 0);
	}
	assert_int_equal(m.count, put);
	map_fini(&m);
}

/* A buffer remembers that one of its writes failed. */
static void
buf_reports_failure_once_at_the_end(void **state)
{
	struct buf b = BUF_INIT, small = {.max = 8};
	char *s;

	(void)state;
	buf_str(&b, "one ");
	buf_fmt(&b, "%d %s", 2, "three");
	buf_eat(&b, 4);
	assert_string_equal(b.data, "2 three");
	s = buf_take(&b);
	assert_string_equal(s, "2 three");
	free(s);
	buf_int(&b, INT64_MIN);
	buf_char(&b, ' ');
	buf_int(&b, 0);
	buf_int(&b, 907);
	assert_string_equal(b.data, "-9223372036854775808 0907");
	buf_fini(&b);
	buf_str(&small, "12345678");
	assert_false(small.failed);
	buf_char(&small, '9');
	assert_true(small.failed);
	assert_null(buf_take(&small));
	fault_alloc_at(0);
	buf_str(&b, "x");
	fault_alloc_off();
	assert_true(b.failed);
	buf_fini(&b);
}

static int ended[3], nended;

static void
note_end(void *arg)
{
	ended[nended++] = *(int *)arg;
}

/* A pool ends all that it owns, the youngest first. */
static void
pool_ends_the_youngest_first(void **state)
{
	struct pool *p = pool_new();
	int ids[3] = {1, 2, 3}, i;
	char *big, *s;

	(void)state;
	nended = 0;
	for (i = 0; i < 3; i++)
		pool_own(p, note_end, &ids[i]);
	big = pool_alloc(p, 100000);
	assert_int_equal(big[0] | big[99999], 0);
	s = pool_fmt(p, "%s-%d", "a", 5);
	assert_string_equal(s, "a-5");
	assert_true(pool_size(p) > 100000);
	pool_free(&p);
	assert_null(p);
	assert_int_equal(nended, 3);
	assert_int_equal(ended[0], 3);
	assert_int_equal(ended[2], 1);
	pool_free(&p);
}

/* Context is put in front, and long words are cut, not overrun. */
static void
err_wraps_words_and_keeps_the_code(void **state)
{
	struct err e;
	char big[2 * ERR_TEXT_MAX];
	int code;

	(void)state;
	assert_int_equal(
	    err_set(&e, ERR_INVALID, "%s", "too long"), -ERR_INVALID);
	assert_int_equal(err_wrap(&e, "user %d", 101), -ERR_INVALID);
	assert_string_equal(e.text, "user 101: too long");
	memset(big, 'x', sizeof big);
	big[sizeof big - 1] = '\0';
	err_wrap(&e, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	for (code = 1; code < ERR_MAX; code++)
		assert_int_equal(err_by_name(err_name(code)), code);
	assert_int_equal(err_exit(ERR_ABSENT), 3);
	assert_int_equal(err_exit((enum err_code)9999), 1);
}

/* What is sealed opens only unchanged and only in its place. */
static void
seal_opens_only_what_it_sealed(void **state)
{
	uint8_t key[CRYPT_KEY] = {1}, other[CRYPT_KEY] = {2}, out[64], two[64];
	struct crypt_seal *s = crypt_seal_new(key);
	struct crypt_seal *t = crypt_seal_new(other);
	char back[64];
	long n, i;

	(void)state;
	n = crypt_seal(s, out, sizeof out, "secret", 6, "ad", 2);
	assert_int_equal(n, 6 + CRYPT_TAG);
	assert_int_equal(
	    crypt_seal(s, two, sizeof two, "secret", 6, "ad", 2), n);
	assert_memory_equal(out, two, (size_t)n);
	assert_int_equal(
	    crypt_open(s, back, sizeof back, out, (size_t)n, "ad", 2), 6);
	assert_memory_equal(back, "secret", 6);
	assert_int_equal(
	    crypt_open(s, back, sizeof back, out, (size_t)n, "da", 2), -1);
	assert_int_equal(
	    crypt_open(t, back, sizeof back, out, (size_t)n, "ad", 2), -1);
	for (i = 0; i < n; i++) {
		out[i] ^= 1;
		assert_int_equal(
		    crypt_open(s, back, sizeof back, out, (size_t)n, "ad", 2),
		    -1);
		out[i] ^= 1;
	}
	for (i = 0; i <= CRYPT_TAG; i++)
		assert_int_equal(
		    crypt_open(s, back, sizeof back, out, (size_t)i, "ad", 2),
		    -1);
	crypt_seal_free(&s);
	crypt_seal_free(&t);
}

/* Addresses go to text and back, and are known for what they are. */
static void
addresses_are_read_and_told_apart(void **state)
{
	union addr a, b;
	char text[ADDR_TEXT];

	(void)state;
	assert_true(addr_parse(&a, "192.0.2.7", 5060));
	addr_text(text, &a);
	assert_string_equal(text, "192.0.2.7:5060");
	assert_true(addr_parse(&b, "[2001:db8::1]", 5061));
	addr_text(text, &b);
	assert_string_equal(text, "[2001:db8::1]:5061");
	assert_false(addr_equal(&a, &b));
	assert_false(addr_is_private(&a));
	assert_false(addr_parse(&a, "192.0.2.300", 1));
	assert_false(addr_parse(&a, "example.com", 1));
	assert_false(addr_parse(&a, "", 1));
	assert_true(addr_parse(&a, "100.64.1.1", 1) && addr_is_private(&a));
	assert_true(addr_parse(&a, "172.32.0.1", 1) && !addr_is_private(&a));
	assert_true(addr_parse(&a, "fd00::1", 1) && addr_is_private(&a));
	assert_true(addr_parse(&a, "0.0.0.0", 1) && addr_is_any(&a));
}

/* The time of day is written as RFC 3339 says. */
static void
clock_writes_rfc_3339(void **state)
{
	char text[CLOCK_TEXT];

	(void)state;
	clock_text(text, UINT64_C(1700000000123456));
	assert_string_equal(text, "2023-11-14T22:13:20.123Z");
}

/* Times read back are those that were written, and nothing else is one. */
static void
times_are_read_back(void **state)
{
	static const char *const none[] = {"", "2027-03-01T08:30:00Z",
	    "2027-03-01T08:30:00.12Z", "2027-03-01T08:30:00.123",
	    "2027-03-01T08:30:00.123Zx", "2027-13-01T08:30:00.123Z", "x"};
	char text[CLOCK_TEXT];
	uint64_t us = UINT64_C(1803889800123000), back = 0;
	size_t i;

	(void)state;
	clock_text(text, us);
	assert_true(clock_parse(text, &back));
	assert_true(back == us);
	for (i = 0; i < sizeof none / sizeof none[0]; i++)
		assert_false(clock_parse(none[i], &back));
}

static void
words_of_a_list(void **state)
{
	const char *list = "  one two", *word = NULL, *none = NULL;

	(void)state;
	assert_int_equal(str_word(&list, &word), 3);
	assert_memory_equal(word, "one", 3);
	assert_int_equal(str_word(&list, &word), 3);
	assert_memory_equal(word, "two", 3);
	assert_int_equal(str_word(&list, &word), 0);
	assert_int_equal(str_word(&none, &word), 0);
}

static void
ranges_of_ports(void **state)
{
	static const char *const none[] = {"", "-", "5-", "-5", "5", "0-5",
	    "5-65536", "5-6-7", "000000005-6", "5 -6", "a-b"};
	int64_t first = 0, last = 0;
	size_t i;

	(void)state;
	assert_true(str_ports("30000-39999", 1024, &first, &last));
	assert_int_equal(first, 30000);
	assert_int_equal(last, 39999);
	assert_true(str_ports("9-5", 1, &first, &last));
	assert_false(str_ports("1023-2000", 1024, &first, &last));
	for (i = 0; i < sizeof none / sizeof none[0]; i++)
		assert_false(str_ports(none[i], 1, &first, &last));
}

/* Letters are folded as the C library makes them small, wherever it does; what
 * is folded stays as it is. */
static void
letters_are_folded(void **state)
{
	/* Folding, unlike small letters, goes the other way or two ways here.
	 */
	static const uint32_t other[][2] = {{0xb5, 0x3bc}, {0x17f, 's'},
	    {0x3c2, 0x3c3}, {0x3d0, 0x3b2}, {0x1e9b, 0x1e61}, {0xab70, 0x13a0},
	    {0x13f8, 0x13f0}, {0x1e9e, 0xdf}, {0x13a0, 0x13a0}};
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	unsigned differ = 0, folded = 0;
	uint32_t c;
	size_t i;

	(void)state;
	assert_non_null(utf8);
	for (i = 0; i < sizeof other / sizeof other[0]; i++)
		assert_int_equal(fold_char(other[i][0]), other[i][1]);
	for (c = 0; c < 0x20000; c++) {
		if (fold_char(fold_char(c)) != fold_char(c))
			fail_msg("U+%04X is not folded to the end", c);
		folded += fold_char(c) != c;
		if (c < 0x590 && fold_char(c) != towlower_l(c, utf8))
			differ++;
	}
	assert_int_equal(folded, 1454);
	/* Of Latin, Greek, Cyrillic and Armenian those of which other[] has
	 * some: U+B5, 130, 17F, 345, 3C2, 3D0, 3D1, 3D5, 3D6, 3F0, 3F1, 3F5. */
	assert_int_equal(differ, 12);
	freelocale(utf8);
}

/* A part is found whatever the size of its letters; bytes that are no UTF-8
 * stand for themselves. */
static void
texts_are_searched(void **state)
{
	char *part = fold_dup("ИВАНОВ ß"), long_text[2000];

	(void)state;
	assert_string_equal(part, "иванов ß");
	assert_true(fold_holds("Пётр иваНов ẞ", part));
	assert_false(fold_holds("Пётр Ивано", part));
	assert_true(fold_holds("any", ""));
	free(part);
	part = fold_dup("Ⱥ\xff\xd0");
	assert_string_equal(part, "ⱥ\xff\xd0");
	assert_true(fold_holds("xȺ\xff\xd0", part));
	memset(long_text, 'Q', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	assert_false(fold_holds(long_text, part));
	memcpy(long_text + 1990, "tHe", 3);
	assert_true(fold_holds(long_text, "qthe"));
	free(part);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(escape_makes_foreign_bytes_safe),
	    cmocka_unit_test(utf8_refuses_what_rfc_3629_refuses),
	    cmocka_unit_test(int_takes_only_whole_numbers_in_range),
	    cmocka_unit_test(b64_and_hex_are_one_to_one),
	    cmocka_unit_test(hash_is_the_published_function),
	    cmocka_unit_test(map_agrees_with_an_array),
	    cmocka_unit_test(map_survives_a_failing_allocator),
	    cmocka_unit_test(buf_reports_failure_once_at_the_end),
	    cmocka_unit_test(pool_ends_the_youngest_first),
	    cmocka_unit_test(err_wraps_words_and_keeps_the_code),
	    cmocka_unit_test(seal_opens_only_what_it_sealed),
	    cmocka_unit_test(addresses_are_read_and_told_apart),
	    cmocka_unit_test(clock_writes_rfc_3339),
	    cmocka_unit_test(times_are_read_back),
	    cmocka_unit_test(words_of_a_list),
	    cmocka_unit_test(ranges_of_ports),
	    cmocka_unit_test(letters_are_folded),
	    cmocka_unit_test(texts_are_searched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
