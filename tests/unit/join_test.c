/*
 * Joining, from the token to the state directory: the real door and the real
 * tandemd join, each in a process of its own, over a supervisor that is called
 * directly and a store and a quorum that only note what they are asked.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/str.h"
#include "daemon/base/tls.h"
#include "daemon/control/join.h"
#include "daemon/supervisor/identity.h"
#include "daemon/supervisor/supervisor.h"
#include "tests/lib/scratch.h"

static struct site {
	struct loop *loop;
	struct loop_timer *limit;
	struct loop_signal *child;
	char dir[64];	/* state of srv1, which lets others in */
	char guest[64]; /* directory of who joins */
	struct identity id;
	struct join_door *door;
	char token[JOIN_TOKEN_TEXT];
	uint64_t expires;
	struct mesh_server list[4];
	size_t n;
	char heard[512]; /* by the store and quorum */
	struct err store_says;
	bool other_is_up;
	bool witness;	       /* the guest's boot file says so */
	bool hold;	       /* the supervisor does not answer ... */
	struct role_join held; /* ... this */
	uint64_t later;	       /* seconds by which its clock is ahead */
	pid_t pid;
	int status;
} site;

/* ---- what the door is given --------------------------------------------- */

static void
answer(const struct role_join *q)
{
	struct role_joined a;
	int fd;

	admit(site.dir, q, clock_real() / CLOCK_SEC + site.later, &a, &fd);
	join_door_answer(site.door, &a, fd);
}

static void
ask(void *arg, const struct role_join *q)
{
	(void)arg;
	if (site.hold) {
		site.held = *q;
		loop_stop(site.loop);
	} else {
		answer(q);
	}
}

static void
hear(const char *who, json_t *params)
{
	char *text = json_dumps(params, JSON_SORT_KEYS);
	size_t used = strlen(site.heard);

	snprintf(
	    site.heard + used, sizeof site.heard - used, "%s %s\n", who, text);
	free(text);
	json_decref(params);
}

static void
put_store(void *arg, json_t *params, rpc_reply_fn *fn, void *fn_arg)
{
	(void)arg;
	hear("store", params);
	if (site.store_says.code != ERR_NONE) {
		fn(fn_arg, NULL, &site.store_says);
		return;
	}
	if (site.n == 1) {
		str_copy(site.list[1].name, sizeof site.list[1].name, "srv2");
		addr_parse(&site.list[1].inside, "127.0.0.1", 21000);
		site.n = 2;
	}
	fn(fn_arg, json_null(), NULL);
}

static void
put_quorum(void *arg, json_t *params, rpc_reply_fn *fn, void *fn_arg)
{
	(void)arg;
	hear("quorum", params);
	fn(fn_arg, json_null(), NULL);
}

static size_t
servers(void *arg, struct mesh_server *out, size_t room)
{
	(void)arg;
	assert_true(site.n <= room);
	memcpy(out, site.list, site.n * sizeof *out);
	return site.n;
}

static bool
is_up(void *arg, const char *server)
{
	(void)arg;
	(void)server;
	return site.other_is_up;
}

/* ---- a site and a guest ------------------------------------------------- */

static void
on_limit(void *arg)
{
	(void)arg;
	fail_msg("nothing happened within the limit");
}

static void
on_child(void *arg)
{
	(void)arg;
	if (site.pid > 0 && waitpid(site.pid, &site.status, WNOHANG) > 0) {
		site.pid = 0;
		loop_stop(site.loop);
	}
}

