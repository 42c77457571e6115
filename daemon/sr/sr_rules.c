/*
 * The rules of bindings, RFC 3261 10.3 steps 6 and 7, on one user's set in
 * memory: which binding a Contact means, what becomes of it, which order of
 * requests is refused. All or nothing: the first refusal ends it, and the
 * caller writes only what was not refused. Pure: no clock, no database.
 */
#include <string.h>
#include <strings.h>

#include <sofia-sip/url.h>

#include "daemon/base/str.h"
#include "sr.h"

static const struct sr_refusal sr_refusal_order = {
    .status = 500, .phrase = "Request Out Of Order"};
static const struct sr_refusal sr_refusal_many = {
    .status = 403, .phrase = "Too Many Contacts"};

bool
sr_rules_lives(const struct sr_binding *b, int64_t now)
{
	return b->fate != SR_REMOVE && b->fate != SR_GONE && b->expires > now;
}

/* A binding that has run out is none: its row is used again or removed. */
static bool
sr_rules_present(const struct sr_binding *b, int64_t now)
{
	return b->fate == SR_KEEP && b->expires > now;
}

/* RFC 5626 6: with an instance and a reg-id these name the flow, whatever
 * the URI is now. */
static bool
sr_rules_same_flow(const struct sr_binding *b, const struct sr_wish *w)
{
	return w->reg_id != 0 && b->reg_id == w->reg_id &&
	    strcmp(b->instance, w->instance) == 0;
}

/* The binding that a Contact means, or NULL: by flow, else by URI. */
static struct sr_binding *
sr_rules_find(struct sr_set *set, const struct sr_wish *w)
{
	struct sr_binding *b;
	unsigned i;

	for (i = 0; i < set->count; i++) {
		b = &set->binding[i];
		if (b->fate != SR_GONE && sr_rules_same_flow(b, w))
			return b;
	}
	for (i = 0; i < set->count; i++) {
		b = &set->binding[i];
		if (b->fate != SR_GONE &&
		    sip_uri_equal_text(b->contact, w->contact))
			return b;
	}
	return NULL;
}

/* How a request stands to what a binding was last written by. */
enum sr_order { SR_NEWER, SR_REPEATED, SR_OLDER };

/* RFC 3261 10.3 step 7: only within one Call-ID is there an order. */
static enum sr_order
sr_rules_order(const struct sr_binding *b, const struct sr_request *r)
{
	if (strcmp(b->call_id, r->call_id) != 0 || r->cseq > b->cseq)
		return SR_NEWER;
	return r->cseq == b->cseq ? SR_REPEATED : SR_OLDER;
}

/* What a request leaves in a binding. */
static void
sr_rules_set(struct sr_binding *b, const struct sr_request *r,
    const struct sr_wish *w, int64_t now)
{
	b->fate = b->row != 0 ? SR_UPDATE : SR_INSERT;
	b->cseq = r->cseq;
	b->q = w->q;
	b->expires = now + w->expires;
	b->reg_id = w->reg_id;
	str_copy(b->contact, sizeof b->contact, w->contact);
	str_copy(b->call_id, sizeof b->call_id, r->call_id);
	str_copy(b->instance, sizeof b->instance, w->instance);
	str_copy(b->source, sizeof b->source, r->source);
}

/* A place for a new binding, NULL when the set is full. */
static struct sr_binding *
sr_rules_new(struct sr_set *set)
{
	struct sr_binding *b;

	if (set->count == SR_BINDINGS)
		return NULL;
	b = &set->binding[set->count++];
	b->row = 0;
	b->fate = SR_GONE;
	return b;
}

/* Take a binding away; one that was never written just goes. */
static void
sr_rules_remove(struct sr_binding *b)
{
	b->fate = b->row != 0 ? SR_REMOVE : SR_GONE;
}

/* A second row of the same URI (a phone that changed its reg-id): one row
 * per contact is kept. */
static void
sr_rules_unify(struct sr_set *set, const struct sr_binding *kept)
{
	struct sr_binding *b;
	unsigned i;

	for (i = 0; i < set->count; i++) {
		b = &set->binding[i];
		if (b != kept && b->fate == SR_KEEP &&
		    sip_uri_equal_text(b->contact, kept->contact))
			sr_rules_remove(b);
	}
}

/* One Contact of the request. A repetition changes nothing, so that a 200
 * that was lost can be said again. */
static int
sr_rules_wish(struct sr_set *set, const struct sr_request *r,
    const struct sr_wish *w, int64_t now, struct sr_refusal *no)
{
	struct sr_binding *b = sr_rules_find(set, w);

	if (b != NULL && b->fate != SR_KEEP)
		return 0; /* the same contact twice: the first counts */
	if (b != NULL && sr_rules_present(b, now)) {
		switch (sr_rules_order(b, r)) {
		case SR_OLDER:
			*no = sr_refusal_order;
			return -1;
		case SR_REPEATED:
			return 0;
		case SR_NEWER:
			break;
		}
	}
	if (w->expires == 0) {
		if (b != NULL)
			sr_rules_remove(b);
		return 0;
	}
	if (b == NULL && (b = sr_rules_new(set)) == NULL) {
		*no = sr_refusal_many;
		return -1;
	}
	sr_rules_set(b, r, w, now);
	if (w->reg_id != 0)
		sr_rules_unify(set, b);
	return 0;
}

