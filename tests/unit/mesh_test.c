/* Connections between servers: who is let in, who is not, what is carried. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/base/buf.h"
#include "daemon/base/clock.h"
#include "daemon/base/mesh.h"
#include "daemon/base/mesh_hello.h"
#include "daemon/base/str.h"
#include "daemon/base/tls.h"
#include "tests/lib/cluster.h"

#define SERVICE MESH_QUORUM

/* A server of the test. */
struct node {
	struct rig *rig;
	char name[MESH_NAME];
	struct mesh *mesh;
	union addr inside; /* with its port base */
	int fd;		   /* of the last connection; -1 = none */
	char with[MESH_NAME];
	unsigned ups;
};

struct rig {
	struct loop *loop;
	struct loop_timer *limit, *turn;
	struct cluster cluster, other;
	struct node node[3];
	bool (*until)(struct rig *);
	bool limited;
};

static struct rig *rig;

static void
on_limit(void *arg)
{
	struct rig *r = arg;

	r->limited = true;
	loop_stop(r->loop);
}

/* The condition is looked at often; nothing depends on how often. */
static void
on_turn(void *arg)
{
	struct rig *r = arg;

	if (r->until(r))
		loop_stop(r->loop);
	else
		loop_timer_set(r->turn, CLOCK_MS);
}

static void
wait_for(bool (*until)(struct rig *))
{
	rig->until = until;
	rig->limited = false;
	loop_timer_set(rig->limit, 20 * CLOCK_SEC);
	loop_timer_set(rig->turn, 0);
	loop_run(rig->loop);
	loop_timer_cancel(rig->turn);
	loop_timer_cancel(rig->limit);
	assert_false(rig->limited);
}

static void
on_up(void *arg, const char *server, int fd)
{
	struct node *n = arg;

	if (n->fd >= 0)
		close(n->fd);
	n->fd = fd;
	n->ups++;
	str_copy(n->with, sizeof n->with, server);
}

/* Start a server at a free port, or where it was before. */
static int
node_open(struct node *n, const char *name, const struct cluster *c,
    unsigned service, struct err *e)
{
	char *identity = cluster_identity(c, name);
	struct mesh_config config = {.self = name,
	    .identity = identity,
	    .port_offset = service,
	    .on_up = on_up,
	    .arg = n};
	int r;

	if (addr_port(&n->inside) == 0)
		addr_parse(&n->inside, "127.0.0.1", 0);
	config.listen = n->inside;
	n->fd = -1;
	n->ups = 0;
	str_copy(n->name, sizeof n->name, name);
	r = mesh_open(rig->loop, &config, &n->mesh, e);
	free(identity);
	if (r == 0) {
		mesh_address(n->mesh, &n->inside);
		addr_set_port(
		    &n->inside, (uint16_t)(addr_port(&n->inside) - service));
	}
	return r;
}

