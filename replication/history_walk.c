/*
 * Walking the records of one stream, each chained to the one before by its
 * LSN and sum: through a volume, then through the ship log. Where the chain
 * does not go on the walk ends, and says at what time it would have.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "history.h"
#include "daemon/base/str.h"

#define WALK_END 1 /* fn is not called any more */

int
history_write(int db, const struct ship_record *r, struct err *e)
{
	if (disk_write_pages(db, r) != 0)
		return err_errno(e, disk_code(), "%s: history", r->name);
	return 0;
}

int
walk_base(struct volume_reader *v, int db, struct err *e)
{
	struct ship_record r;
	uint64_t time;
	int got = 1;

	while (v->off < v->head.records &&
	    (got = volume_next(v, &r, &time, e)) == 1) {
		if ((got = history_write(db, &r, e)) != 0)
			return got;
		got = 1;
	}
	if (got < 0)
		return got;
	if (v->off != v->head.records)
		return err_set(e, ERR_CORRUPT,
		    "%s: offset %llu: the base ends too early", v->path,
		    (unsigned long long)v->off);
	return 0;
}

/* One more record. What was seen before is passed over. */
static int
walk_record(struct history_walk *w, const struct ship_record *r, uint64_t time,
    struct err *e)
{
	if (r->lsn <= w->lsn)
		return 0;
	if (r->lsn != w->lsn + 1 || (w->sum != 0 && r->prev != w->sum)) {
		w->next = time;
		return WALK_END;
	}
	w->lsn = r->lsn;
	w->sum = r->sum;
	w->time = time;
	return w->fn(w->arg, r, time, e);
}

int
walk_volume(struct history_walk *w, struct volume_reader *v, struct err *e)
{
	struct ship_record r;
	uint64_t time;
	int got, ret;

	v->off = v->head.records;
	while ((got = volume_next(v, &r, &time, e)) == 1) {
		if ((ret = walk_record(w, &r, time, e)) != 0)
			return ret < 0 ? ret : 0;
	}
	if (got == -ERR_CORRUPT) { /* perhaps the log has it again */
		w->damaged = *e;
		return 0;
	}
	return got;
}

bool
history_counts(
    const struct history_stream *s, const struct ship_record *r, uint64_t pos)
{
	struct log_stream view = {.voids = s->voids, .nvoids = s->nvoids};

	return r->kind == SHIP_PAGES && r->lsn <= s->upto &&
	    str_equal(r->name, s->name) &&
	    !log_stream_is_cut(&view, pos, r->lsn);
}

int
walk_log(struct history_walk *w, struct err *e)
{
	struct ship_log view = w->job->log; /* the cursor writes nothing */
	struct ship_cursor c;
	struct ship_record r;
	const uint8_t *bytes;
	uint64_t pos;
	int got, ret = 0;

	ship_cursor_init(&c);
	if (view.nseg > 0)
		ship_cursor_seek(&c, view.seg[0].start);
	while (ret == 0 && view.nseg > 0 &&
	    (got = ship_cursor_next(&view, &c, &r, &bytes, &pos, e)) != 0) {
		if (got < 0)
			ret = got;
		else if (history_counts(w->stream, &r, pos))
			ret = walk_record(w, &r, c.time, e);
	}
	ship_cursor_fini(&c);
	return ret < 0 ? ret : 0;
}
