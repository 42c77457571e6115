/* Any bytes as a volume of the history: read to its end or refused, and what
 * is read lies within them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "replication/history_volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Sums are hard to guess: head and entries get the ones that fit. */
static void
fit(uint8_t *p, size_t n)
{
	struct volume_head head;
	struct err e;
	size_t off = VOLUME_HEAD, length;

	if (n < VOLUME_HEAD)
		return;
	memcpy(p, "TDMHIST1", 8);
	ship_put64(p + 120, ship_sum(0, p, 120));
	if (volume_head_get(&head, p, &e) != 0)
		return;
	while (n - off >= VOLUME_ENTRY + SHIP_HEAD) {
		length = ship_get32(p + off + 4);
		if (length < SHIP_HEAD || length % 8 != 0 ||
		    length > n - off - VOLUME_ENTRY)
			return;
		volume_entry_put(p + off, off, ship_get64(p + off + 8), length);
		memcpy(p + off + VOLUME_ENTRY, "TSR1", 4);
		ship_put32(p + off + VOLUME_ENTRY + 4, (uint32_t)length);
		ship_record_sum(p + off + VOLUME_ENTRY, length);
		off += VOLUME_ENTRY + length;
	}
}

static void
run(const uint8_t *p, size_t n)
{
	char path[64];
	struct volume_reader v;
	struct ship_record r;
	uint64_t time, before;
	struct err e;
	int fd = memfd_create("volume", 0), got;

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (volume_open(&v, path, &e) == 0) {
		before = v.off;
		while ((got = volume_next(&v, &r, &time, &e)) == 1) {
			if (v.off <= before || v.off > n || r.size > n)
				abort();
			before = v.off;
		}
		if (got < 0 && e.text[0] == '\0')
			abort();
		volume_close(&v);
	}
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *p = malloc(n + 1);

	run(data, n);
	memcpy(p, data, n);
	fit(p, n);
	run(p, n);
	free(p);
	return 0;
}
