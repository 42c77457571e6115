/*
 * The console's way to a server elsewhere, without one: what the options say
 * of it, files of keys and of known servers, lines that become messages.
 */
#include <errno.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "console/console.h"
#include "daemon/base/clock.h"
#include "daemon/base/websocket.h"
#include "tests/lib/scratch.h"

#define HALF "0123456789abcdef0123456789abcdef"

static char home[64];

static int
setup(void **state)
{
	(void)state;
	scratch_make(home);
	return setenv("HOME", home, 1);
}

static int
teardown(void **state)
{
	(void)state;
	scratch_remove(home);
	return 0;
}

/* ---- options ------------------------------------------------------------- */

/* What -H makes of a text: "host port", "!" when it is refused. */
static const char *
host_of(const char *text)
{
	static char out[OPTIONS_HOST + 16];
	char name[] = "tandem", option[] = "-H", json[] = "-q", *copy;
	char *argv[] = {name, json, option, copy = strdup(text), NULL};
	struct options opt;
	int r = options_parse(4, argv, &opt);

	snprintf(out, sizeof out, r != 0 ? "!" : "%s %u", opt.host, opt.port);
	options_fini(&opt);
	free(copy);
	return out;
}

/* A port may stand behind a name, an address, an IPv6 address in brackets. */
static void
hosts_have_ports(void **state)
{
	(void)state;
	assert_string_equal(
	    host_of("srv1.Example.test"), "srv1.example.test 8443");
	assert_string_equal(host_of("srv1:443"), "srv1 443");
	assert_string_equal(host_of("192.0.2.1:1"), "192.0.2.1 1");
	assert_string_equal(host_of("[2001:db8::7]:443"), "2001:db8::7 443");
	assert_string_equal(host_of("[2001:db8::7]"), "2001:db8::7 8443");
	assert_string_equal(host_of("2001:db8::7"), "2001:db8::7 8443");
	assert_string_equal(host_of("srv1:0"), "!");
	assert_string_equal(host_of("srv1:65536"), "!");
	assert_string_equal(host_of("srv1:"), "!");
	assert_string_equal(host_of("[::1]443"), "!");
	assert_string_equal(host_of("[::1"), "!");
	assert_string_equal(host_of("a b"), "!");
	assert_string_equal(host_of(""), "!");
	assert_string_equal(host_of(":443"), "!");
}

