/*
 * A database as it was at a time: the newest volume that begins no later,
 * then its records and those of the ship log, up to the last whole commit of
 * that time. Two passes: one finds that commit, one writes pages.
 *
 * Every byte that is used has been verified by a checksum, and every record
 * follows the one before by LSN and sum; where that fails and the time lies
 * behind, it is said from when to when nothing is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "history.h"
#include "page_sum.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

struct build {
	struct history_walk walk;
	struct history_job *job;
	const struct history_stream *stream;
	uint32_t volume;  /* to begin with; 0 = none: the log has all */
	bool last;	  /* it is the newest */
	uint64_t end;	  /* LSN up to which there should be records */
	uint64_t began;	  /* time of the first commit that was met */
	uint64_t lsn, at; /* the last commit of that time */
	uint32_t page_size, pages;
	int db;
};

/* ---- where to begin ------------------------------------------------------ */

static int
build_begins(const struct build *b, uint64_t time, struct err *e)
{
	char text[CLOCK_TEXT];

	clock_text(text, time);
	return err_set(e, ERR_ABSENT, "the history of %s begins at %s",
	    b->stream->name, text);
}

/* The newest volume that is not younger than the time asked for. */
static int
build_choose(struct build *b, struct volume_reader *v, struct err *e)
{
	struct history *h = b->walk.history;
	char path[HISTORY_PATH];
	uint64_t first = 0;
	uint32_t *list;
	size_t n, i;
	int r;

	b->last = true;
	b->end = b->stream->upto;
	if ((r = shelf_list(h, b->stream->name, &list, &n, e)) != 0)
		return r;
	for (i = n; i-- > 0 && r == 0;) {
		if ((r = shelf_volume(h, b->stream->name, list[i], path, e)) !=
			0 ||
		    (r = volume_open(v, path, e)) != 0)
			break;
		if (v->head.time <= b->job->time) {
			b->volume = list[i];
			break;
		}
		b->last = false;
		b->end = v->head.lsn;
		first = v->head.time;
		volume_close(v);
	}
	free(list);
	if (r == 0 && n > 0 && b->volume == 0)
		return build_begins(b, first, e);
	if (r == 0 && n == 0 && b->stream->based)
		return err_set(e, ERR_ABSENT, "there is no history of %s yet",
		    b->stream->name);
	return r;
}

/* ---- the two passes ------------------------------------------------------ */

static int
build_find(void *arg, const struct ship_record *r, uint64_t time, struct err *e)
{
	struct build *b = arg;

	(void)e;
	if (r->db_pages == 0)
		return 0;
	if (b->began == 0)
		b->began = time;
	if (time > b->job->time)
		return 0;
	b->lsn = r->lsn;
	b->at = time;
	b->pages = r->db_pages;
	b->page_size = r->page_size;
	return 0;
}

static int
build_page(void *arg, const struct ship_record *r, uint64_t time, struct err *e)
{
	struct build *b = arg;

	(void)time;
	return r->lsn > b->lsn ? 1 : history_write(b->db, r, e);
}

/* The chain from the volume on, to wherever it leads. */
static int
build_walk(
    struct build *b, struct volume_reader *v, history_fn *fn, struct err *e)
{
	struct history_walk *w = &b->walk;
	int r = 0;

	w->fn = fn;
	w->arg = b;
	w->lsn = w->sum = w->time = w->next = 0;
	err_clear(&w->damaged);
	if (b->volume != 0) {
		w->lsn = v->head.lsn;
		w->sum = v->head.sum;
		w->time = v->head.time;
		r = walk_volume(w, v, e);
	}
	if (r == 0 && b->last && w->next == 0)
		r = walk_log(w, e);
	return r;
}

/* Is what was found all that there was up to the time? */
static int
build_is_whole(const struct build *b, struct err *e)
{
	const struct history_walk *w = &b->walk;
	char from[CLOCK_TEXT], to[CLOCK_TEXT];

	if (w->lsn >= b->end || w->time > b->job->time)
		return 0;
	if (w->damaged.code != ERR_NONE) {
		*e = w->damaged;
		return err_wrap(e, "history of %s", b->stream->name);
	}
	clock_text(from, w->time);
	clock_text(to, w->next != 0 ? w->next : b->job->now);
	return err_set(e, ERR_ABSENT,
	    "the history of %s lacks the time from %s (LSN %llu) to %s (LSN "
	    "%llu)",
	    b->stream->name, from, (unsigned long long)w->lsn, to,
	    (unsigned long long)b->end);
}

/* SQLite opens it without a -wal: bytes 18 and 19 of its head are the
 * versions of the format (sqlite.org/fileformat2.html, 1.3). */
