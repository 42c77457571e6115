/*
 * A -wal and a wal-index as damaged files would hold them: the first half of
 * the bytes is the -wal, whose header is also put right before a second look,
 * the rest the -shm. Whatever they are, recovery ends, and what it finds is
 * within the file.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "replication/wal_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char *
fuzz_shm(void)
{
	static char path[64];

	snprintf(path, sizeof path, "/dev/shm/wal-index-fuzz.%d", getpid());
	unlink(path);
	return path;
}

/* What is published is in the file, and can be looked up. */
static void
fuzz_look(struct wal_index *ix, size_t n)
{
	struct wal_index_head h;
	struct err e;

	if (wal_index_get(ix, &h, &e) != 0)
		return;
	assert(h.frames == 0 ||
	    WAL_HEAD + h.frames * wal_frame_size(h.page_size) <= n);
	if (h.frames == 0)
		return;
	assert(wal_index_find(ix, 1, 1, h.frames) <= h.frames);
	assert(wal_index_add(ix, h.frames + 1, 9, &e) == 0);
	assert(wal_index_find(ix, 9, 1, h.frames + 1) == h.frames + 1);
}

static void
fuzz_recover(const uint8_t *wal, size_t n)
{
	int fd = memfd_create("wal", MFD_CLOEXEC);
	struct wal_index ix;
	struct err e;

	assert(write(fd, wal, n) == (ssize_t)n);
	assert(wal_index_open(&ix, fuzz_shm(), &e) == 0);
	if (wal_index_recover(&ix, fd, &e) == 0)
		fuzz_look(&ix, n);
	wal_index_close(&ix);
	close(fd);
}

/* A live wal-index that is garbage: tables are walked, never beyond them. */
static void
fuzz_tables(const uint8_t *shm, size_t n)
{
	struct wal_index_head h;
	struct wal_index ix;
	struct err e;

	assert(wal_index_open(&ix, fuzz_shm(), &e) == 0);
	memcpy(ix.region[0], shm, n < 32768 ? n : 32768);
	wal_index_get(&ix, &h, &e);
	wal_index_find(&ix, 1, 1, 4000);
	wal_index_add(&ix, 17, 3, &e);
	wal_index_cut(&ix, 5);
	wal_index_close(&ix);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n + 1), head[WAL_HEAD];
	uint32_t sum[2] = {0, 0}, i, size;
	uint64_t salt = 5;

	memcpy(copy, data, n);
	fuzz_recover(copy, n / 2);
	fuzz_tables(copy + n / 2, n - n / 2);
	if (n >= WAL_HEAD) {
		/* Frames whose checksums hold, commits where they fall. */
		wal_head_put(head, 512, salt, sum);
		memcpy(copy, head, WAL_HEAD);
		size = (uint32_t)wal_frame_size(512);
		for (i = 0; WAL_HEAD + (size_t)(i + 1) * size <= n; i++) {
			uint8_t *f = copy + WAL_HEAD + (size_t)i * size;

			if (f[1] % 16 == 0)
				continue;
			wal_frame_put(f, f[0] * 3u + 1, f[4] & 1, salt,
			    f + SHIP_FRAME, 512, sum);
		}
		fuzz_recover(copy, n);
	}
	unlink(fuzz_shm());
	free(copy);
	return 0;
}
