/*
 * Databases that were given up, in <root>/.conflict. A stream's name has
 * slashes, which are '%' in the names of files:
 *   domain%root~1.note    a line "EPOCH BASE LSN TIME"
 *   domain%root~1.db      the database, when nobody has it open any more
 *   domain%root~1.db-wal  what was not yet in it
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conflict.h"
#include "disk.h"
#include "daemon/base/str.h"

/* ---- names -------------------------------------------------------------- */

void
conflict_name(const struct conflict *c, char out[CONFLICT_NAME])
{
	snprintf(out, CONFLICT_NAME, "%.63s~%u", c->stream, c->file);
}

bool
conflict_parse(struct conflict *c, const char *name)
{
	const char *mark = strrchr(name, '~');
	int64_t file;

	memset(c, 0, sizeof *c);
	if (mark == NULL || mark == name ||
	    (size_t)(mark - name) >= sizeof c->stream || name[0] == '.' ||
	    strstr(name, "..") != NULL ||
	    !str_int(mark + 1, 0, UINT32_MAX, &file))
		return false;
	str_ncopy(c->stream, sizeof c->stream, name, (size_t)(mark - name));
	c->file = (uint32_t)file;
	return true;
}

static void
conflict_swap(char *s, char from, char to)
{
	for (; *s != '\0'; s++) {
		if (*s == from)
			*s = to;
	}
}

static void
conflict_file(const char *root, const struct conflict *c, const char *end,
    char path[STREAM_PATH])
{
	char name[CONFLICT_NAME];

	conflict_name(c, name);
	conflict_swap(name, '/', '%');
	snprintf(
	    path, STREAM_PATH, "%.256s/" CONFLICT_DIR "/%s%s", root, name, end);
}

void
conflict_path(
    const char *root, const struct conflict *c, char path[STREAM_PATH])
{
	conflict_file(root, c, ".db", path);
}

/* ---- notes -------------------------------------------------------------- */

int
conflict_note(const char *root, const struct conflict *c, struct err *e)
{
	char path[STREAM_PATH], line[100];
	int fd, n;
	bool ok;

	if (stream_path_dirs(root, CONFLICT_DIR "/", e) != 0)
		return -ERR_IO;
	conflict_file(root, c, ".note", path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);
	if (fd < 0)
		return err_errno(e, ERR_IO, "%s", path);
	n = snprintf(line, sizeof line, "%llu %llu %llu %llu\n",
	    (unsigned long long)c->epoch, (unsigned long long)c->base,
	    (unsigned long long)c->lsn, (unsigned long long)c->time);
	ok = write(fd, line, (size_t)n) == n && fsync(fd) == 0;
	close(fd);
	return ok && stream_path_sync_dirs(root, CONFLICT_DIR "/") == 0
	    ? 0
	    : err_errno(e, ERR_IO, "%s", path);
}

bool
conflict_noted(const char *root, const char *stream, uint32_t file)
{
	struct conflict c = {.file = file};
	char path[STREAM_PATH];

	str_copy(c.stream, sizeof c.stream, stream);
	conflict_file(root, &c, ".note", path);
	return access(path, F_OK) == 0;
}

/* The note of a file of the directory; false for other files. */
static bool
conflict_read(const char *root, const char *file, struct conflict *c)
{
	char name[CONFLICT_NAME], path[STREAM_PATH], line[100];
	unsigned long long v[4];
	size_t n = strlen(file);
	ssize_t got;
	int fd;

	if (n < 5 || strcmp(file + n - 5, ".note") != 0 ||
	    !str_ncopy(name, sizeof name, file, n - 5))
		return false;
	conflict_swap(name, '%', '/');
	if (!conflict_parse(c, name))
		return false;
	conflict_file(root, c, ".note", path);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	got = read(fd, line, sizeof line - 1);
	close(fd);
	line[got > 0 ? got : 0] = '\0';
	if (sscanf(line, "%llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3]) ==
	    4) {
		c->epoch = v[0];
		c->base = v[1];
		c->lsn = v[2];
		c->time = v[3];
	}
	conflict_path(root, c, path);
	c->kept = access(path, F_OK) == 0;
	return true;
}

int
conflict_each(const char *root, conflict_fn *fn, void *arg, struct err *e)
{
	char dir[STREAM_PATH];
	struct conflict c;
	struct dirent *d;
	DIR *all;

	snprintf(dir, sizeof dir, "%.256s/" CONFLICT_DIR, root);
	if ((all = opendir(dir)) == NULL)
		return errno == ENOENT ? 0 : err_errno(e, ERR_IO, "%s", dir);
	while ((d = readdir(all)) != NULL) {
		if (conflict_read(root, d->d_name, &c) && fn(arg, &c) != 0)
			break;
	}
	closedir(all);
	return 0;
}

/* ---- databases ---------------------------------------------------------- */

int
conflict_keep(
    const char *root, const char *stream, uint32_t file, struct err *e)
{
	struct conflict c = {.file = file};
	char from[STREAM_PATH], to[STREAM_PATH];
	int r;

	str_copy(c.stream, sizeof c.stream, stream);
	conflict_path(root, &c, to);
	if ((r = stream_path(from, root, stream, file, e)) != 0 ||
	    (r = stream_path_move(from, to)) != 0)
		return r;
	return disk_sync(to) == 0 &&
		stream_path_sync_dirs(root, CONFLICT_DIR "/") == 0
	    ? 0
	    : err_errno(e, ERR_IO, "%s", to);
}

int
conflict_drop(const char *root, const struct conflict *c, struct err *e)
{
	static const char *const ends[] = {".db", ".db-wal", ".db-shm"};
	char path[STREAM_PATH];
	size_t i;

	conflict_file(root, c, ".note", path);
	if (access(path, F_OK) != 0)
		return err_set(e, ERR_ABSENT, "there is no such conflict here");
	for (i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		conflict_file(root, c, ends[i], path);
		if (unlink(path) != 0 && errno != ENOENT)
			return err_errno(e, ERR_IO, "%s", path);
	}
	conflict_file(root, c, ".note", path);
	return unlink(path) == 0 ? 0 : err_errno(e, ERR_IO, "%s", path);
}
