/*
 * Streams that this server owns, at the servers that follow them. A follower
 * is asked where it is; from the last record that both have in common it is
 * sent what comes: out of the ship log until it has caught up, then each
 * record as it arrives, before it is on disk here. One that does not keep up
 * is sent the log again, and delays nobody but itself.
 *
 * All followers of a server that are behind share one walk of the log, so a
 * server that was away costs one pass and not one for each stream.
 *
 * Whenever the epoch of a stream changes everybody is asked anew. So the
 * follower knows the claim, and what it holds of owners before is either part
 * of the stream or void, before its acknowledgements count.
 */
#include <stdlib.h>
#include <string.h>

#include "replicator_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define LEAD_AGAIN (100 * CLOCK_MS) /* who refused is asked again */

static struct follow *
lead_follow(struct live *v, struct peer *p)
{
	struct follow *f;

	if (v->follow == NULL &&
	    (v->follow = calloc(SITE_PEERS, sizeof *v->follow)) == NULL)
		return NULL;
	if ((f = v->follow[p->index]) != NULL)
		return f;
	if ((f = calloc(1, sizeof *f)) == NULL)
		return NULL;
	f->live = v;
	f->peer = p;
	f->fd = -1;
	v->follow[p->index] = f;
	return f;
}

/* The follower that a message is about, or NULL when it is none any more. */
static struct follow *
lead_find(struct peer *p, uint32_t handle)
{
	struct site *t = p->r->site;

	if (handle >= t->nlives || t->live[handle]->follow == NULL)
		return NULL;
	return t->live[handle]->follow[p->index];
}

static void
lead_state(struct follow *f, enum follow_state state)
{
	if (f->state == FOLLOW_BEHIND)
		f->peer->behind--;
	if (f->state == FOLLOW_QUEUED)
		f->peer->queued--;
	if (f->state == FOLLOW_COPY && state != FOLLOW_COPY)
		copy_stop(f);
	f->state = state;
	if (state == FOLLOW_BEHIND)
		f->peer->behind++;
	if (state == FOLLOW_QUEUED)
		f->peer->queued++;
}

void
lead_copies(struct follow *f)
{
	lead_state(f, FOLLOW_COPY);
	f->peer->copy = f;
}

void
lead_away(struct follow *f, uint64_t us)
{
	lead_state(f, FOLLOW_NONE);
	f->again = clock_mono() + us;
}

/* ---- asking ------------------------------------------------------------- */

static void
lead_ask(struct follow *f)
{
	struct live *v = f->live;
	struct site_msg m = {.type = SITE_MSG_LEAD,
	    .handle = v->id,
	    .u.lead = {.epoch = v->log->epoch, .key = v->key->epoch}};

	str_copy(m.u.lead.name, sizeof m.u.lead.name, v->log->name);
	lead_state(f, FOLLOW_ASKED);
	f->asked = v->log->epoch < v->key->epoch ? v->log->epoch
						 : v->key->epoch;
	f->need = 0;
	if (f->since == 0)
		f->since = clock_mono();
	peer_send(f->peer, &m);
}

void
lead_ask_all(struct live *v)
{
	struct site *t;
	struct follow *f;
	unsigned i;

	if (v->key == NULL || !v->key->mine || v->log->epoch == 0)
		return;
	t = v->key->site;
	for (i = 0; i < t->npeers; i++) {
		if (!t->peer[i]->ready)
			continue;
		if ((f = lead_follow(v, t->peer[i])) != NULL)
			lead_ask(f);
	}
}

void
lead_ask_peer(struct peer *p)
{
	struct site *t = p->r->site;
	struct site_key *k;
	struct follow *f;
	struct live *v;
	size_t at = 0;

	while ((k = map_next(&t->keys, &at, NULL, NULL)) != NULL) {
		for (v = k->mine ? k->lives : NULL; v != NULL;
		     v = v->next_of_key) {
			if (v->log->epoch != 0 &&
			    (f = lead_follow(v, p)) != NULL)
				lead_ask(f);
		}
	}
}

