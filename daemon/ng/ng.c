/*
 * An ng endpoint: one datagram socket that asks and answers. What arrives
 * with the cookie of an open question of ours, from the address that was
 * asked, is its answer; everything else is a request. Requests are bounded in
 * number, a repetition never runs twice, and what cannot be read is answered
 * with rtpengine's words and logged once per sender.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ng.h"
#include "ng_cache.h"
#include "daemon/base/clock.h"
#include "daemon/base/dgram.h"
#include "daemon/base/log.h"
#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define NG_OPEN_MAX 4096 /* requests in work */
#define NG_BATCH 16	 /* datagrams read at a time */
#define NG_RESEND (200 * CLOCK_MS)
#define NG_SOURCES 32 /* senders whose bad messages were logged */

struct ng_question {
	struct ng *ng;
	char cookie[32];
	union addr to;
	ng_reply_fn *fn;
	void *arg;
	char *data; /* cookie, space, dictionary */
	size_t len;
	uint64_t wait; /* before the next repetition */
	uint64_t until;
	struct loop_timer *timer;
};

struct ng_request {
	TAILQ_ENTRY(ng_request) entry;
	struct ng *ng; /* NULL once the endpoint is closed */
	struct ng_cached *cached;
	bool json;
};

struct ng {
	struct loop *loop;
	struct dgram *dgram;
	ng_command_fn *on_command;
	void *arg;
	ng_hear_fn *hear;
	void *hear_arg;
	struct map questions; /* cookie -> struct ng_question */
	TAILQ_HEAD(ng_requests, ng_request) requests;
	unsigned open;
	struct ng_cache cache;
	struct loop_timer *prune;
	char prefix[17]; /* of our cookies */
	uint64_t next;
	union addr bad[NG_SOURCES];
	unsigned nbad;
	struct ng_stats stats;
	struct loop_defer end;
	bool closed;
	bool reading;
};

static dgram_fn ng_on_datagram;
static void ng_on_prune(void *);
static void ng_end(void *);

struct ng *
ng_open(struct loop *loop, int fd, ng_command_fn *on_command, void *arg)
{
	struct ng *ng = xcalloc(1, sizeof *ng);

	ng->loop = loop;
	ng->on_command = on_command;
	ng->arg = arg;
	TAILQ_INIT(&ng->requests);
	rand_hex(ng->prefix, 8);
	ng->dgram = dgram_open(loop, fd, NG_BATCH, ng_on_datagram, ng);
	ng->prune = loop_timer_new(loop, ng_on_prune, ng);
	ng->end = (struct loop_defer){.fn = ng_end, .arg = ng};
	return ng;
}

void
ng_hear(struct ng *ng, ng_hear_fn *fn, void *arg)
{
	ng->hear = fn;
	ng->hear_arg = arg;
}

static void
ng_question_free(struct ng_question *q)
{
	map_str_del(&q->ng->questions, q->cookie);
	loop_timer_free(&q->timer);
	free(q->data);
	free(q);
}

/* Nothing of the endpoint is on the stack any more. */
static void
ng_end(void *arg)
{
	struct ng *ng = arg;

	map_fini(&ng->questions);
	free(ng);
}

void
ng_close(struct ng **ngp)
{
	struct ng *ng = *ngp;
	struct ng_question *q;
	struct ng_request *r;
	size_t at = 0;

	*ngp = NULL;
	if (ng == NULL)
		return;
	while ((q = map_next(&ng->questions, &at, NULL, NULL)) != NULL)
		ng_question_free(q);
	while ((r = TAILQ_FIRST(&ng->requests)) != NULL) {
		TAILQ_REMOVE(&ng->requests, r, entry);
		r->ng = NULL;
		r->cached = NULL;
	}
	ng_cache_fini(&ng->cache);
	loop_timer_free(&ng->prune);
	dgram_close(&ng->dgram);
	ng->closed = true;
	if (ng->reading)
		loop_defer(ng->loop, &ng->end);
	else
		ng_end(ng);
}

