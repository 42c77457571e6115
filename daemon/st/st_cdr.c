/*
 * Call records. Each B2BUA writes them to its own calls/ stream; the owner of
 * the store reads these, copies every record to the stream of its domain and,
 * once that is acknowledged, notes in `commit` how far it got; then the B2BUA
 * may delete them. A record can be copied twice after a crash: the domain
 * keeps one (UNIQUE). Records of a domain that never was are dropped.
 *
 * A batch costs a commit in every domain's stream and one in `commit`, of
 * which all their readers are told. So records are waited for: what comes
 * first is copied at once, what comes in the next CDR_GATHER together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define CDR_BATCH 256
#define CDR_GATHER (100 * CLOCK_MS)
#define CDR_COLS                                                              \
	"id, domain, caller, caller_name, called, destination, start, ring, " \
	"answer, end, code, reason, ended_by, instance, rx_caller, "          \
	"rx_callee, lost_caller, lost_callee"
#define CDR_COUNT 18

/* One record on its way. */
struct cdr {
	sqlite3_value *value[CDR_COUNT];
	char stream[STREAM_NAME]; /* "" = nobody's */
};

/* One calls/ stream. */
struct st_calls {
	TAILQ_ENTRY(st_calls) entry;
	struct st *st;
	char name[STREAM_NAME];
	struct reader *reader;
	bool open, busy, again;
	struct cdr batch[CDR_BATCH];
	size_t n;
	int64_t seq; /* of the last record of the batch */
	struct st_hold *hold;
	struct cdr_ack {
		struct stream_ack ack;
		struct stream *stream;
		struct st_calls *calls;
		bool pending;
	} ack[CDR_BATCH];
	size_t nacks, waiting;
	bool failed;
	struct loop_defer end;
	struct loop_timer *gather; /* until the next batch may begin */
};

static void cdr_look(struct st_calls *);

static void
cdr_forget_batch(struct st_calls *c)
{
	size_t i, k;

	for (i = 0; i < c->n; i++) {
		for (k = 0; k < CDR_COUNT; k++)
			sqlite3_value_free(c->batch[i].value[k]);
	}
	c->n = 0;
}

/* The batch is done, or given up: look again if there may be more, now or
 * when some have gathered. */
static void
cdr_settle(struct st_calls *c)
{
	bool full = c->n == CDR_BATCH;

	cdr_forget_batch(c);
	st_hold_close(&c->hold);
	c->busy = false;
	if (full && !c->failed)
		cdr_look(c);
	else
		loop_timer_set(c->gather, CDR_GATHER);
}

static void
cdr_on_gathered(void *arg)
{
	struct st_calls *c = arg;

	if (c->again)
		cdr_look(c);
}

/* How far the stream was taken over; negative when that cannot be read. */
static int64_t
cdr_collected(const struct st_calls *c)
{
	sqlite3_stmt *s = st_sql(c->st->view.db(c->st, "commit"), NULL,
	    "SELECT seq FROM collected WHERE stream = ?1", "s", c->name);
	int64_t seq = 0;
	int step;

	if (s == NULL)
		return -ERR_IO;
	step = sqlite3_step(s);
	if (step == SQLITE_ROW)
		seq = sqlite3_column_int64(s, 0);
	else
		seq = st_sql_end(s, step, NULL);
	sqlite3_finalize(s);
	return seq;
}

/* All domains have their records: the B2BUA may forget them. */
static void
cdr_done(void *arg)
{
	struct st_calls *c = arg;
	struct stream *commit = st_stream_find(c->st, "commit")->stream;
	struct err e;

	if (!c->failed &&
	    (stream_join(commit, &e) != 0 ||
		st_sql_run(stream_db(commit), &e,
		    "INSERT OR REPLACE INTO collected(stream, seq) "
		    "VALUES(?1, ?2)",
		    "si", c->name, c->seq) != 0 ||
		stream_change(commit, "collected", c->name, &e) != 0)) {
		log_warnx("stream=%s %s", c->name, e.text);
		c->failed = true;
	}
	if (!c->failed)
		c->st->count.records += c->n;
	cdr_settle(c);
}

