/*
 * A commit, from candidate to acknowledged everywhere (DESIGN 3):
 *   merge    the candidate against what runs; a conflict ends it
 *   prepare  every touched stream takes the changes in a savepoint, the whole
 *            is checked, the savepoints are undone; streams of new domains
 *            are stood in for by databases in memory
 *   decide   the revision's row in `commit`, acknowledged
 *   apply    stream by stream, once for each txid, acknowledged by all
 * Until the decision nothing has changed; after it nothing can stop it: an
 * owner that dies leaves the revision marked as pending, and the next one
 * applies it before it serves.
 */
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct st_job_ack {
	struct stream_ack ack;
	struct stream *stream;
	struct st_job *job;
	bool pending;
};

static void job_on_open(void *arg, const struct err *e);
static void job_on_apply(void *arg, const struct err *e);

struct st_job *
st_job_new(struct st *st, const char *session,
    void (*done)(void *arg, struct st_job *, const struct err *), void *arg)
{
	struct st_job *j = xcalloc(1, sizeof *j);

	j->st = st;
	j->done = done;
	j->arg = arg;
	str_copy(j->session, sizeof j->session, session);
	j->told = json_array();
	j->warn = json_array();
	st_changes_init(&j->changes);
	return j;
}

/* The databases that stand in for new domains. */
static void
job_drop_fresh(struct st_job *j)
{
	sqlite3 *db;
	size_t at = 0;

	while ((db = map_next(&j->fresh, &at, NULL, NULL)) != NULL) {
		obj_cache_close(db);
		sqlite3_close(db);
	}
	map_fini(&j->fresh);
	memset(&j->fresh, 0, sizeof j->fresh);
}

void
st_job_free(struct st_job **jp)
{
	struct st_job *j = *jp;
	size_t i;

	*jp = NULL;
	for (i = 0; i < j->nacks; i++) {
		if (j->acks[i].pending)
			stream_ack_cancel(j->acks[i].stream, &j->acks[i].ack);
	}
	loop_defer_cancel(j->st->cfg.loop, &j->end);
	st_hold_close(&j->hold);
	job_drop_fresh(j);
	json_decref(j->told);
	json_decref(j->warn);
	st_changes_fini(&j->changes);
	free(j->acks);
	free(j);
}

/* The end, good or bad: the callee frees the job, then others go on. */
static void
job_finish(struct st_job *j, const struct err *e)
{
	struct st *st = j->st;
	struct err why;

	if (e != NULL)
		why = *e; /* it may be the job's own */
	st_hold_close(&j->hold);
	st->job = NULL;
	j->done(j->arg, j, e != NULL ? &why : NULL);
	if (st->job == NULL) /* the callee may have started the next one */
		st_gate_open(st);
}

void
st_job_fail(struct st_job *j, const struct err *e)
{
	job_finish(j, e);
}

/* ---- acknowledgements -----------------------------------------------------
 */

static void
job_on_ack(void *arg, const struct err *e)
{
	struct st_job_ack *a = arg;
	struct st_job *j = a->job;

	a->pending = false;
	if (e != NULL && j->err.code == ERR_NONE)
		j->err = *e;
	if (--j->waiting == 0)
		loop_defer(j->st->cfg.loop, &j->end);
}

/* Wait for n streams; fn runs when all have answered. */
static void
job_await_begin(struct st_job *j, size_t n, loop_fn *fn)
{
	free(j->acks);
	j->acks = xcalloc(n, sizeof *j->acks);
	j->nacks = 0;
	j->waiting = 0;
	j->end = (struct loop_defer){.fn = fn, .arg = j};
}

static void
job_await(struct st_job *j, struct stream *s)
{
	struct st_job_ack *a = &j->acks[j->nacks++];

	a->ack = (struct stream_ack){.fn = job_on_ack, .arg = a};
	a->stream = s;
	a->job = j;
	a->pending = true;
	j->waiting++;
	stream_on_ack(s, &a->ack);
}

/* ---- merge ----------------------------------------------------------------
 */

static enum st_kind
job_kind(const struct st *st, const char *stream)
{
	if (strcmp(stream, st->view.site) == 0)
		return ST_SITE;
	return strcmp(stream, ST_ROOT_STREAM) == 0 ? ST_ROOT : ST_DOMAIN;
}

