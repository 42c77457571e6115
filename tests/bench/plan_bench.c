/*
 * How long a decision takes in a domain of a million numbers: compile,
 * memory, the decision with its steps, and the lookup inside it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"
#include "plan/plan_index.h"
#include "daemon/base/clock.h"

#define NUMBERS 1000000u
#define USERS 100000u
#define ROUNDS 2000000u

static uint32_t seed = 1;

/* A cheap walk over all numbers without order (numerical recipes). */
static unsigned
bench_pick(unsigned max)
{
	seed = seed * 1664525u + 1013904223u;
	return (unsigned)((uint64_t)seed * max >> 32);
}

static struct plan *
bench_compile(void)
{
	static const struct plan_domain domain = {
	    .id = "00000001", .name = "big.test"};
	struct plan_builder *b;
	struct plan *p;
	char number[16], user[16];

	if (plan_builder_new(&domain, &b, NULL) != 0)
		exit(1);
	for (unsigned i = 0; i < USERS; i++) {
		struct plan_user u = {user, "Some Body", false, 10, 30};

		snprintf(user, sizeof user, "u%u", i);
		plan_builder_user(b, &u, NULL);
	}
	for (unsigned i = 0; i < NUMBERS; i++) {
		struct plan_number n = {number, user, NULL};

		snprintf(number, sizeof number, "+7495%07u", i);
		snprintf(user, sizeof user, "u%u", i % USERS);
		plan_builder_number(b, &n, NULL);
	}
	if (plan_build(&b, &p, NULL) != 0)
		exit(1);
	return p;
}

int
main(void)
{
	static struct plan_result r;
	uint64_t t0 = clock_mono(), t1;
	struct plan *p = bench_compile();
	unsigned legs = 0;
	char to[64];

	t1 = clock_mono();
	printf("compile %u numbers, %u users: %.2f s, %.1f MB, "
	       "%.1f bytes a number with its index\n",
	    NUMBERS, USERS, (double)(t1 - t0) / 1e6,
	    (double)plan_bytes(p) / 1e6,
	    (double)plan_index_bytes(&p->numbers) / NUMBERS);

	t0 = clock_mono();
	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(to, sizeof to, "+7495%07u", bench_pick(NUMBERS));
		legs += plan_index_find(&p->numbers, to) != PLAN_INDEX_NONE;
	}
	t1 = clock_mono();
	for (unsigned i = 0; i < ROUNDS; i++)
		snprintf(to, sizeof to, "+7495%07u", bench_pick(NUMBERS));
	printf("lookup: %.0f ns (%u found)\n",
	    (double)(2 * t1 - t0 - clock_mono()) * 1e3 / ROUNDS, legs);

	legs = 0;
	t0 = clock_mono();
	for (unsigned i = 0; i < ROUNDS; i++) {
		int n = snprintf(to, sizeof to, "sip:%%2b7495%07u@big.test",
		    bench_pick(NUMBERS));
		struct plan_call c = {.what = PLAN_CALL,
		    .from_user = "u7",
		    .to = to,
		    .to_len = (size_t)n};

		plan_route(p, &c, &r);
		legs += r.nlegs;
	}
	t1 = clock_mono();
	printf("route with steps: %.0f ns (%u legs, %u steps)\n",
	    (double)(t1 - t0) * 1e3 / ROUNDS, legs, r.nsteps);
	plan_free(&p);
	return 0;
}
