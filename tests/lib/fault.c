/* Allocation faults, by the linker's --wrap. */
#include <stdlib.h>
#include <string.h>

#include "fault.h"

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
char *__wrap_strdup(const char *);

static long fault_countdown = -1;
static int fault_struck;

void
fault_alloc_at(long n)
{
	fault_countdown = n;
	fault_struck = 0;
}

void
fault_alloc_off(void)
{
	fault_countdown = -1;
}

int
fault_alloc_hit(void)
{
	return fault_struck;
}

/* True when this allocation is the one that fails. */
static int
fault_now(void)
{
	if (fault_countdown < 0)
		return 0;
	if (fault_countdown-- > 0)
		return 0;
	fault_struck = 1;
	return 1;
}

void *
__wrap_malloc(size_t n)
{
	return fault_now() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fault_now() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return fault_now() ? NULL : __real_realloc(p, n);
}

char *
__wrap_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = __wrap_malloc(n);

	return copy != NULL ? memcpy(copy, s, n) : NULL;
}
