/*
 * The replicator: takes the records of all owners of a server into the ship
 * log, syncs once for all that arrived in a turn of the loop, and only then
 * acknowledges. It never opens a database through SQLite, and writes one only
 * in redo, before anybody is served, and where another server owns the stream
 * (replicator_site.c).
 *
 * The process that runs it must open no stream: syncing a database file
 * closes a descriptor of it, which would drop that process's SQLite locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "redo.h"
#include "replicator_room.h"
#include "stream_path.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* Which file it is, and how often it went back under its readers: those of
 * another one open it anew. */
void
replicator_generation(const struct replicator *r, struct live *v)
{
	char path[STREAM_PATH];
	struct stat st;

	if (stream_path(path, r->root, v->log->name, v->log->file, NULL) == 0 &&
	    stat(path, &st) == 0)
		v->generation = (uint64_t)st.st_ino +
		    ((uint64_t)v->file.rewinds << 48);
}

struct live *
replicator_live(struct replicator *r, const char *name)
{
	struct log_stream *s = log_index_get(&r->index, name);
	struct live *v;

	if (s == NULL)
		return NULL;
	if (s->live != NULL)
		return s->live;
	if ((v = calloc(1, sizeof *v)) == NULL)
		return NULL;
	v->log = s;
	v->synced = s->last.lsn;
	v->acked = s->commit.lsn;
	v->written = s->checkpoint;
	s->live = v;
	if (site_live(r, v) != 0) {
		s->live = NULL;
		free(v);
		return NULL;
	}
	if (v->acked > 0)
		replicator_generation(r, v);
	return v;
}

/* ---- opening and closing ------------------------------------------------ */

static int
replicator_boot_id(const char *text, uint8_t boot[16], struct err *e)
{
	char line[64] = "", hex[64];
	size_t i, n = 0;
	int fd;

	if (text == NULL) {
		fd = open(
		    "/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, line, sizeof line - 1) <= 0) {
			err_errno(e, ERR_IO, "boot id of the machine");
			if (fd >= 0)
				close(fd);
			return -ERR_IO;
		}
		close(fd);
		text = line;
	}
	for (i = 0; text[i] != '\0' && n < 32; i++) {
		if (text[i] != '-')
			hex[n++] = text[i];
	}
	if (str_unhex(boot, 16, hex, n) != 16)
		return err_set(e, ERR_INVALID, "boot id of the machine");
	return 0;
}

static int
replicator_on_record(void *arg, const struct ship_record *rec,
    const uint8_t *bytes, uint64_t pos, uint64_t segment, struct err *e)
{
	struct log_index *ix = arg;

	(void)bytes;
	return log_index_add(ix, rec, pos, segment, NULL, e);
}

/* Bring the databases to where the log is, and note it. */
static int
replicator_redo(struct replicator *r, struct err *e)
{
	uint64_t before = clock_mono();
	struct redo_done done;
	struct log_stream *s;
	struct buf b = BUF_INIT;
	size_t at = 0;
	int ret;

	if ((ret = redo_run(r->root, r->log, &r->index, &done, e)) != 0)
		return ret;
	while ((s = log_index_next(&r->index, &at)) != NULL) {
		if (s->damaged || s->checkpoint == s->commit.lsn)
			continue;
		log_put_checkpoint(&b, s, s->commit.lsn);
		if ((ret = replicator_note(r, &b, e)) != 0)
			return ret;
	}
	log_info("redo after a reboot: %llu records, %llu pages in %llu "
		 "streams, %llu ms",
	    (unsigned long long)done.records, (unsigned long long)done.pages,
	    (unsigned long long)done.streams,
	    (unsigned long long)((clock_mono() - before) / CLOCK_MS));
	return 0;
}

static int
replicator_start(
    struct replicator *r, const struct replicator_config *c, struct err *e)
{
	static const uint8_t none[16];
	struct ship_log_config lc = {c->log, c->log_segment, c->log_keep};
	struct buf b = BUF_INIT;
	uint8_t boot[16];
	int ret;

