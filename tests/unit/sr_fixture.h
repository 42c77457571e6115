/*
 * A registrar in a town of its own: a replicator process, the streams that ST
 * would write, and a phone's socket. The frame of a process (role.h) is
 * played here.
 */
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/str.h"
#include "daemon/obj/obj.h"
#include "daemon/sr/sr.h"
#include "tests/lib/world.h"

#define DOMAIN_ID "3f9a01c2"
#define OTHER_ID "00000002"

struct town {
	struct world world;
	struct loop *loop;
	struct repl *repl; /* of SR */
	struct repl *st_repl;
	struct stream *root, *domain, *other;
	struct self self;
	int phone;
	union addr phone_at;
	struct loop_fd *phone_io;
	char reply[SIP_MAX + 1];
	unsigned replies;
	int ready, serving, stopped;
};

static struct town *town;

/* ---- the frame ---------------------------------------------------------- */

void
role_ready(struct self *self)
{
	(void)self;
	town->ready = 1;
}

void
role_serving(struct self *self, const char *key, uint64_t epoch)
{
	(void)self;
	assert_string_equal(key, "sr");
	assert_true(epoch != 0);
	town->serving = 1;
}

void
role_stopped(struct self *self)
{
	(void)self;
	town->stopped = 1;
}

/* The phone's socket stands for all gates; a process of its own hears all. */
bool
role_hears(struct self *self, const union addr *from)
{
	bool known = town->phone_io == NULL ||
	    addr_equal(from, &town->phone_at);

	self->ears.strangers += !known;
	return known;
}

void
role_stats(struct self *self, const struct role_stat *s)
{
	(void)self;
	for (; s->name != NULL; s++)
		assert_non_null(s->value);
}

/* ---- ST's part ---------------------------------------------------------- */

/* Open a stream with the tables of the objects of a place. */
static struct stream *
town_stream(const char *name, enum obj_place place)
{
	struct buf sql = BUF_INIT;
	struct stream *s;

	assert_int_equal(obj_schema(obj_table, place, &sql), 0);
	s = world_stream(town->st_repl, town->loop, name, 1, sql.data, 4096);
	buf_fini(&sql);
	return s;
}

/* Run SQL in a stream and note a change. */
static void
town_write(
    struct stream *s, const char *object, const char *key, const char *fmt, ...)
{
	struct err err = {0};
	va_list ap;
	char *sql;

