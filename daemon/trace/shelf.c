/*
 * The files of the recorder. Each is named by the time at which it was begun,
 * 16 hexadecimal digits, so that the order of names is that of time; what else
 * lies in the directory is left alone. A file that a crash cut off is read as
 * far as it is whole, and never written to again: every start begins a new one.
 * History gives way to everything else on the disk: with less than a twentieth
 * of it left (disk_low) the oldest file goes, and when there is no older one
 * nothing is written until there is room again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "shelf.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "replication/disk.h"

#define SHELF_PARTS 32 /* files of a full shelf */
#define SHELF_FILE_MIN (1u << 20)
#define SHELF_FILE_MAX (64u << 20)
#define SHELF_LOOK 4096 /* bytes of a block that are read at once */
/* A record may be older than the block before it: rings are read in turn. */
#define SHELF_SLACK (600 * CLOCK_SEC)

/* ---- names --------------------------------------------------------------- */

static void
shelf_path(const struct shelf *s, uint64_t begun, char out[320])
{
	snprintf(
	    out, 320, "%s/%016llx.trace", s->dir, (unsigned long long)begun);
}

static int
shelf_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* When each of the files was begun, the oldest first; to be freed. */
static size_t
shelf_list(struct shelf *s, uint64_t **out)
{
	uint64_t *list = NULL, *more;
	DIR *d = opendir(s->dir);
	struct dirent *e;
	size_t n = 0, room = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strspn(e->d_name, "0123456789abcdef") != 16 ||
		    strcmp(e->d_name + 16, ".trace") != 0)
			continue;
		if (n == room) {
			room = room * 2 + 64;
			more = realloc(list, room * sizeof *list);
			if (more == NULL)
				break;
			list = more;
		}
		list[n++] = strtoull(e->d_name, NULL, 16);
	}
	if (d != NULL)
		closedir(d);
	if (n > 1)
		qsort(list, n, sizeof *list, shelf_compare);
	*out = list;
	return n;
}

/* What there is: how much, since when. */
static void
shelf_count(struct shelf *s)
{
	char path[320];
	struct stat st;
	uint64_t *list;
	size_t n = shelf_list(s, &list), i;

	s->total = 0;
	s->files = (unsigned)n;
	s->oldest = n > 0 ? list[0] : 0;
	for (i = 0; i < n; i++) {
		shelf_path(s, list[i], path);
		if (stat(path, &st) == 0)
			s->total += (uint64_t)st.st_size;
	}
	free(list);
}

void
shelf_init(struct shelf *s, const char *dir, const char *server, uint64_t limit)
{
	memset(s, 0, sizeof *s);
	str_copy(s->dir, sizeof s->dir, dir);
	str_copy(s->server, sizeof s->server, server);
	s->limit = limit;
	s->fd = -1;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		log_warn("%s", dir);
	shelf_count(s);
}

void
shelf_fini(struct shelf *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* ---- writing ------------------------------------------------------------- */

/* The oldest goes; false when there is none but the one that is written. */
static bool
shelf_drop(struct shelf *s)
{
	char path[320];
	uint64_t *list;
	size_t n = shelf_list(s, &list);
	bool dropped = false;

	if (n > 1 || (n == 1 && s->fd < 0)) {
		shelf_path(s, list[0], path);
		dropped = unlink(path) == 0;
	}
	free(list);
	if (dropped)
		shelf_count(s);
	return dropped;
}

static uint64_t
shelf_part(const struct shelf *s)
{
	uint64_t part = s->limit / SHELF_PARTS;

	if (part < SHELF_FILE_MIN)
		return SHELF_FILE_MIN;
	return part < SHELF_FILE_MAX ? part : SHELF_FILE_MAX;
}

/* Has the disk room for n bytes and for what others need of it? */
static bool
shelf_fits(const struct shelf *s, size_t n)
{
	struct statvfs v;

	return statvfs(s->dir, &v) != 0 ||
	    (uint64_t)v.f_bavail * v.f_frsize >
	    n + disk_low((uint64_t)v.f_blocks * v.f_frsize);
}

/* The shelf shall be as small as it was made, and the disk not full. */
static int
shelf_make_room(struct shelf *s, size_t n, struct err *e)
{
	bool tight = false;

	while (s->total + n > s->limit && shelf_drop(s))
		;
	while (!shelf_fits(s, n)) {
		tight = true;
		if (!shelf_drop(s))
			return err_set(e, ERR_FULL,
			    "%s: nothing is recorded: the disk is full",
			    s->dir);
	}
	if (tight)
		err_set(e, ERR_FULL,
		    "%s: the disk is full: calls are kept for a shorter time",
		    s->dir);
	return tight ? 1 : 0;
}

/* A file for the next blocks. */
static int
shelf_begin(struct shelf *s, struct err *e)
{
	uint64_t now = clock_real(), *list;
	uint8_t head[SEGMENT_FILE];
	char path[320];
	size_t n = shelf_list(s, &list);

	/* The clock may have been set back: order is that of writing. */
	if (n > 0 && now <= list[n - 1])
		now = list[n - 1] + 1;
	free(list);
	shelf_path(s, now, path);
	s->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return err_errno(e, ERR_IO, "%s", path);
	segment_file_put(head, s->server, now);
	if (write(s->fd, head, sizeof head) != sizeof head) {
		err_errno(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "%s", path);
		unlink(path);
		close(s->fd);
		s->fd = -1;
		return -(int)e->code;
	}
	s->size = sizeof head;
	shelf_count(s);
	return 0;
}

/* All of it, or the file is as long as it was. */
static int
shelf_put(struct shelf *s, const uint8_t *p, size_t n, struct err *e)
{
	size_t done = 0;
	ssize_t w;

	while (done < n) {
		w = pwrite(s->fd, p + done, n - done, (off_t)(s->size + done));
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0) {
			err_errno(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "%s",
			    s->dir);
			if (ftruncate(s->fd, (off_t)s->size) != 0)
				shelf_fini(s);
			return -(int)e->code;
		}
		done += (size_t)w;
	}
	s->size += n;
	s->total += n;
	return 0;
}

