/*
 * What the recorder is asked: walks the blocks of the files and those that are
 * not written yet, skips by time, process and index what cannot matter, and
 * makes JSON of what is left. It answers with no more than a console can take,
 * and says so.
 */
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "recorder.h"
#include "trace_media.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define QUERY_IDS 64	  /* Call-IDs of one call */
#define QUERY_USERS 512	  /* legs with one of them */
#define QUERY_STEPS 1000  /* of one call */
#define QUERY_HELD 200000 /* calls looked at */

struct query;

/* Who says what is looked for. */
enum query_teller {
	QUERY_GATE, /* messages */
	QUERY_B2BUA,
	QUERY_MG
};

struct query_want {
	const char *name;
	enum query_teller teller;
	void (*take)(
	    struct query *, const struct trace_record *, uint64_t number);
};

struct query {
	const struct query_want *want;
	const char *instance; /* of the block that is read */
	uint64_t since, until;
	size_t limit;
	const char *call;
	const char *id[QUERY_IDS];
	uint32_t hash[QUERY_IDS + 1];
	size_t nids, nhash;
	struct trace_filter filter;
	json_t *only; /* identifiers of calls, as members; NULL = all */
	struct trace_calls calls;
	query_call_fn *on_call; /* of each that was gathered; may be NULL */
	void *arg;
	json_t *rows;
	size_t bytes;
	bool more, bytes_wanted, last_wanted;
	uint8_t *raw;
};

/* ---- JSON ---------------------------------------------------------------- */

static void
query_put_key(json_t *row, const char *name, const struct trace_record *r,
    enum trace_key key)
{
	json_object_set_new(
	    row, name, trace_text(r->text + r->key[key].at, r->key[key].n));
}

static void
query_put_int(json_t *row, const char *name, uint64_t v)
{
	json_object_set_new(row, name, json_integer((json_int_t)v));
}

static void
query_put_flag(json_t *row, const char *name, unsigned flag)
{
	json_object_set_new(row, name, json_boolean(flag != 0));
}

static void
query_put_addr(json_t *row, const char *name, const union addr *a)
{
	char text[ADDR_TEXT] = "";

	if (a->sa.sa_family != AF_UNSPEC)
		addr_text(text, a);
	json_object_set_new(row, name, json_string(text));
}

/* ---- messages ------------------------------------------------------------ */

static json_t *
query_lines(const struct trace_record *r)
{
	const char *p = r->text, *end = p + r->n, *nl;
	json_t *lines = json_array();
	size_t n;

	while (p < end) {
		nl = memchr(p, '\n', (size_t)(end - p));
		n = (size_t)((nl != NULL ? nl : end) - p);
		json_array_append_new(lines,
		    trace_text(p, n > 0 && p[n - 1] == '\r' ? n - 1 : n));
		p = nl != NULL ? nl + 1 : end;
	}
	return lines;
}

static json_t *
query_bytes(const struct trace_record *r)
{
	char *text = xb64(r->text, r->n);
	json_t *v = json_string(text);

	free(text);
	return v;
}

static bool
query_has_id(const struct query *q, const struct trace_record *r)
{
	size_t i;

	for (i = 0; i < q->nids; i++) {
		if (trace_key_is(r, TRACE_CALL_ID, q->id[i]))
			return true;
	}
	return false;
}

/* Is there room for a row of so many bytes? */
static bool
query_has_room(struct query *q, size_t n)
{
	if (json_array_size(q->rows) >= q->limit ||
	    q->bytes + n > RECORDER_BYTES) {
		q->more = true;
		return false;
	}
	q->bytes += n;
	return true;
}

/* A new row, of so many at most; NULL when they are there. */
static json_t *
query_row(struct query *q, size_t most)
{
	json_t *row;

	if (json_array_size(q->rows) >= most) {
		q->more = true;
		return NULL;
	}
	row = json_object();
	json_array_append_new(q->rows, row);
	return row;
}

static void
query_take_message(
    struct query *q, const struct trace_record *r, uint64_t number)
{
	json_t *row;

