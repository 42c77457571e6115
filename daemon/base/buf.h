#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

/*
 * A growing byte string. A failed allocation sets "failed" and the rest of
 * the writes do nothing, so a writer checks once at the end. data is always
 * NUL-terminated behind len, or NULL when nothing was ever written.
 */
struct buf {
	char *data;
	size_t len;
	size_t cap;
	int failed; /* 1 once an allocation failed or max was passed */
	size_t max; /* refuse to grow beyond; 0 = no limit of its own */
};

#define BUF_INIT  \
	{         \
		0 \
	}

void buf_fini(struct buf *);
void buf_reset(struct buf *); /* empty, storage kept */
/* Room for n more bytes behind len; NULL when failed. */
char *buf_reserve(struct buf *, size_t n);
void buf_add(struct buf *, const void *, size_t);
void buf_str(struct buf *, const char *);
void buf_char(struct buf *, char);
void buf_int(struct buf *, int64_t); /* decimal; much cheaper than buf_fmt */
void buf_fmt(struct buf *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Drop n bytes from the front; n <= len. */
void buf_eat(struct buf *, size_t n);
/* Hand the string to the caller (free it); NULL when failed. */
char *buf_take(struct buf *);

#endif
