/*
 * The life of an ownership: open the streams, finish what the owner before
 * left decided, write what the boot file says of this server, serve; and
 * give everything up when the streams are lost. The passive instance keeps
 * readers on the same streams, so that its files are warm.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

static void owner_forward(struct st *);

/* The database of a stream that is open here. */
static sqlite3 *
owner_db(void *arg, const char *stream)
{
	struct st_stream *s = st_stream_find(arg, stream);

	return s != NULL ? stream_db(s->stream) : NULL;
}

/* A passive store only wants its files open; what they say it reads later. */
static void
owner_on_reader(void *arg, struct reader *r, enum reader_event event)
{
	(void)arg;
	(void)r;
	(void)event;
}

static void
owner_warm(struct st *st)
{
	const char *const names[3] = {st->view.site, "commit", ST_ROOT_STREAM};
	struct err e;
	int i;

	for (i = 0; i < 3; i++) {
		if (reader_open(st->cfg.repl, names[i], owner_on_reader, st,
			&st->warm[i], &e) != 0)
			log_warnx("stream=%s %s", names[i], e.text);
	}
}

struct st *
st_new(const struct st_config *cfg)
{
	struct st *st = xcalloc(1, sizeof *st);

	st->magic = ST_MAGIC;
	st->cfg = *cfg;
	TAILQ_INIT(&st->streams);
	TAILQ_INIT(&st->holds);
	TAILQ_INIT(&st->answers);
	TAILQ_INIT(&st->queue);
	TAILQ_INIT(&st->calls);
	st->seal = st_seal_new(cfg->key_auth, cfg->key_certificate);
	st->view.objs = cfg->objs;
	st->view.db = owner_db;
	st->view.arg = st;
	snprintf(st->view.site, sizeof st->view.site, "site/%s", cfg->site);
	owner_warm(st);
	return st;
}

void
st_free(struct st **sp)
{
	struct st *st = *sp;
	struct err e;
	int i;

	*sp = NULL;
	if (st == NULL)
		return;
	err_set(&e, ERR_NOOWNER, "the store is stopping");
	st_resign(st, &e);
	for (i = 0; i < 3; i++) {
		if (st->warm[i] != NULL)
			reader_close(&st->warm[i]);
	}
	st_seal_free(&st->seal);
	st->magic = 0;
	free(st);
}

bool
st_is_serving(const struct st *st)
{
	return st->serving;
}

/* ---- becoming the owner ---------------------------------------------------
 */

static void
owner_serve(struct st *st)
{
	st->serving = true;
	/* first: everybody waits for it */
	st->cfg.on_serving(st->cfg.arg, st->epoch);
	log_info("epoch=%llu rev=%lld serving", (unsigned long long)st->epoch,
	    (long long)st->rev);
	st_cdr_start(st);
	st_clock_look(st);
}

static void
owner_on_booted(void *arg, struct st_job *j, const struct err *e)
{
	struct st *st = arg;

	if (e != NULL && !st->resigning)
		log_warnx(
		    "server=%s cannot be written: %s", st->cfg.server, e->text);
	st_job_free(&j);
	if (!st->resigning)
		owner_serve(st);
}

/* A commit of the system's own, like any other: what the boot file says of
 * this server, and at its first start its roles. */
static void
owner_boot(struct st *st)
{
	struct stream *commit = st_stream_find(st, "commit")->stream;
	struct st_server here = {.port_base = st->cfg.port_base};
	struct st_job *j;
	struct err e;

	str_copy(here.name, sizeof here.name, st->cfg.server);
	str_copy(here.inside, sizeof here.inside, st->cfg.inside);
	if (st_server_is_as(st, &here)) {
		owner_serve(st);
		return;
	}
	if (stream_join(commit, &e) != 0 || st_server_edits(st, &here, &e) != 0)
		log_warnx("server=%s %s", here.name, e.text);
	j = st_server_job(st, &here, owner_on_booted, st);
	str_copy(j->rev.comment, sizeof j->rev.comment, "boot file");
	st_job_start(j);
}

/* One is done, or cannot be done now; the next only after it. */
static void
owner_on_forward(void *arg, struct st_job *j, const struct err *e)
{
	struct st *st = arg;

	st_job_free(&j);
	if (st->resigning)
		return;
	if (e == NULL) {
		st->count.forwarded++;
		owner_forward(st);
		return;
	}
	/* Commits are refused until it went through; reads are served. */
	log_warnx("%s", e->text);
	owner_boot(st);
}

