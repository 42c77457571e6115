/*
 * Reading the ship log: which segments there are, where the last one ends,
 * whether what is missing was never synced (a torn tail, cut) or is damaged
 * (refused, with file and offset). Called when the log is opened, and by redo.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ship_log.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define SCAN_ROOM (4u << 20)

/* A window that slides over one segment. */
struct scan {
	struct ship_log *log;
	const struct ship_segment *seg;
	char path[300];
	int fd;
	uint8_t *buf;
	uint64_t at; /* offset of buf in the file */
	size_t len;
	uint32_t session; /* of the entry before */
};

static int
scan_by_start(const void *a, const void *b)
{
	const struct ship_segment *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The position in a segment's file name; false for other names. */
static bool
scan_name(const char *name, uint64_t *start)
{
	uint8_t bytes[8];
	int i;

	if (strlen(name) != 20 || strcmp(name + 16, ".log") != 0 ||
	    str_unhex(bytes, sizeof bytes, name, 16) != 8)
		return false;
	for (*start = 0, i = 0; i < 8; i++)
		*start = *start << 8 | bytes[i];
	return true;
}

int
ship_log_find(struct ship_log *log, struct err *e)
{
	DIR *dir = opendir(log->dir);
	struct dirent *d;
	struct ship_segment *seg;
	uint64_t start;

	if (dir == NULL)
		return err_errno(e, ERR_IO, "%s", log->dir);
	while ((d = readdir(dir)) != NULL) {
		if (!scan_name(d->d_name, &start))
			continue;
		seg = realloc(log->seg, (log->nseg + 1) * sizeof *seg);
		if (seg == NULL) {
			closedir(dir);
			return err_set(e, ERR_NOMEM, "ship log");
		}
		log->seg = seg;
		log->seg[log->nseg++] = (struct ship_segment){.start = start};
	}
	closedir(dir);
	if (log->nseg > 0)
		qsort(log->seg, log->nseg, sizeof *log->seg, scan_by_start);
	return 0;
}

/* n bytes at an offset of the segment: NULL behind its end or on an error,
 * which is then in e. */
static const uint8_t *
scan_at(struct scan *s, uint64_t off, size_t n, struct err *e)
{
	size_t want;
	ssize_t got;

	if (off >= s->at && off + n <= s->at + s->len)
		return s->buf + (off - s->at);
	if (off + n > s->seg->size)
		return NULL;
	want = s->seg->size - off < SCAN_ROOM ? (size_t)(s->seg->size - off)
					      : SCAN_ROOM;
	got = pread(s->fd, s->buf, want, (off_t)off);
	s->at = off;
	s->len = got > 0 ? (size_t)got : 0;
	if (got < 0)
		err_errno(e, ERR_IO, "%s: offset %llu", s->path,
		    (unsigned long long)off);
	return s->len >= n ? s->buf : NULL;
}

/*
 * The entry at an offset, with its record. 1, or 0 when none stands there
 * (words in e), or -ERR_IO.
 */
static int
scan_entry(struct scan *s, uint64_t off, uint64_t limit,
    struct ship_entry *entry, struct ship_record *r, const uint8_t **bytes,
    struct err *e)
{
	const uint8_t *p;

	err_clear(e);
	if (off + SHIP_ENTRY > limit ||
	    (p = scan_at(s, off, SHIP_ENTRY, e)) == NULL ||
	    !ship_entry_get(s->log, entry, p, s->seg->start + off) ||
	    entry->session < s->session ||
	    off + SHIP_ENTRY + entry->length > limit) {
		if (e->code != ERR_NONE)
			return -(int)e->code;
		err_set(e, ERR_CORRUPT, "no entry");
		return 0;
	}
	p = scan_at(s, off, SHIP_ENTRY + entry->length, e);
	if (p == NULL)
		return e->code != ERR_NONE ? -(int)e->code : 0;
	*bytes = p + SHIP_ENTRY;
	return ship_record_decode(r, *bytes, entry->length, e) == 0;
}

/* True when an entry behind the offset says that this place was synced. */
static bool
scan_was_synced(struct scan *s, uint64_t off)
{
	struct ship_entry entry;
	const uint8_t *p;
	uint64_t at;
	struct err e;

	for (at = off + 8; (p = scan_at(s, at, SHIP_ENTRY, &e)) != NULL;
	     at += 8) {
		if (ship_entry_get(s->log, &entry, p, s->seg->start + at) &&
		    entry.session >= s->session &&
		    entry.synced > s->seg->start + off)
			return true;
	}
	return false;
}

/* What a place without an entry means: the end, or damage. */
static int
scan_end(struct scan *s, uint64_t off, bool last, struct err *e)
{
	if (e->code == ERR_IO || e->code == ERR_NOMEM)
		return -(int)e->code;
	if (last && !scan_was_synced(s, off))
		return 0;
	return err_set(e, ERR_CORRUPT,
	    "%s: offset %llu: damaged record before the end of the log",
	    s->path, (unsigned long long)off);
}

/* All entries of one segment; *end is where the last of them ends. */
static int
scan_segment(struct scan *s, bool last, ship_log_fn *fn, void *arg,
    uint64_t *end, struct err *e)
{
	uint64_t off = SHIP_SEGMENT_HEAD;
	uint64_t limit = last ? s->seg->size : s->seg[1].start - s->seg->start;
	struct ship_entry entry;
	struct ship_record r;
	const uint8_t *bytes = NULL;
	struct err why;
	int found, ret;

	while ((last || off < limit) &&
	    (found = scan_entry(s, off, limit, &entry, &r, &bytes, &why)) !=
		0) {
		if (found < 0) {
			*e = why;
			return found;
		}
		ret = fn(arg, &r, bytes, entry.pos, s->seg->start, e);
		if (ret != 0) {
			err_wrap(e, "%s: offset %llu", s->path,
			    (unsigned long long)off);
			return ret;
		}
		s->session = entry.session;
		if (r.kind != SHIP_STATE && r.kind != SHIP_MIDST &&
		    r.kind != SHIP_BOOT)
			s->log->used = s->seg->start;
		if (entry.synced > s->log->known)
			s->log->known = entry.synced;
		off += SHIP_ENTRY + entry.length;
	}
	*end = s->seg->start + off;
	if (!last && off == limit)
		return 0;
	*e = why;
	return scan_end(s, off, last, e);
}

/* Open the segment; a head that fits is the first thing to be there. */
static int
scan_open(struct scan *s, size_t i, bool check, struct err *e)
{
	struct ship_log *log = s->log;

	s->seg = &log->seg[i];
	s->at = s->len = 0;
	ship_log_path(log, s->seg->start, s->path, sizeof s->path);
	s->fd = open(s->path, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return err_errno(e, ERR_IO, "%s", s->path);
	if (!check)
		return 0;
	return ship_log_segment_check(
	    log, s->fd, s->path, &log->seg[i], i == 0, e);
}

/* Segments from..last; the descriptor of the last one stays with the log when
 * it is opened for the first time. */
static int
scan_segments(struct ship_log *log, size_t from, bool opening, ship_log_fn *fn,
    void *arg, struct err *e)
{
	struct scan s = {.log = log, .fd = -1};
	uint64_t end = 0;
	size_t i;
	int r = 0;

	if ((s.buf = malloc(SCAN_ROOM)) == NULL)
		return err_set(e, ERR_NOMEM, "ship log");
	for (i = from; i < log->nseg && r == 0; i++) {
		bool last = i + 1 == log->nseg;

		r = scan_open(&s, i, opening, e);
		if (r == 0)
			r = scan_segment(&s, last, fn, arg, &end, e);
		if (r == 0 && last && opening) {
			log->fd = s.fd;
			log->end = end;
			log->session = s.session;
		} else if (s.fd >= 0) {
			close(s.fd);
		}
		s.fd = -1;
	}
	free(s.buf);
	return r;
}

int
ship_log_scan(struct ship_log *log, ship_log_fn *fn, void *arg, struct err *e)
{
	static_assert(SCAN_ROOM > SHIP_ENTRY + SHIP_RECORD_MAX, "one fits");
	return scan_segments(log, 0, true, fn, arg, e);
}

int
ship_log_walk(struct ship_log *log, uint64_t from, ship_log_fn *fn, void *arg,
    struct err *e)
{
	size_t i = 0;

	while (i + 1 < log->nseg && log->seg[i + 1].start <= from)
		i++;
	return scan_segments(log, i, false, fn, arg, e);
}
