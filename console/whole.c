/*
 * The whole of a list, for the filters behind it: an answer has so many rows
 * at most and says where the list goes on, and a count, a match or a sort of
 * a part would be taken for that of all. The parts are asked for one after
 * another. Who gives limit has said how much is wanted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "daemon/base/str.h"

#define WHOLE_ROWS 100000 /* of one command; tandem-grammar(7) says so */
#define WHOLE_PART 10000  /* of one answer */

/* How many rows the filters want; 0: those of one answer will do. */
static size_t
whole_wanted(const struct command *c)
{
	size_t i, n;

	if (c->walk.op->kind != OP_READ || op_is_monitor(c->walk.op) ||
	    json_object_get(c->walk.args, "limit") != NULL)
		return 0;
	for (i = 0; i < c->npipes; i++) {
		if ((n = pipe_wants(&c->pipes[i])) != 0)
			return n;
	}
	return 0;
}

/* Words that say where the list goes on: it does not end there. */
static void
whole_unwarn(json_t *result, const char *next)
{
	json_t *warn = json_object_get(result, "warn");
	size_t i = json_array_size(warn), n, all;
	char words[512];
	const char *text;

	snprintf(words, sizeof words, OP_NEXT_WORDS, next);
	n = strlen(words);
	while (i-- > 0) {
		text = json_string_value(json_array_get(warn, i));
		all = text != NULL ? strlen(text) : 0;
		if (all >= n && strcmp(text + all - n, words) == 0)
			json_array_remove(warn, i);
	}
}

/* The arguments of the command, and how much of the list is asked for. */
static json_t *
whole_params(const struct command *c, const char *after, json_int_t limit)
{
	const struct op_field *f = op_field_find(c->walk.op->args, "limit");
	json_t *params = json_copy(c->walk.args);

	if (after != NULL)
		json_object_set_new(params, "after", json_string(after));
	if (f != NULL && f->max != 0)
		json_object_set_new(params, "limit",
		    json_integer(limit < f->max ? limit : f->max));
	return params;
}

/* The rows of a part behind those that are there, and what it says of the
 * rest. */
static void
whole_add(json_t *result, json_t *part)
{
	json_t *next = json_object_get(part, "next");

	json_array_extend(
	    json_object_get(result, "data"), json_object_get(part, "data"));
	json_array_extend(
	    json_object_get(result, "warn"), json_object_get(part, "warn"));
	if (json_is_string(next))
		json_object_set(result, "next", next);
	else
		json_object_del(result, "next");
}

/* Whoever filters is told rather than given a part. */
static void
whole_refuse(struct reply *reply)
{
	err_set(&reply->err, ERR_TOOBIG,
	    "the list has more than %d rows, which is too much for a filter: "
	    "narrow it by arguments, or filter a part, with limit",
	    WHOLE_ROWS);
	json_decref(reply->result);
	reply->result = NULL;
}

/* The next part of so many rows; false where there is none, or it did not
 * come. */
static bool
whole_next(struct session *s, const struct command *c, size_t wanted,
    struct reply *reply)
{
	const char *next = json_string_value(
	    json_object_get(reply->result, "next"));
	struct reply more;

	if (next == NULL || op_field_find(c->walk.op->args, "after") == NULL)
		return false;
	whole_unwarn(reply->result, next);
	if (conn_call(&s->conn, c->walk.op->name,
		whole_params(c, next,
		    wanted < WHOLE_PART ? (json_int_t)wanted : WHOLE_PART),
		&more) == 0) {
		whole_add(reply->result, more.result);
		reply_fini(&more);
		return true;
	}
	reply_fini(reply);
	*reply = more;
	return false;
}

/* A list that does not say where it goes on is asked for anew. */
static void
whole_anew(struct session *s, const struct command *c, struct reply *reply)
{
	if (!json_is_true(json_object_get(reply->result, "cut")))
		return;
	reply_fini(reply);
	conn_call(&s->conn, c->walk.op->name, whole_params(c, NULL, WHOLE_ROWS),
	    reply);
	if (json_is_true(json_object_get(reply->result, "cut")))
		whole_refuse(reply);
}

void
command_ask(struct session *s, const struct command *c, struct reply *reply)
{
	size_t wanted = whole_wanted(c), n;

	conn_call(&s->conn, c->walk.op->name, json_incref(c->walk.args), reply);
	if (wanted == 0)
		return;
	whole_anew(s, c, reply);
	do {
		n = json_array_size(json_object_get(reply->result, "data"));
		if (n > WHOLE_ROWS)
			whole_refuse(reply);
	} while (n < wanted && n <= WHOLE_ROWS &&
	    whole_next(s, c, wanted - n, reply));
}
