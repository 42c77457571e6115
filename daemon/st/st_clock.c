/*
 * What the store does at a time: undo a commit that nobody has confirmed, and
 * commit a candidate that was to wait. Both stand in stream `commit`, so
 * whoever owns the store then does it; times are those of its server's clock,
 * which is looked at now and then, because it may be set.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "st_op.h"
#include "daemon/obj/obj.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role.h"

#define CLOCK_LOOK (10 * CLOCK_SEC)
#define UNDO_AGAIN (60 * CLOCK_SEC) /* one that could not be undone */

static void clock_on_timer(void *arg);

/* The earliest time; false when nothing waits. What cannot be read now may
 * wait: it is looked for again. */
static bool
clock_next(struct st *st, uint64_t *at)
{
	sqlite3 *commit = st->view.db(st, "commit");
	struct st_confirm c;
	struct st_draft d;
	int confirm = st_confirm_due(commit, &c), draft;

	*at = UINT64_MAX;
	if (confirm == 0)
		*at = c.until;
	if ((draft = st_draft_due(commit, &d)) == 0 && d.at < *at)
		*at = d.at;
	return confirm != -ERR_ABSENT || draft != -ERR_ABSENT;
}

void
st_clock_look(struct st *st)
{
	uint64_t at, now = clock_real(), wait;

	if (!st->serving || !clock_next(st, &at))
		return;
	wait = at > now ? at - now : 0;
	if (st->clock == NULL)
		st->clock = loop_timer_new(st->cfg.loop, clock_on_timer, st);
	loop_timer_set(st->clock, wait < CLOCK_LOOK ? wait : CLOCK_LOOK);
}

void
st_clock_stop(struct st *st)
{
	loop_timer_free(&st->clock);
}

/* ---- undo ---------------------------------------------------------------- */

struct undo {
	struct st *st;
	int64_t rev;
	struct st_revision as; /* who, from where, why */
	st_undo_fn *done;
	void *arg;
};

static void
undo_name(char *out, size_t size, int64_t rev)
{
	snprintf(out, size, "undo.%lld", (long long)rev);
}

static void
undo_on_job(void *arg, struct st_job *j, const struct err *e)
{
	struct undo *u = arg;
	struct undo was = *u;

	free(u);
	was.done(was.arg, j, e);
	st_job_free(&j);
}

/* The candidate of the way back is whole, or cannot be made. */
static void
undo_on_filled(void *arg, const struct err *why)
{
	struct undo *u = arg;
	struct st *st = u->st;
	char session[OP_SESSION];
	struct st_job *j;

	undo_name(session, sizeof session, u->rev);
	j = st_job_new(st, session, undo_on_job, u);
	j->rev = u->as;
	rand_hex(j->rev.txid, 16);
	j->undoes = u->rev;
	if (why == NULL) {
		st_job_start(j);
		return;
	}
	undo_on_job(u, j, why);
	st_gate_open(st);
}

void
st_undo(struct st *st, int64_t rev, const struct st_revision *as,
    st_undo_fn *done, void *arg)
{
	struct undo *u = xcalloc(1, sizeof *u);
	char session[OP_SESSION];
	struct err e;

	*u = (struct undo){st, rev, *as, done, arg};
	undo_name(session, sizeof session, rev);
	st_gate_shut(st);
	if (stream_join(st_op_commit_stream(st), &e) != 0 ||
	    st_cand_drop(st->view.cand, session, NULL, &e) != 0)
		undo_on_filled(u, &e);
	else
		st_rollback(st, session, rev - 1, rev, undo_on_filled, u);
}

/* It is said why, and tried again. */
static void
clock_undo_failed(struct st *st, int64_t rev, const struct err *why)
{
	struct stream *commit = st_op_commit_stream(st);
	struct err e;

	log_warnx(
	    "revision=%lld cannot be undone: %s", (long long)rev, why->text);
	if (stream_join(commit, &e) != 0 ||
	    st_confirm_failed(stream_db(commit), rev, why->text,
		clock_real() + UNDO_AGAIN, &e) != 0)
		log_warnx("%s", e.text);
}

/* What the clock wanted undone. */
static void
clock_on_undone(void *arg, struct st_job *j, const struct err *why)
{
	struct st *st = arg;

	if (why == NULL)
		log_info("revision=%lld %s, nobody confirmed it",
		    (long long)j->undoes,
		    j->changes.n > 0 ? "is undone"
				     : "had nothing to be undone");
	else if (st->serving)
		clock_undo_failed(st, j->undoes, why);
	st_clock_look(st);
}

static void
clock_undo(struct st *st, const struct st_confirm *c)
{
	struct st_revision as = {0};

	str_copy(as.operator, sizeof as.operator, ST_SYSTEM);
	str_copy(as.source, sizeof as.source, st->cfg.server);
	snprintf(as.comment, sizeof as.comment,
	    "revision %lld was not confirmed", (long long)c->rev);
	st_undo(st, c->rev, &as, clock_on_undone, st);
}

