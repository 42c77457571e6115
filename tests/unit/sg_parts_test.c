/* The gate's parts that need no socket: seals, nonces, routes, holds, guard,
 * domains. Time is moved by the tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/sg/sg.h"

static struct sg_keys keys;
static struct scan scan;
static char store[4096];

static void
scan_text(const char *text)
{
	str_copy(store, sizeof store, text);
	assert_int_equal(scan_lazy(&scan, store, strlen(store)), 0);
}

static int
set_up(void **state)
{
	static const uint8_t site[CRYPT_KEY] = {1, 2, 3};

	(void)state;
	sg_keys_init(&keys, site);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sg_keys_fini(&keys);
	return 0;
}

/* ---- seals ------------------------------------------------------------- */

/* What was sealed opens at any gate of the site, as its own kind only. */
static void
seals_open(void **state)
{
	static const uint8_t site[CRYPT_KEY] = {1, 2, 3},
			     other[CRYPT_KEY] = {4};
	struct sg_keys same, foreign;
	char token[SG_TOKEN], again[SG_TOKEN];
	uint8_t out[SG_PLAIN];
	size_t n;

	(void)state;
	n = sg_seal(&keys, SG_INSTANCE, "b2bua-1", 7, token);
	assert_true(n > 0);
	assert_null(strstr(token, "b2bua"));
	assert_int_equal(sg_seal(&keys, SG_INSTANCE, "b2bua-1", 7, again), n);
	assert_string_equal(token, again);
	sg_keys_init(&same, site);
	sg_keys_init(&foreign, other);
	assert_int_equal(sg_open(&same, SG_INSTANCE, token, n, out), 7);
	assert_memory_equal(out, "b2bua-1", 7);
	assert_int_equal(sg_open(&same, SG_FLOW, token, n, out), -1);
	assert_int_equal(sg_open(&keys, SG_FLOW, token, n, out), -1);
	assert_int_equal(sg_open(&foreign, SG_INSTANCE, token, n, out), -1);
	token[3] = token[3] == 'A' ? 'B' : 'A';
	assert_int_equal(sg_open(&same, SG_INSTANCE, token, n, out), -1);
	assert_int_equal(sg_open(&keys, SG_INSTANCE, token, n, out), -1);
	assert_int_equal(sg_open(&keys, SG_INSTANCE, "102", 3, out), -1);
	sg_keys_fini(&same);
	sg_keys_fini(&foreign);
}

/* Nothing longer than SG_PLAIN is sealed, nothing longer is opened. */
static void
seals_are_bounded(void **state)
{
	uint8_t plain[SG_PLAIN + 1] = {0}, out[SG_PLAIN];
	char token[SG_TOKEN], big[400];
	size_t n;

	(void)state;
	n = sg_seal(&keys, SG_BRANCH, plain, SG_PLAIN, token);
	assert_true(n > 0 && n < SG_TOKEN);
	assert_int_equal(sg_open(&keys, SG_BRANCH, token, n, out), SG_PLAIN);
	assert_int_equal(
	    sg_seal(&keys, SG_BRANCH, plain, SG_PLAIN + 1, token), 0);
	assert_int_equal(sg_seal(&keys, SG_BRANCH, plain, 0, token), 0);
	memset(big, 'A', sizeof big);
	assert_int_equal(sg_open(&keys, SG_BRANCH, big, sizeof big, out), -1);
}

#define REQUEST(method, call, branch, to)                         \
	method " sip:102@demo.test SIP/2.0\r\n"                   \
	       "Via: SIP/2.0/UDP h:5060;branch=" branch "\r\n"    \
	       "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>" to "\r\n" \
	       "Call-ID: " call "\r\nCSeq: 7 " method "\r\n\r\n"

/* The branch is that of INVITE, its CANCEL and its ACK, and no other's;
 * without a branch of RFC 3261 too. */
