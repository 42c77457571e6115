/*
 * Which calls somebody looks for.
 *
 * Two servers may know one call: who took it over goes on with it, and says
 * then again whose it is, its living legs and its times. So the server that
 * knows the end knows all that decides, and each server decides for itself; a
 * server that lacks the end decides by what it has, and who asks looks at those
 * calls again when it has asked all for their ends (trace_filter_went). Only a
 * party that was tried in vain before the call was taken over is known to the
 * first server alone, where a filter that asks for the end finds nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "daemon/base/clock.h"
#include "daemon/base/fold.h"
#include "daemon/base/str.h"

/* ---- the question -------------------------------------------------------- */

static const char *
filter_word(json_t *q, const char *name)
{
	return json_string_value(json_object_get(q, name));
}

/* "<10": seconds. */
static int
filter_bound(struct trace_bound *b, json_t *q, const char *name, struct err *e)
{
	const char *text = filter_word(q, name);
	int64_t seconds;

	if (text == NULL)
		return 0;
	if ((text[0] != '<' && text[0] != '>') ||
	    !str_int(text + 1, 0, INT64_MAX / CLOCK_SEC, &seconds))
		return err_set(
		    e, ERR_INVALID, "trace: %s: expected <10 or >10", name);
	b->way = text[0];
	b->us = (uint64_t)seconds * CLOCK_SEC;
	return 0;
}

/* "503", "400-699". */
static int
filter_code(struct trace_filter *f, json_t *q, struct err *e)
{
	const char *text = filter_word(q, "code");
	int64_t low, high;
	char first[8];
	size_t n;

	if (text == NULL)
		return 0;
	n = strcspn(text, "-");
	if (!str_ncopy(first, sizeof first, text, n) ||
	    !str_int(first, 1, 999, &low) ||
	    !str_int(text[n] == '-' ? text + n + 1 : first, low, 999, &high))
		return err_set(e, ERR_INVALID, "trace: code: expected 400-699");
	f->low = (unsigned)low;
	f->high = (unsigned)high;
	return 0;
}

int
trace_filter_read(struct trace_filter *f, json_t *q, struct err *e)
{
	const char *answered = filter_word(q, "answered");
	const char *cause = filter_word(q, "cause");
	int r;

	*f = (struct trace_filter){.domain = filter_word(q, "domain"),
	    .from = filter_word(q, "from"),
	    .to = filter_word(q, "to"),
	    .number = filter_word(q, "number"),
	    .user = filter_word(q, "user"),
	    .cause = cause != NULL ? fold_dup(cause) : NULL,
	    .failed = json_is_true(json_object_get(q, "failed")),
	    .answered = answered == NULL ? -1 : str_equal(answered, "yes")};
	if ((r = filter_code(f, q, e)) != 0 ||
	    (r = filter_bound(&f->talk, q, "duration", e)) != 0)
		return r;
	return filter_bound(&f->delay, q, "pdd", e);
}

void
trace_filter_fini(struct trace_filter *f)
{
	free(f->cause);
	f->cause = NULL;
}

/* ---- whose it is --------------------------------------------------------- */

/* "+7495*" stands for all that begin so. */
static bool
filter_is_number(const char *want, const char *p, size_t n)
{
	size_t len = strlen(want);

	if (len > 0 && want[len - 1] == '*')
		return n >= len - 1 && memcmp(p, want, len - 1) == 0;
	return n == len && memcmp(p, want, n) == 0;
}

static bool
filter_has(const struct trace_record *r, enum trace_key key, const char *want)
{
	return want == NULL ||
	    filter_is_number(want, r->text + r->key[key].at, r->key[key].n);
}

bool
trace_filter_takes(const struct trace_filter *f, const struct trace_record *r)
{
	return (f->domain == NULL ||
		   trace_key_is(r, TRACE_DOMAIN, f->domain)) &&
	    filter_has(r, TRACE_FROM, f->from) &&
	    filter_has(r, TRACE_TO, f->to);
}

void
trace_filter_note(const struct trace_filter *f, unsigned bit,
    struct trace_call *c, const struct trace_record *r)
{
	uint32_t mask = UINT32_C(1) << bit;

	if (filter_has(r, TRACE_PARTY, f->user))
		c->user |= mask;
	if (filter_has(r, TRACE_FROM, f->number) ||
	    filter_has(r, TRACE_TO, f->number) ||
	    filter_has(r, TRACE_PARTY, f->number))
		c->number |= mask;
}

/* ---- how it went --------------------------------------------------------- */

/* A span that is not there is neither shorter nor longer. */
static bool
filter_within(const struct trace_bound *b, uint64_t from, uint64_t to)
{
	uint64_t us = to > from ? to - from : 0;

	if (b->way == 0)
		return true;
	if (from == 0 || to == 0)
		return false;
	return b->way == '<' ? us < b->us : us > b->us;
}

bool
trace_filter_went(
    const struct trace_filter *f, const struct trace_call *c, uint64_t now)
{
	if (f->high != 0 &&
	    (c->end == 0 || c->status < f->low || c->status > f->high))
		return false;
	if (f->failed && (c->end == 0 || c->answer != 0))
		return false;
	if (f->answered >= 0 && (c->answer != 0) != (f->answered == 1))
		return false;
	if (f->cause != NULL &&
	    (c->end == 0 || !fold_holds(c->reason, f->cause)))
		return false;
	return filter_within(&f->talk, c->answer, c->end != 0 ? c->end : now) &&
	    filter_within(&f->delay, c->start, c->ring);
}

bool
trace_filter_matches(const struct trace_filter *f, unsigned bit,
    const struct trace_call *c, uint64_t now)
{
	uint32_t mask = UINT32_C(1) << bit;

	return (f->number == NULL || (c->number & mask) != 0) &&
	    (f->user == NULL || (c->user & mask) != 0) &&
	    trace_filter_went(f, c, now);
}
