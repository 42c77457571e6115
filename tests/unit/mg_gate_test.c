/* Commands to the gate: what is opened, told, refused and given back. */
#include "mg_fixture.h"

/* After delete its ports are free for anyone, and nothing of it is left. */
static void
delete_closes_the_ports(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	unsigned before = descriptors(), i;
	union addr at;
	int s;

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	assert_int_equal(descriptors(), before + 4);
	assert_true(socket_at("127.0.0.1", addr_port(&a.to), &at) < 0);
	assert_non_null(ask(g, delete ("c1")));
	assert_int_equal(descriptors(), before);
	for (i = 0; i < 2; i++) {
		s = socket_at(
		    "127.0.0.1", (uint16_t)(addr_port(&a.to) + i), &at);
		assert_true(s >= 0);
		close(s);
		s = socket_at(
		    "127.0.0.1", (uint16_t)(addr_port(&b.to) + i), &at);
		assert_true(s >= 0);
		close(s);
	}
	assert_int_equal(g->mg->n.sessions, 0);
	assert_int_equal(g->mg->n.sockets, 0);
	phone_end(&a);
	phone_end(&b);
}

/* The delete tells what was counted, as rtpengine does. */
static void
delete_and_query_tell_counts(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	int packets, lost, total, port;
	const char *peer;
	json_t *stats;

	connect_both(g, &a, &b);
	ask(g, json_pack("{s:s, s:s}", "command", "query", "call-id", "c1"));
	assert_null(json_object_get(g->reply, "last packet"));
	reaches(g, &a, &b);
	a.seq = (uint16_t)(a.seq + 3);
	reaches(g, &a, &b);
	ask(g, delete ("c1"));
	assert_int_equal(
	    json_unpack(g->reply,
		"{s:{s:{s:s, s:[{s:[{s:i, s:o}]}]}}, s:{s:{s:i}}}", "tags", "a",
		"in dialogue with", &peer, "medias", "streams", "local port",
		&port, "stats", &stats, "totals", "RTP", "packets", &total),
	    0);
	assert_int_equal(json_unpack(stats, "{s:i, s:i}", "packets", &packets,
			     "lost", &lost),
	    0);
	assert_string_equal(peer, "b");
	assert_int_equal(packets, 2);
	assert_int_equal(lost, 3);
	assert_int_equal(total, 2);
	assert_int_equal(port, addr_port(&a.to));
	assert_true(ng_int(g->reply, "last packet", 0) > 1600000000);
	phone_end(&a);
	phone_end(&b);
}

/* A brief delete tells what the books need, where the long one tells it, and
 * nothing else. */