static void
node_close(struct node *n)
{
	mesh_close(&n->mesh);
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

/* Tell a about b under a name. */
static void
know(struct node *a, const struct node *b, const char *name)
{
	struct mesh_server s = {.inside = b->inside};

	str_copy(s.name, sizeof s.name, name);
	mesh_set(a->mesh, &s, 1);
}

static void
status(const struct node *n, struct mesh_status *s)
{
	size_t at = 0;

	assert_true(mesh_next(n->mesh, &at, s));
}

static int
setup(void **state)
{
	(void)state;
	rig = calloc(1, sizeof *rig);
	rig->loop = loop_new();
	rig->limit = loop_timer_new(rig->loop, on_limit, rig);
	rig->turn = loop_timer_new(rig->loop, on_turn, rig);
	cluster_make(&rig->cluster);
	cluster_make(&rig->other);
	for (int i = 0; i < 3; i++)
		rig->node[i].fd = -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		node_close(&rig->node[i]);
	loop_timer_free(&rig->limit);
	loop_timer_free(&rig->turn);
	loop_free(&rig->loop);
	cluster_forget(&rig->cluster);
	cluster_forget(&rig->other);
	free(rig);
	return 0;
}

/* Servers a and b of one cluster that know each other. */
static void
pair(void)
{
	struct node *a = &rig->node[0], *b = &rig->node[1];
	struct err e;

	assert_int_equal(node_open(a, "a", &rig->cluster, SERVICE, &e), 0);
	assert_int_equal(node_open(b, "b", &rig->cluster, SERVICE, &e), 0);
	know(a, b, "b");
	know(b, a, "a");
}

static bool
both_up(struct rig *r)
{
	return r->node[0].fd >= 0 && r->node[1].fd >= 0;
}

static bool
two_ups(struct rig *r)
{
	return r->node[0].ups == 2 && r->node[1].ups == 2;
}

static bool
a_has_reason(struct rig *r)
{
	struct mesh_status s;
	size_t at = 0;

	return mesh_next(r->node[0].mesh, &at, &s) && s.reason[0] != '\0';
}

static bool
b_has_reason(struct rig *r)
{
	struct mesh_status s;
	size_t at = 0;

	while (mesh_next(r->node[1].mesh, &at, &s)) {
		if (s.reason[0] != '\0')
			return true;
	}
	return false;
}

/* Two servers of a list find each other; the lower name dials. */
static void
two_servers_meet(void **state)
{
	struct mesh_status s;

	(void)state;
	pair();
	wait_for(both_up);
	assert_string_equal(rig->node[0].with, "b");
	assert_string_equal(rig->node[1].with, "a");
	status(&rig->node[0], &s);
	assert_true(s.up && s.dials);
	status(&rig->node[1], &s);
	assert_true(s.up && !s.dials);
	assert_int_equal(s.ups, 1);
}

#define BULK (32u << 20)

static struct bulk {
	size_t sent, got;
	bool pause; /* the reader does not read */
	uint64_t sum_in, sum_out;
} bulk;

static void
bulk_write(struct rig *r)
{
	uint8_t block[4096];
	size_t i;
	ssize_t n = 1;

	while (bulk.sent < BULK && n > 0) {
		for (i = 0; i < sizeof block; i++)
			block[i] = (uint8_t)((bulk.sent + i) * 31 >> 3);
		n = send(r->node[0].fd, block, sizeof block, MSG_NOSIGNAL);
		for (i = 0; n > 0 && i < (size_t)n; i++)
			bulk.sum_out = bulk.sum_out * 33 + block[i];
		bulk.sent += n > 0 ? (size_t)n : 0;
	}
}

static void
bulk_read(struct rig *r)
{
	uint8_t block[4096];
	ssize_t n;

	while ((n = recv(r->node[1].fd, block, sizeof block, 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			bulk.sum_in = bulk.sum_in * 33 + block[i];
		bulk.got += (size_t)n;
	}
}

/* No progress any more: the writer waits for the reader. */
static bool
bulk_stuck(struct rig *r)
{
	static size_t last, same;

	bulk_write(r);
	same = bulk.sent == last ? same + 1 : 0;
	last = bulk.sent;
	return same > 200;
}

static bool
bulk_done(struct rig *r)
{
	bulk_write(r);
	bulk_read(r);
	return bulk.got == BULK;
}

/* Every byte arrives, in order; a reader that rests stops the writer before
 * much is held, and no turn of the loop is wasted meanwhile. */
static void
bytes_arrive_and_a_slow_reader_stops_the_writer(void **state)
{
	struct mesh_status s;

	(void)state;
	memset(&bulk, 0, sizeof bulk);
	pair();
	wait_for(both_up);
	wait_for(bulk_stuck);
	assert_true(bulk.sent < BULK);
	wait_for(bulk_done);
	assert_true(bulk.sum_in == bulk.sum_out);
	status(&rig->node[0], &s);
	assert_int_equal(s.out, BULK + MESH_HELLO);
}

static bool
a_is_down(struct rig *r)
{
	struct mesh_status s;
	char byte;

	status(&r->node[0], &s);
	return !s.up && recv(r->node[0].fd, &byte, 1, 0) == 0;
}

/* When a user closes its end the other end ends too, and the servers connect
 * again. */
static void
closed_end_is_the_end_and_a_new_connection_follows(void **state)
{
	(void)state;
	pair();
	wait_for(both_up);
	close(rig->node[1].fd);
	rig->node[1].fd = -1;
	wait_for(two_ups);
	assert_string_equal(rig->node[1].with, "a");
}

/* What was written before the close arrives before the end. */
static bool
a_heard_farewell(struct rig *r)
{
	static char text[8];
	static size_t got;
	ssize_t n = recv(r->node[0].fd, text + got, sizeof text - got, 0);

	if (n > 0)
		got += (size_t)n;
	return n == 0 && got == 4 && memcmp(text, "bye.", 4) == 0;
}

static void
last_words_arrive(void **state)
{
	(void)state;
	pair();
	wait_for(both_up);
	assert_int_equal(send(rig->node[1].fd, "bye.", 4, 0), 4);
	close(rig->node[1].fd);
	rig->node[1].fd = -1;
	wait_for(a_heard_farewell);
}

static unsigned turns;

static bool
many_turns(struct rig *r)
{
	(void)r;
	return ++turns == 50;
}

static char heard[2][8];
static size_t nheard[2];

/* Read what has come at both; true when both have four bytes. */
static bool
both_heard(struct rig *r)
{
	ssize_t n;
	size_t i;

	for (i = 0; i < 2; i++) {
		n = recv(r->node[i].fd, heard[i] + nheard[i],
		    sizeof heard[i] - nheard[i], 0);
		assert_int_not_equal(n, 0); /* no end */
		nheard[i] += n > 0 ? (size_t)n : 0;
	}
	return nheard[0] == 4 && nheard[1] == 4;
}

/* Cut off on one side: nothing passes either way and nothing ends; then all
 * of it passes. */
static void
a_cut_is_silence_both_ways(void **state)
{
	struct mesh_status s;

	(void)state;
	pair();
	wait_for(both_up);
	mesh_cut(rig->node[0].mesh, true);
	assert_int_equal(send(rig->node[0].fd, "to b", 4, 0), 4);
	assert_int_equal(send(rig->node[1].fd, "to a", 4, 0), 4);
	turns = 0;
	wait_for(many_turns);
	nheard[0] = nheard[1] = 0;
	assert_false(both_heard(rig));
	assert_int_equal(nheard[0] + nheard[1], 0);
	mesh_cut(rig->node[0].mesh, false);
	wait_for(both_heard);
	assert_memory_equal(heard[0], "to a", 4);
	assert_memory_equal(heard[1], "to b", 4);
	status(&rig->node[0], &s);
	assert_int_equal(s.ups, 1);
}

/* Who is cut off neither dials nor lets in; without the cut it does, as the
 * one and as the other. */
static void
a_cut_server_meets_nobody(void **state)
{
	size_t cut;

	(void)state;
	for (cut = 0; cut < 2; cut++) {
		pair();
		mesh_cut(rig->node[cut].mesh, true);
		turns = 0;
		wait_for(many_turns);
		assert_int_equal(rig->node[0].ups + rig->node[1].ups, 0);
		mesh_cut(rig->node[cut].mesh, false);
		wait_for(both_up);
		node_close(&rig->node[0]);
		node_close(&rig->node[1]);
		memset(&rig->node[0].inside, 0, sizeof rig->node[0].inside);
		memset(&rig->node[1].inside, 0, sizeof rig->node[1].inside);
	}
}

/* All connections there are hear nothing more from the other machine, nor
 * does that one hear their kernel: a filter drops what comes. */
static void
deafen_all(void)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &drop};
	union addr peer;
	int fd;

	for (fd = 3; fd < 256; fd++) {
		socklen_t n = sizeof peer;

		if (getpeername(fd, &peer.sa, &n) == 0 &&
		    peer.sa.sa_family == AF_INET)
			assert_int_equal(
			    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER,
				&program, sizeof program),
			    0);
	}
}

