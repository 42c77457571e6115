/*
 * The volumes of one stream on disk: STATE/history/<name>/. The newest takes
 * the records that come; when it is long or old, the database as it is then
 * begins the next. The oldest goes once the one behind it reaches back over
 * the time kept, or all of them take more than a stream may have: never the
 * last one, without which the ship log's records would lead nowhere.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "history.h"
#include "page_sum.h"
#include "daemon/base/str.h"

#define SHELF_TURN (UINT64_C(4) << 20) /* bytes of records at least */
#define SHELF_TURNS 7 /* volumes that the time kept is divided into */

/* ---- names -------------------------------------------------------------- */

static int
shelf_path(const struct history *h, const char *name, const char *file,
    char path[HISTORY_PATH], struct err *e)
{
	if (snprintf(path, HISTORY_PATH, "%s/%s/%s", h->dir, name, file) >=
	    HISTORY_PATH)
		return err_set(e, ERR_TOOBIG, "%s/%s: path", h->dir, name);
	return 0;
}

int
shelf_volume(const struct history *h, const char *name, uint32_t number,
    char path[HISTORY_PATH], struct err *e)
{
	char file[16];

	snprintf(file, sizeof file, "%08x.vol", number);
	return shelf_path(h, name, file, path, e);
}

/* The number in a volume's file name; 0 for other names. */
static uint32_t
shelf_number(const char *file)
{
	uint8_t b[4];

	if (strlen(file) != 12 || strcmp(file + 8, ".vol") != 0 ||
	    str_unhex(b, sizeof b, file, 8) != 4)
		return 0;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	    (uint32_t)b[2] << 8 | b[3];
}

static int
shelf_by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int
shelf_list(const struct history *h, const char *name, uint32_t **list,
    size_t *n, struct err *e)
{
	char path[HISTORY_PATH];
	struct dirent *d;
	uint32_t *more, number;
	DIR *dir;
	int r = 0;

	*list = NULL;
	*n = 0;
	if ((r = shelf_path(h, name, "", path, e)) != 0)
		return r;
	if ((dir = opendir(path)) == NULL)
		return errno == ENOENT ? 0 : err_errno(e, ERR_IO, "%s", path);
	while (r == 0 && (d = readdir(dir)) != NULL) {
		if ((number = shelf_number(d->d_name)) == 0)
			continue;
		more = realloc(*list, (*n + 1) * sizeof *more);
		if (more == NULL) {
			r = err_set(e, ERR_NOMEM, "history");
			break;
		}
		*list = more;
		more[(*n)++] = number;
	}
	closedir(dir);
	if (r != 0) {
		free(*list);
		*list = NULL;
	} else if (*n > 1) {
		qsort(*list, *n, sizeof **list, shelf_by_number);
	}
	return r;
}

/* The directories of the name, and their names on disk. */
static int
shelf_dirs(const struct history *h, const char *name, struct err *e)
{
	char path[HISTORY_PATH];
	const char *slash = name;
	size_t n;

	while (slash != NULL) {
		slash = strchr(slash, '/');
		n = slash != NULL ? (size_t)(slash - name) : strlen(name);
		if (snprintf(path, sizeof path, "%s/%.*s", h->dir, (int)n,
			name) >= (int)sizeof path ||
		    (mkdir(path, 0700) != 0 && errno != EEXIST))
			return err_errno(e, ERR_IO, "%s/%s", h->dir, name);
		slash = slash != NULL ? slash + 1 : NULL;
	}
	return disk_sync(h->dir) == 0 ? 0 : err_errno(e, ERR_IO, "%s", h->dir);
}

static int
shelf_sync_dir(const struct history *h, const char *name, struct err *e)
{
	char path[HISTORY_PATH];
	int r = shelf_path(h, name, "", path, e);

	if (r == 0 && disk_sync(path) != 0)
		r = err_errno(e, ERR_IO, "%s", path);
	return r;
}

/* ---- the newest volume -------------------------------------------------- */

/* Find its end; what a crash tore off behind it the log still has. */
static int
shelf_scan(struct shelf *s, const char *path, struct err *e)
{
	struct volume_reader v;
	struct ship_record r;
	struct err why;
	int got;

	if ((got = volume_open(&v, path, e)) != 0)
		return got;
	s->head = v.head;
	s->lsn = v.head.lsn;
	s->sum = v.head.sum;
	s->time = v.head.time;
	s->pages = v.head.pages;
	s->whole = true;
	if (v.head.records > v.size)
		got = err_set(
		    e, ERR_CORRUPT, "%s: shorter than its base", path);
	v.off = v.head.records;
	while (got == 0 && (got = volume_next(&v, &r, &s->time, &why)) == 1) {
		s->lsn = r.lsn;
		s->sum = r.sum;
		s->whole = r.db_pages != 0;
		if (s->whole)
			s->pages = r.db_pages;
		got = 0;
	}
	if (got == -ERR_CORRUPT && v.head.records <= v.size)
		got = ftruncate(v.fd, (off_t)v.off) == 0
		    ? 0
		    : err_errno(e, ERR_IO, "%s", path);
	s->off = v.off;
	s->there = got == 0;
	volume_close(&v);
	return got;
}

