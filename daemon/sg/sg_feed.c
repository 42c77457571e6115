/*
 * What control tells a gate: domains, limits, weights, listeners. A feed is
 * whole: what it does not name ends.
 */
#include "sg.h"

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
	const char *name = role_listener_text(params, "name");
	struct err e;

	if (role_listener_text(params, "state")[0] ==
	    '\0') /* null: it is gone */
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
	if (!role_listeners_feed(
		&sg->listeners, json_object_get(params, "listeners")))
		loop_timer_set(sg->retry, SG_RETRY);
}
