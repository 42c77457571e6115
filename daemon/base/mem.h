#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/*
 * Allocation that does not fail: a process that is out of memory ends with a
 * line in the log and its supervisor starts it again. base/, op/,
 * replication/, plan/ and every decoder of foreign bytes use malloc and
 * return -ERR_NOMEM instead.
 */
void *xmalloc(size_t);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *, size_t);
char *xstrdup(const char *);
char *xstrndup(const char *, size_t);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* As str_b64 and str_unb64, in memory of its own. xunb64: *n bytes, none of a
 * text that is no base64. */
char *xb64(const void *, size_t n);
void *xunb64(const char *text, size_t *n);

/* What is freed joins its neighbours at once. To be said at the start of a
 * process that lives long. */
void mem_joined(void);
/* What was freed goes back to the machine. */
void mem_trim(void);

/*
 * Magic words: the first member of every object that travels as a void *
 * is "unsigned magic"; OBJ() gives the typed pointer back and stops the
 * process when it is something else.
 */
#define OBJ(ptr, type, word) ((struct type *)mem_object((ptr), (word), #type))
void *mem_object(void *ptr, unsigned magic, const char *type);

#endif
