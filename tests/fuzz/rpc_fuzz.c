/*
 * What a console may send to control's socket: one message, decoded; where it
 * names an operation, its arguments as far as the handler's door, and as they
 * go to the role that owns it.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/control/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

extern const struct role st_role;

#define FUZZ_OPS 64

static struct op fuzz_ops[FUZZ_OPS];
static const struct op *fuzz_list[FUZZ_OPS + 1];
static const struct op_table fuzz_table = {.ops = fuzz_list, .objs = obj_table};

/* In place of every handler: the arguments are good. */
static void
fuzz_run(struct op_call *call)
{
	json_t *result = op_result(call);

	if (result == NULL)
		abort();
	json_decref(result);
	op_finish(call, NULL);
}

static void
fuzz_add(const struct op *const *ops)
{
	size_t n = 0;

	while (fuzz_list[n] != NULL)
		n++;
	for (; *ops != NULL && n < FUZZ_OPS; ops++, n++) {
		fuzz_ops[n] = **ops;
		fuzz_ops[n].run = fuzz_run;
		fuzz_list[n] = &fuzz_ops[n];
	}
}

static void
fuzz_on_done(void *arg, struct op_call *call, const struct err *e)
{
	(void)call;
	/* words, and an error that has a code */
	if (e != NULL && (e->code == ERR_NONE || e->text[0] == '\0'))
		abort();
	*(bool *)arg = true;
}

/* As control does with a request. */
static void
fuzz_request(const struct rpc_message *m)
{
	static const struct op_who who = {.name = "fuzz",
	    .role = ADMIN_SITE,
	    .session = "s",
	    .from = "local"};
	const struct op *op;
	json_t *params, *masked;
	bool done = false;
	struct err e;

	if (call_admit(&fuzz_table, &who, m->method, m->params, &op, &e) !=
	    ERR_NONE)
		return;
	params = call_params(op, m->params, &who);
	if (params == NULL)
		abort();
	rpc_size(params);
	op_run(op, json_object_get(params, "args"), &who, NULL, fuzz_on_done,
	    &done);
	if (!done)
		abort();
	masked = op_mask(op, json_object_get(params, "args"));
	json_decref(masked);
	json_decref(params);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *line = xmalloc(n + 1);
	struct rpc_message m;
	struct err e;

	if (fuzz_list[0] == NULL) {
		op_use_objects(obj_table);
		fuzz_add(control_ops);
		fuzz_add(st_role.ops);
	}
	memcpy(line, data, n);
	line[n] = '\0';
	if (rpc_decode(&m, line, n, &e) == 0) {
		if (m.kind != RPC_REPLY)
			fuzz_request(&m);
		json_decref(m.root);
	}
	free(line);
	return 0;
}
