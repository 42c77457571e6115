/* Which streams of domains the store has open. */
#include "st_world.h"

/* However many domains there are, few streams stay open. */
static void
few_streams_stay_open(void **state)
{
	struct world *w = world_new();
	char path[64];
	int i;

	(void)state;
	for (i = 0; i < 150; i++) {
		snprintf(path, sizeof path, "domain d%d.test", i);
		ask(w, "s1", "set", set_args(path, json_object()));
		snprintf(path, sizeof path, "domain d%d.test user 1", i);
		ask(w, "s1", "set", set_args(path, json_object()));
	}
	ask(w, "s1", "commit", json_object());
	world_run(w);
	assert_int_equal(w->err.code, 0);
	assert_in_range(w->st->count.streams, 3, ST_DOMAINS_OPEN + 3);
	assert_int_equal(call(w, "s1", "show configuration", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 8 + 300);
	assert_in_range(w->st->count.streams, 3, ST_DOMAINS_OPEN + 3);
	set(w, "s1", "domain d0.test user 1", json_pack("{s:s}", "name", "x"));
	set(w, "s1", "domain d149.test user 1",
	    json_pack("{s:s}", "name", "x"));
	commit(w, "s1");
	world_free(w);
}

/* What an owner before left in the -wal of a domain that nobody asks for goes
 * into its file once the store has it open. */
static void
a_stranded_stream_is_opened(void **state)
{
	struct world *w = world_new();
	char stream[STREAM_NAME];
	struct st_domain d;
	int turns = 0;

	(void)state;
	set(w, "s0", "domain a.test", json_object());
	set(w, "s0", "domain a.test user 101",
	    json_pack("{s:s}", "name", "Alice"));
	commit(w, "s0");
	assert_int_equal(
	    st_view_domain(&w->st->view, NULL, "a.test", &d, &w->err), 0);
	st_domain_stream(stream, d.id);
	world_own(w, 2);
	assert_null(st_stream_find(w->st, stream));
	st_stream_visit(w->st, "media");
	st_stream_visit(w->st, stream);
	st_stream_visit(w->st, stream);
	while (st_stream_find(w->st, stream) == NULL) {
		loop_defer(w->loop,
		    &(struct loop_defer){
			.fn = (loop_fn *)loop_stop, .arg = w->loop});
		loop_run(w->loop);
		assert_in_range(++turns, 1, 100);
	}
	assert_null(st_stream_find(w->st, "media"));
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(few_streams_stay_open),
	    cmocka_unit_test(a_stranded_stream_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
