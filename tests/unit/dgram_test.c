/* Datagrams in batches: nothing lost, reordered or kept beyond a close. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/dgram.h"

struct box {
	struct loop *loop;
	struct loop_timer *guard;
	struct dgram *a, *b;
	union addr at_a, at_b;
	unsigned got, want;
	bool in_order;
	bool close_first;
	size_t last_len;
};

static void
box_on_guard(void *arg)
{
	struct box *x = arg;

	loop_stop(x->loop);
}

/* Counts what comes; the number in front of each must grow by one. */
static void
box_on_message(
    void *arg, struct dgram *u, char *msg, size_t n, const union addr *from)
{
	struct box *x = arg;
	unsigned number;

	assert_int_equal(msg[n], '\0');
	assert_true(addr_is_loopback(from));
	if (sscanf(msg, "%u", &number) != 1 || number != x->got)
		x->in_order = false;
	x->got++;
	x->last_len = n;
	if (x->close_first) {
		assert_ptr_equal(u, x->b);
		dgram_close(&x->b);
		loop_stop(x->loop);
	} else if (x->got == x->want) {
		loop_stop(x->loop);
	}
}

/* A socket on a free port of the loopback, opened. */
static struct dgram *
box_socket(struct box *x, union addr *at)
{
	struct err e;
	socklen_t len = sizeof *at;
	int fd;

	assert_true(addr_parse(at, "127.0.0.1", 0));
	fd = sock_udp(at, &e);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, &at->sa, &len), 0);
	return dgram_open(x->loop, fd, DGRAM_BATCH, box_on_message, x);
}

static void
box_init(struct box *x)
{
	memset(x, 0, sizeof *x);
	x->in_order = true;
	x->loop = loop_new();
	x->guard = loop_timer_new(x->loop, box_on_guard, x);
	x->a = box_socket(x, &x->at_a);
	x->b = box_socket(x, &x->at_b);
}

static void
box_fini(struct box *x)
{
	dgram_close(&x->a);
	dgram_close(&x->b);
	loop_timer_free(&x->guard);
	loop_free(&x->loop);
}

static void
box_run(struct box *x, unsigned want)
{
	x->want = want;
	loop_timer_set(x->guard, 10 * CLOCK_SEC);
	loop_run(x->loop);
	loop_timer_cancel(x->guard);
}

/* More than one batch leaves and arrives whole, in order. */
static void
batches_arrive_in_order(void **state)
{
	struct box x;
	char text[32];
	unsigned i;

	(void)state;
	box_init(&x);
	for (i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "%u message", i);
		dgram_send(x.a, &x.at_b, text, strlen(text));
	}
	box_run(&x, 200);
	assert_int_equal(x.got, 200);
	assert_true(x.in_order);
	assert_int_equal(dgram_count(x.a)->out, 200);
	assert_int_equal(dgram_count(x.b)->in, 200);
	box_fini(&x);
}

/* A datagram of the greatest size passes; a greater one is never queued. */
static void
size_is_bounded(void **state)
{
	static char big[DGRAM_MAX + 1];
	struct box x;

	(void)state;
	box_init(&x);
	memset(big, 'x', sizeof big);
	memcpy(big, "0 ", 2);
	dgram_send(x.a, &x.at_b, big, sizeof big);
	assert_int_equal(dgram_count(x.a)->out_lost, 1);
	dgram_send(x.a, &x.at_b, big, 65507);
	box_run(&x, 1);
	assert_int_equal(x.got, 1);
	assert_int_equal(x.last_len, 65507);
	box_fini(&x);
}

/* One that cannot be sent does not hold back the others. */
static void
unsendable_is_skipped(void **state)
{
	union addr nowhere;
	struct box x;

	(void)state;
	box_init(&x);
	assert_true(addr_parse(&nowhere, "127.0.0.1", 0));
	dgram_send(x.a, &nowhere, "x", 1);
	dgram_send(x.a, &x.at_b, "0 good", 6);
	box_run(&x, 1);
	assert_int_equal(x.got, 1);
	assert_int_equal(dgram_count(x.a)->out_lost, 1);
	box_fini(&x);
}

/* Closed from its own callback, a socket delivers nothing more. */
static void
close_from_callback(void **state)
{
	struct box x;
	unsigned i;

	(void)state;
	box_init(&x);
	x.close_first = true;
	for (i = 0; i < 10; i++)
		dgram_send(x.a, &x.at_b, "0 x", 3);
	box_run(&x, 0);
	assert_int_equal(x.got, 1);
	assert_null(x.b);
	box_fini(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(batches_arrive_in_order),
	    cmocka_unit_test(size_is_bounded),
	    cmocka_unit_test(unsendable_is_skipped),
	    cmocka_unit_test(close_from_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
