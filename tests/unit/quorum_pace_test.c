/* Timers of quorum follow the round trip, and do not swing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/quorum/quorum.h"

/* Nothing is said of a wire before there are samples enough; then the least of
 * the last ones counts, and an old one is forgotten. */
static void
the_least_of_the_last_counts(void **state)
{
	struct pace_samples s = {.n = 0};
	int i;

	(void)state;
	for (i = 1; i < PACE_SAMPLES; i++) {
		pace_sample(&s, 900);
		assert_int_equal(pace_least(&s), 0);
	}
	pace_sample(&s, 300);
	assert_int_equal(pace_least(&s), 300);
	for (i = 0; i < PACE_SAMPLES; i++)
		pace_sample(&s, 5000);
	assert_int_equal(pace_least(&s), 5000);
}

/* Two round trips and ten, but never less than what a process can keep. */
static void
timers_have_a_least(void **state)
{
	struct pace p = {.rtt = 0};

	(void)state;
	assert_int_equal(pace_heartbeat(&p, true), 20);
	assert_int_equal(pace_election(&p, true), 100);
	assert_int_equal(pace_heartbeat(&p, false), 50);
	assert_int_equal(pace_election(&p, false), 500);
	p.rtt = 4 * CLOCK_MS;
	assert_int_equal(pace_election(&p, true), 100);
	p.rtt = 80 * CLOCK_MS;
	assert_int_equal(pace_heartbeat(&p, true), 160);
	assert_int_equal(pace_election(&p, true), 800);
	assert_int_equal(pace_election(&p, false), 800);
}

/* A longer way counts at once, a little longer one not at all, a shorter one
 * when it stayed so for ten seconds; what is no way of a site is bounded. */
static void
timers_grow_at_once_and_shrink_late(void **state)
{
	struct pace p = {.rtt = 0};
	uint64_t now = CLOCK_SEC;
	int i;

	(void)state;
	assert_true(pace_step(&p, 80 * CLOCK_MS, now));
	assert_int_equal(p.rtt, 80 * CLOCK_MS);
	assert_false(pace_step(&p, 95 * CLOCK_MS, now += CLOCK_SEC));
	assert_false(pace_step(&p, 45 * CLOCK_MS, now += 60 * CLOCK_SEC));
	for (i = 0; i < 9; i++)
		assert_false(pace_step(&p, CLOCK_MS, now += CLOCK_SEC));
	assert_false(pace_step(&p, 80 * CLOCK_MS, now += CLOCK_SEC));
	for (i = 0; i < 10; i++)
		assert_false(pace_step(&p, CLOCK_MS, now += CLOCK_SEC));
	assert_true(pace_step(&p, CLOCK_MS, now += CLOCK_SEC));
	assert_int_equal(p.rtt, CLOCK_MS);
	assert_true(pace_step(&p, 3600 * CLOCK_SEC, now += CLOCK_SEC));
	assert_int_equal(pace_election(&p, true), 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_least_of_the_last_counts),
	    cmocka_unit_test(timers_have_a_least),
	    cmocka_unit_test(timers_grow_at_once_and_shrink_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
