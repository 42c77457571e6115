/*
 * Whole databases, for followers that the ship log cannot help. The leader
 * notes a commit S that its database file certainly holds, sends the file page
 * by page while the owner goes on writing and checkpointing, and then all
 * records behind S, which the log is kept for meanwhile. Pages in the copy are
 * as old as S or as young as E, the last commit that could be in the file when
 * the copy ended, each for itself; records hold whole pages, so the database
 * is exact from E on, and nobody is shown it before.
 *
 * The copy is a file of the next number. It is on disk before a BASE in the
 * ship log makes it the stream's; so a crash leaves the one or the other. The
 * file before stays for those who read it until the new one can be shown.
 *
 * One database at a time goes to a server: COPY_SLICE in a COPY_TICK at most,
 * and only while nothing else waits for the socket, so owners and members keep
 * the processor, the network and the disk. The receiver hands what it has to
 * the disk as it comes, so the sync at the end finds little to write. SQLite's
 * locks are not asked: pages are only read.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "page_sum.h"
#include "replicator_room.h"
#include "stream_path.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define COPY_AGAIN CLOCK_SEC	  /* after one that could not begin */
#define COPY_ILL (10 * CLOCK_SEC) /* there is a damaged page in it */
#define COPY_TICK (4 * CLOCK_MS)  /* 64 MB/s with the slice */
#define COPY_SLICE (256u << 10)
#define COPY_HELD (1u << 20) /* received and not yet on its way to the disk */

/* ---- sending ------------------------------------------------------------ */

void
copy_stop(struct follow *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	if (f->peer->copy == f)
		f->peer->copy = NULL;
}

/* A commit that the file as the kernel has it holds, and its mark. */
static bool
copy_mark(const struct live *v, struct log_mark *mark)
{
	const struct log_stream *s = v->log;
	uint64_t lsn = replicator_written(v);
	const struct log_at *at = log_stream_at(s, lsn);

	*mark = (struct log_mark){0};
	if (lsn == s->commit.lsn)
		*mark = s->commit;
	else if (at != NULL)
		*mark = at->mark;
	return mark->lsn == lsn &&
	    (lsn == s->last.lsn || log_stream_pos(s, lsn + 1) != UINT64_MAX);
}

static int
copy_open(struct follow *f, struct err *e)
{
	struct live *v = f->live;
	char path[STREAM_PATH];
	int r;

	if (v->lead.lost || v->log->damaged ||
	    v->log->commit.lsn < v->log->whole)
		return err_set(e, ERR_CORRUPT, "its database here is lost");
	r = stream_path(
	    path, v->key->site->r->root, v->log->name, v->log->file, e);
	if (r != 0)
		return r;
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	return f->fd < 0 ? err_errno(e, ERR_IO, "%s", path) : 0;
}

static void
copy_begin(struct follow *f)
{
	struct live *v = f->live;
	struct log_stream *s = v->log;
	struct site_msg m = {.type = SITE_MSG_COPY, .handle = v->id};
	struct log_mark mark;
	struct err e;

	if (v->damage != 0) {
		lead_away(f, COPY_ILL); /* it was said */
		return;
	}
	if (!copy_mark(v, &mark))
		err_set(&e, ERR_ABSENT, "the ship log has only later records");
	else if (copy_open(f, &e) == 0)
		e.code = ERR_NONE;
	if (e.code != ERR_NONE) {
		log_warnx("stream=%s server=%s cannot be copied: %s", s->name,
		    f->peer->name, e.text);
		lead_away(f, COPY_AGAIN);
		return;
	}
	lead_copies(f);
	f->need = mark.lsn + 1;
	f->page = 1;
	m.u.copy = (struct site_copy){f->serial, s->epoch, mark.lsn, mark.sum,
	    mark.epoch, s->page_size, s->db_pages};
	peer_send(f->peer, &m);
	log_info("stream=%s server=%s is copied from LSN %llu on", s->name,
	    f->peer->name, (unsigned long long)mark.lsn);
}

/* The last commit of which the file may hold anything. */
static uint64_t
copy_whole(const struct follow *f)
{
	const struct live *v = f->live;
	uint64_t lsn = f->need - 1, more = file_applied(v);

	if (v->writer != NULL)
		more = v->welcome ? v->log->commit.lsn : v->committed;
	return more > lsn ? more : lsn;
}

