/*
 * The history at the replicator: one job at a time for the thread that does
 * history.h, chosen in this order: what an owner asks for, what has to begin
 * with a copy, what the log is about to drop. The log keeps its segments
 * while a job reads them, so nothing is removed under it. Owners never wait
 * for any of it; a log that would fill the disk does not either, because a
 * job that fails is over like one that succeeds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replicator_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define PAST_ASKS 16		    /* that wait, of one link */
#define PAST_AGAIN (60 * CLOCK_SEC) /* after a copy that failed */

/* Somebody who waits: an owner over its link, or an operation or a damaged
 * database here. */
struct past_want {
	struct past_want *next;
	struct link *link; /* NULL: gone meanwhile */
	uint32_t handle;
	char name[STREAM_NAME];
	uint64_t time;
	replicator_spans_fn *spans; /* an operation */
	void *arg;
	bool mend; /* a damaged database */
};

struct past_room {
	struct replicator *r;
	struct history *history;
	struct sync_worker *worker;
	struct history_job *job; /* being done */
	struct past_want *asked; /* what it is done for; NULL = for us */
	struct past_want *first, **last;
	uint64_t kept;		   /* segments before it are in the history */
	uint64_t again;		   /* no copy before, monotonic */
	uint32_t file;		   /* number of the last file built */
	char folding[STREAM_NAME]; /* its copy was made: FOLD follows */
	uint64_t fold_from;	   /* what the file held at least by then */
	uint32_t fold_file;
};

static void past_go(struct replicator *);

/* ---- jobs --------------------------------------------------------------- */

static int
past_by_name(const void *a, const void *b)
{
	return strcmp(((const struct history_stream *)a)->name,
	    ((const struct history_stream *)b)->name);
}

/* What the thread has to know of a stream. */
static int
past_describe(const struct log_stream *s, struct history_stream *h)
{
	str_copy(h->name, sizeof h->name, s->name);
	h->file = s->file;
	h->page_size = s->page_size;
	h->based = s->based;
	h->checkpoint = s->checkpoint;
	h->upto = s->commit.lsn;
	h->sum = s->commit.sum;
	h->pages = s->db_pages;
	if (s->nvoids == 0)
		return 0;
	h->voids = malloc(s->nvoids * sizeof *h->voids);
	if (h->voids == NULL)
		return -ERR_NOMEM;
	memcpy(h->voids, s->voids, s->nvoids * sizeof *h->voids);
	h->nvoids = s->nvoids;
	return 0;
}

/* A job about one stream (name) or all domains (NULL), with a view of what
 * is on disk of the log. NULL without memory. */
static struct history_job *
past_job(struct replicator *r, enum history_what what, const char *name)
{
	struct history_job *job = calloc(1, sizeof *job);
	const struct ship_log *log = r->log;
	const struct log_stream *s;
	size_t at = 0, room = name != NULL ? 1 : r->index.streams.count;

	if (job == NULL)
		return NULL;
	job->history = r->past->history;
	job->what = what;
	job->now = clock_real();
	str_copy(job->log.dir, sizeof job->log.dir, log->dir);
	job->log.id = log->id;
	job->log.end = log->synced;
	job->log.nseg = log->nseg;
	job->log.seg = calloc(log->nseg, sizeof *log->seg);
	job->stream = calloc(room + 1, sizeof *job->stream);
	if (job->log.seg == NULL || job->stream == NULL)
		goto out;
	memcpy(job->log.seg, log->seg, log->nseg * sizeof *log->seg);
	while ((s = log_index_next(&r->index, &at)) != NULL) {
		if (name != NULL
			? !str_equal(s->name, name)
			: s->epoch == 0 || !str_prefix(s->name, HISTORY_PREFIX))
			continue;
		if (past_describe(s, &job->stream[job->n++]) != 0)
			goto out;
	}
	qsort(job->stream, job->n, sizeof *job->stream, past_by_name);
	return job;
out:
	history_job_free(&job);
	return NULL;
}

/* Hand it to the thread; false when that cannot be. */
static bool
past_start(struct replicator *r, struct history_job *job)
{
	struct sync_job call = {
	    .what = SYNC_CALL, .call = history_do, .arg = job};

	if (sync_worker_add(r->past->worker, &call) != 0) {
		history_job_free(&job);
		return false;
	}
	r->past->job = job;
	return true;
}

/* ---- what owners ask for ------------------------------------------------- */

