/*
 * What waits for an acknowledgement: replies to phones, and whatever else may
 * only go on once the bindings it speaks of cannot be lost. Decides that a
 * reply whose acknowledgement will never come is not sent: the sender asks
 * again, and the next owner answers. Replies are kept for use again, so that
 * a refresh allocates nothing. Called by sr_register.c, sr_rpc.c, sr_op.c.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "sr.h"

#define SR_ANSWER_MAGIC 0x5d0a45e2
#define SR_LATER_MAGIC 0x5d0a1a7e

static void sr_answer_on_ack(void *, const struct err *);

/* A record from the spare ones; NULL when too many wait. */
struct sr_answer *
sr_answer_new(struct sr *sr, const union addr *to)
{
	struct sr_answer *a = LIST_FIRST(&sr->spare);

	if (sr->nwaiting == SR_ANSWERS)
		return NULL;
	if (a != NULL)
		LIST_REMOVE(a, entry);
	else {
		a = xcalloc(1, sizeof *a);
		a->magic = SR_ANSWER_MAGIC;
		a->sr = sr;
		a->ack.fn = sr_answer_on_ack;
		a->ack.arg = a;
		a->text.max = SIP_MAX;
	}
	LIST_INSERT_HEAD(&sr->waiting, a, entry);
	sr->nwaiting++;
	a->to = *to;
	buf_reset(&a->text);
	return a;
}

/* Back to the spare ones; its storage is kept. */
static void
sr_answer_done(struct sr_answer *a)
{
	struct sr *sr = a->sr;

	LIST_REMOVE(a, entry);
	LIST_INSERT_HEAD(&sr->spare, a, entry);
	sr->nwaiting--;
}

/* Send it now. */
void
sr_answer_send(struct sr_answer *a)
{
	if (a->text.failed || a->text.len == 0)
		log_warnx("a reply of more than %d bytes dropped", SIP_MAX);
	else
		dgram_send(a->sr->udp, &a->to, a->text.data, a->text.len);
	sr_answer_done(a);
}

/* What it says is held by all who must hold it; or never will be, and then
 * the sender is left to ask the next owner. */
static void
sr_answer_on_ack(void *arg, const struct err *err)
{
	struct sr_answer *a = OBJ(arg, sr_answer, SR_ANSWER_MAGIC);
	struct sr *sr = a->sr;

	sr->count.groups += a->ack.lsn != sr->group_lsn;
	sr->group_lsn = a->ack.lsn;
	if (err == NULL)
		sr_answer_send(a);
	else {
		sr->count.dropped++;
		sr_answer_done(a);
	}
}

void
sr_answer_init(struct sr *sr)
{
	LIST_INIT(&sr->waiting);
	LIST_INIT(&sr->spare);
	LIST_INIT(&sr->later);
}

/* Free a list of answers. */
static void
sr_answers_free(struct sr_answer_list *list)
{
	struct sr_answer *a;

	while ((a = LIST_FIRST(list)) != NULL) {
		LIST_REMOVE(a, entry);
		buf_fini(&a->text);
		free(a);
	}
}

void
sr_answer_fini(struct sr *sr)
{
	sr_answers_free(&sr->waiting);
	sr_answers_free(&sr->spare);
	sr->nwaiting = 0;
}

/* ---- everything else ----------------------------------------------------- */

struct sr_later {
	unsigned magic;
	struct stream_ack ack;
	void (*fn)(void *, const struct err *);
	void *arg;
	LIST_ENTRY(sr_later) entry;
};

/* The end of it, one way or the other. */
static void
sr_later_on_ack(void *arg, const struct err *err)
{
	struct sr_later *l = OBJ(arg, sr_later, SR_LATER_MAGIC);

	LIST_REMOVE(l, entry);
	l->fn(l->arg, err);
	free(l);
}

void
sr_later(struct sr *sr, void (*fn)(void *arg, const struct err *), void *arg)
{
	struct sr_later *l = xcalloc(1, sizeof *l);

	l->magic = SR_LATER_MAGIC;
	l->ack.fn = sr_later_on_ack;
	l->ack.arg = l;
	l->fn = fn;
	l->arg = arg;
	LIST_INSERT_HEAD(&sr->later, l, entry);
	stream_on_ack(sr->stream, &l->ack);
}

void
sr_later_fail(struct sr *sr)
{
	struct sr_answer *a;
	struct sr_later *l;
	struct err err = {0};

	err_set(&err, ERR_NOOWNER, "sr has another owner now");
	while ((a = LIST_FIRST(&sr->waiting)) != NULL) {
		stream_ack_cancel(sr->stream, &a->ack);
		sr_answer_on_ack(a, &err);
	}
	while ((l = LIST_FIRST(&sr->later)) != NULL) {
		stream_ack_cancel(sr->stream, &l->ack);
		sr_later_on_ack(l, &err);
	}
}
