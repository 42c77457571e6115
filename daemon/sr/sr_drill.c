/*
 * Bindings that request drill writes to see whether they are acknowledged,
 * and takes away again. They are rows as those of phones, of a domain whose
 * id is no domain's ("drill/..."), so nobody finds them; what a drill that
 * died leaves behind runs out within a day. Asked by control only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/str.h"
#include "daemon/role/role_drill.h"
#include "sr.h"

static void
sr_drill_on_ack(void *arg, const struct err *err)
{
	if (err == NULL)
		rpc_reply(arg, json_object());
	else
		rpc_fail(arg, err);
}

/* The binding of one user of the drill. */
static void
sr_drill_binding(struct sr_set *set, const char *user, int64_t now)
{
	struct sr_binding *b = &set->binding[0];

	memset(b, 0, sizeof *b);
	set->count = 1;
	b->fate = SR_INSERT;
	b->cseq = 1;
	b->q = SR_Q_MAX;
	b->expires = now + ROLE_DRILL_KEPT;
	snprintf(b->contact, sizeof b->contact, "sip:%s@drill.invalid", user);
	str_copy(b->call_id, sizeof b->call_id, "drill");
}

/* One user's: write it if it is not there, or remove all there is. */
static int
sr_drill_user(struct sr *sr, const char *domain, const char *user, bool remove,
    struct err *e)
{
	int64_t now = (int64_t)(clock_real() / CLOCK_SEC);
	struct sr_set *set = sr->set;
	unsigned i;
	int r = sr_rows_load(sr->rows, domain, user, set, e);

	if (r != 0)
		return r;
	for (i = 0; i < set->count; i++)
		set->binding[i].fate = remove ? SR_REMOVE : SR_KEEP;
	if (set->count == 0 && !remove)
		sr_drill_binding(set, user, now);
	memset(sr->request, 0, sizeof *sr->request);
	return sr_rows_write(sr->rows, domain, user, set, sr->request, now, e);
}

static int
sr_drill_write(struct sr *sr, const struct role_drill *want, struct err *e)
{
	char user[SR_USER];
	json_int_t n;
	int r = stream_join(sr->stream, e);

	for (n = want->from; n <= want->to && r == 0; n++) {
		snprintf(user, sizeof user, "%lld", (long long)n);
		r = sr_drill_user(sr, want->name, user, want->remove, e);
	}
	return r;
}

void
sr_drill(struct sr *sr, struct rpc_request *q, json_t *params)
{
	struct role_drill want;
	struct err e;

	if (!role_drill_take(&want, q, params))
		return;
	if (!sr->serving)
		rpc_failf(q, ERR_NOOWNER, "not the owner of sr");
	else if (sr_drill_write(sr, &want, &e) != 0)
		rpc_fail(q, &e);
	else
		sr_later(sr, sr_drill_on_ack, q);
}