/* Apply, in their order, the commits that were decided and not finished. */
static void
owner_forward(struct st *st)
{
	sqlite3 *commit = owner_db(st, "commit");
	struct st_revision rev;
	struct st_job *j;
	struct err e;
	int r = st_revision_pending(commit, &rev);

	if (r == -ERR_ABSENT) {
		owner_boot(st);
		return;
	}
	if (r != 0)
		fatalx("what was decided last cannot be read");
	j = st_job_new(st, "", owner_on_forward, st);
	j->rev = rev;
	if (st_revision_changes(commit, rev.rev, &j->changes, &e) != 0)
		fatalx("revision %lld: %s", (long long)rev.rev, e.text);
	st_job_forward(j);
}

/* A store that cannot open its streams is of no use here; another instance
 * may do better, so this one ends. */
static void
owner_on_open(void *arg, const struct err *why)
{
	struct st *st = arg;
	struct err e;

	if (st->resigning)
		return;
	if (why != NULL)
		fatalx("streams cannot be opened: %s", why->text);
	st->view.cand = st_cand_open(owner_db(st, "commit"), &e);
	if (st->view.cand == NULL)
		fatalx("%s", e.text);
	if ((st->rev = st_revision_last(owner_db(st, "commit"))) < 0)
		fatalx("the last revision cannot be read");
	owner_forward(st);
}

void
st_own(struct st *st, uint64_t epoch)
{
	struct err e;

	if (st->epoch != 0) {
		err_set(&e, ERR_NOOWNER, "owned anew");
		st_resign(st, &e);
	}
	st->epoch = epoch;
	st->base = st_hold_new(st, owner_on_open, st);
	st_hold_add(st->base, "commit", ST_COMMIT);
	st_hold_add(st->base, st->view.site, ST_SITE);
	st_hold_add(st->base, ST_ROOT_STREAM, ST_ROOT);
	st_hold_go(st->base);
}

/* ---- the end of an ownership ----------------------------------------------
 */

void
st_resign(struct st *st, const struct err *why)
{
	struct err e;

	if (st->epoch == 0 || st->resigning)
		return;
	err_set(&e, ERR_NOOWNER, "%s", why->text);
	st->resigning = true;
	st->serving = false;
	st_cdr_stop(st);
	st_clock_stop(st);
	st_answers_fail(st, &e);
	if (st->job != NULL)
		st_job_fail(st->job, &e);
	if (st->restore != NULL)
		st_restore_fail(st, &e);
	st_gate_fail(st, &e);
	st_holds_fail(st, &e);
	st_hold_close(&st->base);
	st_cand_close(&st->view.cand);
	st_streams_close(st);
	st->epoch = 0;
	st->resigning = false;
}

void
st_stop(struct st *st)
{
	struct err e;

	err_set(&e, ERR_NOOWNER, "the store is stopping");
	st_resign(st, &e);
	st->cfg.on_stopped(st->cfg.arg);
}

/* ---- sessions --------------------------------------------------------------
 */

struct owner_session {
	struct st *st;
	char name[OP_SESSION];
};

/* In its turn: edits of the session that came before it are done first. */
static void
owner_session_end(void *arg, const struct err *why)
{
	struct owner_session *s = arg;
	struct st_stream *commit = st_stream_find(s->st, "commit");
	struct err e;

	if (why == NULL && commit != NULL &&
	    (stream_join(commit->stream, &e) != 0 ||
		st_draft_leave(s->st->view.cand, s->name, clock_real(), &e) !=
		    0))
		log_warnx("session=%s %s", s->name, e.text);
	free(s);
}

void
st_session_end(struct st *st, const char *session)
{
	struct owner_session *s;

	if (!st->serving || strcmp(session, ST_SYSTEM) == 0)
		return;
	s = xcalloc(1, sizeof *s);
	s->st = st;
	str_copy(s->name, sizeof s->name, session);
	st_gate_enter(st, owner_session_end, s);
}

void
st_sessions(struct st *st, const char *server, json_t *sessions)
{
	struct st_stream *commit = st_stream_find(st, "commit");
	struct err e;

	if (!st->serving || !json_is_array(sessions))
		return;
	if (stream_join(commit->stream, &e) != 0 ||
	    st_draft_sessions(
		st->view.cand, server, sessions, clock_real(), &e) != 0)
		log_warnx("candidates: %s", e.text);
}
