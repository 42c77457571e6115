/*
 * What control tells a gate: domains, listeners, limits. A feed is whole: what
 * it does not name ends. Listeners are opened, given another certificate or
 * closed while calls go on; one that cannot be opened is tried again and
 * shown with its reason. Keys of certificates come sealed and are opened here
 * with the certificate key of this role.
 */
#include <stdlib.h>

#include "daemon/base/mem.h"
#include "sg.h"

#define FEED_RETRY (5 * CLOCK_SEC)

static const char *
sg_feed_text(json_t *row, const char *name)
{
	const char *s = json_string_value(json_object_get(row, name));

	return s != NULL ? s : "";
}

/* A number, or one written as text. */
static int64_t
sg_feed_number(json_t *row, const char *name, int64_t def)
{
	json_t *v = json_object_get(row, name);
	int64_t n;

	if (json_is_integer(v))
		return json_integer_value(v);
	if (json_is_string(v) &&
	    str_int(json_string_value(v), 0, INT32_MAX, &n))
		return n;
	return def;
}

/* ---- listeners --------------------------------------------------------- */

/* The words by which an operator finds a listener in the configuration. */
static void
sg_feed_path(const struct sg *sg, const struct sg_listener *l, char out[160])
{
	snprintf(
	    out, 160, "server %.32s listener %.96s", sg->self->server, l->name);
}

/* A listener that is not as configured is an alarm; told when it begins, in
 * other words than before, and when it is over. */
static void
sg_feed_tell(
    const struct sg *sg, struct sg_listener *l, const struct err *before)
{
	char path[160];

	sg_feed_path(sg, l, path);
	if (l->why.code == ERR_NONE) {
		if (l->wrong != 0)
			log_info("alarm=listener subject=\"%s\" is over", path);
		l->wrong = 0;
		return;
	}
	if (l->wrong == 0)
		l->wrong = clock_real();
	else if (strcmp(before->text, l->why.text) == 0)
		return;
	log_warnx("alarm=listener subject=\"%s\" %s %s", path,
	    sip_proto_name(l->proto), l->why.text);
}

void
sg_feed_alarms(struct self *self, json_t *rows)
{
	const struct sg *sg = self->state_of_role;
	const struct sg_listener *l;
	char path[160], text[ERR_TEXT_MAX];

	for (l = sg->listeners; l != NULL; l = l->next) {
		if (l->wrong == 0)
			continue;
		sg_feed_path(sg, l, path);
		snprintf(
		    text, sizeof text, "%s: %.400s", self->name, l->why.text);
		role_alarm(rows, l->wrong, "listener", path, text);
	}
}

static void
sg_feed_drop(struct sg *sg, struct sg_listener *l)
{
	struct sg_listener **at = &sg->listeners;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	err_clear(&l->why);
	sg_feed_tell(sg, l, &l->why);
	if (l->sip != NULL)
		log_info("listener=%s closed", l->name);
	sip_listener_close(&l->sip);
	if (l->key != NULL)
		explicit_bzero(l->key, strlen(l->key));
	free(l->chain);
	free(l->key);
	free(l);
}

void
sg_feed_close(struct sg *sg)
{
	while (sg->listeners != NULL)
		sg_feed_drop(sg, sg->listeners);
}

/* Listen, or note why not. */
static void
sg_feed_open(struct sg *sg, struct sg_listener *l)
{
	struct sip_listen how = {.name = l->name,
	    .proto = l->proto,
	    .at = l->at,
	    .chain = l->chain,
	    .key = l->key,
	    .state = l};
	struct err before = l->why;
	char host[ADDR_TEXT], at[ADDR_TEXT];

	if (sip_listener_open(sg->transport, &how, &l->sip, &l->why) != 0) {
		sg_feed_tell(sg, l, &before);
		loop_timer_set(sg->retry, FEED_RETRY);
		return;
	}
	err_clear(&l->why);
	sg_feed_tell(sg, l, &before);
	addr_sip_host(host, sip_listener_address(l->sip));
	snprintf(l->place, sizeof l->place, "%s:%u",
	    l->advertised[0] != '\0' ? l->advertised : host,
	    addr_port(sip_listener_address(l->sip)));
	addr_text(at, sip_listener_address(l->sip));
	log_info(
	    "listener=%s %s %s open", l->name, sip_proto_name(l->proto), at);
}

/* A listener's certificate as fed; true when it is another one. */
static bool
sg_feed_certificate(const struct sg *sg, struct sg_listener *l, json_t *row)
{
	const char *name = sg_feed_text(row, "certificate");
	const char *chain = sg_feed_text(row, "chain");
	char *key = role_open_key(sg->self, sg_feed_text(row, "key"), name);
	bool other = l->chain == NULL || strcmp(l->chain, chain) != 0 ||
	    !str_equal(l->key, key);

	str_copy(l->certificate, sizeof l->certificate, name);
	if (!other) {
		free(key);
		return false;
	}
	free(l->chain);
	free(l->key);
	l->chain = xstrdup(chain);
	l->key = key;
	return true;
}

static struct sg_listener *
sg_feed_find(struct sg *sg, const char *name)
{
	struct sg_listener *l;

	for (l = sg->listeners; l != NULL && strcmp(l->name, name) != 0;
	     l = l->next)
		;
	return l;
}

