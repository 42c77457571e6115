/* What B2BUA asks the store of a number, and what a candidate makes of it. */
#include "st_world.h"

/* A link by which control asks, and the last answer as text. */
struct door {
	struct world *world;
	struct peer control;
	struct rpc *ours, *theirs;
	char answer[1024];
};

static void
door_on_request(void *arg, struct rpc *rpc, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct door *d = arg;

	(void)rpc;
	st_role.on_request(&d->world->self, &d->control, q, method, params);
}

static void
door_on_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	(void)arg;
	(void)rpc;
	(void)why;
}

static void
door_on_reply(void *arg, json_t *result, const struct err *e)
{
	struct door *d = arg;
	char *text = e == NULL
	    ? json_dumps(result, JSON_COMPACT | JSON_SORT_KEYS)
	    : NULL;

	str_copy(d->answer, sizeof d->answer, e != NULL ? e->text : text);
	free(text);
	if (d->world->open == 0)
		loop_stop(d->world->loop);
}

static void
door_open(struct door *d, struct world *w)
{
	struct rpc_handler h = {.on_request = door_on_request,
	    .on_closed = door_on_closed,
	    .arg = d};
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	memset(d, 0, sizeof *d);
	d->world = w;
	d->control.role = ROLE_CONTROL;
	d->ours = rpc_open(w->loop, pair[0], &h);
	d->theirs = rpc_open(w->loop, pair[1], &h);
}

/* session NULL: of what runs. */
static void
door_ask_of(struct door *d, const char *session, const char *id,
    const char *user, const char *number)
{
	rpc_call(d->theirs, "number",
	    json_pack("{s:s, s:s, s:s, s:s*}", "domain_id", id, "user", user,
		"number", number, "session", session),
	    0, door_on_reply, d);
}

static void
door_ask(struct door *d, const char *id, const char *user, const char *number)
{
	door_ask_of(d, NULL, id, user, number);
}

static const char *
door_answer(
    struct door *d, const char *id, const char *user, const char *number)
{
	door_ask(d, id, user, number);
	world_run(d->world);
	return d->answer;
}

/* B2BUA is told what routing needs and no secret; of what is committed, not
 * of what is being decided; and a domain that never was has no stream made. */
static void
numbers_are_told(void **state)
{
	struct world *w = world_new();
	struct st_domain domain;
	struct door d;
	unsigned opened;

	(void)state;
	world_domain(w);
	set(w, "s1", "domain a.test number 700",
	    json_pack("{s:s}", "user", "102"));
	set(w, "s1", "domain a.test user 102",
	    json_pack("{s:s}", "state", "off"));
	assert_int_equal(
	    st_view_domain(&w->st->view, NULL, "a.test", &domain, &w->err), 0);
	door_open(&d, w);
	assert_string_equal(door_answer(&d, domain.id, "101", "700"),
	    "{\"rows\":[[\"user\",\"101\",{\"name\":\"Alice\"}]]}");
	d.answer[0] = '\0';
	ask(w, "s1", "commit", json_object());
	door_ask(&d, domain.id, "101", "700");
	world_run(w);
	if (d.answer[0] == '\0')
		world_run(w);
	assert_string_equal(d.answer,
	    "{\"rows\":[[\"user\",\"101\",{\"name\":\"Alice\"}],"
	    "[\"number\",\"700\",{\"user\":\"102\"}],"
	    "[\"user\",\"102\",{\"state\":\"off\"}]]}");
	opened = w->repl->opened;
	assert_string_equal(
	    door_answer(&d, "0badc0de", "101", "700"), "no domain has this id");
	assert_int_equal(w->repl->opened, opened);
	rpc_close(&d.ours);
	rpc_close(&d.theirs);
	world_free(w);
}

static const char *
door_candidate(struct door *d, const char *session, const char *id)
{
	door_ask_of(d, session, id, "101", "700");
	world_run(d->world);
	return d->answer;
}

/* What a candidate would make of the rows is told of that candidate alone, and
 * leaves what runs as it is. */
static void
numbers_of_a_candidate_are_told(void **state)
{
	static const char runs[] =
	    "{\"rows\":[[\"user\",\"101\",{\"name\":\"Alice\"}]]}";
	struct world *w = world_new();
	struct st_domain domain;
	struct door d;

	(void)state;
	world_domain(w);
	assert_int_equal(
	    st_view_domain(&w->st->view, NULL, "a.test", &domain, &w->err), 0);
	door_open(&d, w);
	set(w, "s1", "domain a.test number 700",
	    json_pack("{s:s}", "user", "102"));
	set(w, "s1", "domain a.test user 102", json_pack("{s:s}", "name", "B"));
	set(w, "s1", "domain a.test user 101", json_pack("{s:s}", "name", "A"));
	set(w, "s1", "domain a.test", json_pack("{s:s}", "state", "suspended"));
	assert_string_equal(door_candidate(&d, "s1", domain.id),
	    "{\"rows\":[[\"user\",\"101\",{\"name\":\"A\"}],"
	    "[\"number\",\"700\",{\"user\":\"102\"}],"
	    "[\"user\",\"102\",{\"name\":\"B\"}]],\"state\":\"suspended\"}");
	assert_string_equal(door_candidate(&d, "s2", domain.id), runs);
	assert_string_equal(door_answer(&d, domain.id, "101", "700"), runs);
	assert_int_equal(call(w, "s3", "delete",
			     json_pack("{s:s}", "path", "domain a.test")),
	    0);
	assert_string_equal(door_candidate(&d, "s3", domain.id),
	    "the candidate has no such domain");
	commit(w, "s1");
	rpc_close(&d.ours);
	rpc_close(&d.theirs);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_told),
	    cmocka_unit_test(numbers_of_a_candidate_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