const struct ng_stats *
ng_stats(const struct ng *ng)
{
	return &ng->stats;
}

size_t
ng_replies_kept(const struct ng *ng)
{
	return ng->cache.map.count;
}

const char *
ng_str(const json_t *dict, const char *key)
{
	return json_string_value(json_object_get(dict, key));
}

int64_t
ng_int(const json_t *dict, const char *key, int64_t def)
{
	const json_t *v = json_object_get(dict, key);
	int64_t n;

	if (json_is_integer(v))
		return json_integer_value(v);
	/* rtpengine's clients send numbers as texts, too. */
	if (json_is_string(v) &&
	    str_int(json_string_value(v), INT64_MIN / 10, INT64_MAX / 10, &n))
		return n;
	return def;
}

/* Two flags are one when they differ only in what joins their words. */
static bool
ng_same_word(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++) {
		if (*a != *b &&
		    (strchr(" -_", *a) == NULL || strchr(" -_", *b) == NULL))
			return false;
	}
	return *a == *b;
}

bool
ng_flag(const json_t *dict, const char *key, const char *word)
{
	const json_t *v = json_object_get(dict, key);
	const json_t *member;
	size_t i;

	if (json_is_string(v))
		return ng_same_word(json_string_value(v), word);
	json_array_foreach ((json_t *)v, i, member) {
		if (json_is_string(member) &&
		    ng_same_word(json_string_value(member), word))
			return true;
	}
	return false;
}

/* ---- asking ------------------------------------------------------------ */

static void
ng_question_finish(struct ng_question *q, json_t *dict, const struct err *e)
{
	ng_reply_fn *fn = q->fn;
	void *arg = q->arg;

	ng_question_free(q);
	if (fn != NULL)
		fn(arg, dict, e);
}

/* Silence so far: ask again, twice as long as before, or give up. */
static void
ng_on_silence(void *arg)
{
	struct ng_question *q = arg;
	uint64_t now = clock_mono();
	char text[ADDR_TEXT];
	struct err e;

	if (now >= q->until || q->data == NULL) {
		q->ng->stats.timeouts++;
		addr_text(text, &q->to);
		if (q->data == NULL)
			err_set(&e, ERR_TOOBIG,
			    "ng: a question longer than a datagram");
		else
			err_set(&e, ERR_TIMEOUT, "ng: no answer from %s", text);
		ng_question_finish(q, NULL, &e);
		return;
	}
	q->ng->stats.resent++;
	dgram_send(q->ng->dgram, &q->to, q->data, q->len);
	q->wait *= 2;
	loop_timer_set(
	    q->timer, q->until - now < q->wait ? q->until - now : q->wait);
}

void
ng_call(struct ng *ng, const union addr *to, json_t *dict, uint64_t timeout,
    ng_reply_fn *fn, void *arg)
{
	struct ng_question *q = xcalloc(1, sizeof *q);
	struct buf b = BUF_INIT;

	q->ng = ng;
	q->to = *to;
	q->fn = fn;
	q->arg = arg;
	q->wait = NG_RESEND;
	q->until = clock_mono() + timeout;
	q->timer = loop_timer_new(ng->loop, ng_on_silence, q);
	snprintf(q->cookie, sizeof q->cookie, "%s%llx", ng->prefix,
	    (unsigned long long)++ng->next & 0xffffffffffff);
	buf_fmt(&b, "%s ", q->cookie);
	if (ng_encode(&b, dict) == 0 && b.len <= NG_MAX) {
		q->len = b.len;
		q->data = buf_take(&b);
	}
	buf_fini(&b);
	json_decref(dict);
	if (map_str_put(&ng->questions, q->cookie, q) != 0)
		fatalx("ng: out of memory");
	ng->stats.calls++;
	if (q->data == NULL) {
		loop_timer_set(q->timer, 0); /* fn is not called from here */
		return;
	}
	dgram_send(ng->dgram, to, q->data, q->len);
	loop_timer_set(q->timer, timeout < NG_RESEND ? timeout : NG_RESEND);
}