/* Between machines that do not hear each other any more a connection ends,
 * although neither has anything to say, and a new one follows. */
static void
a_silent_machine_is_left_and_met_again(void **state)
{
	struct mesh_status s;

	(void)state;
	pair();
	wait_for(both_up);
	deafen_all();
	wait_for(two_ups);
	status(&rig->node[0], &s);
	assert_true(s.up);
	assert_string_equal(s.reason, "its machine is silent");
}

static uint64_t rested;

static bool
is_rested(struct rig *r)
{
	(void)r;
	return clock_mono() > rested;
}

/* One whose process says nothing, or is cut off, is not silent: its kernel
 * answers. */
static void
an_idle_connection_stays(void **state)
{
	(void)state;
	pair();
	wait_for(both_up);
	rested = clock_mono() + 3 * CLOCK_SEC;
	mesh_cut(rig->node[1].mesh, true);
	wait_for(is_rested);
	mesh_cut(rig->node[1].mesh, false);
	assert_int_equal(rig->node[0].ups, 1);
	assert_int_equal(rig->node[1].ups, 1);
}

/* A server that ends and comes back is connected again, without help. */
static void
restarted_server_is_found_again(void **state)
{
	struct node *b = &rig->node[1];
	struct err e;

	(void)state;
	pair();
	wait_for(both_up);
	node_close(b);
	wait_for(a_is_down);
	assert_int_equal(node_open(b, "b", &rig->cluster, SERVICE, &e), 0);
	know(b, &rig->node[0], "a");
	b->ups = 1;
	wait_for(two_ups);
}

