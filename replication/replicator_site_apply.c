/*
 * This server's databases of streams that nobody here writes. What all
 * members hold goes into them, a whole commit at a time and read from the ship
 * log; then readers are told. Of many databases the few used last are open.
 *
 * A database has one writer. As long as a link is open that was welcomed as
 * the owner, records of the next owner elsewhere are logged but not applied,
 * nor acknowledged: what that process left in the -wal may be of no log. An
 * owner here is welcomed when everything in the log is applied and the
 * database closed, with the place in the -wal where the last record ends; a
 * PLACE in the log keeps that place. Where nothing is left to be applied it
 * stands behind the claim, and one sync is enough for both.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conflict.h"
#include "replicator_room.h"
#include "stream_path.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define FILE_IDLE (30 * CLOCK_SEC)   /* closed after that */
#define FILE_STALE CLOCK_SEC	     /* old files are looked at so often */
#define FILE_BLOCKED (2 * CLOCK_SEC) /* readers are waited for no longer */

/* Up to where the database goes: by us, or by an owner here. */
uint64_t
file_applied(const struct live *v)
{
	return v->file.applied > v->log->own.lsn ? v->file.applied
						 : v->log->own.lsn;
}

/* Up to where it may go. */
static uint64_t
file_target(const struct live *v)
{
	uint64_t lsn = v->committed < v->synced ? v->committed : v->synced;

	return log_stream_commit(v->log, lsn);
}

/* True when the database is ours to write, and on disk that it is the one. */
static bool
file_is_free(const struct live *v)
{
	return v->holders == 0 && !v->lead.lost && !v->log->damaged &&
	    (v->writer == NULL || v->welcome) &&
	    v->noted <= v->key->site->r->log->synced;
}

/* ---- opening and closing ------------------------------------------------ */

/* The place among those that are open. */
static void
file_forget(struct live *v)
{
	struct site *t = v->key->site;
	unsigned i;

	for (i = 0; i < t->nopen; i++) {
		if (t->open[i] == v)
			t->open[i] = t->open[--t->nopen];
	}
}

void
file_close(struct live *v)
{
	if (v->file.apply == NULL)
		return;
	file_forget(v);
	apply_close(&v->file.apply);
}

static void
file_make_room(struct site *t)
{
	struct live *oldest = t->open[0];
	unsigned i;

	if (t->nopen < SITE_APPLIES)
		return;
	for (i = 1; i < t->nopen; i++) {
		if (t->open[i]->file.used < oldest->file.used)
			oldest = t->open[i];
	}
	file_close(oldest);
}

/* Readers may have seen what is gone, so they read all anew. */
static void
file_rewound(struct live *v)
{
	struct replicator *r = v->key->site->r;

	log_info(
	    "stream=%s went back to LSN %llu: its owner here had committed "
	    "more, which was never acknowledged",
	    v->log->name, (unsigned long long)v->file.applied);
	v->key->site->rewound++;
	v->file.rewinds++;
	replicator_generation(r, v);
	if (v->acked > 0)
		replicator_tell_later(r, v, clock_mono());
}

/* Somebody reads what has to go, and does not stop: another file is made, of
 * which nobody reads yet. */
static void
file_blocked(struct live *v, const struct err *e)
{
	if (v->file.blocked == 0)
		v->file.blocked = v->file.used;
	else if (v->file.used - v->file.blocked >= FILE_BLOCKED &&
	    v->log->own_back)
		follow_lost(v, e->text);
}

/* A file that held something once is not begun anew: the records of that are
 * gone, and it would be full of holes. */
static int
file_check(const struct log_stream *s, const char *path, struct err *e)
{
	struct stat st;

	if (s->checkpoint == 0 && s->own.lsn == 0)
		return 0;
	if (stat(path, &st) == 0 && st.st_size > 0)
		return 0;
	return err_set(e, ERR_CORRUPT, "the database is gone");
}

