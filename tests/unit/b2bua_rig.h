#ifndef TESTS_B2BUA_RIG_H
#define TESTS_B2BUA_RIG_H

/*
 * One B2BUA in this process, and fakes of all it talks to: a gate that is one
 * UDP socket and knows SIP as text, SR behind a real JSON-RPC link, MGC behind
 * real ng, streams and readers over SQLite in memory whose acknowledgements a
 * test may withhold, the frame of a role. Included by one test program each,
 * for it defines the doors that it fakes.
 *
 * Nothing sleeps: rig_next waits for the next message of the B2BUA, and fails
 * the test after RIG_PATIENCE.
 */
#pragma GCC diagnostic ignored "-Wunused-function"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/b2bua/b2bua.h"
#include "daemon/obj/obj.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define RIG_PATIENCE (5 * CLOCK_SEC)
#define RIG_QUIET (60 * CLOCK_MS) /* "nothing comes" */
#define RIG_MESSAGES 4096
#define RIG_ACKS 65536

struct rig_db {
	char name[STREAM_NAME];
	sqlite3 *db;
};

struct rig {
	struct loop *loop;
	struct self self;
	struct op_table table;
	struct b2bua *b2bua;
	struct loop_timer *timer;
	bool expired;
	/* gate */
	int gate;
	union addr gate_addr;
	struct loop_fd *gate_fd;
	char *msg[RIG_MESSAGES]; /* what B2BUA has sent, oldest first */
	unsigned first, count;
	unsigned via;
	unsigned max_forwards;
	const char *domain; /* that the gate names */
	const char *target; /* and says the Request-URI means */
	/* SR */
	struct rpc *sr_us, *sr_them;
	struct peer sr;
	const char *verify_user; /* NULL: refuse */
	bool sr_silent;
	struct rpc_request *ignored[16];
	unsigned nignored;
	unsigned verified, located;
	json_t *located_contacts;
	/* ST, by the same link */
	bool st_up;
	unsigned asked;		/* for numbers */
	json_t *told_rows;	/* of its copy of the domain */
	const char *told_state; /* of the domain in a candidate */
	/* MGC */
	struct ng *mgc;
	union addr mgc_addr;
	bool mgc_up, mgc_silent;
	const char *mgc_error;
	unsigned offers, answers, deletes, media_port;
	char last_sdp[8192]; /* what MGC was given last */
	char last_from[64];
	/* streams */
	struct rig_db db[16];
	unsigned ndb;
	bool hold;   /* acknowledge nothing */
	bool refuse; /* statements fail */
	struct stream_ack *acks[RIG_ACKS];
	unsigned nacks;
	struct loop_defer ack_defer;
	unsigned long writes;
	bool serving;
};

static struct rig rig;

/* ---- databases ---- */

static sqlite3 *
rig_db(const char *name)
{
	for (unsigned i = 0; i < rig.ndb; i++)
		if (strcmp(rig.db[i].name, name) == 0)
			return rig.db[i].db;
	return NULL;
}

static sqlite3 *
rig_db_new(const char *name)
{
	struct rig_db *d = &rig.db[rig.ndb++];

	assert_true(rig.ndb <= 16);
	str_copy(d->name, sizeof d->name, name);
	assert_int_equal(sqlite3_open(":memory:", &d->db), SQLITE_OK);
	return d->db;
}