	r->stranded = c->stranded;
	r->stranded_arg = c->stranded_arg;
	if (!str_copy(r->root, sizeof r->root, c->root))
		return err_set(e, ERR_TOOBIG, "%s: path", c->root);
	if ((ret = replicator_boot_id(c->boot, boot, e)) != 0 ||
	    (ret = sync_worker_open(
		 r->loop, replicator_on_job, r, &r->worker, e)) != 0 ||
	    (ret = ship_log_open(
		 &lc, replicator_on_record, &r->index, &r->log, e)) != 0 ||
	    (ret = ship_log_states(r->log, log_put_states, &r->index, e)) != 0)
		return ret;
	ship_log_dropper(r->log, replicator_drop_file, r);
	if (memcmp(r->index.boot, none, 16) != 0 &&
	    memcmp(r->index.boot, boot, 16) != 0 &&
	    (ret = replicator_redo(r, e)) != 0)
		return ret;
	log_put_boot(&b, boot);
	if ((ret = replicator_note(r, &b, e)) != 0)
		return ret;
	return ship_log_sync(r->log, e);
}

int
replicator_open(struct loop *loop, const struct replicator_config *c,
    struct replicator **out, struct err *e)
{
	struct replicator *r = calloc(1, sizeof *r);
	int ret;

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "replicator");
	r->magic = REPLICATOR_MAGIC;
	r->loop = loop;
	r->turn.fn = replicator_on_turn;
	r->turn.arg = r;
	r->tick = loop_timer_new(loop, replicator_on_tick, r);
	r->tell = loop_timer_new(loop, replicator_on_tell, r);
	r->again = loop_timer_new(loop, replicator_on_again, r);
	r->index.site = c->server != NULL;
	if ((ret = replicator_start(r, c, e)) != 0 ||
	    (c->server != NULL && (ret = site_open(r, c, e)) != 0) ||
	    (c->history != NULL && (ret = past_open(r, c, e)) != 0)) {
		replicator_close(&r);
		return ret;
	}
	replicator_tick_soon(r);
	replicator_count(r);
	*out = r;
	return 0;
}

void
replicator_close(struct replicator **rp)
{
	struct replicator *r = *rp;
	struct log_stream *s;
	struct link *l;
	size_t at = 0;

	*rp = NULL;
	if (r == NULL)
		return;
	while ((l = r->links) != NULL)
		link_close(&l);
	past_close_room(r);
	sync_worker_close(&r->worker);
	site_close(r);
	loop_timer_free(&r->tick);
	loop_timer_free(&r->tell);
	loop_timer_free(&r->again);
	loop_defer_cancel(r->loop, &r->turn);
	while ((s = log_index_next(&r->index, &at)) != NULL)
		free(s->live);
	ship_log_close(&r->log);
	log_index_fini(&r->index);
	free(r);
}

/* ---- what it says of itself --------------------------------------------- */

uint64_t
replicator_highest_epoch(const struct replicator *r)
{
	return log_index_epoch(&r->index);
}

uint64_t
replicator_log_id(const struct replicator *r)
{
	return r->log->id;
}

bool
replicator_next(
    const struct replicator *r, size_t *at, struct replicator_stream *out)
{
	const struct log_stream *s;
	const struct live *v;
	const struct watch *w;

	do { /* what was only read about was never there */
		if ((s = log_index_next(&r->index, at)) == NULL)
			return false;
	} while (s->epoch == 0);
	memset(out, 0, sizeof *out);
	str_copy(out->name, sizeof out->name, s->name);
	out->epoch = s->epoch;
	out->lsn = s->last.lsn;
	out->synced = s->last.lsn;
	out->checkpoint = s->checkpoint;
	if ((v = s->live) == NULL)
		return true;
	out->synced = v->synced;
	if (v->writer != NULL)
		str_copy(out->writer, sizeof out->writer, v->writer->who);
	for (w = v->watches; w != NULL; w = w->next)
		out->readers++;
	return true;
}

void
replicator_count(struct replicator *r)
{
	struct replicator_status *s = &r->status;
	const struct link *l;
	unsigned i;

	s->records = r->log->records;
	s->bytes = r->log->bytes;
	s->syncs = r->log->syncs;
	s->sync_us = r->log->sync_us;
	s->sync_us_max = r->log->sync_us_max;
	s->log_bytes = ship_log_bytes(r->log);
	s->segments = r->log->nseg;
	s->end = r->log->end;
	s->synced = r->log->synced;
	s->streams = r->index.streams.count;
	s->full = r->full;
	s->failed = r->failed.code != ERR_NONE;
	s->lost = r->site != NULL ? r->site->lost : 0;
	for (s->peers = i = 0; r->site != NULL && i < r->site->npeers; i++)
		s->peers += r->site->peer[i]->ready;
	for (s->links = 0, l = r->links; l != NULL; l = l->next)
		s->links++;
}

const struct replicator_status *
replicator_counters(const struct replicator *r)
{
	return &r->status;
}

void
replicator_status(const struct replicator *r, struct replicator_status *s)
{
	*s = r->status;
}