/* The disk has no room, or has room again. */
static void
shelf_note(struct shelf *s, const struct err *e)
{
	if (e == NULL && s->tight != 0) {
		log_info("alarm=trace subject=%s is over", s->server);
		s->tight = 0;
	} else if (e != NULL && s->tight == 0) {
		log_warnx("alarm=trace subject=%s %s", s->server, e->text);
		s->tight = clock_real();
	}
	if (e != NULL)
		s->why = *e;
}

int
shelf_write(struct shelf *s, const void *p, size_t n, struct err *e)
{
	struct err why;
	int tight = shelf_make_room(s, n, &why), r = tight;

	if (r >= 0 && s->fd >= 0 && s->size + n > shelf_part(s))
		shelf_fini(s);
	if (r >= 0 && s->fd < 0)
		r = shelf_begin(s, &why);
	if (r >= 0)
		r = shelf_put(s, p, n, &why);
	shelf_note(s, r < 0 || tight != 0 ? &why : NULL);
	if (r < 0 && e != NULL)
		*e = why;
	return r < 0 ? r : 0;
}

/* ---- reading ------------------------------------------------------------- */

/* Head and index at a place; the index is in p behind the head, or in more. */
static int
shelf_look(int fd, uint64_t off, uint8_t p[SHELF_LOOK], uint8_t **more,
    struct segment_head *h)
{
	ssize_t n = pread(fd, p, SHELF_LOOK, (off_t)off);

	*more = NULL;
	if (n < SEGMENT_HEAD || segment_head_get(h, p, NULL) != 0)
		return -ERR_CORRUPT;
	if (SEGMENT_HEAD + h->index <= (size_t)n)
		return 0;
	if ((*more = malloc(h->index + 1)) == NULL)
		return -ERR_NOMEM;
	if (pread(fd, *more, h->index, (off_t)(off + SEGMENT_HEAD)) ==
	    (ssize_t)h->index)
		return 0;
	free(*more);
	*more = NULL;
	return -ERR_CORRUPT;
}

static bool
shelf_each_block(
    int fd, uint64_t since, uint64_t until, shelf_fn *fn, void *arg)
{
	uint64_t off = SEGMENT_FILE;
	uint8_t look[SHELF_LOOK], *more;
	struct segment_head h;
	bool enough = false;

	if (pread(fd, look, SEGMENT_FILE, 0) != SEGMENT_FILE ||
	    segment_file_get(look, SEGMENT_FILE, NULL) != 0)
		return true;
	while (!enough && shelf_look(fd, off, look, &more, &h) == 0) {
		off += SEGMENT_HEAD + h.index;
		if (h.last >= since && h.first <= until)
			enough = fn(arg, &h,
			    more != NULL ? more : look + SEGMENT_HEAD, fd, off);
		off += h.stored;
		free(more);
	}
	return !enough;
}

bool
shelf_each(
    struct shelf *s, uint64_t since, uint64_t until, shelf_fn *fn, void *arg)
{
	char path[320];
	uint64_t *list;
	size_t n = shelf_list(s, &list), i;
	bool whole = true;
	int fd;

	for (i = 0; i < n && whole; i++) {
		if (i + 1 < n && list[i + 1] + SHELF_SLACK < since)
			continue;
		/* One that bears a later time may hold earlier ones: a clock
		 * that was ahead was put back. Its blocks tell. */
		shelf_path(s, list[i], path);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		whole = shelf_each_block(fd, since, until, fn, arg);
		close(fd);
	}
	free(list);
	return whole;
}

int
shelf_unpack(const struct segment_head *h, const uint8_t *index, int fd,
    uint64_t off, uint8_t *raw, struct err *e)
{
	uint8_t *whole = malloc(h->index + h->stored + 1);
	int r;

	if (whole == NULL)
		return err_set(e, ERR_NOMEM, "block of the recorder");
	memcpy(whole, index, h->index);
	if (pread(fd, whole + h->index, h->stored, (off_t)off) !=
	    (ssize_t)h->stored)
		r = err_set(e, ERR_CORRUPT, "block cut off");
	else
		r = segment_unpack(h, whole, raw, e);
	free(whole);
	return r;
}
