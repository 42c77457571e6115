/*
 * Long lists, read a slice at a time so that nobody waits long for the loop,
 * one slice of all of them in a turn, each slice behind the key at which the
 * one before ended. An answer ends when it has as many rows as were asked for;
 * one that looks for a part of the rows (argument "match") also when so many
 * were looked through that a person would wait for it: then it says where the
 * list goes on, with few rows or none.
 */
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define LIST_SLICE 2048 /* rows between two turns of the loop: about 4 ms */

struct list_scan {
	TAILQ_ENTRY(list_scan) entry; /* while paused */
	struct op_call *call;
	list_fn *read;
	char at[OBJ_KEY + 16]; /* the row looked at last, as `after` has it */
	int64_t limit;
	bool matches;
	unsigned slice, looks;
	bool paused;
};

void
list_start(struct op_call *call, list_fn *read)
{
	struct list_scan *s = xcalloc(1, sizeof *s);

	s->call = call;
	s->read = read;
	s->limit = op_arg_int(call, "limit", 1);
	s->matches = op_arg(call, "match") != NULL;
	call->state = s;
	read(call);
}

const char *
list_after(const struct op_call *call)
{
	const struct list_scan *s = call->state;

	return s->at[0] != '\0' ? s->at : op_arg(call, "after");
}

/* There is one more row: does the answer end before it, or the slice? */
static bool
list_ends(struct list_scan *s)
{
	struct op_call *call = s->call;

	if ((int64_t)json_array_size(call->rows) >= s->limit) {
		op_next(call, s->at);
		return true;
	}
	if (s->matches && s->looks == LIST_LOOKS) {
		op_next_looked(call, s->at, s->looks);
		return true;
	}
	s->paused = s->slice == LIST_SLICE;
	return s->paused;
}

bool
list_look(struct op_call *call, const char *what, const char *key)
{
	struct list_scan *s = call->state;
	size_t n = strlen(what);

	if (list_ends(s))
		return false;
	s->slice++;
	s->looks++;
	str_copy(s->at, sizeof s->at, what);
	str_copy(s->at + n, sizeof s->at - n, key);
	return true;
}

/* Behind the others; who owns the machine before all who do not. */
static void
list_pause(struct control *c, struct list_scan *s)
{
	struct list_scan *at;

	TAILQ_FOREACH (at, &c->scans, entry) {
		if (s->call->who.fixed && !at->call->who.fixed) {
			TAILQ_INSERT_BEFORE(at, s, entry);
			break;
		}
	}
	if (at == NULL)
		TAILQ_INSERT_TAIL(&c->scans, s, entry);
	turn_scan_wake(c);
}

bool
list_goes_on(struct op_call *call)
{
	struct list_scan *s = call->state;

	if (s->paused)
		list_pause(control_of(call), s);
	return s->paused;
}

bool
list_turn(struct list_scans *scans)
{
	struct list_scan *s = TAILQ_FIRST(scans);

	if (s != NULL) {
		TAILQ_REMOVE(scans, s, entry);
		s->slice = 0;
		s->paused = false;
		s->read(s->call);
	}
	return !TAILQ_EMPTY(scans);
}

void
list_end(struct op_call *call)
{
	struct list_scan *s = call->state;

	call->state = NULL;
	if (s->paused)
		TAILQ_REMOVE(&control_of(call)->scans, s, entry);
	free(s);
}

void
list_finish(struct op_call *call, const struct err *e)
{
	list_end(call);
	op_finish(call, e);
}
