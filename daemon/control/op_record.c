/*
 * Operations on what happened and happens in domains: show registrations,
 * from the registrar's stream, and show cdr, from the domain's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/sql.h"
#include "daemon/base/str.h"

static const char *
record_text(sqlite3_stmt *s, int col)
{
	return (const char *)sqlite3_column_text(s, col);
}

/* ---- show registrations ------------------------------------------------- */

struct registrations {
	struct op_call *call;
	struct map names; /* id of a domain -> its name */
	char only[16];	  /* id of the one domain that is wanted; "" = all */
};

/* Ids are what the registrar writes; names are what people know. */
static int
registrations_name(void *arg, struct obj_row *row, struct err *e)
{
	struct registrations *r = arg;
	const char *id = obj_value(row, "id");
	const char *wanted = op_arg(r->call, "domain");

	(void)e;
	if (id == NULL ||
	    (wanted != NULL && strcmp(wanted, row->path.key[0]) != 0))
		return 0;
	if (wanted != NULL)
		str_copy(r->only, sizeof r->only, id);
	return map_str_put(&r->names, id, xstrdup(row->path.key[0]));
}

static void
registrations_end(struct registrations *r, const struct err *e)
{
	struct op_call *call = r->call;
	char *name;
	size_t at = 0;

	while ((name = map_next(&r->names, &at, NULL, NULL)) != NULL)
		free(name);
	map_fini(&r->names);
	free(r);
	op_finish(call, e);
}

/* The transport of "192.0.2.7:5060;transport=udp". */
static void
registrations_source(struct op_call *call, const char *source)
{
	const char *mark = source != NULL ? strstr(source, ";transport=")
					  : NULL;
	char address[128];

	if (mark == NULL) {
		op_put(call, "source", source);
		return;
	}
	str_ncopy(address, sizeof address, source, (size_t)(mark - source));
	op_put(call, "source", address);
	mark += strlen(";transport=");
	str_ncopy(address, sizeof address, mark, strcspn(mark, ";"));
	op_put(call, "transport", address);
}

static void
registrations_row(struct registrations *r, sqlite3_stmt *s, int64_t now)
{
	const char *id = record_text(s, 0);
	const char *name = id != NULL ? map_str(&r->names, id) : NULL;
	struct op_call *call = r->call;

	if (name == NULL)
		return; /* of a domain that is gone, or is not asked for */
	op_row(call);
	op_put(call, "domain", name);
	op_put(call, "user", record_text(s, 1));
	op_put(call, "contact", record_text(s, 2));
	registrations_source(call, record_text(s, 3));
	op_put_int(call, "expires", sqlite3_column_int64(s, 4) - now);
	op_put(call, "user-agent", record_text(s, 5));
	op_put_time(
	    call, "updated", (uint64_t)sqlite3_column_int64(s, 6) * CLOCK_SEC);
}

/* What has expired is no registration, though its row may still be there. */
static void
registrations_on_location(void *arg, sqlite3 *db, const struct err *why)
{
	struct registrations *r = arg;
	int64_t now = (int64_t)(clock_real() / CLOCK_SEC);
	int64_t limit = op_arg_int(r->call, "limit", 1);
	const char *user = op_arg(r->call, "user");
	sqlite3_stmt *s;
	struct err e;
	bool failed;
	int step;

	if (why != NULL) {
		/* No phone has ever registered: an empty list. */
		registrations_end(r, why->code == ERR_ABSENT ? NULL : why);
		return;
	}
	if (sqlite3_prepare_v2(db,
		"SELECT domain, user, contact, source, expires, user_agent, "
		"updated FROM binding WHERE expires > ?1 AND "
		"(?2 IS NULL OR domain = ?2) AND (?3 IS NULL OR user = ?3) "
		"ORDER BY domain, user, contact LIMIT ?4",
		-1, &s, NULL) != SQLITE_OK) {
		sql_fail(db, "registrations (stream location)", &e);
		registrations_end(r, &e);
		return;
	}
	sqlite3_bind_int64(s, 1, now);
	if (r->only[0] != '\0')
		sqlite3_bind_text(s, 2, r->only, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 3, user, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 4, limit);
	while ((step = sqlite3_step(s)) == SQLITE_ROW)
		registrations_row(r, s, now);
	failed = sql_end(s, step, "registrations (stream location)", &e) != 0;
	sqlite3_finalize(s);
	if (!failed && (int64_t)json_array_size(r->call->rows) == limit)
		op_cut(r->call);
	registrations_end(r, failed ? &e : NULL);
}

