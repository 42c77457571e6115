/*
 * A call for every instance of a role. The answer is all rows in the order
 * of the instances; an instance that is silent or refuses becomes a warning,
 * so a list is never cut short in silence. What one instance has, others
 * lack: an instance without it is silent, and only when nobody has it, it is
 * absent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct each {
	TAILQ_ENTRY(each) entry;
	struct eaches *all;
	size_t n, waiting;
	struct each_target *to;
	json_t **results;
	struct err *errs;
	struct each_part *parts;
	route_fn *fn;
	void *arg;
};

struct each_part {
	struct each *each;
	size_t i;
	struct rpc *rpc; /* NULL once it has answered */
};

/* Append the members of one array to another. */
static void
each_extend(json_t *to, json_t *from)
{
	if (json_is_array(from))
		json_array_extend(to, from);
}

/* Rows that do not say whose they are. */
static void
each_extend_named(json_t *to, json_t *from, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach (from, i, row) {
		if (!json_is_object(row))
			continue;
		row = json_copy(row);
		json_object_set_new(row, "instance", json_string(name));
		json_array_append_new(to, row);
	}
}

json_t *
each_join(const char *const *names, json_t *const *results,
    const struct err *errs, size_t n)
{
	json_t *rows = json_array(), *warn = json_array();
	bool partial = false;
	char words[ERR_TEXT_MAX + OWNER_INSTANCE];
	size_t i;

	for (i = 0; i < n; i++) {
		if (json_is_array(results[i])) {
			each_extend_named(rows, results[i], names[i]);
			continue;
		}
		if (results[i] != NULL) {
			each_extend(rows, json_object_get(results[i], "data"));
			each_extend(warn, json_object_get(results[i], "warn"));
			partial |= json_is_true(
			    json_object_get(results[i], "partial"));
			continue;
		}
		if (errs[i].code == ERR_ABSENT)
			continue;
		snprintf(words, sizeof words, "%s: %s", names[i],
		    errs[i].code == ERR_TIMEOUT ? "no answer" : errs[i].text);
		json_array_append_new(warn, json_string(words));
		partial = true;
	}
	return json_pack("{s:o, s:i, s:o, s:o*}", "data", rows, "rev", 0,
	    "warn", warn, "partial", partial ? json_true() : NULL);
}

/* Does an instance say more than another? One that has nothing to do with what
 * was asked says least, in no words of its own (op_elsewhere). */
static bool
each_says_more(const struct err *e, const struct err *than)
{
	return than->code == ERR_ABSENT &&
	    (e->code != ERR_ABSENT ||
		strcmp(than->text, err_text(ERR_ABSENT)) == 0);
}

const struct err *
each_failed(json_t *const *results, const struct err *errs, size_t n)
{
	const struct err *worst = n > 0 ? &errs[0] : NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		if (results[i] != NULL)
			return NULL;
		if (each_says_more(&errs[i], worst))
			worst = &errs[i];
	}
	return worst;
}

/* All have answered or were given up: the answer, then nothing is left. */
static void
each_finish(struct each *e)
{
	const char **names = xcalloc(e->n, sizeof *names);
	json_t *result;
	size_t i;

	TAILQ_REMOVE(e->all, e, entry);
	for (i = 0; i < e->n; i++)
		names[i] = e->to[i].name;
	result = each_join(names, e->results, e->errs, e->n);
	e->fn(e->arg, result, each_failed(e->results, e->errs, e->n), NULL);
	json_decref(result);
	for (i = 0; i < e->n; i++)
		json_decref(e->results[i]);
	free(names);
	free(e->to);
	free(e->results);
	free(e->errs);
	free(e->parts);
	free(e);
}

/* Rows that say "sg/1" where there are several servers. */
static void
each_rename(const struct each_target *to, json_t *result)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(result, "data"), i, row) {
		if (json_object_get(row, "instance") != NULL)
			json_object_set_new(
			    row, "instance", json_string(to->name));
	}
}

static void
each_on_reply(void *arg, json_t *result, const struct err *err)
{
	struct each_part *p = arg;
	struct each *e = p->each;

	p->rpc = NULL;
	if (err != NULL)
		e->errs[p->i] = *err;
	else
		e->results[p->i] = json_incref(result);
	if (err == NULL && e->to[p->i].named)
		each_rename(&e->to[p->i], result);
	if (--e->waiting == 0)
		each_finish(e);
}

void
each_call(struct eaches *all, const char *method, json_t *params,
    const struct each_target *to, size_t n, route_fn *fn, void *arg)
{
	struct each *e = xcalloc(1, sizeof *e);
	size_t i, there = 0;

	e->all = all;
	e->n = n;
	e->fn = fn;
	e->arg = arg;
	e->to = xcalloc(n + 1, sizeof *e->to);
	e->results = xcalloc(n + 1, sizeof(*e->results));
	e->errs = xcalloc(n + 1, sizeof *e->errs);
	e->parts = xcalloc(n + 1, sizeof *e->parts);
	TAILQ_INSERT_TAIL(all, e, entry);
	for (i = 0; i < n; i++) {
		e->parts[i] = (struct each_part){e, i, to[i].rpc};
		e->to[i] = to[i];
		if (to[i].rpc == NULL) {
			err_set(&e->errs[i], ERR_CLOSED, "not connected");
			continue;
		}
		there++;
		rpc_call(to[i].rpc, method, json_incref(params),
		    to[i].far ? 2 * EACH_TIMEOUT : EACH_TIMEOUT, each_on_reply,
		    &e->parts[i]);
	}
	json_decref(params);
	e->waiting = there;
	if (there == 0)
		each_finish(e);
}

/* The part of a call that was sent over a link. */
static struct each_part *
each_sent(struct each *e, const struct rpc *rpc)
{
	size_t i;

	for (i = 0; i < e->n; i++) {
		if (e->parts[i].rpc == rpc)
			return &e->parts[i];
	}
	return NULL;
}

void
each_unlink(struct eaches *all, struct rpc *rpc)
{
	struct each *e, *next;
	struct each_part *p;
	struct err err;

	err_set(&err, ERR_CLOSED, "the link ended");
	for (e = TAILQ_FIRST(all); e != NULL; e = next) {
		next = TAILQ_NEXT(e, entry);
		if ((p = each_sent(e, rpc)) == NULL)
			continue;
		rpc_forget(rpc, p);
		each_on_reply(p, NULL, &err);
	}
}
