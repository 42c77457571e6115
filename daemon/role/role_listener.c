#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "role_listener.h"

/* ---- what is wrong with one ---------------------------------------------- */

#define LISTENER_PATH 160

/* The words by which an operator finds it in the configuration. */
static void
listener_path(const struct role_listeners *ls, const struct role_listener *l,
    char out[LISTENER_PATH])
{
	snprintf(out, LISTENER_PATH, "server %.32s listener %.96s",
	    ls->self->server, l->name);
}

/* What is wrong now goes into the log when it begins, in other words than
 * before, and when it is over. */
static void
listener_is(const struct role_listeners *ls, struct role_listener *l,
    const struct err *why)
{
	bool same = l->wrong != 0 && strcmp(l->why.text, why->text) == 0;
	char path[LISTENER_PATH];

	listener_path(ls, l, path);
	if (why->code == ERR_NONE) {
		if (l->wrong != 0)
			log_info("alarm=listener subject=\"%s\" is over", path);
		l->wrong = 0;
	} else {
		if (l->wrong == 0)
			l->wrong = clock_real();
		if (!same)
			log_warnx("alarm=listener subject=\"%s\" %s %s", path,
			    ls->kind->transport(l), why->text);
	}
	l->why = *why;
}

void
role_listeners_alarms(const struct role_listeners *ls, json_t *rows)
{
	const struct role_listener *l;
	char path[LISTENER_PATH], text[ERR_TEXT_MAX];

	for (l = ls->first; l != NULL; l = l->next) {
		if (l->wrong == 0)
			continue;
		listener_path(ls, l, path);
		snprintf(text, sizeof text, "%s: %.400s", ls->self->name,
		    l->why.text);
		role_alarm(rows, l->wrong, "listener", path, text);
	}
}

/* ---- opened, certified, closed ------------------------------------------- */

static void
listener_open(struct role_listeners *ls, struct role_listener *l)
{
	struct err e = {0};
	union addr at = l->at;
	char text[ADDR_TEXT];

	l->open = ls->kind->open(ls->gate, l, &at, &e) == 0;
	if (l->open) {
		err_clear(&e);
		addr_text(text, &at);
		log_info("listener=%s %s %s open", l->name,
		    ls->kind->transport(l), text);
	}
	listener_is(ls, l, &e);
}

static void
listener_certify(struct role_listeners *ls, struct role_listener *l)
{
	struct err e = {0};

	ls->kind->certify(l, &e);
	listener_is(ls, l, &e);
}

static void
listener_close(struct role_listeners *ls, struct role_listener *l)
{
	ls->kind->close(l);
	l->open = false;
}

static void
listener_wipe(char **key)
{
	if (*key != NULL)
		explicit_bzero(*key, strlen(*key));
	free(*key);
	*key = NULL;
}

/* It is in no list any more. */
static void
listener_free(struct role_listener **l)
{
	listener_wipe(&(*l)->key);
	free((*l)->chain);
	free(*l);
	*l = NULL;
}

static void
listener_drop(struct role_listeners *ls, struct role_listener *l)
{
	struct role_listener **at = &ls->first;
	struct err well = {0};

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	listener_is(ls, l, &well);
	if (l->open)
		log_info("listener=%s closed", l->name);
	listener_close(ls, l);
	listener_free(&l);
}

void
role_listeners_close(struct role_listeners *ls)
{
	while (ls->first != NULL)
		listener_drop(ls, ls->first);
}

bool
role_listeners_retry(struct role_listeners *ls)
{
	struct role_listener *l;
	bool all = true;

	for (l = ls->first; l != NULL; l = l->next) {
		if (!l->open)
			listener_open(ls, l);
		all &= l->open;
	}
	return all;
}

/* ---- a feed -------------------------------------------------------------- */

const char *
role_listener_text(json_t *row, const char *name)
{
	const char *s = json_string_value(json_object_get(row, name));

	return s != NULL ? s : "";
}

static struct role_listener *
listener_find(const struct role_listeners *ls, const char *name)
{
	struct role_listener *l = ls->first;

	while (l != NULL && strcmp(l->name, name) != 0)
		l = l->next;
	return l;
}

/* The certificate of a row; true when it is another one. */
static bool
listener_certificate(
    const struct self *self, struct role_listener *l, json_t *row)
{
	const char *name = role_listener_text(row, "certificate");
	const char *chain = role_listener_text(row, "chain");
	char *key = role_open_key(self, role_listener_text(row, "key"), name);
	bool other = !str_equal(l->chain, chain) || !str_equal(l->key, key);

	str_copy(l->certificate, sizeof l->certificate, name);
	if (other) {
		free(l->chain);
		l->chain = xstrdup(chain);
	}
	listener_wipe(&l->key);
	l->key = key;
	return other;
}

/* Name and address of a row; false when it makes no sense. */
static bool
listener_where(json_t *row, const char **name, union addr *at)
{
	json_int_t port = json_integer_value(json_object_get(row, "port"));

	*name = role_listener_text(row, "name");
	return **name != '\0' && strlen(*name) < ROLE_LISTENER_NAME &&
	    port >= 0 && port <= 65535 &&
	    addr_parse(at, role_listener_text(row, "address"), (uint16_t)port);
}

/* One of ours with what its row says, or a new one; NULL when the row makes
 * no sense. */
static struct role_listener *
listener_take(struct role_listeners *ls, json_t *row, bool *moved)
{
	struct role_listener *l, *fresh = NULL;
	const char *name;
	union addr at;

	*moved = false;
	if (!listener_where(row, &name, &at))
		goto bad;
	if ((l = listener_find(ls, name)) == NULL) {
		l = fresh = xcalloc(1, ls->kind->size);
		str_copy(l->name, sizeof l->name, name);
	}
	*moved = l->at.sa.sa_family != at.sa.sa_family ||
	    !addr_equal(&l->at, &at);
	if (!ls->kind->take(l, row, moved)) {
		free(fresh);
		goto bad;
	}
	l->at = at;
	if (fresh != NULL) {
		fresh->next = ls->first;
		ls->first = fresh;
	}
	return l;
bad:
	log_warnx("listener=%s not understood", name);
	return NULL;
}

/* What its row says; one that moves is closed. */
static void
listener_feed(struct role_listeners *ls, json_t *row)
{
	bool moved, other;
	struct role_listener *l = listener_take(ls, row, &moved);

	if (l == NULL)
		return;
	other = listener_certificate(ls->self, l, row);
	if (moved)
		listener_close(ls, l);
	else if (l->open && other)
		listener_certify(ls, l);
}

bool
role_listeners_feed(struct role_listeners *ls, json_t *rows)
{
	struct role_listener *l, *next;
	json_t *row;
	size_t i;

	for (l = ls->first; l != NULL; l = l->next)
		l->seen = false;
	json_array_foreach (rows, i, row) {
		l = listener_find(ls, role_listener_text(row, "name"));
		if (l != NULL)
			l->seen = true;
	}
	/* First those that end or move: their addresses may be asked for. */
	for (l = ls->first; l != NULL; l = next) {
		next = l->next;
		if (!l->seen)
			listener_drop(ls, l);
	}
	json_array_foreach (rows, i, row)
		listener_feed(ls, row);
	return role_listeners_retry(ls);
}
