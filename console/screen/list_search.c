/*
 * Lists of the past, of which the server looks for a part: how far back, and
 * for what. What is typed are the arguments of the operation, as behind its
 * name at the prompt; a word alone is a number or, with a dot, a domain.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

#define SEARCH_LAST "last"	      /* the argument that says how far back */
#define SEARCH_PERIOD (5 * CLOCK_SEC) /* all recorders look through it */

static const json_int_t search_spans[] = {
    900, 3600, 4 * 3600, 86400, 7 * 86400, 30 * 86400};
#define SEARCH_SPANS (sizeof search_spans / sizeof search_spans[0])

bool
list_search_is(const struct op *op)
{
	const struct op_field *f = op_field_find(op->args, SEARCH_LAST);

	return f != NULL && f->type == &op_type_duration;
}

/* Ask with these (taken). */
static void
search_ask(struct list *l, json_t *params)
{
	json_decref(l->params);
	l->params = params;
	json_decref(l->watch->params);
	l->watch->params = json_incref(params);
	watch_ask(l->watch);
	grid_act(&l->grid, &(struct key){.act = ACT_FIRST}, l->rows);
}

void
list_search_open(struct list *l)
{
	l->search = true;
	l->page.where |= KEY_SEARCH;
	l->watch->period = SEARCH_PERIOD;
	if (json_object_get(l->params, SEARCH_LAST) == NULL)
		list_search_span(l, 0);
}

/* ---- how far back -----------------------------------------------------------
 */

/* Seconds, as a number or as they were typed. */
static json_int_t
search_last(const struct list *l)
{
	json_t *last = json_object_get(l->params, SEARCH_LAST);
	int64_t s = 0;

	if (json_is_integer(last))
		return json_integer_value(last);
	return json_is_string(last) &&
		str_int(json_string_value(last), 0, INT64_MAX, &s)
	    ? s
	    : 0;
}

void
list_search_span(struct list *l, int by)
{
	json_t *params = l->params != NULL ? json_copy(l->params)
					   : json_object();
	json_int_t last = search_last(l), to = search_spans[0];
	size_t i;

	for (i = 0; i < SEARCH_SPANS; i++) {
		if (by > 0 && search_spans[i] > last) {
			to = search_spans[i];
			break;
		}
		if (by < 0 ? search_spans[i] < last : by > 0)
			to = search_spans[i];
	}
	json_object_set_new(params, SEARCH_LAST, json_integer(to));
	search_ask(l, params);
}

/* ---- for what ----------------------------------------------------------- */

/* What is looked for, as it would be typed. */
static void
search_words(const struct list *l, struct buf *b)
{
	const char *name;
	json_t *value;

	buf_str(b, "");
	json_object_foreach (l->params, name, value) {
		if (strcmp(name, SEARCH_LAST) == 0)
			continue;
		buf_fmt(b, "%s%s ", b->len != 0 ? " " : "", name);
		if (json_is_integer(value))
			buf_fmt(b, "%" JSON_INTEGER_FORMAT,
			    json_integer_value(value));
		else if (json_is_string(value))
			op_quote(b, json_string_value(value));
	}
}

void
list_search_say(const struct list *l, struct buf *b)
{
	static const struct op_field span = {.type = &op_type_duration};
	json_t *last = json_integer(search_last(l));
	struct buf words = BUF_INIT;

	search_words(l, &words);
	if (words.len != 0)
		buf_fmt(b, "%s, ", words.data);
	buf_str(b, "last ");
	render_cell(&span, last, FORMAT_TABLE, b);
	buf_fini(&words);
	json_decref(last);
}

bool
list_search_clear(struct list *l)
{
	json_t *last = json_object_get(l->params, SEARCH_LAST);

	if (json_object_size(l->params) < 2 || last == NULL)
		return false;
	search_ask(l, json_pack("{s:O}", SEARCH_LAST, last));
	return true;
}

void
list_search_begin(struct list *l)
{
	struct buf words = BUF_INIT;

	search_words(l, &words);
	entry_set(&l->entry, words.data);
	buf_fini(&words);
}

/* The name of the argument that a first word alone is a value of. */
static const char *
search_argument(const struct op *op, const char *text)
{
	size_t n = strcspn(text, " "), i;
	bool letters = false;
	char word[64];

	if (n == 0 || !str_ncopy(word, sizeof word, text, n) ||
	    op_field_find(op->args, word) != NULL)
		return "";
	for (i = 0; i < n; i++)
		letters |= isalpha((unsigned char)word[i]) != 0;
	return letters && strchr(word, '.') != NULL ? "domain " : "number ";
}

/* The arguments that were understood; or NULL, and it was said why not. */
static json_t *
search_parse(struct list *l, const struct op *op, const char *text)
{
	struct screen *s = l->page.s;
	struct buf line = BUF_INIT;
	json_t *params = NULL;
	struct command c;
	struct place p;

	buf_fmt(&line, "%s %s%s", l->op, search_argument(op, text), text);
	p = (struct place){.text = line.data};
	if (command_parse(s->session, &p, &c) != 0) {
		struct report why = command_why(&p, &c);

		box_error(s, "Search", &why);
	} else if (c.walk.op != op || c.npipes != 0) {
		page_note(s, TONE_NOTICE, "only arguments of %s", l->op);
	} else {
		params = json_copy(c.walk.args);
	}
	command_fini(&c);
	buf_fini(&line);
	return params;
}

void
list_search_end(struct list *l)
{
	const struct op *op = op_find(&l->page.s->session->table, l->op);
	char *text = entry_text(&l->entry);
	json_t *params = op != NULL
	    ? search_parse(l, op, text + strspn(text, " "))
	    : NULL;

	free(text);
	if (params == NULL)
		return;
	if (json_object_get(params, SEARCH_LAST) == NULL)
		json_object_set_new(
		    params, SEARCH_LAST, json_integer(search_last(l)));
	search_ask(l, params);
}
