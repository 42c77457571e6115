/* Operations on the audit of the servers: show audit, show audit verify. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* ---- show audit -----------------------------------------------------------
 */

#define AUDIT_LOOK (16u << 20) /* bytes of entries that are looked through */

/* The last entries that are wanted, the youngest first. */
struct audit_show {
	struct op_call *call;
	const char *by;	   /* NULL: anybody */
	size_t want, seen; /* entries; bytes looked through */
	json_t *found;
};

static int
audit_take(void *arg, const struct audit_line *l)
{
	struct audit_show *w = arg;
	json_t *o = json_loadb(l->json, l->n, 0, NULL);
	const char *by = json_string_value(json_object_get(o, "operator"));

	w->seen += l->n;
	if (json_is_object(o) && (w->by == NULL || str_equal(w->by, by))) {
		json_object_set_new(
		    o, "entry", json_integer((json_int_t)l->number));
		json_array_append(w->found, o);
	}
	json_decref(o);
	if (w->seen > AUDIT_LOOK) {
		op_warn(w->call,
		    "older entries were not looked through: more than %u MiB",
		    AUDIT_LOOK >> 20);
		return 1;
	}
	return json_array_size(w->found) == w->want;
}

/* A text of the entry; arguments as JSON. */
static void
audit_put_text(struct op_call *call, json_t *o, const char *name)
{
	json_t *v = json_object_get(o, name);
	char *text;

	if (json_is_string(v)) {
		op_put(call, name, json_string_value(v));
	} else if (v != NULL) {
		text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		op_put(call, name, text);
		free(text);
	}
}

static void
audit_row(struct op_call *call, json_t *o)
{
	static const char *const texts[] = {"time", "operator", "role",
	    "domain", "from", "session", "op", "args", "result", "words"};
	json_t *rev = json_object_get(o, "rev"),
	       *omitted = json_object_get(o, "omitted"),
	       *edits = json_object_get(o, "edits");
	size_t i;

	op_row(call);
	op_put_int(
	    call, "entry", json_integer_value(json_object_get(o, "entry")));
	op_put(call, "server", control_of(call)->self->server);
	for (i = 0; i < sizeof texts / sizeof texts[0]; i++)
		audit_put_text(call, o, texts[i]);
	if (json_is_integer(rev))
		op_put_int(call, "rev", json_integer_value(rev));
	if (json_is_integer(omitted))
		op_put_int(call, "omitted", json_integer_value(omitted));
	if (json_is_integer(edits))
		op_put_int(call, "edits", json_integer_value(edits));
}

static void
audit_run(struct op_call *call)
{
	struct audit_show w = {.call = call,
	    .by = op_arg(call, "operator"),
	    .want = (size_t)op_arg_int(call, "last", 1),
	    .found = json_array()};
	size_t n;

	audit_each_back(audit_dir(control_of(call)->audit), audit_take, &w);
	for (n = json_array_size(w.found); n > 0; n--)
		audit_row(call, json_array_get(w.found, n - 1));
	json_decref(w.found);
	op_finish(call, NULL);
}

static const struct op_field audit_args[] = {
    {.name = "last",
	.type = &op_type_int,
	.min = 1,
	.max = 10000,
	.def = "50",
	.brief = "how many of each server"},
    {.name = "operator",
	.type = &op_type_login,
	.brief = "only what this operator did"},
    {0},
};

static const struct op_field audit_cols[] = {
    {.name = "server", .type = &op_type_name, .brief = "that wrote it"},
    {.name = "entry", .type = &op_type_int, .brief = "its number there"},
    {.name = "time", .type = &op_type_time, .brief = "when it ended"},
    {.name = "operator", .type = &op_type_text, .brief = "who"},
    {.name = "role", .type = &op_type_name, .brief = "what they might do then"},
    {.name = "domain",
	.type = &op_type_domain,
	.flags = OP_DETAIL,
	.brief = "that they were limited to"},
    {.name = "from", .type = &op_type_text, .brief = "from where"},
    {.name = "session",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "in which session"},
    {.name = "op", .type = &op_type_text, .brief = "what"},
    {.name = "args",
	.type = &op_type_text,
	.brief = "with what, as JSON; secrets masked"},
    {.name = "result",
	.type = &op_type_text,
	.brief = "done, or the name of the error"},
    {.name = "rev",
	.type = &op_type_int,
	.brief = "configuration revision then"},
    {.name = "words",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "of the error"},
    {.name = "omitted",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "refusals and logins before it that are not kept"},
    {.name = "edits",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "edits of this operator before it that are not kept"},
    {0},
};

