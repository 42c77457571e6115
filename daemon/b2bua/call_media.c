/*
 * Media of a call, by MGC. Each question is asked at MGC's owner of that
 * moment, one after another in a call, and again while the owner changes;
 * a call gets its media or its failure, never both. Deleting goes on in the
 * background of an ended call, for what MGC did not hear of would keep ports.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define MEDIA_TRY (UINT64_C(500) * CLOCK_MS) /* at one owner */
#define MEDIA_PAUSE (UINT64_C(20) * CLOCK_MS)
#define MEDIA_DELETE (UINT64_C(32) * CLOCK_SEC)
#define MEDIA_MAGIC 0xb2b0a005u

struct media_op {
	unsigned magic;
	struct media_op *next;
	struct call *call;
	const char *command;
	json_t *dict;
	uint64_t until; /* monotonic */
	bool deletes;
	bool asked; /* ng has it */
	call_media_fn *fn;
	void *arg;
	struct loop_timer *timer; /* until the next try */
};

static void media_next(struct call *);

static void
media_free(struct media_op *op)
{
	if (op->asked)
		ng_forget(op->call->b2bua->ng, op);
	loop_timer_free(&op->timer);
	json_decref(op->dict);
	free(op);
}

/* Take the first one out of the queue and tell its asker. */
static void
media_end(struct media_op *op, json_t *answer, const struct err *err)
{
	struct call *c = op->call;
	const char *sdp = json_string_value(json_object_get(answer, "sdp"));
	call_media_fn *fn = op->fn;
	void *arg = op->arg;
	struct err none;

	if ((c->media_first = op->next) == NULL)
		c->media_last = &c->media_first;
	if (err == NULL && !op->deletes && sdp == NULL) {
		err_set(&none, ERR_INTERNAL, "%s: no sdp", op->command);
		err = &none;
	}
	if (err != NULL) {
		c->b2bua->count.media_failed++;
		log_debug("call=%s media: %s", c->id, err->text);
	}
	op->asked = false;
	media_free(op);
	fn(c, arg, sdp, err);
	media_next(c);
}

/* A counter of the RTP stream of a media in the reply to a delete (the first
 * one; the second is RTCP); NULL when the reply does not tell. */
static json_t *
media_counter(json_t *media, const char *what)
{
	json_t *rtp = json_array_get(json_object_get(media, "streams"), 0);
	json_t *v = json_object_get(json_object_get(rtp, "stats"), what);

	return json_is_integer(v) ? v : NULL;
}

/* The same of all media of one tag together; -1 = not told. */
static int64_t
media_sum(json_t *dict, const char *tag, const char *what)
{
	json_t *medias = json_object_get(
	    json_object_get(json_object_get(dict, "tags"), tag), "medias");
	json_t *m, *v;
	int64_t sum = -1;
	size_t i;

	json_array_foreach (medias, i, m) {
		if ((v = media_counter(m, what)) != NULL)
			sum = (sum < 0 ? 0 : sum) + json_integer_value(v);
	}
	return sum;
}

/* Say how good the worst stream was, if the gate has an opinion. */
static void
media_note_quality(struct call *c, json_t *dict)
{
	json_t *party, *m, *v;
	json_int_t worst = 0;
	const char *tag;
	size_t i;

	json_object_foreach (json_object_get(dict, "tags"), tag, party) {
		json_array_foreach (json_object_get(party, "medias"), i, m) {
			if ((v = media_counter(m, "mos")) != NULL &&
			    (worst == 0 || json_integer_value(v) < worst))
				worst = json_integer_value(v);
		}
	}
	if (worst > 0 && worst <= 500 && c->domain_id[0] != '\0')
		call_trace_quality(c, (unsigned)worst);
}

static void
media_note_totals(struct call *c, json_t *dict)
{
	c->rx_caller = media_sum(dict, c->a.label, "packets");
	c->lost_caller = media_sum(dict, c->a.label, "lost");
	media_note_quality(c, dict);
	if (c->winner == NULL)
		return;
	c->rx_callee = media_sum(dict, c->winner->leg.label, "packets");
	c->lost_callee = media_sum(dict, c->winner->leg.label, "lost");
}

/* The owner of MGC is changing: asked again in a moment. */
static bool
media_is_moving(const struct err *err)
{
	return strcmp(err->text, "not the owner") == 0 ||
	    strcmp(err->text, "no owner at the moment") == 0;
}

/* The gate finds fault with what a phone has described. */
static bool
media_is_description(const struct err *err)
{
	return str_prefix(err->text, "Failed to parse SDP") ||
	    strcmp(err->text, "Error rewriting SDP") == 0 ||
	    strcmp(err->text, "No media that can be echoed") == 0;
}

static void media_try(void *);

static void
media_on_reply(void *arg, json_t *dict, const struct err *err)
{
	struct media_op *op = OBJ(arg, media_op, MEDIA_MAGIC);

	struct err why;

	op->asked = false;
	if (err != NULL && err->code == ERR_TIMEOUT) {
		media_try(op);
		return;
	}
	if (err != NULL && media_is_moving(err)) {
		loop_timer_set(op->timer, MEDIA_PAUSE);
		return;
	}
	if (err != NULL && media_is_description(err)) {
		err_set(&why, ERR_CHECK, "%.200s", err->text);
		err = &why;
	}
	if (dict != NULL && op->deletes)
		media_note_totals(op->call, dict);
	media_end(op, dict, err);
}

