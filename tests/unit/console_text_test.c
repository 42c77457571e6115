/* What the console writes: widths, cuts, escapes, forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/console.h"

#define IVAN "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd"
#define WIDE "\xe6\xbc\xa2\xe5\xad\x97" /* two characters of two columns */

/* Width is counted in columns of the terminal, whatever the locale. */
static void
widths_are_columns(void **state)
{
	(void)state;
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width(IVAN), 4);
	assert_int_equal(text_width(WIDE), 4);
	assert_int_equal(text_width("e\xcc\x81"), 1); /* a combining accent */
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("\xff"), 1);
	assert_int_equal(text_width_n(IVAN, 4), 2);
}

static void
fits(const char *in, unsigned width, const char *want)
{
	struct buf b = BUF_INIT;

	buf_str(&b, "");
	text_fit(&b, in, width);
	assert_string_equal(b.data, want);
	assert_true(text_width(b.data) <= width);
	buf_fini(&b);
}

/* A cut text says so and never ends in half a character. */
static void
cuts_are_marked(void **state)
{
	(void)state;
	fits("abcdef", 6, "abcdef");
	fits("abcdef", 5, "abcd~");
	fits(IVAN, 3, "\xd0\x98\xd0\xb2~");
	fits(WIDE, 3, "\xe6\xbc\xa2~");
	fits(WIDE, 2, "~");
	fits("abc", 0, "");
}

static void
wraps(const char *in, unsigned indent, unsigned width, const char *want)
{
	struct buf b = BUF_INIT;

	buf_str(&b, "");
	text_wrap(&b, in, indent, width);
	assert_string_equal(b.data, want);
	buf_fini(&b);
}

static void
takes(const char *in, unsigned width, const char *want, const char *left)
{
	struct buf b = BUF_INIT;

	buf_str(&b, "");
	text_take(&b, &in, width);
	assert_string_equal(b.data, want);
	assert_string_equal(in, left);
	buf_fini(&b);
}

/* A piece ends at a space where it can, and loses nothing but that. */
static void
pieces_lose_nothing(void **state)
{
	(void)state;
	takes("ab cd", 5, "ab cd", "");
	takes("ab cd", 4, "ab", "cd");
	takes("ab cd", 2, "ab", "cd");
	takes("abcd ef", 3, "abc", "d ef");
	takes(IVAN, 3, "\xd0\x98\xd0\xb2\xd0\xb0", "\xd0\xbd");
	takes(WIDE, 1, "\xe6\xbc\xa2", "\xe5\xad\x97");
	takes("", 3, "", "");
	takes(" a", 1, " ", "a");
}

/* Words go on in the next line, below the first of them; none is lost. */
static void
words_are_wrapped(void **state)
{
	(void)state;
	wraps("ab cd", 2, 7, "ab cd");
	wraps("ab cd", 2, 6, "ab\n  cd");
	wraps("ab: 1..9; default 5", 4, 16, "ab: 1..9;\n    default 5");
	wraps("toolongforit b", 2, 6, "toolongforit\n  b");
	wraps(WIDE " " WIDE, 0, 8, WIDE "\n" WIDE);
	wraps("", 4, 8, "");
}

/* Lines stay, everything that a terminal would obey does not. */
static void
output_is_safe(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	text_safe(&b, "a\x1b[2J\nb\xe2\x80\xae\x07\n\xff");
	assert_string_equal(b.data, "a\\x1b[2J\nb\\xe2\\x80\\xae\\x07\n\\xff");
	buf_fini(&b);
}

/* JSON carries what it carries, but nothing that a terminal would obey. */
static void
json_is_safe_too(void **state)
{
	json_t *o = json_pack(
	    "{s:s}", "x", IVAN "\x1b\x7f\xc2\x9b\xe2\x80\xae");
	struct buf b = BUF_INIT;
	json_t *again;

	(void)state;
	render_json(o, &b);
	assert_string_equal(
	    b.data, "{\"x\":\"" IVAN "\\u001B\\u007F\\u009B\\u202E\"}\n");
	again = json_loads(b.data, 0, NULL);
	assert_true(json_equal(o, again));
	json_decref(o);
	json_decref(again);
	buf_fini(&b);
}

/* Wide characters and back. */
static void
text_survives_the_editor(void **state)
{
	wchar_t *w = text_wide("a" IVAN "\xff");
	char *back;

	(void)state;
	assert_int_equal(wcslen(w), 6);
	back = text_narrow(w, 6);
	assert_string_equal(back, "a" IVAN "?");
	free(w);
	free(back);
}

static void
cell(const struct op_type *type, const char *json, enum format format,
    const char *want)
{
	struct op_field f = {.name = "x", .type = type};
	json_t *v = json_loads(json, JSON_DECODE_ANY, NULL);
	struct buf b = BUF_INIT;

	render_cell(&f, v, format, &b);
	assert_string_equal(b.data, want);
	buf_fini(&b);
	json_decref(v);
}

