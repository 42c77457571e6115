/*
 * request drill role, request drill server: what an operator may ask of a
 * drill, and the report.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill.h"
#include "daemon/base/clock.h"
#include "daemon/base/crypt.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

static const char *const drill_faults_role[] = {"kill", "stop", "move", NULL};
static const enum drill_kind drill_kinds_role[] = {
    DRILL_KILL, DRILL_STALL, DRILL_MOVE};
static const char *const drill_faults_server[] = {"kill", "cut", "drain", NULL};
static const enum drill_kind drill_kinds_server[] = {
    DRILL_KILL, DRILL_CUT, DRILL_DRAIN};

/* ---- the report ---------------------------------------------------------- */

static uint64_t
drill_acknowledged(const struct drill *d)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < d->nkeys; i++)
		n += d->key[i].nacked;
	return n;
}

static void
drill_row(struct drill *d, const struct drill_times *t)
{
	struct op_call *call = d->call;

	op_row(call);
	op_put(call, "of", d->server[0] != '\0' ? d->server : d->key[0].name);
	op_put(call, "fault", op_arg(call, "fault"));
	op_put_int(call, "trials", d->machine.trials);
	op_put_int(call, "p50-us", (int64_t)t->p50);
	op_put_int(call, "p99-us", (int64_t)t->p99);
	op_put_int(call, "p999-us", (int64_t)t->p999);
	op_put_int(call, "max-us", (int64_t)t->max);
	op_put_int(call, "acknowledged", (int64_t)drill_acknowledged(d));
	op_put_int(call, "lost", (int64_t)d->lost);
}

static void
drill_warn_outliers(struct drill *d, const struct drill_times *t)
{
	char at[CLOCK_TEXT];
	unsigned i;

	for (i = 0; i < d->machine.trials; i++) {
		if (!drill_is_outlier(&d->trial[i], t))
			continue;
		clock_text(at, d->trial[i].at);
		op_warn(d->call,
		    "trial %u took %llu us: at %s, %s to %s, epoch %llu", i + 1,
		    (unsigned long long)d->trial[i].us, at, d->trial[i].from,
		    d->trial[i].to, (unsigned long long)d->trial[i].epoch);
	}
}

/* A drill that lost something, or broke off, is an error; its figures come
 * with it. */
void
drill_tell(struct drill *d)
{
	struct op_call *call = d->call;
	struct drill_times t;

	drill_times(d->trial, d->machine.trials, &t);
	drill_row(d, &t);
	drill_warn_outliers(d, &t);
	if (d->lost == 0 && d->machine.why.code == ERR_NONE) {
		op_finish(call, NULL);
		return;
	}
	call->err_data = json_pack("{s:o}", "report", op_result(call));
	op_failf(call, d->lost != 0 ? ERR_CORRUPT : d->machine.why.code,
	    "%llu of %llu acknowledged writes are lost; %u trials, p50 %llu "
	    "us, p99 %llu us, max %llu us%s%s",
	    (unsigned long long)d->lost,
	    (unsigned long long)drill_acknowledged(d), d->machine.trials,
	    (unsigned long long)t.p50, (unsigned long long)t.p99,
	    (unsigned long long)t.max,
	    d->machine.why.code != ERR_NONE ? "; ended early: " : "",
	    d->machine.why.text);
}

/* ---- the beginning ------------------------------------------------------- */

