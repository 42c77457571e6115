/*
 * Reading the ship log while it is being written: to followers that were
 * away, and to the databases of this server. A window of the log is kept, so
 * records that follow each other cost one read for many.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ship_log.h"

#define CURSOR_READ (256u << 10)
#define CURSOR_ROOM (SHIP_ENTRY + SHIP_RECORD_MAX)

void
ship_cursor_init(struct ship_cursor *c)
{
	*c = (struct ship_cursor){.fd = -1};
}

void
ship_cursor_fini(struct ship_cursor *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->buf);
	ship_cursor_init(c);
}

void
ship_cursor_seek(struct ship_cursor *c, uint64_t pos)
{
	c->pos = pos;
}

/* The segment in which a position lies, or NULL when that is gone. */
static const struct ship_segment *
cursor_segment(const struct ship_log *log, uint64_t pos)
{
	size_t i;

	for (i = log->nseg; i-- > 0;) {
		if (log->seg[i].start <= pos)
			return &log->seg[i];
	}
	return NULL;
}

static int
cursor_open(struct ship_log *log, struct ship_cursor *c, uint64_t segment,
    struct err *e)
{
	char path[300];

	if (c->fd >= 0 && c->segment == segment)
		return 0;
	if (c->fd >= 0)
		close(c->fd);
	ship_log_path(log, segment, path, sizeof path);
	c->fd = open(path, O_RDONLY | O_CLOEXEC);
	c->segment = segment;
	c->len = 0;
	if (c->fd < 0)
		return err_errno(e, ERR_IO, "%s", path);
	if (c->buf == NULL && (c->buf = malloc(CURSOR_ROOM)) == NULL)
		return err_set(e, ERR_NOMEM, "ship log");
	return 0;
}

/* n bytes at the cursor's position, all of which are written; more of them
 * are read while it is at it. */
static const uint8_t *
cursor_bytes(struct ship_cursor *c, size_t n, uint64_t limit, struct err *e)
{
	size_t want = n < CURSOR_READ ? CURSOR_READ : n;
	ssize_t got;

	if (c->pos >= c->at && c->pos + n <= c->at + c->len)
		return c->buf + (c->pos - c->at);
	if (want > limit - c->pos)
		want = (size_t)(limit - c->pos);
	c->at = c->pos;
	c->len = 0;
	got = pread(c->fd, c->buf, want, (off_t)(c->pos - c->segment));
	if (got < (ssize_t)n) {
		err_errno(e, ERR_IO, "ship log: position %llu",
		    (unsigned long long)c->pos);
		return NULL;
	}
	c->len = (size_t)got;
	return c->buf;
}

int
ship_cursor_next(struct ship_log *log, struct ship_cursor *c,
    struct ship_record *r, const uint8_t **bytes, uint64_t *pos, struct err *e)
{
	uint64_t written = log->end - log->staged, limit;
	const struct ship_segment *seg = cursor_segment(log, c->pos);
	struct ship_entry entry;
	const uint8_t *p;
	int ret;

	if (seg == NULL)
		return err_set(e, ERR_ABSENT, "ship log: position %llu is gone",
		    (unsigned long long)c->pos);
	if (c->pos < seg->start + SHIP_SEGMENT_HEAD)
		c->pos = seg->start + SHIP_SEGMENT_HEAD;
	if (c->pos >= written)
		return 0;
	limit = seg + 1 < log->seg + log->nseg ? seg[1].start : written;
	if ((ret = cursor_open(log, c, seg->start, e)) != 0)
		return ret;
	if (limit - c->pos < SHIP_ENTRY)
		return err_set(e, ERR_CORRUPT, "ship log: position %llu",
		    (unsigned long long)c->pos);
	if ((p = cursor_bytes(c, SHIP_ENTRY, limit, e)) == NULL)
		return -(int)e->code;
	if (!ship_entry_get(log, &entry, p, c->pos) ||
	    entry.length > limit - c->pos - SHIP_ENTRY)
		return err_set(e, ERR_CORRUPT,
		    "ship log: position %llu: no entry",
		    (unsigned long long)c->pos);
	if ((p = cursor_bytes(c, SHIP_ENTRY + entry.length, limit, e)) == NULL)
		return -(int)e->code;
	*bytes = p + SHIP_ENTRY;
	*pos = c->pos;
	c->time = entry.time;
	if ((ret = ship_record_decode(r, *bytes, entry.length, e)) != 0)
		return ret;
	c->pos += SHIP_ENTRY + entry.length;
	return 1;
}
