/* Names of streams as files and directories below the root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
int
stream_path_remove(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK,
	    .l_whence = SEEK_SET,
	    .l_start = 0x40000002,
	    .l_len = 510};
	static const char *const ends[] = {"-wal", "-shm", "-lsn"};
	char beside[STREAM_PATH];
	int fd = open(path, O_RDWR | O_CLOEXEC), r = 0;
	size_t i;

	if (fd < 0)
		return errno == ENOENT ? 0 : -ERR_IO;
	if (fcntl(fd, F_OFD_SETLK, &lock) != 0 || ftruncate(fd, 0) != 0 ||
	    unlink(path) != 0) {
		r = -ERR_BUSY;
	} else {
		for (i = 0; i < 3; i++) {
			snprintf(
			    beside, sizeof beside, "%.390s%s", path, ends[i]);
			unlink(beside);
		}
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

static int
path_sync(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

int
stream_path_sync_dirs(const char *root, const char *name)
{
	return path_each_dir(root, name, path_sync) == 0 ? 0 : -ERR_IO;
}