static void
past_answer(struct past_want *w, const struct history_job *job, uint32_t file,
    const struct err *e)
{
	struct ship_msg m = {.type = SHIP_MSG_BUILT, .handle = w->handle};

	m.u.built.code = e->code;
	str_copy(m.u.built.words, sizeof m.u.built.words,
	    e->code != ERR_NONE ? e->text : "");
	m.u.built.file = file;
	if (job != NULL) {
		m.u.built.lsn = job->lsn;
		m.u.built.time = job->at;
	}
	link_send(w->link, &m);
}

static void
past_answer_spans(
    struct past_want *w, const struct history_job *job, const struct err *e)
{
	struct replicator_span *span = NULL;
	size_t i, n = job != NULL ? job->n : 0;
	struct err why = *e;

	if (n > 0 && (span = calloc(n, sizeof *span)) == NULL)
		n = 0;
	for (i = 0; i < n; i++) {
		const struct history_stream *s = &job->stream[i];

		str_copy(span[i].stream, sizeof span[i].stream, s->name);
		span[i].from = s->from;
		span[i].bytes = s->bytes;
		span[i].volumes = s->volumes;
	}
	w->spans(w->arg, span, n, why.code != ERR_NONE ? &why : NULL);
	free(span);
}

/* Up to where commits of a stream count for whoever asks. */
static uint64_t
past_upto(const struct replicator *r, const struct live *v)
{
	return r->site != NULL ? log_stream_commit(v->log, v->committed)
			       : v->acked;
}

static struct history_job *
past_build_job(struct replicator *r, struct past_want *w, struct err *e)
{
	const struct log_stream *s = log_index_find(&r->index, w->name);
	struct history_job *job;

	if (s == NULL || s->live == NULL || s->commit.lsn == 0) {
		err_set(e, ERR_ABSENT, "there is no stream %s", w->name);
		return NULL;
	}
	job = past_job(r, w->mend ? HISTORY_MEND : HISTORY_BUILD, w->name);
	if (job == NULL) {
		err_set(e, ERR_NOMEM, "history");
		return NULL;
	}
	/* A damaged file may hold whatever the log has. */
	if (!w->mend)
		job->stream->upto = past_upto(r, s->live);
	job->time = w->time;
	if (stream_path_past(job->path, r->root, ++r->past->file, e) != 0 ||
	    stream_path(job->target, r->root, s->name, s->file, e) != 0)
		history_job_free(&job);
	return job;
}

static void
past_finish_want(struct replicator *r, struct past_want *w,
    struct history_job *job, const struct err *e)
{
	if (w->mend)
		damage_mended(log_index_find(&r->index, w->name)->live, job, e);
	else if (w->spans != NULL)
		past_answer_spans(w, job, e);
	else if (w->link != NULL)
		past_answer(w, job, r->past->file, e);
	else if (job != NULL && e->code == ERR_NONE)
		unlink(job->path);
	free(w);
}

/* The next of those who wait; true when the thread has work with it. */
static bool
past_go_asked(struct replicator *r)
{
	struct past_room *p = r->past;
	struct past_want *w;
	struct history_job *job;
	struct err e;

	while ((w = p->first) != NULL) {
		if ((p->first = w->next) == NULL)
			p->last = &p->first;
		err_set(&e, ERR_NOMEM, "history");
		job = w->spans != NULL ? past_job(r, HISTORY_LIST, NULL)
				       : past_build_job(r, w, &e);
		if (job != NULL && past_start(r, job)) {
			p->asked = w;
			return true;
		}
		past_finish_want(r, w, NULL, &e);
	}
	return false;
}

static void
past_queue(struct replicator *r, struct past_want *w)
{
	*r->past->last = w;
	r->past->last = &w->next;
	past_go(r);
}

int
past_on_ask(struct link *l, const struct ship_msg *m, struct err *e)
{
	struct past_want *w = calloc(1, sizeof *w), *other;
	unsigned waiting = 0;
	struct err why;

	if (w == NULL)
		return err_set(e, ERR_NOMEM, "replicator");
	w->link = l;
	w->handle = m->handle;
	w->time = m->u.open.epoch;
	str_copy(w->name, sizeof w->name, m->u.open.name);
	for (other = l->r->past != NULL ? l->r->past->first : NULL;
	     other != NULL; other = other->next)
		waiting += other->link == l;
	if (l->r->past == NULL || !str_prefix(w->name, HISTORY_PREFIX))
		err_set(&why, ERR_ABSENT, "no history of %s is kept", w->name);
	else if (waiting >= PAST_ASKS)
		err_set(
		    &why, ERR_BUSY, "%u databases are being built", waiting);
	else {
		past_queue(l->r, w);
		return 0;
	}
	past_answer(w, NULL, 0, &why);
	free(w);
	return 0;
}