static struct drill *
drill_new(struct op_call *call, const char *const *faults,
    const enum drill_kind *kinds)
{
	struct drill *d = xcalloc(1, sizeof *d);
	unsigned times = (unsigned)op_arg_int(call, "times", 1), i = 0;

	d->magic = DRILL_MAGIC;
	d->control = control_of(call);
	while (strcmp(faults[i], op_arg(call, "fault")) != 0)
		i++;
	d->kind = kinds[i];
	d->rate = (uint64_t)op_arg_int(call, "rate", 1);
	d->lasts = (uint32_t)op_arg_int(call, "lasts", 2000);
	d->trial = xcalloc(times, sizeof *d->trial);
	drill_begin(&d->machine, times,
	    (uint64_t)op_arg_int(call, "pause", 0) * CLOCK_MS);
	rand_hex(d->as, 3);
	d->who = call->who;
	str_copy(d->console, sizeof d->console, call->who.session);
	snprintf(d->who.session, sizeof d->who.session, "%.32s.%s",
	    d->control->self->server, d->as);
	return d;
}

static void
drill_add_key(struct drill *d, enum role_id role)
{
	struct drill_key *k = &d->key[d->nkeys++];

	k->drill = d;
	k->role = role;
	k->name = role_rows[role].name;
}

/* Why it cannot begin; ERR_NONE = it can. */
static enum err_code
drill_admit(struct drill *d, struct err *e)
{
	struct control *c = d->control;
	char other[MESH_NAME];
	struct owner o;
	unsigned i;

	if (c->drill != NULL)
		return (enum err_code) -
		    err_set(e, ERR_CONFLICT, "another drill is running here");
	for (i = 0; i < d->nkeys; i++) {
		if (!owner_map_find(c->self->owners, d->key[i].name, &o) ||
		    o.state != OWNER_SERVING)
			return (enum err_code) -
			    err_set(e, ERR_NOOWNER,
				"%s has no owner at the moment",
				d->key[i].name);
	}
	if (d->kind == DRILL_MOVE && !drill_site_other(d, &d->key[0], other))
		return (enum err_code) -
		    err_set(e, ERR_REFUSED,
			"no other server is in sync that could own %s",
			d->key[0].name);
	if (d->server[0] == '\0')
		return ERR_NONE;
	if (strcmp(d->server, c->self->server) == 0)
		return (enum err_code) -
		    err_set(e, ERR_REFUSED,
			"the drill runs on %s: ask another server", d->server);
	if (far_find(c, d->server) == NULL)
		return (enum err_code) -
		    err_set(e, ERR_ABSENT,
			"there is no server %s, or it is not connected",
			d->server);
	return ERR_NONE;
}

static void
drill_go(struct drill *d, struct op_call *call)
{
	struct err e;

	if (drill_admit(d, &e) == ERR_NONE) {
		drill_start(d, call);
		return;
	}
	free(d->trial);
	free(d);
	op_finish(call, &e);
}

static void
drill_role_run(struct op_call *call)
{
	struct drill *d = drill_new(call, drill_faults_role, drill_kinds_role);

	drill_add_key(d, role_find(op_arg(call, "role")));
	drill_go(d, call);
}

static void
drill_server_run(struct op_call *call)
{
	struct drill *d = drill_new(
	    call, drill_faults_server, drill_kinds_server);

	str_copy(d->server, sizeof d->server, op_arg(call, "server"));
	drill_add_key(d, ROLE_SR);
	drill_add_key(d, ROLE_ST);
	drill_go(d, call);
}

/* ---- the records --------------------------------------------------------- */

#define DRILL_ARGS                                                            \
	{.name = "times",                                                     \
	    .type = &op_type_int,                                             \
	    .min = 1,                                                         \
	    .max = 10000,                                                     \
	    .def = "10",                                                      \
	    .brief = "trials"},                                               \
	    {.name = "pause",                                                 \
		.type = &op_type_int,                                         \
		.min = 0,                                                     \
		.max = 30000,                                                 \
		.def = "500",                                                 \
		.brief = "milliseconds from a whole site to the next fault"}, \
	    {.name = "rate",                                                  \
		.type = &op_type_int,                                         \
		.min = 1,                                                     \
		.max = 1000,                                                  \
		.def = "100",                                                 \
		.brief = "writes a second to each owner"},                    \
	    {.name = "lasts",                                                 \
		.type = &op_type_int,                                         \
		.min = 1,                                                     \
		.max = ROLE_FAULT_MS,                                         \
		.def = "2000",                                                \
		.brief = "milliseconds that a fault lasts which can end"},    \
	    {.name = "maintenance",                                           \
		.type = &op_type_bool,                                        \
		.flags = OP_FLAG | OP_REQUIRED,                               \
		.brief = "yes, live processes may be killed"},                \
	{                                                                     \
		0                                                             \
	}

