/*
 * Operations on processes: show version, show roles, show ownership, show
 * statistics, request role restart. What is shown is what the supervisor and
 * the owner map said last.
 */
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

size_t
control_targets(
    struct control *c, enum role_id role, struct each_target *to, size_t room)
{
	struct peer *p;
	unsigned at = 0;
	size_t n = 0;

	while (n < room && (p = role_peer_next(c->self, role, &at)) != NULL) {
		to[n] = (struct each_target){
		    .rpc = p->rpc, .named = far_here(c) != NULL};
		far_name(c, to[n++].name, p->name);
	}
	return n;
}

/* Whole seconds since a time of the real clock. */
static int64_t
role_seconds(uint64_t since)
{
	uint64_t now = clock_real();

	return since != 0 && now > since ? (int64_t)((now - since) / CLOCK_SEC)
					 : 0;
}

/* ---- show version ------------------------------------------------------- */

static void
version_run(struct op_call *call)
{
	const struct self *self = call->self;

	op_row(call);
	op_put(call, "version", TANDEM_VERSION);
	op_put(call, "server", self->server);
	op_put(call, "site", self->site);
	op_put_time(call, "started", self->started);
	op_finish(call, NULL);
}

static const struct op_field version_cols[] = {
    {.name = "version", .type = &op_type_text, .brief = "of the daemon"},
    {.name = "server", .type = &op_type_name, .brief = "that answers"},
    {.name = "site", .type = &op_type_name, .brief = "it belongs to"},
    {.name = "started",
	.type = &op_type_time,
	.brief = "when its control process began"},
    {0},
};

const struct op control_op_version = {
    .name = "show version",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "version, server and site",
    .about = "What runs at the other end of this console.",
    .example = "show version",
    .cols = version_cols,
    .run = version_run,
};

/* ---- show roles --------------------------------------------------------- */

/* The key an instance may own, by which its owner is found; its own entry
 * when it can own nothing. */
static void
role_key(
    char *out, size_t size, enum role_id id, unsigned index, const char *server)
{
	if (role_rows[id].mode == ROLE_PASSIVE)
		str_copy(out, size, role_rows[id].name);
	else if (id == ROLE_B2BUA)
		snprintf(out, size, "calls/b2bua-%u@%.32s", index, server);
	else
		snprintf(out, size, "%s/%u@%.32s", role_rows[id].name, index,
		    server);
}

/* Does it own its key, and under which epoch? */
static bool
role_owns(
    const struct self *self, enum role_id id, unsigned index, uint64_t *epoch)
{
	char key[OWNER_KEY], full[OWNER_INSTANCE];
	struct owner o;

	snprintf(full, sizeof full, "%s/%u@%.32s", role_rows[id].name, index,
	    self->server);
	role_key(key, sizeof key, id, index, self->server);
	if (!owner_map_find(self->owners, key, &o) || o.state == OWNER_DOWN ||
	    strcmp(o.instance, full) != 0)
		return false;
	*epoch = o.epoch;
	return true;
}

static void
roles_row(struct op_call *call, enum role_id id, unsigned index,
    const struct role_status *s)
{
	static const char *const modes[] = {"single", "active", "passive"};
	const struct role_row *r = &role_rows[id];
	struct control *c = control_of(call);
	char instance[OWNER_INSTANCE];
	uint64_t epoch = 0;
	int weight;
	bool owns = role_owns(call->self, id, index, &epoch);

	far_name(c, instance, s->name);
	op_row(call);
	op_put(call, "instance", instance);
	op_put(call, "role", r->name);
	op_put(call, "brief", r->brief);
	op_put(call, "mode", modes[r->mode]);
	op_put(call, "state", s->state);
	if (s->pid != 0)
		op_put_int(call, "pid", s->pid);
	if (r->mode == ROLE_PASSIVE || id == ROLE_B2BUA)
		op_put_bool(call, "owner", owns);
	if (owns)
		op_put_int(call, "epoch", (int64_t)epoch);
	if (s->pid != 0)
		op_put_int(call, "uptime", role_seconds(s->since));
	op_put_int(call, "restarts", s->restarts);
	if (id == ROLE_B2BUA && (weight = site_weight(c, r->name)) > 0)
		op_put_int(call, "weight", weight);
}

static void
roles_run(struct op_call *call)
{
	struct control *c = control_of(call);
	const struct role_status *s;
	char name[ROLE_NAME];
	unsigned i;
	int id;

	for (id = 0; id < ROLE_MAX; id++) {
		for (i = 1; i <= ROLE_INSTANCES; i++) {
			snprintf(
			    name, sizeof name, "%s/%u", role_rows[id].name, i);
			s = map_str(&c->status, name);
			if (s != NULL && control_has_instance(c, name))
				roles_row(call, (enum role_id)id, i, s);
		}
	}
	op_finish(call, NULL);
}

