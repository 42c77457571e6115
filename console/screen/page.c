/*
 * The stack of pages: what is on top has the keys; what a box lies over stays
 * in sight.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "screen_room.h"

void
page_push(struct screen *s, struct page *p)
{
	p->s = s;
	p->below = s->top;
	s->top = p;
}

void
page_pop(struct screen *s)
{
	struct page *p = s->top;

	if (p == NULL)
		return;
	s->top = p->below;
	p->ops->free(p);
}

struct page *
page_under(struct screen *s)
{
	struct page *p = s->top;

	while (p != NULL && p->ops->box)
		p = p->below;
	return p;
}

/* The first page stays where it is: there must be a way back to it. */
void
page_swap(struct screen *s)
{
	struct page *p = s->top, *below = p->below;

	if (below == NULL || below->below == NULL || p->ops->box ||
	    below->ops->box)
		return;
	p->below = below->below;
	below->below = p;
	s->top = below;
}

void
page_home(struct screen *s)
{
	while (s->top != NULL && s->top->below != NULL)
		page_pop(s);
}

void
page_keep(struct screen *s)
{
	struct page *p = s->top, *old;

	while (p->below != NULL && p->below->below != NULL) {
		old = p->below;
		p->below = old->below;
		old->ops->free(old);
	}
}

void
page_bind(struct screen *s)
{
	struct page *p;

	for (p = s->top; p != NULL; p = p->below) {
		if (p->ops->bind != NULL)
			p->ops->bind(p);
	}
}

void
page_note(struct screen *s, enum tone tone, const char *fmt, ...)
{
	va_list ap;

	s->note_tone = tone;
	va_start(ap, fmt);
	vsnprintf(s->note, sizeof s->note, fmt, ap);
	va_end(ap);
}

bool
page_act(struct page *p, const struct key *k)
{
	return p->ops->act != NULL && p->ops->act(p, k);
}

void
page_changed(struct screen *s)
{
	struct page *p;

	watch_ask(s->changes);
	for (p = s->top; p != NULL; p = p->below) {
		if (p->ops->act != NULL)
			p->ops->act(p, &(struct key){.act = ACT_REDRAW});
	}
}

struct area
page_head(const struct area *a, const char *left, const char *right)
{
	unsigned width = text_width(right), used = text_width(left) + 3;

	if (width + 1 > a->cols) /* what of it fits beside the left */
		width = used < a->cols ? a->cols - used : 0;
	draw_text(a->row, a->col + 1, a->cols - width - 2, TONE_PLAIN, left);
	if (width != 0)
		draw_text(a->row, a->col + a->cols - width - 1, width,
		    TONE_PLAIN, right);
	draw_line(a->row + 1, a->col, a->cols);
	return (struct area){
	    a->row + 2, a->col, a->rows > 2 ? a->rows - 2 : 0, a->cols};
}