void
lead_drop(struct live *v)
{
	unsigned i;

	for (i = 0; v->follow != NULL && i < SITE_PEERS; i++) {
		if (v->follow[i] == NULL)
			continue;
		lead_state(v->follow[i], FOLLOW_NONE);
		free(v->follow[i]);
		v->follow[i] = NULL;
	}
}

/* What it had acknowledged it still has; only a new word of it counts. */
void
lead_drop_peer(struct peer *p)
{
	struct site *t = p->r->site;
	struct follow *f;
	uint32_t i;

	for (i = 0; i < t->nlives; i++) {
		if (t->live[i]->follow == NULL ||
		    (f = t->live[i]->follow[p->index]) == NULL)
			continue;
		lead_state(f, FOLLOW_NONE);
		f->need = f->since = f->again = 0;
	}
}

/* ---- where it is -------------------------------------------------------- */

/* The sum of a record, if it is remembered. */
static bool
lead_sum(const struct log_stream *s, uint64_t lsn, uint64_t *sum)
{
	const struct log_at *at = log_stream_at(s, lsn);

	if (at != NULL)
		*sum = at->mark.sum;
	else if (lsn == s->commit.lsn)
		*sum = s->commit.sum;
	else
		return false;
	return true;
}

/* From where on a follower is sent records; false when it needs the
 * database, and has not just been given it. */
static bool
lead_common(
    const struct follow *f, const struct site_position *pos, uint64_t *lsn)
{
	const struct log_stream *s = f->live->log;
	uint64_t sum;

	if (pos->lost ||
	    !log_stream_common(s, pos->lsn, pos->epochs, pos->nepochs, lsn) ||
	    (*lsn == 0 && s->based && f->state != FOLLOW_COPY))
		return false;
	if (*lsn > 0 && *lsn == pos->lsn && lead_sum(s, *lsn, &sum) &&
	    sum != pos->sum) {
		log_warnx("stream=%s LSN %llu of a follower is another one",
		    s->name, (unsigned long long)*lsn);
		return false;
	}
	return *lsn == s->last.lsn || log_stream_pos(s, *lsn + 1) != UINT64_MAX;
}

/* Send what stands in the log behind an LSN. */
static void
lead_behind(struct follow *f, uint64_t pos)
{
	struct peer *p = f->peer;
	bool idle = p->behind == 0;

	lead_state(f, FOLLOW_BEHIND);
	if (idle || pos < p->cursor.pos)
		ship_cursor_seek(&p->cursor, pos);
	site_more(p->r->site);
}

static void
lead_begin(struct follow *f, uint64_t lsn)
{
	struct live *v = f->live;
	struct log_stream *s = v->log;
	struct site_msg m = {.type = SITE_MSG_START,
	    .handle = v->id,
	    .u.start = {
		f->serial, s->epoch, s->base, lsn, s->last.lsn, v->committed}};

	peer_send(f->peer, &m);
	f->sent = lsn;
	f->told = v->committed;
	f->since = clock_mono();
	f->need = 0;
	if (lsn == s->last.lsn)
		lead_state(f, FOLLOW_LIVE);
	else
		lead_behind(f, log_stream_pos(s, lsn + 1));
}

/* The follower does not follow, because it knows an epoch. When that is of a
 * claim which this server's log does not know, of an owner that was before,
 * the own claim is made now, although no process wants to write. */
static int
lead_not(struct follow *f, uint64_t epoch, struct err *e)
{
	struct live *v = f->live;

	lead_away(f, LEAD_AGAIN);
	if (epoch <= v->log->epoch || epoch > v->key->epoch ||
	    v->writer != NULL)
		return 0;
	return lead_claim(v->key->site->r, v, v->key->epoch, e);
}

int
lead_on_position(struct peer *p, const struct site_msg *m, struct err *e)
{
	struct follow *f = lead_find(p, m->handle);
	const struct site_position *pos = &m->u.position;
	uint64_t lsn;

	if (f == NULL || f->state == FOLLOW_NONE)
		return 0;
	if (pos->epoch > f->live->log->epoch)
		return lead_not(f, pos->epoch, e);
	f->serial = pos->serial;
	f->acked = f->epoch = 0;
	if (lead_common(f, pos, &lsn)) {
		lead_begin(f, lsn);
	} else {
		lead_state(f, FOLLOW_QUEUED);
		f->since = clock_mono();
		site_more(p->r->site);
	}
	return 0;
}

