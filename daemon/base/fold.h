#ifndef BASE_FOLD_H
#define BASE_FOLD_H

#include <stdbool.h>
#include <stdint.h>

/* The small letter of a capital one, by the simple folding of Unicode; other
 * characters stay. */
uint32_t fold_char(uint32_t);
/* Text without case: UTF-8, to be freed. */
char *fold_dup(const char *);
/* Is the part, which has no case any more, somewhere in the text? */
bool fold_holds(const char *text, const char *part);

#endif