static void
branches_follow_the_invite(void **state)
{
	static const char *const texts[][4] = {
	    {REQUEST("INVITE", "c", "z9hG4bKx", ""),
		REQUEST("CANCEL", "c", "z9hG4bKx", ""),
		REQUEST("ACK", "c", "z9hG4bKx", ";tag=9"),
		REQUEST("INVITE", "c", "z9hG4bKy", "")},
	    {REQUEST("INVITE", "c", "1", ""), REQUEST("CANCEL", "c", "1", ""),
		REQUEST("ACK", "c", "1", ";tag=9"),
		REQUEST("INVITE", "d", "1", "")}};
	char branch[4][SG_BRANCH_TEXT];
	unsigned i, j;

	(void)state;
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 4; j++) {
			scan_text(texts[i][j]);
			sg_branch(&keys, &scan, branch[j]);
		}
		assert_string_equal(branch[0], branch[1]);
		assert_string_equal(branch[0], branch[2]);
		assert_string_not_equal(branch[0], branch[3]);
	}
}

/* A nonce is good for its address and its time. */
static void
nonces_are_bound(void **state)
{
	union addr a, b;
	char nonce[SG_NONCE];

	(void)state;
	addr_parse(&a, "192.0.2.1", 5060);
	addr_parse(&b, "2001:db8::1", 5060);
	sg_nonce_make(&keys, 1000, &a, nonce);
	assert_int_equal(strlen(nonce), SG_NONCE - 1);
	assert_int_equal(
	    sg_nonce_check(&keys, 1000 + SG_NONCE_LIFE, &a, nonce, 24),
	    SG_NONCE_GOOD);
	addr_set_port(&a, 9);
	assert_int_equal(
	    sg_nonce_check(&keys, 1001, &a, nonce, 24), SG_NONCE_GOOD);
	assert_int_equal(
	    sg_nonce_check(&keys, 1001 + SG_NONCE_LIFE, &a, nonce, 24),
	    SG_NONCE_STALE);
	assert_int_equal(
	    sg_nonce_check(&keys, 1001, &b, nonce, 24), SG_NONCE_STALE);
	assert_int_equal(
	    sg_nonce_check(&keys, 999, &a, nonce, 24), SG_NONCE_STALE);
	nonce[7] = nonce[7] == 'x' ? 'y' : 'x';
	nonce[20] = nonce[20] == 'x' ? 'y' : 'x';
	assert_int_equal(
	    sg_nonce_check(&keys, 1001, &a, nonce, 24), SG_NONCE_FORGED);
	assert_int_equal(
	    sg_nonce_check(&keys, 1001, &a, "", 0), SG_NONCE_FORGED);
}

/* ---- routes ------------------------------------------------------------ */

static void
own(struct owner_map *m, const char *key, enum owner_state s, uint16_t port)
{
	struct owner o = {.epoch = 1, .state = s};

	str_copy(o.key, sizeof o.key, key);
	addr_parse(&o.inside, "127.0.0.1", port);
	assert_int_equal(owner_map_put(m, &o), 0);
}

static const char *
picked(struct sg_route *r, unsigned call, uint64_t now)
{
	char text[512];
	struct sg_owner *o;

	snprintf(text, sizeof text, REQUEST("INVITE", "call%u", "z9hG4bKx", ""),
	    call);
	scan_text(text);
	o = sg_route_pick(r, &scan, now);
	return o != NULL ? o->name : "";
}

/* Calls spread over all B2BUAs; a new one takes only its share, and not
 * within 32 s what has been seen. A dead one is waited for, then left out. */
