/*
 * Is there more of a list that the server filters? It says where it would look
 * on, and not that it would find anything there. So it is asked, behind the
 * rows that are shown, before a next part is offered.
 */
#include "list.h"

static void more_ask(struct list *, json_t *after);

static void
more_on_reply(void *arg, struct reply *r)
{
	struct list *l = arg;
	json_t *next = json_object_get(r->result, "next");

	if (r->err.code != ERR_NONE) {
		/* again with the next answer to the list itself */
		json_decref(l->probed);
		l->probed = NULL;
	} else if (json_array_size(json_object_get(r->result, "data")) != 0) {
		l->more = true;
	} else if (json_is_string(next)) {
		more_ask(l, next);
	}
}

static void
more_ask(struct list *l, json_t *after)
{
	json_t *params = json_copy(l->watch->params);

	json_object_set(params, "after", after);
	conn_send(&l->page.s->session->conn, l->op, params, more_on_reply, l);
}

void
list_more_end(struct list *l)
{
	conn_forget(&l->page.s->session->conn, l);
	json_decref(l->probed);
	l->probed = NULL;
	l->more = false;
}

void
list_more_look(struct list *l, json_t *next)
{
	if (next == NULL || json_equal(l->probed, next) ||
	    l->page.s->session->conn.rpc == NULL)
		return;
	list_more_end(l);
	l->probed = json_incref(next);
	more_ask(l, next);
}

bool
list_more_is(const struct list *l, json_t *next)
{
	return l->more && json_equal(l->probed, next);
}
