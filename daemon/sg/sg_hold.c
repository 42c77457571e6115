/*
 * What came over TCP, TLS or WebSocket is not repeated by the phone; inside
 * it goes by datagram. So it is held and sent again on the timers of RFC 3261
 * (A: T1 doubling; E: T1 doubling up to T2) until what ends it has passed:
 * any reply to an INVITE, the final reply to another request, the ACK to a
 * failure that came from outside. 32 s at most. Time comes from the caller.
 *
 * Bounded: SG_HOLDS entries, SG_HOLD_BYTES bytes; when it is full a message
 * is passed once and not held.
 */
#include <stdlib.h>

#include "sg.h"

size_t
sg_hold_key(uint8_t out[SG_HOLD_KEY], char kind, const char *branch, size_t n,
    struct scan_span method)
{
	uint64_t h[2];

	out[0] = (uint8_t)kind;
	h[0] = str_hash(method.p, method.n);
	if (n <= SG_HOLD_KEY - 9) {
		memcpy(out + 1, h, 8);
		memcpy(out + 9, branch, n);
		return 9 + n;
	}
	h[1] = str_hash(branch, n);
	memcpy(out + 1, h, 16);
	return 17;
}

static void
sg_hold_unlink(struct sg_holds *t, struct sg_hold *h)
{
	if ((*h->prev = h->next) != NULL)
		h->next->prev = h->prev;
	t->count--;
	t->bytes -= h->n;
}

bool
sg_hold_remove(struct sg_holds *t, const void *key, size_t nkey)
{
	struct sg_hold *h = map_del(&t->by_key, key, nkey);

	if (h == NULL)
		return false;
	sg_hold_unlink(t, h);
	free(h);
	return true;
}

struct sg_hold *
sg_hold_add(struct sg_holds *t, const void *key, size_t nkey, bool invite,
    const void *bytes, size_t n, uint64_t now)
{
	struct sg_hold *h;

	sg_hold_remove(t, key, nkey);
	if (t->count == SG_HOLDS || t->bytes + n > SG_HOLD_BYTES)
		return NULL;
	if ((h = calloc(1, sizeof *h + n)) == NULL)
		return NULL;
	memcpy(h->key, key, nkey);
	h->nkey = nkey;
	h->capped = !invite;
	h->interval = SG_T1;
	h->due = now + SG_T1;
	h->end = now + SG_HOLD_TIME;
	h->n = (uint32_t)n;
	memcpy(h->bytes, bytes, n);
	if (map_put(&t->by_key, key, nkey, h, NULL) != 0) {
		free(h);
		return NULL;
	}
	if ((h->next = t->first) != NULL)
		h->next->prev = &h->next;
	h->prev = &t->first;
	t->first = h;
	t->count++;
	t->bytes += n;
	return h;
}

void
sg_hold_tick(struct sg_holds *t, uint64_t now, sg_hold_fn *fn, void *arg)
{
	struct sg_hold *h, *next;

	for (h = t->first; h != NULL; h = next) {
		next = h->next;
		if (now >= h->end) {
			fn(arg, h, true);
			sg_hold_remove(t, h->key, h->nkey);
		} else if (now >= h->due) {
			h->interval *= 2;
			if (h->capped && h->interval > SG_T2)
				h->interval = SG_T2;
			h->due = now + h->interval;
			fn(arg, h, false);
		}
	}
}

void
sg_hold_hurry(struct sg_holds *t, uint32_t owner, uint64_t now)
{
	struct sg_hold *h;

	for (h = t->first; h != NULL; h = h->next) {
		if (h->owner != owner)
			continue;
		h->due = now;
		h->interval = SG_T1 / 2;
	}
}

void
sg_hold_fini(struct sg_holds *t)
{
	struct sg_hold *h;

	while ((h = t->first) != NULL)
		sg_hold_remove(t, h->key, h->nkey);
	map_fini(&t->by_key);
}