static void
calls_are_spread(void **state)
{
	struct owner_map *m;
	struct sg_route r;
	struct err e;
	char first[300][16];
	unsigned i, moved = 0, ones = 0;

	(void)state;
	assert_int_equal(owner_map_create(NULL, &m, &e), 0);
	sg_route_init(&r, m, "srv1");
	sg_route_refresh(&r, 1);
	assert_string_equal(picked(&r, 1, 1), "");
	own(m, "sr", OWNER_SERVING, 11);
	own(m, "mg/1", OWNER_SERVING, 12);
	own(m, "calls/b2bua-1", OWNER_SERVING, 41);
	own(m, "calls/b2bua-2", OWNER_SERVING, 42);
	assert_true(sg_route_refresh(&r, 1));
	assert_false(sg_route_refresh(&r, 1));
	assert_int_equal(r.count, 3);
	for (i = 0; i < 300; i++) {
		str_copy(first[i], 16, picked(&r, i, CLOCK_SEC));
		ones += strcmp(first[i], "b2bua-1") == 0;
	}
	assert_in_range(ones, 100, 200);
	own(m, "calls/b2bua-3", OWNER_SERVING, 43);
	sg_route_refresh(&r, CLOCK_SEC);
	for (i = 0; i < 300; i++)
		assert_string_equal(first[i], picked(&r, i, 2 * CLOCK_SEC));
	for (i = 0; i < 300; i++) {
		const char *now = picked(&r, i, 60 * CLOCK_SEC);

		if (strcmp(first[i], now) != 0) {
			assert_string_equal(now, "b2bua-3");
			moved++;
		}
	}
	assert_in_range(moved, 50, 150);
	own(m, "calls/b2bua-3", OWNER_DOWN, 43);
	sg_route_refresh(&r, 100 * CLOCK_SEC);
	assert_non_null(sg_route_find(&r, "b2bua-3", 7));
	assert_true(sg_route_is_patient(
	    sg_route_find(&r, "b2bua-3", 7), 101 * CLOCK_SEC));
	for (i = 0; i < 300; i++)
		assert_string_not_equal(
		    picked(&r, i, 200 * CLOCK_SEC), "b2bua-3");
	sg_route_fini(&r);
	owner_map_close(&m);
}

/* ---- holds ------------------------------------------------------------- */

struct sent {
	unsigned sent, ended;
};

static void
on_due(void *arg, struct sg_hold *h, bool ended)
{
	struct sent *s = arg;

	assert_int_equal(h->n, 4);
	s->sent += !ended;
	s->ended += ended;
}

/* How often a message is sent again in 40 s, looked at every 50 ms. */
static struct sent
hold_for(bool invite)
{
	struct sg_holds t = {0};
	struct sent s = {0};
	uint64_t now;

	assert_non_null(sg_hold_add(&t, "k", 1, invite, "text", 4, 0));
	for (now = 0; now < 40 * CLOCK_SEC; now += SG_HOLD_TICK)
		sg_hold_tick(&t, now, on_due, &s);
	assert_int_equal(t.count, 0);
	assert_int_equal(t.bytes, 0);
	sg_hold_fini(&t);
	return s;
}

/* Timer A doubles without end: 6 times; timer E stays at T2: 10 times
 * (RFC 3261 17.1.1.2, 17.1.2.2). */
static void
holds_follow_the_timers(void **state)
{
	struct sent s;

	(void)state;
	s = hold_for(true);
	assert_int_equal(s.sent, 6);
	assert_int_equal(s.ended, 1);
	s = hold_for(false);
	assert_int_equal(s.sent, 10);
	assert_int_equal(s.ended, 1);
}

/* Removed, nothing is sent; a full table takes no more; one that serves
 * again is sent to at once. */
static void
holds_are_bounded(void **state)
{
	struct sg_holds t = {0};
	struct sent s = {0};
	unsigned i;

	(void)state;
	for (i = 0; i < SG_HOLDS; i++)
		assert_non_null(
		    sg_hold_add(&t, &i, sizeof i, true, "text", 4, 0));
	assert_null(sg_hold_add(&t, &i, sizeof i, true, "text", 4, 0));
	i = 5;
	assert_true(sg_hold_remove(&t, &i, sizeof i));
	assert_false(sg_hold_remove(&t, &i, sizeof i));
	assert_non_null(sg_hold_add(&t, "new", 3, true, "text", 4, 0));
	t.first->owner = 77;
	sg_hold_hurry(&t, 77, 1000);
	sg_hold_tick(&t, 1000, on_due, &s);
	assert_int_equal(s.sent, 1);
	sg_hold_fini(&t);
	assert_int_equal(t.count, 0);
}

/* ---- guard ------------------------------------------------------------- */

