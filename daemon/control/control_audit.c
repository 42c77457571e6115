/*
 * What of the work of consoles goes into the audit: every operation that is
 * no pure read, or carries a copy away, when it has ended; what was refused;
 * who came and who left. The answer to a changing operation leaves when its
 * entry is on disk.
 *
 * Refusals and logins cost who makes them nothing, so they are bounded: beyond
 * that they are counted, and the next entry tells how many are not there.
 *
 * Edits of a candidate cost little more, and a commit is in the revisions with
 * all that it changes: what one operator edits is kept up to a bound of bytes,
 * then counted, and the next entry of that operator tells how many, or one that
 * is made for it. What was committed or done is always kept; who does so much
 * of it that it would push out what others did has to wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define CHEAP_BURST 200 /* entries of refusals and logins at once ... */
#define CHEAP_RATE 10	/* ... and a second */
/* bytes of one operator's edits at once, and a second; when those that are not
 * kept are told */
#define EDITS_BURST (512 << 10)
#define EDITS_RATE (2 << 10)
#define EDITS_TOLD (60 * CLOCK_SEC)
/* the same of what an operator did */
#define DONE_BURST (16 << 20)
#define DONE_RATE (32 << 10)
#define ENTRY_FRAME 512 /* bytes of an entry beside its arguments, about */
#define ENTRY_TEXT 256	/* bytes of one text of the arguments */
#define ENTRY_MEMBERS 64

/* ---- an entry -------------------------------------------------------------
 */

/* Long texts and lists are cut: the audit tells what was done, it is no copy
 * of it. Borrows nothing. */
static json_t *
audit_cut(json_t *in)
{
	const char *text = json_string_value(in), *name;
	size_t n = json_string_length(in), keep = ENTRY_TEXT, i;
	json_t *out, *one;

	if (json_is_object(in)) {
		out = json_object();
		json_object_foreach (in, name, one) {
			if (json_object_size(out) < ENTRY_MEMBERS)
				json_object_set_new(out, name, audit_cut(one));
		}
		return out;
	}
	if (json_is_array(in)) {
		out = json_array();
		json_array_foreach (in, i, one) {
			if (i < ENTRY_MEMBERS)
				json_array_append_new(out, audit_cut(one));
		}
		return out;
	}
	if (text == NULL || n <= ENTRY_TEXT)
		return json_incref(in);
	while (keep > 0 && ((unsigned char)text[keep] & 0xc0) == 0x80)
		keep--;
	return json_sprintf("%.*s... (%zu bytes)", (int)keep, text, n);
}

/* Who, from where, when, in which session. */
static json_t *
audit_entry(struct control *c, const struct op_who *who, const char *op,
    const struct err *e)
{
	char when[CLOCK_TEXT];
	json_t *o;

	clock_text(when, clock_real());
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "time", when,
	    "server", c->self->server, "operator", who->name, "role",
	    admin_role_names[who->role], "from", who->from, "session",
	    who->session, "op", op, "result",
	    e != NULL ? err_name(e->code) : "done");
	if (o == NULL)
		fatalx("audit: out of memory");
	if (who->domain[0] != '\0')
		json_object_set_new(o, "domain", json_string(who->domain));
	if (e != NULL)
		json_object_set_new(o, "words", json_string(e->text));
	if (c->omitted > 0)
		json_object_set_new(
		    o, "omitted", json_integer((json_int_t)c->omitted));
	c->omitted = 0;
	return o;
}

/* Secrets are none of the audit's. */
static void
audit_put_args(json_t *entry, const struct op *op, json_t *args)
{
	json_t *masked;

	if (!json_is_object(args))
		return;
	masked = op_mask(op, args);
	json_object_set_new(entry, "args", audit_cut(masked));
	json_decref(masked);
}

/* The entry is taken. What ends while control stops is in no file. */
static void
audit_keep(struct control *c, json_t *entry, audit_fn *fn, void *arg)
{
	if (c->audit != NULL) {
		audit_add(c->audit, entry, fn, arg);
		return;
	}
	json_decref(entry);
	if (fn != NULL)
		fn(arg, NULL);
}

/* May an entry that costs nothing be written now? */
static bool
audit_affords(struct control *c)
{
	uint64_t now = clock_mono(),
		 earned = (now - c->cheap_at) / (CLOCK_SEC / CHEAP_RATE);

	if (earned > 0) {
		c->cheap = c->cheap > earned ? c->cheap - (unsigned)earned : 0;
		c->cheap_at = now;
	}
	if (c->cheap >= CHEAP_BURST) {
		c->omitted++;
		return false;
	}
	c->cheap++;
	return true;
}

void
audit_session(struct control *c, const struct op_who *who, const char *what,
    const struct err *e)
{
	if (audit_affords(c))
		audit_keep(c, audit_entry(c, who, what, e), NULL, NULL);
}

void
audit_refused(struct control *c, const struct op_who *who, const struct op *op,
    json_t *args, const struct err *e)
{
	json_t *o;

	if (!audit_affords(c))
		return;
	o = audit_entry(c, who, op->name, e);
	audit_put_args(o, op, args);
	audit_keep(c, o, NULL, NULL);
}

/* ---- what each operator may write ------------------------------------------
 */

