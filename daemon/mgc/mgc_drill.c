/*
 * Sessions that request drill writes to see whether they are acknowledged,
 * and takes away again. They are rows as those of calls, at a gate that is
 * none ("drill/..."), so they are never loaded as calls; what a drill that
 * died leaves behind is swept within a day. Asked by control only.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/role/role_drill.h"
#include "mgc.h"

/* One request that waits for the acknowledgement of its rows. */
struct mgc_drill {
	TAILQ_ENTRY(mgc_drill) entry;
	struct mgc *mgc;
	struct rpc_request *request;
	struct stream_ack ack;
};

static void
mgc_drill_end(struct mgc_drill *d, const struct err *why)
{
	TAILQ_REMOVE(&d->mgc->drills, d, entry);
	if (why == NULL)
		rpc_reply(d->request, json_object());
	else
		rpc_fail(d->request, why);
	free(d);
}

static void
mgc_drill_on_ack(void *arg, const struct err *why)
{
	struct mgc_drill *d = arg;

	d->ack.queued = false;
	mgc_drill_end(d, why);
}

void
mgc_drill_forget(struct mgc *m)
{
	struct mgc_drill *d;
	struct err e;

	err_set(&e, ERR_NOOWNER, "not the owner of mgc");
	while ((d = TAILQ_FIRST(&m->drills)) != NULL) {
		if (d->ack.queued)
			stream_ack_cancel(m->stream, &d->ack);
		mgc_drill_end(d, &e);
	}
}

/* All rows in one group. */
static int
mgc_drill_write(struct mgc *m, const struct role_drill *want, struct err *e)
{
	char call[ROLE_DRILL_NAME + 24];
	json_int_t n;
	int r = stream_join(m->stream, e);

	for (n = want->from; n <= want->to && r == 0; n++) {
		snprintf(
		    call, sizeof call, "%s/%lld", want->name, (long long)n);
		r = want->remove
		    ? mgc_row_delete(m, call, e)
		    : mgc_row_put(m, call, want->name, 0, clock_real(), e);
	}
	return r;
}

void
mgc_drill(struct mgc *m, struct rpc_request *q, json_t *params)
{
	struct role_drill want;
	struct mgc_drill *d;
	struct err e;

	if (!role_drill_take(&want, q, params))
		return;
	if (m->state != MGC_SERVING) {
		rpc_failf(q, ERR_NOOWNER, "not the owner of mgc");
		return;
	}
	if (mgc_drill_write(m, &want, &e) != 0) {
		rpc_fail(q, &e);
		return;
	}
	d = xcalloc(1, sizeof *d);
	d->mgc = m;
	d->request = q;
	d->ack = (struct stream_ack){.fn = mgc_drill_on_ack, .arg = d};
	TAILQ_INSERT_TAIL(&m->drills, d, entry);
	stream_on_ack(m->stream, &d->ack);
}

#define MGC_DRILL_OLD                                                      \
	"FROM session WHERE gate >= '" ROLE_DRILL "' AND gate < 'drill0' " \
	"AND created < ?1"

/* One step of a statement about what is too old. */
static int
mgc_drill_old(struct mgc *m, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int r;

	if (sqlite3_prepare_v2(stream_db(m->stream), sql, -1, &st, NULL) !=
	    SQLITE_OK)
		return SQLITE_ERROR;
	sqlite3_bind_int64(
	    st, 1, (sqlite3_int64)(clock_real() - ROLE_DRILL_KEPT * CLOCK_SEC));
	r = sqlite3_step(st);
	sqlite3_finalize(st);
	return r;
}

/* Nothing is written where there is nothing. */
void
mgc_drill_sweep(struct mgc *m)
{
	struct err e;

	if (mgc_drill_old(m, "SELECT 1 " MGC_DRILL_OLD " LIMIT 1") !=
		SQLITE_ROW ||
	    stream_join(m->stream, &e) != 0)
		return;
	if (mgc_drill_old(m, "DELETE " MGC_DRILL_OLD) != SQLITE_DONE)
		log_warnx("rows of a drill stay: %s",
		    sqlite3_errmsg(stream_db(m->stream)));
}
