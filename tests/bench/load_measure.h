#ifndef BENCH_LOAD_MEASURE_H
#define BENCH_LOAD_MEASURE_H

/*
 * What a load generator measures: latencies, failures, processor time of the
 * processes under load. Part of a program of one file, hence all static.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"

#define PIDS_MAX 64

static void die(const char *, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

static void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

/* Processes whose time is told per operation; others, whose time is told
 * apart. */
struct load_set {
	pid_t pid[PIDS_MAX];
	unsigned n;
	uint64_t begin;
};
static struct load_set load_pids, load_others;
static bool load_json;
static uint64_t retransmissions, timeouts;

/* ---- what was measured -------------------------------------------------- */

/* Latencies in buckets of 1/32 of their power of two. */
#define BUCKETS (64 * 32)
static struct {
	uint64_t bucket[BUCKETS];
	uint64_t done, failed, challenges, started;
	uint64_t status[700];
	uint64_t begin, end, own_begin;
} got;

static unsigned
bucket_of(uint64_t us)
{
	unsigned top;

	if (us < 32)
		return (unsigned)us;
	top = 63 - (unsigned)__builtin_clzll(us);
	return (top - 4) * 32 + (unsigned)(us >> (top - 5) & 31);
}

static uint64_t
bucket_us(unsigned b)
{
	return b < 32 ? b : (uint64_t)(32 + b % 32) << (b / 32 - 1);
}

static uint64_t
percentile(double p)
{
	uint64_t want = (uint64_t)((double)got.done * p), seen = 0;
	unsigned b;

	for (b = 0; b < BUCKETS; b++) {
		if ((seen += got.bucket[b]) > want)
			return bucket_us(b);
	}
	return 0;
}

/* Microseconds of processor that a process has used. */
static uint64_t
cpu_of(pid_t pid)
{
	unsigned long user, system;
	char path[64], line[1024], *p;
	FILE *f;
	bool ok;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if ((f = fopen(path, "r")) == NULL)
		die("no process %d", (int)pid);
	ok = fgets(line, sizeof line, f) != NULL;
	fclose(f);
	/* The name in brackets may hold anything: count from its end. */
	if (!ok || (p = strrchr(line, ')')) == NULL ||
	    sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
		&user, &system) != 2)
		die("%s: not understood", path);
	return (user + system) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static uint64_t
cpu_of_all(const struct load_set *set)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < set->n; i++)
		sum += cpu_of(set->pid[i]);
	return sum;
}

static void
measure_begin(void)
{
	memset(&got, 0, sizeof got);
	retransmissions = timeouts = 0;
	load_pids.begin = cpu_of_all(&load_pids);
	load_others.begin = cpu_of_all(&load_others);
	got.own_begin = cpu_of(getpid());
	got.begin = clock_mono();
}

/* Operations are over that were answered together. */
static void
measure_many(int status, uint64_t us, unsigned n)
{
	if (status != 200) {
		got.failed += n;
		if (status >= 0 && status < 700)
			got.status[status] += n;
		return;
	}
	got.done += n;
	got.bucket[bucket_of(us)] += n;
}

/* One operation is over. */
static inline void
measure(int status, uint64_t us)
{
	measure_many(status, us, 1);
}

/* Failures by status; 0 is a timeout. */
static void
report_failures(void)
{
	unsigned i;

	for (i = 0; i < 700; i++) {
		if (got.status[i] != 0)
			printf("  failed with %u: %" PRIu64 "\n", i,
			    got.status[i]);
	}
}

static void
report(const char *what)
{
	double s = (double)(got.end - got.begin) / 1e6;
	double n = got.done != 0 ? (double)got.done : 1;
	double cpu = (double)(cpu_of_all(&load_pids) - load_pids.begin) / n;
	double other = (double)(cpu_of_all(&load_others) - load_others.begin) /
	    n;
	double own = (double)(cpu_of(getpid()) - got.own_begin) / n;
	uint64_t p50 = percentile(0.5), p99 = percentile(0.99);

	if (load_json) {
		printf("{\"what\":\"%s\",\"done\":%" PRIu64
		       ",\"failed\":%" PRIu64 ",\"seconds\":%.3f,\"rate\":%.0f"
		       ",\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
		       ",\"retransmissions\":%" PRIu64 ",\"cpu_us\":%.2f"
		       ",\"other_cpu_us\":%.2f,\"own_cpu_us\":%.2f}\n",
		    what, got.done, got.failed, s, (double)got.done / s, p50,
		    p99, retransmissions, cpu, other, own);
		return;
	}
	printf("%s: %" PRIu64 " in %.2f s = %.0f/s, p50 %" PRIu64
	       " us, p99 %" PRIu64 " us, failed %" PRIu64
	       ", sent again %" PRIu64,
	    what, got.done, s, (double)got.done / s, p50, p99, got.failed,
	    retransmissions);
	if (load_pids.n != 0)
		printf(", %.2f us CPU each", cpu);
	if (load_others.n != 0)
		printf(", %.2f us of others", other);
	printf(" (generator %.2f)\n", own);
	report_failures();
}

/* "P,P,..." */
static void
take_pids(struct load_set *set, const char *s)
{
	char *end;

	for (; *s != '\0'; s = *end == ',' ? end + 1 : end) {
		if (set->n == PIDS_MAX)
			die("--pids: at most %d", PIDS_MAX);
		set->pid[set->n++] = (pid_t)strtol(s, &end, 10);
		if (end == s || (*end != ',' && *end != '\0'))
			die("--pids: expected P,P,.. not %s", s);
	}
}

#endif
