/* What an operator may ask the replicator. */
#include "replicator.h"

static const struct replicator *
replicator_op_of(const struct op_call *call)
{
	const struct self *self = call->self;
	const struct replicator_room *room = self->state_of_role;

	return room->replicator;
}

/* Every list is of all servers: a row begins with the one that tells it. */
#define COL_SERVER                                                             \
	{                                                                      \
		.name = "server", .type = &op_type_name, .brief = "that tells" \
	}

static void
replicator_op_row(struct op_call *call)
{
	const struct self *self = call->self;

	op_row(call);
	op_put(call, "server", self->server);
}

/* ---- show streams ------------------------------------------------------- */

static const struct op_field streams_cols[] = {
    COL_SERVER,
    {.name = "stream", .type = &op_type_text, .brief = "name of the stream"},
    {.name = "writer",
	.type = &op_type_instance,
	.brief = "instance that writes it now"},
    {.name = "epoch",
	.type = &op_type_int,
	.brief = "ownership under which it is written"},
    {.name = "lsn", .type = &op_type_int, .brief = "last record received"},
    {.name = "synced",
	.type = &op_type_int,
	.brief = "last record in the ship log on disk"},
    {.name = "checkpoint",
	.type = &op_type_int,
	.brief = "last record in the database on disk"},
    {.name = "readers",
	.type = &op_type_int,
	.brief = "processes that follow it"},
    {0},
};

static void
streams_run(struct op_call *call)
{
	const struct replicator *r = replicator_op_of(call);
	struct replicator_stream s;
	size_t at = 0;

	while (replicator_next(r, &at, &s)) {
		replicator_op_row(call);
		op_put(call, "stream", s.name);
		if (s.writer[0] != '\0')
			op_put(call, "writer", s.writer);
		op_put_int(call, "epoch", (int64_t)s.epoch);
		op_put_int(call, "lsn", (int64_t)s.lsn);
		op_put_int(call, "synced", (int64_t)s.synced);
		op_put_int(call, "checkpoint", (int64_t)s.checkpoint);
		op_put_int(call, "readers", s.readers);
	}
	op_sort(call, "stream");
	op_finish(call, NULL);
}

static const struct op op_streams = {
    .name = "show streams",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_REPLICATOR,
    .brief = "list replicated databases and how far they are",
    .about = "One row for every stream of the server: who writes it, under "
	     "which epoch, and the last record received, on disk in the ship "
	     "log, and on disk in the database file. A difference between "
	     "the first two that stays means that the disk does not keep up; "
	     "one between the last two is normal and bounded by some seconds.",
    .example = "show streams",
    .cols = streams_cols,
    .run = streams_run,
};

/* ---- show ship-log ------------------------------------------------------ */

static const struct op_field log_cols[] = {
    COL_SERVER,
    {.name = "state",
	.type = &op_type_text,
	.brief = "working, full (waits for room), failed"},
    {.name = "bytes", .type = &op_type_int, .brief = "size on disk"},
    {.name = "segments", .type = &op_type_int, .brief = "files it has"},
    {.name = "end",
	.type = &op_type_int,
	.brief = "bytes written since the log began"},
    {.name = "unsynced",
	.type = &op_type_int,
	.brief = "bytes of them not yet on disk"},
    {.name = "records",
	.type = &op_type_int,
	.brief = "records taken since the process started"},
    {.name = "syncs", .type = &op_type_int, .brief = "syncs since then"},
    {.name = "sync-average-us",
	.type = &op_type_int,
	.brief = "microseconds a sync took"},
    {.name = "sync-max-us",
	.type = &op_type_int,
	.brief = "microseconds the longest took"},
    {0},
};

static void
log_run(struct op_call *call)
{
	struct replicator_status s;

	replicator_status(replicator_op_of(call), &s);
	replicator_op_row(call);
	op_put(call, "state",
	    s.failed	 ? "failed"
		: s.full ? "full"
			 : "working");
	op_put_int(call, "bytes", (int64_t)s.log_bytes);
	op_put_int(call, "segments", (int64_t)s.segments);
	op_put_int(call, "end", (int64_t)s.end);
	op_put_int(call, "unsynced", (int64_t)(s.end - s.synced));
	op_put_int(call, "records", (int64_t)s.records);
	op_put_int(call, "syncs", (int64_t)s.syncs);
	op_put_int(call, "sync-average-us",
	    (int64_t)(s.syncs != 0 ? s.sync_us / s.syncs : 0));
	op_put_int(call, "sync-max-us", (int64_t)s.sync_us_max);
	op_finish(call, NULL);
}

static const struct op op_log = {
    .name = "show ship-log",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_REPLICATOR,
    .brief = "show the ship log and what its syncs cost",
    .about = "The ship log is what makes a commit durable: nothing is "
	     "answered before it was synced. Syncs of more than a few "
	     "milliseconds delay every answer that depends on a commit. "
	     "While its state is full, nothing is acknowledged until the "
	     "disk has room; failed means that a write or sync failed and "
	     "the replicator must be started again.",
    .example = "show ship-log",
    .cols = log_cols,
    .run = log_run,
};

