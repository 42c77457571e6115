/*
 * A commit of ours that must be confirmed, watched while nobody types: where
 * it was undone, or somebody else confirmed it, that is said above the prompt
 * when it happens, and not with the next command. The server is asked now and
 * then, because anybody may undo it, and at its time.
 */
#include <string.h>

#include "console.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

#define UNCONFIRMED_LOOK (5 * CLOCK_SEC)
#define UNCONFIRMED_SOON (300 * CLOCK_MS) /* what an undo itself takes */
#define UNCONFIRMED_ROWS 50		  /* revisions looked at */

/* Ask again: soon after its time, else in a while. */
static void
unconfirmed_wait(struct session *s)
{
	uint64_t now = clock_real(), wait = UNCONFIRMED_LOOK;

	if (s->until <= now)
		wait = CLOCK_SEC;
	else if (s->until - now + UNCONFIRMED_SOON < wait)
		wait = s->until - now + UNCONFIRMED_SOON;
	loop_timer_set(s->look, wait);
}

/* The revision that took it back says so in its comment; they come youngest
 * first. */
static json_t *
unconfirmed_undo(const struct session *s, json_t *rows, json_t **own)
{
	json_t *row, *undo = NULL;
	char name[40];
	size_t i;

	snprintf(name, sizeof name, "revision %lld", (long long)s->unconfirmed);
	*own = NULL;
	json_array_foreach (rows, i, row) {
		if (json_integer_value(json_object_get(row, "rev")) ==
		    s->unconfirmed) {
			*own = row;
			return undo;
		}
		if (strstr(op_row_text(row, "comment"), name) != NULL)
			undo = row;
	}
	return undo;
}

/* It awaits no confirmation any more. */
static void
unconfirmed_over(struct session *s, json_t *undo)
{
	struct buf words = BUF_INIT, safe = BUF_INIT;

	s->until = 0;
	buf_fmt(&words, "revision %lld ", (long long)s->unconfirmed);
	if (undo != NULL)
		buf_fmt(&words, "was undone at %s by %s: %s",
		    op_row_text(undo, "time"), op_row_text(undo, "operator"),
		    op_row_text(undo, "comment"));
	else
		buf_str(&words, "was confirmed");
	text_safe(&safe, words.data);
	if (s->conn.on_message != NULL)
		s->conn.on_message(s->conn.message_arg, safe.data);
	buf_fini(&words);
	buf_fini(&safe);
}

static void
unconfirmed_on_reply(void *arg, struct reply *r)
{
	struct session *s = arg;
	json_t *own, *undo;
	uint64_t until;

	if (s->until == 0)
		return;
	undo = unconfirmed_undo(s, json_object_get(r->result, "data"), &own);
	if (own != NULL && clock_parse(op_row_text(own, "until"), &until))
		s->until = until;
	else if (own != NULL) {
		unconfirmed_over(s, undo);
		return;
	}
	unconfirmed_wait(s);
}

static void
unconfirmed_on_time(void *arg)
{
	struct session *s = arg;
	const struct op *op = op_find(&s->table, "show revisions");

	if (s->until == 0)
		return;
	if (op == NULL || s->conn.rpc == NULL) {
		unconfirmed_wait(s);
		return;
	}
	conn_send(&s->conn, op->name,
	    json_pack("{s:i}", "last", UNCONFIRMED_ROWS), unconfirmed_on_reply,
	    s);
}

void
unconfirmed_watch(struct session *s)
{
	if (!s->interactive)
		return;
	if (s->look == NULL)
		s->look = loop_timer_new(s->conn.loop, unconfirmed_on_time, s);
	unconfirmed_wait(s);
}

void
unconfirmed_end(struct session *s)
{
	loop_timer_free(&s->look);
	conn_forget(&s->conn, s);
}