/* One operator, whatever their sessions are: programs come and go. */
struct audit_purse {
	uint64_t at;	     /* monotonic */
	int64_t edits, done; /* bytes that may still be written */
	uint64_t folded;     /* edits that are not kept, not told yet */
	struct op_who who;   /* of the last of them */
};

static struct audit_purse *
purse_of(struct control *c, const struct op_who *who)
{
	char key[sizeof who->name + 1];
	struct audit_purse *p;

	snprintf(key, sizeof key, "%c%s", who->fixed ? '!' : ' ', who->name);
	if ((p = map_str(&c->purses, key)) != NULL)
		return p;
	p = xcalloc(1, sizeof *p);
	p->at = clock_mono();
	p->edits = EDITS_BURST;
	p->done = DONE_BURST;
	if (map_str_put(&c->purses, key, p) != 0)
		fatalx("out of memory");
	if (!loop_timer_is_set(c->purse_timer))
		loop_timer_set(c->purse_timer, EDITS_TOLD);
	return p;
}

/* What has grown in it since. */
static void
purse_fill(struct audit_purse *p)
{
	uint64_t now = clock_mono();
	int64_t ms = (int64_t)((now - p->at) / CLOCK_MS);

	p->at += (uint64_t)ms * CLOCK_MS;
	p->edits += ms * EDITS_RATE / 1000;
	p->done += ms * DONE_RATE / 1000;
	if (p->edits > EDITS_BURST)
		p->edits = EDITS_BURST;
	if (p->done > DONE_BURST)
		p->done = DONE_BURST;
}

/* How many are missing in front of this entry. */
static void
purse_tell(struct audit_purse *p, json_t *entry)
{
	if (p->folded > 0)
		json_object_set_new(
		    entry, "edits", json_integer((json_int_t)p->folded));
	p->folded = 0;
}

/* Who has edited and has not come back: the number alone. Who has long been
 * idle is forgotten. */
static void
purse_on_timer(void *arg)
{
	struct control *c = arg;
	struct audit_purse *p;
	const void *key;
	size_t at = 0, n;
	json_t *o;

	while ((p = map_next(&c->purses, &at, &key, &n)) != NULL) {
		purse_fill(p);
		if (p->folded > 0) {
			o = audit_entry(c, &p->who, "edits", NULL);
			purse_tell(p, o);
			audit_keep(c, o, NULL, NULL);
		} else if (p->edits == EDITS_BURST && p->done == DONE_BURST) {
			map_del(&c->purses, key, n);
			free(p);
		}
	}
	if (c->purses.count > 0)
		loop_timer_set(c->purse_timer, EDITS_TOLD);
}

bool
audit_is_spent(struct control *c, const struct op_who *who)
{
	struct audit_purse *p = purse_of(c, who);

	purse_fill(p);
	return !who->fixed && p->done <= 0;
}

/* It changes a candidate and no more, or came to nothing. A commit has a
 * number of its own, by which it is done once. */
static bool
audit_is_edit(const struct op *op, const struct err *e)
{
	return e != NULL ||
	    (op->kind == OP_CONFIG && op_field_find(op->args, "txid") == NULL);
}

/* Pay for an entry; false: it is counted instead. */
static bool
purse_pay(
    struct audit_purse *p, const struct op_who *who, size_t bytes, bool edit)
{
	purse_fill(p);
	if (!edit) {
		p->done -= (int64_t)bytes;
		return true;
	}
	if (p->edits < (int64_t)bytes) {
		p->folded++;
		p->who = *who;
		return false;
	}
	p->edits -= (int64_t)bytes;
	return true;
}

bool
audit_wants(const struct op *op)
{
	return op->kind != OP_READ || op->audited;
}

void
audit_done(struct control *c, const struct op_who *who, const struct op *op,
    json_t *args, json_t *result, const struct err *e, audit_fn *fn, void *arg)
{
	json_int_t rev = json_integer_value(json_object_get(result, "rev"));
	struct audit_purse *p = purse_of(c, who);
	json_t *what = json_object(), *o;

	audit_put_args(what, op, args);
	if (purse_pay(
		p, who, rpc_size(what) + ENTRY_FRAME, audit_is_edit(op, e))) {
		o = audit_entry(c, who, op->name, e);
		json_object_update(o, what);
		purse_tell(p, o);
		if (rev > 0)
			json_object_set_new(o, "rev", json_integer(rev));
		audit_keep(c, o, fn, arg);
	} else {
		fn(arg, NULL);
	}
	json_decref(what);
}

void
audit_start(struct control *c)
{
	char dir[sizeof c->self->state + 8];

	snprintf(dir, sizeof dir, "%s/audit", c->self->state);
	c->cheap_at = clock_mono();
	if (c->purse_timer == NULL)
		c->purse_timer = loop_timer_new(
		    c->self->loop, purse_on_timer, c);
	c->audit = audit_open(c->self->loop, dir);
}

void
audit_stop(struct control *c)
{
	struct audit_purse *p;
	size_t at = 0;

	purse_on_timer(c); /* what was not told yet */
	while ((p = map_next(&c->purses, &at, NULL, NULL)) != NULL)
		free(p);
	map_fini(&c->purses);
	loop_timer_free(&c->purse_timer);
	audit_close(&c->audit);
}