/* 0, -ERR_BUSY for later, or the replica is lost. */
static int
file_open(struct live *v)
{
	struct site *t = v->key->site;
	struct log_stream *s = v->log;
	struct apply_known known = {
	    .lsn = s->own.lsn, .wal = s->own.wal, .back = s->own_back};
	char path[STREAM_PATH];
	struct err e;
	int r;

	v->file.used = clock_mono();
	if (v->file.apply != NULL)
		return 0;
	file_make_room(t);
	if ((r = stream_path(path, t->r->root, s->name, s->file, &e)) != 0 ||
	    (r = file_check(s, path, &e)) != 0 ||
	    (r = stream_path_dirs(t->r->root, s->name, &e)) != 0 ||
	    (r = apply_open(path, s->page_size, &known, &v->file.apply, &e)) !=
		0) {
		if (r == -ERR_CONFLICT)
			follow_lost(v, e.text);
		else if (r == -ERR_CORRUPT || r == -ERR_INVALID)
			follow_damaged(v, e.text);
		else if (r != -ERR_BUSY)
			log_warnx("stream=%s %s", s->name, e.text);
		else
			file_blocked(v, &e);
		return -ERR_BUSY;
	}
	v->file.blocked = 0;
	t->open[t->nopen++] = v;
	if (!v->file.looked)
		replicator_touch(t->r, v); /* acknowledgements waited for it */
	v->file.looked = true;
	v->file.applied = v->file.fed = apply_lsn(v->file.apply);
	if (apply_rewound(v->file.apply))
		file_rewound(v);
	if (v->file.applied <= s->last.lsn)
		return 0;
	follow_damaged(v, "its database is ahead of the ship log");
	return -ERR_BUSY;
}

void
file_look(struct live *v)
{
	if (!v->file.looked && v->log->page_size != 0 && file_is_free(v))
		file_open(v);
}

/* ---- applying ----------------------------------------------------------- */

int
file_read(struct live *v, uint64_t lsn, struct ship_record *rec, struct err *e)
{
	struct site *t = v->key->site;
	const struct log_at *at = log_stream_at(v->log, lsn);
	const uint8_t *bytes;
	uint64_t pos;
	int n;

	if (at == NULL || at->pos == 0)
		return err_set(e, ERR_CORRUPT,
		    "LSN %llu is not in the ship log any more",
		    (unsigned long long)lsn);
	ship_cursor_seek(&t->cursor, at->pos);
	n = ship_cursor_next(t->r->log, &t->cursor, rec, &bytes, &pos, e);
	if (n < 0)
		return n;
	if (n == 0 || rec->kind != SHIP_PAGES || rec->lsn != lsn ||
	    rec->sum != at->mark.sum)
		return err_set(e, ERR_CORRUPT,
		    "position %llu of the ship log is not LSN %llu",
		    (unsigned long long)at->pos, (unsigned long long)lsn);
	return 0;
}

/* What the database holds as the kernel has it; a sync follows some time. */
static void
file_written(struct live *v)
{
	uint64_t lsn = apply_written(v->file.apply);

	if (lsn <= v->written)
		return;
	if (v->written <= v->log->checkpoint)
		v->written_at = clock_mono();
	v->written = lsn;
	replicator_tick_soon(v->key->site->r);
}

/* Some of what may be applied; true when there is more. */
static bool
file_run(struct live *v, size_t *budget)
{
	uint64_t target = file_target(v);
	struct ship_record rec;
	struct err e;
	int r = 0;

	if (file_open(v) != 0)
		return false;
	while (v->file.fed<target && * budget> 0) {
		if ((r = file_read(v, v->file.fed + 1, &rec, &e)) != 0 ||
		    (r = apply_pages(v->file.apply, &rec, &e)) != 0)
			break;
		v->file.fed = rec.lsn;
		*budget -= rec.size < *budget ? rec.size : *budget;
	}
	v->file.applied = apply_lsn(v->file.apply);
	file_written(v);
	if (r == 0) {
		v->file.ill = false;
		return v->file.fed < target;
	}
	if (r == -ERR_CORRUPT)
		follow_damaged(v, e.text);
	else if (r != -ERR_NOMEM && r != -ERR_IO && r != -ERR_FULL)
		follow_lost(v, e.text);
	else if (!v->file.ill)
		log_warnx("stream=%s %s: tried again", v->log->name, e.text);
	v->file.ill = true;
	return false; /* the tick tries again */
}

