/*
 * request drill: what comes next after what, the figures of the report, what
 * counts as a whole site, and writes to owners that come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/control/drill.h"

/* ---- the machine --------------------------------------------------------- */

/* Feed events in a row; the order of the last one. */
static enum drill_order
feed(struct drill_machine *m, const enum drill_event *e, size_t n)
{
	enum drill_order order = DRILL_WAIT;
	size_t i;

	for (i = 0; i < n; i++)
		order = drill_step(m, e[i]);
	return order;
}
#define FEED(m, ...)                                          \
	feed((m), (const enum drill_event[]){__VA_ARGS__},    \
	    sizeof((const enum drill_event[]){__VA_ARGS__}) / \
		sizeof(enum drill_event))

/* Whole, pause, fault, service, undone: as often as asked; then what was
 * acknowledged is looked for, then taken away, then it is over. */
static void
trials_follow_one_another(void **state)
{
	struct drill_machine m;
	unsigned i;

	(void)state;
	drill_begin(&m, 2, 7);
	assert_int_equal(m.state, DRILL_SETTLING);
	for (i = 0; i < 2; i++) {
		assert_int_equal(drill_step(&m, DRILL_WHOLE), DRILL_WAIT);
		assert_int_equal(m.timer, 7);
		assert_int_equal(drill_step(&m, DRILL_TIMER), DRILL_STRIKE);
		assert_int_equal(m.timer, DRILL_PATIENCE_SERVE);
		assert_int_equal(drill_step(&m, DRILL_SERVED), DRILL_MEND);
		assert_int_equal(m.timer, DRILL_PATIENCE_WHOLE);
	}
	assert_int_equal(m.trials, 2);
	assert_int_equal(drill_step(&m, DRILL_WHOLE), DRILL_CHECK);
	assert_int_equal(drill_step(&m, DRILL_DONE), DRILL_CLEAR);
	assert_int_equal(drill_step(&m, DRILL_DONE), DRILL_FINISH);
	assert_int_equal(m.why.code, ERR_NONE);
}

/* An operator who wants no more: before a fault at once, after one when it is
 * served and undone. */
static void
a_stop_ends_in_order(void **state)
{
	struct drill_machine m;

	(void)state;
	drill_begin(&m, 9, 0);
	assert_int_equal(FEED(&m, DRILL_WHOLE, DRILL_STOP), DRILL_CHECK);
	assert_int_equal(m.timer, 0);
	drill_begin(&m, 9, 0);
	assert_int_equal(drill_step(&m, DRILL_WHOLE), DRILL_WAIT);
	assert_int_equal(m.timer, 1); /* no pause is not: no timer */
	drill_begin(&m, 9, 0);
	assert_int_equal(
	    FEED(&m, DRILL_WHOLE, DRILL_TIMER, DRILL_STOP), DRILL_WAIT);
	assert_int_equal(m.state, DRILL_STRUCK);
	assert_int_equal(drill_step(&m, DRILL_SERVED), DRILL_MEND);
	assert_int_equal(drill_step(&m, DRILL_WHOLE), DRILL_CHECK);
	assert_int_equal(m.trials, 1);
	assert_int_equal(m.why.code, ERR_NONE);
	drill_begin(&m, 9, 0);
	assert_int_equal(FEED(&m, DRILL_STOP, DRILL_WHOLE), DRILL_CHECK);
	assert_int_equal(m.trials, 0);
}

/* Who waits too long gives up, says why, and still undoes and checks. */
static void
patience_ends_it(void **state)
{
	struct drill_machine m;

	(void)state;
	drill_begin(&m, 9, 0);
	assert_int_equal(drill_step(&m, DRILL_TIMER), DRILL_CHECK);
	assert_int_equal(m.why.code, ERR_TIMEOUT);
	drill_begin(&m, 9, 0);
	assert_int_equal(
	    FEED(&m, DRILL_WHOLE, DRILL_TIMER, DRILL_TIMER), DRILL_MEND);
	assert_int_equal(m.why.code, ERR_TIMEOUT);
	assert_int_equal(m.trials, 0);
	assert_int_equal(drill_step(&m, DRILL_WHOLE), DRILL_CHECK);
}

/* A fault that cannot be made is no trial, and there is no next one. */
static void
a_refused_fault_ends_it(void **state)
{
	struct drill_machine m;

	(void)state;
	drill_begin(&m, 9, 0);
	assert_int_equal(
	    FEED(&m, DRILL_WHOLE, DRILL_TIMER, DRILL_REFUSED), DRILL_MEND);
	assert_int_equal(m.trials, 0);
	assert_int_equal(drill_step(&m, DRILL_WHOLE), DRILL_CHECK);
}

