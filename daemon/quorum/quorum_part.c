/*
 * Two servers without a witness that prefer availability (SEMANTICS D29). One
 * of them votes, so the other one can decide nothing when it is alone. Here it
 * may: when it has not heard the first for PART_SILENCE it makes the group
 * anew of itself, and goes on as the owner of everything that it holds. If the
 * first is not dead but cut off there are then two sites of one name that have
 * parted.
 *
 * When they meet, both say how high their epochs are. The lower one yields: it
 * forgets its raft log and comes back as a new server of the other's group.
 * One that was just started and has decided nothing yet yields to one that
 * goes on alone, whatever the epochs. What only the one that yields had
 * acknowledged is kept by its replicator (replication/conflict.h).
 *
 * Each step is a note beside the raft log, so that a process that dies on the
 * way goes on with it when it is started again:
 *   alone    the group is to be made anew
 *   yield    the raft log is to be forgotten; the number in it is the highest
 *	      epoch that was decided here
 *   yielded  that is done; the other one was not heard yet to have taken note
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quorum.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define PART_SILENCE (2 * CLOCK_SEC)
/* After its start a server waits so long to hear how the other one is. */
#define PART_GRACE QUORUM_GRACE
#define PART_TELL (500 * CLOCK_MS)

/* ---- notes -------------------------------------------------------------- */

/* Leave a note and end: this process is started again at once, and begins with
 * what the note says. */
static void
part_turn(struct quorum *q, const char *note, uint64_t number)
{
	char text[32];
	struct err e;
	int n = snprintf(
	    text, sizeof text, "%llu\n", (unsigned long long)number);

	if (file_write(q->config.dir, note, text, (size_t)n, &e) != 0)
		log_warnx("%s", e.text);
	else
		exit(EXIT_SUCCESS);
}

/* ---- how it is ---------------------------------------------------------- */

static const struct ownership_server *
part_other(const struct quorum *q)
{
	unsigned i;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		const struct ownership_server *s = &q->machine.server[i];

		if (s->name[0] != '\0' && strcmp(s->name, q->server) != 0)
			return s;
	}
	return NULL;
}

/* The same as it is heard; NULL = there is no other. */
static struct peer_server *
part_peer(struct quorum *q)
{
	const struct ownership_server *s = part_other(q);

	return s != NULL ? quorum_peer(q, s->name) : NULL;
}

static enum part_state
part_state(const struct quorum *q)
{
	unsigned i;

	if (q->part.yielded)
		return PART_YIELDED;
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (q->machine.server[i].parted == OWNERSHIP_APART)
			return PART_ALONE;
	}
	return q->part.going ? PART_ALONE : PART_WHOLE;
}

bool
quorum_part_from(const struct quorum *q, const char *server)
{
	const struct ownership_server *s = ownership_server_find(
	    &q->machine, server);

	return q->part.going ||
	    (s != NULL && s->parted != OWNERSHIP_WHOLE && s->id != 0);
}

/*
 * The other one has not said yet how it is. When it was up as this server went
 * down it may have gone on alone, for how long and with what nobody here
 * knows; so it is waited for. One that this server had outlived is not.
 */
bool
quorum_part_holds(struct quorum *q)
{
	const struct ownership_server *s = part_other(q);
	const struct peer_server *p = part_peer(q);

	if (q->current || q->part.going || q->recovering || p == NULL ||
	    p->told_part || !ownership_may_part(&q->machine, q->server))
		return false;
	return (s->up && !q->config.warm) ||
	    clock_mono() - q->started < PART_GRACE;
}

/* ---- what both tell ----------------------------------------------------- */

void
quorum_part_tell(struct quorum *q, struct peer_server *p)
{
	enum part_state state = part_state(q);

	if (p->link != NULL && p->id != 0 &&
	    (state != PART_WHOLE || ownership_may_part(&q->machine, q->server)))
		quorum_link_part(p->link, state,
		    q->part.yielded ? q->part.floor : q->machine.highest);
}

/* Of two that have parted: is the other one to go on? */
static bool
part_yields(const struct quorum *q, const struct peer_server *p)
{
	if (!q->current)
		return p->part == PART_ALONE && part_state(q) == PART_WHOLE;
	if (p->highest != q->machine.highest)
		return q->machine.highest < p->highest;
	return strcmp(q->server, p->name) > 0;
}

void
quorum_on_part(struct quorum *q, const char *server, enum part_state state,
    uint64_t highest)
{
	struct peer_server *p = quorum_peer(q, server);
	enum part_state own = part_state(q);

	if (p == NULL)
		return;
	p->told_part = true;
	p->part = state;
	p->highest = highest;
	if (own == PART_YIELDED || state == PART_YIELDED ||
	    (own == PART_WHOLE && state == PART_WHOLE) || !part_yields(q, p))
		return;
	log_warnx("server=%s goes on; what was decided here without it is "
		  "given up",
	    server);
	part_turn(q, "yield", q->machine.highest);
}

