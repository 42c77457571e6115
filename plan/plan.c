/*
 * Compiling a domain: what the builder is fed is put into one immutable
 * block of tables. The key of a user is a number. Refuses two objects behind
 * one number and a service that does not exist; everything else has been
 * checked at commit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"
#include "plan/plan_index.h"
#include "daemon/base/str.h"

const char *const plan_services[] = {"echo", NULL};

/* Numbers wait for all users to be known. */
struct plan_wait {
	uint32_t number, user; /* offsets in texts */
};

struct plan_builder {
	struct plan plan;
	struct plan_wait *waits;
	size_t nwaits, waits_room;
};

/* Double an array when it is full. */
static int
plan_array_reserve(void **array, size_t count, size_t *room, size_t size)
{
	size_t more = *room == 0 ? 16 : *room * 2;
	void *p;

	if (count < *room)
		return 0;
	if ((p = realloc(*array, more * size)) == NULL)
		return -ERR_NOMEM;
	*array = p;
	*room = more;
	return 0;
}

/* Keep a text; 0 is the empty one. */
static int
plan_text_add(struct plan *p, const char *text, uint32_t *at)
{
	size_t n = text == NULL ? 0 : strlen(text), room = p->texts_room;
	char *texts;

	*at = 0;
	if (n == 0 && p->texts_used > 0)
		return 0;
	if (p->texts_used + n + 1 >= PLAN_OWNERLESS)
		return -ERR_FULL;
	while (room < p->texts_used + n + 1)
		room = room == 0 ? 256 : room * 2;
	if (room != p->texts_room) {
		if ((texts = realloc(p->texts, room)) == NULL)
			return -ERR_NOMEM;
		p->texts = texts;
		p->texts_room = room;
	}
	*at = (uint32_t)p->texts_used;
	memcpy(p->texts + p->texts_used, n == 0 ? "" : text, n + 1);
	p->texts_used += n + 1;
	return 0;
}

static void
plan_fini(struct plan *p)
{
	plan_index_fini(&p->users);
	plan_index_fini(&p->numbers);
	free(p->rows);
	free(p->texts);
}

int
plan_builder_new(
    const struct plan_domain *d, struct plan_builder **bp, struct err *err)
{
	struct plan_builder *b = calloc(1, sizeof *b);
	uint32_t at;

	*bp = NULL;
	if (b == NULL || plan_text_add(&b->plan, "", &at) != 0) {
		free(b);
		return err_set(err, ERR_NOMEM, "plan: out of memory");
	}
	str_copy(b->plan.id, sizeof b->plan.id, d->id);
	str_copy(b->plan.name, sizeof b->plan.name, d->name);
	str_copy(b->plan.origin, sizeof b->plan.origin,
	    d->origin != NULL ? d->origin : "");
	if (d->rev > 0)
		snprintf(b->plan.revision, sizeof b->plan.revision,
		    "revision %" PRId64, d->rev);
	b->plan.suspended = d->suspended;
	*bp = b;
	return 0;
}

void
plan_builder_free(struct plan_builder **bp)
{
	struct plan_builder *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	plan_fini(&b->plan);
	free(b->waits);
	free(b);
}

static unsigned
plan_clamp(unsigned value, unsigned max)
{
	return value > max ? max : value;
}

/* One row, found under its key as a user and as a number. */
static int
plan_add_row(struct plan *p, const struct plan_user *u, const char *number)
{
	struct plan_user_row row = {0};
	int rc;

	row.max_contacts = (uint16_t)plan_clamp(u->max_contacts, UINT16_MAX);
	row.ring_time = (uint16_t)plan_clamp(u->ring_time, UINT16_MAX);
	row.off = u->off;
	if ((rc = plan_array_reserve((void **)&p->rows, p->nrows, &p->rows_room,
		 sizeof *p->rows)) != 0 ||
	    (rc = plan_text_add(p, u->key, &row.key)) != 0 ||
	    (rc = plan_text_add(p, u->name, &row.name)) != 0 ||
	    (rc = plan_index_add(&p->numbers, number, (uint32_t)p->nrows)) !=
		0 ||
	    (rc = plan_index_add(&p->users, u->key, (uint32_t)p->nrows)) != 0)
		return rc;
	p->rows[p->nrows++] = row;
	return 0;
}