static void
a_brief_delete_tells_packets_and_lost(void **state)
{
	static const char want[] =
	    "{\"result\":\"ok\",\"tags\":{"
	    "\"a\":{\"medias\":[{\"streams\":[{\"stats\":"
	    "{\"lost\":3,\"packets\":2}}]}]},"
	    "\"b\":{\"medias\":[{\"streams\":[{\"stats\":"
	    "{\"lost\":0,\"packets\":0}}]}]}}}";
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	char *got;

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	a.seq = (uint16_t)(a.seq + 3);
	reaches(g, &a, &b);
	ask(g, with(delete ("c1"), "flags", json_pack("[s]", "tandem-brief")));
	got = json_dumps(g->reply, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(got, want);
	free(got);
	phone_end(&a);
	phone_end(&b);
}

/* The callee re-invites: the roles are turned, ports and media stay. */
static void
callee_may_offer_again(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone moved = phone_at("127.0.0.3");

	connect_both(g, &a, &b);
	ask(g,
	    with(offer("c1", "b", sdp_of(&moved, "")), "to-tag",
		json_string("a")));
	assert_int_equal(port_in(g, 0), addr_port(&a.to));
	ask(g, answer("c1", "b", "a", sdp_of(&a, "")));
	assert_int_equal(port_in(g, 0), addr_port(&b.to));
	moved.to = b.to;
	reaches(g, &a, &moved);
	reaches(g, &moved, &a);
	phone_end(&a);
	phone_end(&b);
	phone_end(&moved);
}

/* An answer counts for who did not offer, whichever way the tags stand. */
static void
tags_of_an_answer_may_be_turned(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");

	ask(g, offer("c1", "a", sdp_of(&a, "")));
	heard_by(g, &b);
	assert_non_null(ask(g, answer("c1", "b", "a", sdp_of(&b, ""))));
	heard_by(g, &a);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	ask(g,
	    with(offer("c1", "b", sdp_of(&b, "")), "to-tag", json_string("a")));
	assert_non_null(ask(g, answer("c1", "a", "b", sdp_of(&a, ""))));
	assert_int_equal(port_in(g, 0), addr_port(&b.to));
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	phone_end(&a);
	phone_end(&b);
}

/* What cannot be returned is not: encrypted media only, then no echo. */
static void
echo_of_secrets_is_refused(void **state)
{
	struct gate *g = *state;

	refused(g,
	    with(offer("c1", "a",
		     "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
		     "c=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		     "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 X inline:k\r\n"),
		"flags", json_pack("[s]", "tandem-echo")),
	    ERR_REFUSED, "No media that can be echoed");
	assert_int_equal(g->mg->n.sessions, 0);
}

/* A controller that has been replaced is not obeyed; who knows no epochs
 * is. */
static void
stale_epoch_is_refused(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");

	assert_non_null(ask(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "tandem-epoch",
		json_integer(7))));
	refused(g,
	    with(offer("c2", "a", sdp_of(&a, "")), "tandem-epoch",
		json_integer(6)),
	    ERR_REFUSED, "stale epoch");
	refused(g, with(delete ("c1"), "tandem-epoch", json_integer(6)),
	    ERR_REFUSED, "stale epoch");
	assert_int_equal(g->mg->n.sessions, 1);
	assert_int_equal(g->mg->n.stale, 2);
	assert_non_null(ask(g,
	    with(offer("c2", "a", sdp_of(&a, "")), "tandem-epoch",
		json_integer(8))));
	assert_non_null(ask(g, delete ("c1")));
	phone_end(&a);
}

/* Before it is fed an address the gate takes no calls; bad feeds are refused
 * and leave what was. */
static void
unfed_gate_is_not_ready(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	struct err e;

	refused(g, offer("c1", "a", sdp_of(&a, "")), ERR_REFUSED, "not ready");
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, NULL, "30000-30010", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "nobody", "30000-30010", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "0.0.0.0", "30000-30010", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "127.0.0.1", "30001-30002", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "127.0.0.1", "70000-80000", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "127.0.0.1", "30000", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "127.0.0.1", NULL, &e), 0);
	refused(g, offer("c1", "a", sdp_of(&a, "")), ERR_REFUSED, "not ready");
	feed(g, "127.0.0.1", 20);
	assert_non_null(ask(g, offer("c1", "a", sdp_of(&a, ""))));
	phone_end(&a);
}

/* rtpengine's words for what is not there. */
static void
unknown_calls_are_told(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");

	assert_non_null(ask(g, delete ("nobody")));
	assert_string_equal(ng_str(g->reply, "result"), "ok");
	assert_string_equal(ng_str(g->reply, "warning"),
	    "Call-ID not found or tags didn't match");
	refused(g, with(delete ("nobody"), "flags", json_pack("[s]", "fatal")),
	    ERR_REFUSED, "Call-ID not found or tags didn't match");
	refused(g,
	    json_pack("{s:s, s:s}", "command", "query", "call-id", "nobody"),
	    ERR_REFUSED, "Unknown call-id");
	refused(g, answer("nobody", "a", "b", sdp_of(&a, "")), ERR_REFUSED,
	    "Unknown call-id");
	ask(g, offer("c1", "a", sdp_of(&a, "")));
	refused(g, answer("c1", "x", "y", sdp_of(&a, "")), ERR_REFUSED,
	    "Invalid dialogue association");
	ask(g,
	    json_pack("{s:s, s:s, s:s}", "command", "delete", "call-id", "c1",
		"from-tag", "x"));
	assert_non_null(ng_str(g->reply, "warning"));
	assert_int_equal(g->mg->n.sessions, 1);
	phone_end(&a);
}

/* What is missing or wrong in a command is said; nothing is left open. */
static void
bad_commands_are_refused(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	char id[300];

	memset(id, 'x', sizeof id);
	id[299] = '\0';
	refused(g, json_pack("{s:s}", "command", "dance"), ERR_REFUSED,
	    "Unrecognized command");
	refused(g, json_pack("{s:s}", "command", "offer"), ERR_REFUSED,
	    "No SDP body in message");
	refused(g,
	    json_pack("{s:s, s:s}", "command", "offer", "sdp", "v=0\r\n"),
	    ERR_REFUSED, "No call-id in message");
	refused(g, json_pack("{s:s}", "command", "delete"), ERR_REFUSED,
	    "No call-id in message");
	refused(g, offer("c1", "a", "hello"), ERR_REFUSED,
	    "Failed to parse SDP: line 1: expected x=...");
	refused(g, offer(id, "a", sdp_of(&a, "")), ERR_REFUSED,
	    "Call-id, tag or branch too long");
	refused(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "ICE", json_string("force")),
	    ERR_REFUSED, "ICE is not supported");
	ask(g, offer("c1", "a", sdp_of(&a, "")));
	refused(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "command",
		json_string("answer")),
	    ERR_REFUSED, "No to-tag in message");
	assert_int_equal(g->mg->n.sessions, 1);
	phone_end(&a);
}

