/*
 * Two servers that may part (SEMANTICS D29; daemon/quorum/quorum_part.c), as
 * their replicators see it. While they are apart neither believes the other;
 * when they are one again, the one that yields is sent the databases of the
 * other, and what only its own ones held is kept beside (conflict.h). So is on
 * any site what a leader lacks that it must have had: its disk was put back to
 * an older state, or an operator made it the owner by force.
 */
#include "conflict.h"
#include "replicator_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

/* Of two servers that may have parted one believes only its own side, until
 * both are one again: an epoch says nothing across. */
bool
part_is_apart(
    const struct live *v, const struct peer *p, const struct site_lead *lead)
{
	return v->key->site->may_part && !p->up &&
	    (v->key->epoch != lead->key ||
		!str_equal(owner_server(v->key->owner), p->name));
}

/*
 * The last commit that is given up although it was acknowledged; 0 = none is.
 * What this server applied as a follower, or wrote to its database file as an
 * owner, was on the disks of all members, the leader's too. Of two that may
 * part a process started since does not know which commits were acknowledged,
 * and counts all. What was never acknowledged, the tail of an owner whose key
 * was moved, is nobody's.
 */
static uint64_t
part_given_up(const struct live *v, uint64_t base)
{
	const struct log_stream *s = v->log;
	uint64_t lsn = 0;

	if (v->led)
		lsn = v->committed;
	else if (v->key->site->may_part)
		lsn = s->commit.lsn;
	else if (s->checkpoint > base)
		lsn = s->commit.lsn; /* that much, and perhaps more */
	else if (s->foreign && v->file.looked)
		lsn = v->file.applied;
	return lsn > base ? lsn : 0;
}

/*
 * The database holds commits behind the LSN from which the site goes on
 * without them. Those that were acknowledged are kept with their file when
 * that has been replaced.
 */
int
part_conflict(struct live *v, uint64_t base, struct err *e)
{
	const struct log_stream *s = v->log;
	struct replicator *r = v->key->site->r;
	struct conflict c = {.file = s->file,
	    .epoch = s->epoch,
	    .base = base,
	    .lsn = part_given_up(v, base),
	    .time = clock_real()};
	int ret;

	if (c.lsn == 0 || v->lead.lost || str_prefix(s->name, "calls/"))
		return 0;
	str_copy(c.stream, sizeof c.stream, s->name);
	if ((ret = conflict_note(r->root, &c, e)) != 0)
		return ret;
	log_warnx("stream=%s LSN %llu to %llu are given up and kept for review",
	    s->name, (unsigned long long)base + 1, (unsigned long long)c.lsn);
	return 0;
}

/* The owner does not know from where on; a START may have told it before. */
int
part_copied(struct live *v, struct err *e)
{
	if (!v->key->site->may_part || v->log->foreign ||
	    conflict_noted(v->key->site->r->root, v->log->name, v->log->file))
		return 0;
	return part_conflict(v, 0, e);
}

/* The stream begins again with nothing in a file of the next number; its
 * readers hear that there is none. */
static void
part_give_up(struct live *v)
{
	struct replicator *r = v->key->site->r;
	const struct log_mark none = {0};
	struct log_stream *s = v->log;
	struct buf b = BUF_INIT;
	struct err e;

	if (part_conflict(v, 0, &e) != 0) {
		log_warnx("stream=%s stays as it is: %s", s->name, e.text);
		return;
	}
	log_put_base(&b, s, v->key->epoch > s->epoch ? v->key->epoch : s->epoch,
	    &none, s->page_size, 0, 0, s->file + 1);
	if (replicator_note(r, &b, &e) != 0) {
		log_warnx("stream=%s %s", s->name, e.text);
		return;
	}
	file_close(v);
	v->file.applied = v->file.fed = 0;
	v->file.looked = false;
	v->file.old = v->file.shown;
	v->file.stale = true;
	v->file.shown = s->file;
	v->written = v->held = v->committed = v->acked = 0;
	v->generation = 0;
	replicator_tell_later(r, v, clock_mono());
}

/*
 * This server is a member again, so it is led all streams of the key that the
 * owner has. One that nobody leads and that was written here last was made on
 * this side alone. Calls are of their instance's server on either side.
 */
void
part_rejoined(struct site_key *k)
{
	struct live *v;

	if (!k->site->may_part || k->mine || str_prefix(k->name, "calls/"))
		return;
	for (v = k->lives; v != NULL; v = v->next_of_key) {
		if (v->lead.peer == NULL && !v->log->foreign &&
		    v->holders == 0 && v->log->commit.lsn > 0)
			part_give_up(v);
	}
}