static void
rig_sql(const char *name, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(rig_db(name), sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
}

static int64_t
rig_int(const char *name, const char *sql)
{
	sqlite3_stmt *s;
	int64_t v = -1;

	if (sqlite3_prepare_v2(rig_db(name), sql, -1, &s, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(rig_db(name)));
	if (sqlite3_step(s) == SQLITE_ROW)
		v = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return v;
}

static const char *
rig_text(const char *name, const char *sql)
{
	static char text[1024];
	sqlite3_stmt *s;

	text[0] = '\0';
	if (sqlite3_prepare_v2(rig_db(name), sql, -1, &s, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(rig_db(name)));
	if (sqlite3_step(s) == SQLITE_ROW)
		str_copy(
		    text, sizeof text, (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	return text;
}

/* ---- the doors of replication/ ---- */

struct stream {
	struct stream_config config;
	struct loop_defer ready;
	char name[STREAM_NAME];
};

static void
rig_stream_ready(void *arg)
{
	struct stream *s = arg;

	s->config.on_ready(s->config.arg, s, NULL);
}

int
stream_open(struct repl *r, const struct stream_config *c, struct stream **sp,
    struct err *err)
{
	struct stream *s = xcalloc(1, sizeof *s);

	(void)r;
	(void)err;
	s->config = *c;
	str_copy(s->name, sizeof s->name, c->name);
	if (rig_db(s->name) == NULL) {
		rig_db_new(s->name);
		rig_sql(s->name, c->schema);
	}
	s->ready = (struct loop_defer){.fn = rig_stream_ready, .arg = s};
	loop_defer(rig.loop, &s->ready);
	*sp = s;
	return 0;
}

void
stream_close(struct stream **sp)
{
	loop_defer_cancel(rig.loop, &(*sp)->ready);
	free(*sp);
	*sp = NULL;
	rig.nacks = 0;
}

sqlite3 *
stream_db(struct stream *s)
{
	return rig_db(s->name);
}

const char *
stream_name(const struct stream *s)
{
	return s->name;
}

int
stream_join(struct stream *s, struct err *err)
{
	(void)s;
	rig.writes++;
	return rig.refuse ? err_set(err, ERR_IO, "disk full") : 0;
}

static void
rig_ack_all(void *arg)
{
	unsigned n = rig.nacks;

	(void)arg;
	for (unsigned i = 0; i < n && i < rig.nacks; i++) {
		struct stream_ack *a = rig.acks[i];

		if (a == NULL)
			continue;
		rig.acks[i] = NULL;
		a->queued = false;
		a->fn(a->arg, NULL);
	}
	if (rig.nacks == n)
		rig.nacks = 0;
	else if (rig.nacks > n) {
		memmove(
		    rig.acks, rig.acks + n, (rig.nacks - n) * sizeof *rig.acks);
		rig.nacks -= n;
		loop_defer(rig.loop, &rig.ack_defer);
	}
}

void
stream_on_ack(struct stream *s, struct stream_ack *a)
{
	(void)s;
	assert_true(rig.nacks < RIG_ACKS);
	a->queued = true;
	rig.acks[rig.nacks++] = a;
	if (!rig.hold)
		loop_defer(rig.loop, &rig.ack_defer);
}

void
stream_ack_cancel(struct stream *s, struct stream_ack *a)
{
	(void)s;
	for (unsigned i = 0; i < rig.nacks; i++)
		if (rig.acks[i] == a)
			rig.acks[i] = NULL;
	a->queued = false;
}

/* From here on everything written is acknowledged again. */
static void
rig_release(void)
{
	rig.hold = false;
	loop_defer(rig.loop, &rig.ack_defer);
}

struct reader {
	char name[STREAM_NAME];
	reader_fn *fn;
	void *arg;
	struct loop_defer defer;
};
static struct reader *rig_readers[64];

static void
rig_reader_ready(void *arg)
{
	struct reader *r = arg;

	r->fn(r->arg, r, rig_db(r->name) != NULL ? READER_OPEN : READER_ABSENT);
}

int
reader_open(struct repl *repl, const char *name, reader_fn *fn, void *arg,
    struct reader **rp, struct err *err)
{
	struct reader *r = xcalloc(1, sizeof *r);
	unsigned i = 0;

	(void)repl;
	(void)err;
	str_copy(r->name, sizeof r->name, name);
	r->fn = fn;
	r->arg = arg;
	r->defer = (struct loop_defer){.fn = rig_reader_ready, .arg = r};
	loop_defer(rig.loop, &r->defer);
	while (rig_readers[i] != NULL)
		i++;
	rig_readers[i] = r;
	*rp = r;
	return 0;
}

void
reader_close(struct reader **rp)
{
	for (unsigned i = 0; i < 64; i++)
		if (rig_readers[i] == *rp)
			rig_readers[i] = NULL;
	loop_defer_cancel(rig.loop, &(*rp)->defer);
	free(*rp);
	*rp = NULL;
}

sqlite3 *
reader_db(struct reader *r)
{
	return r->defer.queued ? NULL : rig_db(r->name);
}

static const char *rig_note; /* the kind of object that has changed */

int
reader_changes(
    struct reader *r, reader_change_fn *fn, void *arg, struct err *err)
{
	(void)r;
	(void)err;
	fn(arg, rig_note, "");
	return 0;
}

/* Tell the readers of a stream that an object in it has changed. */
static void
rig_changed(const char *name, const char *object)
{
	rig_note = object;
	for (unsigned i = 0; i < 64; i++)
		if (rig_readers[i] != NULL &&
		    strcmp(rig_readers[i]->name, name) == 0)
			rig_readers[i]->fn(rig_readers[i]->arg, rig_readers[i],
			    READER_CHANGED);
}

bool
owner_map_find(const struct owner_map *m, const char *key, struct owner *o)
{
	(void)m;
	memset(o, 0, sizeof *o);
	if (strcmp(key, "mgc") != 0 || !rig.mgc_up)
		return false;
	o->inside = rig.mgc_addr;
	o->state = OWNER_SERVING;
	return true;
}

/* ---- the doors of the role frame ---- */

void
role_ready(struct self *self)
{
	(void)self;
}

void
role_serving(struct self *self, const char *key, uint64_t epoch)
{
	(void)self;
	(void)epoch;
	assert_string_equal(key, "calls/b2bua-1@srv1");
	rig.serving = true;
}

void
role_stopped(struct self *self)
{
	(void)self;
	rig.serving = false;
}

void
role_ask(const struct self *self, union addr *a)
{
	*a = self->inside;
	addr_set_port(a, 0);
}

bool
role_hears(struct self *self, const union addr *from)
{
	self->ears.strangers += !addr_equal(from, &rig.gate_addr);
	return addr_equal(from, &rig.gate_addr);
}

void
role_stats(struct self *self, const struct role_stat *s)
{
	(void)self;
	(void)s;
}

struct peer *
role_peer_next(struct self *self, enum role_id id, unsigned *at)
{
	(void)self;
	return id == ROLE_SR && rig.sr_us != NULL && (*at)++ == 0 ? &rig.sr
								  : NULL;
}

struct peer *
role_way(struct self *self, const char *key)
{
	bool there = strcmp(key, "sr") == 0 ||
	    (strcmp(key, "st") == 0 && rig.st_up);

	(void)self;
	return there && rig.sr_us != NULL ? &rig.sr : NULL;
}

/* ---- SR ---- */

static void
rig_on_rpc(void *arg, struct rpc *rpc, struct rpc_request *q,
    const char *method, json_t *params)
{
	(void)arg;
	(void)rpc;
	if (rig.sr_silent) {
		assert_true(rig.nignored < 16);
		rig.ignored[rig.nignored++] = q;
		return;
	}
	if (strcmp(method, "locate") == 0) {
		rig.located++;
		rpc_reply(
		    q, json_pack("{s:O}", "contacts", rig.located_contacts));
		return;
	}
	if (strcmp(method, "number") == 0) {
		rig.asked++;
		assert_non_null(json_object_get(params, "domain_id"));
		assert_non_null(json_object_get(params, "user"));
		assert_non_null(json_object_get(params, "number"));
		rpc_reply(q,
		    json_pack("{s:O, s:s*}", "rows", rig.told_rows, "state",
			json_object_get(params, "session") != NULL
			    ? rig.told_state
			    : NULL));
		return;
	}
	rig.verified++;
	assert_non_null(json_object_get(params, "header"));
	assert_non_null(json_object_get(params, "uri"));
	if (rig.verify_user == NULL)
		rpc_failf(q, ERR_PERMISSION, "wrong password");
	else
		rpc_reply(q,
		    json_pack("{s:s, s:s}", "user", rig.verify_user,
			"domain_id", "0d0d0d0d"));
}

static void
rig_on_rpc_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	(void)arg;
	(void)rpc;
	(void)why;
}

/* ---- MGC ---- */

/* The description as MG would give it: its address, its ports. */
static json_t *
rig_media(const char *sdp)
{
	struct buf b = BUF_INIT;
	json_t *s;

	for (; *sdp != '\0'; sdp += strcspn(sdp, "\n") + 1) {
		int n = (int)strcspn(sdp, "\r\n");

		if (strncmp(sdp, "c=", 2) == 0)
			buf_str(&b, "c=IN IP4 192.0.2.200\r\n");
		else if (strncmp(sdp, "m=audio ", 8) == 0 &&
		    strncmp(sdp, "m=audio 0 ", 10) != 0)
			buf_fmt(&b, "m=audio %u%.*s\r\n", rig.media_port += 2,
			    n - 8 - (int)strcspn(sdp + 8, " "),
			    sdp + 8 + strcspn(sdp + 8, " "));
		else
			buf_fmt(&b, "%.*s\r\n", n, sdp);
	}
	s = json_string(b.data);
	buf_fini(&b);
	return s;
}

static void
rig_on_ng(void *arg, struct ng_request *q, const char *command, json_t *dict,
    const union addr *from)
{
	const char *sdp = json_string_value(json_object_get(dict, "sdp"));

	(void)arg;
	(void)from;
	if (rig.mgc_silent)
		return;
	if (rig.mgc_error != NULL) {
		ng_fail(q, rig.mgc_error);
		return;
	}
	if (strcmp(command, "delete") == 0) {
		rig.deletes++;
		ng_reply(q,
		    json_pack("{s:s, s:{s:{s:[{s:[{s:{s:i, s:i}}]}]},"
			      " s:{s:[{s:[{s:{s:i, s:i}}]}]}}}",
			"result", "ok", "tags", "a", "medias", "streams",
			"stats", "packets", 501, "lost", 1, "b1", "medias",
			"streams", "stats", "packets", 502, "lost", 2));
		return;
	}
	str_copy(rig.last_sdp, sizeof rig.last_sdp, sdp);
	str_copy(rig.last_from, sizeof rig.last_from,
	    json_string_value(json_object_get(dict, "from-tag")));
	if (strcmp(command, "offer") == 0)
		rig.offers++;
	else
		rig.answers++;
	ng_reply(
	    q, json_pack("{s:s, s:o}", "result", "ok", "sdp", rig_media(sdp)));
}

/* ---- the gate ---- */

static void
rig_on_gate(void *arg, int fd, int events)
{
	char bytes[65536];
	ssize_t n;

	(void)arg;
	(void)events;
	while ((n = recv(fd, bytes, sizeof bytes - 1, MSG_DONTWAIT)) > 0) {
		bytes[n] = '\0';
		if (getenv("RIG_SHOW") != NULL)
			fprintf(stderr, "<<< %.*s\n\n", (int)n, bytes);
		assert_true(rig.count < RIG_MESSAGES);
		rig.msg[(rig.first + rig.count++) % RIG_MESSAGES] = xstrndup(
		    bytes, (size_t)n);
		loop_stop(rig.loop);
	}
}

static void
rig_send(const char *text)
{
	if (getenv("RIG_SHOW") != NULL)
		fprintf(stderr, ">>> %s\n\n", text);
	assert_int_equal(sendto(rig.gate, text, strlen(text), 0,
			     &rig.self.inside.sa, addr_len(&rig.self.inside)),
	    (ssize_t)strlen(text));
}

static void
rig_on_timer(void *arg)
{
	(void)arg;
	rig.expired = true;
	loop_stop(rig.loop);
}

/* Let the loop run for a while, whatever comes. */
static void
rig_run(uint64_t us)
{
	rig.expired = false;
	loop_timer_set(rig.timer, us);
	while (!rig.expired)
		loop_run(rig.loop);
}

/* The next message of the B2BUA (the caller frees it), or NULL. */
static char *
rig_try_next(uint64_t patience)
{
	char *m;

	rig.expired = false;
	loop_timer_set(rig.timer, patience);
	while (rig.count == 0 && !rig.expired)
		loop_run(rig.loop);
	loop_timer_cancel(rig.timer);
	if (rig.count == 0)
		return NULL;
	m = rig.msg[rig.first];
	rig.first = (rig.first + 1) % RIG_MESSAGES;
	rig.count--;
	return m;
}

static void
rig_quiet(void)
{
	char *m = rig_try_next(RIG_QUIET);

	if (m != NULL)
		fail_msg("unexpected: %s", m);
}

/* The next message must start with these words. */
static char *
rig_next(const char *start)
{
	char *m = rig_try_next(RIG_PATIENCE);

	if (m == NULL)
		fail_msg("expected %s, nothing came", start);
	if (strncmp(m, start, strlen(start)) != 0)
		fail_msg("expected %s, got: %s", start, m);
	return m;
}

static void
rig_skip(const char *start)
{
	free(rig_next(start));
}

/* Wait until a question to the databases gives this. */
static void
rig_until(const char *name, const char *sql, int64_t value)
{
	uint64_t end = clock_mono() + RIG_PATIENCE;

	while (rig_int(name, sql) != value) {
		if (clock_mono() > end)
			fail_msg("%s: %lld, expected %lld", sql,
			    (long long)rig_int(name, sql), (long long)value);
		rig_run(2 * CLOCK_MS);
	}
}

/* Wait until the youngest call is in this state. */
static void
rig_until_state(enum call_state state)
{
	uint64_t end = clock_mono() + RIG_PATIENCE;

	while (rig.b2bua->first == NULL || rig.b2bua->first->state != state) {
		if (clock_mono() > end)
			fail_msg("no call comes into state %d", (int)state);
		rig_run(CLOCK_MS);
	}
}

#include "b2bua_phone.h"

/* ---- configuration ---- */

static void
rig_set(const char *db, const char *path, const char *field, const char *value)
{
	struct obj_path p;
	struct err err;

	if (obj_path_parse(obj_table, path, &p, &err) != 0 ||
	    obj_set(rig_db(db), &p, field, value, &err) != 0)
		fail_msg("%s: %s", path, err.text);
}

static void
rig_schema(const char *name, enum obj_place place)
{
	struct buf b = BUF_INIT;

	rig_db_new(name);
	assert_int_equal(obj_schema(obj_table, place, &b), 0);
	rig_sql(name, b.data);
	buf_fini(&b);
}

static void
rig_configure(void)
{
	static const char *const users[] = {"101", "102", "103", NULL};

	rig_schema("domain/root", OBJ_ROOT);
	rig_schema("domain/0d0d0d0d", OBJ_DOMAIN);
	rig_set("domain/root", "domain demo.test", "id", "0d0d0d0d");
	rig_set("domain/root", "domain demo.test", "realm", "demo.test");
	rig_set("domain/root", "domain demo.test", "alias", "alias.test");
	for (unsigned i = 0; users[i] != NULL; i++) {
		char path[64], name[64];

		snprintf(
		    path, sizeof path, "domain demo.test user %s", users[i]);
		snprintf(name, sizeof name, "User %s", users[i]);
		rig_set("domain/0d0d0d0d", path, "name", name);
	}
	rig_set("domain/0d0d0d0d", "domain demo.test number 600", "service",
	    "echo");
	rig_db_new("location");
	rig_sql("location",
	    "CREATE TABLE binding (domain TEXT, user TEXT, contact TEXT,"
	    " call_id TEXT, cseq INTEGER, expires INTEGER, q INTEGER,"
	    " path TEXT, source TEXT, user_agent TEXT, instance TEXT,"
	    " reg_id INTEGER, updated INTEGER)");
	rig_db_new("commit");
	rig_sql("commit",
	    "CREATE TABLE collected (stream TEXT PRIMARY KEY, seq INTEGER)");
}

/* A phone of the user, reachable through the gate. */
static void
rig_register(const char *user, const char *token)
{
	char sql[512];

	snprintf(sql, sizeof sql,
	    "INSERT INTO binding VALUES ('0d0d0d0d', '%s',"
	    " 'sip:%s@10.2.2.2:5062?X-Evil=1', 'c', 1, 9999999999, 1000,"
	    " '<sip:%s@%s;lr>', '203.0.113.9:5062;transport=udp', '', '', 0, 0)",
	    user, token, token, rig_gate_text());
	rig_sql("location", sql);
}

/* ---- life ---- */

static int
rig_socket(union addr *a)
{
	socklen_t n = sizeof *a;
	struct err err;
	int fd;

	assert_true(addr_parse(a, "127.0.0.1", 0));
	fd = sock_udp(a, &err);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, &a->sa, &n), 0);
	return fd;
}

/* A port that was free a moment ago: sofia binds by itself. */
static void
rig_free_port(union addr *a)
{
	close(rig_socket(a));
}

static void
rig_start_b2bua(void)
{
	struct err err;

	if (b2bua_role.start(&rig.self, &err) != 0)
		fail_msg("start: %s", err.text);
	rig.b2bua = rig.self.state_of_role;
	rig.serving = false;
	b2bua_role.on_own(&rig.self, "calls/b2bua-1@srv1", 1);
	while (!rig.serving)
		rig_run(CLOCK_MS);
	/* readers open */
	rig_run(CLOCK_MS);
}

static void
rig_kill_b2bua(void)
{
	/* As a kill: nothing more is written or said. */
	rig.refuse = true;
	b2bua_close(rig.b2bua);
	rig.refuse = false;
	rig.nacks = 0;
}

static int
rig_setup(void **state)
{
	struct rpc_handler them = {
	    .on_request = rig_on_rpc, .on_closed = rig_on_rpc_closed};
	struct rpc_handler us = {.on_closed = rig_on_rpc_closed};
	int pair[2];

	(void)state;
	memset(&rig, 0, sizeof rig);
	log_init("test", getenv("RIG_SHOW") != NULL);
	rig.loop = loop_new();
	rig.timer = loop_timer_new(rig.loop, rig_on_timer, NULL);
	rig.ack_defer = (struct loop_defer){.fn = rig_ack_all};
	rig.gate = rig_socket(&rig.gate_addr);
	rig.gate_fd = loop_fd_open(
	    rig.loop, rig.gate, LOOP_READ, rig_on_gate, NULL);
	rig.mgc = ng_open(rig.loop, rig_socket(&rig.mgc_addr), rig_on_ng, NULL);
	rig.mgc_up = true;
	rig.media_port = 30000;
	rig.max_forwards = 69;
	rig.domain = rig.target = "demo.test";
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	rig.sr_us = rpc_open(rig.loop, pair[0], &us);
	rig.sr_them = rpc_open(rig.loop, pair[1], &them);
	rig.sr = (struct peer){.role = ROLE_SR, .index = 1, .rpc = rig.sr_us};
	rig.verify_user = "101";
	rig.located_contacts = json_array();
	rig.told_rows = json_array();
	rig.st_up = true;
	rig.self.id = ROLE_B2BUA;
	rig.self.index = 1;
	str_copy(rig.self.name, sizeof rig.self.name, "b2bua/1");
	str_copy(rig.self.full, sizeof rig.self.full, "b2bua/1@srv1");
	str_copy(rig.self.server, sizeof rig.self.server, "srv1");
	rig.self.loop = rig.loop;
	rig.table = (struct op_table){.ops = b2bua_ops, .objs = obj_table};
	rig.self.table = &rig.table;
	rig_free_port(&rig.self.inside);
	rig_configure();
	rig_start_b2bua();
	return 0;
}

static int
rig_teardown(void **state)
{
	(void)state;
	if (rig.b2bua != NULL)
		b2bua_role.on_stop(&rig.self);
	while (rig.nignored > 0)
		rpc_failf(rig.ignored[--rig.nignored], ERR_CLOSED, "over");
	rpc_close(&rig.sr_us);
	rpc_close(&rig.sr_them);
	ng_close(&rig.mgc);
	rig_run(CLOCK_MS); /* what they free at the end of a turn */
	json_decref(rig.located_contacts);
	json_decref(rig.told_rows);
	loop_fd_close(&rig.gate_fd);
	close(rig.gate);
	loop_timer_free(&rig.timer);
	while (rig.count > 0) {
		free(rig.msg[rig.first]);
		rig.first = (rig.first + 1) % RIG_MESSAGES;
		rig.count--;
	}
	for (unsigned i = 0; i < rig.ndb; i++)
		sqlite3_close(rig.db[i].db);
	loop_free(&rig.loop);
	return 0;
}

/* ---- whole calls ---- */

/* 101 calls 102, whose phone rings: the INVITE it was sent. */
static inline char *
rig_ring(struct phone *a)
{
	char *invite;

	rig_register("102", "b-phone");
	rig_invite(a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE sip:b-phone@10.2.2.2:5062 SIP/2.0");
	rig_reply(invite, 180, "b-phone", NULL, NULL);
	rig_skip("SIP/2.0 180");
	return invite;
}

/* 101 calls 102, who answers; both sides are up. */
static void
rig_connect(struct phone *a, struct phone *b)
{
	char *invite = rig_ring(a), *ok;

	rig_learn_callee(b, invite, "b-phone");
	rig_reply(invite, 200, "b-phone",
	    "Allow: INVITE, ACK, BYE, UPDATE, INFO\r\nSupported: timer\r\n",
	    SDP_B);
	ok = rig_next("SIP/2.0 200");
	rig_skip("ACK ");
	rig_learn(a, ok);
	rig_ack(a, NULL);
	rig_until_state(CALL_UP);
	free(invite);
	free(ok);
}

/* The caller hangs up. */
static void
rig_disconnect(struct phone *a)
{
	char *bye;

	rig_request(a, "BYE", NULL, NULL);
	bye = rig_next("");
	if (strncmp(bye, "BYE ", 4) == 0) {
		rig_reply(bye, 200, NULL, NULL, NULL);
		rig_skip("SIP/2.0 200");
	} else {
		free(bye);
		bye = rig_next("BYE ");
		rig_reply(bye, 200, NULL, NULL, NULL);
	}
	free(bye);
	rig_until("calls/b2bua-1@srv1", "SELECT count(*) FROM call", 0);
}

#endif