/* Only who has opened the database knows, when there is a -wal at all. */
bool
file_is_unknown(struct live *v)
{
	char path[STREAM_PATH], wal[STREAM_PATH];

	if (v->holders > 0)
		return true;
	if (v->file.looked || v->log->page_size == 0)
		return false;
	if (v->log->own_back)
		return true;
	if (v->log->own.wal.count == 0)
		return false;
	if (stream_path(path, v->key->site->r->root, v->log->name, v->log->file,
		NULL) != 0)
		return false;
	snprintf(wal, sizeof wal, "%.390s-wal", path);
	v->file.looked = access(wal, F_OK) != 0;
	return !v->file.looked;
}

void
file_soon(struct live *v)
{
	struct site *t = v->key->site;

	if (v->file.work || !file_is_free(v) ||
	    (file_target(v) <= file_applied(v) &&
		(v->lead.state != LEAD_ON || !file_is_unknown(v))))
		return;
	v->file.work = true;
	v->file.next_work = NULL;
	*t->work_last = v;
	t->work_last = &v->file.next_work;
	loop_defer(t->r->loop, &t->r->turn);
}

void
file_work(struct site *t)
{
	size_t budget = SITE_APPLY;
	uint64_t now = clock_mono();
	struct live *v;

	while (!t->worked && budget > 0 && (v = t->work) != NULL) {
		if ((t->work = v->file.next_work) == NULL)
			t->work_last = &t->work;
		v->file.work = false;
		if (!file_is_free(v))
			continue;
		if (file_run(v, &budget))
			file_soon(v);
		else if (v->welcome)
			replicator_touch(t->r, v);
		file_seen(t->r, v, now);
	}
	if (t->work == NULL)
		return;
	t->worked = true;
	site_more(t);
}

/* ---- readers ------------------------------------------------------------ */

/* The file that readers see is another one: they open it anew. */
static void
file_turn(struct replicator *r, struct live *v)
{
	v->file.old = v->file.shown;
	v->file.stale = true;
	v->file.shown = v->log->file;
	v->generation = 0;
	replicator_generation(r, v);
}

void
file_seen(struct replicator *r, struct live *v, uint64_t now)
{
	uint64_t lsn = file_applied(v);
	bool turned = v->file.shown != v->log->file;

	if (lsn > v->committed)
		lsn = v->committed;
	lsn = log_stream_commit(v->log, lsn);
	if (lsn == 0 || lsn < v->log->whole || v->lead.lost ||
	    (lsn <= v->acked && !turned))
		return;
	if (turned)
		file_turn(r, v);
	else if (v->generation == 0)
		replicator_generation(r, v);
	v->acked = lsn;
	replicator_tell_later(r, v, now);
}

/* ---- an owner here ------------------------------------------------------ */

static void
file_no_owner(struct live *v)
{
	struct err e;

	err_set(&e, ERR_CORRUPT, "%s: its database was lost: restore it",
	    v->log->name);
	link_refuse(v->writer, v->handle, &e);
	v->writer = NULL;
	v->welcome = false;
}

/* The place where the owner will find the last record, when the database goes
 * up to there. */
static void
file_place(struct replicator *r, struct live *v)
{
	struct log_mark at = v->log->last;
	struct buf b = BUF_INIT;
	struct err e;

	if (file_open(v) != 0 || v->file.applied != v->log->commit.lsn)
		return;
	at.wal = apply_place(v->file.apply);
	log_put_place(&b, v->log, &at);
	if (replicator_note(r, &b, &e) != 0)
		return;
	file_forget(v);
	apply_hand_over(&v->file.apply);
	replicator_touch(r, v);
}

