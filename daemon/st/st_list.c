/*
 * The order of a list as an operator sees it: values are put in front, behind,
 * or beside one that is there, or taken out. A list holds each value once, so
 * one that is there already moves.
 */
#include <string.h>

#include "st.h"
#include "daemon/base/str.h"

static void
list_add(struct buf *b, const char *words, size_t n)
{
	if (b->len > 0)
		buf_char(b, ' ');
	buf_add(b, words, n);
}

/* The value is one of the list. */
static int
list_expect(const char *list, const char *value, struct err *e)
{
	if (str_has_word(list, value, strlen(value)))
		return 0;
	return *list == '\0'
	    ? err_set(
		  e, ERR_ABSENT, "%s is not in the list: it is empty", value)
	    : err_set(e, ERR_ABSENT, "%s is not in the list: %s", value, list);
}

/* The anchor as the list would hold it, and that it is there to stand by. */
static int
list_anchor(const struct op_field *f, const char *list, const char *values,
    const char *anchor, char out[OP_VALUE], struct err *e)
{
	int r = op_parse(f, anchor, out, OP_VALUE, e);

	if (r != 0)
		return r;
	if (str_has_word(values, out, strlen(out)))
		return err_set(
		    e, ERR_INVALID, "%s cannot stand beside itself", out);
	return list_expect(list, out, e);
}

int
st_list_insert(const struct op_field *f, const char *list, const char *values,
    enum st_side side, const char *anchor, struct buf *out, struct err *e)
{
	bool beside = side == ST_BEFORE || side == ST_AFTER, here;
	char at[OP_VALUE] = "";
	const char *word;
	size_t n;
	int r;

	buf_reset(out);
	if (beside && (r = list_anchor(f, list, values, anchor, at, e)) != 0)
		return r;
	if (side == ST_FIRST)
		list_add(out, values, strlen(values));
	while ((n = str_word(&list, &word)) > 0) {
		here = beside && n == strlen(at) && memcmp(word, at, n) == 0;
		if (here && side == ST_BEFORE)
			list_add(out, values, strlen(values));
		if (!str_has_word(values, word, n))
			list_add(out, word, n);
		if (here && side == ST_AFTER)
			list_add(out, values, strlen(values));
	}
	if (side == ST_LAST)
		list_add(out, values, strlen(values));
	return out->len < OP_VALUE
	    ? 0
	    : err_set(e, ERR_TOOBIG, "expected at most %d bytes in a list",
		  OP_VALUE - 1);
}

int
st_list_take(
    const char *list, const char *values, struct buf *out, struct err *e)
{
	char value[OP_VALUE];
	const char *word;
	size_t n;
	int r;

	buf_reset(out);
	for (const char *at = values; (n = str_word(&at, &word)) > 0;) {
		str_ncopy(value, sizeof value, word, n);
		if ((r = list_expect(list, value, e)) != 0)
			return r;
	}
	while ((n = str_word(&list, &word)) > 0) {
		if (!str_has_word(values, word, n))
			list_add(out, word, n);
	}
	return 0;
}
