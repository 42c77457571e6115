/* The gate's listeners: what they have beside every gate's (role_listener.h).
 */
#include "sg.h"

static struct sg_listener *
listener_of(struct role_listener *l)
{
	return (struct sg_listener *)l;
}

static bool
listener_take(struct role_listener *fed, json_t *row, bool *moved)
{
	struct sg_listener *l = listener_of(fed);
	const char *advertised = role_listener_text(row, "advertised");
	enum sip_proto proto;

	if (!sip_proto_find(role_listener_text(row, "transport"), &proto))
		return false;
	*moved |= l->proto != proto || strcmp(l->advertised, advertised) != 0;
	l->proto = proto;
	str_copy(l->advertised, sizeof l->advertised, advertised);
	str_copy(
	    l->domain, sizeof l->domain, role_listener_text(row, "domain"));
	return true;
}

static const char *
listener_transport(const struct role_listener *l)
{
	return sip_proto_name(((const struct sg_listener *)l)->proto);
}

static int
listener_open(
    void *gate, struct role_listener *fed, union addr *at, struct err *e)
{
	struct sg *sg = gate;
	struct sg_listener *l = listener_of(fed);
	struct sip_listen how = {.name = fed->name,
	    .proto = l->proto,
	    .at = fed->at,
	    .chain = fed->chain,
	    .key = fed->key,
	    .state = l};
	char host[ADDR_TEXT];
	int r;

	if ((r = sip_listener_open(sg->transport, &how, &l->sip, e)) != 0)
		return r;
	*at = *sip_listener_address(l->sip);
	addr_sip_host(host, at);
	snprintf(l->place, sizeof l->place, "%s:%u",
	    l->advertised[0] != '\0' ? l->advertised : host, addr_port(at));
	return 0;
}

static void
listener_close(struct role_listener *l)
{
	sip_listener_close(&listener_of(l)->sip);
}

/* Without TLS there is none to show. */
static int
listener_certify(struct role_listener *fed, struct err *e)
{
	struct sg_listener *l = listener_of(fed);

	if (!sip_proto_is_secure(l->proto))
		return 0;
	return sip_listener_certify(l->sip, fed->chain, fed->key, e);
}

const struct role_listener_kind sg_listener_kind = {
    .size = sizeof(struct sg_listener),
    .take = listener_take,
    .transport = listener_transport,
    .open = listener_open,
    .close = listener_close,
    .certify = listener_certify,
};
