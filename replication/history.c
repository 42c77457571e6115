/*
 * What the history keeps, and when.
 *
 * The ship log holds the newest records of all streams. Before it drops a
 * segment, the records of domains in it are taken over into their volumes and
 * synced there (KEEP): each once, however often that is tried, because a
 * volume knows its last record. A stream whose first record the log has
 * begins its history with nothing. Any other begins with a copy of its
 * database: pages are copied while they are written to (COPY), so each is as
 * old as the checkpoint before or as young as the last commit after; the
 * log's records between, whole pages, then make the copy exact (FOLD). The
 * same happens when the chain of records breaks: a replica that was made anew,
 * a volume that could not be written. Then there is a gap, and it is said.
 *
 * A failure costs history, never service: the log is dropped all the same.
 */
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

/* ---- the thing itself ---------------------------------------------------- */

int
history_open(
    const struct history_config *c, struct history **out, struct err *e)
{
	struct history *h = calloc(1, sizeof *h);

	if (h == NULL)
		return err_set(e, ERR_NOMEM, "history");
	h->keep = c->keep;
	h->bytes = c->bytes;
	if (!str_copy(h->dir, sizeof h->dir, c->dir)) {
		free(h);
		return err_set(e, ERR_TOOBIG, "%s: path", c->dir);
	}
	if (mkdir(h->dir, 0700) != 0 && errno != EEXIST) {
		free(h);
		return err_errno(e, ERR_IO, "%s", c->dir);
	}
	*out = h;
	return 0;
}

void
history_close(struct history **hp)
{
	struct history *h = *hp;
	struct shelf *s;
	size_t at = 0;

	*hp = NULL;
	if (h == NULL)
		return;
	while ((s = map_next(&h->shelves, &at, NULL, NULL)) != NULL)
		free(s);
	map_fini(&h->shelves);
	free(h);
}

void
history_job_free(struct history_job **jp)
{
	struct history_job *job = *jp;
	size_t i;

	*jp = NULL;
	if (job == NULL)
		return;
	for (i = 0; i < job->n; i++)
		free(job->stream[i].voids);
	free(job->stream);
	free(job->log.seg);
	free(job);
}

static int
job_by_name(const void *name, const void *stream)
{
	return strcmp(name, ((const struct history_stream *)stream)->name);
}

struct history_stream *
history_job_stream(const struct history_job *job, const char *name)
{
	if (job->n == 0)
		return NULL;
	return bsearch(
	    name, job->stream, job->n, sizeof *job->stream, job_by_name);
}

static void
job_fail(struct history_job *job, const struct err *e)
{
	if (job->err.code == ERR_NONE)
		job->err = *e;
}

/* ---- KEEP ---------------------------------------------------------------- */

/* The first volume of a stream whose every record the log had. */
static int
keep_begin(struct history *h, struct shelf *shelf,
    const struct history_stream *s, uint64_t time, struct err *e)
{
	struct volume_head head = {.time = time, .file = s->file};

	return shelf_begin(h, shelf, -1, &head, e);
}

/* A record that does not follow is the end of what can be kept. */
static int
keep_record(struct history *h, struct history_job *job,
    struct history_stream *s, const struct ship_record *r, const uint8_t *bytes,
    uint64_t time, struct err *e)
{
	struct shelf *shelf = shelf_get(h, s->name, e);
	int ret;

	if (shelf == NULL)
		return -(int)e->code;
	if (shelf->broken || (shelf->there && r->lsn <= shelf->lsn))
		return 0;
	if (!shelf->there && !s->based && r->lsn == 1 && r->prev == 0 &&
	    (ret = keep_begin(h, shelf, s, time, e)) != 0)
		return ret;
	if (!shelf->there || r->lsn != shelf->lsn + 1 ||
	    (shelf->sum != 0 && r->prev != shelf->sum)) {
		shelf->broken = true;
		return 0;
	}
	if ((ret = shelf_turn(h, shelf, job->now, e)) != 0)
		return ret;
	return shelf_append(h, shelf, r, bytes, time, e);
}

