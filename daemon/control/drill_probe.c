/*
 * The writes of a drill: one after another to whoever owns a key, each with a
 * number, each an operation of its own. A registrar gets a binding, a media
 * controller a session at a gate that is none; the store gets an edit in the
 * candidate of a session that is the drill's, which is a row that all members
 * hold as any other and that is never committed. Nothing is sent a second time:
 * what is not answered positively is not acknowledged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/role/role_drill.h"

#define PROBE_TIMEOUT (5 * CLOCK_SEC)
#define PROBE_AGAIN (1 * CLOCK_MS) /* an owner that does not know it yet */

struct drill_probe {
	TAILQ_ENTRY(drill_probe) entry;
	struct drill_key *key;
	struct rpc *rpc;
	uint64_t number, epoch;
	uint64_t from, to; /* of a removal, to not with it; to 0 = a write */
};

/* ---- what is sent -------------------------------------------------------- */

static void
probe_call(struct drill_probe *p, rpc_reply_fn *fn)
{
	const struct drill *d = p->key->drill;
	bool remove = p->to != 0;
	char path[64];

	if (p->key->role != ROLE_ST) {
		rpc_call(p->rpc, "drill",
		    json_pack("{s:s, s:s, s:I, s:I, s:b}", "key", p->key->name,
			"as", d->as, "from", (json_int_t)p->from, "to",
			(json_int_t)(remove ? p->to - 1 : p->from), "remove",
			(int)remove),
		    PROBE_TIMEOUT, fn, p);
		return;
	}
	if (remove) {
		rpc_call(p->rpc, "discard", call_pack(json_object(), &d->who),
		    PROBE_TIMEOUT, fn, p);
		return;
	}
	snprintf(path, sizeof path, "domain n%llu.drill.invalid",
	    (unsigned long long)p->number);
	rpc_call(p->rpc, "set",
	    call_pack(json_pack("{s:s}", "path", path), &d->who), PROBE_TIMEOUT,
	    fn, p);
}

static struct drill_probe *
probe_new(struct drill_key *k)
{
	struct drill_probe *p = xcalloc(1, sizeof *p);

	p->key = k;
	p->rpc = k->rpc;
	p->epoch = k->epoch;
	TAILQ_INSERT_TAIL(&k->probes, p, entry);
	k->open++;
	return p;
}

/* It is answered, or never will be; true when its owner is still ours. */
static bool
probe_end(struct drill_probe *p)
{
	struct drill_key *k = p->key;
	bool ours = p->rpc == k->rpc && p->epoch == k->epoch;

	TAILQ_REMOVE(&k->probes, p, entry);
	if (ours)
		k->open--;
	free(p);
	return ours;
}

/* ---- writes -------------------------------------------------------------- */

/* Does this acknowledgement end the outage of the trial? */
static bool
probe_serves(const struct drill_key *k, uint64_t number, uint64_t epoch)
{
	if (k->drill->machine.state != DRILL_STRUCK || k->served)
		return false;
	return epoch > k->before ||
	    (!k->moves && k->least != 0 && number >= k->least);
}

static void
probe_on_reply(void *arg, json_t *result, const struct err *e)
{
	struct drill_probe *p = arg;
	struct drill_key *k = p->key;
	uint64_t number = p->number, epoch = p->epoch;
	bool ours = probe_end(p);

	(void)result;
	if (e != NULL) {
		if (ours && k->writing && e->code == ERR_NOOWNER)
			loop_timer_set(k->timer, PROBE_AGAIN);
		return;
	}
	if (k->drill->machine.state >= DRILL_CHECKING)
		return; /* too late to be looked for */
	k->acked[number] = 1;
	k->nacked++;
	if (probe_serves(k, number, epoch)) {
		k->served = true;
		drill_on_served(k->drill);
	}
}

