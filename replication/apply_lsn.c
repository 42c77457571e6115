/*
 * The -lsn file, 4096 bytes, numbers little-endian:
 *
 *   0    8  "TLSN0001"
 *   8    8  1 = handed over to a local owner
 *   16   8  LSN published last
 *   64   -  slot 0; 128 - slot 1: 0 8 LSN; 8 8 salt of the -wal, as its bytes
 *           lie there; 16 8 last frame; 24 8 sum of the 24 bytes before
 *
 * The slots take turns: one is the place that readers see, the other that of
 * the commit on its way. A slot that was half written when the process was
 * killed has a wrong sum, and its commit had not begun.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apply_lsn.h"
#include "ship_record.h"
#include "stream_path.h"

#define LSN_SIZE 4096
#define LSN_MAGIC "TLSN0001"
#define AT_HANDED 8
#define AT_PUBLISHED 16
#define AT_SLOTS 64
#define SLOT 64
#define SLOT_SUMMED 24

int
apply_lsn_open(struct apply_lsn *l, const char *path, struct err *e)
{
	void *map = MAP_FAILED;
	int fd, made;

	if ((made = stream_path_create(path, e)) < 0)
		return made;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(e, ERR_IO, "%s", path);
	if ((errno = posix_fallocate(fd, 0, LSN_SIZE)) == 0)
		map = mmap(
		    NULL, LSN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err_errno(e, ERR_IO, "%s", path);
	close(fd);
	if (map == MAP_FAILED)
		return -ERR_IO;
	l->map = map;
	l->current = 0;
	if (memcmp(l->map, LSN_MAGIC, 8) != 0) {
		memset(l->map, 0, LSN_SIZE);
		memcpy(l->map, LSN_MAGIC, 8);
		if (made == 1) /* no apply has had the database yet */
			apply_lsn_hand_over(l);
	}
	return 0;
}

void
apply_lsn_close(struct apply_lsn *l)
{
	if (l->map != NULL)
		munmap(l->map, LSN_SIZE);
	l->map = NULL;
}

/* ---- slots -------------------------------------------------------------- */

static uint8_t *
slot_at(const struct apply_lsn *l, unsigned i)
{
	return l->map + AT_SLOTS + i * SLOT;
}

static bool
slot_is_whole(const uint8_t *slot)
{
	return ship_get64(slot + SLOT_SUMMED) == ship_sum(0, slot, SLOT_SUMMED);
}

static void
slot_put(uint8_t *slot, uint64_t lsn, uint64_t salt, uint32_t frame)
{
	uint8_t now[SLOT_SUMMED + 8];

	ship_put64(now, lsn);
	memcpy(now + 8, &salt, 8);
	ship_put64(now + 16, frame);
	ship_put64(now + SLOT_SUMMED, ship_sum(0, now, SLOT_SUMMED));
	memcpy(slot, now, sizeof now);
}

/* What was stored before is there when what follows is. */
static void
order(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void
apply_lsn_ahead(
    struct apply_lsn *l, uint64_t lsn, uint64_t salt, uint32_t frame)
{
	slot_put(slot_at(l, l->current ^ 1), lsn, salt, frame);
	order();
}

void
apply_lsn_done(struct apply_lsn *l)
{
	l->current ^= 1;
	memcpy(l->map + AT_PUBLISHED, slot_at(l, l->current), 8);
}

void
apply_lsn_set(struct apply_lsn *l, uint64_t lsn, uint64_t salt, uint32_t frame)
{
	memset(slot_at(l, 1), 0, SLOT);
	ship_put64(l->map + AT_PUBLISHED, lsn);
	order();
	slot_put(slot_at(l, 0), lsn, salt, frame);
	order();
	ship_put64(l->map + AT_HANDED, 0);
	l->current = 0;
}

void
apply_lsn_hand_over(struct apply_lsn *l)
{
	ship_put64(l->map + AT_HANDED, 1);
}

bool
apply_lsn_is_owners(const struct apply_lsn *l)
{
	return ship_get64(l->map + AT_HANDED) != 0;
}

bool
apply_lsn_find(
    struct apply_lsn *l, uint64_t salt, uint32_t frame, uint64_t *lsn)
{
	const uint8_t *slot;
	unsigned i;

	for (i = 0; i < 2; i++) {
		slot = slot_at(l, i);
		if (!slot_is_whole(slot) || memcmp(slot + 8, &salt, 8) != 0 ||
		    ship_get64(slot + 16) != frame)
			continue;
		l->current = i;
		*lsn = ship_get64(slot);
		return true;
	}
	return false;
}

int
apply_lsn_last(const struct apply_lsn *l, uint64_t *lsn)
{
	uint64_t newest = 0;
	bool any = false;
	unsigned i;

	for (i = 0; i < 2; i++) {
		if (!slot_is_whole(slot_at(l, i)))
			continue;
		any = true;
		if (ship_get64(slot_at(l, i)) > newest)
			newest = ship_get64(slot_at(l, i));
	}
	if (!any || ship_get64(l->map + AT_HANDED) != 0)
		return -ERR_ABSENT;
	*lsn = ship_get64(l->map + AT_PUBLISHED);
	return newest == *lsn ? 0 : -ERR_CONFLICT;
}
