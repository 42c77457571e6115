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
#include "sr.h"

#define SR_DRILL_EXPIRES 86400 /* seconds: longer than any drill lasts */
#define SR_DRILL_MAX 256       /* of one request */

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
	b->expires = now + SR_DRILL_EXPIRES;
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
sr_drill_write(struct sr *sr, const char *as, json_int_t from, json_int_t to,
    bool remove, struct err *e)
{
	char domain[SR_ID], user[SR_USER];
	int r;

	snprintf(domain, sizeof domain, "drill/%.24s", as);
	if ((r = stream_join(sr->stream, e)) != 0)
		return r;
	for (; from <= to && r == 0; from++) {
		snprintf(user, sizeof user, "%lld", (long long)from);
		r = sr_drill_user(sr, domain, user, remove, e);
	}
	return r;
}

/* {"as", "from", "to", "remove"}: users from..to of the drill named so. */
void
sr_drill(struct sr *sr, struct rpc_request *q, json_t *params)
{
	const char *as;
	json_int_t from, to;
	int remove;
	struct err e;

	if (json_unpack(params, "{s:s, s:I, s:I, s:b}", "as", &as, "from",
		&from, "to", &to, "remove", &remove) != 0 ||
	    from < 0 || to < from || to - from >= SR_DRILL_MAX)
		rpc_failf(q, ERR_INVALID,
		    "drill: expected as, from, to (%d at most), remove",
		    SR_DRILL_MAX);
	else if (!sr->serving)
		rpc_failf(q, ERR_NOOWNER, "not the owner of sr");
	else if (sr_drill_write(sr, as, from, to, remove != 0, &e) != 0)
		rpc_fail(q, &e);
	else
		sr_later(sr, sr_drill_on_ack, q);
}