/* Hold the stream of every existing domain that the candidate speaks of. */
static int
job_hold_domains(struct st_job *j, struct err *e)
{
	struct st *st = j->st;
	struct pool *pool = pool_new();
	struct st_entry *list;
	struct st_domain d;
	struct obj_path p;
	char stream[STREAM_NAME], last[OBJ_KEY] = "";
	size_t n = 0, i;
	int r = st_cand_list(st->view.cand, j->session, pool, &list, &n, e);

	for (i = 0; r == 0 && i < n; i++) {
		if (obj_path_parse(st->cfg.objs, list[i].path, &p, NULL) != 0 ||
		    p.obj->place != OBJ_DOMAIN || strcmp(last, p.key[0]) == 0)
			continue;
		memcpy(last, p.key[0], sizeof last);
		if (st_view_domain(&st->view, j->session, p.key[0], &d, NULL) !=
			0 ||
		    d.fresh)
			continue;
		st_domain_stream(stream, d.id);
		st_hold_add(j->hold, stream, ST_DOMAIN);
	}
	pool_free(&pool);
	return r;
}

void
st_job_start(struct st_job *j)
{
	struct err e;

	j->st->job = j;
	st_gate_shut(j->st);
	j->hold = st_hold_new(j->st, job_on_open, j);
	if (job_hold_domains(j, &e) != 0)
		job_finish(j, &e);
	else
		st_hold_go(j->hold);
}

/* ---- prepare --------------------------------------------------------------
 */

/* The database where changes to a stream are tried. */
static sqlite3 *
job_db(void *arg, const char *stream)
{
	struct st_job *j = arg;
	sqlite3 *db = map_str(&j->fresh, stream);

	return db != NULL ? db : j->st->view.db(j->st, stream);
}

/* A new domain: an empty database in memory. */
static int
job_make_fresh(struct st_job *j, const char *stream, struct err *e)
{
	struct buf sql = BUF_INIT;
	sqlite3 *db;
	int r = st_schema(j->st->cfg.objs, ST_DOMAIN, &sql);

	if (sqlite3_open(":memory:", &db) != SQLITE_OK)
		fatalx("out of memory");
	obj_cache_open(db);
	if (map_str_put(&j->fresh, stream, db) != 0)
		fatalx("out of memory");
	if (r == 0 && sqlite3_exec(db, sql.data, NULL, NULL, NULL) != SQLITE_OK)
		r = st_sql_fail(db, e, "new domain");
	buf_fini(&sql);
	return r;
}

/* Open a savepoint in one stream and carry the changes out there. */
static int
job_try(struct st_job *j, const char *stream, size_t *marked, struct err *e)
{
	struct st_stream *s = st_stream_find(j->st, stream);
	int r = 0;

	if (s == NULL && job_kind(j->st, stream) == ST_DOMAIN)
		r = job_make_fresh(j, stream, e);
	else if (s == NULL)
		r = err_set(e, ERR_NOOWNER, "stream %s is not open", stream);
	else if ((r = stream_join(s->stream, e)) == 0)
		r = stream_mark(s->stream, e);
	if (r != 0)
		return r;
	(*marked)++;
	return st_apply(j->st->cfg.objs, job_db(j, stream), stream, &j->changes,
	    NULL, NULL, e);
}

/* Back to before job_try. */
static void
job_undo(struct st_job *j, const char *stream)
{
	struct st_stream *s = st_stream_find(j->st, stream);
	struct err e;

	if (map_str(&j->fresh, stream) != NULL || s == NULL)
		return;
	if (stream_mark_undo(s->stream, &e) != 0)
		log_warnx("stream=%s undo: %s", stream, e.text);
}

static int
job_check(struct st_job *j, struct err *e)
{
	struct st_view v = j->st->view;
	struct st_checker k = {.view = &v,
	    .changes = &j->changes,
	    .server = j->st->cfg.server,
	    .failures = j->told,
	    .warnings = j->warn,
	    .seal = j->st->seal,
	    .who = &j->who};

	v.db = job_db;
	v.arg = j;
	return st_check(&k, e);
}

/* Would the changes stand? Nothing is left of them afterwards. */
static int
job_prepare(struct st_job *j, struct err *e)
{
	size_t n = st_changes_streams(&j->changes, NULL, 0), i, marked = 0;
	const char **names = xcalloc(n, sizeof *names);
	int r = 0;

	st_changes_streams(&j->changes, names, n);
	for (i = 0; r == 0 && i < n; i++)
		r = job_try(j, names[i], &marked, e);
	if (r == 0)
		r = job_check(j, e);
	while (marked > 0)
		job_undo(j, names[--marked]);
	free(names);
	job_drop_fresh(j);
	return r;
}

/* ---- decide ---------------------------------------------------------------
 */

