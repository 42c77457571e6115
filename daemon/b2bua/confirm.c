/*
 * A no that matters, asked again: once, of the owner of a key, on whichever
 * server that is, and for as long as b2bua_times.confirm (DESIGN 5). The local
 * replica may be behind, the owner is not. With no owner, or one that does not
 * answer, the local no stands.
 */
#include <stdlib.h>

#include "b2bua.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"

struct confirm {
	struct rpc *rpc;
	confirm_fn *fn;
	void *arg;
};

static void
confirm_on_reply(void *arg, json_t *result, const struct err *err)
{
	struct confirm c = *(struct confirm *)arg;

	free(arg);
	if (err != NULL)
		log_debug("confirm: %s", err->text);
	c.fn(c.arg, err == NULL ? result : NULL);
}

struct confirm *
confirm_ask(struct b2bua *b, const char *key, const char *method,
    json_t *params, confirm_fn *fn, void *arg)
{
	struct peer *owner = role_way(b->self, key);
	struct confirm *c;

	if (owner == NULL || owner->rpc == NULL) {
		json_decref(params);
		return NULL;
	}
	c = xcalloc(1, sizeof *c);
	*c = (struct confirm){.rpc = owner->rpc, .fn = fn, .arg = arg};
	rpc_call(
	    c->rpc, method, params, b2bua_times.confirm, confirm_on_reply, c);
	return c;
}

void
confirm_drop(struct confirm **cp)
{
	struct confirm *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	rpc_forget(c->rpc, c);
	free(c);
}