/* A row may name the instance that it is for. */
static bool
sg_feed_is_ours(struct sg *sg, json_t *row)
{
	const char *instance = sg_feed_text(row, "instance");

	return instance[0] == '\0' || strcmp(instance, sg->self->name) == 0;
}

/* One of ours, or a new one; NULL when the row makes no sense or belongs to
 * another instance. */
static struct sg_listener *
sg_feed_row(struct sg *sg, json_t *row, enum sip_proto *proto, union addr *at)
{
	const char *name = sg_feed_text(row, "name");
	int64_t port = sg_feed_number(row, "port", -1);
	struct sg_listener *l;

	if (!sg_feed_is_ours(sg, row))
		return NULL;
	if (name[0] == '\0' || strlen(name) >= SIP_LISTENER_NAME || port < 0 ||
	    port > 65535 ||
	    !sip_proto_find(sg_feed_text(row, "transport"), proto) ||
	    !addr_parse(at, sg_feed_text(row, "address"), (uint16_t)port)) {
		log_warnx("listener=%s not understood", name);
		return NULL;
	}
	if ((l = sg_feed_find(sg, name)) != NULL)
		return l;
	l = xcalloc(1, sizeof *l);
	str_copy(l->name, sizeof l->name, name);
	l->next = sg->listeners;
	sg->listeners = l;
	return l;
}

/* Another certificate for an open listener; when it is of no use the old one
 * stays, and the listener says why. */
static void
sg_feed_certify(const struct sg *sg, struct sg_listener *l)
{
	struct err before = l->why;

	err_clear(&l->why);
	sip_listener_certify(l->sip, l->chain, l->key, &l->why);
	sg_feed_tell(sg, l, &before);
}

/* Make one listener what its row says. */
static void
sg_feed_listener(struct sg *sg, json_t *row)
{
	enum sip_proto proto;
	union addr at;
	struct sg_listener *l = sg_feed_row(sg, row, &proto, &at);
	const char *advertised = sg_feed_text(row, "advertised");
	bool moved, other;

	if (l == NULL)
		return;
	moved = l->proto != proto || l->at.sa.sa_family != at.sa.sa_family ||
	    !addr_equal(&l->at, &at) || strcmp(l->advertised, advertised) != 0;
	l->proto = proto;
	l->at = at;
	str_copy(l->advertised, sizeof l->advertised, advertised);
	str_copy(l->domain, sizeof l->domain, sg_feed_text(row, "domain"));
	other = sg_feed_certificate(sg, l, row);
	if (l->sip != NULL && !moved) {
		if (other && sip_proto_is_secure(proto))
			sg_feed_certify(sg, l);
		return;
	}
	sip_listener_close(&l->sip);
	sg_feed_open(sg, l);
}

static void
sg_feed_listeners(struct sg *sg, json_t *rows)
{
	struct sg_listener *l, *next;
	json_t *row;
	size_t i;

	for (l = sg->listeners; l != NULL; l = l->next)
		l->seen = false;
	json_array_foreach (rows, i, row) {
		l = sg_feed_find(sg, sg_feed_text(row, "name"));
		if (l != NULL && sg_feed_is_ours(sg, row))
			l->seen = true;
	}
	/* First those that end: their addresses may be asked for again. */
	for (l = sg->listeners; l != NULL; l = next) {
		next = l->next;
		if (!l->seen)
			sg_feed_drop(sg, l);
	}
	json_array_foreach (rows, i, row) {
		sg_feed_listener(sg, row);
	}
}

/* Those that are not open are tried again. */
void
sg_feed_retry(struct sg *sg)
{
	struct sg_listener *l;

	for (l = sg->listeners; l != NULL; l = l->next) {
		if (l->sip == NULL)
			sg_feed_open(sg, l);
	}
}

/* ---- the rest ---------------------------------------------------------- */

static void
sg_feed_limits(struct sg *sg, json_t *gate)
{
	struct sg_limits *l = &sg->guard.limits;

	l->rate = (unsigned)sg_feed_number(gate, "requests-per-second", 50);
	l->ban_after = (unsigned)sg_feed_number(gate, "ban-after", 20);
	l->ban_time = (uint64_t)sg_feed_number(gate, "ban-time", 300) *
	    CLOCK_SEC;
	if (l->rate == 0)
		l->rate = 1;
}

void
sg_feed_domain(struct sg *sg, json_t *params)
{
	const char *name = sg_feed_text(params, "name");
	struct err e;

	if (sg_feed_text(params, "state")[0] == '\0') /* null: it is gone */
		sg_domain_remove(&sg->domains, name);
	else if (sg_domain_take(&sg->domains, params, &e) != 0)
		log_warnx("feed: %s", e.text);
}

void
sg_feed(struct sg *sg, json_t *params)
{
	json_t *row, *domains = json_object_get(params, "domains");
	struct err e;
	size_t i;

	sg_domain_clear(&sg->domains);
	json_array_foreach (domains, i, row) {
		if (sg_domain_take(&sg->domains, row, &e) != 0)
			log_warnx("feed: %s", e.text);
	}
	sg_feed_limits(sg, json_object_get(params, "gate"));
	sg_route_weigh(&sg->route, json_object_get(params, "weights"));
	sg_feed_listeners(sg, json_object_get(params, "listeners"));
}
