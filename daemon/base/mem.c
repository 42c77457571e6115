/* Allocation that ends the process instead of failing, and magic words. */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "log.h"
#include "str.h"

/* What malloc gave, or the end of the process. */
static void *
mem_must(void *p, size_t size)
{
	if (p == NULL)
		fatalx("out of memory: %zu bytes", size);
	return p;
}

void *
xmalloc(size_t size)
{
	return mem_must(malloc(size != 0 ? size : 1), size);
}

void *
xcalloc(size_t n, size_t size)
{
	return mem_must(calloc(n != 0 ? n : 1, size != 0 ? size : 1), size);
}

void *
xrealloc(void *p, size_t size)
{
	return mem_must(realloc(p, size != 0 ? size : 1), size);
}

char *
xstrdup(const char *s)
{
	return mem_must(strdup(s), strlen(s));
}

char *
xstrndup(const char *s, size_t n)
{
	return mem_must(strndup(s, n), n);
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return mem_must(n < 0 ? NULL : s, 0);
}

char *
xb64(const void *p, size_t n)
{
	char *text = xmalloc(STR_B64_LEN(n) + 1);

	str_b64(text, p, n);
	return text;
}

void *
xunb64(const char *text, size_t *n)
{
	size_t size = strlen(text);
	void *p = xmalloc(size + 1);
	long got = str_unb64(p, size + 1, text, size);

	*n = got > 0 ? (size_t)got : 0;
	return p;
}

/* The C library keeps small pieces that were freed apart, in lists that after
 * thousands of calls at once lead through the whole heap: what is made of them
 * lies scattered, and to read it costs more than to make it. */
void
mem_joined(void)
{
	mallopt(M_MXFAST, 0);
}

void
mem_trim(void)
{
	malloc_trim(0);
}

void *
mem_object(void *ptr, unsigned magic, const char *type)
{
	if (ptr == NULL || *(unsigned *)ptr != magic)
		fatalx("a pointer that is no struct %s", type);
	return ptr;
}