static union addr *
address(unsigned n)
{
	static union addr a;

	assert_true(addr_parse(&a, "10.0.0.0", 5060));
	a.in4.sin_addr.s_addr = htonl(0x0a000000u + n);
	return &a;
}

/* A bucket gives the rate, after a burst of two seconds of it. */
static void
rate_is_kept(void **state)
{
	struct sg_guard g;
	struct sg_source *s;
	uint64_t now;
	unsigned passed = 0;

	(void)state;
	sg_guard_init(&g);
	s = sg_guard_source(&g, address(1), 0);
	for (now = 0; now < 10 * CLOCK_SEC; now += 1000)
		passed += sg_guard_spend(&g, s, 1000, now);
	assert_in_range(passed, 595, 605); /* 2 s + 10 s of 50 */
	now += 100 * CLOCK_SEC;
	for (passed = 0; sg_guard_spend(&g, s, 1000, now);)
		passed++;
	assert_int_equal(passed, 100);
	/* A debt is paid off at the rate, and is never more than a second. */
	assert_int_equal(sg_guard_owe(&g, s, 1000, now), 20000);
	for (passed = 0; passed < 200; passed++)
		sg_guard_owe(&g, s, 1000, now);
	assert_int_equal(sg_guard_owe(&g, s, 1000, now), CLOCK_SEC);
	assert_false(sg_guard_spend(&g, s, 1000, now + CLOCK_SEC));
	assert_true(sg_guard_spend(&g, s, 1000, now + CLOCK_SEC + 20000));
	sg_guard_fini(&g);
}

/* More sources than the table holds: the one not seen longest is forgotten. */
static void
sources_are_bounded(void **state)
{
	struct sg_guard g;
	struct sg_source *first;
	unsigned i;

	(void)state;
	sg_guard_init(&g);
	first = sg_guard_source(&g, address(0), 0);
	first->logged = true;
	for (i = 1; i < SG_SOURCES + 1000; i++) {
		sg_guard_source(&g, address(i), i);
		if (i % 1000 == 0) /* address 0 stays in use */
			assert_ptr_equal(
			    sg_guard_source(&g, address(0), i), first);
	}
	assert_int_equal(g.count, SG_SOURCES);
	assert_true(first->logged);
	assert_int_equal(g.sources.count, SG_SOURCES);
	sg_guard_fini(&g);
}

/* Too many wrong passwords make a ban that ends; a success wipes points. */
static void
failures_ban(void **state)
{
	struct sg_guard g;
	struct sg_ban *b = NULL;
	unsigned i;

	(void)state;
	sg_guard_init(&g);
	for (i = 0; i < 19; i++)
		assert_null(sg_guard_fail(&g, address(1), true, 1));
	sg_guard_good(&g, address(1), 1);
	for (i = 0; i < 20; i++)
		b = sg_guard_fail(&g, address(1), true, 1);
	assert_non_null(b);
	assert_non_null(sg_guard_ban(&g, address(1), 2));
	assert_null(sg_guard_ban(&g, address(2), 2));
	assert_null(sg_guard_ban(&g, address(1), 2 + g.limits.ban_time));
	assert_int_equal(g.bans.count, 0);
	sg_guard_fini(&g);
}

/* What a forged source could do to a phone that works: nothing. */
static void
forged_failures_do_not_ban(void **state)
{
	uint64_t late = 2 + SG_ANSWER;
	struct sg_guard g;
	unsigned i;

	(void)state;
	sg_guard_init(&g);
	sg_guard_good(&g, address(1), 1);
	for (i = 0; i < 1000; i++)
		assert_null(sg_guard_challenged(&g, address(1), false, late));
	/* One never seen to work is banned by them, after a phone's time. */
	for (i = 0; i < 1000; i++)
		assert_null(sg_guard_challenged(&g, address(2), false, 2));
	assert_non_null(sg_guard_challenged(&g, address(2), false, late));
	/* Spread over time they mean nothing. */
	for (i = 0; i < 200; i++)
		assert_null(sg_guard_challenged(
		    &g, address(3), true, (uint64_t)i * 3 * CLOCK_SEC));
	g.limits.ban_after = 0;
	for (i = 0; i < 1000; i++)
		assert_null(sg_guard_fail(&g, address(4), true, 2));
	sg_guard_fini(&g);
}