static void
job_decided(void *arg)
{
	struct st_job *j = arg;

	if (j->err.code != ERR_NONE) {
		job_finish(j, &j->err);
		return;
	}
	j->st->rev = j->rev.rev;
	st_job_forward(j);
}

/* It must be confirmed, or it is the end of one that had to be. */
static int
job_write_confirm(struct st_job *j, sqlite3 *db, struct err *e)
{
	struct st_confirm c = {.rev = j->rev.rev};

	if (j->undoes != 0)
		return st_confirm_end(db, j->undoes, e);
	if (j->minutes == 0)
		return 0;
	c.until = j->rev.time + (uint64_t)j->minutes * 60 * CLOCK_SEC;
	j->until = c.until;
	str_copy(c.operator, sizeof c.operator, j->rev.operator);
	return st_confirm_add(db, &c, e);
}

static int
job_done_with(struct st_job *j, struct err *e)
{
	return st_cand_done(j->st->view.cand, j->st->cfg.objs, j->session,
	    j->layer, j->rev.rev, e);
}

/* Decision and end of the candidate are one transaction. */
static int
job_write_decision(struct st_job *j, struct stream *commit, struct err *e)
{
	sqlite3 *db = stream_db(commit);
	int r;

	if ((r = stream_join(commit, e)) != 0 ||
	    (r = stream_mark(commit, e)) != 0)
		return r;
	r = st_revision_add(db, &j->rev, &j->changes, e);
	if (r == 0)
		r = job_write_confirm(j, db, e);
	if (r == 0)
		r = job_done_with(j, e);
	if (r != 0) {
		stream_mark_undo(commit, NULL);
		return r;
	}
	if ((r = stream_mark_keep(commit, e)) == 0)
		r = stream_commit(commit, e);
	return r;
}

/* From here on it will be carried out. */
static void
job_decide(struct st_job *j)
{
	struct stream *commit = st_stream_find(j->st, "commit")->stream;
	int64_t last = st_revision_last(stream_db(commit));
	struct err e;

	if (last < 0) {
		st_sql_unread((int)last, &e);
		job_finish(j, &e);
		return;
	}
	j->rev.rev = last + 1;
	j->rev.time = clock_real();
	j->rev.changes = (int64_t)j->changes.n;
	j->rev.layer = j->layer;
	if (job_write_decision(j, commit, &e) != 0) {
		job_finish(j, &e);
		return;
	}
	job_await_begin(j, 1, job_decided);
	job_await(j, commit);
}

/* The candidate wants what runs already: it is forgotten. */
static int
job_nothing(struct st_job *j, struct err *e)
{
	struct stream *commit = st_stream_find(j->st, "commit")->stream;
	int r = stream_join(commit, e);

	if (r == 0 && j->undoes != 0)
		r = st_confirm_end(stream_db(commit), j->undoes, e);
	return r != 0 ? r : job_done_with(j, e);
}

/* Another session alone may commit: who only checks is warned. */
static int
job_alone(struct st_job *j, struct err *e)
{
	int r = 0;

	if (j->who.name[0] != '\0') /* the system's own are not held up */
		r = st_exclusive_check(j->st, j->session, &j->who, e);
	if (r != 0 && j->task == ST_TASK_CHECK) {
		json_array_append_new(j->warn, json_string(e->text));
		r = 0;
	}
	return r;
}

/* What the task wants done with the change set; 1 = the job goes on. */
static int
job_carry(struct st_job *j, struct err *e)
{
	int r;

	if (j->task == ST_TASK_COMPARE)
		return 0;
	r = st_right_changes(j->st->cfg.objs, &j->who, &j->changes, e);
	if (r != 0)
		return r;
	if (j->changes.n == 0)
		return j->task == ST_TASK_COMMIT ? job_nothing(j, e) : 0;
	r = job_alone(j, e);
	if (r == 0)
		r = st_confirm_check(j->st->view.db(j->st, "commit"),
		    &j->changes, j->undoes, j->told, e);
	if (r == 0)
		r = job_prepare(j, e);
	if (r != 0 || j->task == ST_TASK_CHECK)
		return r;
	job_decide(j);
	return 1;
}

/* Reads inside a group are spared the locks of each statement. */
static int
job_join(struct st_job *j, struct err *e)
{
	struct st_stream *s;
	int r = 0;

	TAILQ_FOREACH (s, &j->st->streams, entry) {
		if (r == 0 && s->ready && s->pins > 0)
			r = stream_join(s->stream, e);
	}
	return r;
}

