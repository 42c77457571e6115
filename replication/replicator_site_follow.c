/*
 * Streams that another server owns, as this server follows them. Records are
 * taken like those of an owner of this server: each must follow the one
 * before, and is on disk before it is acknowledged. A leader is believed when
 * the owner map does not know better and the stream has no higher epoch here.
 *
 * The leader says from which record on it goes on; what this log holds behind
 * that is void. None of it was ever applied, for it was held by nobody else;
 * but a former owner had it in its own database, which then goes back. One
 * whose redo went further cannot: it is of no use, and another is asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "conflict.h"
#include "replicator_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* The stream that the peer leads under the handle, or NULL. */
struct live *
follow_of(struct peer *p, uint32_t handle)
{
	struct live *v = handle < p->nleads ? p->leads[handle] : NULL;

	if (v == NULL || v->lead.peer != p || v->lead.handle != handle)
		return NULL;
	return v;
}

void
follow_leave(struct live *v)
{
	copy_abort(v);
	v->lead.state = LEAD_NONE;
	v->lead.peer = NULL;
}

void
follow_drop_peer(struct peer *p)
{
	uint32_t i;

	for (i = 0; i < p->nleads; i++) {
		if (p->leads[i] != NULL && p->leads[i]->lead.peer == p)
			follow_leave(p->leads[i]);
	}
	free(p->leads);
	p->leads = NULL;
	p->nleads = 0;
}

/* ---- where this server is ----------------------------------------------- */

void
follow_position(struct live *v)
{
	const struct log_stream *s = v->log;
	struct site_msg m = {.type = SITE_MSG_POSITION,
	    .handle = v->lead.handle,
	    .u.position = {.serial = ++v->lead.serial,
		.lost = v->lead.lost,
		.epoch = s->epoch,
		.lsn = s->last.lsn,
		.sum = s->last.sum,
		.nepochs = s->nepochs}};

	memcpy(m.u.position.epochs, s->epochs, s->nepochs * sizeof *s->epochs);
	v->lead.state = LEAD_WAITS;
	peer_send(v->lead.peer, &m);
}

/* What is here is of no use: the stream is asked for as a whole. */
void
follow_lost(struct live *v, const char *why)
{
	if (v->lead.lost)
		return;
	v->lead.lost = true;
	v->key->site->lost++;
	log_warnx("stream=%s replica set aside: %s", v->log->name, why);
	file_close(v);
	if (v->lead.peer == NULL)
		return;
	copy_abort(v);
	follow_position(v);
}

void
follow_damaged(struct live *v, const char *why)
{
	if (v->lead.lost)
		return;
	str_copy(v->ill, sizeof v->ill, why);
	v->ill_at = clock_mono();
	follow_lost(v, why);
}

/* ---- a leader ----------------------------------------------------------- */

static int
lead_slot(struct peer *p, uint32_t handle, struct live *v, struct err *e)
{
	struct live **more;
	uint32_t n = p->nleads != 0 ? p->nleads : 16;

	for (; n <= handle; n *= 2)
		;
	if (n > p->nleads) {
		if ((more = realloc(p->leads, n * sizeof(struct live *))) ==
		    NULL)
			return err_set(e, ERR_NOMEM, "replicator");
		memset(more + p->nleads, 0,
		    (n - p->nleads) * sizeof(struct live *));
		p->leads = more;
		p->nleads = n;
	}
	p->leads[handle] = v;
	return 0;
}

/* The highest epoch by which the leader is refused; 0 when it is not. */
static uint64_t
lead_refuse(const struct live *v, const struct site_lead *lead)
{
	const struct site_key *k = v->key;

	if (k->epoch > lead->key || (k->mine && k->epoch == lead->key))
		return k->epoch;
	return v->log->epoch > lead->epoch ? v->log->epoch : 0;
}

int
follow_on_lead(struct peer *p, const struct site_msg *m, struct err *e)
{
	struct live *v = replicator_live(p->r, m->u.lead.name);
	struct site_msg no = {.type = SITE_MSG_REFUSED, .handle = m->handle};
	int ret;

	if (v == NULL)
		return err_set(e, ERR_NOMEM, "replicator");
	no.u.refused = lead_refuse(v, &m->u.lead);
	/* Without a map nobody knows who leads. */
	if (no.u.refused != 0 || v->key->epoch == 0 ||
	    part_is_apart(v, p, &m->u.lead)) {
		peer_send(p, &no);
		return 0;
	}
	if ((ret = lead_slot(p, m->handle, v, e)) != 0)
		return ret;
	follow_leave(v);
	v->lead.peer = p;
	v->lead.handle = m->handle;
	follow_position(v);
	return 0;
}

/* ---- from where on it goes on ------------------------------------------- */

/* The record of an LSN here. */
static bool
follow_mark(const struct log_stream *s, uint64_t lsn, struct log_mark *out)
{
	const struct log_at *at = log_stream_at(s, lsn);

	if (lsn == s->last.lsn)
		*out = s->last;
	else if (lsn == s->commit.lsn)
		*out = s->commit;
	else if (at != NULL)
		*out = at->mark;
	else
		return false;
	return true;
}

/* The claim is noted here too, with the place where this log stands: the
 * fence outlives the process. */