/* Ask the owner; without one, a little later, until the time is over. */
static void
media_try(void *arg)
{
	struct media_op *op = OBJ(arg, media_op, MEDIA_MAGIC);
	struct b2bua *b = op->call->b2bua;
	uint64_t now = clock_mono(), left;
	struct owner o;
	struct err err;

	if (now >= op->until) {
		err_set(&err, ERR_TIMEOUT, "%s: no media gate controller",
		    op->command);
		media_end(op, NULL, &err);
		return;
	}
	left = op->until - now;
	if (!owner_map_find(b->self->owners, "mgc", &o) ||
	    o.state != OWNER_SERVING) {
		loop_timer_set(
		    op->timer, left < MEDIA_PAUSE ? left : MEDIA_PAUSE);
		return;
	}
	op->asked = true;
	ng_call(b->ng, &o.inside, json_incref(op->dict),
	    left < MEDIA_TRY ? left : MEDIA_TRY, media_on_reply, op);
}

static void
media_next(struct call *c)
{
	struct media_op *op = c->media_first;

	if (op != NULL && !op->asked && !loop_timer_is_set(op->timer))
		media_try(op);
}

static void
media_add(struct call *c, const char *command, json_t *dict, uint64_t span,
    call_media_fn *fn, void *arg)
{
	struct media_op *op = xcalloc(1, sizeof *op);

	op->magic = MEDIA_MAGIC;
	op->call = c;
	op->command = command;
	op->deletes = strcmp(command, "delete") == 0;
	op->dict = dict;
	op->until = clock_mono() + span;
	op->fn = fn;
	op->arg = arg;
	op->timer = loop_timer_new(c->b2bua->self->loop, media_try, op);
	*c->media_last = op;
	c->media_last = &op->next;
	media_next(c);
}

/* Where the peer's signalling came from: MG believes that address first. */
static void
media_add_source(json_t *dict, const struct leg *l)
{
	const char *host = l->source, *end;
	union addr a;
	json_t *list;

	if (host == NULL || (end = strchr(host, ';')) == NULL)
		return;
	while (end > host && *end != ':')
		end--;
	if (host[0] == '[' && end > host && end[-1] == ']') {
		host++;
		end--;
	}
	if (!addr_nparse(&a, host, (size_t)(end - host), 0))
		return;
	list = json_array();
	json_array_append_new(
	    list, json_string(a.sa.sa_family == AF_INET6 ? "IP6" : "IP4"));
	json_array_append_new(list, json_stringn(host, (size_t)(end - host)));
	json_object_set_new(dict, "received-from", list);
}

static void
media_set(json_t *dict, const char *key, const char *text)
{
	json_object_set_new_nocheck(dict, key, json_string(text));
}

static json_t *
media_dict(const char *command, const struct leg *says,
    const struct leg *offerer, const struct leg *answerer)
{
	json_t *d = json_object(), *replace = json_array();

	json_array_append_new(replace, json_string("origin"));
	json_array_append_new(replace, json_string("session-connection"));
	json_object_set_new_nocheck(d, "replace", replace);
	media_set(d, "command", command);
	media_set(d, "call-id", says->call->id);
	media_set(d, "from-tag", offerer->label);
	media_set(d, "ICE", "remove");
	json_object_set_new_nocheck(
	    d, "sdp", json_stringn(says->sdp_got.data, says->sdp_got.len));
	if (answerer != NULL)
		media_set(d, "to-tag", answerer->label);
	media_add_source(d, says);
	return d;
}

void
call_media_offer(
    struct leg *from, struct leg *to, bool echo, call_media_fn *fn, void *arg)
{
	json_t *d = media_dict("offer", from, from, to);

	if (echo)
		json_object_set_new(
		    d, "flags", json_pack("[s]", "tandem-echo"));
	from->call->media = true;
	media_add(from->call, "offer", d, b2bua_times.ask, fn, arg);
}

void
call_media_answer(
    struct leg *offerer, struct leg *answerer, call_media_fn *fn, void *arg)
{
	media_add(answerer->call, "answer",
	    media_dict("answer", answerer, offerer, answerer), b2bua_times.ask,
	    fn, arg);
}

static void
media_on_deleted(
    struct call *c, void *arg, const char *sdp, const struct err *err)
{
	(void)arg;
	(void)sdp;
	(void)err;
	c->media_gone = true;
	call_settle(c);
}

void
call_media_delete(struct call *c)
{
	if (!c->media || c->media_gone)
		return;
	media_add(c, "delete",
	    json_pack("{s:s, s:s, s:s, s:[s]}", "command", "delete", "call-id",
		c->id, "from-tag", c->a.label, "flags", "tandem-brief"),
	    MEDIA_DELETE, media_on_deleted, NULL);
}

void
call_media_forget(struct call *c, const void *arg)
{
	struct media_op **at = &c->media_first, *op;

	while ((op = *at) != NULL) {
		if (arg != NULL && op->arg != arg) {
			at = &op->next;
			continue;
		}
		*at = op->next;
		media_free(op);
	}
	c->media_last = at;
	media_next(c);
}

int
call_media_take(struct leg *l, const sip_t *sip, bool *present)
{
	const sip_payload_t *pl = sip->sip_payload;
	struct sdp_origin o = {0, 0};
	struct buf b = BUF_INIT;
	struct err err;
	int rc;

	*present = false;
	if (pl == NULL || pl->pl_len == 0)
		return 0;
	*present = true;
	if (!headers_is_sdp(sip))
		return 415;
	rc = sdp_filter_write(&b, pl->pl_data, pl->pl_len, &o, 0, &err);
	if (rc != 0) {
		l->call->b2bua->count.sdp_refused++;
		log_debug("call=%s leg=%s %s", l->call->id, l->label, err.text);
		buf_fini(&b);
		return rc == -ERR_TOOBIG ? 513 : 488;
	}
	buf_fini(&l->sdp_got);
	l->sdp_got = b;
	return 0;
}