static int
shelf_load(struct history *h, struct shelf *s, struct err *e)
{
	char path[HISTORY_PATH];
	uint32_t *list;
	size_t n;
	int r;

	if (shelf_path(h, s->name, "part", path, NULL) == 0)
		unlink(path);
	if ((r = shelf_list(h, s->name, &list, &n, e)) != 0)
		return r;
	if (n > 0) {
		s->head.number = list[n - 1];
		if ((r = shelf_volume(h, s->name, list[n - 1], path, e)) == 0)
			r = shelf_scan(s, path, e);
	}
	free(list);
	/* One that cannot be read is left for whoever wants to look at it. */
	s->broken = r == -ERR_CORRUPT;
	s->loaded = r == 0 || s->broken;
	return s->broken ? 0 : r;
}

struct shelf *
shelf_get(struct history *h, const char *name, struct err *e)
{
	struct shelf *s = map_str(&h->shelves, name);

	if (s == NULL) {
		if ((s = calloc(1, sizeof *s)) == NULL ||
		    map_str_put(&h->shelves, name, s) != 0) {
			free(s);
			err_set(e, ERR_NOMEM, "history");
			return NULL;
		}
		str_copy(s->name, sizeof s->name, name);
	}
	if (!s->loaded && shelf_load(h, s, e) != 0)
		return NULL;
	return s;
}

/* ---- a new volume ------------------------------------------------------- */

/* Write it under another name; the name of a volume is for a whole one. */
static int
shelf_make(struct history *h, struct shelf *s, int fd, int db,
    struct volume_head *head, struct err *e)
{
	uint8_t bytes[VOLUME_HEAD];
	int64_t end = VOLUME_HEAD;

	if (db >= 0)
		end = volume_put_base(
		    fd, db, s->name, head->page_size, head->pages, e);
	if (end < 0)
		return (int)end;
	(void)h;
	head->records = (uint64_t)end;
	volume_head_put(head, bytes);
	if (disk_write(fd, bytes, sizeof bytes, 0) != 0 || fdatasync(fd) != 0)
		return err_errno(e, disk_code(), "history of %s", s->name);
	return 0;
}

int
shelf_begin(struct history *h, struct shelf *s, int db,
    const struct volume_head *head, struct err *e)
{
	char part[HISTORY_PATH], path[HISTORY_PATH];
	struct volume_head made = *head;
	int fd, r;

	made.number = s->head.number + 1;
	if (db < 0)
		made.page_size = made.pages = 0;
	if ((r = shelf_dirs(h, s->name, e)) != 0 ||
	    (r = shelf_path(h, s->name, "part", part, e)) != 0 ||
	    (r = shelf_volume(h, s->name, made.number, path, e)) != 0)
		return r;
	fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, ERR_IO, "%s", part);
	r = shelf_make(h, s, fd, db, &made, e);
	close(fd);
	if (r == 0 && rename(part, path) != 0)
		r = err_errno(e, ERR_IO, "%s", path);
	if (r == 0)
		r = shelf_sync_dir(h, s->name, e);
	if (r != 0) {
		unlink(part);
		return r;
	}
	s->head = made;
	s->off = made.records;
	s->lsn = made.lsn;
	s->sum = made.sum;
	s->time = made.time;
	s->pages = made.pages;
	s->there = s->whole = true;
	s->broken = s->dirty = false;
	return 0;
}

/* ---- appending ---------------------------------------------------------- */

int
shelf_append(struct history *h, struct shelf *s, const struct ship_record *r,
    const uint8_t *bytes, uint64_t time, struct err *e)
{
	char path[HISTORY_PATH];
	long n;
	int fd, ret;

	if ((ret = shelf_volume(h, s->name, s->head.number, path, e)) != 0)
		return ret;
	if ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
		return err_errno(e, ERR_IO, "%s", path);
	n = volume_append(fd, s->off, time, bytes, r->size, e);
	if (n < 0 && ftruncate(fd, (off_t)s->off) != 0)
		s->broken = true; /* its end is found again when it is read */
	close(fd);
	if (n < 0)
		return (int)n;
	s->off += (uint64_t)n;
	s->lsn = r->lsn;
	s->sum = r->sum;
	s->time = time;
	s->whole = r->db_pages != 0;
	if (s->whole)
		s->pages = r->db_pages;
	s->dirty = true;
	return 0;
}