void
ng_forget(struct ng *ng, void *arg)
{
	struct ng_question *q;
	size_t at = 0;

	while ((q = map_next(&ng->questions, &at, NULL, NULL)) != NULL) {
		if (q->arg == arg)
			ng_question_free(q);
	}
}

/* The error that a reply tells, or NULL when it is a good one. */
static const struct err *
ng_reply_error(const json_t *dict, struct err *e)
{
	const char *result = ng_str(dict, "result");
	const char *words = ng_str(dict, "error-reason");

	if (str_equal(result, "ok") || str_equal(result, "pong"))
		return NULL;
	if (words == NULL)
		words = ng_str(dict, "message");
	if (words == NULL)
		words = "ng: a reply without result or reason";
	err_set(e, str_equal(result, "load limit") ? ERR_FULL : ERR_REFUSED,
	    "%s", words);
	return e;
}

/* The answer to a question of ours. One that cannot be read is dropped: the
 * question is asked again, and times out. */
static void
ng_on_answer(struct ng *ng, struct ng_question *q, const char *body, size_t n)
{
	const struct err *why;
	struct err e;
	json_t *dict;

	if (ng_decode(body, n, &dict, &e) != 0) {
		ng->stats.malformed++;
		log_warnx("ng: answer: %s", e.text);
		return;
	}
	why = ng_reply_error(dict, &e);
	ng_question_finish(q, why == NULL ? dict : NULL, why);
	json_decref(dict);
}

/* ---- answering --------------------------------------------------------- */

/* Take a request out of work; its endpoint, or NULL when that is closed. */
static struct ng *
ng_request_take(struct ng_request *r)
{
	struct ng *ng = r->ng;

	if (ng != NULL) {
		TAILQ_REMOVE(&ng->requests, r, entry);
		ng->open--;
	}
	return ng;
}

static int
ng_dump_to(const char *s, size_t n, void *arg)
{
	buf_add(arg, s, n);
	return 0;
}

/* cookie, space and the dictionary in the format of the request. */
static int
ng_reply_encode(struct buf *b, const struct ng_request *r, const json_t *dict)
{
	size_t n;
	const char *cookie = ng_cache_cookie(r->cached, &n);

	buf_add(b, cookie, n);
	buf_char(b, ' ');
	if (!r->json)
		return ng_encode(b, dict);
	json_dump_callback(dict, ng_dump_to, b, JSON_COMPACT | JSON_SORT_KEYS);
	return b->failed ? -ERR_NOMEM : b->len > NG_MAX ? -ERR_TOOBIG : 0;
}

static json_t *
ng_error_dict(const char *reason)
{
	return json_pack("{s:s, s:s}", "result", "error", "error-reason",
	    str_utf8(reason, strlen(reason)) ? reason : "Error");
}

void
ng_reply(struct ng_request *r, json_t *dict)
{
	struct ng *ng = ng_request_take(r);
	struct buf b = BUF_INIT;

	if (ng == NULL)
		goto out;
	if (json_object_get(dict, "result") == NULL)
		json_object_set_new(dict, "result", json_string("ok"));
	if (ng_reply_encode(&b, r, dict) != 0) {
		json_decref(dict);
		dict = ng_error_dict("Reply too large");
		buf_fini(&b);
		if (ng_reply_encode(&b, r, dict) != 0)
			fatalx("ng: out of memory");
	}
	dgram_send(ng->dgram, &r->cached->from, b.data, b.len);
	ng_cache_set(&ng->cache, r->cached, b.data, b.len);
	b.data = NULL;
	if (!loop_timer_is_set(ng->prune))
		loop_timer_set(ng->prune, NG_REPLY_KEPT);
out:
	json_decref(dict);
	free(r);
}

void
ng_fail(struct ng_request *r, const char *reason)
{
	ng_reply(r, ng_error_dict(reason));
}

void
ng_limit(struct ng_request *r, const char *message)
{
	ng_reply(r,
	    json_pack(
		"{s:s, s:s}", "result", "load limit", "message", message));
}

