/*
 * Bindings that have run out leave the table. Whoever reads a binding looks
 * at its time, so nothing depends on when its row goes: the table is walked
 * a slice at a time, all of it in about SR_EXPIRE_CYCLE, and what is found is
 * deleted in one group. Runs at the owner only.
 */
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "sr.h"

#define SR_EXPIRE_SLICE 256 /* rows looked at in one go: about 0.1 ms */
#define SR_EXPIRE_CYCLE (30 * CLOCK_SEC)
#define SR_EXPIRE_LEAST (20 * CLOCK_MS) /* between two slices */

/* Delete the rows found, in the group of the moment. */
static int
sr_expire_delete(struct sr *sr, const int64_t *ids, unsigned n, struct err *err)
{
	unsigned i;
	int rc;

	if (n == 0)
		return 0;
	rc = stream_join(sr->stream, err);
	for (i = 0; i < n && rc == 0; i++) {
		rc = sr_rows_delete(sr->rows, ids[i], err);
		sr->count.expired += rc == 0;
	}
	return rc;
}

/* Time to the next slice, so that the cycle takes what it should. */
static uint64_t
sr_expire_pause(const struct sr *sr)
{
	uint64_t slices = sr->count.bindings / SR_EXPIRE_SLICE + 1;
	uint64_t us = SR_EXPIRE_CYCLE / slices;

	return us > SR_EXPIRE_LEAST ? us : SR_EXPIRE_LEAST;
}

/* One slice. */
static void
sr_expire_on_timer(void *arg)
{
	struct sr *sr = arg;
	int64_t now = (int64_t)(clock_real() / CLOCK_SEC);
	int64_t ids[SR_EXPIRE_SLICE];
	struct err err = {0};
	unsigned n;
	int seen;

	seen = sr_rows_scan(
	    sr->rows, &sr->expire_at, SR_EXPIRE_SLICE, now, ids, &n, &err);
	if (seen < 0 || sr_expire_delete(sr, ids, n, &err) != 0)
		log_warnx("expiry: %s", err.text);
	if (seen > 0)
		sr->expire_rows += (uint64_t)seen - n;
	if (sr->expire_at == 0) {
		sr->count.bindings = sr->expire_rows;
		sr->expire_rows = 0;
	}
	loop_timer_set(sr->expire_timer, sr_expire_pause(sr));
}

void
sr_expire_start(struct sr *sr)
{
	sr->expire_at = 0;
	sr->expire_rows = 0;
	if (sr->expire_timer == NULL)
		sr->expire_timer = loop_timer_new(
		    sr->self->loop, sr_expire_on_timer, sr);
	loop_timer_set(sr->expire_timer, SR_EXPIRE_LEAST);
}

void
sr_expire_stop(struct sr *sr)
{
	if (sr->expire_timer != NULL)
		loop_timer_free(&sr->expire_timer);
}
