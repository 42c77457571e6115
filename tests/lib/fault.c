/* Faults of allocation, in memory and on disk, by the linker's --wrap. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "fault.h"

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
char *__wrap_strdup(const char *);
int __real_fallocate(int, int, off_t, off_t);
int __wrap_fallocate(int, int, off_t, off_t);

static long fault_countdown = -1;
static int fault_struck;
static bool fault_full;

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

void
fault_disk_full(bool full)
{
	fault_full = full;
}

int
__wrap_fallocate(int fd, int mode, off_t off, off_t n)
{
	if (!fault_full)
		return __real_fallocate(fd, mode, off, n);
	errno = ENOSPC;
	return -1;
}