/* A server that leaves the list loses its connection, and is not let in. */
static void
unlisted_server_is_closed_and_refused(void **state)
{
	struct mesh_status s;

	(void)state;
	pair();
	wait_for(both_up);
	mesh_set(rig->node[1].mesh, NULL, 0);
	wait_for(a_is_down);
	wait_for(b_has_reason);
	status(&rig->node[1], &s);
	assert_string_equal(s.server, "?");
	assert_string_equal(s.reason, "server a is not of this site");
	assert_true(s.address.sa.sa_family == AF_INET && s.since != 0);
	rig->node[1].ups = 0;
	status(&rig->node[0], &s);
	assert_false(s.up);
}

/* One who is of another cluster is refused by both sides, each with a reason
 * that can be shown. */
static void
other_cluster_is_refused(void **state)
{
	struct node *a = &rig->node[0], *b = &rig->node[1];
	struct mesh_status s;
	struct err e;

	(void)state;
	assert_int_equal(node_open(a, "a", &rig->other, SERVICE, &e), 0);
	assert_int_equal(node_open(b, "b", &rig->cluster, SERVICE, &e), 0);
	know(a, b, "b");
	know(b, a, "a");
	wait_for(a_has_reason);
	status(a, &s);
	assert_string_equal(
	    s.reason, "certificate: issued by a CA that is not trusted here");
	wait_for(b_has_reason);
	status(b, &s);
	assert_true(s.reason_at != 0 && !s.up);
	assert_int_equal(a->ups + b->ups, 0);
}

/* Whoever answers at a server's address must have its certificate. */
static void
answer_in_another_name_is_refused(void **state)
{
	struct node *a = &rig->node[0], *b = &rig->node[1];
	struct mesh_status s;
	struct err e;

	(void)state;
	assert_int_equal(node_open(a, "a", &rig->cluster, SERVICE, &e), 0);
	assert_int_equal(node_open(b, "c", &rig->cluster, SERVICE, &e), 0);
	know(a, b, "b");
	know(b, a, "a");
	wait_for(a_has_reason);
	status(a, &s);
	assert_string_equal(s.reason, "answers as server c");
	assert_int_equal(a->ups + b->ups, 0);
}

/* A process of another service is told so. */
static void
other_service_is_refused(void **state)
{
	struct node *a = &rig->node[0], *b = &rig->node[1];
	struct mesh_status s;
	struct err e;

	(void)state;
	assert_int_equal(node_open(a, "a", &rig->cluster, SERVICE, &e), 0);
	assert_int_equal(node_open(b, "b", &rig->cluster, 2, &e), 0);
	addr_set_port(
	    &b->inside, (uint16_t)(addr_port(&b->inside) + 2 - SERVICE));
	know(a, b, "b");
	know(b, a, "a");
	wait_for(a_has_reason);
	status(a, &s);
	assert_string_equal(s.reason, "refused: is service 1, not 2");
}

static bool
c_was_told(struct rig *r)
{
	struct mesh_status s;

	status(&r->node[2], &s);
	return s.reason[0] != '\0';
}

/* A second process of a connected server (a copy of its disk, say) is refused
 * while the first lives. */
static void
second_process_of_a_server_is_refused(void **state)
{
	struct node *c = &rig->node[2];
	struct mesh_status s;
	struct err e;

	(void)state;
	pair();
	wait_for(both_up);
	assert_int_equal(node_open(c, "a", &rig->cluster, SERVICE, &e), 0);
	know(c, &rig->node[1], "b");
	wait_for(c_was_told);
	status(c, &s);
	assert_string_equal(
	    s.reason, "refused: another process of that server is connected");
	assert_int_equal(rig->node[1].ups, 1);
	status(&rig->node[1], &s);
	assert_true(s.up);
}

/* The identity must be the server's own, and one. */
static void
wrong_identity_is_refused_at_open(void **state)
{
	struct mesh_config config = {.self = "b", .port_offset = SERVICE};
	char *identity = cluster_identity(&rig->cluster, "a");
	struct mesh *m;
	struct err e;

	(void)state;
	addr_parse(&config.listen, "127.0.0.1", 0);
	config.identity = identity;
	assert_int_equal(mesh_open(rig->loop, &config, &m, &e), -ERR_INVALID);
	assert_string_equal(e.text, "the identity is server a's");
	assert_null(m);
	config.identity = "-----BEGIN CERTIFICATE-----";
	assert_int_equal(mesh_open(rig->loop, &config, &m, &e), -ERR_INVALID);
	free(identity);
}

#define CROWD 80

static int crowd[CROWD];