/* ---- show replication --------------------------------------------------- */

static const struct op_field replication_cols[] = {
    COL_SERVER,
    {.name = "stream", .type = &op_type_text, .brief = "name of the stream"},
    {.name = "epoch",
	.type = &op_type_int,
	.brief = "ownership under which it is written"},
    {.name = "lsn", .type = &op_type_int, .brief = "last record here"},
    {.name = "members",
	.type = &op_type_text,
	.brief = "servers that must hold a record before it is acknowledged"},
    {.name = "follower",
	.type = &op_type_text,
	.brief = "server of which it tells; none: of itself"},
    {.name = "state",
	.type = &op_type_text,
	.brief = "how it stands: in-sync, leading, following and others"},
    {.name = "lag-records",
	.type = &op_type_int,
	.brief = "records that it has not on its disk"},
    {.name = "lag-ms",
	.type = &op_type_int,
	.brief = "milliseconds since it owes an answer"},
    {0},
};

/* This server's own lag is what its readers do not see yet. */
static void
replication_row(struct op_call *call, const struct replicator_follower *f)
{
	bool own = f->follower[0] == '\0';
	uint64_t lag = f->lag_records;

	if (own)
		lag = f->lsn > f->applied ? f->lsn - f->applied : 0;
	replicator_op_row(call);
	op_put(call, "stream", f->stream);
	op_put_int(call, "epoch", (int64_t)f->epoch);
	op_put_int(call, "lsn", (int64_t)f->lsn);
	op_put(call, "members", f->members);
	if (!own)
		op_put(call, "follower", f->follower);
	op_put_int(call, "lag-records", (int64_t)lag);
	op_put_int(call, "lag-ms", (int64_t)(f->lag_us / 1000));
	op_put(call, "state", f->state);
}

static void
replication_run(struct op_call *call)
{
	const struct replicator *r = replicator_op_of(call);
	struct replicator_follower f;
	size_t at = 0;

	while (replicator_next_follower(r, &at, &f))
		replication_row(call, &f);
	op_sort(call, "stream");
	op_finish(call, NULL);
}

static const struct op op_replication = {
    .name = "show replication",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_REPLICATOR,
    .brief = "list who has which records of the replicated databases",
    .about =
	"One row for every stream of each server, and where that server "
	"leads one more for each other server. A member that is not "
	"in-sync holds up whatever depends on the stream, for a quarter "
	"of a second at most before its removal is asked for; one that "
	"is behind or copying catches up without holding up anything. "
	"A replica that is lost is made anew from its leader. State of a "
	"follower: in-sync, joining (about to be a member), live (has "
	"all, no member), behind, copying, asked, away; of a server itself: "
	"leading, following, copying, waiting, lost.",
    .example = "show replication",
    .cols = replication_cols,
    .run = replication_run,
};

/* ---- show history ------------------------------------------------------- */

static const struct op_field history_cols[] = {
    COL_SERVER,
    {.name = "stream", .type = &op_type_text, .brief = "name of the stream"},
    {.name = "from",
	.type = &op_type_time,
	.brief = "it can be restored to any time since then"},
    {.name = "bytes",
	.type = &op_type_int,
	.brief = "of its volumes, beside the ship log"},
    {.name = "volumes", .type = &op_type_int, .brief = "files it has"},
    {0},
};

static void
history_on_spans(void *arg, const struct replicator_span *span, size_t n,
    const struct err *e)
{
	struct op_call *call = arg;
	size_t i;

	for (i = 0; i < n; i++) {
		replicator_op_row(call);
		op_put(call, "stream", span[i].stream);
		op_put_time(call, "from", span[i].from);
		op_put_int(call, "bytes", (int64_t)span[i].bytes);
		op_put_int(call, "volumes", span[i].volumes);
	}
	if (e != NULL && n > 0) {
		op_warn(call, "%s", e->text);
		e = NULL;
	}
	op_finish(call, e);
}

static void
history_run(struct op_call *call)
{
	struct self *self = call->self;
	struct replicator_room *room = self->state_of_role;

	replicator_spans(room->replicator, history_on_spans, call);
}

static const struct op op_history = {
    .name = "show history",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_REPLICATOR,
    .brief = "list how far back domains can be restored",
    .about = "One row for every domain's stream on every server; show "
	     "domains | columns domain,id says which id is which domain, "
	     "domain/root is the directory of them. Each server keeps a "
	     "history of its own, for as long as its boot file says. Volumes "
	     "hold what the ship log has dropped; with none of them, all is "
	     "in the log.",
    .example = "show history",
    .cols = history_cols,
    .run = history_run,
};

/* ---- alarms ------------------------------------------------------------- */

void
replicator_role_alarms(struct self *self, json_t *rows)
{
	struct replicator_room *room = self->state_of_role;
	const struct replicator_alarm *a;
	size_t at = 0;

	while ((a = replicator_next_alarm(room->replicator, &at)) != NULL)
		role_alarm(rows, a->since, a->name, a->subject, a->text);
}

const struct op *const replicator_ops[] = {&op_streams, &op_log,
    &op_replication, &op_history, &conflict_op_show, &conflict_op_drop, NULL};
