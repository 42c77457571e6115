/*
 * What another server asks, and records of a ring that somebody forged: a
 * filter is refused or read, and whatever a record says of a call, what is told
 * of it can be shown as it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/str.h"
#include "daemon/trace/follow.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Records follow each other, each behind two bytes of its length. */
static void
hear(struct follows *follows, const uint8_t *p, size_t size)
{
	struct trace_record r;
	size_t at = 0, n;

	while (size - at >= 2) {
		n = (size_t)p[at] << 8 | p[at + 1];
		at += 2;
		n = n < size - at ? n : size - at;
		if (trace_record_decode(&r, p + at, n, NULL) == 0)
			follow_fact(follows, &r, CLOCK_SEC, CLOCK_SEC);
		at += n;
	}
}

static void
look(json_t *news)
{
	json_t *one, *row, *v;
	const char *name, *text;
	char safe[4096];
	size_t i, k;

	json_array_foreach (news, i, one) {
		json_array_foreach (json_object_get(one, "rows"), k, row) {
			json_object_foreach (row, name, v) {
				text = json_string_value(v);
				if (text != NULL &&
				    str_escape(safe, sizeof safe, text,
					strlen(text)) != strlen(text))
					abort();
			}
		}
	}
}

/* A line of JSON, then records. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nl = memchr(data, '\n', size);
	size_t n = nl != NULL ? (size_t)(nl - data) : size;
	json_t *q = json_loadb((const char *)data, n, 0, NULL), *news;
	struct follows *follows;

	if (!json_is_object(q)) {
		json_decref(q);
		return 0;
	}
	follows = follows_new();
	json_object_set_new(q, "for", json_integer(10));
	if (follow_open(follows, "k", q, 0, 0, NULL) >= 0 && nl != NULL)
		hear(follows, nl + 1, size - n - 1);
	news = follow_news(follows, CLOCK_SEC, 0);
	look(news);
	json_decref(news);
	json_decref(q);
	follows_free(&follows);
	return 0;
}