/* Who lost a reply asks again and gets the same. */
static void
repeated_offer_changes_nothing(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	json_t *first;
	unsigned i;

	for (i = 0; i < 2; i++) {
		ask(g, offer("c1", "a", sdp_of(&a, "")));
		first = json_incref(g->reply);
		ask(g, offer("c1", "a", sdp_of(&a, "")));
		assert_true(json_equal(first, g->reply));
		json_decref(first);
	}
	heard_by(g, &b);
	ask(g, answer("c1", "a", "b", sdp_of(&b, "")));
	heard_by(g, &a);
	first = json_incref(g->reply);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	ask(g, answer("c1", "a", "b", sdp_of(&b, "")));
	assert_true(json_equal(first, g->reply));
	json_decref(first);
	reaches(g, &a, &b);
	assert_int_equal(g->mg->n.sockets, 4);
	phone_end(&a);
	phone_end(&b);
}

/* The same SDP rings at two phones: the caller hears who answered last. */
static void
last_fork_to_answer_is_heard(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone c = phone_at("127.0.0.3");

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	ask(g, answer("c1", "a", "c", sdp_of(&c, "")));
	c.to = b.to;
	reaches(g, &a, &c);
	reaches(g, &c, &a);
	reaches_not(g, &b, &a);
	phone_end(&a);
	phone_end(&b);
	phone_end(&c);
}

/* Branches have ports of their own; the one not taken is deleted alone. */
static void
branches_have_their_own_ports(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone c = phone_at("127.0.0.1");

	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "via-branch",
		json_string("b1")));
	heard_by(g, &b);
	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "via-branch",
		json_string("b2")));
	heard_by(g, &c);
	assert_int_not_equal(addr_port(&b.to), addr_port(&c.to));
	ask(g,
	    with(answer("c1", "a", "c", sdp_of(&c, "")), "via-branch",
		json_string("b2")));
	heard_by(g, &a);
	ask(g,
	    with(answer("c1", "a", "b", sdp_of(&b, "")), "via-branch",
		json_string("b1")));
	assert_int_equal(port_in(g, 0), addr_port(&a.to));
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	reaches_not(g, &c, &a);
	assert_int_equal(g->mg->n.sockets, 6);
	ask(g, with(delete ("c1"), "via-branch", json_string("b2")));
	assert_int_equal(g->mg->n.sockets, 4);
	reaches(g, &a, &b);
	ask(g, with(delete ("c1"), "via-branch", json_string("b1")));
	assert_int_equal(g->mg->n.sockets, 0);
	phone_end(&a);
	phone_end(&b);
	phone_end(&c);
}

/* However many branches ring, query and delete still fit a datagram. */
static void
many_branches_are_told_in_short(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	char branch[16], tag[256];
	unsigned i;
	json_t *v;

	memset(tag, 't', sizeof tag - 1);
	tag[sizeof tag - 1] = '\0';
	for (i = 0; i < 31; i++) {
		snprintf(branch, sizeof branch, "b%u", i);
		snprintf(tag, 8, "%u", i);
		tag[strlen(tag)] = 't';
		v = offer("c1", "a", sdp_of(&a, "m=video 5000 RTP/AVP 99\r\n"));
		with(v, "via-branch", json_string(branch));
		assert_non_null(ask(g, with(v, "to-tag", json_string(tag))));
		if (i == 10) {
			ask(g,
			    json_pack("{s:s, s:s}", "command", "query",
				"call-id", "c1"));
			assert_int_equal(
			    json_object_size(json_object_get(g->reply, "tags")),
			    12);
		}
	}
	refused(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "via-branch",
		json_string("more")),
	    ERR_REFUSED, "Too many branches");
	assert_non_null(ask(g, delete ("c1")));
	assert_non_null(json_object_get(g->reply, "totals"));
	assert_int_equal(g->mg->n.sockets, 0);
	phone_end(&a);
}

/* What is asked of RTCP's port, and what both are told: offer and answer for
 * each of rtpengine's words. */