/* The next one, unless there is nobody, or he has enough to do. */
static void
probe_write(struct drill_key *k)
{
	struct drill_probe *p;

	if (!k->writing || k->rpc == NULL || k->open >= DRILL_WINDOW ||
	    k->count == DRILL_WRITES)
		return;
	if (k->count == k->room) {
		k->room = k->room == 0 ? 1024 : 2 * k->room;
		k->acked = xrealloc(k->acked, k->room);
		memset(k->acked + k->count, 0, k->room - k->count);
	}
	p = probe_new(k);
	p->number = p->from = k->count++;
	probe_call(p, probe_on_reply);
}

/* Who owns the key now; true when that is another than before. */
static bool
probe_look(struct drill_key *k)
{
	struct control *c = k->drill->control;
	struct rpc *rpc = NULL;
	struct owner o;

	if (owner_map_find(c->self->owners, k->name, &o) &&
	    o.state == OWNER_SERVING)
		rpc = control_owner(c, k->role);
	if (rpc == NULL) {
		k->rpc = NULL;
		return false;
	}
	if (rpc == k->rpc && o.epoch == k->epoch)
		return false;
	k->rpc = rpc;
	k->epoch = o.epoch;
	k->open = 0;
	return true;
}

static void probe_clear_next(struct drill_key *);

static void
probe_on_timer(void *arg)
{
	struct drill_key *k = arg;

	probe_look(k);
	if (!k->writing) {
		probe_clear_next(k);
		return;
	}
	loop_timer_set(k->timer, CLOCK_SEC / k->drill->rate);
	probe_write(k);
}

void
probe_start(struct drill_key *k)
{
	TAILQ_INIT(&k->probes);
	k->timer = loop_timer_new(
	    k->drill->control->self->loop, probe_on_timer, k);
	k->writing = true;
	probe_look(k);
	probe_on_timer(k);
}

void
probe_stop(struct drill_key *k)
{
	k->writing = false;
	loop_timer_cancel(k->timer);
}

void
probe_wake(struct drill_key *k)
{
	if (!probe_look(k))
		return;
	if (k->writing)
		probe_on_timer(k);
	else if (k->drill->machine.state == DRILL_CLEARING)
		probe_clear_next(k);
}

void
probe_unlink(struct drill_key *k, struct rpc *rpc)
{
	struct drill_probe *p, *next;

	for (p = TAILQ_FIRST(&k->probes); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (p->rpc != rpc)
			continue;
		rpc_forget(rpc, p);
		probe_end(p);
	}
	if (k->rpc == rpc)
		k->rpc = NULL;
}

void
probe_free(struct drill_key *k)
{
	struct drill_probe *p;

	while ((p = TAILQ_FIRST(&k->probes)) != NULL) {
		rpc_forget(p->rpc, p);
		probe_end(p);
	}
	loop_timer_free(&k->timer);
	free(k->acked);
}

/* ---- taking them away ---------------------------------------------------- */

static void
probe_on_cleared(void *arg, json_t *result, const struct err *e)
{
	struct drill_probe *p = arg;
	struct drill_key *k = p->key;
	uint64_t to = p->to;

	(void)result;
	probe_end(p);
	if (e != NULL && e->code == ERR_NOOWNER) {
		loop_timer_set(k->timer, PROBE_AGAIN);
		return;
	}
	if (e != NULL)
		log_warnx("drill: rows of %s stay: %s", k->name, e->text);
	k->cleared = e == NULL ? to : k->count;
	probe_clear_next(k);
}

/* The next part; what a store holds is one. */
static void
probe_clear_next(struct drill_key *k)
{
	struct drill_probe *p;

	if (k->cleared >= k->count) {
		drill_on_cleared(k->drill);
		return;
	}
	if (k->rpc == NULL)
		return;
	p = probe_new(k);
	p->from = k->cleared;
	p->to = k->count - k->cleared > ROLE_DRILL_ROWS && k->role != ROLE_ST
	    ? k->cleared + ROLE_DRILL_ROWS
	    : k->count;
	probe_call(p, probe_on_cleared);
}

void
probe_clear(struct drill_key *k)
{
	probe_look(k);
	probe_clear_next(k);
}
