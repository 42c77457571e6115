/*
 * SG, the gate of subscribers.
 *
 * Does: meets phones over UDP, TCP, TLS, WS and WSS; checks and challenges
 *   what they ask; passes REGISTER to the owner of "sr" and everything else
 *   to a B2BUA, and what these answer or ask back to the phone; hides the
 *   inside behind sealed tokens and a white list of header fields.
 * Never: opens a database, knows a password, keeps a transaction of what came
 *   by datagram, makes a 100, lets an inside address or name out.
 * Talks to: phones; SR and B2BUA by SIP over inside UDP (owner map); control
 *   by JSON-RPC, which feeds listeners, domains and limits.
 * Keeps: connections and the users proven on them, requests of streams until
 *   they are answered (32 s), sources with their bucket and points, bans,
 *   which B2BUA a Call-ID went to (32 s). All bounded, all soft.
 * On crash: connections end and phones open new ones; UDP notices nothing,
 *   tokens and nonces stay good because they follow from the site's key.
 */
#include "daemon/base/mem.h"
#include "sg.h"

#define SG_MAGIC 0x73670001
#define SG_PULSE (100 * CLOCK_MS)
/* Bytes: half a second of the busiest gate. More does not stay in the caches,
 * and a message costs twice as much. */
#define SG_TRACE (8u << 20)

/* ---- messages ---------------------------------------------------------- */

/* Where replies to a request go (RFC 3261 18.2.2, RFC 3581 4). Without rport
 * the port is the one of sent-by, unless NAT shows by another address there:
 * then only the source's port leads back. */
static void
sg_set_back(struct sg_in *in)
{
	const struct scan_via *v = &in->scan->via;
	union addr sent;

	in->back = *in->flow;
	if (in->flow->proto != SIP_UDP || v->end == NULL || v->has_rport)
		return;
	if (addr_nparse(&sent, v->host.p, v->host.n, 0) &&
	    addr_same_host(&sent, &in->flow->peer))
		addr_set_port(
		    &in->back.peer, v->port != 0 ? (uint16_t)v->port : 5060);
}

/* No SIP at all: dropped, named once; a stream of it is closed. */
static void
sg_take_garbage(struct sg_in *in, const char *msg, size_t n)
{
	char from[ADDR_TEXT];

	in->sg->count.garbage++;
	addr_text(from, &in->flow->peer);
	if (sg_guard_may_log(&in->sg->guard, in->source, in->now))
		log_info("source=%s transport=%s not SIP: %.*s", from,
		    sip_proto_name(in->flow->proto), n < 60 ? (int)n : 60, msg);
	if (in->flow->conn != 0)
		sip_flow_finish(in->sg->transport, in->flow->conn);
}

/* SIP, but wrong: a request is told so, a reply has nobody to be told. */
static void
sg_take_malformed(struct sg_in *in)
{
	const struct scan *s = in->scan;
	char from[ADDR_TEXT];

	in->sg->count.malformed++;
	addr_text(from, &in->flow->peer);
	if (sg_guard_may_log(&in->sg->guard, in->source, in->now))
		log_info("source=%s transport=%s refused %d: %s", from,
		    sip_proto_name(in->flow->proto), s->refuse, s->err.text);
	if (!s->request)
		return;
	sg_set_back(in);
	sg_answer(in, s->refuse, NULL, NULL);
}

/* The rate of one source: a datagram over it is dropped, as it will come
 * again; of a stream no more is read for a while, so nothing is lost. */
static bool
sg_may_ask(struct sg_in *in, unsigned cost)
{
	struct sg *sg = in->sg;
	uint64_t wait;

	if (in->flow->proto == SIP_UDP) {
		if (sg_guard_spend(&sg->guard, in->source, cost, in->now))
			return true;
		sg->count.over_rate++;
		return false;
	}
	wait = sg_guard_owe(&sg->guard, in->source, cost, in->now);
	if (wait > 0) {
		sg->count.paused++;
		sip_flow_pause(sg->transport, in->flow->conn, wait);
	}
	return true;
}

/* Fill in who it is from; false when it is not to be heard. */
static bool
sg_admit(
    struct sg_in *in, struct sg *sg, const struct sip_flow *flow, unsigned cost)
{
	struct sg_ban *ban;

	in->sg = sg;
	in->scan = &sg->scan;
	in->flow = flow;
	in->back = *flow;
	in->listener = sg_listener_of(flow);
	in->now = clock_mono();
	if ((ban = sg_guard_ban(&sg->guard, &flow->peer, in->now)) != NULL) {
		ban->dropped++;
		sg->count.banned_in++;
		return false;
	}
	in->source = sg_guard_source(&sg->guard, &flow->peer, in->now);
	return in->listener != NULL && sg_may_ask(in, cost);
}