static int
keep_segments(struct history *h, struct history_job *job, struct err *e)
{
	struct ship_cursor c;
	struct ship_record r;
	struct history_stream *s;
	struct shelf *shelf;
	const uint8_t *bytes;
	struct err why;
	uint64_t pos;
	int got = 0;

	ship_cursor_init(&c);
	ship_cursor_seek(&c, job->log.seg[0].start);
	while (c.pos < job->to &&
	    (got = ship_cursor_next(&job->log, &c, &r, &bytes, &pos, e)) == 1) {
		if (pos >= job->to)
			break;
		if (r.kind != SHIP_PAGES ||
		    (s = history_job_stream(job, r.name)) == NULL ||
		    !history_counts(s, &r, pos) ||
		    keep_record(h, job, s, &r, bytes, c.time, &why) == 0)
			continue;
		job_fail(job, &why);
		if ((shelf = shelf_get(h, s->name, &why)) != NULL)
			shelf->broken = true;
	}
	ship_cursor_fini(&c);
	return got < 0 ? got : 0;
}

/* Everything is on disk before the log goes. */
static void
keep_finish(struct history *h, struct history_job *job)
{
	struct history_stream *s;
	struct shelf *shelf;
	struct err e;
	size_t i;

	for (i = 0; i < job->n; i++) {
		s = &job->stream[i];
		if ((shelf = map_str(&h->shelves, s->name)) == NULL)
			continue;
		if (shelf->dirty &&
		    (shelf_sync(h, shelf, &e) != 0 ||
			shelf_retain(h, shelf, job->now, &e) != 0)) {
			job_fail(job, &e);
			shelf->broken = true;
		}
		s->wants = shelf->broken;
	}
}

static void
history_keep(struct history *h, struct history_job *job)
{
	struct err e;

	if (job->log.nseg > 0 && keep_segments(h, job, &e) != 0)
		job_fail(job, &e);
	keep_finish(h, job);
}

/* ---- COPY and FOLD --------------------------------------------------------
 */

#define COPY_ROOM (1u << 20)

/* A file whose pages may change meanwhile. */
static int
copy_bytes(int from, int to, struct err *e)
{
	uint8_t *bytes = malloc(COPY_ROOM);
	off_t off = 0;
	ssize_t n = 0;

	if (bytes == NULL)
		return err_set(e, ERR_NOMEM, "history");
	while ((n = pread(from, bytes, COPY_ROOM, off)) > 0) {
		if (disk_write(to, bytes, (size_t)n, (uint64_t)off) != 0) {
			n = -1;
			break;
		}
		off += n;
	}
	if (n < 0)
		err_errno(e, disk_code(), "history");
	free(bytes);
	return n < 0 ? -(int)e->code : 0;
}

static int
copy_path(const struct history *h, char path[HISTORY_PATH], struct err *e)
{
	if (snprintf(path, HISTORY_PATH, "%s/copy", h->dir) >= HISTORY_PATH)
		return err_set(e, ERR_TOOBIG, "%s: path", h->dir);
	return 0;
}

/* A volume that goes with the file that the stream has now needs no other. */
static bool
copy_is_there(struct history *h, const struct history_stream *s)
{
	struct err e;
	struct shelf *shelf = shelf_get(h, s->name, &e);

	return shelf != NULL && shelf->there && !shelf->broken &&
	    shelf->head.file == s->file;
}

static void
history_copy(struct history *h, struct history_job *job)
{
	struct history_stream *s = job->stream;
	char path[HISTORY_PATH];
	struct err e;
	int from, to = -1;

	s->wants = !copy_is_there(h, s);
	if (!s->wants)
		return;
	if (copy_path(h, path, &e) != 0) {
		job_fail(job, &e);
		return;
	}
	from = open(job->path, O_RDONLY | O_CLOEXEC);
	if (from >= 0)
		to = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		err_errno(&e, ERR_IO, "%s", from < 0 ? job->path : path);
	if (to < 0 || copy_bytes(from, to, &e) != 0)
		job_fail(job, &e);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
}