static void
registrations_run(struct op_call *call)
{
	struct control *c = control_of(call);
	sqlite3 *root = streams_db(c->streams, "domain/root");
	struct obj_path kind = {
	    .obj = obj_find(c->self->table->objs, NULL, "domain")};
	struct registrations *r;
	struct err e;

	if (root == NULL) {
		streams_unread(c->streams, "the directory", &e);
		op_finish(call, &e);
		return;
	}
	r = xcalloc(1, sizeof *r);
	r->call = call;
	if (obj_each(root, &kind, NULL, 0, registrations_name, r, &e) < 0) {
		registrations_end(r, &e);
		return;
	}
	if (op_arg(call, "domain") != NULL && r->only[0] == '\0') {
		err_set(&e, ERR_ABSENT, "there is no domain %s",
		    op_arg(call, "domain"));
		registrations_end(r, &e);
		return;
	}
	streams_read(c->streams, "location", registrations_on_location, r);
}

static const struct op_field registrations_args[] = {
    {.name = "domain",
	.type = &op_type_ref,
	.ref = "domain",
	.brief = "only of this domain"},
    {.name = "user",
	.type = &op_type_ref,
	.ref = "user",
	.brief = "only of users with this number"},
    {.name = "limit",
	.type = &op_type_int,
	.min = 1,
	.max = 100000,
	.def = "1000",
	.brief = "rows at most"},
    {0},
};

static const struct op_field registrations_cols[] = {
    {.name = "domain", .type = &op_type_domain, .brief = "of the user"},
    {.name = "user", .type = &op_type_number, .brief = "whose phone it is"},
    {.name = "contact",
	.type = &op_type_uri,
	.brief = "where it wants to be called"},
    {.name = "source",
	.type = &op_type_text,
	.brief = "where it registered from"},
    {.name = "transport", .type = &op_type_text, .brief = "over which"},
    {.name = "expires",
	.type = &op_type_duration,
	.brief = "time it still has"},
    {.name = "user-agent",
	.type = &op_type_text,
	.brief = "what the phone calls itself"},
    {.name = "updated",
	.type = &op_type_time,
	.flags = OP_DETAIL | OP_GROWS,
	.brief = "last registration"},
    {0},
};

const struct op control_op_registrations = {
    .name = "show registrations",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "phones that are registered now",
    .about = "A row for each contact that has not expired, as this server "
	     "knows it. A phone that is missing here cannot be called.",
    .example = "show registrations\nshow registrations domain demo.test",
    .args = registrations_args,
    .cols = registrations_cols,
    .run = registrations_run,
    .live = true,
};

/* ---- show cdr ----------------------------------------------------------- */

/* A time of a record, which may be missing. */
static void
cdr_time(struct op_call *call, const char *col, sqlite3_stmt *s, int at)
{
	if (sqlite3_column_type(s, at) != SQLITE_NULL)
		op_put_time(call, col, (uint64_t)sqlite3_column_int64(s, at));
}

static void
cdr_int(struct op_call *call, const char *col, sqlite3_stmt *s, int at)
{
	if (sqlite3_column_type(s, at) != SQLITE_NULL)
		op_put_int(call, col, sqlite3_column_int64(s, at));
}

/* Whole seconds between two times of a record, when both are there. */
static void
cdr_span(
    struct op_call *call, const char *col, sqlite3_stmt *s, int from, int to)
{
	if (sqlite3_column_type(s, from) != SQLITE_NULL &&
	    sqlite3_column_type(s, to) != SQLITE_NULL)
		op_put_int(call, col,
		    (sqlite3_column_int64(s, to) -
			sqlite3_column_int64(s, from)) /
			(int64_t)CLOCK_SEC);
}

enum cdr_col {
	CDR_ID,
	CDR_CALLER,
	CDR_CALLER_NAME,
	CDR_CALLED,
	CDR_DESTINATION,
	CDR_START,
	CDR_RING,
	CDR_ANSWER,
	CDR_END,
	CDR_CODE,
	CDR_REASON,
	CDR_ENDED_BY,
	CDR_INSTANCE,
	CDR_RX_CALLER,
	CDR_RX_CALLEE,
	CDR_LOST_CALLER,
	CDR_LOST_CALLEE
};

static const char cdr_sql[] =
    "SELECT id, caller, caller_name, called, destination, start, ring, "
    "answer, end, code, reason, ended_by, instance, rx_caller, rx_callee, "
    "lost_caller, lost_callee FROM cdr ORDER BY start DESC, seq DESC LIMIT ?1";

