/*
 * Segments before and after their use. One that nothing needs any more is
 * kept to be written over, because a file whose blocks are there costs less
 * to sync than one that is made; while none waits, another thread makes one.
 * What is too many is given back to the file system by that thread, too: it
 * takes long (disk_give_back).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "disk.h"
#include "ship_log.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"

#define SPARES 2 /* one is being used up while the other is on its way */
#define SPARE_PIECE (256u << 10)
#define SPARE_ROOM                                                \
	4 /* segments that the disk has room for when one is made \
	   */

/* False: it is still there. */
static bool
log_drop(struct ship_log *log, const char *path)
{
	int fd;

	if (disk_unlink(path, &fd) != 0 && errno != ENOENT) {
		log_warn("ship log: %s", path);
		return false;
	}
	if (fd >= 0 && log->drop != NULL)
		log->drop(log->drop_arg, fd);
	else if (fd >= 0)
		disk_give_back(fd);
	return true;
}

void
ship_log_dropper(struct ship_log *log, ship_log_drop_fn *fn, void *arg)
{
	log->drop = fn;
	log->drop_arg = arg;
}

/* ---- spare ones --------------------------------------------------------- */

static void
spare_path(const struct ship_log *log, unsigned i, char *path, size_t size)
{
	snprintf(path, size, "%s/spare.%u", log->dir, i);
}

/* What a process that died was about to make, or an older release left. */
static void
spare_clean(struct ship_log *log)
{
	static const char *const names[] = {"new", "spare", "spare.part"};
	char path[300];
	unsigned i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", log->dir, names[i]);
		unlink(path);
	}
	for (i = log->spares; i < SPARES; i++) {
		spare_path(log, i, path, sizeof path);
		unlink(path);
	}
}

void
ship_log_spare_find(struct ship_log *log)
{
	char path[300];

	for (log->spares = 0; log->spares < SPARES; log->spares++) {
		spare_path(log, log->spares, path, sizeof path);
		if (access(path, F_OK) != 0)
			break;
	}
	spare_clean(log);
}

/* A segment whose name was taken from it must not be written over before the
 * disk knows: after a power failure it would have its old name again, and
 * another's head. */
static bool
spare_is_nameless(struct ship_log *log)
{
	if (log->renamed && fsync(log->dirfd) != 0)
		return false;
	log->renamed = false;
	return true;
}

int
ship_log_spare_use(struct ship_log *log, uint64_t size, char *path, size_t room)
{
	struct stat st;
	int fd;

	if (log->spares == 0 || size > log->segment || !spare_is_nameless(log))
		return -1;
	spare_path(log, --log->spares, path, room);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size >= size)
		return fd;
	if (fd >= 0)
		close(fd);
	log_drop(log, path); /* of another configuration */
	return -1;
}

/* The file is a spare one now, if there is room for another. */
static bool
spare_put(struct ship_log *log, const char *path)
{
	char spare[300];

	if (log->spares == SPARES)
		return false;
	spare_path(log, log->spares, spare, sizeof spare);
	if (rename(path, spare) != 0) {
		log_warn("ship log: %s", spare);
		return false;
	}
	log->spares++;
	log->renamed = true;
	return true;
}

/* What is left of the disk is for what must be written. */
static bool
spare_has_room(const struct ship_log *log)
{
	struct statvfs fs;

	return statvfs(log->dir, &fs) != 0 ||
	    (uint64_t)fs.f_bavail * fs.f_frsize >= SPARE_ROOM * log->segment;
}

bool
ship_log_spare_wanted(const struct ship_log *log, char *path, size_t size)
{
	snprintf(path, size, "%s/spare.part", log->dir);
	return log->spares == 0 && !log->failed && spare_has_room(log);
}

int
ship_log_spare_make(const char *path, uint64_t size)
{
	static const uint8_t zero[SPARE_PIECE];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t at, begun;
	size_t n;
	int r = 0;

	if (fd < 0)
		return -ERR_IO;
	for (at = 0; at < size && r == 0; at += n) {
		n = size - at < SPARE_PIECE ? (size_t)(size - at) : SPARE_PIECE;
		begun = clock_mono();
		if (disk_write(fd, zero, n, at) != 0)
			r = -(int)disk_code();
		sync_file_range(fd, (off_t)at, (off_t)n,
		    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
		disk_yield(begun);
	}
	if (r == 0 && fdatasync(fd) != 0)
		r = -ERR_IO;
	close(fd);
	if (r != 0)
		unlink(path);
	return r;
}

void
ship_log_spare_take(struct ship_log *log, const char *path)
{
	if (!spare_put(log, path))
		log_drop(log, path);
}

/* ---- retention ---------------------------------------------------------- */

/* How many segments nothing needs any more. */
static size_t
keep_gone(const struct ship_log *log, uint64_t need)
{
	size_t gone = 0;

	while (gone + 1 < log->nseg && log->seg[gone + 1].start <= need &&
	    log->seg[gone + 1].start + log->keep <= log->synced)
		gone++;
	return gone;
}

uint64_t
ship_log_trimmed(const struct ship_log *log, uint64_t need)
{
	return log->seg[keep_gone(log, need)].start;
}

void
ship_log_trim(struct ship_log *log, uint64_t need)
{
	size_t gone = keep_gone(log, need), i;
	char path[300];

	for (i = 0; i < gone; i++) {
		ship_log_path(log, log->seg[i].start, path, sizeof path);
		if ((log->seg[i].size != log->segment ||
			!spare_put(log, path)) &&
		    !log_drop(log, path))
			break;
	}
	log->nseg -= i;
	memmove(log->seg, log->seg + i, log->nseg * sizeof *log->seg);
}

bool
ship_log_is_unlinked(const struct ship_log *log)
{
	struct stat st;

	return fstat(log->fd, &st) == 0 && st.st_nlink == 0;
}

uint64_t
ship_log_bytes(const struct ship_log *log)
{
	uint64_t bytes = log->spares * log->segment;
	size_t i;

	for (i = 0; i < log->nseg; i++)
		bytes += log->seg[i].size;
	return bytes;
}
