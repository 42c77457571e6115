/*
 * Remembers what a loss of power would take from a server of a lab, loaded in
 * front of the C library (LD_PRELOAD) when $TANDEM_LAB_MACHINE/power is a
 * directory: before each write to a file of its streams, ship log or history
 * what stood there goes to a journal, which a sync of the file removes. When
 * all processes are dead, tests/tool/lab_power.c undoes some of the writes that
 * nobody synced. Shared memory (-shm) is left alone, for nobody relies on it
 * after a start of the machine; raft's log is written with O_DSYNC.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "power.h"

#define POWER_FDS 256

static const char *power_dir; /* NULL = not wanted */

/* What a descriptor was when it was last looked at. */
struct power_fd {
	char key[POWER_KEY];
	bool ours;
};
static __thread struct power_fd power_fds[POWER_FDS];

__attribute__((constructor)) static void
power_init(void)
{
	const char *dir = getenv("TANDEM_LAB_MACHINE");
	static char path[300];

	if (dir == NULL)
		return;
	snprintf(path, sizeof path, "%s/power", dir);
	if (access(path, W_OK) == 0)
		power_dir = dir;
}

/* A file that must be there after a loss of power, as far as it was synced. */
static bool
power_is_ours(int fd)
{
	static const char *const parts[] = {"/streams/", "/log/", "/history/"};
	char link[40], path[PATH_MAX];
	size_t n = strlen(power_dir), i;
	ssize_t len;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof path - 1);
	if (len < 4 || strncmp(path, power_dir, n) != 0)
		return false;
	path[len] = '\0';
	if (strcmp(path + len - 4, "-shm") == 0)
		return false;
	for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		if (strncmp(path + n, parts[i], strlen(parts[i])) == 0)
			return true;
	}
	return false;
}

/* NULL when a loss of power may take nothing from it. */
static const char *
power_look(int fd, uint64_t *size)
{
	struct power_fd *f = &power_fds[(unsigned)fd % POWER_FDS];
	char key[POWER_KEY];
	struct statx sx;

	if (power_dir == NULL ||
	    statx(fd, "", AT_EMPTY_PATH,
		STATX_TYPE | STATX_INO | STATX_SIZE | STATX_BTIME, &sx) != 0 ||
	    !S_ISREG(sx.stx_mode))
		return NULL;
	*size = sx.stx_size;
	power_key(key, &sx);
	if (strcmp(key, f->key) != 0) {
		memcpy(f->key, key, sizeof key);
		f->ours = power_is_ours(fd);
	}
	return f->ours ? f->key : NULL;
}

static uint64_t
power_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What stands at off is about to go. */
static void
power_remember(
    int fd, const char *key, uint64_t size, uint64_t off, uint64_t len)
{
	uint64_t most = off < size ? size - off : 0;
	struct power_entry e = {.magic = POWER_MAGIC,
	    .off = off,
	    .len = len,
	    .old_size = size,
	    .old_len = (uint32_t)(len < most ? len : most)};
	char path[400];
	char *old = malloc(e.old_len + 1);
	struct iovec iov[2] = {{&e, sizeof e}, {old, e.old_len}};
	int journal;

	snprintf(path, sizeof path, "%s/power/%s", power_dir, key);
	journal = (int)syscall(SYS_openat, AT_FDCWD, path,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	e.at = power_now();
	if (journal < 0 || old == NULL ||
	    (e.old_len != 0 &&
		pread(fd, old, e.old_len, (off_t)off) != e.old_len) ||
	    syscall(SYS_writev, journal, iov, 2) < (ssize_t)sizeof e)
		abort();
	close(journal);
	free(old);
}

static void
power_before_write(int fd, uint64_t off, uint64_t len)
{
	uint64_t size;
	const char *key = power_look(fd, &size);

	if (key != NULL)
		power_remember(fd, key, size, off, len);
}

ssize_t
pwrite(int fd, const void *bytes, size_t n, off_t off)
{
	power_before_write(fd, (uint64_t)off, n);
	return syscall(SYS_pwrite64, fd, bytes, n, off);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t n, off_t off)
{
	return pwrite(fd, bytes, n, off);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
	size_t len = 0;
	int i;

	for (i = 0; i < n; i++)
		len += iov[i].iov_len;
	power_before_write(fd, (uint64_t)off, len);
	return syscall(SYS_pwritev, fd, iov, (long)n, (long)off, 0L);
}

int
ftruncate(int fd, off_t to)
{
	uint64_t size, end = (uint64_t)to;
	const char *key = power_look(fd, &size);

	if (key != NULL && end != size)
		power_remember(fd, key, size, end < size ? end : size,
		    end < size ? size - end : end - size);
	return (int)syscall(SYS_ftruncate, fd, to);
}

int
ftruncate64(int fd, off_t to)
{
	return ftruncate(fd, to);
}

/* What was written before now is safe. */
static void
power_note_sync(const char *key, uint64_t now)
{
	char path[400];
	int fd;

	snprintf(path, sizeof path, "%s/power/%s" POWER_SYNCED, power_dir, key);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, &now, sizeof now) != sizeof now)
		abort();
	close(fd);
}

static int
power_sync(int fd, long call)
{
	static __thread unsigned n;
	char from[400], to[440];
	uint64_t size, now = power_now();
	const char *key = power_look(fd, &size);
	bool moved;
	int r;

	if (key == NULL)
		return (int)syscall(call, fd);
	snprintf(from, sizeof from, "%s/power/%s", power_dir, key);
	snprintf(to, sizeof to, "%s.%ld.%u", from, syscall(SYS_gettid), n++);
	moved = rename(from, to) == 0;
	r = (int)syscall(call, fd);
	if (r == 0) {
		power_note_sync(key, now);
		if (moved)
			unlink(to);
	}
	return r;
}

int
fsync(int fd)
{
	return power_sync(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return power_sync(fd, SYS_fdatasync);
}