static const char *const roles_modes[] = {"single", "active", "passive", NULL};

static const struct op_field roles_cols[] = {
    {.name = "instance",
	.type = &op_type_instance,
	.brief = "process of the role"},
    {.name = "role",
	.type = &op_type_name,
	.flags = OP_DETAIL,
	.brief = "its role"},
    {.name = "brief",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "what the role does"},
    {.name = "mode",
	.type = &op_type_choice,
	.choices = roles_modes,
	.brief = "passive: one owns the work, others wait"},
    {.name = "state",
	.type = &op_type_text,
	.brief = "as the supervisor sees it"},
    {.name = "pid", .type = &op_type_int, .brief = "process id"},
    {.name = "owner",
	.type = &op_type_bool,
	.brief = "owns the work of its role now"},
    {.name = "epoch",
	.type = &op_type_int,
	.brief = "number of its ownership or start"},
    {.name = "uptime",
	.type = &op_type_duration,
	.brief = "since its last start"},
    {.name = "restarts",
	.type = &op_type_int,
	.brief = "starts after the first"},
    {.name = "weight",
	.type = &op_type_int,
	.brief = "share of new calls, where servers differ"},
    {0},
};

const struct op control_op_roles = {
    .name = "show roles",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "every process: state, owner, uptime",
    .about = "A row for each instance of each role, on a site of several "
	     "servers with the name of its server (sg/1@srv2). State "
	     "ready: it serves, or waits to take over. backing-off: it died "
	     "and is about to be started again: at once the first time, "
	     "then after a pause that grows up to ten seconds while it dies "
	     "within ten seconds of its start; the log of tandemd says why.",
    .example = "show roles",
    .cols = roles_cols,
    .run = roles_run,
    .live = true,
};

/* ---- show ownership ----------------------------------------------------- */

/* The entry of an instance or a server, which says only that it runs. */
static bool
ownership_is_own(const struct owner *o)
{
	return str_prefix(o->key, "server/") ||
	    (strchr(o->key, '@') != NULL && !str_prefix(o->key, "calls/"));
}

static void
ownership_run(struct op_call *call)
{
	static const char *const states[] = {"down", "claiming", "serving"};
	const struct self *self = call->self;
	char address[ADDR_TEXT];
	unsigned at = 0;
	struct owner o;

	while (owner_map_next(self->owners, &at, &o)) {
		if (ownership_is_own(&o) && !op_arg_flag(call, "all"))
			continue;
		op_row(call);
		op_put(call, "key", o.key);
		op_put(call, "state", states[o.state]);
		op_put(call, "instance",
		    o.instance[0] != '\0' ? o.instance : NULL);
		op_put_int(call, "epoch", (int64_t)o.epoch);
		op_put(
		    call, "members", o.members[0] != '\0' ? o.members : NULL);
		if (addr_port(&o.inside) != 0) {
			addr_text(address, &o.inside);
			op_put(call, "inside", address);
		}
	}
	far_warn(call);
	op_finish(call, NULL);
}

static const struct op_field ownership_args[] = {
    {.name = "all",
	.type = &op_type_bool,
	.flags = OP_FLAG,
	.brief = "with the entries of instances and servers"},
    {0},
};

static const char *const ownership_states[] = {
    "down", "claiming", "serving", NULL};

static const struct op_field ownership_cols[] = {
    {.name = "key", .type = &op_type_text, .brief = "what is owned"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = ownership_states,
	.brief = "claiming: its streams are being opened"},
    {.name = "instance",
	.type = &op_type_text,
	.brief = "owner, as instance@server"},
    {.name = "epoch",
	.type = &op_type_int,
	.brief = "grows with every change of owner"},
    {.name = "members",
	.type = &op_type_text,
	.brief = "servers that hold all it has acknowledged"},
    {.name = "inside",
	.type = &op_type_text,
	.brief = "where it is spoken to inside"},
    {0},
};

const struct op control_op_ownership = {
    .name = "show ownership",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "who owns what, and since which epoch",
    .about =
	"The owner map: one owner for each key, st, sr, mgc and the "
	"calls of each b2bua. Any member may become the owner. A "
	"server that has no connection to half of the site or more warns that "
	"what it knows may be old. An epoch that grows by itself means that "
	"owners die.",
    .example = "show ownership",
    .args = ownership_args,
    .cols = ownership_cols,
    .run = ownership_run,
    .live = true,
};

