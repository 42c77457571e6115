#ifndef LAB_POWER_H
#define LAB_POWER_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

/*
 * What a file held before a write that was not synced since: written by
 * power.so in front of the write, read by lab_power. A journal of the file has
 * the name POWER_KEY says in the directory "power" of the server; a sync moves
 * it to KEY.TID.N until it is done, when the time at which the sync began is
 * appended to KEY.synced: what was remembered before that is on disk.
 */
struct power_entry {
	uint32_t magic;
	uint32_t old_len; /* bytes that follow: what was at off */
	uint64_t at;	  /* monotonic ns */
	uint64_t off, len;
	uint64_t old_size; /* of the file */
};
#define POWER_SYNCED ".synced"
#define POWER_MAGIC 0x504f5752u

/* The file, and not another that got its number later. */
#define POWER_KEY 48

static inline void
power_key(char out[POWER_KEY], const struct statx *sx)
{
	snprintf(out, POWER_KEY, "%llx-%llx-%x",
	    (unsigned long long)sx->stx_ino,
	    (unsigned long long)sx->stx_btime.tv_sec, sx->stx_btime.tv_nsec);
}

#endif
