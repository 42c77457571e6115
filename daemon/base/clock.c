/* The two clocks; the only file that asks the kernel for the time of day. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"

static int64_t clock_offset;

static uint64_t
clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_mono(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

uint64_t
clock_real(void)
{
	return clock_read(CLOCK_REALTIME) + (uint64_t)clock_offset;
}

void
clock_step(int64_t us)
{
	clock_offset += us;
}

void
clock_text(char out[CLOCK_TEXT], uint64_t real_us)
{
	time_t sec = (time_t)(real_us / CLOCK_SEC);
	struct tm tm;

	gmtime_r(&sec, &tm);
	snprintf(out, CLOCK_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_mon + 1,
	    (unsigned)tm.tm_mday, (unsigned)tm.tm_hour, (unsigned)tm.tm_min,
	    (unsigned)tm.tm_sec, (unsigned)(real_us / 1000 % 1000));
}

bool
clock_parse(const char *text, uint64_t *real_us)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S.", &tm);
	unsigned ms;

	if (end == NULL || strlen(text) != CLOCK_TEXT - 1 ||
	    strspn(end, "0123456789") != 3 || end[3] != 'Z')
		return false;
	ms = (unsigned)strtoul(end, NULL, 10);
	*real_us = (uint64_t)timegm(&tm) * CLOCK_SEC + ms * CLOCK_MS;
	return true;
}
