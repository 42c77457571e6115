#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

/* A directory of the test's own, removed with all that is in it. */
void scratch_make(char path[64]);
void scratch_remove(const char *path);

/* Whole files; data is freed by the caller. They end the test on failure. */
uint8_t *scratch_read(const char *path, size_t *n);
void scratch_write(const char *path, const void *, size_t n);

#endif