static void
mux_flags_are_followed(void **state)
{
	static const struct {
		const char *flag;    /* NULL = none */
		bool caller, callee; /* who has a=rtcp-mux */
		bool asked, told;    /* is the callee asked, the caller told */
	} row[] = {
	    {NULL, false, false, false, false},
	    {NULL, true, true, true, true},
	    {NULL, true, false, true, false},
	    {"offer", false, true, true, false},
	    {"require", false, true, true, false},
	    {"demux", true, false, false, true},
	    {"accept", true, false, true, true},
	    {"reject", true, false, false, false},
	};
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	const char *const say[] = {"", "a=rtcp-mux\r\n"};
	unsigned i;
	json_t *v;

	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		v = offer("c1", "a", sdp_of(&a, say[row[i].caller]));
		if (row[i].flag != NULL)
			with(v, "rtcp-mux", json_pack("[s]", row[i].flag));
		ask(g, v);
		assert_int_equal(
		    strstr(ng_str(g->reply, "sdp"), "rtcp-mux") != NULL,
		    row[i].asked);
		ask(g, answer("c1", "a", "b", sdp_of(&a, say[row[i].callee])));
		assert_int_equal(
		    strstr(ng_str(g->reply, "sdp"), "rtcp-mux") != NULL,
		    row[i].told);
		ask(g, delete ("c1"));
	}
	phone_end(&a);
}

/* Sound and picture pass; a section that the answer refuses gives its ports
 * back, one that comes later gets some. */
static void
sections_come_and_go(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone va = phone_at("127.0.0.1"), vb = phone_at("127.0.0.1");
	char video[80];
	unsigned i;

	connect_both(g, &a, &b);
	for (i = 0; i < 2; i++) {
		snprintf(
		    video, sizeof video, "m=video %u RTP/AVP 8\r\n", va.port);
		ask(g,
		    with(offer("c1", "a", sdp_of(&a, video)), "to-tag",
			json_string("b")));
		vb.to = a.to;
		addr_set_port(&vb.to, port_in(g, 1));
		assert_int_equal(g->mg->n.sockets, 8);
		snprintf(video, sizeof video, "m=video %u RTP/AVP 8\r\n",
		    i == 0 ? 0 : vb.port);
		ask(g, answer("c1", "a", "b", sdp_of(&b, video)));
		va.to = a.to;
		addr_set_port(&va.to, port_in(g, 1));
		if (i == 0) {
			assert_int_equal(port_in(g, 1), 0);
			assert_int_equal(g->mg->n.sockets, 4);
		}
		reaches(g, &a, &b);
	}
	reaches(g, &va, &vb);
	reaches(g, &vb, &va);
	reaches(g, &b, &a);
	phone_end(&a);
	phone_end(&b);
	phone_end(&va);
	phone_end(&vb);
}

/* When the ports are used up the offer is refused in rtpengine's words and
 * leaves nothing behind; after a delete the next one is taken. */
static void
ports_run_out_and_come_back(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	unsigned i, before;
	char id[16];

	feed(g, "127.0.0.1", 20); /* ten pairs: five calls, if all are free */
	before = descriptors();
	for (i = 0; i < 6; i++) {
		snprintf(id, sizeof id, "c%u", i);
		if (ask(g, offer(id, "a", sdp_of(&a, ""))) == NULL)
			break;
	}
	assert_in_range(i, 1, 5);
	assert_string_equal(g->err.text, "Ran out of ports");
	assert_int_equal(g->mg->n.sessions, i);
	assert_int_equal(descriptors(), before + 4 * i);
	ask(g, delete ("c0"));
	assert_non_null(ask(g, offer("again", "a", sdp_of(&a, ""))));
	assert_int_equal(g->mg->n.no_ports, 1);
	phone_end(&a);
}

/* A section that cannot be had is refused with the whole offer, and the call
 * goes on as it was. */
static void
refused_section_changes_nothing(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	g->mg->ports.sockets_max = 6; /* room for one of two */
	refused(g,
	    with(offer("c1", "a", sdp_of(&a, "m=video 5000 RTP/AVP 99\r\n")),
		"to-tag", json_string("b")),
	    ERR_FULL, "Parallel session limit reached");
	assert_int_equal(g->mg->n.sockets, 4);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	phone_end(&a);
	phone_end(&b);
}

/* When the process has no descriptors left it says so as a load limit. */
static void
descriptors_are_bounded(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");

	g->mg->ports.sockets_max = 6;
	assert_non_null(ask(g, offer("c1", "a", sdp_of(&a, ""))));
	refused(g, offer("c2", "a", sdp_of(&a, "")), ERR_FULL,
	    "Parallel session limit reached");
	assert_int_equal(g->mg->n.sockets, 4);
	assert_int_equal(g->mg->n.sessions, 1);
	phone_end(&a);
}