static bool
crowd_is_thinned(struct rig *r)
{
	unsigned closed = 0;
	char byte;

	(void)r;
	for (int i = 0; i < CROWD; i++) {
		ssize_t n = recv(crowd[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK);

		closed += n == 0 || (n < 0 && errno == ECONNRESET);
	}
	return closed >= CROWD - 32;
}

/* Strangers who say nothing or garbage use up bounded room, and servers of
 * the list are connected in spite of them. */
static void
garbage_and_crowds_do_no_harm(void **state)
{
	struct node *b = &rig->node[1];
	union addr at;
	struct err e;
	uint8_t junk[600];

	(void)state;
	assert_int_equal(node_open(b, "b", &rig->cluster, SERVICE, &e), 0);
	mesh_address(b->mesh, &at);
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = sock_tcp_connect(&at, &e);
		assert_true(crowd[i] >= 0);
		rand_bytes(junk, sizeof junk);
		if (i % 2 == 0)
			send(crowd[i], junk, sizeof junk, MSG_NOSIGNAL);
	}
	wait_for(crowd_is_thinned);
	assert_int_equal(
	    node_open(&rig->node[0], "a", &rig->cluster, SERVICE, &e), 0);
	know(b, &rig->node[0], "a");
	know(&rig->node[0], b, "b");
	wait_for(both_up);
	for (int i = 0; i < CROWD; i++)
		close(crowd[i]);
}

static long
cpu_time(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec * 1000000 + u.ru_utime.tv_usec;
}

static bool
never(struct rig *r)
{
	(void)r;
	return false;
}

static void
on_rest_over(void *arg)
{
	loop_stop(arg);
}

/* Connections that have nothing to say cost nothing, nor do blocked ones. */
static void
blocked_connection_costs_no_time(void **state)
{
	struct loop_timer *rest;
	long before;

	(void)state;
	memset(&bulk, 0, sizeof bulk);
	pair();
	wait_for(both_up);
	wait_for(bulk_stuck);
	rig->until = never;
	rest = loop_timer_new(rig->loop, on_rest_over, rig->loop);
	loop_timer_set(rest, 200 * CLOCK_MS);
	before = cpu_time();
	loop_run(rig->loop);
	/* a loop that spins takes all of the 200 ms */
	assert_true(cpu_time() - before < 100000);
	loop_timer_free(&rest);
}

/* A hello is what it was, and anything else is none. */
static void
hello_is_itself_again(void **state)
{
	struct mesh_hello h = {.version = 1, .service = 3, .boot = 77}, back;
	uint8_t bytes[MESH_HELLO];
	struct err e;

	(void)state;
	str_copy(
	    h.cluster, sizeof h.cluster, "0123456789abcdef0123456789abcdef");
	str_copy(h.server, sizeof h.server, "srv-1");
	str_copy(h.reason, sizeof h.reason, "no");
	mesh_hello_encode(bytes, &h);
	assert_int_equal(mesh_hello_decode(&back, bytes, &e), 0);
	assert_memory_equal(&h, &back, sizeof h);
	bytes[80] = 'x'; /* behind the end of the name */
	assert_int_equal(mesh_hello_decode(&back, bytes, &e), -ERR_SYNTAX);
	bytes[80] = 0;
	bytes[88] = '\n';
	assert_int_equal(mesh_hello_decode(&back, bytes, &e), -ERR_SYNTAX);
	bytes[88] = 'n';
	bytes[16] = 'X';
	assert_int_equal(mesh_hello_decode(&back, bytes, &e), -ERR_SYNTAX);
	bytes[5] = 9; /* the rest of another version is not looked at */
	assert_int_equal(mesh_hello_decode(&back, bytes, &e), 0);
	assert_int_equal(back.version, 9);
	bytes[0] = 'G';
	assert_int_equal(mesh_hello_decode(&back, bytes, &e), -ERR_SYNTAX);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {T(two_servers_meet),
	    T(bytes_arrive_and_a_slow_reader_stops_the_writer),
	    T(closed_end_is_the_end_and_a_new_connection_follows),
	    T(last_words_arrive), T(a_cut_is_silence_both_ways),
	    T(a_cut_server_meets_nobody),
	    T(a_silent_machine_is_left_and_met_again),
	    T(an_idle_connection_stays), T(restarted_server_is_found_again),
	    T(unlisted_server_is_closed_and_refused),
	    T(other_cluster_is_refused), T(answer_in_another_name_is_refused),
	    T(other_service_is_refused),
	    T(second_process_of_a_server_is_refused),
	    T(wrong_identity_is_refused_at_open),
	    T(garbage_and_crowds_do_no_harm),
	    T(blocked_connection_costs_no_time),
	    cmocka_unit_test(hello_is_itself_again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