/* ---- going on alone ----------------------------------------------------- */

/* Whatever there is this server holds: without the other it is not to serve
 * only a part. */
static bool
part_has_all(const struct quorum *q)
{
	const struct ownership_server *self = ownership_server_find(
	    &q->machine, q->server);
	unsigned i;

	for (i = 0; self != NULL && i < OWNERSHIP_FIXED; i++) {
		const struct ownership_key *k = &q->machine.key[i];

		if (k->epoch != 0 &&
		    !(k->members & 1u << (self - q->machine.server)))
			return false;
	}
	return self != NULL;
}

static void
part_go(struct quorum *q, uint64_t now)
{
	const struct peer_server *p = part_peer(q);

	if (p == NULL || p->heard == 0 || now - p->heard < PART_SILENCE ||
	    !part_has_all(q) || !q->current || part_state(q) != PART_WHOLE ||
	    engine_state(q->engine) == ENGINE_LEADER ||
	    !ownership_may_part(&q->machine, q->server))
		return;
	log_warnx("server=%s not heard for %llu ms: this one goes on alone, as "
		  "availability is preferred",
	    p->name, (unsigned long long)((now - p->heard) / CLOCK_MS));
	part_turn(q, "alone", 0);
}

/* The group is of this server alone, and leads: the other one is out. */
static void
part_went(struct quorum *q)
{
	struct ownership_command c = {.type = OWNERSHIP_PART};
	const struct ownership_server *s = part_other(q);

	if (!q->part.going || !q->level)
		return;
	if (s != NULL && s->parted == OWNERSHIP_WHOLE) {
		str_copy(c.server, sizeof c.server, s->name);
		if (q->proposals == NULL)
			quorum_propose(q, &c, NULL, NULL);
		return;
	}
	q->part.going = false;
	file_remove(q->config.dir, "alone");
}

/* ---- coming back -------------------------------------------------------- */

/* The other one has given up: claim above all that it decided, then let it
 * come back. */
static void
part_welcome(struct quorum *q)
{
	struct ownership_command c = {.type = OWNERSHIP_PART};
	const struct ownership_server *s = part_other(q);
	const struct peer_server *p = part_peer(q);

	if (p == NULL || !q->level || q->proposals != NULL ||
	    p->part != PART_YIELDED || p->id == 0 || p->id == s->id ||
	    s->parted == OWNERSHIP_BACK)
		return;
	str_copy(c.server, sizeof c.server, s->name);
	c.floor = p->highest != 0 ? p->highest : 1;
	quorum_propose(q, &c, NULL, NULL);
}

/* Remove all but the list of servers and the notes; our id goes with the log
 * that it belongs to. */
static int
part_wipe(const char *dir, struct err *e)
{
	static const char *const keep[] = {".", "..", "servers", "yield"};
	struct dirent *d;
	DIR *all = opendir(dir);
	size_t i, n = sizeof keep / sizeof keep[0];

	if (all == NULL)
		return err_errno(e, ERR_IO, "%s", dir);
	while ((d = readdir(all)) != NULL) {
		for (i = 0; i < n && strcmp(d->d_name, keep[i]) != 0; i++)
			;
		if (i == n && unlinkat(dirfd(all), d->d_name, 0) != 0) {
			err_errno(e, ERR_IO, "%s/%s", dir, d->d_name);
			closedir(all);
			return -ERR_IO;
		}
	}
	closedir(all);
	return 0;
}

int
quorum_part_open(struct quorum *q, struct err *e)
{
	const char *dir = q->config.dir;
	char from[400], to[400];

	snprintf(from, sizeof from, "%s/yield", dir);
	snprintf(to, sizeof to, "%s/yielded", dir);
	if (file_there(dir, "yield")) {
		if (part_wipe(dir, e) != 0)
			return -ERR_IO;
		if (rename(from, to) != 0)
			return err_errno(e, ERR_IO, "%s", from);
	}
	q->part.going = file_there(dir, "alone");
	q->part.yielded = file_number(dir, "yielded", &q->part.floor);
	if (q->part.yielded && q->part.floor > q->config.floor)
		q->config.floor = q->part.floor;
	return 0;
}

/* ---- time --------------------------------------------------------------- */

void
quorum_part_tick(struct quorum *q, uint64_t now)
{
	size_t i;

	part_go(q, now);
	part_went(q);
	part_welcome(q);
	if (q->part.yielded && q->current) {
		q->part.yielded = false;
		file_remove(q->config.dir, "yielded");
	}
	if (now - q->part.told < PART_TELL)
		return;
	q->part.told = now;
	for (i = 0; i < OWNERSHIP_SERVERS; i++)
		quorum_part_tell(q, &q->peer[i]);
}
