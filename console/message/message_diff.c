/*
 * What differs between two messages: header by header, where those of one name
 * are one list; line by line of a body. A list is compared by its longest
 * common part.
 */
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "daemon/base/str.h"

#define DIFF_LIST 256 /* of a longer list only that it differs is told */

struct diff_list {
	struct message_text item[DIFF_LIST];
	size_t n;   /* of them */
	size_t all; /* with those that there is no room for */
};

struct diff {
	message_diff_fn *fn;
	void *arg;
	struct message_text name; /* of what is compared */
	struct diff_list a, b;
	/* length of the common part from here to the ends */
	uint16_t common[DIFF_LIST + 1][DIFF_LIST + 1];
	size_t same;
};

static void
diff_add(struct diff_list *l, struct message_text item)
{
	if (l->n < DIFF_LIST)
		l->item[l->n++] = item;
	l->all++;
}

static void
diff_measure(struct diff *d)
{
	size_t i, j;

	for (i = d->a.n + 1; i-- > 0;) {
		for (j = d->b.n + 1; j-- > 0;) {
			if (i == d->a.n || j == d->b.n)
				d->common[i][j] = 0;
			else if (message_text_equal(d->a.item[i], d->b.item[j]))
				d->common[i][j] =
				    (uint16_t)(d->common[i + 1][j + 1] + 1);
			else
				d->common[i][j] = d->common[i + 1][j] >=
					d->common[i][j + 1]
				    ? d->common[i + 1][j]
				    : d->common[i][j + 1];
		}
	}
}

/* What stands between two common items: values of a header field are other
 * ones there, lines of a body went and came. */
static void
diff_between(struct diff *d, size_t i, size_t to_i, size_t j, size_t to_j)
{
	static const struct message_text none = {"", 0};

	while (d->name.n > 0 && i < to_i && j < to_j)
		d->fn(d->arg, '~', d->name, d->a.item[i++], d->b.item[j++]);
	while (i < to_i)
		d->fn(d->arg, '-', d->name, d->a.item[i++], none);
	while (j < to_j)
		d->fn(d->arg, '+', d->name, none, d->b.item[j++]);
}

static void
diff_lists(struct diff *d)
{
	static const struct message_text body = {"body", 4}, none = {"", 0};
	size_t i = 0, j = 0, from_i = 0, from_j = 0;

	if (d->a.all > d->a.n || d->b.all > d->b.n) {
		d->fn(d->arg, '~', d->name.n > 0 ? d->name : body, none, none);
		return;
	}
	diff_measure(d);
	while (i < d->a.n && j < d->b.n) {
		if (message_text_equal(d->a.item[i], d->b.item[j])) {
			diff_between(d, from_i, i, from_j, j);
			from_i = ++i;
			from_j = ++j;
			d->same++;
		} else if (d->common[i + 1][j] >= d->common[i][j + 1]) {
			i++;
		} else {
			j++;
		}
	}
	diff_between(d, from_i, d->a.n, from_j, d->b.n);
}

/* All fields of a name. */
static void
diff_collect(
    struct diff_list *l, const struct message *m, struct message_text name)
{
	size_t i;

	l->n = l->all = 0;
	for (i = 0; i < m->nfields; i++) {
		if (m->field[i].name.n == name.n &&
		    strncasecmp(m->field[i].name.at, name.at, name.n) == 0)
			diff_add(l, m->field[i].value);
	}
}

/* Is it the first field of its name? */
static bool
diff_is_first(const struct message *m, size_t at)
{
	struct message_text name = m->field[at].name;
	size_t i;

	for (i = 0; i < at; i++) {
		if (m->field[i].name.n == name.n &&
		    strncasecmp(m->field[i].name.at, name.at, name.n) == 0)
			return false;
	}
	return true;
}

/* Names in the order of the first message, then those of the second alone. */
static void
diff_heads(struct diff *d, const struct message *a, const struct message *b)
{
	size_t i;

	for (i = 0; i < a->nfields; i++) {
		if (!diff_is_first(a, i))
			continue;
		d->name = a->field[i].name;
		diff_collect(&d->a, a, d->name);
		diff_collect(&d->b, b, d->name);
		diff_lists(d);
	}
	for (i = 0; i < b->nfields; i++) {
		if (!diff_is_first(b, i))
			continue;
		d->name = b->field[i].name;
		diff_collect(&d->a, a, d->name);
		diff_collect(&d->b, b, d->name);
		if (d->a.all == 0)
			diff_lists(d);
	}
}

static void
diff_lines(struct diff_list *l, struct message_text body)
{
	struct message_text line;

	l->n = l->all = 0;
	while (message_line(&body, &line))
		diff_add(l, line);
}

static void
diff_bodies(struct diff *d, struct message_text a, struct message_text b)
{
	size_t same = d->same;

	if (message_text_equal(a, b))
		return;
	d->name = (struct message_text){"", 0};
	diff_lines(&d->a, a);
	diff_lines(&d->b, b);
	diff_lists(d);
	d->same = same; /* of header fields */
}

size_t
message_diff(const struct message *a, const struct message *b,
    message_diff_fn *fn, void *arg)
{
	struct diff *d = calloc(1, sizeof *d);
	size_t same;

	if (d == NULL)
		return 0;
	d->fn = fn;
	d->arg = arg;
	if (!message_text_equal(a->start, b->start))
		fn(arg, '~', (struct message_text){"", 0}, a->start, b->start);
	diff_heads(d, a, b);
	diff_bodies(d, a->body, b->body);
	same = d->same;
	free(d);
	return same;
}
