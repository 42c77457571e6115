/* What a gate counts, under the names that `show statistics` lists. */
#include "daemon/base/mem.h"
#include "sg.h"

/* Per transport: names are made here, once. */
static struct role_stat *
sg_count_protos(struct sg *sg, struct role_stat *at)
{
	struct sip_count *c = sip_transport_count(sg->transport);
	const char *name;
	unsigned i;

	for (i = 0; i < SIP_PROTOS; i++) {
		name = sip_proto_name(i);
		*at++ = (struct role_stat){
		    xasprintf("%s-in", name), "messages of phones", &c->in[i]};
		*at++ = (struct role_stat){xasprintf("%s-out", name),
		    "messages to phones", &c->out[i]};
	}
	return at;
}

void
sg_count_register(struct sg *sg)
{
	struct sg_count *n = &sg->count;
	struct sip_count *c = sip_transport_count(sg->transport);
	const struct role_stat rows[] = {
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
	struct role_stat *kept, *at;
	size_t i;

	kept = xcalloc(
	    2 * SIP_PROTOS + sizeof rows / sizeof rows[0], sizeof *kept);
	at = sg_count_protos(sg, kept);
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
		at[i] = rows[i];
	role_stats(sg->self, kept);
}