static int
start_claim(struct live *v, const struct site_start *start, struct err *e)
{
	struct log_stream *s = v->log;
	struct log_mark at;

	if (start->epoch == s->epoch && start->lsn == s->last.lsn &&
	    s->foreign && start->base <= s->base)
		return 0;
	if (!follow_mark(s, start->lsn, &at))
		return err_set(e, ERR_CORRUPT, "LSN %llu is not known here",
		    (unsigned long long)start->lsn);
	return replicator_note_claim(
	    v->key->site->r, v, start->epoch, &at, start->base, true, e);
}

/* What an owner here wrote alone is undone when the database is opened next,
 * if none of it was acknowledged: that may be in the file, and a process that
 * was started since does not know. Nor can what was applied, and what is kept
 * for review must not be. */
static bool
follow_may_rewind(const struct live *v, uint64_t lsn)
{
	return v->led && v->committed <= lsn && v->file.applied <= lsn &&
	    !conflict_noted(v->key->site->r->root, v->log->name, v->log->file);
}

int
follow_on_start(struct peer *p, const struct site_msg *m, struct err *e)
{
	struct live *v = follow_of(p, m->handle);
	const struct site_start *start = &m->u.start;
	struct err why;
	bool rewinds;
	int ret;

	if (v == NULL || v->lead.state != LEAD_WAITS ||
	    start->serial != v->lead.serial)
		return 0;
	if (start->epoch < v->log->epoch || start->lsn > v->log->last.lsn)
		return err_set(e, ERR_CORRUPT, "%s: START at LSN %llu",
		    v->log->name, (unsigned long long)start->lsn);
	/* Nothing behind it was applied here, unless the leader lacks it. */
	if (start->lsn < v->log->commit.lsn && v->log->foreign)
		file_look(v);
	if (v->lead.state != LEAD_WAITS || start->serial != v->lead.serial)
		return 0; /* the database is lost, and another is asked for */
	if ((rewinds = start->lsn < file_applied(v))) {
		if ((ret = part_conflict(v, start->lsn, e)) != 0)
			return ret;
		if (!follow_may_rewind(v, start->lsn)) {
			v->lead.ahead = !v->lead.lost;
			follow_lost(v, "its database is ahead of the owner");
			return 0;
		}
	}
	if (start->epoch > v->log->epoch)
		link_take_over(v, start->epoch);
	ret = start_claim(v, start, &why);
	if (ret == -ERR_CORRUPT) {
		follow_lost(v, why.text);
		return 0;
	}
	if (ret != 0)
		return p->r->paused ? -ERR_FULL : 0;
	if (rewinds && !v->log->placed) {
		follow_lost(v, "where it was before its last owner is unknown");
		return 0;
	}
	v->lead.state = LEAD_ON;
	if (start->commit > v->committed)
		v->committed = start->commit;
	replicator_touch(p->r, v);
	return 0;
}

/* ---- records ------------------------------------------------------------ */

/* All members hold everything up to an LSN. */
static void
follow_commit(struct live *v, uint64_t lsn)
{
	if (lsn <= v->committed)
		return;
	v->committed = lsn;
	file_soon(v);
}

int
follow_on_commit(struct peer *p, const struct site_msg *m, struct err *e)
{
	struct live *v = follow_of(p, m->handle);

	(void)e;
	if (v == NULL || v->lead.state != LEAD_ON)
		return 0;
	follow_commit(v, m->u.commit);
	loop_defer(p->r->loop, &p->r->turn);
	return 0;
}

int
follow_on_record(struct peer *p, const struct site_msg *m, struct err *e)
{
	const struct site_record *from = &m->u.record;
	struct live *v = follow_of(p, m->handle);
	struct replicator *r = p->r;
	struct ship_record rec;
	struct err why;
	int ret;

	if (v == NULL || v->lead.state != LEAD_ON)
		return 0;
	ret = ship_record_decode(&rec, from->bytes, from->n, e);
	if (ret != 0)
		return ret;
	if (rec.kind != SHIP_PAGES || !str_equal(rec.name, v->log->name))
		return err_set(e, ERR_CORRUPT, "record of another stream");
	if (replicator_room(r, rec.size, &why) != 0)
		return r->paused ? -ERR_FULL : 0;
	if (log_index_add(&r->index, &rec, r->log->end,
		ship_log_segment(r->log), NULL, &why) != 0) {
		follow_lost(v, why.text);
		return 0;
	}
	ship_log_append(r->log, from->bytes, from->n);
	follow_commit(v, from->commit);
	replicator_touch(r, v);
	return 0;
}

/*
 * A member may be the next owner at any moment, so a server whose database
 * may hold what no log has does not answer before it knows: it loses its
 * place, or its process that held the file is gone first.
 */
void
follow_ack(struct live *v)
{
	struct site_lead_of *lead = &v->lead;
	struct site_msg m = {.type = SITE_MSG_ACK,
	    .handle = lead->handle,
	    .u.ack = {lead->serial, v->log->epoch, v->synced}};

	if (lead->peer == NULL || lead->state != LEAD_ON ||
	    file_is_unknown(v) ||
	    (lead->ack_serial == lead->serial &&
		lead->ack_epoch == v->log->epoch && lead->ack_lsn == v->synced))
		return;
	lead->ack_serial = lead->serial;
	lead->ack_epoch = v->log->epoch;
	lead->ack_lsn = v->synced;
	peer_send(lead->peer, &m);
}