	if (r->kind != TRACE_MESSAGE || !query_has_id(q, r) ||
	    !query_has_room(q, r->n))
		return;
	row = json_object();
	query_put_int(row, "time", r->time);
	query_put_int(row, "number", number);
	json_object_set_new(row, "instance", json_string(q->instance));
	query_put_flag(row, "out", r->flags & TRACE_OUT);
	query_put_flag(row, "reply", r->flags & TRACE_REPLY);
	query_put_flag(row, "inside", r->flags & TRACE_INSIDE);
	query_put_flag(row, "masked", r->flags & TRACE_MASKED);
	query_put_int(row, "proto", r->proto);
	query_put_int(row, "status", r->status);
	query_put_int(row, "cseq", r->cseq);
	query_put_key(row, "method", r, TRACE_METHOD);
	query_put_key(row, "branch", r, TRACE_BRANCH);
	query_put_key(row, "call-id", r, TRACE_CALL_ID);
	query_put_addr(row, "local", &r->local);
	query_put_addr(row, "peer", &r->peer);
	if (q->bytes_wanted)
		json_object_set_new(row, "raw", query_bytes(r));
	else
		json_object_set_new(row, "lines", query_lines(r));
	json_array_append_new(q->rows, row);
}

/* ---- media of one call --------------------------------------------------- */

#define QUERY_FIGURES 300 /* bytes of a row beside its texts */

static bool
query_is_same(json_t *a, json_t *b, const char *member)
{
	return json_equal(
	    json_object_get(a, member), json_object_get(b, member));
}

/* The row in place of an earlier one of the same stream; false when there is
 * none. */
static bool
query_replace(json_t *rows, json_t *row)
{
	json_t *old;
	size_t i;

	json_array_foreach (rows, i, old) {
		if (!query_is_same(old, row, "instance") ||
		    !query_is_same(old, row, "label") ||
		    !query_is_same(old, row, "section") ||
		    !query_is_same(old, row, "began"))
			continue;
		json_array_set_new(rows, i, row);
		return true;
	}
	return false;
}

static void
query_take_media(struct query *q, const struct trace_record *r, uint64_t number)
{
	const struct trace_span *s = &r->key[TRACE_TIMES];
	uint64_t figure[TRACE_FIGURES];
	json_t *row;

	(void)number;
	if (r->kind != TRACE_MEDIA || !trace_key_is(r, TRACE_CALL, q->call) ||
	    !trace_figures(figure, r->text + s->at, s->n))
		return;
	row = json_object();
	query_put_int(row, "time", r->time);
	query_put_int(row, "section", figure[TRACE_SECTION]);
	query_put_int(row, "began", figure[TRACE_BEGAN]);
	json_object_set_new(row, "instance", json_string(q->instance));
	query_put_key(row, "label", r, TRACE_LABEL);
	query_put_key(row, "codec", r, TRACE_METHOD);
	query_put_key(row, "figures", r, TRACE_TIMES);
	if (q->last_wanted && query_replace(q->rows, row))
		return;
	if (query_has_room(q, r->n + QUERY_FIGURES))
		json_array_append_new(q->rows, row);
	else
		json_decref(row);
}

/* ---- legs of one call ---------------------------------------------------- */

static void
query_take_leg(struct query *q, const struct trace_record *r, uint64_t number)
{
	json_t *row;

	(void)number;
	if ((r->kind != TRACE_LEG && r->kind != TRACE_END) ||
	    !trace_key_is(r, TRACE_CALL, q->call) ||
	    (row = query_row(q, QUERY_IDS * 2)) == NULL)
		return;
	query_put_int(row, "time", r->time);
	query_put_int(row, "status", r->status);
	query_put_key(row, "call", r, TRACE_CALL);
	query_put_key(row, "domain", r, TRACE_DOMAIN);
	query_put_key(row, "from", r, TRACE_FROM);
	query_put_key(row, "to", r, TRACE_TO);
	query_put_key(row, "label", r, TRACE_LABEL);
	query_put_key(row, "call-id", r, TRACE_CALL_ID);
	query_put_key(row, "party", r, TRACE_PARTY);
	query_put_key(row, "reason", r, TRACE_REASON);
	query_put_key(row, "times", r, TRACE_TIMES);
}

/* What was decided of one call. */
static void
query_take_step(struct query *q, const struct trace_record *r, uint64_t number)
{
	json_t *row;

	if (r->kind != TRACE_STEP || !trace_key_is(r, TRACE_CALL, q->call) ||
	    (row = query_row(q, QUERY_STEPS)) == NULL)
		return;
	query_put_int(row, "time", r->time);
	query_put_int(row, "epoch", r->cseq);
	query_put_int(row, "number", number);
	query_put_flag(row, "part", r->flags & TRACE_PART);
	query_put_key(row, "domain", r, TRACE_DOMAIN);
	query_put_key(row, "name", r, TRACE_STEP_NAME);
	query_put_key(row, "rule", r, TRACE_RULE);
	query_put_key(row, "rule-person", r, TRACE_RULE_PERSON);
	query_put_key(row, "result", r, TRACE_RESULT);
	query_put_key(row, "result-person", r, TRACE_RESULT_PERSON);
}

