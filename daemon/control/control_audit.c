/*
 * What of the work of consoles goes into the audit: every operation that is
 * no pure read, when it has ended; what was refused; who came and who left.
 * The answer to a changing operation leaves when its entry is on disk.
 *
 * Refusals and logins cost who makes them nothing, so they are bounded: beyond
 * that they are counted, and the next entry tells how many are not there.
 */
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define CHEAP_BURST 200 /* entries of refusals and logins at once ... */
#define CHEAP_RATE 10	/* ... and a second */
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
	json_t *o, *masked;

	if (!audit_affords(c))
		return;
	o = audit_entry(c, who, op->name, e);
	if (json_is_object(args)) {
		masked = op_mask(op, args);
		json_object_set_new(o, "args", audit_cut(masked));
		json_decref(masked);
	}
	audit_keep(c, o, NULL, NULL);
}

bool
audit_wants(const struct op *op)
{
	return op->kind != OP_READ;
}

void
audit_done(struct control *c, const struct op_who *who, const struct op *op,
    json_t *args, json_t *result, const struct err *e, audit_fn *fn, void *arg)
{
	json_t *o = audit_entry(c, who, op->name, e), *masked;
	json_int_t rev = json_integer_value(json_object_get(result, "rev"));

	if (json_is_object(args)) {
		masked = op_mask(op, args);
		json_object_set_new(o, "args", audit_cut(masked));
		json_decref(masked);
	}
	if (rev > 0)
		json_object_set_new(o, "rev", json_integer(rev));
	audit_keep(c, o, fn, arg);
}

void
audit_start(struct control *c)
{
	char dir[sizeof c->self->state + 8];

	snprintf(dir, sizeof dir, "%s/audit", c->self->state);
	c->cheap_at = clock_mono();
	c->audit = audit_open(c->self->loop, dir);
}
