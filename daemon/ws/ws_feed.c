/*
 * What control tells the gate of programs: its listeners. A feed is whole:
 * what it does not name ends. One that cannot be opened is tried again each
 * second and is an alarm with its reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ws.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

static const char *
feed_string(json_t *row, const char *name)
{
	const char *s = json_string_value(json_object_get(row, name));

	return s != NULL ? s : "";
}

/* The words by which an operator finds a listener in the configuration. */
static void
feed_words(const struct ws_listener *l, char out[160])
{
	snprintf(out, 160, "server %.32s listener %.96s", l->ws->self->server,
	    l->name);
}

/* An alarm is told when it begins, in other words than before, and when it is
 * over. */
static void
feed_tell(struct ws_listener *l, const struct err *before)
{
	char path[160];

	feed_words(l, path);
	if (l->why.code == ERR_NONE) {
		if (l->wrong != 0)
			log_info("alarm=listener subject=\"%s\" is over", path);
		l->wrong = 0;
	} else if (l->wrong == 0 || strcmp(before->text, l->why.text) != 0) {
		if (l->wrong == 0)
			l->wrong = clock_real();
		log_warnx("alarm=listener subject=\"%s\" https %s", path,
		    l->why.text);
	}
}

void
ws_feed_alarms(struct self *self, json_t *rows)
{
	const struct ws *ws = self->state_of_role;
	const struct ws_listener *l;
	char path[160], text[ERR_TEXT_MAX];

	for (l = ws->listeners; l != NULL; l = l->next) {
		if (l->wrong == 0)
			continue;
		feed_words(l, path);
		snprintf(
		    text, sizeof text, "%s: %.400s", self->name, l->why.text);
		role_alarm(rows, l->wrong, "listener", path, text);
	}
}

static void
feed_open(struct ws_listener *l)
{
	struct err before = l->why;
	char at[ADDR_TEXT];

	err_clear(&l->why);
	if (ws_listener_open(l) == 0) {
		addr_text(at, &l->at);
		log_info("listener=%s https %s open", l->name, at);
	}
	feed_tell(l, &before);
}

static void
feed_drop(struct ws *ws, struct ws_listener *l)
{
	struct ws_listener **at = &ws->listeners;
	struct err before = l->why;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	err_clear(&l->why);
	feed_tell(l, &before);
	if (l->http != NULL)
		log_info("listener=%s closed", l->name);
	ws_listener_close(l);
	if (l->key != NULL)
		explicit_bzero(l->key, strlen(l->key));
	free(l->chain);
	free(l->key);
	free(l);
}

void
ws_feed_close(struct ws *ws)
{
	while (ws->listeners != NULL)
		feed_drop(ws, ws->listeners);
}

void
ws_feed_retry(struct ws *ws)
{
	struct ws_listener *l;

	for (l = ws->listeners; l != NULL; l = l->next) {
		if (l->http == NULL)
			feed_open(l);
	}
}

static struct ws_listener *
feed_find(struct ws *ws, const char *name)
{
	struct ws_listener *l;

	for (l = ws->listeners; l != NULL && strcmp(l->name, name) != 0;
	     l = l->next)
		;
	return l;
}

/* One of ours, or a new one; NULL when the row makes no sense. */
static struct ws_listener *
feed_row(struct ws *ws, json_t *row, union addr *at)
{
	const char *name = feed_string(row, "name");
	json_int_t port = json_integer_value(json_object_get(row, "port"));
	struct ws_listener *l;

	if (name[0] == '\0' || strlen(name) >= sizeof l->name || port < 0 ||
	    port > 65535 ||
	    strcmp(feed_string(row, "transport"), "https") != 0 ||
	    !addr_parse(at, feed_string(row, "address"), (uint16_t)port)) {
		log_warnx("listener=%s not understood", name);
		return NULL;
	}
	if ((l = feed_find(ws, name)) != NULL)
		return l;
	l = xcalloc(1, sizeof *l);
	l->ws = ws;
	str_copy(l->name, sizeof l->name, name);
	l->next = ws->listeners;
	ws->listeners = l;
	return l;
}

/* The certificate as fed; true when it is another one. */
static bool
feed_certificate(struct ws_listener *l, json_t *row)
{
	const char *chain = feed_string(row, "chain");
	char *key = role_open_key(l->ws->self, feed_string(row, "key"),
	    feed_string(row, "certificate"));
	bool other = !str_equal(l->chain, chain) || !str_equal(l->key, key);

	if (other) {
		free(l->chain);
		l->chain = xstrdup(chain);
	}
	if (l->key != NULL)
		explicit_bzero(l->key, strlen(l->key));
	free(l->key);
	l->key = key;
	return other;
}

/* Another certificate for an open listener; when it is of no use the old one
 * stays, and the listener says why. */
static void
feed_certify(struct ws_listener *l)
{
	struct err before = l->why;

	err_clear(&l->why);
	ws_listener_certify(l);
	feed_tell(l, &before);
}

static void
feed_listener(struct ws *ws, json_t *row)
{
	union addr at;
	struct ws_listener *l = feed_row(ws, row, &at);
	bool moved, other;

	if (l == NULL)
		return;
	l->seen = true;
	moved = l->at.sa.sa_family != at.sa.sa_family ||
	    !addr_equal(&l->at, &at);
	other = feed_certificate(l, row);
	l->at = at;
	if (l->http != NULL && !moved) {
		if (other)
			feed_certify(l);
		return;
	}
	ws_listener_close(l);
	feed_open(l);
}

void
ws_feed(struct ws *ws, json_t *params)
{
	json_t *rows = json_object_get(params, "listeners"), *row;
	struct ws_listener *l, *next;
	size_t i;

	for (l = ws->listeners; l != NULL; l = l->next)
		l->seen = false;
	json_array_foreach (rows, i, row) {
		if ((l = feed_find(ws, feed_string(row, "name"))) != NULL)
			l->seen = true;
	}
	/* First those that end: their addresses may be asked for again. */
	for (l = ws->listeners; l != NULL; l = next) {
		next = l->next;
		if (!l->seen)
			feed_drop(ws, l);
	}
	json_array_foreach (rows, i, row)
		feed_listener(ws, row);
}