/* Whose legs the Call-IDs are: a phone may use one again, or another's. */
static void
query_take_user(struct query *q, const struct trace_record *r, uint64_t number)
{
	json_t *row;

	(void)number;
	if (r->kind != TRACE_LEG || !query_has_id(q, r) ||
	    (row = query_row(q, QUERY_USERS)) == NULL)
		return;
	query_put_key(row, "call", r, TRACE_CALL);
	query_put_key(row, "domain", r, TRACE_DOMAIN);
	query_put_key(row, "call-id", r, TRACE_CALL_ID);
}

/* ---- calls --------------------------------------------------------------- */

/* One filter: its bit is the first. */
static void
query_take_call(struct query *q, const struct trace_record *r, uint64_t number)
{
	struct trace_call *c;
	char id[sizeof c->id];

	(void)number;
	if (r->kind == TRACE_QUALITY) { /* it says of whom, and no more */
		trace_calls_add(&q->calls, r);
		return;
	}
	if (q->only != NULL &&
	    (!trace_key_text(r, TRACE_CALL, id, sizeof id) ||
		json_object_get(q->only, id) == NULL))
		return;
	if (trace_filter_takes(&q->filter, r) &&
	    (c = trace_calls_add(&q->calls, r)) != NULL)
		trace_filter_note(&q->filter, 0, c, r);
}

static int
query_youngest(const void *a, const void *b)
{
	const struct trace_call *x = *(struct trace_call *const *)a;
	const struct trace_call *y = *(struct trace_call *const *)b;

	return x->start > y->start ? -1 : x->start < y->start;
}

/* The youngest of those that were found, as many as are wanted. */
static void
query_put_calls(struct query *q)
{
	struct trace_call **list = xcalloc(
	    q->calls.map.count + 1, sizeof(*list));
	uint64_t now = clock_real();
	struct trace_call *c;
	size_t n = 0, i, at = 0;
	bool found;

	while ((c = map_next(&q->calls.map, &at, NULL, NULL)) != NULL) {
		found = trace_filter_matches(&q->filter, 0, c, now);
		if (found)
			list[n++] = c;
		if (q->on_call != NULL)
			q->on_call(q->arg, c, found);
	}
	qsort(list, n, sizeof(*list), query_youngest);
	for (i = 0; i < n && i < q->limit; i++)
		json_array_append_new(q->rows, trace_call_row(list[i]));
	q->more |= q->calls.full;
	free(list);
}

/* ---- blocks -------------------------------------------------------------- */

static const struct query_want query_wants[] = {
    {"calls", QUERY_B2BUA, query_take_call},
    {"follow", QUERY_B2BUA, query_take_call},
    {"legs", QUERY_B2BUA, query_take_leg},
    {"steps", QUERY_B2BUA, query_take_step},
    {"users", QUERY_B2BUA, query_take_user},
    {"media", QUERY_MG, query_take_media},
    {"messages", QUERY_GATE, query_take_message},
};

static void
query_records(struct query *q, const uint8_t *raw, size_t n)
{
	struct trace_record r;
	uint64_t number;
	size_t at = 0;

	while (segment_next(raw, n, &at, &r, &number, NULL) == 1) {
		if (r.time >= q->since && r.time <= q->until)
			q->want->take(q, &r, number);
	}
}

static bool
query_wants_block(const struct query *q, const char *instance)
{
	enum query_teller teller = QUERY_GATE;

	if (str_prefix(instance, "b2bua/"))
		teller = QUERY_B2BUA;
	else if (str_prefix(instance, "mg/"))
		teller = QUERY_MG;
	return teller == q->want->teller;
}

static bool
query_on_block(void *arg, const struct segment_head *h, const uint8_t *index,
    int fd, uint64_t off)
{
	struct query *q = arg;
	bool has = q->nhash == 0;
	size_t i;

	if (!query_wants_block(q, h->instance))
		return false;
	for (i = 0; i < q->nhash && !has; i++)
		has = segment_has(h, index, q->hash[i]);
	if (has && shelf_unpack(h, index, fd, off, q->raw, NULL) == 0) {
		q->instance = h->instance;
		query_records(q, q->raw, h->raw);
	}
	return false;
}

/* ---- the question -------------------------------------------------------- */

static void
query_look_for(struct query *q, enum segment_kind kind, const char *text)
{
	q->hash[q->nhash++] = segment_hash(kind, text, strlen(text));
}

static uint64_t
query_int(json_t *o, const char *name, uint64_t def)
{
	json_t *v = json_object_get(o, name);

	return json_is_integer(v) && json_integer_value(v) >= 0
	    ? (uint64_t)json_integer_value(v)
	    : def;
}

