/* Figures of a drill; a quantile is the nearest rank, so it was measured. */
#include <stdlib.h>

#include "drill.h"
#include "daemon/base/mem.h"

static int
report_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void
drill_times(const struct drill_trial *t, size_t n, struct drill_times *out)
{
	uint64_t *us;
	size_t i;

	*out = (struct drill_times){0};
	if (n == 0)
		return;
	us = xcalloc(n, sizeof *us);
	for (i = 0; i < n; i++)
		us[i] = t[i].us;
	qsort(us, n, sizeof *us, report_compare);
	out->p50 = us[(n * 50 + 99) / 100 - 1];
	out->p99 = us[(n * 99 + 99) / 100 - 1];
	out->p999 = us[(n * 999 + 999) / 1000 - 1];
	out->max = us[n - 1];
	free(us);
}

bool
drill_is_outlier(const struct drill_trial *t, const struct drill_times *of)
{
	return t->us > 3 * of->p50;
}

uint64_t
drill_missing(const uint8_t *acked, uint64_t count, json_t *have)
{
	uint8_t *there = xcalloc(1, count + 1);
	uint64_t number, n = 0;
	json_t *one;
	size_t i;

	json_array_foreach (have, i, one) {
		number = (uint64_t)json_integer_value(one);
		if (number < count)
			there[number] = 1;
	}
	for (number = 0; number < count; number++)
		n += acked[number] && !there[number];
	free(there);
	return n;
}