static void
cdr_row(struct op_call *call, sqlite3_stmt *s)
{
	op_row(call);
	cdr_time(call, "start", s, CDR_START);
	op_put(call, "caller", record_text(s, CDR_CALLER));
	op_put(call, "caller-name", record_text(s, CDR_CALLER_NAME));
	op_put(call, "called", record_text(s, CDR_CALLED));
	op_put(call, "destination", record_text(s, CDR_DESTINATION));
	cdr_span(call, "wait", s, CDR_START,
	    sqlite3_column_type(s, CDR_ANSWER) != SQLITE_NULL ? CDR_ANSWER
							      : CDR_END);
	cdr_span(call, "talk", s, CDR_ANSWER, CDR_END);
	cdr_int(call, "code", s, CDR_CODE);
	op_put(call, "reason", record_text(s, CDR_REASON));
	op_put(call, "ended-by", record_text(s, CDR_ENDED_BY));
	op_put(call, "id", record_text(s, CDR_ID));
	cdr_time(call, "ring", s, CDR_RING);
	cdr_time(call, "answer", s, CDR_ANSWER);
	cdr_time(call, "end", s, CDR_END);
	op_put(call, "instance", record_text(s, CDR_INSTANCE));
	cdr_int(call, "rx-caller", s, CDR_RX_CALLER);
	cdr_int(call, "rx-callee", s, CDR_RX_CALLEE);
	cdr_int(call, "lost-caller", s, CDR_LOST_CALLER);
	cdr_int(call, "lost-callee", s, CDR_LOST_CALLEE);
}

static void
cdr_on_domain(void *arg, sqlite3 *db, const struct err *why)
{
	struct op_call *call = arg;
	sqlite3_stmt *s;
	struct err e;
	bool failed;
	int step;

	if (why != NULL) {
		op_finish(call, streams_is_empty(why) ? NULL : why);
		return;
	}
	if (sqlite3_prepare_v2(db, cdr_sql, -1, &s, NULL) != SQLITE_OK) {
		sql_fail(db, "call records of the domain", &e);
		op_finish(call, &e);
		return;
	}
	sqlite3_bind_int64(s, 1, op_arg_int(call, "last", 20));
	while ((step = sqlite3_step(s)) == SQLITE_ROW)
		cdr_row(call, s);
	failed = sql_end(s, step, "call records of the domain", &e) != 0;
	sqlite3_finalize(s);
	op_finish(call, failed ? &e : NULL);
}

static void
cdr_run(struct op_call *call)
{
	streams_read_domain(control_of(call)->streams, op_arg(call, "domain"),
	    cdr_on_domain, call);
}

static const struct op_field cdr_args[] = {
    {.name = "domain",
	.type = &op_type_ref,
	.ref = "domain",
	.flags = OP_REQUIRED,
	.brief = "of this domain"},
    {.name = "last",
	.type = &op_type_int,
	.min = 1,
	.max = 10000,
	.def = "20",
	.brief = "how many, the youngest first"},
    {0},
};

static const struct op_field cdr_cols[] = {
    {.name = "start", .type = &op_type_time, .brief = "when it was dialled"},
    {.name = "caller",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "number that called"},
    {.name = "caller-name",
	.type = &op_type_text,
	.flags = OP_DETAIL | OP_PERSONAL,
	.brief = "name that called"},
    {.name = "called",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "number dialled"},
    {.name = "destination",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "who or what rang or answered"},
    {.name = "wait", .type = &op_type_duration, .brief = "until answer or end"},
    {.name = "talk",
	.type = &op_type_duration,
	.brief = "from answer to end; none: not answered"},
    {.name = "code", .type = &op_type_int, .brief = "final status of SIP"},
    {.name = "reason", .type = &op_type_text, .brief = "why it ended"},
    {.name = "ended-by",
	.type = &op_type_text,
	.brief = "caller, callee or system"},
    {.name = "id",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "of the call"},
    {.name = "ring",
	.type = &op_type_time,
	.flags = OP_DETAIL,
	.brief = "first ringing"},
    {.name = "answer",
	.type = &op_type_time,
	.flags = OP_DETAIL,
	.brief = "when it was answered"},
    {.name = "end",
	.type = &op_type_time,
	.flags = OP_DETAIL,
	.brief = "when it ended"},
    {.name = "instance",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "that joined the legs"},
    {.name = "rx-caller",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "RTP packets from the caller"},
    {.name = "rx-callee",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "RTP packets from the callee"},
    {.name = "lost-caller",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "packets lost from the caller"},
    {.name = "lost-callee",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "packets lost from the callee"},
    {0},
};

const struct op control_op_cdr = {
    .name = "show cdr",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "call records of a domain",
    .about = "One record for every attempt, answered or not, the youngest "
	     "first. A call is listed once it has ended; records arrive here "
	     "within moments.",
    .example = "show cdr domain demo.test last 5",
    .args = cdr_args,
    .cols = cdr_cols,
    .run = cdr_run,
};