static const char *
query_word(json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static void
query_read_ids(struct query *q, json_t *list)
{
	json_t *v;
	size_t i;

	json_array_foreach (list, i, v) {
		if (json_is_string(v) && q->nids < QUERY_IDS) {
			q->id[q->nids++] = json_string_value(v);
			query_look_for(
			    q, SEGMENT_CALL_ID, json_string_value(v));
		}
	}
}

/* These calls alone; the index tells of few of them where they are. */
static void
query_read_calls(struct query *q, json_t *list)
{
	const char *id;
	json_t *v;
	size_t i;

	if (!json_is_array(list))
		return;
	q->only = json_object();
	json_array_foreach (list, i, v) {
		if ((id = json_string_value(v)) == NULL)
			continue;
		json_object_set_new(q->only, id, json_true());
		if (json_array_size(list) <= QUERY_IDS)
			query_look_for(q, SEGMENT_CALL, id);
	}
}

/* A number that is whole and that each fact of its call has: not that of who is
 * at the end of a leg, which the end of the call lacks. */
static void
query_look_for_number(struct query *q)
{
	const char *number = q->filter.from != NULL ? q->filter.from
						    : q->filter.to;
	size_t n = number != NULL ? strlen(number) : 0;

	if (n > 0 && number[n - 1] != '*')
		query_look_for(q, SEGMENT_NUMBER, number);
}

static int
query_read(struct query *q, json_t *o, struct err *e)
{
	const char *want = query_word(o, "want");
	size_t i;
	int r;

	for (i = 0; i < sizeof query_wants / sizeof query_wants[0]; i++) {
		if (str_equal(want, query_wants[i].name))
			q->want = &query_wants[i];
	}
	if (q->want == NULL)
		return err_set(e, ERR_INVALID, "trace: nothing is wanted");
	q->since = query_int(o, "since", 0);
	q->until = query_int(o, "until", UINT64_MAX);
	q->limit = query_int(o, "limit", RECORDER_MESSAGES);
	q->call = query_word(o, "call");
	q->calls.room = QUERY_HELD;
	if ((r = trace_filter_read(&q->filter, o, e)) != 0)
		return r;
	q->bytes_wanted = json_is_true(json_object_get(o, "raw"));
	q->last_wanted = json_is_true(json_object_get(o, "last"));
	query_read_ids(q, json_object_get(o, "call-ids"));
	if ((q->want->take == query_take_leg ||
		q->want->take == query_take_step ||
		q->want->take == query_take_media) &&
	    q->call == NULL)
		return err_set(e, ERR_INVALID, "trace: of which call?");
	if ((q->want->take == query_take_message ||
		q->want->take == query_take_user) &&
	    q->nids == 0)
		return err_set(e, ERR_INVALID, "trace: of which Call-IDs?");
	query_read_calls(q, json_object_get(o, "calls"));
	if (q->call != NULL)
		query_look_for(q, SEGMENT_CALL, q->call);
	else if (q->only == NULL)
		query_look_for_number(q);
	return 0;
}

static void
query_fini(struct query *q)
{
	trace_calls_fini(&q->calls);
	trace_filter_fini(&q->filter);
	json_decref(q->only);
	free(q->raw);
}

/* What the files have, and what is in none yet. */
static void
query_walk(struct query *q, struct shelf *s,
    const struct segment_block *const *open, size_t n)
{
	size_t i;

	q->raw = xmalloc(SEGMENT_RAW);
	shelf_each(s, q->since, q->until, query_on_block, q);
	for (i = 0; i < n; i++) {
		if (!query_wants_block(q, open[i]->instance))
			continue;
		q->instance = open[i]->instance;
		query_records(q, open[i]->raw, open[i]->n);
	}
}

json_t *
query_run(struct shelf *s, const struct segment_block *const *open, size_t n,
    json_t *query, struct err *e)
{
	return query_calls(s, open, n, query, NULL, NULL, e);
}

json_t *
query_calls(struct shelf *s, const struct segment_block *const *open, size_t n,
    json_t *query, query_call_fn *fn, void *arg, struct err *e)
{
	struct query q = {.on_call = fn, .arg = arg};
	json_t *result = NULL;

	if (query_read(&q, query, e) == 0) {
		q.rows = json_array();
		query_walk(&q, s, open, n);
		if (q.want->take == query_take_call)
			query_put_calls(&q);
		result = json_pack(
		    "{s:o, s:b}", "rows", q.rows, "more", (int)q.more);
	}
	query_fini(&q);
	return result;
}