/* ---- show statistics ---------------------------------------------------- */

static void
statistics_row(struct op_call *call, const char *instance, const char *name,
    int64_t value, const char *brief)
{
	const char *only = op_arg(call, "instance");
	size_t n = strcspn(instance, "@");

	if (only != NULL &&
	    (strlen(only) != n || strncmp(only, instance, n) != 0))
		return;
	op_row(call);
	op_put(call, "instance", instance);
	op_put(call, "counter", name);
	op_put_int(call, "value", value);
	op_put(call, "about", brief);
}

/* Rows of all processes, ours stand before them. */
static void
statistics_on_rows(void *arg, json_t *result, const struct err *e, json_t *data)
{
	struct op_call *call = arg;
	const char *instance, *name, *brief;
	json_int_t value;
	json_t *row, *words;
	size_t i;

	(void)e; /* who did not answer is in the warnings */
	(void)data;
	json_array_foreach (json_object_get(result, "data"), i, row) {
		if (json_unpack(row, "{s:s, s:s, s:I, s:s}", "instance",
			&instance, "name", &name, "value", &value, "brief",
			&brief) == 0)
			statistics_row(call, instance, name, value, brief);
	}
	json_array_foreach (json_object_get(result, "warn"), i, words)
		op_warn(call, "%s", json_string_value(words));
	op_finish(call, NULL);
}

static void
statistics_run(struct op_call *call)
{
	struct control *c = control_of(call);
	struct each_target to[ROLE_MAX * ROLE_INSTANCES];
	char name[OWNER_INSTANCE];
	const struct role_stat *s;
	size_t n = 0;
	int id;

	far_name(c, name, c->self->name);
	for (s = c->stats; s->name != NULL; s++)
		statistics_row(
		    call, name, s->name, (int64_t)*s->value, s->brief);
	for (id = 0; id < ROLE_MAX; id++)
		n += control_targets(
		    c, (enum role_id)id, to + n, sizeof to / sizeof to[0] - n);
	each_call(
	    &c->eaches, "statistics", NULL, to, n, statistics_on_rows, call);
}

static const struct op_field statistics_args[] = {
    {.name = "instance",
	.type = &op_type_instance,
	.brief = "only of this process"},
    {0},
};

static const struct op_field statistics_cols[] = {
    {.name = "instance",
	.type = &op_type_instance,
	.brief = "process that counts"},
    {.name = "counter", .type = &op_type_text, .brief = "its name"},
    {.name = "value", .type = &op_type_int, .brief = "since its start"},
    {.name = "about", .type = &op_type_text, .brief = "what it counts"},
    {0},
};

const struct op control_op_statistics = {
    .name = "show statistics",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "counters of every process",
    .about = "Numbers that grow from the start of a process, and a few that "
	     "tell what is there now. A process that does not answer in two "
	     "seconds is named in a warning.",
    .example = "show statistics\nshow statistics instance control/1",
    .args = statistics_args,
    .cols = statistics_cols,
    .run = statistics_run,
};

/* ---- request role restart ----------------------------------------------- */

/* Only what runs here can be restarted; the answer leaves before it ends. */
static void
restart_run(struct op_call *call)
{
	struct control *c = control_of(call);
	const char *instance = op_arg(call, "instance");
	const struct role_status *s = map_str(&c->status, instance);
	char name[OWNER_INSTANCE];

	if (s == NULL || s->pid == 0) {
		op_failf(call, ERR_ABSENT, "%s does not run here", instance);
		return;
	}
	far_name(c, name, s->name);
	op_row(call);
	op_put(call, "instance", name);
	op_put_int(call, "pid", s->pid);
	role_restart(c->self, instance);
	op_finish(call, NULL);
}

static const struct op_field restart_args[] = {
    {.name = "instance",
	.type = &op_type_instance,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "process to restart"},
    {0},
};

static const struct op_field restart_cols[] = {
    {.name = "instance",
	.type = &op_type_instance,
	.brief = "process that was told to end"},
    {.name = "pid", .type = &op_type_int, .brief = "its process id until now"},
    {0},
};

const struct op control_op_restart = {
    .name = "request role restart",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_CONTROL,
    .brief = "end a process in order and start it again",
    .about = "The process finishes what it has begun and ends; the "
	     "supervisor starts it anew at once. Of sr, st and mgc the other "
	     "instance takes over. Restarting a gate ends the connections of "
	     "its phones over tcp, tls and ws; restarting control/1 ends "
	     "this session.",
    .example = "request role restart mg/1\n"
	       "request role restart mg/1@srv2",
    .args = restart_args,
    .cols = restart_cols,
    .run = restart_run,
};