/* Events that mean nothing where it is change nothing. */
static void
stray_events_change_nothing(void **state)
{
	static const struct {
		enum drill_state in;
		enum drill_event e;
	} cases[] = {{DRILL_SETTLING, DRILL_SERVED},
	    {DRILL_SETTLING, DRILL_REFUSED}, {DRILL_SETTLING, DRILL_DONE},
	    {DRILL_PAUSING, DRILL_WHOLE}, {DRILL_PAUSING, DRILL_SERVED},
	    {DRILL_PAUSING, DRILL_DONE}, {DRILL_STRUCK, DRILL_WHOLE},
	    {DRILL_STRUCK, DRILL_DONE}, {DRILL_CHECKING, DRILL_WHOLE},
	    {DRILL_CHECKING, DRILL_TIMER}, {DRILL_CHECKING, DRILL_SERVED},
	    {DRILL_CLEARING, DRILL_SERVED}, {DRILL_OVER, DRILL_WHOLE},
	    {DRILL_OVER, DRILL_DONE}, {DRILL_OVER, DRILL_TIMER}};
	struct drill_machine m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		drill_begin(&m, 3, 0);
		m.state = cases[i].in;
		assert_int_equal(drill_step(&m, cases[i].e), DRILL_WAIT);
		assert_int_equal(m.state, cases[i].in);
		assert_int_equal(m.trials, 0);
	}
}

/* ---- the report ---------------------------------------------------------- */

/* A quantile is one of the times; of a hundred the 99th is not the last. */
static void
times_are_nearest_ranks(void **state)
{
	struct drill_trial t[100] = {{0}};
	struct drill_times out;
	size_t i;

	(void)state;
	drill_times(t, 0, &out);
	assert_int_equal(out.p50 + out.p99 + out.max, 0);
	for (i = 0; i < 100; i++)
		t[i] = (struct drill_trial){.us = 100 - i};
	drill_times(t, 100, &out);
	assert_int_equal(out.p50, 50);
	assert_int_equal(out.p99, 99);
	assert_int_equal(out.p999, 100);
	assert_int_equal(out.max, 100);
	drill_times(t, 1, &out);
	assert_int_equal(out.p50, 100);
	assert_int_equal(out.p99, 100);
	out.p50 = 10;
	assert_false(drill_is_outlier(&(struct drill_trial){.us = 30}, &out));
	assert_true(drill_is_outlier(&(struct drill_trial){.us = 31}, &out));
}

/* Only what was acknowledged can be lost; strange numbers are nobody's. */
static void
what_is_missing_is_counted(void **state)
{
	static const uint8_t acked[] = {1, 0, 1, 1};
	json_t *have = json_pack("[i, i, i, i]", 3, 1, 99, -5);

	(void)state;
	assert_int_equal(drill_missing(acked, 4, have), 2);
	assert_int_equal(drill_missing(acked, 0, have), 0);
	assert_int_equal(drill_missing(acked, 4, NULL), 3);
	json_decref(have);
}

/* ---- the site, over a map that the test writes --------------------------- */

struct world {
	struct self self;
	struct control control;
	struct drill drill;
	struct owner_map *map;
};

static void
put(struct world *w, const char *key, const char *instance, uint64_t epoch,
    enum owner_state s, const char *members)
{
	struct owner o = {.epoch = epoch, .state = s};

	snprintf(o.key, sizeof o.key, "%s", key);
	snprintf(o.instance, sizeof o.instance, "%s", instance);
	snprintf(o.members, sizeof o.members, "%s", members);
	assert_int_equal(owner_map_put(w->map, &o), 0);
}

static void
set_up(struct world *w)
{
	char path[] = "/tmp/drill-map-XXXXXX";
	struct err e;
	int fd = mkstemp(path);

	memset(w, 0, sizeof *w);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(owner_map_create(path, &w->map, &e), 0);
	unlink(path);
	w->self.owners = w->map;
	w->control.self = &w->self;
	w->drill.control = &w->control;
	w->drill.nkeys = 1;
	w->drill.key[0] = (struct drill_key){
	    .drill = &w->drill, .role = ROLE_SR, .name = "sr"};
	put(w, "server/srv1", "", 1, OWNER_SERVING, "");
	put(w, "sr/1@srv1", "", 1, OWNER_SERVING, "");
	put(w, "sr/2@srv1", "", 1, OWNER_SERVING, "");
	put(w, "sr/1@srv2", "", 1, OWNER_SERVING, "");
	put(w, "st/1@srv2", "", 1, OWNER_DOWN, "");
	put(w, "sr", "sr/1@srv1", 5, OWNER_SERVING, "srv1 srv2");
}