/* People get units, programs get numbers. */
static void
cells_suit_their_reader(void **state)
{
	(void)state;
	cell(&op_type_duration, "59", FORMAT_TABLE, "59s");
	cell(&op_type_duration, "3599", FORMAT_TABLE, "59m59s");
	cell(&op_type_duration, "90061", FORMAT_TABLE, "1d01h");
	cell(&op_type_duration, "-1", FORMAT_TABLE, "-1");
	cell(&op_type_duration, "90061", FORMAT_CSV, "90061");
	cell(&op_type_bytes, "1023", FORMAT_TABLE, "1023");
	cell(&op_type_bytes, "1536", FORMAT_TABLE, "1.5k");
	cell(&op_type_bytes, "1536", FORMAT_TERSE, "1536");
	cell(&op_type_time, "\"2026-11-22T23:00:07.123Z\"", FORMAT_TABLE,
	    "2026-11-22T23:00:07Z");
	cell(&op_type_time, "\"2026-11-22T23:00:07.123Z\"", FORMAT_CSV,
	    "2026-11-22T23:00:07.123Z");
	cell(&op_type_text, "null", FORMAT_TABLE, "-");
	cell(&op_type_text, "null", FORMAT_CSV, "");
	cell(&op_type_text, "\"\"", FORMAT_TABLE, "-");
	cell(&op_type_text, "\"\"", FORMAT_LINES, "-");
	cell(&op_type_text, "\"\"", FORMAT_CSV, "");
	cell(&op_type_bool, "true", FORMAT_TABLE, "yes");
	cell(&op_type_name, "[\"a\",\"b\"]", FORMAT_TABLE, "a b");
	cell(&op_type_name, "[\"a\",\"b\"]", FORMAT_CSV, "a,b");
	cell(&op_type_text, "{\"odd\":1}", FORMAT_TABLE, "-");
}

/* A table is as wide as the terminal: the widest texts go on below, and where
 * there are too many columns for that each field has a line. */
static void
tables_fit_the_terminal(void **state)
{
	static const struct op_field cols[] = {
	    {.name = "id", .type = &op_type_text},
	    {.name = "words", .type = &op_type_text},
	    {.name = "n", .type = &op_type_int}, {0}};

	static const struct op op = {.name = "show x", .cols = cols};
	json_t *reply = json_loads(
	    "{\"data\":[{\"id\":\"a\",\"words\":\"one two three four\","
	    "\"n\":5},{\"id\":\"bb\",\"words\":\"x\",\"n\":12345}]}",
	    0, NULL);
	struct buf b = BUF_INIT;
	struct view v;

	(void)state;
	view_init(&v, &op, reply, FORMAT_TABLE);
	render(&v, 23, &b);
	assert_string_equal(b.data,
	    "ID  WORDS             N\n"
	    "a   one two           5\n"
	    "    three four\n"
	    "bb  x             12345\n");
	buf_reset(&b);
	render(&v, 22, &b); /* the last column stands below */
	assert_string_equal(b.data,
	    "ID  WORDS\n"
	    "      N\n"
	    "a   one two three four\n"
	    "      5\n"
	    "bb  x\n"
	    "  12345\n");
	buf_reset(&b);
	render(&v, 12, &b); /* too narrow for a table */
	assert_string_equal(b.data,
	    "id     a\n"
	    "words  one two three four\n"
	    "n      5\n\n"
	    "id     bb\n"
	    "words  x\n"
	    "n      12345\n");
	view_fini(&v);
	json_decref(reply);
	buf_fini(&b);
}

/* A word is never broken, it may be wanted whole: it takes the room of others,
 * or makes the table a line a field. */
static void
words_stay_whole(void **state)
{
	static const struct op_field cols[] = {
	    {.name = "token", .type = &op_type_text},
	    {.name = "words", .type = &op_type_text}, {0}};
	static const struct op op = {.name = "show x", .cols = cols};
	json_t *reply = json_loads(
	    "{\"data\":[{\"token\":\"abcdefghijklmnopqrst\",\"words\":"
	    "\"one two three four\"}]}",
	    0, NULL);
	struct buf b = BUF_INIT;
	struct view v;

	(void)state;
	view_init(&v, &op, reply, FORMAT_TABLE);
	render(&v, 34, &b);
	assert_string_equal(b.data,
	    "TOKEN                 WORDS\n"
	    "abcdefghijklmnopqrst  one two\n"
	    "                      three four\n");
	buf_reset(&b);
	render(&v, 20, &b);
	assert_string_equal(b.data,
	    "TOKEN\n  WORDS\n"
	    "abcdefghijklmnopqrst\n  one two three four\n");
	buf_reset(&b);
	render(&v, 19, &b);
	assert_string_equal(b.data,
	    "token  abcdefghijklmnopqrst\n"
	    "words  one two three four\n");
	view_fini(&v);
	json_decref(reply);
	buf_fini(&b);
}

/* How far it is, in the width there is; what is no progress is nothing. */
static void
progress_is_a_bar(void **state)
{
	static const struct {
		const char *params, *line;
		unsigned width;
	} cases[] = {{"{\"done\":1,\"of\":3,\"words\":\"fault\"}",
			 "[##########--------------------] 1/3  fault", 80},
	    {"{\"done\":2,\"of\":2,\"words\":\"fault\"}", "[######] 2/2  fa~",
		18},
	    {"{\"done\":3,\"of\":2}", "", 80}, {"{\"of\":0}", "", 80},
	    {"[]", "", 80},
	    {"{\"done\":0,\"of\":1,\"words\":\"a\\u001bb\"}",
		"[-------] 0/1  a\\x1bb", 23}};
	struct buf b = BUF_INIT;
	json_t *params;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		params = json_loads(cases[i].params, 0, NULL);
		buf_reset(&b);
		progress_line(params, cases[i].width, &b);
		assert_string_equal(b.len != 0 ? b.data : "", cases[i].line);
		json_decref(params);
	}
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(widths_are_columns),
	    cmocka_unit_test(cuts_are_marked),
	    cmocka_unit_test(words_are_wrapped),
	    cmocka_unit_test(pieces_lose_nothing),
	    cmocka_unit_test(output_is_safe),
	    cmocka_unit_test(json_is_safe_too),
	    cmocka_unit_test(text_survives_the_editor),
	    cmocka_unit_test(cells_suit_their_reader),
	    cmocka_unit_test(tables_fit_the_terminal),
	    cmocka_unit_test(words_stay_whole),
	    cmocka_unit_test(progress_is_a_bar),
	};

	text_locale();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
