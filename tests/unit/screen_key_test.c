/* Keys, lines that are typed, values of forms, and what the palette finds. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/screen/screen_room.h"
#include "daemon/obj/obj.h"
#include "tests/lib/op_laws.h"

static const unsigned places[] = {KEY_LIST, KEY_OBJECTS | KEY_LIST,
    KEY_OBJECTS | KEY_LIST | KEY_TABS, KEY_TEXT, KEY_OVERVIEW,
    KEY_LIST | KEY_CALLS, KEY_LIST | KEY_CALLS | KEY_SEARCH, KEY_LADDER,
    KEY_TEXT | KEY_TABS | KEY_MESSAGE};

/* A key means one thing on a page. */
static void
keys_mean_one_thing(void **state)
{
	const struct key *k, *other;

	(void)state;
	for (k = key_table; k->press != 0; k++) {
		for (other = k + 1; other->press != 0; other++) {
			if (k->press == other->press)
				assert_int_equal(k->where & other->where, 0);
		}
	}
}

/* Every key that is shown is explained, and the help names it; but where the
 * page has a meaning of its own for it. */
static void
keys_are_explained(void **state)
{
	const struct key *k;
	struct buf b = BUF_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof places / sizeof places[0]; i++) {
		buf_reset(&b);
		key_help(places[i], &b);
		for (k = key_table; k->press != 0; k++) {
			if (k->shown == NULL ||
			    !(k->where & (places[i] | KEY_ANYWHERE)))
				continue;
			assert_non_null(k->brief);
			if (key_find(k->press, places[i]) == k)
				assert_non_null(strstr(b.data, k->brief));
			else
				assert_int_not_equal(
				    key_find(k->press, places[i])->where &
					places[i],
				    0);
		}
	}
	buf_fini(&b);
}

/* Nothing that changes objects works where there are none. */
static void
keys_have_their_place(void **state)
{
	(void)state;
	assert_null(key_find('N', KEY_LIST));
	assert_null(key_find(PRESS_DELETE, KEY_LIST));
	assert_non_null(key_find('N', KEY_LIST | KEY_OBJECTS));
	assert_null(key_find('/', KEY_TEXT));
	assert_non_null(key_find('q', 0));
}

/* What a page has of its own goes before what is the same everywhere. */
static void
a_page_has_keys_of_its_own(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(key_find('n', KEY_TEXT)->act, ACT_OPEN);
	assert_int_equal(key_find('n', KEY_TEXT | KEY_MESSAGE)->act, ACT_NEXT);
	assert_int_equal(key_find('t', KEY_LIST)->act, ACT_OPEN);
	assert_int_equal(key_find('t', KEY_LIST | KEY_CALLS)->act, ACT_LADDER);
	assert_int_equal(key_find('l', KEY_LADDER)->act, ACT_LEGS);
	key_help(KEY_TEXT | KEY_MESSAGE, &b);
	assert_null(strstr(b.data, "Servers"));
	buf_fini(&b);
}

/* The last line never is longer than the terminal, and leads back. */
static void
foot_fits(void **state)
{
	struct buf b = BUF_INIT;
	unsigned width;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof places / sizeof places[0]; i++) {
		for (width = 60; width <= 120; width++) {
			buf_reset(&b);
			key_foot(places[i], &op_sample, width, &b);
			assert_true(text_width(b.data) <= width);
			assert_non_null(strstr(b.data, "q Back"));
			assert_null(strstr(b.data, "Alarms")); /* absent */
		}
	}
	buf_fini(&b);
}

static void
types(struct entry *e, const char *keys)
{
	for (; *keys != '\0'; keys++)
		assert_true(entry_press(e, *keys));
}

static void
holds(const struct entry *e, const char *want, size_t at)
{
	char *text = entry_text(e);

	assert_string_equal(text, want);
	assert_int_equal(e->at, at);
	free(text);
}