struct fold {
	const struct history_stream *stream;
	int db;
	uint64_t time, sum;
	uint32_t pages;
};

static int
fold_record(
    void *arg, const struct ship_record *r, uint64_t time, struct err *e)
{
	struct fold *f = arg;

	if (r->lsn > f->stream->upto)
		return 1;
	f->time = time;
	f->sum = r->sum;
	if (r->db_pages != 0)
		f->pages = r->db_pages;
	return history_write(f->db, r, e);
}

static int
fold_last(void *arg, const struct ship_record *r, uint64_t time, struct err *e)
{
	struct fold *f = arg;

	(void)e;
	f->time = time;
	f->sum = r->sum;
	return 1;
}

/* When the last commit was, if the log still says so: the copy may hold it
 * already. */
static int
fold_look(struct history_job *job, struct fold *f, struct err *e)
{
	struct history_walk w = {.job = job,
	    .stream = f->stream,
	    .fn = fold_last,
	    .arg = f,
	    .lsn = f->stream->upto - 1};

	return walk_log(&w, e);
}

/* The copy becomes what the stream was at upto. */
static int
fold_exact(struct history_job *job, struct fold *f, struct err *e)
{
	const struct history_stream *s = f->stream;
	struct history_walk w = {.job = job,
	    .stream = s,
	    .fn = fold_record,
	    .arg = f,
	    .lsn = s->checkpoint};
	struct stat st;
	int r;

	if ((r = fold_look(job, f, e)) != 0 || (r = walk_log(&w, e)) != 0)
		return r;
	if (w.lsn < s->upto)
		return err_set(e, ERR_ABSENT,
		    "%s: the ship log has no record behind LSN %llu", s->name,
		    (unsigned long long)w.lsn);
	if (fstat(f->db, &st) != 0)
		return err_errno(e, ERR_IO, "history of %s", s->name);
	if (f->pages == 0)
		f->pages = (uint32_t)((uint64_t)st.st_size / s->page_size);
	if (f->pages == 0 ||
	    page_truncate(
		f->db, f->pages, s->page_size, page_sum_marked(f->db)) != 0)
		return err_errno(e, ERR_IO, "history of %s", s->name);
	return 0;
}

static void
history_fold(struct history *h, struct history_job *job)
{
	struct history_stream *s = job->stream;
	struct fold f = {
	    .stream = s, .db = -1, .time = job->now, .sum = s->sum};
	struct volume_head head = {
	    .page_size = s->page_size, .lsn = s->upto, .file = s->file};
	struct shelf *shelf;
	char path[HISTORY_PATH];
	struct err e;

	f.pages = s->pages;
	if ((shelf = shelf_get(h, s->name, &e)) == NULL ||
	    copy_path(h, path, &e) != 0) {
		job_fail(job, &e);
		return;
	}
	f.db = open(path, O_RDWR | O_CLOEXEC);
	if (f.db < 0)
		err_errno(&e, ERR_IO, "%s", path);
	if (f.db < 0 || fold_exact(job, &f, &e) != 0) {
		job_fail(job, &e);
	} else {
		head.sum = f.sum;
		head.time = f.time;
		head.pages = f.pages;
		if (shelf_begin(h, shelf, f.db, &head, &e) != 0 ||
		    shelf_retain(h, shelf, job->now, &e) != 0)
			job_fail(job, &e);
	}
	if (f.db >= 0)
		close(f.db);
	disk_remove(path);
}

void
history_do(void *arg)
{
	struct history_job *job = arg;
	static void (*const work[])(struct history *, struct history_job *) = {
	    [HISTORY_KEEP] = history_keep,
	    [HISTORY_COPY] = history_copy,
	    [HISTORY_FOLD] = history_fold,
	    [HISTORY_BUILD] = history_build,
	    [HISTORY_LIST] = history_list,
	    [HISTORY_MEND] = history_mend,
	};

	work[job->what](job->history, job);
}
