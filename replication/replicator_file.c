/*
 * When database files are synced, so that the ship log need not be kept: some
 * seconds after their owner said what they hold, at once when they hold back
 * an old segment, and when they are closed. A thread does it; the note of the
 * checkpoint follows in the log.
 */
#include "disk.h"
#include "replicator_room.h"
#include "stream_path.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define TICK CLOCK_SEC
#define WRITTEN_AGE (5 * CLOCK_SEC) /* a file is synced so long after */
#define PINNED 8 /* segments that one stream may hold before it is said */

/* ---- checkpoints of database files -------------------------------------- */

static void
replicator_note_checkpoint(struct replicator *r, struct live *v, uint64_t lsn)
{
	struct buf b = BUF_INIT;
	struct err e;

	log_put_checkpoint(&b, v->log, lsn);
	if (replicator_note(r, &b, &e) != 0 && e.code == ERR_CORRUPT)
		log_warnx("%s", e.text);
}

uint64_t
replicator_written(const struct live *v)
{
	return v->written > v->log->checkpoint ? v->written
					       : v->log->checkpoint;
}

bool
replicator_has_file(
    const struct replicator *r, const struct log_stream *s, const char *path)
{
	char now[STREAM_PATH];

	return stream_path(now, r->root, s->name, s->file, NULL) == 0 &&
	    str_equal(now, path);
}

void
replicator_tick_soon(struct replicator *r)
{
	if (!loop_timer_is_set(r->tick))
		loop_timer_set(r->tick, TICK);
}

/* Have the file synced, if its owner wrote more than is known to be on disk. */
void
replicator_sync_file(struct replicator *r, struct live *v)
{
	struct sync_job job = {.what = SYNC_DATABASE, .n = v->written};

	if (v->syncing || v->sync_failed || v->written <= v->log->checkpoint ||
	    v->written > v->acked || v->written < v->log->whole)
		return;
	if (stream_path(job.path, r->root, v->log->name, v->log->file, NULL) !=
	    0)
		return;
	str_copy(job.name, sizeof job.name, v->log->name);
	if (!v->dirs_synced)
		str_copy(job.root, sizeof job.root, r->root);
	if (sync_worker_add(r->worker, &job) == 0)
		v->syncing = true;
}

/* A file that could not be synced may have lost pages for good while the
 * kernel forgot about it: only redo can tell, so its log is kept. */
static void
replicator_on_file(struct replicator *r, const struct sync_job *job)
{
	struct log_stream *s = log_index_find(&r->index, job->name);
	struct live *v = s->live;

	v->syncing = false;
	if (!replicator_has_file(r, s, job->path))
		return;
	if (job->result != 0) {
		v->sync_failed = true;
		log_warnx("stream=%s database cannot be synced: its ship log "
			  "is kept",
		    s->name);
		return;
	}
	v->dirs_synced = true;
	replicator_note_checkpoint(r, v, job->n);
}

void
replicator_on_job(void *arg, const struct sync_job *job)
{
	struct replicator *r = OBJ(arg, replicator, REPLICATOR_MAGIC);

	switch (job->what) {
	case SYNC_DATABASE:
		replicator_on_file(r, job);
		break;
	case SYNC_COPY:
		copy_on_synced(r, job);
		break;
	case SYNC_CALL:
		scrub_on_job(r);
		break;
	case SYNC_SEGMENT:
		r->making = false;
		if (job->result == 0)
			ship_log_spare_take(r->log, job->path);
		break;
	case SYNC_BEGIN:
	case SYNC_DROP:
		break;
	}
}

/* A file that was there before the log: it is on disk before any record of
 * its stream is acknowledged. Rare, so it may block. */
void
replicator_base(struct replicator *r, struct live *v)
{
	char path[STREAM_PATH];

	if (stream_path(path, r->root, v->log->name, v->log->file, NULL) != 0)
		return;
	if (disk_sync(path) != 0 ||
	    stream_path_sync_dirs(r->root, v->log->name) != 0) {
		v->sync_failed = true;
		log_warn("stream=%s database cannot be synced", v->log->name);
		return;
	}
	v->dirs_synced = true;
	replicator_note_checkpoint(r, v, 0);
}