	va_start(ap, fmt);
	sql = sqlite3_vmprintf(fmt, ap);
	va_end(ap);
	assert_int_equal(stream_join(s, &err), 0);
	if (sqlite3_exec(stream_db(s), sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(stream_db(s)));
	assert_int_equal(stream_change(s, object, key, &err), 0);
	assert_int_equal(stream_commit(s, &err), 0);
	sqlite3_free(sql);
	world_settle(town->loop, s);
}

/* A user with a password, as ST stores it. */
static void
town_user(struct stream *s, const char *id, const char *realm, const char *user,
    const char *password)
{
	char digests[98], md5[33], sha256[65], ad[64], hex[2 * 113 + 1];
	struct crypt_seal *seal;
	uint8_t key[CRYPT_KEY], sealed[113];

	sip_digest_ha1(md5, false, user, realm, password);
	sip_digest_ha1(sha256, true, user, realm, password);
	snprintf(digests, sizeof digests, "%s:%s", md5, sha256);
	snprintf(ad, sizeof ad, "%s/%s", id, user);
	crypt_derive(key, town->self.key_auth, "user password");
	seal = crypt_seal_new(key);
	assert_int_equal(crypt_seal(seal, sealed, sizeof sealed, digests, 97,
			     ad, strlen(ad)),
	    113);
	crypt_seal_free(&seal);
	str_hex(hex, sealed, sizeof sealed);
	town_write(s, "user", user,
	    "INSERT INTO user(user, password, max_contacts, state)"
	    " VALUES(%Q, x'%s', 3, 'on') ON CONFLICT DO UPDATE"
	    " SET password = excluded.password",
	    user, hex);
}

/* Two domains; the second has an alias and no phones of its own. */
static void
town_domains(void)
{
	town->root = town_stream("domain/root", OBJ_ROOT);
	town->domain = town_stream("domain/" DOMAIN_ID, OBJ_DOMAIN);
	town->other = town_stream("domain/" OTHER_ID, OBJ_DOMAIN);
	town_write(town->root, "domain", "demo.test",
	    "INSERT INTO domain(domain, id, realm, alias, state)"
	    " VALUES('demo.test', '" DOMAIN_ID "', 'demo.test',"
	    " 'alias.test second.test', 'on'), ('other.test', '" OTHER_ID
	    "', 'other.test', '', 'on')");
	town_user(town->domain, DOMAIN_ID, "demo.test", "101", "secret");
	town_user(town->domain, DOMAIN_ID, "demo.test", "102", "geheim");
	town_user(town->other, OTHER_ID, "other.test", "101", "secret");
}

/* ---- a phone ------------------------------------------------------------ */

static void
phone_on_readable(void *arg, int fd, int events)
{
	ssize_t n;

	(void)arg;
	(void)events;
	while ((n = recv(fd, town->reply, SIP_MAX, MSG_DONTWAIT)) > 0) {
		town->reply[n] = '\0';
		town->replies++;
	}
}

struct town_wait {
	bool (*holds)(void *);
	void *arg;
	struct loop_timer *poll;
	unsigned left; /* ms */
};

static void
town_on_poll(void *arg)
{
	struct town_wait *w = arg;

	if (w->holds(w->arg) || w->left-- == 0)
		loop_stop(town->loop);
	else
		loop_timer_set(w->poll, CLOCK_MS);
}

/* Run the loop until a condition holds; a minute at most. */
static void
town_until(bool (*holds)(void *), void *arg)
{
	struct town_wait w = {holds, arg, NULL, 60000};

	w.poll = loop_timer_new(town->loop, town_on_poll, &w);
	loop_timer_set(w.poll, 0);
	loop_run(town->loop);
	loop_timer_free(&w.poll);
	if (!holds(arg))
		fail_msg("waited in vain");
}

static bool
more_than(void *arg)
{
	const unsigned *n = arg;

	return town->replies > *n;
}

/* Send bytes to SR. */
static void
phone_send(const char *bytes, size_t n)
{
	assert_int_equal(sendto(town->phone, bytes, n, 0, &town->self.inside.sa,
			     addr_len(&town->self.inside)),
	    n);
}

/* Send bytes and wait for the reply; its status. */
static int
phone_ask(const char *bytes, size_t n)
{
	unsigned before = town->replies;

	phone_send(bytes, n);
	town_until(more_than, &before);
	assert_int_equal(strncmp(town->reply, "SIP/2.0 ", 8), 0);
	return atoi(town->reply + 8);
}

/* A REGISTER as SG would forward it. */
struct ask {
	const char *user, *password, *host, *realm, *login, *call_id, *lines;
	unsigned cseq;
	bool sha256, qop, no_credentials;
};

/* Its text; returns the length. */
static size_t
ask_text(const struct ask *a, char *out, size_t size)
{
	const char *realm = a->realm != NULL ? a->realm : "demo.test";
	const char *login = a->login != NULL ? a->login : a->user;
	const char *host = a->host != NULL ? a->host : "demo.test";
	char ha1[65], ha2[65], response[65], s[512], at[ADDR_TEXT];
	void (*hash)(char *, const void *, size_t) = a->sha256 ? crypt_sha256
							       : crypt_md5;
	char auth[1024] = "";

	addr_text(at, &town->phone_at);
	sip_digest_ha1(ha1, a->sha256, login, realm, a->password);
	snprintf(s, sizeof s, "REGISTER:sip:%s", host);
	hash(ha2, s, strlen(s));
	snprintf(s, sizeof s, "%s:n0nce:%s%s", ha1,
	    a->qop ? "00000001:c:auth:" : "", ha2);
	hash(response, s, strlen(s));
	if (!a->no_credentials)
		snprintf(auth, sizeof auth,
		    "Authorization: Digest username=\"%s\", realm=\"%s\", "
		    "nonce=\"n0nce\", uri=\"sip:%s\", response=\"%s\", "
		    "algorithm=%s%s\r\n",
		    login, realm, host, response, a->sha256 ? "SHA-256" : "MD5",
		    a->qop ? ", qop=auth, nc=00000001, cnonce=\"c\"" : "");
	return (size_t)snprintf(out, size,
	    "REGISTER sip:%s SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP %s;branch=z9hG4bKgate\r\n"
	    "Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bKphone;rport=5062;"
	    "received=192.0.2.7\r\n"
	    "From: <sip:%s@%s>;tag=f\r\nTo: <sip:%s@%s>\r\n"
	    "Call-ID: %s\r\nCSeq: %u REGISTER\r\n"
	    "Path: <sip:t0ken@127.0.0.1:5080;lr>\r\n%s%s"
	    "X-Tandem-Source: 192.0.2.7:5062;transport=udp;listener=udp\r\n"
	    "Content-Length: 0\r\n\r\n",
	    host, at, a->user, host, a->user, host,
	    a->call_id != NULL ? a->call_id : "c1", a->cseq, auth,
	    a->lines != NULL ? a->lines : "");
}

/* Ask and wait; the status. */
static int
phone_register(const struct ask *a)
{
	char text[8192];

	return phone_ask(text, ask_text(a, text, sizeof text));
}

/* User 101's REGISTER with these lines. */
static inline int
phone_101(unsigned cseq, const char *lines)
{
	struct ask a = {
	    .user = "101", .password = "secret", .cseq = cseq, .lines = lines};

	return phone_register(&a);
}

/* ---- all of it ----------------------------------------------------------- */

/* A free port of loopback. */
static void
town_port(union addr *a)
{
	struct err err = {0};
	socklen_t len = sizeof *a;
	int fd;

	addr_parse(a, "127.0.0.1", 0);
	assert_true((fd = sock_udp(a, &err)) >= 0);
	getsockname(fd, &a->sa, &len);
	close(fd);
}

static void
town_phone(void)
{
	struct err err = {0};
	socklen_t len = sizeof town->phone_at;

	addr_parse(&town->phone_at, "127.0.0.1", 0);
	town->phone = sock_udp(&town->phone_at, &err);
	assert_true(town->phone >= 0);
	getsockname(town->phone, &town->phone_at.sa, &len);
	town->phone_io = loop_fd_open(
	    town->loop, town->phone, LOOP_READ, phone_on_readable, NULL);
}

/* Own the bindings under an epoch and wait until they are served. */
static inline void
town_own(uint64_t epoch)
{
	town->serving = 0;
	sr_role.on_own(&town->self, "sr", epoch);
	world_run(town->loop, &town->serving);
}

static inline int
town_setup(void **state)
{
	struct err err = {0};

	(void)state;
	town = calloc(1, sizeof *town);
	world_make(&town->world);
	world_start(&town->world);
	town->loop = loop_new();
	town->st_repl = repl_new(town->loop, town->world.root);
	repl_link(town->st_repl, world_link(&town->world, "st/1"));
	town->repl = repl_new(town->loop, town->world.root);
	repl_link(town->repl, world_link(&town->world, "sr/1"));
	memset(town->self.key_auth, 7, CRYPT_KEY);
	town_domains();
	town_phone();
	town_port(&town->self.inside);
	town->self.id = ROLE_SR;
	town->self.index = 1;
	town->self.loop = town->loop;
	town->self.repl = town->repl;
	town->self.role = &sr_role;
	assert_int_equal(sr_role.start(&town->self, &err), 0);
	world_run(town->loop, &town->ready);
	return 0;
}

static inline int
town_teardown(void **state)
{
	(void)state;
	if (town->self.state_of_role != NULL)
		sr_role.on_stop(&town->self);
	assert_int_equal(town->stopped, 1);
	stream_close(&town->root);
	stream_close(&town->domain);
	stream_close(&town->other);
	repl_free(&town->repl);
	repl_free(&town->st_repl);
	loop_fd_close(&town->phone_io);
	close(town->phone);
	loop_free(&town->loop);
	world_remove(&town->world);
	free(town);
	return 0;
}