void
past_drop_link(struct link *l)
{
	struct past_room *p = l->r->past;
	struct past_want *w, **at;

	if (p == NULL)
		return;
	if (p->asked != NULL && p->asked->link == l)
		p->asked->link = NULL;
	for (at = &p->first; (w = *at) != NULL;) {
		if (w->link != l) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
	p->last = at;
}

void
replicator_spans(struct replicator *r, replicator_spans_fn *fn, void *arg)
{
	struct past_want *w = calloc(1, sizeof *w);
	struct err e;

	if (w == NULL || r->past == NULL) {
		err_set(&e, r->past == NULL ? ERR_ABSENT : ERR_NOMEM,
		    "no history is kept here");
		free(w);
		fn(arg, NULL, 0, &e);
		return;
	}
	w->spans = fn;
	w->arg = arg;
	past_queue(r, w);
}

bool
past_mend(struct replicator *r, struct live *v)
{
	struct past_want *w;

	if (r->past == NULL || !str_prefix(v->log->name, HISTORY_PREFIX) ||
	    (w = calloc(1, sizeof *w)) == NULL)
		return false;
	w->mend = true;
	w->time = UINT64_MAX;
	str_copy(w->name, sizeof w->name, v->log->name);
	past_queue(r, w);
	return true;
}

/* ---- what begins with a copy ----------------------------------------------
 */

/* Must its history begin with its database, and can that be copied now? */
static bool
past_wants_copy(const struct replicator *r, const struct live *v)
{
	const struct log_stream *s = v->log;

	if (!str_prefix(s->name, HISTORY_PREFIX) ||
	    (!s->based && s->begins == 0) ||
	    (v->past && v->past_file == s->file))
		return false;
	return s->commit.lsn > 0 && s->commit.lsn >= s->whole && !s->damaged &&
	    !v->lead.lost && !v->welcome && s->page_size != 0 &&
	    s->commit.lsn <= v->synced && r->failed.code == ERR_NONE;
}

static bool
past_copy(struct replicator *r, struct live *v)
{
	struct history_job *job = past_job(r, HISTORY_COPY, v->log->name);

	if (job == NULL)
		return false;
	if (stream_path(job->path, r->root, v->log->name, v->log->file,
		&job->err) != 0) {
		history_job_free(&job);
		return false;
	}
	return past_start(r, job);
}

static bool
past_go_copy(struct replicator *r)
{
	const struct log_stream *s;
	size_t at = 0;

	if (clock_mono() < r->past->again)
		return false;
	while ((s = log_index_next(&r->index, &at)) != NULL) {
		if (s->epoch != 0 && str_prefix(s->name, HISTORY_PREFIX) &&
		    replicator_live(r, s->name) != NULL &&
		    past_wants_copy(r, s->live) && past_copy(r, s->live))
			return true;
	}
	return false;
}

/* Everything that the copy may hold is in the log by now. */
static bool
past_go_fold(struct replicator *r)
{
	struct past_room *p = r->past;
	const struct log_stream *s = log_index_find(&r->index, p->folding);
	struct history_job *job;

	if (p->folding[0] == '\0')
		return false;
	if (s->commit.lsn > ((struct live *)s->live)->synced)
		return false; /* after the turn, which syncs it */
	p->folding[0] = '\0';
	if (s->file != p->fold_file)
		return false; /* another file since: it is copied anew */
	if ((job = past_job(r, HISTORY_FOLD, s->name)) == NULL)
		return false;
	job->stream->checkpoint = p->fold_from;
	return past_start(r, job);
}

static void
past_on_copied(struct replicator *r, struct history_job *job)
{
	struct past_room *p = r->past;
	struct live *v = log_index_find(&r->index, job->stream->name)->live;

	if (job->err.code != ERR_NONE) {
		p->again = clock_mono() + PAST_AGAIN;
		return;
	}
	if (!job->stream->wants) {
		v->past = true;
		v->past_file = job->stream->file;
		return;
	}
	str_copy(p->folding, sizeof p->folding, job->stream->name);
	p->fold_from = job->stream->checkpoint;
	p->fold_file = job->stream->file;
}

static void
past_on_folded(struct replicator *r, struct history_job *job)
{
	struct live *v = log_index_find(&r->index, job->stream->name)->live;

	if (job->err.code != ERR_NONE) {
		r->past->again = clock_mono() + PAST_AGAIN;
		return;
	}
	v->past = true;
	v->past_file = job->stream->file;
	log_info("stream=%s its history begins at LSN %llu", v->log->name,
	    (unsigned long long)job->stream->upto);
}

/* ---- what the log is about to drop ----------------------------------------
 */

static void
past_on_kept(struct replicator *r, struct history_job *job)
{
	struct log_stream *s;
	struct live *v;
	size_t i;

	r->past->kept = job->to;
	for (i = 0; i < job->n; i++) {
		s = log_index_find(&r->index, job->stream[i].name);
		if (!job->stream[i].wants || s == NULL || s->live == NULL)
			continue;
		v = s->live;
		v->past = false; /* it begins anew */
		if (s->begins == 0)
			s->begins = 1;
	}
}

uint64_t
past_trim(struct replicator *r, uint64_t need)
{
	struct past_room *p = r->past;
	struct history_job *job;
	uint64_t to;

	if (p == NULL || r->failed.code != ERR_NONE)
		return need;
	to = ship_log_trimmed(r->log, need);
	if (p->job == NULL && p->folding[0] == '\0' && to > p->kept &&
	    to > r->log->seg[0].start &&
	    (job = past_job(r, HISTORY_KEEP, NULL)) != NULL) {
		job->to = to;
		past_start(r, job);
	}
	if (p->job != NULL || p->folding[0] != '\0')
		return 0; /* it reads the log */
	return need < p->kept ? need : p->kept;
}

/* ---- one after the other ---------------------------------------------------
 */

static void
past_go(struct replicator *r)
{
	struct past_room *p = r->past;

	if (p->job == NULL && !past_go_fold(r) && !past_go_asked(r))
		past_go_copy(r);
}

bool
past_tick(struct replicator *r, uint64_t now)
{
	if (r->past == NULL)
		return false;
	past_go(r);
	return r->past->job != NULL || r->past->folding[0] != '\0' ||
	    r->past->again > now;
}

static void
past_on_job(void *arg, const struct sync_job *done)
{
	struct replicator *r = OBJ(arg, replicator, REPLICATOR_MAGIC);
	struct past_room *p = r->past;
	struct history_job *job = done->arg;
	struct past_want *asked = p->asked;

	p->job = NULL;
	p->asked = NULL;
	if (asked == NULL && job->err.code != ERR_NONE)
		log_warnx("history: %s", job->err.text);
	if (job->what == HISTORY_KEEP)
		past_on_kept(r, job);
	else if (job->what == HISTORY_COPY)
		past_on_copied(r, job);
	else if (job->what == HISTORY_FOLD)
		past_on_folded(r, job);
	if (asked != NULL)
		past_finish_want(r, asked, job, &job->err);
	history_job_free(&job);
	past_go(r);
	replicator_tick_soon(r);
}

/* ---- opening and closing ---------------------------------------------------
 */

/* The directory of what is built; what an asker that died left goes. */
static int
past_directory(struct replicator *r, struct err *e)
{
	char path[STREAM_PATH], file[STREAM_PATH + 256];
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof path, "%s/" STREAM_PAST, r->root);
	if ((mkdir(path, 0770) != 0 && errno != EEXIST) ||
	    chmod(path, 02770) != 0 || (dir = opendir(path)) == NULL)
		return err_errno(e, ERR_IO, "%s", path);
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(file, sizeof file, "%s/%s", path, d->d_name);
		unlink(file);
	}
	closedir(dir);
	return 0;
}

int
past_open(
    struct replicator *r, const struct replicator_config *c, struct err *e)
{
	struct history_config hc = {
	    c->history, c->history_keep, c->history_bytes};
	struct past_room *p = calloc(1, sizeof *p);
	int ret;

	if (p == NULL)
		return err_set(e, ERR_NOMEM, "history");
	p->r = r;
	p->last = &p->first;
	r->past = p;
	if ((ret = past_directory(r, e)) != 0 ||
	    (ret = history_open(&hc, &p->history, e)) != 0)
		return ret;
	return sync_worker_open(r->loop, past_on_job, r, &p->worker, e);
}

void
past_close_room(struct replicator *r)
{
	struct past_room *p = r->past;
	struct past_want *w;

	if (p == NULL)
		return;
	r->past = NULL;
	sync_worker_close(&p->worker);
	history_job_free(&p->job);
	free(p->asked);
	while ((w = p->first) != NULL) {
		p->first = w->next;
		free(w);
	}
	history_close(&p->history);
	free(p);
}
