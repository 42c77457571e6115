/* What a gate counts, under the names that `show statistics` lists. */
#include <assert.h>

#include "sg.h"

void
sg_count_register(struct sg *sg)
{
	struct sg_count *n = &sg->count;
	struct sip_count *c = sip_transport_count(sg->transport);
	const struct role_stat rows[] = {
	    {"udp-in", "messages of phones", &c->in[SIP_UDP]},
	    {"udp-out", "messages to phones", &c->out[SIP_UDP]},
	    {"tcp-in", "messages of phones", &c->in[SIP_TCP]},
	    {"tcp-out", "messages to phones", &c->out[SIP_TCP]},
	    {"tls-in", "messages of phones", &c->in[SIP_TLS]},
	    {"tls-out", "messages to phones", &c->out[SIP_TLS]},
	    {"ws-in", "messages of phones", &c->in[SIP_WS]},
	    {"ws-out", "messages to phones", &c->out[SIP_WS]},
	    {"wss-in", "messages of phones", &c->in[SIP_WSS]},
	    {"wss-out", "messages to phones", &c->out[SIP_WSS]},
	    {"inside-in", "messages of the inside", &n->inside_in},
	    {"inside-out", "messages to the inside", &n->inside_out},
	    {"forwarded", "messages passed on, both ways", &n->forwarded},
	    {"answered", "replies made here", &n->answered},
	    {"challenges", "requests asked for a password", &n->challenges},
	    {"stale", "of them with a nonce out of date", &n->stale},
	    {"absorbed", "ACKs to replies made here", &n->absorbed},
	    {"keep-alives", "empty keep-alives", &c->pings},
	    {"drop-garbage", "what is not SIP", &n->garbage},
	    {"malformed", "SIP that breaks its rules", &n->malformed},
	    {"drop-rate", "over the rate of one source", &n->over_rate},
	    {"paused", "streams made to wait by the rate", &n->paused},
	    {"drop-banned", "of banned sources", &n->banned_in},
	    {"bans", "sources banned now", &n->bans},
	    {"bans-made", "bans since the start", &n->bans_made},
	    {"sources", "sources remembered now", &n->sources},
	    {"shed", "new calls refused under overload", &n->shed},
	    {"no-owner", "requests while nobody serves them", &n->no_owner},
	    {"strays", "replies that belong to nothing", &n->strays},
	    {"flow-gone", "messages to flows that are gone", &n->flow_gone},
	    {"too-big", "messages that grew too long", &n->too_big},
	    {"drop-out", "messages that could not be sent", &c->out_lost},
	    {"holds", "stream requests being repeated now", &n->holds},
	    {"held", "stream requests held since the start", &n->held},
	    {"holds-full", "not held: the table was full", &n->holds_full},
	    {"resent", "repetitions to the inside", &n->resent},
	    {"hold-ended", "given up after 32 seconds", &n->hold_ended},
	    {"trusted", "connections that registered a user", &n->trusted},
	    {"inside-bad", "wrong messages of the inside", &n->inside_bad},
	    {"strangers", "datagrams inside that no process of ours sent",
		&sg->self->ears.strangers},
	    {"connections", "connections open now", &c->open},
	    {"accepted", "connections since the start", &c->accepted},
	    {"refused", "connections refused by a limit", &c->refused},
	    {"tls-failed", "TLS handshakes that failed", &c->tls_failed},
	    {"ws-failed", "WebSocket handshakes refused", &c->ws_failed},
	    {"closed-idle", "connections closed as idle", &c->closed_idle},
	    {"closed-slow", "closed for slow messages", &c->closed_slow},
	    {"closed-full", "closed as they did not read", &c->closed_full},
	    {"closed-bad", "closed as framing was lost", &c->closed_bad},
	    {"buffered", "bytes held for connections now", &c->held},
	    {0},
	};

	static_assert(sizeof rows <= sizeof sg->stats, "SG_STATS");
	memcpy(sg->stats, rows, sizeof rows);
	role_stats(sg->self, sg->stats);
}