/* Letters go where the cursor is; control characters are never text. */
static void
lines_are_edited(void **state)
{
	struct entry e;

	(void)state;
	entry_set(&e, "");
	types(&e, "show calls");
	holds(&e, "show calls", 10);
	assert_true(entry_press(&e, PRESS_CTRL('w')));
	holds(&e, "show ", 5);
	assert_true(entry_press(&e, PRESS_HOME));
	assert_true(entry_press(&e, 0x418));
	holds(&e, "\u0418show ", 1);
	assert_true(entry_press(&e, PRESS_ERASE));
	assert_true(entry_press(&e, PRESS_DELETE));
	holds(&e, "how ", 0);
	assert_true(entry_press(&e, PRESS_CTRL('k')));
	holds(&e, "", 0);
	assert_false(entry_press(&e, PRESS_ESCAPE));
	assert_false(entry_press(&e, 0x9b));
	assert_false(entry_press(&e, PRESS_F1));
	holds(&e, "", 0);
}

/* A line longer than its place is seen where the cursor is; a secret not. */
static void
lines_are_shown(void **state)
{
	struct buf b = BUF_INIT;
	struct entry e;
	unsigned cursor;

	(void)state;
	entry_set(&e, "0123456789");
	entry_show(&e, 5, '\0', &b, &cursor);
	assert_string_equal(b.data, "6789");
	assert_int_equal(cursor, 4);
	buf_reset(&b);
	entry_press(&e, PRESS_HOME);
	entry_show(&e, 5, '*', &b, &cursor);
	assert_string_equal(b.data, "*****");
	assert_int_equal(cursor, 0);
	buf_fini(&b);
}

/* What a form sets is what the walker reads. */
static void
values_survive_a_line(void **state)
{
	const struct op_field one = {
	    .name = "name", .type = &op_type_text, .max = 200};
	const struct op_field list = {
	    .name = "alias", .type = &op_type_domain, .flags = OP_LIST};
	static const char *const texts[] = {"a b", "\"q\" | x", "#5", "[x]",
	    "\\", "it's", "\u0418\u0432\u0430\u043d"};
	struct buf b = BUF_INIT;
	struct op_walk w;
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		buf_reset(&b);
		buf_str(&b, "set domain demo.test user 101 name ");
		form_value_put(&one, texts[i], &b);
		assert_int_equal(op_walk(&op_sample, b.data, 0, &w), 0);
		text = form_value_text(
		    json_object_get(json_object_get(w.args, "values"), "name"));
		assert_string_equal(text, texts[i]);
		free(text);
		op_walk_fini(&w);
	}
	buf_reset(&b);
	buf_str(&b, "set domain demo.test alias ");
	form_value_put(&list, " a.test  b.test ", &b);
	assert_int_equal(op_walk(&op_sample, b.data, 0, &w), 0);
	text = form_value_text(
	    json_object_get(json_object_get(w.args, "values"), "alias"));
	assert_string_equal(text, "a.test b.test");
	free(text);
	assert_null(form_value_text(NULL));
	op_walk_fini(&w);
	buf_fini(&b);
}

/* A secret and a long text are not loaded into a line. */
static void
values_are_hidden(void **state)
{
	const struct obj *user = obj_find(
	    obj_table, obj_find(obj_table, NULL, "domain"), "user");

	(void)state;
	assert_true(form_value_is_opaque(obj_field(user, "password")));
	assert_false(form_value_is_opaque(obj_field(user, "name")));
	assert_true(form_value_has_choices(obj_field(user, "state")));
	assert_false(form_value_has_choices(obj_field(user, "name")));
}

/* Letters in their order find it; those that begin words stand first. */
static void
letters_find(void **state)
{
	(void)state;
	assert_int_equal(menu_fit("xyz", "show calls"), -1);
	assert_true(menu_fit("sc", "show calls") >= 0);
	assert_true(menu_fit("sc", "show calls") > menu_fit("sc", "discard x"));
	assert_true(menu_fit("call", "show calls") >
	    menu_fit("call", "check all the links"));
	assert_true(menu_fit("SHOW", "show calls") >= 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_mean_one_thing),
	    cmocka_unit_test(keys_are_explained),
	    cmocka_unit_test(keys_have_their_place),
	    cmocka_unit_test(a_page_has_keys_of_its_own),
	    cmocka_unit_test(foot_fits),
	    cmocka_unit_test(lines_are_edited),
	    cmocka_unit_test(lines_are_shown),
	    cmocka_unit_test(values_survive_a_line),
	    cmocka_unit_test(values_are_hidden),
	    cmocka_unit_test(letters_find),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	op_use_objects(obj_table);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
