/*
 * Operation test route: what would become of a call that is not made. The
 * plan, what is asked of owners when it says no, and the contacts are those of
 * a call (admit.c, stage.c); nobody is rung, nothing is recorded. For a
 * candidate the owner of the store tells the rows that it would make.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/trace/step.h"

struct route_test {
	struct route_test *next, **prev;
	struct b2bua *b2bua;
	struct op_call *call;
	struct directory_ask ask;
	bool asking;
	struct dialled *dialled;
	struct locate_ask *locate;
	struct rpc *rpc; /* asked for rows of the candidate */
	struct plan_call question;
	char host[OBJ_KEY], domain[OBJ_KEY], domain_id[64];
	struct plan_result result;
	struct step_rows rows;
	unsigned leg;  /* whose contacts are looked for */
	unsigned legs; /* that would be rung so far */
};

static void
route_test_end(struct route_test *t, const struct err *e)
{
	struct op_call *call = t->call;

	if (t->asking)
		directory_cancel(t->b2bua->directory, &t->ask);
	dialled_drop(&t->dialled);
	locate_drop(&t->locate);
	if (t->rpc != NULL)
		rpc_forget(t->rpc, t);
	if (t->next != NULL)
		t->next->prev = t->prev;
	*t->prev = t->next;
	free(t);
	op_finish(call, e);
}

void
route_tests_close(struct b2bua *b)
{
	struct err e;

	err_set(&e, ERR_CLOSED, "%s stops", b->self->name);
	while (b->route_tests != NULL)
		route_test_end(b->route_tests, &e);
}

static void
route_test_put(void *arg, const struct plan_step *s)
{
	struct route_test *t = arg;

	step_put(t->call, &t->rows, s);
}

/* ---- who would be rung --------------------------------------------------- */

static void route_test_on_contacts(void *, const struct locate_list *);

/* The next leg of the plan with contacts; behind the last one, the end. */
static void
route_test_locate(struct route_test *t)
{
	const struct plan_leg *l;
	struct locate_ask *ask;

	while (t->leg < t->result.nlegs &&
	    t->result.legs[t->leg].kind != PLAN_LEG_USER)
		t->leg++;
	if (t->leg == t->result.nlegs) {
		route_test_end(t, NULL);
		return;
	}
	l = &t->result.legs[t->leg];
	ask = locate_user(t->b2bua, t->domain_id, l->target, l->max_contacts,
	    route_test_on_contacts, t);
	if (ask != NULL) /* otherwise answered, and t may be gone */
		t->locate = ask;
}

static void
route_test_on_contacts(void *arg, const struct locate_list *l)
{
	struct route_test *t = arg;
	const struct plan_leg *leg = &t->result.legs[t->leg++];

	t->locate = NULL;
	why_contacts(leg, l, t->legs, route_test_put, t);
	t->legs += l->count;
	route_test_locate(t);
}

/* ---- the plan ------------------------------------------------------------ */

static void
route_test_on_route(void *arg)
{
	struct route_test *t = arg;

	t->dialled = NULL;
	for (unsigned i = 0; i < t->result.nsteps; i++)
		route_test_put(t, &t->result.steps[i]);
	route_test_locate(t);
}

/* The domain that the host of a URI means, as a gate would say: NULL = that of
 * the caller, which a number alone and a tel: URI mean. */
static const char *
route_test_host(struct route_test *t, const char *to)
{
	su_home_t home[SU_HOME_AUTO_SIZE(2048)];
	const char *host = NULL;
	url_t *u;

	su_home_auto(home, sizeof home);
	u = url_hdup(home, URL_STRING_MAKE(to)->us_url);
	if (u != NULL && u->url_host != NULL &&
	    (u->url_type == url_sip || u->url_type == url_sips)) {
		str_copy(t->host, sizeof t->host,
		    directory_host(t->b2bua->directory, u->url_host));
		host = t->host;
	}
	su_home_deinit(home);
	return host;
}

/* ---- as a candidate would have it ---------------------------------------- */

static void
route_test_on_rows(void *arg, json_t *told, const struct err *e)
{
	struct route_test *t = arg;
	struct plan_domain what = {.id = t->domain_id,
	    .name = t->domain,
	    .suspended = str_equal(
		json_string_value(json_object_get(told, "state")), "suspended"),
	    .origin = "candidate of this session"};
	struct plan *plan;
	struct err none;

	t->rpc = NULL;
	if (e == NULL &&
	    plan_load_told(t->b2bua->self->table->objs,
		json_object_get(told, "rows"), &what, &plan, &none) != 0)
		e = &none;
	if (e != NULL) {
		route_test_end(t, e);
		return;
	}
	plan_route(plan, &t->question, &t->result);
	plan_free(&plan);
	route_test_on_route(t);
}

