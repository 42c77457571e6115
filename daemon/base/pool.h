#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

/*
 * A pool owns everything of one life (a call, a command): memory and
 * whatever else has a function that ends it. pool_free ends all of it, the
 * youngest first. Allocation never fails (see mem.h).
 */
struct pool;
typedef void pool_end_fn(void *);

struct pool *pool_new(void);
void pool_free(struct pool **);
void *pool_alloc(struct pool *, size_t); /* zeroed, aligned for any type */
char *pool_str(struct pool *, const char *);
char *pool_strn(struct pool *, const char *, size_t n);
char *pool_fmt(struct pool *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Call fn(arg) when the pool ends. */
void pool_own(struct pool *, pool_end_fn *, void *arg);
size_t pool_size(const struct pool *); /* bytes taken from the heap */

#endif
