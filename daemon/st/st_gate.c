/*
 * Order among operations. A commit needs several turns of the loop; until it
 * is over nobody else reads or changes the configuration, so every operation
 * sees all of a commit or nothing of it. Answers to edits wait for the
 * acknowledgement of their stream only, so edits go in groups.
 */
#include <stdlib.h>

#include "st.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

struct st_work {
	TAILQ_ENTRY(st_work) entry;
	st_work_fn *fn;
	void *arg;
};

struct st_answer {
	TAILQ_ENTRY(st_answer) entry;
	struct st *st;
	struct stream *stream;
	struct stream_ack ack;
	struct op_call *call;
};

void
st_gate_enter(struct st *st, st_work_fn *fn, void *arg)
{
	struct st_work *w;

	if (!st->shut && TAILQ_EMPTY(&st->queue)) {
		fn(arg, NULL);
		return;
	}
	w = xcalloc(1, sizeof *w);
	w->fn = fn;
	w->arg = arg;
	TAILQ_INSERT_TAIL(&st->queue, w, entry);
}

void
st_gate_shut(struct st *st)
{
	st->shut = true;
}

/* Take the first piece of work off the queue and start it. */
static void
gate_next(struct st *st, const struct err *e)
{
	struct st_work *w = TAILQ_FIRST(&st->queue);
	st_work_fn *fn = w->fn;
	void *arg = w->arg;

	TAILQ_REMOVE(&st->queue, w, entry);
	free(w);
	fn(arg, e);
}

void
st_gate_open(struct st *st)
{
	st->shut = false;
	if (st->resigning)
		return; /* st_gate_fail comes */
	while (!st->shut && !TAILQ_EMPTY(&st->queue))
		gate_next(st, NULL);
}

void
st_gate_fail(struct st *st, const struct err *e)
{
	while (!TAILQ_EMPTY(&st->queue))
		gate_next(st, e);
	st->shut = false;
}

static void
answer_finish(struct st_answer *a, const struct err *e)
{
	struct op_call *call = a->call;

	TAILQ_REMOVE(&a->st->answers, a, entry);
	free(a);
	op_finish(call, e);
}

/* A stream that is lost says nothing of what was written to it: the next
 * owner knows. A group that failed to commit says that it was not. */
static void
answer_on_ack(void *arg, const struct err *e)
{
	struct st_answer *a = arg;
	struct err lost;

	if (e != NULL && stream_join(a->stream, &lost) != 0) {
		err_set(&lost, ERR_NOOWNER, "%s", e->text);
		e = &lost;
	}
	answer_finish(a, e);
}

void
st_answer_on_ack(struct st *st, struct stream *s, struct op_call *call)
{
	struct st_answer *a = xcalloc(1, sizeof *a);

	a->st = st;
	a->stream = s;
	a->call = call;
	a->ack = (struct stream_ack){.fn = answer_on_ack, .arg = a};
	TAILQ_INSERT_TAIL(&st->answers, a, entry);
	stream_on_ack(s, &a->ack);
}

void
st_answers_fail(struct st *st, const struct err *e)
{
	struct st_answer *a;

	while ((a = TAILQ_FIRST(&st->answers)) != NULL) {
		stream_ack_cancel(a->stream, &a->ack);
		answer_finish(a, e);
	}
}
