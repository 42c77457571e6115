/*
 * Editing a message without taking it apart: cuts and inserts are noted by
 * offset and one pass copies the text with them. Who asks for more edits or
 * more inserted bytes than there is room for gets no text at all, never a
 * half-edited one.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scan.h"

void
splice_init(struct splice *s, const char *text, size_t n)
{
	s->text = text;
	s->size = n;
	s->count = 0;
	s->used = 0;
	s->failed = n > UINT32_MAX;
}

/* A new edit in its place: by offset, later ones behind earlier ones. */
static struct splice_edit *
splice_add(struct splice *s, size_t at)
{
	unsigned i = s->count;

	if (s->count == SPLICE_EDITS || at > s->size) {
		s->failed = true;
		return NULL;
	}
	for (; i > 0 && s->edit[i - 1].at > at; i--)
		s->edit[i] = s->edit[i - 1];
	s->count++;
	s->edit[i].at = (uint32_t)at;
	s->edit[i].cut = 0;
	s->edit[i].note = s->used;
	s->edit[i].n = 0;
	return &s->edit[i];
}

void
splice_cut(struct splice *s, size_t at, size_t n)
{
	struct splice_edit *e = splice_add(s, at);

	if (e == NULL)
		return;
	if (n > s->size - at)
		s->failed = true;
	else
		e->cut = (uint32_t)n;
}

void
splice_put(struct splice *s, size_t at, const void *p, size_t n)
{
	struct splice_edit *e;

	if (n > SPLICE_NOTES - s->used) {
		s->failed = true;
		return;
	}
	if ((e = splice_add(s, at)) == NULL)
		return;
	memcpy(s->notes + s->used, p, n);
	e->n = (uint32_t)n;
	s->used += (uint32_t)n;
}

void
splice_fmt(struct splice *s, size_t at, const char *fmt, ...)
{
	struct splice_edit *e;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->notes + s->used, SPLICE_NOTES - s->used, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= SPLICE_NOTES - s->used) {
		s->failed = true;
		return;
	}
	if ((e = splice_add(s, at)) == NULL)
		return;
	e->n = (uint32_t)n;
	s->used += (uint32_t)n;
}

long
splice_out(const struct splice *s, char *out, size_t size)
{
	const struct splice_edit *e;
	size_t from = 0, used = 0, keep;
	unsigned i;

	if (s->failed)
		return -1;
	for (i = 0; i < s->count; i++) {
		e = &s->edit[i];
		keep = e->at > from ? e->at - from : 0;
		if (keep + e->n > size - used)
			return -1;
		memcpy(out + used, s->text + from, keep);
		used += keep;
		memcpy(out + used, s->notes + e->note, e->n);
		used += e->n;
		if (e->at + e->cut > from)
			from = e->at + e->cut;
	}
	keep = s->size - from;
	if (keep > size - used)
		return -1;
	memcpy(out + used, s->text + from, keep);
	return (long)(used + keep);
}