static int
setup(void **state)
{
	struct join_config config = {.site = "demo",
	    .ask = ask,
	    .put_store = put_store,
	    .put_quorum = put_quorum,
	    .servers = servers,
	    .is_up = is_up};
	struct keys keys;
	struct err e;

	(void)state;
	memset(&site, 0, sizeof site);
	signal(SIGPIPE, SIG_IGN);
	scratch_make(site.dir);
	scratch_make(site.guest);
	assert_int_equal(keys_load(&keys, site.dir, &e), 0);
	assert_int_equal(identity_load(site.dir, "srv1", &site.id, &e), 0);
	site.loop = loop_new();
	site.limit = loop_timer_new(site.loop, on_limit, NULL);
	site.child = loop_signal_open(site.loop, SIGCHLD, on_child, NULL);
	str_copy(site.list[0].name, sizeof site.list[0].name, "srv1");
	addr_parse(&site.list[0].inside, "127.0.0.1", 20000);
	site.n = 1;
	config.loop = site.loop;
	config.identity = site.id.pem;
	addr_parse(&config.listen, "127.0.0.1", 0);
	assert_int_equal(join_door_open(&config, &site.door, &e), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	join_door_close(&site.door);
	loop_signal_close(&site.child);
	loop_timer_free(&site.limit);
	loop_run(site.loop); /* what was deferred */
	loop_free(&site.loop);
	identity_fini(&site.id);
	scratch_remove(site.dir);
	scratch_remove(site.guest);
	return 0;
}

static void
on_token(void *arg, const char *token, uint64_t expires, const struct err *e)
{
	(void)arg;
	assert_null(e);
	str_copy(site.token, sizeof site.token, token);
	site.expires = expires;
}

static void
make_token(const char *name)
{
	site.token[0] = '\0';
	join_door_token(site.door, name, 10, on_token, NULL);
	assert_int_equal(strlen(site.token), JOIN_TOKEN_TEXT - 1);
}

static void
run(void)
{
	loop_timer_set(site.limit, 30 * CLOCK_SEC);
	loop_run(site.loop);
	loop_timer_cancel(site.limit);
}

/* Start tandemd join with the token; words go to a file. */
static void
start_guest(const char *server, const char *at_site, unsigned port)
{
	char conf[128], words[128], text[512];

	snprintf(conf, sizeof conf, "%s/tandem.conf", site.guest);
	snprintf(words, sizeof words, "%s/words", site.guest);
	snprintf(text, sizeof text,
	    "server %s\nsite %s\nstate %s/state\ninside 127.0.0.1\n"
	    "port-base %u\nwitness %s\n",
	    server, at_site, site.guest, port, site.witness ? "yes" : "no");
	scratch_write(conf, text, strlen(text));
	if ((site.pid = fork()) > 0)
		return;
	freopen(words, "w", stdout);
	freopen(words, "a", stderr);
	alarm(30);
	_exit(join_main(site.token, conf, false) | (fflush(NULL) != 0));
}

/* Join, and compare exit status and words. */
static void
joins(const char *server, const char *at_site, unsigned port, int status,
    const char *expected)
{
	char words[128];
	uint8_t *text;
	size_t n;

	start_guest(server, at_site, port);
	run();
	snprintf(words, sizeof words, "%s/words", site.guest);
	text = scratch_read(words, &n);
	text = realloc(text, n + 1);
	text[n] = '\0';
	if (strstr((char *)text, expected) == NULL)
		fail_msg("%s", (char *)text);
	free(text);
	assert_true(WIFEXITED(site.status));
	assert_int_equal(WEXITSTATUS(site.status), status);
}

/* The guest's state directory holds nothing that a start would use. */
static void
assert_blank(void)
{
	char path[96];
	struct err e;

	snprintf(path, sizeof path, "%s/state", site.guest);
	assert_int_equal(identity_blank(path, &e), 0);
}

/* ---- laws --------------------------------------------------------------- */

/* A blank server with a token becomes one of the site: same cluster, same
 * keys, and it knows the others; the store and quorum know it. */
static void
blank_server_joins(void **state)
{
	struct mesh_server list[4];
	struct keys a, b;
	struct identity id;
	char path[96];
	struct err e;

	(void)state;
	make_token("");
	joins("srv2", "demo", 21000, 0, "Server srv2 has joined site demo");
	assert_string_equal(site.heard,
	    "store {\"inside\": \"127.0.0.1\", \"name\": \"srv2\", "
	    "\"port-base\": 21000, \"witness\": false}\n"
	    "quorum {\"inside\": \"127.0.0.1\", \"name\": \"srv2\", "
	    "\"port-base\": 21000, \"witness\": false}\n");
	snprintf(path, sizeof path, "%s/state", site.guest);
	assert_int_equal(identity_load(path, "srv2", &id, &e), 0);
	assert_string_equal(id.cluster, site.id.cluster);
	assert_int_equal(keys_load(&a, site.dir, &e), 0);
	assert_int_equal(keys_load(&b, path, &e), 0);
	assert_memory_equal(&a, &b, sizeof a);
	assert_int_equal(identity_servers(path, list, 4), 2);
	assert_string_equal(list[0].name, "srv1");
	identity_fini(&id);
	joins("srv2", "demo", 21000, 1, "has state already");
}

/* One that shall only vote says so; it is told to all who must know, and it
 * starts as nothing else from then on. */
static void
witness_joins_as_one(void **state)
{
	char path[96];
	struct err e;

	(void)state;
	site.witness = true;
	make_token("");
	joins("srv2", "demo", 21000, 0, "Server srv2 has joined site demo");
	assert_string_equal(site.heard,
	    "store {\"inside\": \"127.0.0.1\", \"name\": \"srv2\", "
	    "\"port-base\": 21000, \"witness\": true}\n"
	    "quorum {\"inside\": \"127.0.0.1\", \"name\": \"srv2\", "
	    "\"port-base\": 21000, \"witness\": true}\n");
	snprintf(path, sizeof path, "%s/state", site.guest);
	assert_int_equal(identity_check_witness(path, true, &e), 0);
	assert_int_equal(
	    identity_check_witness(path, false, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "has joined as a witness"));
	/* The founder of a site holds its data. */
	assert_int_equal(
	    identity_check_witness(site.dir, true, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "of no site yet"));
	assert_int_equal(identity_check_witness(site.dir, false, &e), 0);
}

/* A token works once. */
static void
used_token_is_refused(void **state)
{
	char path[160];

	(void)state;
	make_token("");
	joins("srv2", "demo", 21000, 0, "has joined");
	snprintf(path, sizeof path, "%s/state", site.guest);
	scratch_remove(path);
	joins("srv3", "demo", 22000, 1, "the token has been used already");
	assert_blank();
}

/* After its time a token is told to be expired; one that this server never
 * made is told to be unknown, a mistyped one at once. */
static void
wrong_tokens_are_told_apart(void **state)
{
	struct join_token t;
	struct err e;

	(void)state;
	make_token("");
	site.later = 601;
	joins("srv2", "demo", 21000, 1, "the token has expired");
	site.later = 0;
	assert_int_equal(join_token_decode(&t, site.token, &e), 0);
	t.secret[0] ^= 1;
	join_token_encode(site.token, &t);
	joins("srv2", "demo", 21000, 1, "this server does not know the token");
	site.token[20] ^= 1;
	joins("srv2", "demo", 21000, 2, "token: ");
	str_copy(site.token, sizeof site.token, "abc");
	joins("srv2", "demo", 21000, 2, "no token: expected the 107");
	assert_blank();
	assert_string_equal(site.heard, "");
}

/* Nothing is sent to one who is not of the token's cluster. */
static void
other_cluster_is_not_trusted(void **state)
{
	struct join_token t;
	struct err e;

	(void)state;
	make_token("");
	assert_int_equal(join_token_decode(&t, site.token, &e), 0);
	t.print[31] ^= 1;
	join_token_encode(site.token, &t);
	site.hold = true; /* nobody is asked */
	joins("srv2", "demo", 21000, 1,
	    "who answers there is not of the cluster of this token");
	assert_blank();
}

/* Where nobody listens, the address is named. */
static void
absent_server_is_named(void **state)
{
	(void)state;
	make_token("");
	join_door_close(&site.door);
	joins("srv2", "demo", 21000, 1, "Connection refused");
	assert_blank();
}

/* A refusal for what the boot file says leaves the token good. */
static void
corrected_boot_file_joins_with_the_same_token(void **state)
{
	(void)state;
	make_token("");
	joins("srv2", "other", 21000, 1,
	    "this is site demo; the boot file of srv2 says site other");
	joins("srv1", "demo", 21000, 1, "the name srv1 is taken");
	joins("srv2", "demo", 20000, 1,
	    "inside address and port-base are those of server srv1");
	assert_string_equal(site.heard, "");
	joins("srv2", "demo", 21000, 0, "has joined");
}

/* When the store cannot, the token stays good for that server alone, even
 * when its row was made. */
static void
failed_attempt_can_be_repeated(void **state)
{
	(void)state;
	make_token("");
	err_set(&site.store_says, ERR_NOOWNER, "no owner at the moment");
	joins("srv2", "demo", 21000, 1, "store: no owner at the moment");
	assert_blank();
	joins("srv3", "demo", 22000, 1, "server srv2 has begun to join");
	site.store_says.code = ERR_NONE;
	str_copy(site.list[1].name, sizeof site.list[1].name, "srv2");
	addr_parse(&site.list[1].inside, "127.0.0.1", 21000);
	site.n = 2;
	joins("srv2", "demo", 21000, 0, "has joined");
}

/* A server that lost its state comes back with a token in its name, unless
 * it runs. */
static void
lost_server_comes_back_by_name(void **state)
{
	(void)state;
	str_copy(site.list[1].name, sizeof site.list[1].name, "srv2");
	addr_parse(&site.list[1].inside, "127.0.0.1", 21000);
	site.n = 2;
	make_token("");
	joins("srv2", "demo", 21000, 1,
	    "the name srv2 is taken: choose another one in the line "
	    "\"server\" of the boot file; or, when this is that server and "
	    "its state is lost, let it come back with a token in its name, "
	    "\"request server token name srv2\"");
	make_token("srv2");
	joins("srv3", "demo", 22000, 1, "the token is for server srv2");
	site.other_is_up = true;
	joins("srv2", "demo", 21000, 1,
	    "the name srv2 is taken, and that server is up: choose another");
	site.other_is_up = false;
	joins("srv2", "demo", 21000, 0, "has joined");
}

/* One who leaves while the supervisor is asked is forgotten with its
 * answer. */
static void
guest_may_leave_at_any_time(void **state)
{
	(void)state;
	make_token("");
	site.hold = true;
	start_guest("srv2", "demo", 21000);
	run();
	assert_int_equal(site.held.what, ROLE_JOIN_CHECK);
	kill(site.pid, SIGKILL);
	run();
	answer(&site.held);
	site.hold = false;
	joins("srv2", "demo", 21000, 0, "has joined");
}

/* Garbage and silence at the port do no harm: who has a token gets in. */
static void
garbage_does_no_harm(void **state)
{
	uint8_t junk[4000];
	union addr at;
	int s[40];
	unsigned i;

	(void)state;
	join_door_address(site.door, &at);
	for (i = 0; i < 40; i++) {
		rand_bytes(junk, sizeof junk);
		s[i] = sock_tcp_connect(&at, NULL);
		assert_true(s[i] >= 0);
		if (i % 2 == 0)
			send(s[i], junk, sizeof junk, MSG_NOSIGNAL);
	}
	make_token("");
	joins("srv2", "demo", 21000, 0, "has joined");
	for (i = 0; i < 40; i++)
		close(s[i]);
}

/* A token is itself again, of either family. */
static void
token_is_itself_again(void **state)
{
	struct join_token t = {.expires = 1764200000, .secret = {9}}, back;
	char text[JOIN_TOKEN_TEXT];
	struct err e;
	size_t i;

	(void)state;
	addr_parse(&t.address, "2001:db8::7", 20004);
	join_token_encode(text, &t);
	assert_int_equal(join_token_decode(&back, text, &e), 0);
	assert_memory_equal(&t, &back, sizeof t);
	for (i = 0; i + 1 < sizeof text; i++) {
		text[i] ^= 1;
		assert_int_not_equal(join_token_decode(&back, text, &e), 0);
		text[i] ^= 1;
	}
	assert_int_equal(join_token_decode(&back, text, &e), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {T(blank_server_joins),
	    T(witness_joins_as_one), T(used_token_is_refused),
	    T(wrong_tokens_are_told_apart), T(other_cluster_is_not_trusted),
	    T(absent_server_is_named),
	    T(corrected_boot_file_joins_with_the_same_token),
	    T(failed_attempt_can_be_repeated),
	    T(lost_server_comes_back_by_name), T(guest_may_leave_at_any_time),
	    T(garbage_does_no_harm), cmocka_unit_test(token_is_itself_again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