/* An office whose phones all start at once, before any has succeeded, is not
 * banned for the challenges on their way; nor do they weigh on the one phone
 * with a wrong password. */
static void
an_office_may_start(void **state)
{
	struct sg_guard g;
	struct sg_source *s;
	unsigned i;

	(void)state;
	sg_guard_init(&g);
	for (i = 0; i < 500; i++)
		assert_null(sg_guard_challenged(&g, address(1), false, 2));
	assert_null(sg_guard_fail(&g, address(1), true, 2));
	s = sg_guard_source(&g, address(1), 2);
	for (i = 0; i < 500; i++)
		sg_guard_answered(s);
	for (i = 0; i < 99; i++)
		assert_null(
		    sg_guard_challenged(&g, address(1), false, 2 + SG_ANSWER));
	sg_guard_fini(&g);
}

/* The table of bans gives up the one that ends first. */
static void
bans_are_bounded(void **state)
{
	struct sg_guard g;
	unsigned i, j;

	(void)state;
	sg_guard_init(&g);
	g.limits.ban_after = 1;
	for (i = 0; i < SG_BANS + 10; i++)
		assert_non_null(sg_guard_fail(&g, address(i), true, i));
	assert_int_equal(g.bans.count, SG_BANS);
	for (i = 0, j = 0; i < SG_BANS + 10; i++)
		j += sg_guard_unban(&g, address(i));
	assert_int_equal(j, SG_BANS);
	sg_guard_fini(&g);
}

/* An IPv6 customer is one source, whatever address of his /64 he takes. */
static void
ipv6_sources_are_networks(void **state)
{
	struct sg_guard g;
	union addr a, b, c;

	(void)state;
	sg_guard_init(&g);
	addr_parse(&a, "2001:db8:1:2::1", 1);
	addr_parse(&b, "2001:db8:1:2:3::9", 2);
	addr_parse(&c, "2001:db8:1:3::1", 1);
	assert_ptr_equal(
	    sg_guard_source(&g, &a, 1), sg_guard_source(&g, &b, 1));
	assert_ptr_not_equal(
	    sg_guard_source(&g, &a, 1), sg_guard_source(&g, &c, 1));
	sg_guard_fini(&g);
}

/* Lines about foreign bytes: once a source, ten a second. */
static void
logs_are_bounded(void **state)
{
	struct sg_guard g;
	unsigned i, lines = 0;

	(void)state;
	sg_guard_init(&g);
	for (i = 0; i < 100; i++) {
		lines += sg_guard_may_log(
		    &g, sg_guard_source(&g, address(i), 1), 1);
		lines += sg_guard_may_log(
		    &g, sg_guard_source(&g, address(i), 1), 1);
	}
	assert_int_equal(lines, 10);
	sg_guard_fini(&g);
}

/* ---- domains ----------------------------------------------------------- */

static struct scan_span
span(const char *s)
{
	return (struct scan_span){s, strlen(s)};
}

/* Hosts are found in any case, by alias, and forgotten with their domain. */
static void
domains_are_found(void **state)
{
	struct sg_domains t = {0};
	struct err e;
	json_t *row = json_pack("{s:s,s:[s,s],s:s}", "name", "a.test", "alias",
	    "b.test", "c.test", "realm", "old.test");
	json_t *less = json_pack("{s:s,s:[s],s:s}", "name", "a.test", "alias",
	    "c.test", "realm", "old.test");

	(void)state;
	assert_int_equal(sg_domain_take(&t, row, &e), 0);
	assert_non_null(sg_domain_by_host(&t, span("A.TEST")));
	assert_non_null(sg_domain_by_host(&t, span("b.test.")));
	assert_null(sg_domain_by_host(&t, span("old.test")));
	assert_non_null(sg_domain_by_realm(&t, span("old.test")));
	assert_null(sg_domain_by_host(&t, span("")));
	assert_int_equal(sg_domain_take(&t, less, &e), 0);
	assert_null(sg_domain_by_host(&t, span("b.test")));
	assert_non_null(sg_domain_by_host(&t, span("c.test")));
	sg_domain_remove(&t, "a.test");
	assert_null(sg_domain_by_host(&t, span("a.test")));
	assert_null(sg_domain_by_realm(&t, span("old.test")));
	json_decref(row);
	row = json_pack("{s:i}", "name", 3);
	assert_int_equal(sg_domain_take(&t, row, &e), -ERR_INVALID);
	sg_domain_clear(&t);
	json_decref(row);
	json_decref(less);
}

