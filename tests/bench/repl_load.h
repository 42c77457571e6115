#ifndef BENCH_REPL_LOAD_H
#define BENCH_REPL_LOAD_H

/*
 * The load of the replication benchmark, the same for whoever takes it:
 * groups of upserts of a registration-like row, each with distinct keys in
 * rising order (which keeps two groups from waiting for each other's rows in
 * a database that locks them), one transaction each. Part of a program of one
 * file, hence all static.
 */
#include "daemon/base/loop.h"
#include "tests/bench/load_measure.h"

#define LOAD_KEYS 50000
#define LOAD_BATCH 256
#define LOAD_GROUPS 64

#define LOAD_KEY "user%06u@demo.test"
#define LOAD_CONTACT "<sip:user%06u@192.0.2.%03u:5060>"

struct load_row {
	char key[32], contact[64];
};

/* One of the groups that are under way. */
struct load_group {
	unsigned n;
	uint64_t begun;
	struct load_row row[LOAD_BATCH];
	void *with; /* who carries it */
};

static struct {
	struct loop *loop;
	unsigned batch, groups, open;
	double seconds;
	uint64_t end;
	uint64_t random;
	struct load_group group[LOAD_GROUPS];
	void (*go)(struct load_group *);
	uint64_t last, gap; /* the last acknowledgement; longest time between
			     * two */
} load = {.batch = 1,
    .groups = 1,
    .seconds = 2,
    .random = UINT64_C(88172645463325252)};

static unsigned
load_random(void)
{
	load.random ^= load.random << 13;
	load.random ^= load.random >> 7;
	load.random ^= load.random << 17;
	return (unsigned)(load.random % LOAD_KEYS);
}

static int
load_by_key(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

/* Phones register in no order: each upsert hits a page of its own. */
static void
load_fill(struct load_group *g)
{
	unsigned k[LOAD_BATCH], i;

	for (i = 0; i < load.batch; i++)
		k[i] = load_random();
	qsort(k, load.batch, sizeof *k, load_by_key);
	for (i = 0; i < load.batch; i++) {
		if (i > 0 && k[i] <= k[i - 1])
			k[i] = k[i - 1] + 1;
		snprintf(g->row[i].key, sizeof g->row[i].key, LOAD_KEY, k[i]);
		snprintf(g->row[i].contact, sizeof g->row[i].contact,
		    LOAD_CONTACT, k[i], (unsigned)(load.random & 255));
	}
	g->n = load.batch;
}

static void
load_begin(struct load_group *g)
{
	load_fill(g);
	g->begun = clock_mono();
	load.go(g);
}

/* The group is acknowledged: the next one takes its place. */
static void
load_done(struct load_group *g)
{
	uint64_t now = clock_mono();

	measure_many(200, now - g->begun, g->n);
	if (now - load.last > load.gap)
		load.gap = now - load.last;
	load.last = now;
	if (now < load.end)
		load_begin(g);
	else if (--load.open == 0)
		loop_stop(load.loop);
}

/* Until the time is over; what is measured before is forgotten. */
static void
load_run(double seconds)
{
	unsigned i;

	measure_begin();
	load.last = got.begin;
	load.gap = 0;
	load.end = got.begin + (uint64_t)(seconds * 1e6);
	load.open = load.groups;
	for (i = 0; i < load.groups; i++)
		load_begin(&load.group[i]);
	loop_run(load.loop);
	got.end = clock_mono();
}

#endif
