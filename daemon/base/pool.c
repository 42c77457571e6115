/*
 * Blocks of 4 KiB are cut from the front; what is larger has a block of its
 * own. Ends are kept in the same memory.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "mem.h"

#define POOL_BLOCK 4096
#define POOL_ALIGN 16

struct pool_block {
	struct pool_block *next;
	size_t size;
	char bytes[] __attribute__((aligned(POOL_ALIGN)));
};

struct pool_end {
	struct pool_end *next;
	pool_end_fn *fn;
	void *arg;
};

struct pool {
	struct pool_block *blocks; /* the first one has room */
	struct pool_end *ends;
	size_t used; /* in the first block */
	size_t total;
};

struct pool *
pool_new(void)
{
	return xcalloc(1, sizeof(struct pool));
}

void
pool_free(struct pool **pp)
{
	struct pool *p = *pp;
	struct pool_block *b;
	struct pool_end *e;

	*pp = NULL;
	if (p == NULL)
		return;
	while ((e = p->ends) != NULL) {
		p->ends = e->next;
		e->fn(e->arg);
	}
	while ((b = p->blocks) != NULL) {
		p->blocks = b->next;
		free(b);
	}
	free(p);
}

/* A new first block with room for at least size bytes. */
static void
pool_grow(struct pool *p, size_t size)
{
	size_t bytes = size > POOL_BLOCK ? size : POOL_BLOCK;
	struct pool_block *b = xcalloc(1, sizeof *b + bytes);

	b->size = bytes;
	b->next = p->blocks;
	p->blocks = b;
	p->used = 0;
	p->total += sizeof *b + bytes;
}

void *
pool_alloc(struct pool *p, size_t size)
{
	void *at;

	size = (size + POOL_ALIGN - 1) & ~(size_t)(POOL_ALIGN - 1);
	if (p->blocks == NULL || p->blocks->size - p->used < size)
		pool_grow(p, size);
	at = p->blocks->bytes + p->used;
	p->used += size;
	return at;
}

char *
pool_strn(struct pool *p, const char *s, size_t n)
{
	char *copy = pool_alloc(p, n + 1);

	memcpy(copy, s, n);
	return copy;
}

char *
pool_str(struct pool *p, const char *s)
{
	return pool_strn(p, s, strlen(s));
}

char *
pool_fmt(struct pool *p, const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	s = pool_alloc(p, (size_t)(n < 0 ? 0 : n) + 1);
	if (n > 0)
		vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}

void
pool_own(struct pool *p, pool_end_fn *fn, void *arg)
{
	struct pool_end *e = pool_alloc(p, sizeof *e);

	*e = (struct pool_end){p->ends, fn, arg};
	p->ends = e;
}

size_t
pool_size(const struct pool *p)
{
	return p->total;
}