int
plan_builder_user(
    struct plan_builder *b, const struct plan_user *u, struct err *err)
{
	char number[PLAN_NUMBER];
	int rc;

	if (plan_number_parse(number, u->key, strlen(u->key), err) != 0)
		return err_wrap(err, "user %s", u->key);
	if ((rc = plan_add_row(&b->plan, u, number)) != 0)
		return err_set(err, (enum err_code) - rc, "user %s: %s", u->key,
		    err_text((enum err_code) - rc));
	return 0;
}

/* The value of a service in the index of numbers. */
static uint32_t
plan_service_find(const char *name)
{
	for (uint32_t i = 0; plan_services[i] != NULL; i++)
		if (strcmp(plan_services[i], name) == 0)
			return PLAN_SERVICE | i;
	return PLAN_INDEX_NONE;
}

/* A number of a user: its owner is looked for when all users are known. */
static int
plan_builder_wait(struct plan_builder *b, const struct plan_number *n)
{
	struct plan_wait w;
	int rc;

	if ((rc = plan_array_reserve((void **)&b->waits, b->nwaits,
		 &b->waits_room, sizeof *b->waits)) != 0 ||
	    (rc = plan_text_add(&b->plan, n->number, &w.number)) != 0 ||
	    (rc = plan_text_add(&b->plan, n->user, &w.user)) != 0)
		return rc;
	b->waits[b->nwaits++] = w;
	return 0;
}

int
plan_builder_number(
    struct plan_builder *b, const struct plan_number *n, struct err *err)
{
	char number[PLAN_NUMBER];
	uint32_t value = PLAN_OWNERLESS;
	int rc;

	if ((n->user == NULL) == (n->service == NULL))
		return err_set(err, ERR_INVALID,
		    "number %s: expected a user or a service", n->number);
	if (plan_number_parse(number, n->number, strlen(n->number), err) != 0)
		return err_wrap(err, "number %s", n->number);
	if (n->service != NULL &&
	    (value = plan_service_find(n->service)) == PLAN_INDEX_NONE)
		return err_set(err, ERR_INVALID,
		    "number %s: no service is called %s", n->number,
		    n->service);
	rc = n->user == NULL ? plan_index_add(&b->plan.numbers, number, value)
			     : plan_builder_wait(b, n);
	if (rc != 0)
		return err_set(err, (enum err_code) - rc, "number %s: %s",
		    n->number, err_text((enum err_code) - rc));
	return 0;
}

/* Give a number to a user; the key of a user is a number of theirs already,
 * and saying so again changes nothing. */
static int
plan_own_number(struct plan *p, const char *number, uint32_t row)
{
	int rc = plan_index_add(&p->numbers, number, row);

	if (rc == -ERR_CONFLICT && plan_index_find(&p->numbers, number) == row)
		return 0;
	return rc;
}

int
plan_build(struct plan_builder **bp, struct plan **pp, struct err *err)
{
	struct plan_builder *b = *bp;
	struct plan *p = NULL;
	int rc = 0;

	*pp = NULL;
	for (size_t i = 0; rc == 0 && i < b->nwaits; i++) {
		const struct plan_wait *w = &b->waits[i];
		const char *number = b->plan.texts + w->number;
		uint32_t row = plan_index_find(
		    &b->plan.users, b->plan.texts + w->user);

		if (row == PLAN_INDEX_NONE)
			row = PLAN_OWNERLESS;
		rc = plan_own_number(&b->plan, number, row);
		if (rc != 0)
			err_set(err, (enum err_code) - rc, "number %s: %s",
			    number, err_text((enum err_code) - rc));
	}
	if (rc == 0 && (p = malloc(sizeof *p)) == NULL)
		rc = err_set(err, ERR_NOMEM, "plan: out of memory");
	if (rc == 0) {
		*p = b->plan;
		b->plan = (struct plan){0};
	}
	plan_builder_free(bp);
	*pp = p;
	return rc;
}

void
plan_free(struct plan **pp)
{
	struct plan *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	plan_fini(p);
	free(p);
}

size_t
plan_bytes(const struct plan *p)
{
	return sizeof *p + plan_index_bytes(&p->users) +
	    plan_index_bytes(&p->numbers) + p->rows_room * sizeof *p->rows +
	    p->texts_room;
}

const char *
plan_domain_id(const struct plan *p)
{
	return p->id;
}

const char *
plan_domain_name(const struct plan *p)
{
	return p->name;
}