static void
copy_end(struct follow *f)
{
	struct site_msg m = {.type = SITE_MSG_COPIED,
	    .handle = f->live->id,
	    .u.copied = {copy_whole(f), f->page - 1}};

	peer_send(f->peer, &m);
	close(f->fd);
	f->fd = -1; /* the log is kept until it goes on */
}

/* The next pages; false at the end of the file, or when it fails. Damage goes
 * nowhere from here. */
static bool
copy_pages(struct follow *f)
{
	static uint8_t bytes[SITE_MSG_PAGES_MAX];
	uint32_t size = f->live->log->page_size, bad;
	struct site_msg m = {.type = SITE_MSG_PAGES, .handle = f->live->id};
	long n = page_read(f->fd, f->page, (uint32_t)(sizeof bytes / size),
	    bytes, size, page_sum_marked(f->fd), &bad);

	if (bad != 0) {
		lead_away(f, COPY_ILL);
		damage_found(f->live, bad);
		return false;
	}
	if (n <= 0) {
		copy_end(f);
		return false;
	}
	m.u.pages.first = f->page;
	m.u.pages.n = (uint32_t)n;
	m.u.pages.bytes = bytes;
	m.u.pages.size = (size_t)m.u.pages.n * size;
	peer_send(f->peer, &m);
	f->page += m.u.pages.n;
	return true;
}

static struct follow *
copy_next(struct peer *p)
{
	struct site *t = p->r->site;
	struct follow *f;
	uint32_t i;

	for (i = 0; i < t->nlives; i++) {
		if (t->live[i]->follow != NULL &&
		    (f = t->live[i]->follow[p->index]) != NULL &&
		    f->state == FOLLOW_QUEUED)
			return f;
	}
	return NULL;
}

/* A slice of the copy that goes to the peer; true while there is one. */
static bool
copy_slice(struct peer *p)
{
	struct follow *f;
	size_t most = peer_backlog(p) + COPY_SLICE;

	while (p->ready && p->copy == NULL && p->queued > 0 &&
	    (f = copy_next(p)) != NULL)
		copy_begin(f);
	if ((f = p->copy) == NULL || f->fd < 0)
		return p->queued > 0;
	if (peer_backlog(p) > 0)
		return true; /* the socket is full */
	while (peer_backlog(p) < most && copy_pages(f))
		;
	return f->fd >= 0 || p->queued > 0;
}

void
copy_on_tick(void *arg)
{
	struct site *t = arg;
	bool more = false;
	unsigned i;

	if (t->r->failed.code != ERR_NONE)
		return;
	for (i = 0; i < t->npeers && !t->r->paused; i++)
		more |= copy_slice(t->peer[i]);
	if (more || t->r->paused)
		loop_timer_set(t->copying, COPY_TICK);
}

/* ---- receiving ---------------------------------------------------------- */

static int
copy_path(const struct live *v, char path[STREAM_PATH], struct err *e)
{
	return stream_path(
	    path, v->key->site->r->root, v->log->name, v->lead.number, e);
}

/* What was received is of no use; nobody else knew of it. */
void
copy_abort(struct live *v)
{
	char path[STREAM_PATH];

	if (v->lead.fd < 0)
		return;
	close(v->lead.fd);
	v->lead.fd = -1;
	if (copy_path(v, path, NULL) == 0)
		stream_path_remove(path);
}

/* A copy that cannot be written: it is asked for again with the next
 * connection. */
static int
copy_fail(struct live *v, struct err *e)
{
	copy_abort(v);
	return err_wrap(e, "%s: copy", v->log->name);
}

static int
copy_create(struct live *v, struct err *e)
{
	const char *root = v->key->site->r->root;
	char path[STREAM_PATH];
	int r;

	if ((r = copy_path(v, path, e)) != 0 ||
	    (r = stream_path_dirs(root, v->log->name, e)) != 0)
		return r;
	if (stream_path_remove(path) != 0)
		return err_set(e, ERR_BUSY, "%s: in use", path);
	if ((r = stream_path_create(path, e)) < 0)
		return r;
	v->lead.fd = open(path, O_RDWR | O_CLOEXEC);
	return v->lead.fd < 0 ? err_errno(e, ERR_IO, "%s", path) : 0;
}