/* A thousand calls come and go, a hundred at a time, without a trace. */
static void
thousand_calls_leave_nothing(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	unsigned before = descriptors(), i;
	char id[16];

	for (i = 0; i < 1020; i++) {
		snprintf(id, sizeof id, "c%u", i);
		if (i < 1000) {
			assert_non_null(ask(g, offer(id, "a", sdp_of(&a, ""))));
			assert_non_null(
			    ask(g, answer(id, "a", "b", sdp_of(&b, ""))));
		}
		if (i < 20)
			continue;
		snprintf(id, sizeof id, "c%u", i - 20);
		assert_non_null(ask(g, delete (id)));
		assert_null(ng_str(g->reply, "warning"));
	}
	assert_int_equal(descriptors(), before);
	assert_int_equal(g->mg->n.sessions, 0);
	assert_int_equal(g->mg->n.calls, 1000);
	phone_end(&a);
	phone_end(&b);
}

/* The list is told in pages, each call once. */
static void
list_is_paged(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	unsigned i, seen = 0, pages = 0;
	int64_t next = 0;
	char id[16];

	for (i = 0; i < 25; i++) {
		snprintf(id, sizeof id, "c%u", i);
		ask(g, offer(id, "a", sdp_of(&a, "")));
	}
	do {
		ask(g,
		    json_pack("{s:s, s:i, s:I}", "command", "list", "limit", 10,
			"tandem-after", (json_int_t)next));
		seen += (unsigned)json_array_size(
		    json_object_get(g->reply, "calls"));
		next = ng_int(g->reply, "tandem-next", 0);
		pages++;
	} while (next != 0);
	assert_int_equal(seen, 25);
	assert_int_equal(pages, 3);
	refused(g, json_pack("{s:s, s:i}", "command", "list", "limit", 0),
	    ERR_REFUSED, "Invalid limit, must be > 0");
	phone_end(&a);
}

/* A call that nobody deletes ends after an hour of silence, or a day without
 * a command; not before. */
static void
forgotten_calls_end(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct mg_call *c;
	uint64_t t;

	connect_both(g, &a, &b);
	c = mg_call_find(g->mg, "c1");
	t = c->touched;
	mg_call_sweep(g->mg, t + MG_CALL_IDLE - 1);
	assert_int_equal(g->mg->n.sessions, 1);
	c->parties.tqh_first->media[0]->rtp.last = t + MG_CALL_IDLE;
	mg_call_sweep(g->mg, t + 2 * MG_CALL_IDLE - 1);
	assert_int_equal(g->mg->n.sessions, 1);
	c->parties.tqh_first->media[0]->rtp.last = t + MG_CALL_AGE - 1;
	mg_call_sweep(g->mg, t + MG_CALL_AGE - 1);
	assert_int_equal(g->mg->n.sessions, 1);
	mg_call_sweep(g->mg, t + MG_CALL_AGE);
	assert_int_equal(g->mg->n.sessions, 0);
	assert_int_equal(g->mg->n.sockets, 0);
	ask(g, offer("c2", "a", sdp_of(&a, "")));
	t = mg_call_find(g->mg, "c2")->touched;
	mg_call_sweep(g->mg, t + MG_CALL_IDLE);
	assert_int_equal(g->mg->n.sessions, 0);
	assert_int_equal(g->mg->n.expired, 2);
	phone_end(&a);
	phone_end(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(delete_closes_the_ports),
	    TEST(delete_and_query_tell_counts),
	    TEST(a_brief_delete_tells_packets_and_lost),
	    TEST(callee_may_offer_again),
	    TEST(tags_of_an_answer_may_be_turned),
	    TEST(echo_of_secrets_is_refused),
	    TEST(stale_epoch_is_refused),
	    cmocka_unit_test_setup_teardown(
		unfed_gate_is_not_ready, setup_unfed, teardown),
	    TEST(unknown_calls_are_told),
	    TEST(bad_commands_are_refused),
	    TEST(repeated_offer_changes_nothing),
	    TEST(last_fork_to_answer_is_heard),
	    TEST(branches_have_their_own_ports),
	    TEST(many_branches_are_told_in_short),
	    TEST(mux_flags_are_followed),
	    TEST(sections_come_and_go),
	    TEST(ports_run_out_and_come_back),
	    TEST(refused_section_changes_nothing),
	    TEST(descriptors_are_bounded),
	    TEST(thousand_calls_leave_nothing),
	    TEST(list_is_paged),
	    TEST(forgotten_calls_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