/* Whole again: all members, and whom the fault ended was started anew. */
static void
a_whole_site_has_started_again(void **state)
{
	struct world w;

	(void)state;
	set_up(&w);
	drill_site_keep(&w.drill);
	assert_int_equal(w.drill.site.members, 2);
	assert_int_equal(w.drill.site.instances, 3);
	assert_true(drill_site_is_whole(&w.drill));
	drill_site_note(&w.drill);
	assert_string_equal(w.drill.key[0].from, "sr/1@srv1");
	assert_int_equal(w.drill.key[0].before, 5);
	/* Quorum has not told yet that it died. */
	put(&w, "sr", "sr/2@srv1", 6, OWNER_SERVING, "srv1 srv2");
	assert_false(drill_site_is_whole(&w.drill));
	put(&w, "sr/1@srv1", "", 1, OWNER_DOWN, "");
	assert_false(drill_site_is_whole(&w.drill));
	put(&w, "sr/1@srv1", "", 2, OWNER_SERVING, "");
	assert_true(drill_site_is_whole(&w.drill));
	put(&w, "sr", "sr/2@srv1", 6, OWNER_SERVING, "srv1");
	assert_false(drill_site_is_whole(&w.drill));
	put(&w, "sr", "sr/2@srv1", 6, OWNER_CLAIMING, "srv1 srv2");
	assert_false(drill_site_is_whole(&w.drill));
	owner_map_close(&w.map);
}

/* Who was only stopped for a while is whole without a start; who lost the
 * ownership by it was killed. */
static void
a_stalled_owner_may_stay(void **state)
{
	struct world w;

	(void)state;
	set_up(&w);
	w.drill.kind = DRILL_STALL;
	w.drill.key[0].epoch = 5;
	drill_site_keep(&w.drill);
	drill_site_note(&w.drill);
	assert_true(drill_site_is_whole(&w.drill));
	drill_site_note(&w.drill);
	w.drill.key[0].epoch = 6;
	assert_false(drill_site_is_whole(&w.drill));
	put(&w, "sr/1@srv1", "", 2, OWNER_SERVING, "");
	assert_true(drill_site_is_whole(&w.drill));
	owner_map_close(&w.map);
}

/* A server that was killed has all its instances to start. */
static void
a_server_starts_all_it_ran(void **state)
{
	struct world w;

	(void)state;
	set_up(&w);
	snprintf(w.drill.server, sizeof w.drill.server, "srv1");
	drill_site_keep(&w.drill);
	assert_true(drill_site_is_at(&w.drill, "srv1"));
	assert_false(drill_site_is_at(&w.drill, "srv2"));
	drill_site_note(&w.drill);
	assert_int_equal(w.drill.nstarts, 2);
	put(&w, "sr/1@srv1", "", 2, OWNER_SERVING, "");
	assert_false(drill_site_is_whole(&w.drill));
	put(&w, "sr/2@srv1", "", 2, OWNER_SERVING, "");
	assert_true(drill_site_is_whole(&w.drill));
	owner_map_close(&w.map);
}

/* It moves to a member that is another server, if there is one. */
static void
a_move_goes_elsewhere(void **state)
{
	char out[MESH_NAME];
	struct world w;

	(void)state;
	set_up(&w);
	assert_true(drill_site_other(&w.drill, &w.drill.key[0], out));
	assert_string_equal(out, "srv2");
	put(&w, "sr", "sr/1@srv1", 5, OWNER_SERVING, "srv1");
	assert_false(drill_site_other(&w.drill, &w.drill.key[0], out));
	owner_map_close(&w.map);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(trials_follow_one_another),
	    cmocka_unit_test(a_stop_ends_in_order),
	    cmocka_unit_test(patience_ends_it),
	    cmocka_unit_test(a_refused_fault_ends_it),
	    cmocka_unit_test(stray_events_change_nothing),
	    cmocka_unit_test(times_are_nearest_ranks),
	    cmocka_unit_test(what_is_missing_is_counted),
	    cmocka_unit_test(a_whole_site_has_started_again),
	    cmocka_unit_test(a_stalled_owner_may_stay),
	    cmocka_unit_test(a_server_starts_all_it_ran),
	    cmocka_unit_test(a_move_goes_elsewhere),
	};

	log_init("drill_test", true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
