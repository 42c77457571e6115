/* Numbers and dialled strings: plan/number.c, SEMANTICS D3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "plan/plan.h"

struct sample {
	const char *in;
	const char *out; /* NULL = refused */
};

static void
check_numbers(const struct sample *s)
{
	char out[PLAN_NUMBER];
	struct err err;

	for (; s->in != NULL; s++) {
		int rc = plan_number_parse(out, s->in, strlen(s->in), &err);

		if (s->out == NULL) {
			assert_int_equal(rc, -ERR_INVALID);
			assert_true(err.text[0] != '\0');
		} else {
			assert_int_equal(rc, 0);
			assert_string_equal(out, s->out);
		}
	}
}

/* The alphabet is that of D3, case plays no part, '+' stands in front only. */
static void
numbers_have_one_canonical_form(void **state)
{
	static const struct sample samples[] = {{"101", "101"},
	    {"A.Ivanov", "a.ivanov"}, {"a-b_c.d", "a-b_c.d"}, {"*98#", "*98#"},
	    {"+74951234567", "+74951234567"}, {"1+2", NULL}, {"", NULL},
	    {"10 1x", NULL}, {"\xd9\xa1\xd9\xa2", NULL}, {"10\n1", NULL},
	    {"12345678901234567890123456789012",
		"12345678901234567890123456789012"},
	    {"123456789012345678901234567890123", NULL}, {NULL, NULL}};

	(void)state;
	check_numbers(samples);
}

/* Separators vanish where all else is digits, and stay in names. */
static void
separators_vanish_between_digits_only(void **state)
{
	static const struct sample samples[] = {
	    {"+7 (495) 123-45.67", "+74951234567"}, {"8-800", "8800"},
	    {"a.b", "a.b"}, {"1-a", "1-a"}, {"*9-1", "*9-1"}, {"-.-", "-.-"},
	    {"+ 1", "+1"}, {"a b", NULL}, {"(1)x", NULL}, {NULL, NULL}};

	(void)state;
	check_numbers(samples);
}

/* A URI gives its user part, escapes undone, everything else ignored. */
static void
uris_give_their_user_part(void **state)
{
	static const struct sample samples[] = {{"sip:102@demo.test", "102"},
	    {"SIPS:102@demo.test:5061", "102"},
	    {"sip:102@192.0.2.1;user=phone;transport=tcp", "102"},
	    {"sip:102;phone-context=+7@demo.test", "102"},
	    {"sip:1%302@demo.test", "102"}, {"sip:%2b7495@demo.test", "+7495"},
	    {"sip:%239@demo.test", "#9"}, {"sip:102:secret@demo.test", "102"},
	    {"tel:+7-495-123;phone-context=x.test", "+7495123"},
	    {"tel:112", "112"}, {"102", "102"}, {"+7 495", "+7495"},
	    {"sip:demo.test", NULL}, {"sip:@demo.test", NULL},
	    {"sip:1%3@demo.test", NULL}, {"sip:1%zz@demo.test", NULL},
	    {"sip:1%00@demo.test", NULL}, {"tel:", NULL},
	    {"sip:%d9%a1@demo.test", NULL}, {NULL, NULL}};
	char out[PLAN_NUMBER];

	(void)state;
	for (const struct sample *s = samples; s->in != NULL; s++) {
		int rc = plan_dialled_parse(out, s->in, strlen(s->in), NULL);

		if (s->out == NULL)
			assert_int_equal(rc, -ERR_INVALID);
		else {
			assert_int_equal(rc, 0);
			assert_string_equal(out, s->out);
		}
	}
}

/* A scheme that is no telephone's is told apart from a bad number. */
static void
other_schemes_are_unknown(void **state)
{
	static const char *const uris[] = {
	    "mailto:a@b", "http://x/", "im:a@b", "urn:service:sos", NULL};
	char out[PLAN_NUMBER];

	(void)state;
	for (size_t i = 0; uris[i] != NULL; i++)
		assert_int_equal(
		    plan_dialled_parse(out, uris[i], strlen(uris[i]), NULL),
		    -ERR_UNKNOWN);
}

/* Any bytes of any length are answered, and never read beyond their end. */
static void
hostile_strings_are_refused(void **state)
{
	char big[4096], out[PLAN_NUMBER];

	(void)state;
	memset(big, '1', sizeof big);
	memcpy(big, "sip:", 4);
	for (size_t n = 0; n <= sizeof big; n++) {
		int rc = plan_dialled_parse(out, big, n, NULL);

		assert_true(rc == -ERR_INVALID ||
		    (rc == 0 && n < PLAN_NUMBER) || n < 4);
	}
	for (unsigned c = 0; c < 256; c++) {
		char uri[] = {'t', 'e', 'l', ':', (char)c};

		plan_dialled_parse(out, uri, sizeof uri, NULL);
		assert_true(memchr(out, '\0', sizeof out) != NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_have_one_canonical_form),
	    cmocka_unit_test(separators_vanish_between_digits_only),
	    cmocka_unit_test(uris_give_their_user_part),
	    cmocka_unit_test(other_schemes_are_unknown),
	    cmocka_unit_test(hostile_strings_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