int
shelf_sync(struct history *h, struct shelf *s, struct err *e)
{
	char path[HISTORY_PATH];
	int fd, r;

	if (!s->dirty)
		return 0;
	if ((r = shelf_volume(h, s->name, s->head.number, path, e)) != 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fdatasync(fd) != 0)
		r = err_errno(e, ERR_IO, "%s", path);
	else
		s->dirty = false;
	if (fd >= 0)
		close(fd);
	return r;
}

/* ---- turning and removing ----------------------------------------------- */

static int
turn_page(void *arg, const struct ship_record *r, uint64_t time, struct err *e)
{
	(void)time;
	return history_write(*(int *)arg, r, e);
}

/* The newest volume's database at its end, into an open file. */
static int
turn_fill(struct history *h, struct shelf *s, int db, struct err *e)
{
	struct history_walk w = {.history = h,
	    .fn = turn_page,
	    .arg = &db,
	    .lsn = s->head.lsn,
	    .sum = s->head.sum};
	char path[HISTORY_PATH];
	struct volume_reader v;
	int r;

	if ((r = shelf_volume(h, s->name, s->head.number, path, e)) != 0 ||
	    (r = volume_open(&v, path, e)) != 0)
		return r;
	if ((r = walk_base(&v, db, e)) == 0)
		r = walk_volume(&w, &v, e);
	volume_close(&v);
	if (r == 0 && w.lsn != s->lsn)
		r = w.damaged.code != ERR_NONE
		    ? (*e = w.damaged, -(int)w.damaged.code)
		    : err_set(e, ERR_CORRUPT, "%s: does not go on", path);
	return r;
}

static int
turn_now(struct history *h, struct shelf *s, uint32_t page_size, struct err *e)
{
	struct volume_head head = {.page_size = page_size,
	    .lsn = s->lsn,
	    .sum = s->sum,
	    .time = s->time,
	    .pages = s->pages,
	    .file = s->head.file};
	char path[HISTORY_PATH];
	int db, r;

	if ((r = shelf_path(h, s->name, "base", path, e)) != 0)
		return r;
	db = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (db < 0)
		return err_errno(e, ERR_IO, "%s", path);
	if ((r = turn_fill(h, s, db, e)) == 0 &&
	    page_truncate(db, s->pages, page_size, page_sum_marked(db)) != 0)
		r = err_errno(e, ERR_IO, "%s", path);
	if (r == 0)
		r = shelf_begin(h, s, db, &head, e);
	close(db);
	disk_remove(path);
	return r;
}

int
shelf_turn(struct history *h, struct shelf *s, uint64_t now, struct err *e)
{
	uint64_t records = s->off - s->head.records;
	uint64_t base = s->head.records - VOLUME_HEAD;
	bool old = now > s->head.time &&
	    now - s->head.time >= h->keep / SHELF_TURNS;
	bool is_long = records >= SHELF_TURN && records >= 2 * base;
	struct volume_reader v;
	char path[HISTORY_PATH];
	struct ship_record r;
	uint64_t time;
	int ret;

	if (!s->there || !s->whole || records == 0 || (!old && !is_long))
		return 0;
	if ((ret = shelf_volume(h, s->name, s->head.number, path, e)) != 0 ||
	    (ret = volume_open(&v, path, e)) != 0)
		return ret;
	v.off = v.head.records;
	ret = volume_next(&v, &r, &time, e); /* its page size */
	volume_close(&v);
	if (ret < 0)
		return ret;
	return turn_now(h, s, r.page_size, e);
}

/* Bytes of a volume's file, and the time it begins with. */
static uint64_t
retain_look(
    const struct history *h, const char *name, uint32_t number, uint64_t *bytes)
{
	char path[HISTORY_PATH];
	struct volume_reader v;
	uint64_t time = 0;

	*bytes = 0;
	if (shelf_volume(h, name, number, path, NULL) == 0 &&
	    volume_open(&v, path, NULL) == 0) {
		*bytes = v.size;
		time = v.head.time;
		volume_close(&v);
	}
	return time;
}

int
shelf_retain(struct history *h, struct shelf *s, uint64_t now, struct err *e)
{
	uint64_t since = now > h->keep ? now - h->keep : 0, all = 0, bytes;
	char path[HISTORY_PATH];
	uint32_t *list;
	size_t n, i;
	int r;

	if ((r = shelf_list(h, s->name, &list, &n, e)) != 0)
		return r;
	for (i = 0; i < n; i++) {
		retain_look(h, s->name, list[i], &bytes);
		all += bytes;
	}
	for (i = 0; i + 1 < n && r == 0; i++) {
		if (retain_look(h, s->name, list[i + 1], &bytes) > since &&
		    all <= h->bytes)
			break;
		retain_look(h, s->name, list[i], &bytes);
		all -= bytes;
		if ((r = shelf_volume(h, s->name, list[i], path, e)) == 0 &&
		    disk_remove(path) != 0)
			r = err_errno(e, ERR_IO, "%s", path);
	}
	free(list);
	return r;
}
