/*
 * An operation that takes long tells how far it is: a line at a terminal that
 * is drawn over until the answer comes. Nothing of it is seen where no person
 * looks.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "console.h"

#define PROGRESS_BAR 30 /* columns of the bar at most */

void
progress_line(json_t *params, unsigned width, struct buf *b)
{
	const char *words = "";
	int done = 0, of = 0;
	unsigned i, bar, full;
	struct buf line = BUF_INIT;

	json_unpack(params, "{s?i, s?i, s?s}", "done", &done, "of", &of,
	    "words", &words);
	if (of < 1 || done < 0 || done > of)
		return;
	bar = width < 2 * PROGRESS_BAR ? width / 3 : PROGRESS_BAR;
	full = bar * (unsigned)done / (unsigned)of;
	buf_char(&line, '[');
	for (i = 0; i < bar; i++)
		buf_char(&line, i < full ? '#' : '-');
	buf_fmt(&line, "] %d/%d  ", done, of);
	text_safe(&line, words);
	text_fit(b, line.data != NULL ? line.data : "", width - 1);
	buf_fini(&line);
}

void
progress_show(const struct options *opt, json_t *params)
{
	unsigned width = text_terminal(STDERR_FILENO);
	struct buf b = BUF_INIT;

	if (width < 2 || opt->format == FORMAT_JSON || opt->quiet)
		return;
	progress_line(params, width, &b);
	if (b.len != 0 && !b.failed) {
		text_clear(stderr);
		text_put(stderr, b.data);
	}
	buf_fini(&b);
}

void
progress_end(const struct options *opt)
{
	if (text_terminal(STDERR_FILENO) >= 2 && opt->format != FORMAT_JSON &&
	    !opt->quiet)
		text_clear(stderr);
}