/* A key is made alone: what would stand beside it was meant to be done. */
static void
a_key_is_made_alone(void **state)
{
	char name[] = "tandem", make[] = "--make-certificate", c[] = "-c",
	     word[] = "bogus", path[128];
	char *before[] = {name, c, word, make, path, NULL},
	     *behind[] = {name, make, path, c, word, NULL},
	     *rest[] = {name, make, path, word, NULL};
	struct options opt;

	(void)state;
	snprintf(path, sizeof path, "%s/alone.pem", home);
	assert_int_equal(options_parse(5, before, &opt), EXIT_USAGE + 1);
	options_fini(&opt);
	assert_int_equal(options_parse(5, behind, &opt), EXIT_USAGE + 1);
	options_fini(&opt);
	assert_int_equal(options_parse(4, rest, &opt), EXIT_USAGE + 1);
	options_fini(&opt);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- files --------------------------------------------------------------- */

static bool
is_known(const char *server, char print[OP_PRINT])
{
	struct err e;

	assert_int_equal(known_find(server, print, &e), 0);
	return print[0] != '\0';
}

/* A server is known by its own line and no other, and what is no line of ours
 * is passed over. */
static void
servers_are_remembered(void **state)
{
	char path[4096], print[OP_PRINT];
	struct err e;
	FILE *f;

	(void)state;
	assert_false(is_known("srv1:443", print));
	assert_int_equal(known_add("srv1:443", "sha256:" HALF HALF, &e), 0);
	assert_int_equal(known_path(path, sizeof path, &e), 0);
	f = fopen(path, "a");
	assert_non_null(f);
	fputs("# words\n\nsrv2:443\nsrv3:443 sha256:12\n"
	      "srv4:443\tSHA256:" HALF HALF " a comment\n",
	    f);
	fclose(f);
	assert_true(is_known("SRV1:443", print));
	assert_string_equal(print, "sha256:" HALF HALF);
	assert_true(is_known("srv4:443", print));
	assert_string_equal(print, "sha256:" HALF HALF);
	assert_false(is_known("srv1:44", print));
	assert_false(is_known("srv2:443", print));
	assert_false(is_known("srv3:443", print));
	assert_false(is_known("", print));
	assert_int_equal(chmod(path, 0620), 0);
	assert_int_equal(known_find("srv1:443", print, &e), -ERR_CONNECT);
	assert_non_null(strstr(e.text, "others may write it"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(known_find("srv1:443", print, &e), -ERR_CONNECT);
	assert_int_equal(unlink(path), 0);
}

/* Home is where the environment says, else where passwd(5) does, and never the
 * current directory. */
static void
home_is_nowhere_else(void **state)
{
	const struct passwd *pw = getpwuid(geteuid());
	char path[4096], want[4096];
	struct err e;

	(void)state;
	snprintf(want, sizeof want, "%s/.tandem/x", home);
	assert_int_equal(remote_path(path, sizeof path, "x", &e), 0);
	assert_string_equal(path, want);
	assert_non_null(pw);
	snprintf(want, sizeof want, "%s/.tandem/x", pw->pw_dir);
	assert_int_equal(unsetenv("HOME"), 0);
	assert_int_equal(remote_path(path, sizeof path, "x", &e), 0);
	assert_string_equal(path, want);
	assert_int_equal(setenv("HOME", ".", 1), 0);
	assert_int_equal(remote_path(path, sizeof path, "x", &e), 0);
	assert_string_equal(path, want);
	assert_int_equal(setenv("HOME", home, 1), 0);
}

/* A key is for its owner; it is made once, and only whole. */
static void
keys_are_their_owners(void **state)
{
	char path[128], print[OP_PRINT];
	struct tls_id *id;
	struct stat st;
	struct err e;

	(void)state;
	snprintf(path, sizeof path, "%s/new/key.pem", home);
	assert_int_equal(keyfile_make(path, print, &e), 0);
	assert_int_equal(strlen(print), OP_PRINT - 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(keyfile_make(path, print, &e), -ERR_IO);
	assert_int_equal(keyfile_open(path, &id, &e), 0);
	assert_non_null(id);
	tls_id_free(&id);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(keyfile_open(path, &id, &e), -ERR_CONNECT);
	assert_null(id);
	assert_non_null(strstr(e.text, "chmod 600"));
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 60), 0);
	assert_int_equal(keyfile_open(path, &id, &e), -ERR_CONNECT);
	assert_null(id);
	/* what is no file is not waited for */
	snprintf(path, sizeof path, "%s/pipe.pem", home);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(keyfile_open(path, &id, &e), -ERR_CONNECT);
	assert_non_null(strstr(e.text, "no regular file"));
	snprintf(path, sizeof path, "%s/none.pem", home);
	assert_int_equal(keyfile_open(path, &id, &e), -ERR_CONNECT);
	assert_non_null(strstr(e.text, "--make-certificate"));
}

/* ---- lines and messages ---------------------------------------------------
 */

struct rig {
	struct loop *loop;
	struct loop_timer *turn;
	struct bridge *bridge;
	struct websocket *server;
	struct buf out;	  /* frames of the server */
	struct buf heard; /* messages of the client, a line each */
	int wire, lines;  /* our ends */
	unsigned ended;
};

static void
on_message(void *arg, char *msg, size_t n)
{
	struct rig *r = arg;

	buf_add(&r->heard, msg, n);
	buf_char(&r->heard, '\n');
}

static void
on_end(void *arg)
{
	struct rig *r = arg;

	r->ended++;
	bridge_close(&r->bridge);
}

static void
stop(void *arg)
{
	loop_stop(arg);
}

/* came: what the server says before the bridge is there. */
static void
rig_init(struct rig *r, const char *came)
{
	int wire[2], lines[2];
	int kind = SOCK_STREAM | SOCK_NONBLOCK;

	memset(r, 0, sizeof *r);
	r->loop = loop_new();
	r->turn = loop_timer_new(r->loop, stop, r->loop);
	r->server = websocket_new(
	    WEBSOCKET_SERVER, &r->out, 1 << 20, on_message, r);
	assert_int_equal(socketpair(AF_UNIX, kind, 0, wire), 0);
	assert_int_equal(socketpair(AF_UNIX, kind, 0, lines), 0);
	r->wire = wire[0];
	r->lines = lines[0];
	assert_int_equal(websocket_send(r->server, came, strlen(came)), 0);
	r->bridge = bridge_open(
	    r->loop, wire[1], lines[1], r->out.data, r->out.len, on_end, r);
	buf_reset(&r->out);
}

/* What is ready moves, a few times. */
static void
rig_turn(struct rig *r)
{
	char piece[65536];
	ssize_t n;
	int i;

	for (i = 0; i < 20; i++) {
		loop_timer_set(r->turn, 200);
		loop_run(r->loop);
		while ((n = recv(r->wire, piece, sizeof piece, 0)) > 0)
			websocket_feed(r->server, piece, (size_t)n);
	}
}

/* The server says something; a part of a frame is a part of nothing. */
static void
rig_say(struct rig *r, const char *text)
{
	size_t i;

	assert_int_equal(websocket_send(r->server, text, strlen(text)), 0);
	for (i = 0; i < r->out.len; i++) {
		assert_int_equal(send(r->wire, r->out.data + i, 1, 0), 1);
		loop_timer_set(r->turn, 100);
		loop_run(r->loop);
	}
	buf_reset(&r->out);
}

static void
rig_fini(struct rig *r)
{
	bridge_close(&r->bridge);
	websocket_free(&r->server);
	loop_timer_free(&r->turn);
	loop_free(&r->loop);
	buf_fini(&r->out);
	buf_fini(&r->heard);
	close(r->wire);
	close(r->lines);
}

/* A line is a message, both ways, however it comes in pieces, and what came
 * with the handshake is one too. */
static void
lines_are_messages(void **state)
{
	struct rig r;
	char got[64] = "";

	(void)state;
	rig_init(&r, "early");
	assert_int_equal(send(r.lines, "one\ntw", 6, 0), 6);
	rig_turn(&r);
	assert_string_equal(r.heard.data, "one\n");
	assert_int_equal(send(r.lines, "o\n", 2, 0), 2);
	rig_turn(&r);
	assert_string_equal(r.heard.data, "one\ntwo\n");
	rig_say(&r, "answer");
	rig_turn(&r);
	assert_int_equal(recv(r.lines, got, sizeof got - 1, 0), 13);
	assert_string_equal(got, "early\nanswer\n");
	assert_int_equal(r.ended, 0);
	rig_fini(&r);
}

/* What the server said last is read before the end; the end of either side is
 * told once. */
static void
ends_are_told(void **state)
{
	struct rig r;
	char got[64] = "";

	(void)state;
	rig_init(&r, "hello");
	rig_say(&r, "last");
	shutdown(r.wire, SHUT_WR);
	rig_turn(&r);
	assert_int_equal(r.ended, 1);
	assert_int_equal(recv(r.lines, got, sizeof got - 1, 0), 11);
	assert_string_equal(got, "hello\nlast\n");
	assert_int_equal(recv(r.lines, got, sizeof got, 0), 0);
	rig_fini(&r);

	rig_init(&r, "hello");
	shutdown(r.lines, SHUT_WR);
	rig_turn(&r);
	assert_int_equal(r.ended, 1);
	rig_fini(&r);

	/* a frame with a mask is none of a server (RFC 6455 5.1) */
	rig_init(&r, "hello");
	assert_int_equal(send(r.wire,
			     "\x81\x81"
			     "abcdX",
			     7, 0),
	    7);
	rig_turn(&r);
	assert_int_equal(r.ended, 1);
	rig_fini(&r);
}

/* Who does not read holds the other side back: the bridge keeps little. */
static void
nobody_is_flooded(void **state)
{
	static char big[100001];
	size_t sent = 0;
	struct rig r;
	ssize_t n;
	int i;

	(void)state;
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\n';
	rig_init(&r, "hello");
	for (i = 0; i < 400; i++) {
		if ((n = send(r.lines, big, sizeof big, 0)) > 0)
			sent += (size_t)n;
		loop_timer_set(r.turn, 100);
		loop_run(r.loop);
	}
	assert_true(sent < 4 << 20);
	rig_turn(&r);
	assert_true(r.heard.len + sizeof big > sent);
	rig_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hosts_have_ports),
	    cmocka_unit_test_setup_teardown(
		a_key_is_made_alone, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		servers_are_remembered, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		home_is_nowhere_else, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		keys_are_their_owners, setup, teardown),
	    cmocka_unit_test(lines_are_messages),
	    cmocka_unit_test(ends_are_told),
	    cmocka_unit_test(nobody_is_flooded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
