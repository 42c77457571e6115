/*
 * Widths of columns: what a terminal holds is shared out so that short values
 * are whole and long ones give way. And which rows of a list it holds.
 */
#include "screen_room.h"

/* How many of the first columns the width holds at their least. */
static size_t
layout_count(const struct layout_col *cols, size_t n, unsigned width)
{
	unsigned used = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		used += cols[i].least + (i != 0 ? LAYOUT_GAP : 0);
		if (used > width)
			break;
	}
	return i == 0 && n != 0 ? 1 : i;
}

/* The narrowest column that would like to be wider; n when none does. */
static size_t
layout_narrowest(
    const struct layout_col *cols, size_t n, const unsigned *widths)
{
	size_t i, narrowest = n;

	for (i = 0; i < n; i++) {
		if (widths[i] < cols[i].natural &&
		    (narrowest == n || widths[i] < widths[narrowest]))
			narrowest = i;
	}
	return narrowest;
}

size_t
layout_fit(
    const struct layout_col *cols, size_t n, unsigned width, unsigned *out)
{
	size_t shown = layout_count(cols, n, width), i;
	unsigned used = 0;

	for (i = 0; i < shown; i++) {
		out[i] = cols[i].least < width ? cols[i].least : width;
		used += out[i] + (i != 0 ? LAYOUT_GAP : 0);
	}
	for (; used < width; used++) {
		if ((i = layout_narrowest(cols, shown, out)) == shown)
			break;
		out[i]++;
	}
	return shown;
}

void
layout_move(size_t *cursor, size_t *top, size_t n, long by, unsigned height)
{
	long to = (long)*cursor + by, last = (long)n - 1;

	to = to > last ? last : to;
	*cursor = to > 0 ? (size_t)to : 0;
	if (*cursor < *top)
		*top = *cursor;
	if (height != 0 && *cursor >= *top + height)
		*top = *cursor - height + 1;
	if (*top + height > n)
		*top = n > height ? n - height : 0;
}