int
copy_on_copy(struct peer *p, const struct site_msg *m, struct err *e)
{
	struct live *v = follow_of(p, m->handle);
	const struct site_copy *c = &m->u.copy;
	int ret;

	if (v == NULL || v->lead.state != LEAD_WAITS ||
	    c->serial != v->lead.serial)
		return 0;
	if (c->epoch < v->log->epoch)
		return err_set(e, ERR_CORRUPT, "%s: COPY of epoch %llu",
		    v->log->name, (unsigned long long)c->epoch);
	if ((ret = part_copied(v, e)) != 0)
		return ret;
	link_take_over(v, c->epoch);
	copy_abort(v);
	v->lead.number = v->log->file + 1;
	v->lead.copy = *c;
	v->lead.held = 0;
	if (copy_create(v, e) != 0)
		return copy_fail(v, e);
	v->lead.state = LEAD_COPIES;
	log_info("stream=%s is copied from server=%s", v->log->name, p->name);
	return 0;
}

/* So much more is in memory only; now and then it begins to be written. */
static void
copy_hold(struct live *v, size_t n)
{
	struct sync_job job = {.what = SYNC_BEGIN};

	if ((v->lead.held += n) < COPY_HELD)
		return;
	v->lead.held = 0;
	if (copy_path(v, job.path, NULL) == 0)
		sync_worker_add(v->key->site->r->worker, &job);
}

int
copy_on_pages(struct peer *p, const struct site_msg *m, struct err *e)
{
	struct live *v = follow_of(p, m->handle);
	const struct site_pages *s = &m->u.pages;
	uint32_t size;

	if (v == NULL || v->lead.state != LEAD_COPIES)
		return 0;
	size = v->lead.copy.page_size;
	if (s->size != (size_t)s->n * size)
		return err_set(
		    e, ERR_CORRUPT, "%s: pages of another size", v->log->name);
	if (pwrite(v->lead.fd, s->bytes, s->size,
		(off_t)(s->first - 1) * size) != (ssize_t)s->size) {
		err_errno(e, ERR_IO, "%s", v->log->name);
		return copy_fail(v, e);
	}
	copy_hold(v, s->size);
	return 0;
}

int
copy_on_copied(struct peer *p, const struct site_msg *m, struct err *e)
{
	struct live *v = follow_of(p, m->handle);
	struct sync_job job = {.what = SYNC_COPY};

	if (v == NULL || v->lead.state != LEAD_COPIES)
		return 0;
	v->lead.whole = m->u.copied.whole;
	v->lead.pages = m->u.copied.pages;
	job.n = v->lead.serial;
	str_copy(job.name, sizeof job.name, v->log->name);
	str_copy(job.root, sizeof job.root, p->r->root);
	if (v->lead.whole < v->lead.copy.lsn)
		err_set(e, ERR_CORRUPT, "whole before it begins");
	else if (copy_path(v, job.path, e) == 0 &&
	    sync_worker_add(p->r->worker, &job) == 0) {
		v->lead.state = LEAD_SYNCS;
		return 0;
	} else {
		err_set(e, ERR_NOMEM, "sync");
	}
	return copy_fail(v, e);
}

/* The copy is the stream's from here on. */
static int
copy_take(struct replicator *r, struct live *v, struct err *e)
{
	const struct site_copy *c = &v->lead.copy;
	struct log_mark at = {.epoch = c->of, .lsn = c->lsn, .sum = c->sum};
	struct buf b = BUF_INIT;
	int ret;

	log_put_base(&b, v->log, c->epoch, &at, c->page_size, c->db_pages,
	    v->lead.whole, v->lead.number);
	if ((ret = replicator_note(r, &b, e)) != 0)
		return ret;
	file_close(v);
	close(v->lead.fd);
	v->lead.fd = -1;
	v->lead.lost = v->lead.ahead = false;
	v->damage = 0;
	v->file.applied = v->file.fed = 0;
	v->file.looked = false;
	v->written = c->lsn;
	v->synced = v->log->last.lsn;
	v->sync_failed = false;
	v->dirs_synced = true;
	/* Also when this server had acknowledged more: it was given up. */
	v->held = v->committed = c->lsn;
	log_info("stream=%s copied: %llu pages, whole from LSN %llu on",
	    v->log->name, (unsigned long long)v->lead.pages,
	    (unsigned long long)v->lead.whole);
	return 0;
}

void
copy_on_synced(struct replicator *r, const struct sync_job *job)
{
	struct log_stream *s = log_index_find(&r->index, job->name);
	struct live *v = s->live;
	struct err e;

	if (v->lead.state != LEAD_SYNCS || v->lead.serial != job->n)
		return;
	err_set(&e, ERR_IO, "sync");
	if (job->result != 0 || copy_take(r, v, &e) != 0) {
		log_warnx("stream=%s copy: %s", s->name, e.text);
		copy_abort(v);
	}
	follow_position(v);
}
