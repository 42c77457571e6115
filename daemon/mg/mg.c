/*
 * MG: the media gate of a server.
 *
 * Does: relays RTP and RTCP between the parties of a call, hides each from
 *	the other, echoes, measures losses, jitter and the way, and says so
 *	to the recorder every 5 s.
 * Never: opens a database, resolves a name, decides who calls whom, sends
 *	media to an address that signalling did not name and packets did not
 *	prove.
 * Talks to: MGC (or any client of rtpengine's ng) on its inside socket;
 *	control, which feeds it {"media_address": "192.0.2.1 2001:db8::1",
 *	"ports": "30000-39999"} by the notification "feed". Before that it
 *	answers "not ready". Phones, on media ports only.
 * Keeps: sessions, in memory, from offer to delete; the highest epoch of its
 *	controllers.
 * On crash: its calls lose their media; MGC sees it by the owner map, and
 *	the calls are invited anew elsewhere (D35).
 */
#include "mg.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role.h"

/* Bytes: a call takes some 100 of them a second, and is read ten times a
 * second. */
#define MG_TRACE (1u << 20)

static void
mg_register_stats(struct self *self, struct mg_counters *n)
{
	const struct role_stat rows[] = {
	    {"sessions", "calls with open ports", &n->sessions},
	    {"sockets", "media sockets open", &n->sockets},
	    {"calls", "calls ever taken", &n->calls},
	    {"calls-expired", "removed without a delete", &n->expired},
	    {"rtp-in", "RTP packets accepted", &n->rtp_in},
	    {"rtp-out", "RTP packets passed on", &n->rtp_out},
	    {"rtcp-in", "RTCP packets accepted", &n->rtcp_in},
	    {"rtcp-out", "RTCP packets passed on", &n->rtcp_out},
	    {"bytes-in", "bytes of media accepted", &n->bytes_in},
	    {"bytes-out", "bytes of media passed on", &n->bytes_out},
	    {"latched", "streams that proved their address", &n->latched},
	    {"drop-stray", "packets of unproven sources", &n->drop_stray},
	    {"drop-early", "packets before their party was known",
		&n->drop_early},
	    {"drop-noise", "packets that are no media", &n->drop_noise},
	    {"drop-source", "first packets of new sources", &n->drop_source},
	    {"drop-nowhere", "packets without a receiver yet",
		&n->drop_nowhere},
	    {"drop-held", "packets their receiver does not want",
		&n->drop_held},
	    {"drop-flood", "packets over the limit of a stream",
		&n->drop_flood},
	    {"drop-send", "packets the kernel did not take", &n->drop_send},
	    {"no-ports", "offers refused for lack of ports", &n->no_ports},
	    {"limit", "offers refused for lack of descriptors", &n->limit},
	    {"stale-epoch", "orders of replaced controllers", &n->stale},
	    {"not-ready", "orders before the first feed", &n->not_ready},
	    {"strangers", "datagrams inside that no process of ours sent",
		&self->ears.strangers},
	    {"bad-sdp", "session descriptions refused", &n->bad_sdp},
	    {0},
	};
	struct role_stat *kept = xmalloc(sizeof rows);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		kept[i] = rows[i];
	role_stats(self, kept);
}

static bool
mg_hears(void *self, const union addr *from)
{
	return role_hears(self, from);
}

static int
mg_start(struct self *self, struct err *e)
{
	int fd = sock_udp(&self->inside, e);
	struct mg *mg;

	if (fd < 0)
		return fd;
	mg = mg_gate_open(self->loop, fd);
	ng_hear(mg->ng, mg_hears, self);
	mg->trace = role_trace(self, MG_TRACE);
	self->state_of_role = mg;
	mg_register_stats(self, &mg->n);
	role_ready(self);
	return 0;
}

/* "feed" of control: addresses and ports for calls from now on. */
static void
mg_on_feed(struct mg *mg, const json_t *params)
{
	const char *address = ng_str(params, "media_address");
	const char *ports = ng_str(params, "ports");
	struct err e;

	if (mg_ports_feed(&mg->ports, address, ports, &e) != 0)
		log_warnx("feed refused: %s", e.text);
	else
		log_info("media address=%s ports=%s", address, ports);
}

static void
mg_on_request(struct self *self, struct peer *peer, struct rpc_request *q,
    const char *method, json_t *params)
{
	if (peer->role == ROLE_CONTROL && str_equal(method, "feed"))
		mg_on_feed(self->state_of_role, params);
	else
		log_warnx("from=%s %s: no such method", peer->name, method);
	if (q != NULL)
		rpc_failf(q, ERR_UNKNOWN, "%s: no such method", method);
}

/* Calls that are still open lose their media: the site is going down. */
static void
mg_on_stop(struct self *self)
{
	struct mg *mg = self->state_of_role;
	struct ring *trace = mg->trace;

	mg_gate_close(&mg);
	ring_close(&trace);
	self->state_of_role = NULL;
	role_stopped(self);
}

const struct role mg_role = {
    .id = ROLE_MG,
    .ops = mg_ops,
    .start = mg_start,
    .on_request = mg_on_request,
    .on_stop = mg_on_stop,
    .rights = RIGHT_DGRAM | RIGHT_RING,
};