int
lead_on_refused(struct peer *p, const struct site_msg *m, struct err *e)
{
	struct follow *f = lead_find(p, m->handle);

	/* It may be the answer to a LEAD before the last one, which this server
	 * sent before it had heard of its own ownership. */
	if (f == NULL || f->state == FOLLOW_NONE ||
	    (m->u.refused != 0 && m->u.refused <= f->asked))
		return 0;
	return lead_not(f, m->u.refused, e);
}

/* ---- what it has -------------------------------------------------------- */

int
lead_on_ack(struct peer *p, const struct site_msg *m, struct err *e)
{
	struct follow *f = lead_find(p, m->handle);
	const struct site_ack *ack = &m->u.ack;

	if (f == NULL || ack->serial != f->serial ||
	    (f->state != FOLLOW_BEHIND && f->state != FOLLOW_LIVE))
		return 0;
	if (ack->lsn > f->sent || ack->epoch > f->live->log->epoch)
		return err_set(e, ERR_CORRUPT,
		    "%s: acknowledges LSN %llu, was sent %llu",
		    f->live->log->name, (unsigned long long)ack->lsn,
		    (unsigned long long)f->sent);
	f->epoch = ack->epoch;
	f->acked = ack->lsn;
	f->since = 0;
	if (f->acked != f->live->log->last.lsn ||
	    f->epoch != f->live->log->epoch)
		f->since = clock_mono();
	replicator_touch(p->r, f->live);
	return 0;
}

/* Everything up to the LSN is on disk here and at all members, under the
 * epoch of the stream; so nobody can acknowledge anything else any more.
 * False while that is not so of anything. */
bool
lead_held(const struct live *v, uint64_t *lsn)
{
	const struct site_key *k = v->key;
	const struct follow *f;
	unsigned i;

	if (k->site->mute && owner_count_members(k->members) <= 1 &&
	    !str_prefix(k->name, "calls/"))
		return false;
	if (!k->mine || k->epoch != v->log->epoch || k->stranger)
		return false;
	*lsn = v->synced;
	for (i = 0; i < k->site->npeers; i++) {
		if (!k->seat[i].member && k->seat[i].join == JOIN_NONE)
			continue;
		f = v->follow != NULL ? v->follow[i] : NULL;
		if (f == NULL || f->epoch != v->log->epoch)
			return false;
		if (f->acked < *lsn)
			*lsn = f->acked;
	}
	return true;
}

/* ---- records ------------------------------------------------------------ */

static void
lead_record(struct follow *f, uint64_t lsn, const uint8_t *bytes, size_t n)
{
	struct site_msg m = {.type = SITE_MSG_RECORD,
	    .handle = f->live->id,
	    .u.record = {f->live->committed, bytes, n}};

	peer_send(f->peer, &m);
	f->sent = lsn;
	f->told = f->live->committed;
	if (f->since == 0)
		f->since = clock_mono();
}

/* The record that was just appended here. */
void
lead_shipped(struct live *v, const uint8_t *bytes, size_t n)
{
	struct site *t = v->key->site;
	uint64_t lsn = v->log->last.lsn;
	struct follow *f;
	unsigned i;

	for (i = 0; v->follow != NULL && i < t->npeers; i++) {
		if ((f = v->follow[i]) == NULL || f->state != FOLLOW_LIVE)
			continue;
		if (peer_backlog(f->peer) < SITE_OUT_MAX)
			lead_record(f, lsn, bytes, n);
		else
			lead_behind(f, log_stream_pos(v->log, lsn));
	}
}

void
lead_commit(struct live *v)
{
	struct site *t = v->key->site;
	struct site_msg m = {
	    .type = SITE_MSG_COMMIT, .handle = v->id, .u.commit = v->committed};
	struct follow *f;
	unsigned i;

	for (i = 0; v->follow != NULL && i < t->npeers; i++) {
		if ((f = v->follow[i]) == NULL || f->state != FOLLOW_LIVE ||
		    f->told >= v->committed)
			continue;
		f->told = v->committed;
		peer_send(f->peer, &m);
	}
}