const struct op control_op_audit = {
    .name = "show audit",
    .kind = OP_READ,
    .access = OP_AUDIT,
    .where = OP_CONTROL,
    .brief = "who did what",
    .about =
	"What consoles have asked of each server that is no pure read, what "
	"was refused as not permitted, and logins, the youngest last. An "
	"entry is written where the console was, when the operation ended, "
	"and is on disk before its answer leaves. tandem-admin(7) says what "
	"is kept and for how long.",
    .example = "show audit last 20",
    .args = audit_args,
    .cols = audit_cols,
    .run = audit_run,
};

/* ---- show audit verify ----------------------------------------------------
 */

struct audit_verify {
	struct op_call *call;
	struct audit_check check;
	struct audit_head head;
	struct loop_timer *turn;
};

static void
verify_end(struct audit_verify *v, const struct err *e)
{
	struct op_call *call = v->call;

	op_row(call);
	op_put(call, "server", control_of(call)->self->server);
	op_put_int(call, "first", (int64_t)v->head.first);
	op_put_int(call, "entries", (int64_t)v->check.entries);
	op_put(call, "state", e == NULL ? "whole" : "damaged");
	op_put(call, "words", e != NULL ? e->text : NULL);
	op_put_int(call, "last", (int64_t)v->check.number);
	op_put(call, "hash", v->check.hash);
	if (e != NULL) {
		log_warnx("audit: %s", e->text);
		op_warn(call, "the audit of server %s is damaged: %s",
		    control_of(call)->self->server, e->text);
	}
	audit_check_end(&v->check);
	loop_timer_free(&v->turn);
	free(v);
	op_finish(call, NULL);
}

static void
verify_on_turn(void *arg)
{
	struct audit_verify *v = arg;
	struct err e;
	int r = audit_check_step(&v->check, &e);

	if (r == 1)
		loop_timer_set(v->turn, 0);
	else
		verify_end(v, r != 0 ? &e : NULL);
}

static void
verify_run(struct op_call *call)
{
	struct audit_verify *v = xcalloc(1, sizeof *v);
	struct control *c = control_of(call);

	v->call = call;
	audit_tell(c->audit, &v->head);
	audit_check_begin(&v->check, audit_dir(c->audit), &v->head);
	v->turn = loop_timer_new(c->self->loop, verify_on_turn, v);
	loop_timer_set(v->turn, 0);
}

static const char *const verify_states[] = {"whole", "damaged", NULL};

static const struct op_field verify_cols[] = {
    {.name = "server", .type = &op_type_name, .brief = "whose audit"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = verify_states,
	.brief = "what was found"},
    {.name = "first",
	.type = &op_type_int,
	.brief = "number of the oldest entry kept"},
    {.name = "last",
	.type = &op_type_int,
	.brief = "number of the last one that fits"},
    {.name = "entries", .type = &op_type_int, .brief = "that fit"},
    {.name = "words",
	.type = &op_type_text,
	.brief = "the first that does not fit"},
    {.name = "hash",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "of the last one that fits"},
    {0},
};

const struct op control_op_audit_verify = {
    .name = "show audit verify",
    .kind = OP_READ,
    .access = OP_AUDIT,
    .where = OP_CONTROL,
    .brief = "whether the audit is as it was written",
    .about =
	"Every entry holds the hash of the one before it, and the server "
	"remembers the last. What was changed, removed or cut off is found, "
	"and the first entry that does not fit is named. Who may write to "
	"the files and knows the format can make all hashes anew: note "
	"number and hash of the last entry elsewhere from time to time, and "
	"compare.",
    .example = "show audit verify",
    .cols = verify_cols,
    .run = verify_run,
};