static int
build_finish(const struct build *b, struct err *e)
{
	static const uint8_t plain[2] = {1, 1};

	if (page_truncate(
		b->db, b->pages, b->page_size, page_sum_marked(b->db)) != 0 ||
	    pwrite(b->db, plain, sizeof plain, 18) != sizeof plain)
		return err_errno(e, ERR_IO, "%s", b->job->path);
	return 0;
}

static int
build_file(struct build *b, struct volume_reader *v, struct err *e)
{
	int r = 0;

	if (b->volume != 0) {
		v->off = VOLUME_HEAD;
		r = walk_base(v, b->db, e);
	}
	if (r == 0 && (r = build_walk(b, v, build_page, e)) == 0)
		r = build_finish(b, e);
	return r;
}

static int
build_open(struct build *b, struct err *e)
{
	int r = stream_path_create(b->job->path, e);

	if (r < 0)
		return r;
	b->db = open(b->job->path, O_RDWR | O_TRUNC | O_CLOEXEC);
	return b->db >= 0 ? 0 : err_errno(e, ERR_IO, "%s", b->job->path);
}

static int
build_run(struct build *b, struct volume_reader *v, struct err *e)
{
	int r;

	if ((r = build_choose(b, v, e)) != 0)
		return r;
	if (b->volume != 0) {
		b->lsn = v->head.lsn;
		b->at = v->head.time;
		b->pages = v->head.pages;
		b->page_size = v->head.page_size;
	}
	if ((r = build_walk(b, v, build_find, e)) != 0 ||
	    (r = build_is_whole(b, e)) != 0)
		return r;
	if (b->pages == 0)
		return b->began != 0
		    ? build_begins(b, b->began, e)
		    : err_set(e, ERR_ABSENT, "there is no history of %s yet",
			  b->stream->name);
	if ((r = build_open(b, e)) != 0)
		return r;
	r = build_file(b, v, e);
	close(b->db);
	if (r != 0)
		unlink(b->job->path);
	return r;
}

void
history_build(struct history *h, struct history_job *job)
{
	struct build b = {.job = job,
	    .stream = job->stream,
	    .walk = {.history = h, .job = job, .stream = job->stream}};
	struct volume_reader v = {.fd = -1};
	struct err e;

	if (build_run(&b, &v, &e) != 0)
		job->err = e;
	job->lsn = b.lsn;
	job->at = b.at;
	volume_close(&v);
}

/* ---- what there is ------------------------------------------------------- */

/* The volumes of one stream. */
static int
list_volumes(struct history *h, struct history_stream *s, struct err *e)
{
	char path[HISTORY_PATH];
	struct volume_reader v;
	uint32_t *list;
	size_t n, i;
	int r;

	if ((r = shelf_list(h, s->name, &list, &n, e)) != 0)
		return r;
	for (i = 0; i < n && r == 0; i++) {
		if ((r = shelf_volume(h, s->name, list[i], path, e)) != 0 ||
		    (r = volume_open(&v, path, e)) != 0)
			break;
		if (i == 0)
			s->from = v.head.time;
		s->bytes += v.size;
		s->volumes++;
		volume_close(&v);
	}
	free(list);
	return r;
}

/* Streams without a volume begin in the log, if that has their first. */
static int
list_log(struct history_job *job, struct err *e)
{
	struct ship_cursor c;
	struct ship_record r;
	struct history_stream *s;
	const uint8_t *bytes;
	uint64_t pos;
	int got = 0;

	ship_cursor_init(&c);
	if (job->log.nseg > 0)
		ship_cursor_seek(&c, job->log.seg[0].start);
	while (job->log.nseg > 0 &&
	    (got = ship_cursor_next(&job->log, &c, &r, &bytes, &pos, e)) == 1) {
		if (r.kind == SHIP_PAGES && r.lsn == 1 && r.prev == 0 &&
		    (s = history_job_stream(job, r.name)) != NULL &&
		    s->volumes == 0 && !s->based && s->from == 0 &&
		    history_counts(s, &r, pos))
			s->from = c.time;
	}
	ship_cursor_fini(&c);
	return got < 0 ? got : 0;
}

void
history_list(struct history *h, struct history_job *job)
{
	struct err e;
	size_t i;

	for (i = 0; i < job->n; i++) {
		if (list_volumes(h, &job->stream[i], &e) != 0 &&
		    job->err.code == ERR_NONE)
			job->err = e;
	}
	if (list_log(job, &e) != 0 && job->err.code == ERR_NONE)
		job->err = e;
}