/* ---- catching up -------------------------------------------------------- */

/* The walk is at the end of the log: whoever was behind has everything. One
 * that has not cannot be helped by the log. */
static void
pump_ended(struct peer *p)
{
	struct site *t = p->r->site;
	struct follow *f;
	uint32_t i;

	for (i = 0; i < t->nlives && p->behind > 0; i++) {
		if (t->live[i]->follow == NULL ||
		    (f = t->live[i]->follow[p->index]) == NULL ||
		    f->state != FOLLOW_BEHIND)
			continue;
		if (f->sent == f->live->log->last.lsn) {
			lead_state(f, FOLLOW_LIVE);
			continue;
		}
		log_warnx("stream=%s LSN %llu is not in the ship log",
		    f->live->log->name, (unsigned long long)f->sent + 1);
		lead_state(f, FOLLOW_QUEUED);
	}
}

/* One record of the log, if the peer still needs it. */
static void
pump_record(struct peer *p, const struct ship_record *rec, const uint8_t *bytes,
    uint64_t pos)
{
	struct log_stream *s;
	struct follow *f;
	struct live *v;

	if (rec->kind != SHIP_PAGES ||
	    (s = log_index_find(&p->r->index, rec->name)) == NULL ||
	    (v = s->live) == NULL || v->follow == NULL ||
	    (f = v->follow[p->index]) == NULL || f->state != FOLLOW_BEHIND ||
	    rec->lsn != f->sent + 1 || log_stream_is_cut(s, pos, rec->lsn))
		return;
	lead_record(f, rec->lsn, bytes, rec->size);
}

void
lead_pump(struct peer *p)
{
	struct replicator *r = p->r;
	struct ship_record rec;
	const uint8_t *bytes;
	size_t done = 0;
	uint64_t pos;
	struct err e;
	int n = 1;

	while (p->ready && p->behind > 0 && done < SITE_PUMP &&
	    peer_backlog(p) < SITE_OUT_PUMP) {
		n = ship_cursor_next(
		    r->log, &p->cursor, &rec, &bytes, &pos, &e);
		if (n <= 0)
			break;
		pump_record(p, &rec, bytes, pos);
		done += SHIP_ENTRY + rec.size;
	}
	if (n < 0)
		log_warnx("server=%s %s", p->name, e.text);
	if (n < 0 || (n == 0 && r->log->staged == 0))
		pump_ended(p);
	/* Else it goes on when the socket has taken some of it. */
}

/* ---- claims ------------------------------------------------------------- */

/*
 * The stream is this server's under the epoch from here on, in the log before
 * anything else happens. What another server's owner did not bring to its end
 * is void; what a local one did not, the next one finds in the -wal.
 */
int
lead_claim(struct replicator *r, struct live *v, uint64_t epoch, struct err *e)
{
	struct log_stream *s = v->log;
	const struct log_mark *at = s->foreign ? &s->commit : &s->last;
	bool noted = v->noted > r->log->synced;
	int ret = replicator_note_claim(r, v, epoch, at, at->lsn, false, e);

	if (ret != 0)
		return ret;
	if (r->site != NULL) {
		follow_leave(v);
		if (!noted)
			file_claimed(r, v);
		lead_ask_all(v);
		replicator_touch(r, v);
	}
	return 0;
}

/* ---- time --------------------------------------------------------------- */

static void
tick_follow(struct live *v, struct peer *p, uint64_t now)
{
	struct follow *f = lead_follow(v, p);

	if (f != NULL && f->state == FOLLOW_NONE && now >= f->again)
		lead_ask(f);
}

void
lead_tick(struct site *t, uint64_t now)
{
	struct live *v;
	uint32_t i;
	unsigned j;

	for (i = 0; i < t->nlives; i++) {
		v = t->live[i];
		if (!v->key->mine || v->log->epoch == 0)
			continue;
		for (j = 0; j < t->npeers; j++) {
			if (t->peer[j]->ready)
				tick_follow(v, t->peer[j], now);
		}
	}
}