static const char *const drill_roles[] = {"sr", "st", "mgc", NULL};

static const struct op_field drill_role_args[] = {
    {.name = "role",
	.type = &op_type_choice,
	.choices = drill_roles,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "whose owner the fault meets"},
    {.name = "fault",
	.type = &op_type_choice,
	.choices = drill_faults_role,
	.flags = OP_REQUIRED,
	.brief = "kill, stop for a while, or move to another server"},
    DRILL_ARGS};

static const struct op_field drill_server_args[] = {
    {.name = "server",
	.type = &op_type_name,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "another server than the one that is asked"},
    {.name = "fault",
	.type = &op_type_choice,
	.choices = drill_faults_server,
	.flags = OP_REQUIRED,
	.brief = "kill all its processes, cut it off, or drain it"},
    DRILL_ARGS};

static const struct op_field drill_cols[] = {
    {.name = "of", .type = &op_type_name, .brief = "role or server"},
    {.name = "fault", .type = &op_type_text, .brief = "what was done to it"},
    {.name = "trials", .type = &op_type_int, .brief = "faults made"},
    {.name = "p50-us",
	.type = &op_type_int,
	.brief = "microseconds from a fault to service: the median"},
    {.name = "p99-us",
	.type = &op_type_int,
	.brief = "the same: 99 of 100 were not slower"},
    {.name = "p999-us",
	.type = &op_type_int,
	.brief = "the same: 999 of 1,000 were not slower"},
    {.name = "max-us", .type = &op_type_int, .brief = "the same: the slowest"},
    {.name = "acknowledged",
	.type = &op_type_int,
	.brief = "writes that were answered positively"},
    {.name = "lost",
	.type = &op_type_int,
	.brief = "of these, not there on a server afterwards"},
    {0},
};

#define DRILL_ABOUT                                                            \
	"While it runs, writes are sent to the owners at a steady rate, each " \
	"under a number; a trial is over when a write is acknowledged under "  \
	"a new ownership, and the next begins when the site is as whole as "   \
	"it was. At the end every acknowledged write is looked for on every "  \
	"server, and all are taken away. A write that is lost is an error. "   \
	"Ctrl-C ends the drill in order; see tandem-replication(7). "

const struct op control_op_drill_role = {
    .name = "request drill role",
    .kind = OP_ACTION,
    .access = OP_ADMIN,
    .where = OP_CONTROL,
    .brief = "break the owner of a role and measure its replacement",
    .about = DRILL_ABOUT
    "The process that owns the role is killed, stopped for a while as if it "
    "hung, or its ownership is moved. Roles that can be drilled are those "
    "with an owner: sr, st and mgc.",
    .example = "request drill role sr fault kill times 2 maintenance",
    .args = drill_role_args,
    .cols = drill_cols,
    .run = drill_role_run,
};

const struct op control_op_drill_server = {
    .name = "request drill server",
    .kind = OP_ACTION,
    .access = OP_ADMIN,
    .where = OP_CONTROL,
    .brief = "break a server and measure its replacement",
    .about = DRILL_ABOUT
    "Before each trial the ownerships of sr and st are moved to the server. "
    "To kill it means all its processes but the supervisor at once: what "
    "others see of a power failure, except that connections are reset. Cut "
    "off, it says nothing to other servers and hears nothing.",
    .example = "request drill server srv2 fault drain times 2 maintenance",
    .args = drill_server_args,
    .cols = drill_cols,
    .run = drill_server_run,
};