void
sg_on_message(void *arg, const struct sip_flow *flow, char *msg, size_t n)
{
	struct sg *sg = OBJ(arg, sg, SG_MAGIC);
	bool reply = n > 8 && memcmp(msg, "SIP/2.0 ", 8) == 0;
	struct sg_in in;

	/* A reply costs a quarter: a call has several of them. */
	if (!sg_admit(&in, sg, flow, reply ? 250 : 1000))
		return;
	switch (scan_message(in.scan, msg, n)) {
	case 0:
		break;
	case -ERR_UNKNOWN:
		sg_take_garbage(&in, msg, n);
		return;
	default:
		sg_take_malformed(&in);
		return;
	}
	sg_route_refresh(&sg->route, in.now);
	sg_set_back(&in);
	if (in.scan->request)
		sg_in_request(&in);
	else
		sg_reply_outside(&in);
}

/* A stream whose framing is lost is told why, when it spoke SIP. */
static void
sg_on_bad(void *arg, const struct sip_flow *flow, enum sip_bad bad, char *head,
    size_t n)
{
	static const char *const words[] = {
	    [SIP_BAD_NO_LENGTH] = "no Content-Length in a stream",
	    [SIP_BAD_LENGTH] = "Content-Length",
	    [SIP_BAD_TOO_BIG] = "too long",
	};
	struct sg *sg = OBJ(arg, sg, SG_MAGIC);
	struct sg_in in;

	if (!sg_admit(&in, sg, flow, 1000))
		return;
	if (bad == SIP_BAD_GARBAGE ||
	    scan_lazy(in.scan, head, n) == -ERR_UNKNOWN) {
		sg_take_garbage(&in, head, n);
		return;
	}
	in.scan->refuse = bad == SIP_BAD_TOO_BIG ? 513 : 400;
	err_set(&in.scan->err, ERR_SYNTAX, "%s", words[bad]);
	sg_take_malformed(&in);
}

static bool
sg_on_accept(void *arg, const union addr *peer)
{
	struct sg *sg = OBJ(arg, sg, SG_MAGIC);
	uint64_t now = clock_mono();
	struct sg_ban *ban = sg_guard_ban(&sg->guard, peer, now);
	struct sg_source *s;

	if (ban != NULL) {
		ban->dropped++;
		sg->count.banned_in++;
		return false;
	}
	/* A connection costs as much as a request, TLS more than that. */
	s = sg_guard_source(&sg->guard, peer, now);
	if (sg_guard_spend(&sg->guard, s, 1000, now))
		return true;
	sg->count.over_rate++;
	return false;
}

static void
sg_on_close(void *arg, const struct sip_flow *flow, void *state)
{
	(void)flow;
	sg_flow_on_close(OBJ(arg, sg, SG_MAGIC), state);
}

/* Is the top Via ours? Only then a reply of the inside means us. */
static bool
sg_is_own_via(const struct sg *sg, const struct scan *s)
{
	char place[ADDR_TEXT + 8];

	snprintf(place, sizeof place, "%.*s:%u",
	    s->via.host.n < ADDR_TEXT ? (int)s->via.host.n : 0, s->via.host.p,
	    s->via.port);
	return strcmp(place, sg->inside_text) == 0;
}

/* A datagram of the inside; what is wrong there is our own fault. */
void
sg_on_inside(
    void *arg, struct dgram *u, char *msg, size_t n, const union addr *from)
{
	struct sg *sg = OBJ(arg, sg, SG_MAGIC);
	struct scan *s = &sg->scan;
	char text[ADDR_TEXT];

	(void)u;
	if (!role_hears(sg->self, from))
		return;
	sg->count.inside_in++;
	tap(sg->trace,
	    &(struct tap_way){TRACE_INSIDE, SIP_UDP, &sg->self->inside, from},
	    msg, n);
	if (scan_lazy(s, msg, n) != 0) {
		if (sg->count.inside_bad++ == 0) {
			addr_text(text, from);
			log_warnx("inside=%s sent what is wrong: %s", text,
			    s->err.text);
		}
		return;
	}
	sg_route_refresh(&sg->route, clock_mono());
	if (s->request)
		sg_out_request(sg, s, from);
	else if (sg_is_own_via(sg, s))
		sg_reply_inside(sg, s, from);
	else
		sg->count.strays++;
}

/* ---- bans -------------------------------------------------------------- */

void
sg_banned(struct sg *sg, const struct sg_ban *ban)
{
	struct sip_flow_info info;
	uint8_t banned[SIP_SOURCE], peer[SIP_SOURCE];
	char host[ADDR_TEXT];
	size_t at = 0, n = sip_source_key(banned, &ban->addr);

	sg->count.bans_made++;
	addr_host(host, &ban->addr);
	log_info("source=%s banned: %s", host, ban->cause);
	while (sip_flow_next(sg->transport, &at, &info)) {
		if (sip_source_key(peer, &info.flow.peer) == n &&
		    memcmp(banned, peer, n) == 0)
			sip_flow_close(sg->transport, info.flow.conn);
	}
}

/* ---- time -------------------------------------------------------------- */

static void
sg_on_hold_timer(void *arg)
{
	sg_pass_tick(OBJ(arg, sg, SG_MAGIC));
}