static void
route_test_ask_rows(struct route_test *t)
{
	struct peer *owner = role_way(t->b2bua->self, "st");
	char number[PLAN_NUMBER];
	struct err e;

	if (owner == NULL || owner->rpc == NULL) {
		err_set(&e, ERR_NOOWNER,
		    "the owner of the store, who has candidates, cannot be "
		    "asked");
		route_test_end(t, &e);
		return;
	}
	/* What is no number has no rows; the plan will say so. */
	if (plan_dialled_parse(
		number, t->question.to, t->question.to_len, &e) != 0)
		number[0] = '\0';
	t->rpc = owner->rpc;
	rpc_call(t->rpc, "number",
	    json_pack("{s:s, s:s, s:s, s:s}", "domain_id", t->domain_id, "user",
		t->question.from_user, "number", number, "session",
		t->call->who.session),
	    b2bua_times.ask, route_test_on_rows, t);
}

/* ---- as it runs ---------------------------------------------------------- */

static void
route_test_on_plan(void *arg, const struct plan *plan, const struct err *e)
{
	struct route_test *t = arg;
	const char *to = op_arg(t->call, "to");
	struct dialled *d;

	t->asking = false;
	if (plan == NULL) {
		route_test_end(t, e);
		return;
	}
	t->question = (struct plan_call){.what = PLAN_CALL,
	    .from_user = op_arg(t->call, "from"),
	    .to = to,
	    .to_len = strlen(to),
	    .when = (int64_t)(clock_real() / CLOCK_SEC),
	    .host = route_test_host(t, to)};
	str_copy(t->domain, sizeof t->domain, plan_domain_name(plan));
	str_copy(t->domain_id, sizeof t->domain_id, plan_domain_id(plan));
	if (op_arg_flag(t->call, "candidate")) {
		route_test_ask_rows(t);
		return;
	}
	d = dialled_ask(
	    t->b2bua, plan, &t->question, &t->result, route_test_on_route, t);
	if (d != NULL) /* otherwise answered, and t may be gone */
		t->dialled = d;
}

static void
route_test_run(struct op_call *call)
{
	const struct self *self = call->self;
	struct b2bua *b = OBJ(self->state_of_role, b2bua, B2BUA_MAGIC);
	struct route_test *t;

	/* Who is there, and where, would tell what is masked. */
	if (!op_sees_persons(&call->who)) {
		op_failf(call, ERR_PERMISSION,
		    "%s: not permitted to %s, who does not see numbers",
		    call->op->name, call->who.name);
		return;
	}
	if (op_arg(call, "domain") == NULL) {
		op_failf(call, ERR_INVALID, "domain: missing");
		return;
	}
	t = xcalloc(1, sizeof *t);
	t->b2bua = b;
	t->call = call;
	t->prev = &b->route_tests;
	if ((t->next = b->route_tests) != NULL)
		t->next->prev = &t->next;
	b->route_tests = t;
	t->ask.fn = route_test_on_plan;
	t->ask.arg = t;
	t->asking = true;
	directory_want(b->directory, &t->ask, op_arg(call, "domain"));
}

static const struct op_field route_args[] = {
    {.name = "from",
	.type = &op_type_text,
	.ref = "user",
	.flags = OP_REQUIRED,
	.min = 1,
	.max = 64,
	.brief = "user who would call"},
    {.name = "to",
	.type = &op_type_text,
	.flags = OP_REQUIRED,
	.min = 1,
	.max = 400,
	.brief = "what would be dialled: a number or a URI"},
    {.name = "domain",
	.type = &op_type_ref,
	.ref = "domain",
	.brief = "of the user; by default that of who asks"},
    {.name = "candidate",
	.type = &op_type_bool,
	.flags = OP_FLAG,
	.brief = "as the candidate of this session would have it"},
    {0},
};

static const struct op_field route_cols[] = {STEP_COLS, {0}};

const struct op op_test_route = {
    .name = "test route",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_ANY,
    .role = ROLE_B2BUA,
    .brief = "where a call would go, and why",
    .about =
	"The decisions of routing for a call that is not made, by the code and "
	"from the copy of the configuration that a call would have, with the "
	"contacts where it would ring now. Not for who does not see numbers. "
	"A host in a URI must be "
	"a name or alias of a domain: the addresses of gates are known to "
	"gates alone. With candidate it is decided as if the candidate of this "
	"session were committed, in a domain that there is. show call why shows "
	"the same steps of a real call.",
    .example = "test route from 101 to 102 domain demo.test\n"
	       "test route from 101 to sip:102@demo.test domain demo.test",
    .args = route_args,
    .cols = route_cols,
    .run = route_test_run,
};