/* RFC 3261 10.3 step 6: all go, or none when one was written by the same
 * Call-ID and not by an earlier request of it. */
static int
sr_rules_star(struct sr_set *set, const struct sr_request *r, int64_t now,
    struct sr_refusal *no)
{
	struct sr_binding *b;
	unsigned i;

	for (i = 0; i < set->count; i++) {
		b = &set->binding[i];
		if (sr_rules_present(b, now) &&
		    sr_rules_order(b, r) != SR_NEWER) {
			*no = sr_refusal_order;
			return -1;
		}
		sr_rules_remove(b);
	}
	return 0;
}

/* What has run out goes with the next write, so that the rows of a user stay
 * few whatever the sweep does. */
static void
sr_rules_sweep(struct sr_set *set, int64_t now)
{
	struct sr_binding *b;
	unsigned i;

	for (i = 0; i < set->count; i++) {
		b = &set->binding[i];
		if (b->fate == SR_KEEP && b->expires <= now)
			sr_rules_remove(b);
	}
}

/* Bindings that get a row of their own. */
static unsigned
sr_rules_added(const struct sr_set *set)
{
	unsigned i, n = 0;

	for (i = 0; i < set->count; i++)
		n += set->binding[i].fate == SR_INSERT;
	return n;
}

/* Bindings that will be there. */
static unsigned
sr_rules_count(const struct sr_set *set, int64_t now)
{
	unsigned i, n = 0;

	for (i = 0; i < set->count; i++)
		n += sr_rules_lives(&set->binding[i], now);
	return n;
}

/* ---- over the limit ---- */

/* Did both come from one address? "192.0.2.7:5062;transport=udp;..." */
static bool
sr_rules_same_source(const char *a, const char *b)
{
	const char *end = strchr(a, ';');
	size_t n = end != NULL ? (size_t)(end - a) : strlen(a);

	while (n > 0 && a[n - 1] != ':')
		n--;
	return n > 0 && strncmp(a, b, n) == 0;
}

/* Do the URIs differ in nothing but port and parameters? */
static bool
sr_rules_same_place(const char *a, const char *b)
{
	char x[SR_URI], y[SR_URI];
	url_t u, v;

	str_copy(x, sizeof x, a);
	str_copy(y, sizeof y, b);
	return url_d(&u, x) == 0 && url_d(&v, y) == 0 && u.url_host != NULL &&
	    v.url_host != NULL && strcasecmp(u.url_host, v.url_host) == 0 &&
	    str_equal(u.url_user, v.url_user);
}

/*
 * Is it surely the same phone, come back from elsewhere? A phone that names
 * its instance is known by it, unless it keeps several flows (RFC 5626);
 * another one by a contact that was equal but for the port, from the same
 * address.
 */
static bool
sr_rules_same_phone(const struct sr_binding *a, const struct sr_binding *b)
{
	if (a->instance[0] != '\0' || b->instance[0] != '\0')
		return strcmp(a->instance, b->instance) == 0 &&
		    (a->reg_id == 0 || b->reg_id == 0);
	return sr_rules_same_source(a->source, b->source) &&
	    sr_rules_same_place(a->contact, b->contact);
}

/* What a new binding may take the place of: of the same phone's the one that
 * would run out first. */
static struct sr_binding *
sr_rules_oldest(struct sr_set *set, const struct sr_binding *of, int64_t now)
{
	struct sr_binding *b, *oldest = NULL;
	unsigned i;

	for (i = 0; i < set->count; i++) {
		b = &set->binding[i];
		if (sr_rules_present(b, now) && sr_rules_same_phone(b, of) &&
		    (oldest == NULL || b->expires < oldest->expires))
			oldest = b;
	}
	return oldest;
}

/* Let one binding give way to a new one of its phone; false when no phone
 * has both. */
static bool
sr_rules_displace(struct sr_set *set, int64_t now)
{
	struct sr_binding *b;
	unsigned i;

	for (i = 0; i < set->count; i++) {
		if (set->binding[i].fate != SR_INSERT)
			continue;
		b = sr_rules_oldest(set, &set->binding[i], now);
		if (b != NULL) {
			sr_rules_remove(b);
			return true;
		}
	}
	return false;
}

/* A limit that was lowered refuses additions, not refreshes. */
static bool
sr_rules_exceed(
    const struct sr_set *set, unsigned before, unsigned max, int64_t now)
{
	unsigned count = sr_rules_count(set, now);

	return count > max && (count > before || sr_rules_added(set) > 0);
}

int
sr_rules_apply(struct sr_set *set, const struct sr_request *r, int64_t now,
    unsigned max, struct sr_refusal *no)
{
	unsigned before = sr_rules_count(set, now), i;

	if (r->star)
		return sr_rules_star(set, r, now, no);
	for (i = 0; i < r->count; i++) {
		if (sr_rules_wish(set, r, &r->wish[i], now, no) != 0)
			return -1;
	}
	while (sr_rules_exceed(set, before, max, now)) {
		if (!sr_rules_displace(set, now)) {
			*no = sr_refusal_many;
			return -1;
		}
	}
	if (r->count > 0)
		sr_rules_sweep(set, now);
	return 0;
}