/* A call goes to a B2BUA of this server while one serves, then to one of
 * another server, and is waited for only when none serves. Its name has no
 * '@', which would end the user part of a URI. */
static void
calls_stay_on_their_server(void **state)
{
	struct owner_map *m;
	struct sg_route r;
	struct err e;
	unsigned i;

	(void)state;
	assert_int_equal(owner_map_create(NULL, &m, &e), 0);
	sg_route_init(&r, m, "srv1");
	own(m, "calls/b2bua-1@srv1", OWNER_SERVING, 41);
	own(m, "calls/b2bua-1@srv2", OWNER_SERVING, 42);
	own(m, "calls/b2bua-2@srv2", OWNER_SERVING, 43);
	sg_route_refresh(&r, CLOCK_SEC);
	for (i = 0; i < 50; i++)
		assert_string_equal(picked(&r, i, CLOCK_SEC), "b2bua-1.srv1");
	own(m, "calls/b2bua-1@srv1", OWNER_DOWN, 41);
	sg_route_refresh(&r, 2 * CLOCK_SEC);
	assert_string_equal(picked(&r, 0, 2 * CLOCK_SEC), "b2bua-1.srv1");
	for (i = 50; i < 100; i++)
		assert_non_null(strstr(picked(&r, i, 2 * CLOCK_SEC), ".srv2"));
	own(m, "calls/b2bua-1@srv2", OWNER_DOWN, 42);
	own(m, "calls/b2bua-2@srv2", OWNER_DOWN, 43);
	sg_route_refresh(&r, 3 * CLOCK_SEC);
	for (i = 100; i < 150; i++)
		assert_string_equal(
		    picked(&r, i, 3 * CLOCK_SEC), "b2bua-1.srv1");
	assert_non_null(sg_route_find(&r, "b2bua-2.srv2", 12));
	sg_route_fini(&r);
	owner_map_close(&m);
}

/* How many of 3000 calls each of three servers gets, by number. */
#define WEIGHED 3000

static void
weigh(struct sg_route *r, int w1, int w2, int w3, uint8_t at[WEIGHED],
    unsigned got[4])
{
	static uint64_t now;
	json_t *weights = json_pack(
	    "{s:i, s:i, s:i}", "srv1", w1, "srv2", w2, "srv3", w3);
	unsigned i;

	sg_route_weigh(r, weights);
	json_decref(weights);
	now += 100 * CLOCK_SEC; /* what was seen before is forgotten */
	memset(got, 0, 4 * sizeof *got);
	for (i = 0; i < WEIGHED; i++) {
		at[i] = (uint8_t)(picked(r, i, now)[11] - '0');
		got[at[i] & 3]++;
	}
}

/* Where servers weigh differently their shares are as the weights (within 4 of
 * 100 calls, keys being fixed), and another weight of one moves calls to it or
 * from it and no others. */
