/*
 * Figures of media as text: decimal numbers with a space between them, '-' for
 * what is not known, all of enum trace_figure and in its order.
 */
#include "trace_media.h"

#define FIGURE_ROOM 21	 /* bytes of one and the space behind it */
#define FIGURE_DIGITS 18 /* that are read */

/* By hand: a gate writes thousands a second. */
static size_t
figure_write(char out[FIGURE_ROOM], uint64_t v)
{
	char digits[FIGURE_ROOM];
	size_t n = 0, i;

	if (v == TRACE_UNKNOWN) {
		out[0] = '-';
		return 1;
	}
	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	for (i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}

void
trace_media(struct ring *ring, const struct trace_media *m)
{
	char text[TRACE_FIGURES * FIGURE_ROOM];
	const struct trace_fact f = {.kind = TRACE_MEDIA,
	    .text = {
		[TRACE_CALL] = m->call,
		[TRACE_LABEL] = m->label,
		[TRACE_METHOD] = m->codec,
		[TRACE_TIMES] = text,
	    }};
	size_t n = 0, i;

	for (i = 0; i < TRACE_FIGURES; i++) {
		if (i > 0)
			text[n++] = ' ';
		n += figure_write(text + n, m->figure[i]);
	}
	text[n] = '\0';
	trace_fact(ring, &f);
}

/* One number or '-'; NULL when there is none. */
static const char *
figure_read(uint64_t *v, const char *p, const char *end)
{
	const char *from = p;

	if (p < end && *p == '-') {
		*v = TRACE_UNKNOWN;
		return p + 1;
	}
	for (*v = 0; p < end && *p >= '0' && *p <= '9'; p++) {
		if (p - from == FIGURE_DIGITS)
			return NULL;
		*v = *v * 10 + (uint64_t)(*p - '0');
	}
	return p > from ? p : NULL;
}

/* Counts are always known. */
static bool
figure_may_lack(size_t i)
{
	return (i >= TRACE_JITTER && i < TRACE_ALL_RECEIVED) ||
	    i >= TRACE_ALL_JITTER;
}

bool
trace_figures(uint64_t figure[TRACE_FIGURES], const char *p, size_t n)
{
	const char *end = p + n;
	size_t i;

	for (i = 0; i < TRACE_FIGURES; i++) {
		if (i > 0 && (p == end || *p++ != ' '))
			return false;
		if ((p = figure_read(&figure[i], p, end)) == NULL ||
		    (figure[i] == TRACE_UNKNOWN && !figure_may_lack(i)))
			return false;
	}
	return p == end;
}