/* True when something of the stream is still to be done by a tick. */
static bool
tick_stream(struct replicator *r, struct live *v, uint64_t now)
{
	bool old = log_stream_need(v->log) < ship_log_segment(r->log);

	if (v->written > v->log->checkpoint &&
	    (old || now - v->written_at >= WRITTEN_AGE))
		replicator_sync_file(r, v);
	return v->written > v->log->checkpoint && !v->sync_failed;
}

/* Say which stream holds the log back, once for every so many segments. */
static void
tick_pinned(struct replicator *r)
{
	size_t limit = (size_t)(r->log->keep / r->log->segment) + PINNED;
	const struct log_stream *s, *oldest = NULL;
	size_t at = 0;

	if (r->log->nseg < limit) {
		r->pinned = 0;
		return;
	}
	if (r->log->nseg < r->pinned + PINNED)
		return;
	r->pinned = r->log->nseg;
	while ((s = log_index_next(&r->index, &at)) != NULL) {
		if (oldest == NULL ||
		    log_stream_need(s) < log_stream_need(oldest))
			oldest = s;
	}
	if (oldest != NULL)
		log_warnx("stream=%s is not checkpointed beyond LSN %llu: %llu "
			  "MiB of ship log are kept for it",
		    oldest->name, (unsigned long long)oldest->checkpoint,
		    (unsigned long long)(ship_log_bytes(r->log) >> 20));
}

void
replicator_drop_file(void *arg, int fd)
{
	struct replicator *r = OBJ(arg, replicator, REPLICATOR_MAGIC);
	struct sync_job job = {.what = SYNC_DROP, .fd = fd};

	if (sync_worker_add(r->worker, &job) != 0)
		disk_give_back(fd);
}

/* Somebody reads it here, and it is not known which of its commits count. */
static bool
tick_is_awaited(const struct log_stream *s)
{
	const struct live *v = s->live;

	return v != NULL && v->watches != NULL && v->acked == 0 &&
	    s->last.lsn > 0;
}

/* Its owner died before the file had all of it, and whoever came after had no
 * reason to open it: so it keeps the log, or readers wait for it. */
static void
tick_stranded(struct replicator *r, const struct log_stream *s)
{
	const struct live *v = s->live;

	if (r->stranded != NULL &&
	    (log_stream_need(s) < ship_log_segment(r->log) ||
		tick_is_awaited(s)) &&
	    (v == NULL || (v->writer == NULL && v->file.apply == NULL)))
		r->stranded(r->stranded_arg, s->name);
}

/* The log is kept for redo, and for others who are being sent it. */
static void
replicator_trim(struct replicator *r)
{
	uint64_t need = log_index_need(&r->index), other = site_need(r);

	ship_log_trim(r->log, past_trim(r, need < other ? need : other));
	if (r->site != NULL)
		log_index_trimmed(&r->index, r->log->seg[0].start);
}

void
replicator_on_tick(void *arg)
{
	struct replicator *r = OBJ(arg, replicator, REPLICATOR_MAGIC);
	struct sync_job job = {.what = SYNC_SEGMENT, .n = r->log->segment};
	uint64_t now = clock_mono();
	struct log_stream *s;
	bool more = false;
	struct err e;
	size_t at = 0;

	while ((s = log_index_next(&r->index, &at)) != NULL) {
		if (s->live != NULL &&
		    (tick_stream(r, s->live, now) || tick_is_awaited(s)))
			more = true;
		tick_stranded(r, s);
	}
	if (ship_log_is_unlinked(r->log)) {
		err_set(&e, ERR_CORRUPT, "ship log: its file was removed");
		replicator_trouble(r, &e);
	}
	replicator_trim(r);
	tick_pinned(r);
	if (past_tick(r, now))
		more = true;
	if (!r->making &&
	    ship_log_spare_wanted(r->log, job.path, sizeof job.path) &&
	    sync_worker_add(r->worker, &job) == 0)
		r->making = true;
	if (more)
		replicator_tick_soon(r);
}