static void
calls_are_spread_by_weight(void **state)
{
	static uint8_t before[WEIGHED], after[WEIGHED];
	struct owner_map *m;
	struct sg_route r;
	struct err e;
	unsigned got[4], i;

	(void)state;
	assert_int_equal(owner_map_create(NULL, &m, &e), 0);
	sg_route_init(&r, m, "srv1");
	own(m, "calls/b2bua-1@srv1", OWNER_SERVING, 41);
	own(m, "calls/b2bua-1@srv2", OWNER_SERVING, 42);
	own(m, "calls/b2bua-1@srv3", OWNER_SERVING, 43);
	sg_route_refresh(&r, CLOCK_SEC);
	weigh(&r, 100, 100, 100, before, got);
	assert_int_equal(got[1], WEIGHED); /* the gate's own server */
	weigh(&r, 100, 200, 300, before, got);
	assert_in_range(got[1], WEIGHED / 6 - 120, WEIGHED / 6 + 120);
	assert_in_range(got[2], WEIGHED / 3 - 120, WEIGHED / 3 + 120);
	assert_in_range(got[3], WEIGHED / 2 - 120, WEIGHED / 2 + 120);
	weigh(&r, 100, 600, 300, after, got);
	assert_in_range(got[2], WEIGHED * 6 / 10 - 120, WEIGHED * 6 / 10 + 120);
	for (i = 0; i < WEIGHED; i++)
		assert_true(after[i] == before[i] || after[i] == 2);
	weigh(&r, 100, 1, 300, after, got);
	assert_in_range(got[2], 0, 60);
	for (i = 0; i < WEIGHED; i++)
		assert_true(after[i] == before[i] || before[i] == 2);
	sg_route_fini(&r);
	owner_map_close(&m);
}

/* A B2BUA whose server drains keeps what was sent to it, gets no new calls
 * while another serves, and all of them when none does. */
static void
calls_avoid_servers_that_drain(void **state)
{
	struct owner o = {.key = "calls/b2bua-1@srv1",
	    .epoch = 1,
	    .state = OWNER_SERVING,
	    .drain = true};
	struct owner_map *m;
	struct sg_route r;
	struct err e;
	unsigned i;

	(void)state;
	assert_int_equal(owner_map_create(NULL, &m, &e), 0);
	sg_route_init(&r, m, "srv1");
	own(m, o.key, OWNER_SERVING, 41);
	own(m, "calls/b2bua-1@srv2", OWNER_SERVING, 42);
	sg_route_refresh(&r, CLOCK_SEC);
	assert_string_equal(picked(&r, 0, CLOCK_SEC), "b2bua-1.srv1");
	assert_int_equal(owner_map_put(m, &o), 0);
	sg_route_refresh(&r, 2 * CLOCK_SEC);
	assert_string_equal(picked(&r, 0, 2 * CLOCK_SEC), "b2bua-1.srv1");
	for (i = 1; i < 50; i++)
		assert_string_equal(
		    picked(&r, i, 2 * CLOCK_SEC), "b2bua-1.srv2");
	own(m, "calls/b2bua-1@srv2", OWNER_DOWN, 42);
	sg_route_refresh(&r, 3 * CLOCK_SEC);
	for (i = 50; i < 100; i++)
		assert_string_equal(
		    picked(&r, i, 3 * CLOCK_SEC), "b2bua-1.srv1");
	sg_route_fini(&r);
	owner_map_close(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(seals_open),
	    cmocka_unit_test(seals_are_bounded),
	    cmocka_unit_test(branches_follow_the_invite),
	    cmocka_unit_test(nonces_are_bound),
	    cmocka_unit_test(calls_are_spread),
	    cmocka_unit_test(calls_stay_on_their_server),
	    cmocka_unit_test(calls_are_spread_by_weight),
	    cmocka_unit_test(calls_avoid_servers_that_drain),
	    cmocka_unit_test(holds_follow_the_timers),
	    cmocka_unit_test(holds_are_bounded),
	    cmocka_unit_test(rate_is_kept),
	    cmocka_unit_test(sources_are_bounded),
	    cmocka_unit_test(failures_ban),
	    cmocka_unit_test(forged_failures_do_not_ban),
	    cmocka_unit_test(an_office_may_start),
	    cmocka_unit_test(bans_are_bounded),
	    cmocka_unit_test(ipv6_sources_are_networks),
	    cmocka_unit_test(logs_are_bounded),
	    cmocka_unit_test(domains_are_found),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