/* Old replies go even when nothing new comes. */
static void
ng_on_prune(void *arg)
{
	struct ng *ng = arg;

	ng_cache_prune(&ng->cache, clock_mono());
	if (ng->cache.oldest != NULL)
		loop_timer_set(ng->prune, CLOCK_SEC);
}

/* Log what a sender cannot spell, the first time it does. */
static void
ng_complain(struct ng *ng, const union addr *from, const char *words)
{
	char text[ADDR_TEXT];
	unsigned i;

	ng->stats.malformed++;
	for (i = 0; i < ng->nbad; i++) {
		if (addr_same_host(&ng->bad[i], from))
			return;
	}
	if (ng->nbad == NG_SOURCES)
		ng->nbad = 0;
	ng->bad[ng->nbad++] = *from;
	addr_text(text, from);
	log_warnx("ng from=%s refused: %s", text, words);
}

/* Put a new request into work; NULL when there is no room. */
static struct ng_request *
ng_request_new(struct ng *ng, const union addr *from, const char *cookie,
    size_t n, bool json)
{
	uint64_t now = clock_mono();
	struct ng_request *r;

	ng_cache_prune(&ng->cache, now);
	if (ng->open >= NG_OPEN_MAX) {
		ng->stats.refused++;
		return NULL;
	}
	r = xcalloc(1, sizeof *r);
	r->cached = ng_cache_add(&ng->cache, from, cookie, n, now);
	if (r->cached == NULL)
		fatalx("ng: out of memory");
	r->ng = ng;
	r->json = json;
	TAILQ_INSERT_TAIL(&ng->requests, r, entry);
	ng->open++;
	return r;
}

/* A request: repeated, unreadable, or new work for the owner. */
static void
ng_on_request(struct ng *ng, const union addr *from, const char *cookie,
    size_t cookie_len, const char *body, size_t n)
{
	struct ng_cached *c = ng_cache_find(
	    &ng->cache, from, cookie, cookie_len);
	struct ng_request *r;
	const char *command;
	json_t *dict;
	struct err e;

	if (c != NULL) {
		ng->stats.repeated++;
		if (c->reply != NULL)
			dgram_send(ng->dgram, from, c->reply, c->reply_len);
		return;
	}
	r = ng_request_new(
	    ng, from, cookie, cookie_len, n != 0 && body[0] == '{');
	if (r == NULL)
		return;
	if (ng_decode(body, n, &dict, &e) != 0) {
		ng_complain(ng, from, e.text);
		ng_fail(r, e.text);
		return;
	}
	command = ng_str(dict, "command");
	if (command == NULL) {
		ng_complain(ng, from, "no command");
		ng_fail(r, "Dictionary contains no key \"command\"");
	} else {
		ng->stats.requests++;
		ng->on_command(ng->arg, r, command, dict, from);
	}
	json_decref(dict);
}

/* Cookie, space, dictionary. Without a cookie nobody could read the answer, so
 * there is none. An answer comes from whom was asked; all else only from whom
 * may ask. */
static void
ng_understand(struct ng *ng, const union addr *from, char *data, size_t n)
{
	char *space = memchr(data, ' ', n);
	size_t len = space != NULL ? (size_t)(space - data) : 0;
	struct ng_question *q = len > 0 && len <= NG_COOKIE
	    ? map_get(&ng->questions, data, len)
	    : NULL;

	if (q != NULL && addr_equal(&q->to, from)) {
		ng_on_answer(ng, q, space + 1, n - len - 1);
		return;
	}
	if (ng->hear != NULL && !ng->hear(ng->hear_arg, from))
		return;
	if (len == 0 || len > NG_COOKIE) {
		ng_complain(ng, from, "no cookie");
		return;
	}
	if (ng->on_command != NULL)
		ng_on_request(ng, from, data, len, space + 1, n - len - 1);
}

static void
ng_on_datagram(
    void *arg, struct dgram *d, char *data, size_t n, const union addr *from)
{
	struct ng *ng = arg;

	(void)d;
	ng->reading = true;
	ng_understand(ng, from, data, n);
	ng->reading = false;
}
