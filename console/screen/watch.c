/*
 * An operation that is asked again and again while somebody looks. There is
 * never a second request before the answer to the first: a slow server is
 * asked more seldom.
 */
#include <stdlib.h>

#include "screen_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define WATCH_EARLY (100 * CLOCK_MS) /* that a tick may come too soon */

struct watch *
watch_new(struct screen *s, const char *op, json_t *params, uint64_t period)
{
	struct watch *w = xcalloc(1, sizeof *w);

	w->s = s;
	w->params = params;
	w->period = period;
	str_copy(w->op, sizeof w->op, op);
	watch_ask(w);
	return w;
}

void
watch_free(struct watch **wp)
{
	struct watch *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	conn_forget(&w->s->session->conn, w);
	json_decref(w->params);
	json_decref(w->result);
	free(w);
}

bool
watch_known(const struct watch *w)
{
	return op_find(&w->s->session->table, w->op) != NULL;
}

const char *
watch_why(const struct watch *w, enum tone *tone)
{
	*tone = w->err.code != ERR_NONE ? TONE_BAD : TONE_PLAIN;
	if (w->err.code != ERR_NONE)
		return w->err.text[0] != '\0' ? w->err.text
					      : err_text(w->err.code);
	if (!watch_known(w))
		return "the server has no such operation";
	return w->result == NULL ? "asked, no answer yet" : NULL;
}

/* The answer; of a bad one the rows before it stay. */
static void
watch_on_reply(void *arg, struct reply *r)
{
	struct watch *w = arg;

	w->asked = false;
	w->err = r->err;
	if (r->err.code == ERR_NONE) {
		json_decref(w->result);
		w->result = json_incref(r->result);
		w->seen++;
	}
	if (w->again && r->err.code != ERR_CLOSED) {
		w->again = false;
		watch_ask(w);
	}
}

void
watch_ask(struct watch *w)
{
	struct conn *c = &w->s->session->conn;

	if (w->asked)
		w->again = true;
	if (w->asked || c->rpc == NULL || !watch_known(w))
		return;
	w->asked = true;
	w->asked_at = clock_mono();
	conn_send(c, w->op, json_incref(w->params), watch_on_reply, w);
}

void
watch_tick(struct watch *w)
{
	if (!w->asked && w->period != 0 &&
	    clock_mono() + WATCH_EARLY >= w->asked_at + w->period)
		watch_ask(w);
}

json_t *
watch_rows(const struct watch *w)
{
	return w != NULL ? json_object_get(w->result, "data") : NULL;
}