static void
sg_on_retry(void *arg)
{
	struct sg *sg = OBJ(arg, sg, SG_MAGIC);

	if (!role_listeners_retry(&sg->listeners))
		loop_timer_set(sg->retry, SG_RETRY);
}

/* How late this timer comes is how long a message waits: the measure of
 * overload. Gauges are brought up to date on the way. */
static void
sg_on_pulse(void *arg)
{
	struct sg *sg = OBJ(arg, sg, SG_MAGIC);
	uint64_t now = clock_mono();
	uint64_t late = now > sg->pulse_due ? now - sg->pulse_due : 0;

	sg->late = (sg->late * 3 + late) / 4;
	sg->count.holds = sg->holds.count;
	sg->count.sources = sg->guard.count;
	sg->count.bans = sg->guard.bans.count;
	sg->pulse_due = now + SG_PULSE;
	loop_timer_set(sg->pulse, SG_PULSE);
}

/* ---- the role ---------------------------------------------------------- */

static int
sg_open_inside(struct sg *sg, struct err *e)
{
	union addr at = sg->self->inside;
	socklen_t len = sizeof at;
	int fd = sock_udp(&at, e);

	if (fd < 0)
		return fd;
	if (getsockname(fd, &at.sa, &len) == 0)
		addr_text(sg->inside_text, &at);
	sg->inside = dgram_open(
	    sg->self->loop, fd, DGRAM_BATCH, sg_on_inside, sg);
	return 0;
}

static int
sg_start(struct self *self, struct err *e)
{
	struct sg *sg = xcalloc(1, sizeof *sg);
	const struct sip_handler handler = {
	    .on_message = sg_on_message,
	    .on_bad = sg_on_bad,
	    .on_accept = sg_on_accept,
	    .on_close = sg_on_close,
	    .arg = sg,
	};

	sg->magic = SG_MAGIC;
	sg->self = self;
	if (sg_open_inside(sg, e) != 0) {
		free(sg);
		return -ERR_IO;
	}
	self->state_of_role = sg;
	sg->listeners = (struct role_listeners){
	    .self = self, .gate = sg, .kind = &sg_listener_kind};
	sg_keys_init(&sg->keys, self->key_site);
	sg_route_init(&sg->route, self->owners, self->server);
	sg_guard_init(&sg->guard);
	sg->transport = sip_transport_new(self->loop, &handler, NULL);
	sg->trace = role_trace(self, SG_TRACE);
	sip_transport_trace(sg->transport, sg->trace);
	sg->hold_timer = loop_timer_new(self->loop, sg_on_hold_timer, sg);
	sg->retry = loop_timer_new(self->loop, sg_on_retry, sg);
	sg->pulse = loop_timer_new(self->loop, sg_on_pulse, sg);
	sg->pulse_due = clock_mono() + SG_PULSE;
	loop_timer_set(sg->pulse, SG_PULSE);
	sg_count_register(sg);
	role_ready(self);
	return 0;
}

static void
sg_on_request(struct self *self, struct peer *peer, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct sg *sg = self->state_of_role;

	if (peer->role == ROLE_CONTROL && str_equal(method, "feed"))
		sg_feed(sg, params);
	else if (peer->role == ROLE_CONTROL && str_equal(method, "feed-domain"))
		sg_feed_domain(sg, params);
	else
		log_warnx("from=%s %s: no such method", peer->name, method);
	if (q != NULL)
		rpc_failf(q, ERR_UNKNOWN, "%s: no such method", method);
}

static void
sg_on_owners(struct self *self)
{
	sg_pass_owners(self->state_of_role);
}

/* Connections end with a word of TLS and WebSocket; nothing is to be kept. */
static void
sg_on_stop(struct self *self)
{
	struct sg *sg = self->state_of_role;

	self->state_of_role = NULL;
	role_listeners_close(&sg->listeners);
	sip_transport_free(&sg->transport);
	dgram_close(&sg->inside);
	ring_close(&sg->trace);
	loop_timer_free(&sg->hold_timer);
	loop_timer_free(&sg->retry);
	loop_timer_free(&sg->pulse);
	sg_hold_fini(&sg->holds);
	sg_route_fini(&sg->route);
	sg_guard_fini(&sg->guard);
	sg_domain_clear(&sg->domains);
	sg_keys_fini(&sg->keys);
	sg->magic = 0;
	free(sg);
	role_stopped(self);
}

static void
sg_alarms(struct self *self, json_t *rows)
{
	const struct sg *sg = self->state_of_role;

	role_listeners_alarms(&sg->listeners, rows);
	if (self->trace_mib != 0 && sg->trace == NULL)
		role_alarm(rows, self->started, "trace", self->name,
		    "what passes this gate is not recorded: its log says why");
}

const struct role sg_role = {
    .id = ROLE_SG,
    .ops = sg_ops,
    .start = sg_start,
    .on_request = sg_on_request,
    .on_owners = sg_on_owners,
    .on_stop = sg_on_stop,
    .alarms = sg_alarms,
    .rights = RIGHT_DGRAM | RIGHT_STREAM,
};
