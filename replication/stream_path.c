/* Names of streams as files and directories below the root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "replication.h"
#include "stream_path.h"

int
stream_path(char path[STREAM_PATH], const char *root, const char *name,
    uint32_t file, struct err *e)
{
	char number[16] = "";

	if (file != 0)
		snprintf(number, sizeof number, "~%u", file);
	if (snprintf(path, STREAM_PATH, "%s/%s%s.db", root, name, number) >=
	    STREAM_PATH - 8)
		return err_set(e, ERR_TOOBIG, "%s/%s: path", root, name);
	return 0;
}

int
stream_path_past(
    char path[STREAM_PATH], const char *root, uint32_t file, struct err *e)
{
	if (snprintf(path, STREAM_PATH, "%s/" STREAM_PAST "/%u.db", root,
		file) >= STREAM_PATH)
		return err_set(e, ERR_TOOBIG, "%s: path", root);
	return 0;
}

/*
 * Every connection in WAL mode holds a lock on these bytes of the database
 * (sqlite.org/lockingv3.html); so whoever can lock them all is alone. One that
 * has opened the file and not yet locked it finds it empty, and never takes it
 * for a database without a -wal.
 */
static bool
path_is_ours(int fd)
{
	struct flock lock = {.l_type = F_WRLCK,
	    .l_whence = SEEK_SET,
	    .l_start = 0x40000002,
	    .l_len = 510};

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static void
path_remove_one(const char *path, const char *end)
{
	char beside[STREAM_PATH];

	snprintf(beside, sizeof beside, "%.390s%s", path, end);
	unlink(beside);
}

void
stream_path_remove_beside(const char *path)
{
	path_remove_one(path, "-wal");
	path_remove_one(path, "-shm");
	path_remove_one(path, "-lsn");
}

int
stream_path_remove(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -ERR_IO;
	if (!path_is_ours(fd) || ftruncate(fd, 0) != 0 || unlink(path) != 0) {
		r = -ERR_BUSY;
	} else {
		stream_path_remove_beside(path);
	}
	close(fd);
	return r;
}

/* The -wal goes first: with it alone a move that was cut short is gone on with,
 * and the database is never there without what belongs to it. */
static int
path_move_wal(const char *path, const char *to)
{
	char from_wal[STREAM_PATH], to_wal[STREAM_PATH];

	snprintf(from_wal, sizeof from_wal, "%.390s-wal", path);
	snprintf(to_wal, sizeof to_wal, "%.390s-wal", to);
	if (access(from_wal, F_OK) != 0)
		return errno == ENOENT ? 0 : -ERR_IO;
	return disk_sync(from_wal) == 0 && rename(from_wal, to_wal) == 0
	    ? 0
	    : -ERR_IO;
}

int
stream_path_move(const char *path, const char *to)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -ERR_IO;
	r = !path_is_ours(fd) ? -ERR_BUSY : path_move_wal(path, to);
	if (r == 0 && rename(path, to) != 0)
		r = -ERR_IO;
	if (r == 0) {
		path_remove_one(path, "-shm");
		path_remove_one(path, "-lsn");
	}
	close(fd);
	return r;
}

/* Call fn for the root and every directory of the name, the root first. */
static int
path_each_dir(const char *root, const char *name, int (*fn)(const char *))
{
	char dir[STREAM_PATH];
	const char *slash = name;
	int r;

	snprintf(dir, sizeof dir, "%s", root);
	if ((r = fn(dir)) != 0)
		return r;
	while ((slash = strchr(slash, '/')) != NULL) {
		snprintf(dir, sizeof dir, "%s/%.*s", root, (int)(slash - name),
		    name);
		if ((r = fn(dir)) != 0)
			return r;
		slash++;
	}
	return 0;
}

static int
path_make(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) == 0)
		return 0;
	if (mkdir(dir, 0770) != 0 && errno != EEXIST)
		return -1;
	/* The umask does not decide; setgid hands the group down. */
	return chmod(dir, 02770);
}

int
stream_path_dirs(const char *root, const char *name, struct err *e)
{
	if (path_each_dir(root, name, path_make) != 0)
		return err_errno(e, ERR_IO, "directory of %s/%s", root, name);
	return 0;
}

int
stream_path_create(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0)
		return err_errno(e, ERR_IO, "%s", path);
	if (fchmod(fd, 0660) != 0) {
		err_errno(e, ERR_IO, "%s", path);
		close(fd);
		return -ERR_IO;
	}
	close(fd);
	return 1;
}

int
stream_path_sync_dirs(const char *root, const char *name)
{
	return path_each_dir(root, name, disk_sync) == 0 ? 0 : -ERR_IO;
}
