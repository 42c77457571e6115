/*
 * Credentials that were refused, for operators: who offered what from where,
 * and why it was no. Phones get one answer to all of it; here the cause is
 * named. Bounded: repetitions count up one entry, and of SR_FAILURES entries
 * the one that happened longest ago gives way. Kept in memory of this
 * instance only; who guesses passwords is banned by SG, not here.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "sr.h"

struct sr_failure {
	uint64_t first, last; /* real clock, us; last 0 = free */
	uint64_t count;
	const char *cause;
	char domain[256];
	char user[SR_SHOWN];
	char source[SR_SOURCE]; /* without the port */
	char agent[SR_AGENT];
};

struct sr_failures {
	struct sr_failure entry[SR_FAILURES];
};

struct sr_failures *
sr_failures_new(void)
{
	return xcalloc(1, sizeof(struct sr_failures));
}

/* Foreign text, safe to show and cut. */
static void
sr_failure_show(char *out, size_t size, const char *in)
{
	str_escape(out, size, in, strlen(in));
}

/* "192.0.2.7" of "192.0.2.7:5062;transport=udp;listener=x": a phone that
 * tries again comes from another port. */
static void
sr_failure_source(char out[SR_SOURCE], const char *source)
{
	char *port;

	sr_failure_show(out, SR_SOURCE, source);
	out[strcspn(out, ";")] = '\0';
	if ((port = strrchr(out, ':')) != NULL)
		*port = '\0';
}

static bool
sr_failure_same(const struct sr_failure *a, const struct sr_failure *b)
{
	return a->last != 0 && a->cause == b->cause &&
	    strcmp(a->user, b->user) == 0 &&
	    strcmp(a->source, b->source) == 0 &&
	    strcmp(a->domain, b->domain) == 0;
}

/* The entry of this failure, or the one that it may overwrite. */
static struct sr_failure *
sr_failure_place(struct sr_failures *l, const struct sr_failure *of)
{
	struct sr_failure *f, *oldest = &l->entry[0];

	for (f = l->entry; f < l->entry + SR_FAILURES; f++) {
		if (sr_failure_same(f, of))
			return f;
		if (f->last < oldest->last)
			oldest = f;
	}
	oldest->count = 0;
	return oldest;
}

void
sr_failure_note(struct sr *sr, const struct sr_asker *who, const char *cause)
{
	uint64_t now = clock_real(), count, first;
	struct sr_failure of = {.cause = cause}, *f;

	sr_failure_show(of.domain, sizeof of.domain, who->domain);
	sr_failure_show(of.user, sizeof of.user, who->user);
	sr_failure_source(of.source, who->source);
	sr_failure_show(of.agent, sizeof of.agent, who->agent);
	f = sr_failure_place(sr->failures, &of);
	count = f->count;
	first = count > 0 ? f->first : now;
	*f = of;
	f->first = first;
	f->last = now;
	f->count = count + 1;
}

/* ---- show auth-failures -------------------------------------------------- */

static int
sr_failure_newer(const void *a, const void *b)
{
	const struct sr_failure *x = *(const struct sr_failure *const *)a;
	const struct sr_failure *y = *(const struct sr_failure *const *)b;

	return x->last < y->last ? 1 : x->last > y->last ? -1 : 0;
}

static void
sr_failure_put(struct op_call *call, const struct sr_failure *f)
{
	struct self *self = call->self;

	op_row(call);
	op_put_time(call, "last", f->last);
	op_put(call, "domain", f->domain);
	op_put(call, "user", f->user);
	op_put(call, "source", f->source);
	op_put(call, "cause", f->cause);
	op_put_int(call, "count", (int64_t)f->count);
	op_put_time(call, "first", f->first);
	op_put(call, "agent", f->agent);
	op_put(call, "instance", self->name);
}

static void
sr_failures_run(struct op_call *call)
{
	struct self *self = call->self;
	struct sr *sr = self->state_of_role;
	const char *domain = op_arg(call, "domain");
	const struct sr_failure *newest[SR_FAILURES] = {NULL}, *f;
	unsigned i, n = 0;

	for (f = sr->failures->entry; f < sr->failures->entry + SR_FAILURES;
	     f++) {
		if (f->last != 0 &&
		    (domain == NULL || strcmp(f->domain, domain) == 0))
			newest[n++] = f;
	}
	qsort(newest, n, sizeof newest[0], sr_failure_newer);
	for (i = 0; i < n; i++)
		sr_failure_put(call, newest[i]);
	op_finish(call, NULL);
}

static const struct op_field sr_failures_args[] = {
    {.name = "domain",
	.type = &op_type_domain,
	.brief = "only what was tried in this domain"},
    {0},
};

static const struct op_field sr_failures_cols[] = {
    {.name = "last", .type = &op_type_time, .brief = "when it happened last"},
    {.name = "domain", .type = &op_type_text, .brief = "domain it was for"},
    {.name = "user",
	.type = &op_type_text,
	.brief = "user name as it was offered"},
    {.name = "source", .type = &op_type_text, .brief = "address it came from"},
    {.name = "cause", .type = &op_type_text, .brief = "why it was refused"},
    {.name = "count", .type = &op_type_int, .brief = "how often"},
    {.name = "first", .type = &op_type_time, .brief = "when it began"},
    {.name = "agent",
	.type = &op_type_text,
	.brief = "what the phone calls itself"},
    {.name = "instance",
	.type = &op_type_instance,
	.brief = "registrar that refused it"},
    {0},
};

const struct op sr_op_failures = {
    .name = "show auth-failures",
    .kind = OP_READ,
    .access = OP_OPERATOR,
    .where = OP_EACH,
    .role = ROLE_SR,
    .brief = "credentials that were refused, newest first",
    .about = "Registrations, calls and messages whose credentials were "
	     "refused, with the cause that the phone is not told. Equal ones "
	     "of one address are one row with a count. Each registrar keeps "
	     "the last 200 rows, from its start on. Challenges that are not "
	     "answered, or too late, do not count: phones repeat them by "
	     "themselves. Addresses that try too often are in show bans.",
    .example = "show auth-failures\nshow auth-failures domain demo.test",
    .args = sr_failures_args,
    .cols = sr_failures_cols,
    .run = sr_failures_run,
};
