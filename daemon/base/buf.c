/* A growing byte string whose errors are checked once, at the end. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

void
buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

/* Grow so that n more bytes and the NUL fit; 0 when it cannot be had. */
static int
buf_grow(struct buf *b, size_t n)
{
	size_t need = b->len + n + 1, cap = b->cap != 0 ? b->cap : 64;
	char *data;

	if (b->failed || need < n || (b->max != 0 && b->len + n > b->max))
		return 0;
	if (need <= b->cap)
		return 1;
	while (cap < need)
		cap *= 2;
	if ((data = realloc(b->data, cap)) == NULL)
		return 0;
	b->data = data;
	b->cap = cap;
	return 1;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	if (!buf_grow(b, n)) {
		b->failed = 1;
		return NULL;
	}
	return b->data + b->len;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *at = buf_reserve(b, n);

	if (at == NULL)
		return;
	if (n != 0)
		memcpy(at, p, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_int(struct buf *b, int64_t v)
{
	char digits[20];
	uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + left % 10);
	while ((left /= 10) != 0);
	if (v < 0)
		buf_char(b, '-');
	buf_add(b, digits + at, sizeof digits - at);
}

void
buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	char *at;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0 && (at = buf_reserve(b, (size_t)n)) != NULL) {
		vsnprintf(at, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void
buf_eat(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
	b->data[b->len] = '\0';
}

char *
buf_take(struct buf *b)
{
	char *s = b->failed ? NULL : b->data;

	if (b->failed)
		free(b->data);
	*b = (struct buf)BUF_INIT;
	return s;
}