/* All streams of the candidate are open: merge, prepare, decide. */
static void
job_on_open(void *arg, const struct err *why)
{
	struct st_job *j = arg;
	struct err e;
	int r;

	if (why != NULL) {
		job_finish(j, why);
		return;
	}
	if (job_join(j, &e) != 0) {
		job_finish(j, &e);
		return;
	}
	r = st_merge(&j->st->view, j->session, j->layer, &j->changes,
	    j->task != ST_TASK_COMPARE ? j->told : NULL, &e);
	if (r == 0)
		r = job_carry(j, &e);
	if (r <= 0)
		job_finish(j, r != 0 ? &e : NULL);
}

/* ---- apply ----------------------------------------------------------------
 */

void
st_job_forward(struct st_job *j)
{
	size_t n = st_changes_streams(&j->changes, NULL, 0), i;
	const char **names = xcalloc(n, sizeof *names);
	struct st_hold *old = j->hold;

	j->st->job = j;
	st_gate_shut(j->st);
	j->hold = st_hold_new(j->st, job_on_apply, j);
	st_changes_streams(&j->changes, names, n);
	for (i = 0; i < n; i++)
		st_hold_add(j->hold, names[i], job_kind(j->st, names[i]));
	free(names);
	st_hold_close(&old);
	st_hold_go(j->hold);
}

/* Readers of the stream learn of each object. */
static int
job_note(void *arg, const char *object, const char *key, struct err *e)
{
	return stream_change(arg, object, key, e);
}

/* Once for the txid; a stream that has it already only answers again. */
static int
job_apply_stream(struct st_job *j, const char *name, struct err *e)
{
	struct stream *s = st_stream_find(j->st, name)->stream;
	int r;

	if ((r = stream_join(s, e)) != 0 || (r = stream_mark(s, e)) != 0)
		return r;
	r = st_apply_once(j->st->cfg.objs, stream_db(s), name, &j->changes,
	    j->rev.rev, j->rev.txid, job_note, s, e);
	if (r != 0) {
		stream_mark_undo(s, NULL);
		return r;
	}
	if ((r = stream_mark_keep(s, e)) == 0)
		r = stream_commit(s, e);
	if (r == 0)
		job_await(j, s);
	return r;
}

/* Streams of domains that are gone need not stay open. */
static void
job_retire_domains(struct st_job *j)
{
	const struct st_change *c = j->changes.list;
	char stream[STREAM_NAME];
	size_t i;

	for (i = 0; i < j->changes.n; i++) {
		if (strcmp(c[i].stream, ST_ROOT_STREAM) != 0 ||
		    strcmp(c[i].field, "id") != 0 || c[i].new != NULL)
			continue;
		st_domain_stream(stream, c[i].old);
		st_stream_retire(j->st, stream);
	}
}

/* Every stream has it: the revision is no longer pending. */
static void
job_applied(void *arg)
{
	struct st_job *j = arg;
	struct stream *commit = st_stream_find(j->st, "commit")->stream;
	struct err e;

	if (j->err.code != ERR_NONE) {
		err_wrap(&j->err, "revision %lld is decided, but not applied",
		    (long long)j->rev.rev);
		j->err.code = ERR_PARTIAL;
		job_finish(j, &j->err);
		return;
	}
	if (stream_join(commit, &e) != 0 ||
	    st_revision_applied(stream_db(commit), j->rev.rev, &e) != 0)
		log_warnx("revision=%lld %s", (long long)j->rev.rev, e.text);
	st_hold_close(&j->hold);
	job_retire_domains(j);
	log_info("revision=%lld operator=%s changes=%zu committed",
	    (long long)j->rev.rev, j->rev.operator, j->changes.n);
	job_finish(j, NULL);
}

/* All streams are open, those of new domains too. */
static void
job_on_apply(void *arg, const struct err *why)
{
	struct st_job *j = arg;
	size_t n = st_changes_streams(&j->changes, NULL, 0), i;
	const char **names = xcalloc(n, sizeof *names);

	if (why != NULL)
		j->err = *why;
	job_await_begin(j, n, job_applied);
	st_changes_streams(&j->changes, names, n);
	for (i = 0; i < n && j->err.code == ERR_NONE; i++) {
		if (job_apply_stream(j, names[i], &j->err) != 0)
			log_warnx("revision=%lld stream=%s %s",
			    (long long)j->rev.rev, names[i], j->err.text);
	}
	free(names);
	/* the directory may have changed */
	st_cand_remember(j->st->view.cand, NULL, NULL, NULL);
	if (j->waiting == 0)
		loop_defer(j->st->cfg.loop, &j->end);
}