static void
cdr_on_ack(void *arg, const struct err *e)
{
	struct cdr_ack *a = arg;
	struct st_calls *c = a->calls;

	a->pending = false;
	c->failed |= e != NULL;
	if (--c->waiting == 0)
		loop_defer(c->st->cfg.loop, &c->end);
}

/* The records of the batch that belong to one stream. */
static int
cdr_write(struct st_calls *c, struct stream *s, struct err *e)
{
	sqlite3 *db = stream_db(s);
	sqlite3_stmt *st;
	size_t i;
	int k, r;

	if ((r = stream_join(s, e)) != 0)
		return r;
	st = st_sql(db, e,
	    "INSERT OR IGNORE INTO cdr(" CDR_COLS ") VALUES(?1, ?2, ?3, ?4, "
	    "?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
	    "");
	if (st == NULL)
		return -ERR_IO;
	for (i = 0; r == 0 && i < c->n; i++) {
		if (strcmp(c->batch[i].stream, stream_name(s)) != 0)
			continue;
		for (k = 0; k < CDR_COUNT; k++)
			sqlite3_bind_value(st, k + 1, c->batch[i].value[k]);
		if (sqlite3_step(st) != SQLITE_DONE)
			r = st_sql_fail(db, e, "cdr");
		else
			r = stream_change(s, "cdr",
			    (const char *)sqlite3_value_text(
				c->batch[i].value[0]),
			    e);
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	return r == 0 ? stream_commit(s, e) : r;
}

/* Was this stream written for an earlier record of the batch? */
static bool
cdr_written(const struct st_calls *c, size_t upto)
{
	size_t i;

	for (i = 0; i < upto; i++) {
		if (strcmp(c->batch[i].stream, c->batch[upto].stream) == 0)
			return true;
	}
	return false;
}

/* The domains' streams are open. */
static void
cdr_on_open(void *arg, const struct err *why)
{
	struct st_calls *c = arg;
	struct st_stream *s;
	struct err e;
	size_t i;

	if (c->st->resigning)
		return;
	c->nacks = c->waiting = 0;
	for (i = 0; i < c->n; i++) {
		if (c->batch[i].stream[0] == '\0' || cdr_written(c, i))
			continue;
		s = st_stream_find(c->st, c->batch[i].stream);
		if (s == NULL || cdr_write(c, s->stream, &e) != 0) {
			log_warnx("stream=%s call records: %s",
			    c->batch[i].stream,
			    s != NULL	      ? e.text
				: why != NULL ? why->text
					      : "not open");
			c->failed = true;
			continue;
		}
		c->ack[c->nacks] = (struct cdr_ack){
		    .stream = s->stream, .calls = c, .pending = true};
		c->ack[c->nacks].ack = (struct stream_ack){
		    .fn = cdr_on_ack, .arg = &c->ack[c->nacks]};
		c->waiting++;
		stream_on_ack(s->stream, &c->ack[c->nacks++].ack);
	}
	if (c->waiting == 0)
		loop_defer(c->st->cfg.loop, &c->end);
}

/* Copy one row out of the reader's snapshot; hold its domain's stream. */
static void
cdr_take(struct st_calls *c, sqlite3_stmt *s)
{
	struct cdr *one = &c->batch[c->n++];
	const char *id = st_text(s, 2);
	int k;

	c->seq = sqlite3_column_int64(s, 0);
	for (k = 0; k < CDR_COUNT; k++)
		one->value[k] = sqlite3_value_dup(
		    sqlite3_column_value(s, k + 1));
	one->stream[0] = '\0';
	if (id == NULL || st_view_known(&c->st->view, id) == 0) {
		log_warnx("stream=%s record=%lld of no domain: dropped",
		    c->name, (long long)c->seq);
		return;
	}
	st_domain_stream(one->stream, id);
	if (!cdr_written(c, c->n - 1))
		st_hold_add(c->hold, one->stream, ST_DOMAIN);
}

/* Read what is new; copy it in batches, one after another. */
static void
cdr_look(struct st_calls *c)
{
	sqlite3 *db = reader_db(c->reader);
	sqlite3_stmt *s;
	struct err e;
	int64_t from;
	int step = SQLITE_ROW;

	c->again = c->busy || loop_timer_is_set(c->gather);
	if (c->again || db == NULL)
		return;
	if ((from = cdr_collected(c)) < 0) {
		log_warnx(
		    "stream=%s waits: stream commit cannot be read", c->name);
		return;
	}
	s = st_sql(db, &e,
	    "SELECT seq, " CDR_COLS " FROM cdr WHERE seq > ?1 "
	    "ORDER BY seq LIMIT 256",
	    "i", from);
	if (s == NULL) {
		log_warnx("stream=%s %s", c->name, e.text);
		return;
	}
	c->failed = false;
	c->hold = st_hold_new(c->st, cdr_on_open, c);
	while (c->n < CDR_BATCH && (step = sqlite3_step(s)) == SQLITE_ROW)
		cdr_take(c, s);
	/* in their order: what did not come now comes with the next look */
	if (st_sql_end(s, step, &e) != 0)
		log_warnx("stream=%s %s", c->name, e.text);
	sqlite3_finalize(s);
	c->busy = c->n > 0;
	if (c->busy)
		st_hold_go(c->hold);
	else
		cdr_settle(c);
}

static void
cdr_ignore_change(void *arg, const char *object, const char *key)
{
	(void)arg;
	(void)object;
	(void)key;
}

static void
cdr_on_reader(void *arg, struct reader *r, enum reader_event event)
{
	struct st_calls *c = arg;

	c->open = event != READER_ABSENT;
	if (event == READER_CHANGED)
		reader_changes(r, cdr_ignore_change, NULL, NULL);
	if (c->open)
		cdr_look(c);
}

/* Each calls/ stream is read once, whoever writes it now. */
static void
cdr_open(struct st *st, const char *name)
{
	struct st_calls *c;
	struct err e;

	TAILQ_FOREACH (c, &st->calls, entry) {
		if (strcmp(c->name, name) == 0)
			return;
	}
	c = xcalloc(1, sizeof *c);
	c->st = st;
	c->end = (struct loop_defer){.fn = cdr_done, .arg = c};
	c->gather = loop_timer_new(st->cfg.loop, cdr_on_gathered, c);
	str_copy(c->name, sizeof c->name, name);
	if (reader_open(st->cfg.repl, name, cdr_on_reader, c, &c->reader, &e) !=
	    0) {
		log_warnx("stream=%s %s", name, e.text);
		loop_timer_free(&c->gather);
		free(c);
		return;
	}
	TAILQ_INSERT_TAIL(&st->calls, c, entry);
}

void
st_cdr_start(struct st *st)
{
	struct owner o;
	unsigned at = 0;

	while (
	    st->cfg.owners != NULL && owner_map_next(st->cfg.owners, &at, &o)) {
		if (str_prefix(o.key, "calls/"))
			cdr_open(st, o.key);
	}
}

void
st_owners_changed(struct st *st)
{
	if (st->serving)
		st_cdr_start(st);
}

void
st_cdr_stop(struct st *st)
{
	struct st_calls *c;
	size_t i;

	while ((c = TAILQ_FIRST(&st->calls)) != NULL) {
		TAILQ_REMOVE(&st->calls, c, entry);
		for (i = 0; i < c->nacks; i++) {
			if (c->ack[i].pending)
				stream_ack_cancel(
				    c->ack[i].stream, &c->ack[i].ack);
		}
		loop_defer_cancel(st->cfg.loop, &c->end);
		st_hold_close(&c->hold);
		cdr_forget_batch(c);
		loop_timer_free(&c->gather);
		reader_close(&c->reader);
		free(c);
	}
}