static bool
file_is_placed(const struct live *v)
{
	const struct log_stream *s = v->log;

	return s->own.lsn == s->last.lsn && v->file.apply == NULL &&
	    (s->placed || s->last.lsn == 0);
}

/* Nothing was waited for: what the claim stands behind is in the database. */
void
file_claimed(struct replicator *r, struct live *v)
{
	const struct log_stream *s = v->log;

	if (v->holders > 0 || v->lead.lost || s->damaged ||
	    s->last.lsn != s->commit.lsn || file_applied(v) != s->last.lsn ||
	    file_is_placed(v))
		return;
	file_place(r, v);
}

/* An apply may have had the file since its last owner. */
static bool
file_is_handed(struct replicator *r, struct live *v)
{
	const struct log_stream *s = v->log;
	char path[STREAM_PATH];
	struct err e;

	if (s->last.lsn == 0)
		return true;
	if (stream_path(path, r->root, s->name, s->file, &e) == 0 &&
	    apply_hand_over_file(path, &e) == 0)
		return true;
	log_warnx("stream=%s %s", s->name, e.text);
	return false;
}

/* An owner that found less than the log has would go on from there. */
static bool
file_has_wal(struct replicator *r, struct live *v)
{
	struct err e;

	/* Who outlived a replicator has the file open, and knows. */
	if (!v->claims || wal_is_there(r, v))
		return true;
	if (v->holders > 0 || wal_make_good(r, v, &e) == 0)
		return false; /* handed over with the note */
	log_warnx("stream=%s %s", v->log->name, e.text);
	if (e.code == ERR_CORRUPT)
		follow_damaged(v, e.text);
	return false;
}

bool
file_hand_over(struct replicator *r, struct live *v)
{
	const struct log_stream *s = v->log;

	if (v->lead.lost || s->damaged) {
		file_no_owner(v);
		return false;
	}
	if (file_is_placed(v))
		return file_has_wal(r, v) && file_is_handed(r, v);
	if (s->last.lsn != s->commit.lsn || v->holders > 0)
		return false; /* an owner before it writes still */
	v->committed = s->commit.lsn;
	if (file_applied(v) < s->commit.lsn)
		file_soon(v);
	else
		file_place(r, v);
	return false;
}

/* ---- time --------------------------------------------------------------- */

static void
file_tick_open(struct site *t, uint64_t now, bool look)
{
	struct live *v;
	unsigned i;

	for (i = t->nopen; i-- > 0;) {
		v = t->open[i];
		if (look && apply_is_unlinked(v->file.apply)) {
			follow_damaged(v, "its files were removed");
			continue;
		}
		if (apply_tick(v->file.apply))
			v->file.used = now;
		file_written(v);
		if (now - v->file.used >= FILE_IDLE)
			file_close(v);
	}
}

static void
file_tick_stale(struct live *v)
{
	const char *root = v->key->site->r->root, *name = v->log->name;
	char path[STREAM_PATH];
	struct err e;
	int r;

	if (conflict_noted(root, name, v->file.old)) {
		r = conflict_keep(root, name, v->file.old, &e);
		if (r == -ERR_IO)
			log_warnx("stream=%s %s", name, e.text);
	} else if ((r = stream_path(path, root, name, v->file.old, NULL)) ==
	    0) {
		r = stream_path_remove(path);
	}
	v->file.stale = r != 0;
}

void
file_tick(struct site *t, uint64_t now)
{
	bool stale = now - t->stale_at >= FILE_STALE;
	struct live *v;
	uint32_t i;

	file_tick_open(t, now, stale);
	for (i = 0; i < t->nlives; i++) {
		v = t->live[i];
		file_soon(v);
		if (v->welcome)
			replicator_touch(t->r, v);
		if (v->file.stale && stale)
			file_tick_stale(v);
	}
	if (stale)
		t->stale_at = now;
}
