#ifndef TESTS_REPLAY_H
#define TESTS_REPLAY_H

#include <stdint.h>

/*
 * A ship log read by the test itself, from a copy, so that the log is not
 * touched. What it says of one stream.
 */
struct replay {
	uint64_t lsn;	     /* of the last whole commit that was applied */
	uint64_t pos;	     /* position in the log behind its record */
	uint64_t checkpoint; /* noted last before pos */
	uint32_t page_size, db_pages;
	uint8_t *pages; /* db_pages of page_size; free it */
};

/* Build the stream's database from LSN 1 up to the LSN (UINT64_MAX = all),
 * which is the end of a commit: pages of parts behind it would be in it. */
void replay_stream(
    const char *log, const char *name, uint64_t upto, struct replay *);
/* Copy the files of a directory into a new one. */
void replay_copy(const char *from, const char *to);

#endif
