/*
 * Operations of SR, records and handlers: taking a binding away by hand.
 * Refused credentials are shown by sr_failure.c; showing bindings is
 * control's, from its replica.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "sr.h"

/* All hold the removal, or never will. */
static void
sr_remove_on_ack(void *arg, const struct err *err)
{
	op_finish(arg, err);
}

/* Give the wanted bindings (contact NULL: all) the fate of removal, a row of
 * the reply for each. Returns how many. */
static unsigned
sr_remove_choose(
    struct op_call *call, struct sr_set *set, const char *contact, int64_t now)
{
	struct sr_binding *b;
	unsigned i, n = 0;

	for (i = 0; i < set->count; i++) {
		b = &set->binding[i];
		if (!sr_rules_lives(b, now) ||
		    (contact != NULL &&
			!sip_uri_equal_text(b->contact, contact)))
			continue;
		b->fate = SR_REMOVE;
		op_row(call);
		op_put(call, "contact", b->contact);
		op_put_int(call, "expires", b->expires - now);
		n++;
	}
	return n;
}

/* Remove in one go, 0 or -ERR_x. */
static int
sr_remove_do(struct sr *sr, struct op_call *call, const struct sr_domain *d,
    const char *user, struct err *err)
{
	int64_t now = (int64_t)(clock_real() / CLOCK_SEC);
	struct sr_set *set = sr->set;
	unsigned n;
	int rc;

	if ((rc = stream_join(sr->stream, err)) != 0 ||
	    (rc = sr_rows_load(sr->rows, d->id, user, set, err)) != 0)
		return rc;
	n = sr_remove_choose(call, set, op_arg(call, "contact"), now);
	if (n == 0)
		return err_set(err, ERR_ABSENT,
		    "user %s of %s has no such registration", user, d->name);
	if ((rc = stream_mark(sr->stream, err)) != 0)
		return rc;
	rc = sr_rows_write(sr->rows, d->id, user, set, sr->request, now, err);
	if (rc == 0) {
		sr->count.removals += n;
		return stream_mark_keep(sr->stream, err);
	}
	stream_mark_undo(sr->stream, NULL);
	return rc;
}

static void
sr_remove_run(struct op_call *call)
{
	struct self *self = call->self;
	struct sr *sr = self->state_of_role;
	struct sr_domain *d = sr_directory_find(sr, op_arg(call, "domain"));
	struct err err = {0};
	char user[SR_USER];

	if (!sr->serving)
		op_failf(call, ERR_NOOWNER, "not the owner of sr");
	else if (d == NULL)
		op_failf(call, ERR_ABSENT, "domain %s: no such domain",
		    op_arg(call, "domain"));
	else if (!sr_auth_user(user, op_arg(call, "user")))
		op_failf(call, ERR_INVALID, "user: expected a number");
	else if (sr_remove_do(sr, call, d, user, &err) != 0)
		op_finish(call, &err);
	else
		sr_later(sr, sr_remove_on_ack, call);
}

static const struct op_field sr_remove_args[] = {
    {.name = "domain",
	.type = &op_type_ref,
	.ref = "domain",
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "domain of the user"},
    {.name = "user",
	.type = &op_type_ref,
	.ref = "user",
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "user whose registrations go"},
    {.name = "contact",
	.type = &op_type_uri,
	.brief = "only this contact URI; all of them without it"},
    {0},
};

static const struct op_field sr_remove_cols[] = {
    {.name = "contact",
	.type = &op_type_uri,
	.brief = "contact that was removed"},
    {.name = "expires",
	.type = &op_type_duration,
	.brief = "how long it would still have lived"},
    {0},
};

static const struct op sr_op_remove = {
    .name = "request registration remove",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_OWNER,
    .role = ROLE_SR,
    .brief = "remove registrations of a user",
    .about = "Removes what the user's phones have registered, all of it or "
	     "one contact. Calls that are up go on. A phone that is alive "
	     "registers again at its next refresh; to keep it out, set the "
	     "user's state to off first.",
    .example = "request registration remove demo.test 101",
    .args = sr_remove_args,
    .cols = sr_remove_cols,
    .run = sr_remove_run,
};

const struct op *const sr_ops[] = {&sr_op_remove, &sr_op_failures, NULL};