/* ---- a commit at a time -------------------------------------------------- */

static void
clock_on_committed(void *arg, struct st_job *j, const struct err *why)
{
	struct st *st = arg;
	struct err e;

	if (why != NULL && st->serving && why->code != ERR_PARTIAL) {
		log_warnx(
		    "candidate=%s is not committed: %s", j->session, why->text);
		if (stream_join(st_op_commit_stream(st), &e) != 0 ||
		    st_draft_failed(st->view.db(st, "commit"), j->session,
			why->text, clock_real(), &e) != 0)
			log_warnx("%s", e.text);
	}
	st_job_free(&j);
	st_clock_look(st);
}

/* What they may do now, not what they might when they said it. */
static int
clock_rights(
    struct st *st, const struct st_draft *d, struct op_who *who, struct err *e)
{
	int r = 0;

	memset(who, 0, sizeof *who);
	str_copy(who->name, sizeof who->name, d->operator);
	str_copy(who->from, sizeof who->from, d->source);
	who->fixed = d->fixed;
	who->role = ADMIN_SITE;
	if (!d->fixed)
		r = obj_who_role(
		    st->cfg.objs, st->view.db(st, st->view.site), who, e);
	if (r == 0 && !op_allows(&st_op_commit, who->role, op_is_limited(who)))
		r = err_set(
		    e, ERR_PERMISSION, "%s may not commit any more", who->name);
	return r;
}

static void
clock_commit(struct st *st, const struct st_draft *d)
{
	struct st_job *j = st_job_new(st, d->session, clock_on_committed, st);
	struct err e;

	if (clock_rights(st, d, &j->who, &e) != 0) {
		clock_on_committed(st, j, &e);
		return;
	}

	str_copy(j->rev.operator, sizeof j->rev.operator, d->operator);
	str_copy(j->rev.source, sizeof j->rev.source, d->source);
	str_copy(j->rev.comment, sizeof j->rev.comment, d->comment);
	if (d->txid[0] != '\0')
		str_copy(j->rev.txid, sizeof j->rev.txid, d->txid);
	else /* it began to wait in an older release */
		rand_hex(j->rev.txid, 16);
	j->minutes = d->minutes;
	st_job_start(j);
}

/* ---- what went wrong ------------------------------------------------------
 */

static int
clock_alarm_undo(void *arg, const struct st_confirm *c)
{
	char subject[40];

	snprintf(subject, sizeof subject, "revision %lld", (long long)c->rev);
	if (c->failed[0] != '\0')
		role_alarm(
		    arg, c->until - UNDO_AGAIN, "undo", subject, c->failed);
	return 0;
}

static int
clock_alarm_commit(void *arg, const struct st_draft *d)
{
	if (d->failed[0] != '\0')
		role_alarm(arg, d->left, "commit", d->session, d->failed);
	return 0;
}

void
st_clock_alarms(struct st *st, json_t *rows)
{
	sqlite3 *commit;

	if (!st->serving)
		return;
	commit = st->view.db(st, "commit");
	st_confirm_each(commit, clock_alarm_undo, rows, NULL);
	st_draft_each(commit, clock_alarm_commit, rows, NULL);
}

/* ---- the time is come ---------------------------------------------------- */

/* A commit that was decided before is applied, or tried again. */
static void
clock_on_forward(void *arg, struct st_job *j, const struct err *why)
{
	struct st *st = arg;

	if (why != NULL)
		log_warnx("%s", why->text);
	st_job_free(&j);
	if (why == NULL)
		st_clock_look(st);
	else if (st->serving)
		loop_timer_set(st->clock, CLOCK_LOOK);
}

static void
clock_forward(struct st *st, const struct st_revision *rev)
{
	struct st_job *j = st_job_new(st, "", clock_on_forward, st);
	struct err e;

	j->rev = *rev;
	if (st_revision_changes(
		st->view.db(st, "commit"), rev->rev, &j->changes, &e) == 0)
		st_job_forward(j);
	else
		clock_on_forward(st, j, &e);
}

/* In its turn; one thing at a time, each looks for the next when it is done.
 * A commit that is not finished is finished first. */
static void
clock_work(void *arg, const struct err *why)
{
	struct st *st = arg;
	uint64_t now = clock_real();
	struct st_revision pending;
	struct st_confirm c;
	struct st_draft d;
	sqlite3 *commit;
	int r;

	if (why != NULL || !st->serving)
		return;
	commit = st->view.db(st, "commit");
	if ((r = st_revision_pending(commit, &pending)) == 0)
		clock_forward(st, &pending);
	else if (r != -ERR_ABSENT)
		st_clock_look(st);
	else if (st_confirm_due(commit, &c) == 0 && c.until <= now)
		clock_undo(st, &c);
	else if (st_draft_due(commit, &d) == 0 && d.at <= now)
		clock_commit(st, &d);
	else
		st_clock_look(st);
}

static void
clock_on_timer(void *arg)
{
	struct st *st = arg;

	st_gate_enter(st, clock_work, st);
}
