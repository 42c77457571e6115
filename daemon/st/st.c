/*
 * Role ST, the store.
 * Does: keeps candidates, decides and applies commits over the streams of
 *   the site, the directory and the domains; seals secrets; brings call
 *   records to their domains.
 * Never: speaks to the outside, shows a secret, lets a commit be half done.
 * Talks to: control (operations, ends of sessions, what B2BUA asks of
 *   numbers), replicator (streams).
 * Keeps: streams site/<site>, commit, domain/root, domain/<id>; nothing that
 *   matters in memory.
 * On crash: the other instance opens the streams under a higher epoch,
 *   applies what was decided and goes on; candidates are still there.
 */
#include <string.h>

#include "st.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role.h"

extern const struct op st_op_set, st_op_delete, st_op_discard, st_op_compare,
    st_op_check, st_op_commit, st_op_rollback, st_op_restore,
    st_op_configuration, st_op_revisions, st_op_changes, st_op_confirm,
    st_op_undo, st_op_candidates, st_op_resume, st_op_copy, st_op_rename,
    st_op_update, st_op_exclusive, st_op_private, st_op_annotate, st_op_insert;

static const struct op *const st_ops[] = {&st_op_set, &st_op_delete,
    &st_op_annotate, &st_op_insert, &st_op_discard, &st_op_compare,
    &st_op_check, &st_op_commit, &st_op_confirm, &st_op_undo, &st_op_candidates,
    &st_op_exclusive, &st_op_private, &st_op_resume, &st_op_copy, &st_op_rename,
    &st_op_update, &st_op_rollback, &st_op_restore, &st_op_configuration,
    &st_op_revisions, &st_op_changes, NULL};

struct st *
st_of(const struct op_call *call)
{
	const struct self *self = call->self;

	return OBJ(self->state_of_role, st, ST_MAGIC);
}

static void
st_on_serving(void *arg, uint64_t epoch)
{
	role_serving(arg, "st", epoch);
}

static void
st_on_stopped(void *arg)
{
	role_stopped(arg);
}

/* The supervisor takes a store that ended from its list of owners; one that
 * stayed and does not serve it could not tell from one that does. */
static void
st_on_lost(void *arg)
{
	(void)arg;
	fatalx("streams lost: another instance shall take over");
}

static void
st_register_counters(struct self *self, struct st_counters *c)
{
	static struct role_stat stats[9];
	const struct role_stat rows[] = {
	    {"st-edits", "edits of candidates", &c->edits},
	    {"st-commits", "commits carried out", &c->commits},
	    {"st-conflicts", "commits refused: changed by others",
		&c->conflicts},
	    {"st-refused", "commits refused by a check", &c->refused},
	    {"st-forwarded", "commits of a dead owner carried out",
		&c->forwarded},
	    {"st-records", "call records brought to their domains",
		&c->records},
	    {"st-numbers", "numbers that B2BUA has asked for", &c->numbers},
	    {"st-streams", "streams open for writing now", &c->streams}, {0}};

	memcpy(stats, rows, sizeof stats);
	role_stats(self, stats);
}

/* Warm from now on; an owner only when the supervisor says so. */
static int
st_start(struct self *self, struct err *e)
{
	struct st_config c = {.loop = self->loop,
	    .repl = self->repl,
	    .owners = self->owners,
	    .objs = self->table->objs,
	    .port_base = self->port_base,
	    .on_serving = st_on_serving,
	    .on_stopped = st_on_stopped,
	    .on_lost = st_on_lost,
	    .arg = self};
	struct st *st;

	(void)e;
	str_copy(c.site, sizeof c.site, self->site);
	str_copy(c.server, sizeof c.server, self->server);
	addr_host(c.inside, &self->inside);
	memcpy(c.key_auth, self->key_auth, CRYPT_KEY);
	memcpy(c.key_certificate, self->key_certificate, CRYPT_KEY);
	st = st_new(&c);
	self->state_of_role = st;
	st_register_counters(self, &st->count);
	role_ready(self);
	return 0;
}

static void
st_on_own(struct self *self, const char *key, uint64_t epoch)
{
	if (strcmp(key, "st") == 0)
		st_own(self->state_of_role, epoch);
}

static void
st_on_owners(struct self *self)
{
	st_owners_changed(self->state_of_role);
}

static void
st_on_stop(struct self *self)
{
	st_stop(self->state_of_role);
}

/* What control tells about sessions and streams, and asks for servers that join
 * and for B2BUA. */
static void
st_on_request(struct self *self, struct peer *peer, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct st *st = self->state_of_role;
	const char *session = json_string_value(
	    json_object_get(params, "session"));
	const char *stream = json_string_value(
	    json_object_get(params, "stream"));

	if (q != NULL && peer->role == ROLE_CONTROL &&
	    strcmp(method, "server-put") == 0)
		st_server_put(st, q, params);
	else if (q != NULL && peer->role == ROLE_CONTROL &&
	    strcmp(method, "number") == 0)
		st_number(st, q, params);
	else if (q != NULL)
		rpc_failf(q, ERR_UNKNOWN, "%s: no such method", method);
	else if (peer->role != ROLE_CONTROL)
		log_debug("peer=%s method=%s ignored", peer->name, method);
	else if (strcmp(method, "stranded") == 0 && stream != NULL)
		st_stream_visit(st, stream);
	else if (strcmp(method, "session-end") == 0 && session != NULL)
		st_session_end(st, session);
	else if (strcmp(method, "sessions") == 0)
		st_sessions(st,
		    json_string_value(json_object_get(params, "server")),
		    json_object_get(params, "sessions"));
}

static void
st_alarms(struct self *self, json_t *rows)
{
	st_clock_alarms(self->state_of_role, rows);
}

const struct role st_role = {
    .id = ROLE_ST,
    .ops = st_ops,
    .alarms = st_alarms,
    .start = st_start,
    .on_request = st_on_request,
    .on_owners = st_on_owners,
    .on_own = st_on_own,
    .on_stop = st_on_stop,
};
