/*
 * What the plan of the caller's domain says of a Request-URI. That it knows
 * no such number is confirmed once at ST's owner, which tells the rows that
 * the number and the caller have there; a plan of these alone says the rest,
 * so that the decision is plan/'s whichever copy it was made from.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct dialled {
	struct b2bua *b2bua;
	struct confirm *confirm;
	struct plan_call call;
	char *to;
	char domain[OBJ_KEY], id[64];
	struct plan_result *result;
	dialled_fn *fn;
	void *arg;
};

static void
dialled_free(struct dialled *d)
{
	free(d->to);
	free(d);
}

/* What came of asking the owner, behind the steps that the answer is from. */
static void
dialled_note(struct dialled *d, const char *words)
{
	plan_note(d->result,
	    &(struct plan_step){.name = "owner",
		.rule = {"number", d->result->number},
		.result = {.words = words}});
}

/* The question again, to a plan of what the owner has told. */
static bool
dialled_again(struct dialled *d, json_t *rows)
{
	struct plan_domain what = {.id = d->id,
	    .name = d->domain,
	    .origin = "told by the owner of the store"};
	struct plan *plan;
	struct err err;

	if (plan_load_told(
		d->b2bua->self->table->objs, rows, &what, &plan, &err) != 0) {
		log_warnx("domain=%s %s", d->domain, err.text);
		return false;
	}
	plan_route(plan, &d->call, d->result);
	plan_free(&plan);
	return true;
}

static void
dialled_on_confirm(void *arg, json_t *told)
{
	struct dialled *d = arg;
	json_t *rows = json_object_get(told, "rows");
	dialled_fn *fn = d->fn;
	void *fn_arg = d->arg;

	if (told == NULL)
		dialled_note(d, "no answer: the local copy decides");
	else if (json_array_size(rows) == 0 || !dialled_again(d, rows))
		dialled_note(d, "knows nothing: the local copy decides");
	else
		dialled_note(d, "asked again: its rows decide");
	dialled_free(d);
	fn(fn_arg);
}

static bool
dialled_confirm(struct dialled *d)
{
	json_t *params = json_pack("{s:s, s:s, s:s}", "domain_id", d->id,
	    "user", d->call.from_user, "number", d->result->number);

	d->confirm = params == NULL ? NULL
				    : confirm_ask(d->b2bua, "st", "number",
					  params, dialled_on_confirm, d);
	if (d->confirm == NULL)
		dialled_note(d, "cannot be asked: the local copy decides");
	return d->confirm != NULL;
}

struct dialled *
dialled_ask(struct b2bua *b, const struct plan *plan,
    const struct plan_call *call, struct plan_result *r, dialled_fn *fn,
    void *arg)
{
	struct dialled *d = xcalloc(1, sizeof *d);

	*d = (struct dialled){
	    .b2bua = b, .call = *call, .result = r, .fn = fn, .arg = arg};
	d->to = xstrndup(call->to, call->to_len);
	d->call.to = d->to;
	str_copy(d->domain, sizeof d->domain, plan_domain_name(plan));
	str_copy(d->id, sizeof d->id, plan_domain_id(plan));
	plan_route(plan, &d->call, r);
	if (r->unknown && dialled_confirm(d))
		return d;
	dialled_free(d);
	fn(arg);
	return NULL;
}

struct dialled *
dialled_route(struct b2bua *b, const struct plan *plan, const sip_t *sip,
    const struct plan_call *who, struct plan_result *r, dialled_fn *fn,
    void *arg)
{
	char *text = url_as_string(NULL, sip->sip_request->rq_url);
	struct plan_call call = *who;
	struct dialled *d;

	call.to = text == NULL ? "" : text;
	call.to_len = strlen(call.to);
	call.host = admit_target(sip);
	d = dialled_ask(b, plan, &call, r, fn, arg);
	su_free(NULL, text);
	return d;
}

void
dialled_drop(struct dialled **dp)
{
	struct dialled *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	confirm_drop(&d->confirm);
	dialled_free(d);
}
