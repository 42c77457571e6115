/* Session descriptions: what is read of them and how they are rewritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/mg/mg.h"

#define HEAD                            \
	"v=0\r\n"                       \
	"o=- 77 1 IN IP4 192.0.2.7\r\n" \
	"s=-\r\n"                       \
	"c=IN IP4 192.0.2.7\r\n"        \
	"t=0 0\r\n"
#define AUDIO "m=audio 4000 RTP/AVP 8 101\r\n"
#define OUR_HEAD                          \
	"v=0\r\n"                         \
	"o=- 77 1 IN IP4 203.0.113.1\r\n" \
	"s=-\r\n"                         \
	"c=IN IP4 203.0.113.1\r\n"        \
	"t=0 0\r\n"
#define OUR_AUDIO "m=audio 30000 RTP/AVP 8 101\r\n"

static struct mg_sdp sdp;

static void
read_sdp(const char *text)
{
	struct err e;

	if (mg_sdp_parse(&sdp, text, strlen(text), &e) != 0) {
		print_error("%s\n", e.text);
		fail();
	}
}

static void
refused(const char *text, const char *words)
{
	struct err e = {0};

	assert_int_not_equal(mg_sdp_parse(&sdp, text, strlen(text), &e), 0);
	if (strcmp(e.text, words) != 0) {
		print_error("%s\ninstead of: %s\n", e.text, words);
		fail();
	}
}

static void
address_is(const union addr *a, const char *text)
{
	char out[ADDR_TEXT] = "none";

	if (a->sa.sa_family != AF_UNSPEC)
		addr_text(out, a);
	assert_string_equal(out, text);
}

/* A plan with ports 30000, 30002 ... for every section that has one. */
static void
plan_all(struct mg_sdp_plan *plan)
{
	unsigned i;

	memset(plan, 0, sizeof *plan);
	plan->origin = true;
	addr_parse(&plan->local, "203.0.113.1", 0);
	for (i = 0; i < sdp.count; i++) {
		struct mg_sdp_plan_section *p = &plan->section[i];
		const struct mg_section *s = &sdp.section[i];

		if (s->port == 0 || s->dead || s->kind == MG_KIND_NONE)
			continue;
		p->port = (uint16_t)(30000 + 2 * i);
		p->rtcp = (uint16_t)(30001 + 2 * i);
		p->say_rtcp = s->has_rtcp;
		p->dir = s->hold ? s->dir & MG_SEND : MG_DIR_KEEP;
		memcpy(p->formats, s->formats, sizeof p->formats);
	}
}

static void
written(const struct mg_sdp_plan *plan, const char *golden)
{
	struct buf b = BUF_INIT;

	mg_sdp_write(&b, &sdp, plan);
	assert_int_equal(b.failed, 0);
	if (strcmp(b.data, golden) != 0) {
		print_error("written:\n%s\nexpected:\n%s", b.data, golden);
		fail();
	}
	buf_fini(&b);
}

/* Read, plan every section, write: the golden text. */
static void
becomes(const char *text, const char *golden)
{
	struct mg_sdp_plan plan;

	read_sdp(text);
	plan_all(&plan);
	written(&plan, golden);
}

/* The plain case: address of o= and c=, port of m=; all else as it was. */
static void
address_and_port_become_ours(void **state)
{
	(void)state;
	becomes(HEAD AUDIO "a=rtpmap:8 PCMA/8000\r\n"
			   "a=rtpmap:101 telephone-event/8000\r\n"
			   "a=fmtp:101 0-16\r\n"
			   "a=ptime:20\r\n"
			   "a=sendrecv\r\n",
	    OUR_HEAD OUR_AUDIO "a=rtpmap:8 PCMA/8000\r\n"
			       "a=rtpmap:101 telephone-event/8000\r\n"
			       "a=fmtp:101 0-16\r\n"
			       "a=ptime:20\r\n"
			       "a=sendrecv\r\n");
	address_is(&sdp.section[0].rtp, "192.0.2.7:4000");
	address_is(&sdp.section[0].rtcp, "192.0.2.7:4001");
	assert_int_equal(sdp.section[0].kind, MG_KIND_RTP);
	assert_int_equal(sdp.section[0].dir, MG_SEND | MG_RECV);
	assert_int_equal(sdp.section[0].first, 8);
	assert_true(mg_bit(sdp.section[0].formats, 101));
	assert_true(mg_bit(sdp.section[0].events, 101));
	assert_false(mg_bit(sdp.section[0].formats, 0));
	assert_int_equal(sdp.section[0].rate[8], 8000);
	assert_int_equal(mg_sdp_family(&sdp), AF_INET);
}

/* Lines that end with LF alone are read, and leave with CRLF. */
static void
bare_line_feeds_are_read(void **state)
{
	(void)state;
	becomes("v=0\no=- 77 1 IN IP4 192.0.2.7\ns=-\nc=IN IP4 192.0.2.7\n"
		"t=0 0\nm=audio 4000 RTP/AVP 8 101\n\n",
	    OUR_HEAD OUR_AUDIO);
}

/* Without "origin" in replace, o= is the sender's own. */
static void
origin_stays_when_not_asked(void **state)
{
	struct mg_sdp_plan plan;

	(void)state;
	read_sdp(HEAD AUDIO);
	plan_all(&plan);
	plan.origin = false;
	written(&plan,
	    "v=0\r\no=- 77 1 IN IP4 192.0.2.7\r\ns=-\r\n"
	    "c=IN IP4 203.0.113.1\r\nt=0 0\r\n" OUR_AUDIO);
}

/* A section's own c= is what counts for it; every one becomes ours. */
static void
section_has_its_own_address(void **state)
{
	(void)state;
	becomes("v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nt=0 0\r\n"
		"m=audio 4000 RTP/AVP 0\r\ni=voice\r\nc=IN IP4 192.0.2.8\r\n"
		"m=video 4002 RTP/AVP 99\r\nc=IN IP4 192.0.2.9\r\n"
		"a=rtpmap:99 VP8/90000\r\n",
	    "v=0\r\no=- 1 1 IN IP4 203.0.113.1\r\ns=-\r\nt=0 0\r\n"
	    "m=audio 30000 RTP/AVP 0\r\ni=voice\r\nc=IN IP4 203.0.113.1\r\n"
	    "m=video 30002 RTP/AVP 99\r\nc=IN IP4 203.0.113.1\r\n"
	    "a=rtpmap:99 VP8/90000\r\n");
	address_is(&sdp.section[0].rtp, "192.0.2.8:4000");
	address_is(&sdp.section[1].rtp, "192.0.2.9:4002");
	assert_int_equal(sdp.section[1].rate[99], 90000);
}

/* IPv6 comes in, IPv4 goes out: each side has its own family. */
static void
ipv6_is_bridged(void **state)
{
	(void)state;
	becomes("v=0\r\no=- 1 1 IN IP6 2001:db8::7\r\ns=-\r\n"
		"c=IN IP6 2001:db8::7\r\nt=0 0\r\n" AUDIO,
	    "v=0\r\no=- 1 1 IN IP4 203.0.113.1\r\ns=-\r\n"
	    "c=IN IP4 203.0.113.1\r\nt=0 0\r\n" OUR_AUDIO);
	address_is(&sdp.section[0].rtp, "[2001:db8::7]:4000");
	address_is(&sdp.section[0].rtcp, "[2001:db8::7]:4001");
	assert_int_equal(mg_sdp_family(&sdp), AF_INET6);
}

/* And the other way round. */
static void
ipv4_is_shown_as_ipv6(void **state)
{
	struct mg_sdp_plan plan;

	(void)state;
	read_sdp(HEAD AUDIO);
	plan_all(&plan);
	addr_parse(&plan.local, "2001:db8::1", 0);
	written(&plan,
	    "v=0\r\no=- 77 1 IN IP6 2001:db8::1\r\ns=-\r\n"
	    "c=IN IP6 2001:db8::1\r\nt=0 0\r\n" OUR_AUDIO);
}

/* a=rtcp tells where RTCP goes, with an address or without; ours replaces
 * it where it stood. */
static void
rtcp_attribute_is_read_and_replaced(void **state)
{
	(void)state;
	becomes(HEAD AUDIO "a=rtcp:5555\r\n",
	    OUR_HEAD OUR_AUDIO "a=rtcp:30001\r\n");
	address_is(&sdp.section[0].rtcp, "192.0.2.7:5555");
	becomes(HEAD AUDIO "a=rtcp:5555 IN IP4 192.0.2.9\r\na=ptime:20\r\n",
	    OUR_HEAD OUR_AUDIO "a=ptime:20\r\na=rtcp:30001\r\n");
	address_is(&sdp.section[0].rtcp, "192.0.2.9:5555");
}

/* a=rtcp-mux is ours to say or not. */
static void
mux_is_said_as_planned(void **state)
{
	struct mg_sdp_plan plan;

	(void)state;
	becomes(HEAD AUDIO "a=rtcp-mux\r\n", OUR_HEAD OUR_AUDIO);
	assert_true(sdp.section[0].mux);
	plan_all(&plan);
	plan.section[0].mux = true;
	written(&plan, OUR_HEAD OUR_AUDIO "a=rtcp-mux\r\n");
}

/* Nothing that names a way around us passes. */
static void
ice_and_alternatives_go(void **state)
{
	(void)state;
	becomes(HEAD "a=ice-lite\r\na=ice-options:trickle\r\n"
		     "a=group:BUNDLE 0 1\r\na=group:LS 0 1\r\n"
		     "a=tool:x\r\n" AUDIO "a=ice-ufrag:abcd\r\n"
		     "a=ice-pwd:0123456789012345678901\r\n"
		     "a=candidate:1 1 UDP 2130706431 10.0.1.1 5000 typ host\r\n"
		     "a=remote-candidates:1 10.0.1.1 5000\r\n"
		     "a=end-of-candidates\r\na=mid:0\r\na=bundle-only\r\n"
		     "a=alt:1 1 : a b 10.0.1.1 5000\r\n"
		     "a=source-filter: incl IN IP4 * 10.0.1.1\r\n",
	    OUR_HEAD "a=group:LS 0 1\r\na=tool:x\r\n" OUR_AUDIO "a=mid:0\r\n");
}

/* Directions are read, of the session for sections that are silent. */
static void
directions_are_read(void **state)
{
	(void)state;
	read_sdp(HEAD "a=sendonly\r\n" AUDIO
		      "m=audio 5000 RTP/AVP 0\r\na=recvonly\r\n"
		      "m=audio 5002 RTP/AVP 0\r\na=inactive\r\n"
		      "m=audio 5004 RTP/AVP 0\r\na=sendrecv\r\n");
	assert_int_equal(sdp.section[0].dir, MG_SEND);
	assert_int_equal(sdp.section[1].dir, MG_RECV);
	assert_int_equal(sdp.section[2].dir, 0);
	assert_int_equal(sdp.section[3].dir, MG_SEND | MG_RECV);
}

/* The hold of old, 0.0.0.0, is passed as the hold of today: our address,
 * and nothing is to be sent to the holder. */
static void
old_hold_becomes_sendonly(void **state)
{
	(void)state;
	becomes("v=0\r\no=- 77 1 IN IP4 192.0.2.7\r\ns=-\r\n"
		"c=IN IP4 0.0.0.0\r\nt=0 0\r\n" AUDIO "a=ptime:20\r\n",
	    OUR_HEAD OUR_AUDIO "a=ptime:20\r\na=sendonly\r\n");
	assert_true(sdp.section[0].hold);
	address_is(&sdp.section[0].rtp, "none");
	address_is(&sdp.section[0].rtcp, "none");
	becomes("v=0\r\no=- 77 1 IN IP4 192.0.2.7\r\ns=-\r\n"
		"c=IN IP4 0.0.0.0\r\nt=0 0\r\n" AUDIO "a=recvonly\r\n",
	    OUR_HEAD OUR_AUDIO "a=inactive\r\n");
}

/* Holds of today pass as they are. */
static void
new_hold_passes(void **state)
{
	(void)state;
	becomes(
	    HEAD AUDIO "a=sendonly\r\n", OUR_HEAD OUR_AUDIO "a=sendonly\r\n");
	becomes(
	    HEAD AUDIO "a=inactive\r\n", OUR_HEAD OUR_AUDIO "a=inactive\r\n");
}

/* Audio and video, secure or not, keep their places and attributes. */
static void
video_and_srtp_pass(void **state)
{
	(void)state;
	becomes(HEAD "m=audio 4000 RTP/SAVP 0\r\n"
		     "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n"
		     "m=video 4002 UDP/TLS/RTP/SAVPF 99 100\r\nb=AS:500\r\n"
		     "a=rtpmap:99 VP8/90000\r\na=rtpmap:100 rtx/90000\r\n"
		     "a=fmtp:100 apt=99\r\na=rtcp-fb:99 nack pli\r\n"
		     "a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n",
	    OUR_HEAD "m=audio 30000 RTP/SAVP 0\r\n"
		     "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n"
		     "m=video 30002 UDP/TLS/RTP/SAVPF 99 100\r\nb=AS:500\r\n"
		     "a=rtpmap:99 VP8/90000\r\na=rtpmap:100 rtx/90000\r\n"
		     "a=fmtp:100 apt=99\r\na=rtcp-fb:99 nack pli\r\n"
		     "a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n");
	assert_int_equal(sdp.section[0].kind, MG_KIND_SRTP);
	assert_int_equal(sdp.section[1].kind, MG_KIND_DTLS);
}

/* A section that cannot pass keeps its place, with port 0 and no more; one
 * that was refused stays so. Fax over UDPTL passes. */
static void
foreign_sections_are_refused_in_place(void **state)
{
	(void)state;
	becomes(HEAD AUDIO
	    "m=message 9 TCP/MSRP *\r\na=path:msrp://10.0.0.1\r\n"
	    "m=video 0 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n"
	    "m=audio 4010/2 RTP/AVP 0\r\n"
	    "m=audio 4020 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n"
	    "m=image 4030 udptl t38\r\na=T38FaxVersion:0\r\n",
	    OUR_HEAD OUR_AUDIO "m=message 0 TCP/MSRP *\r\n"
			       "m=video 0 RTP/AVP 99\r\n"
			       "m=audio 0 RTP/AVP 0\r\n"
			       "m=audio 0 RTP/AVP 0\r\n"
			       "m=image 30010 udptl t38\r\n"
			       "a=T38FaxVersion:0\r\n");
	assert_int_equal(sdp.section[5].kind, MG_KIND_UDPTL);
	becomes("v=0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n",
	    "v=0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"
	    "c=IN IP4 203.0.113.1\r\n");
}

/* A name instead of an address is not resolved: the place is unknown. */
static void
names_are_not_resolved(void **state)
{
	(void)state;
	becomes("v=0\r\no=- 77 1 IN IP4 pc.example.com\r\ns=-\r\n"
		"c=IN IP4 pc.example.com\r\nt=0 0\r\n" AUDIO,
	    OUR_HEAD OUR_AUDIO);
	address_is(&sdp.section[0].rtp, "none");
	assert_false(sdp.section[0].hold);
	assert_int_equal(mg_sdp_family(&sdp), AF_UNSPEC);
}

/* The answer of the echo: an SDP of our own with one format and events. */
static void
echo_is_written_fresh(void **state)
{
	struct mg_sdp_plan plan;

	(void)state;
	read_sdp("v=0\r\no=alice 77 1 IN IP4 192.0.2.7\r\ns=Call of Alice\r\n"
		 "i=secret\r\ne=alice@example.com\r\n"
		 "c=IN IP4 192.0.2.7\r\nt=0 0\r\na=tool:x\r\n"
		 "m=audio 4000 RTP/AVP 8 0 101\r\nb=AS:80\r\n"
		 "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
		 "a=fmtp:0 x=1\r\n"
		 "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
		 "a=ssrc:1 cname:alice\r\na=sendonly\r\n"
		 "m=video 4002 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n");
	plan_all(&plan);
	plan.fresh = true;
	plan.session = 5;
	plan.version = 2;
	plan.section[1].port = 0;
	memcpy(plan.section[0].formats, sdp.section[0].events, 16);
	mg_bit_set(plan.section[0].formats, sdp.section[0].first);
	plan.section[0].dir = MG_RECV;
	written(&plan,
	    "v=0\r\no=- 5 2 IN IP4 203.0.113.1\r\ns=-\r\n"
	    "c=IN IP4 203.0.113.1\r\nt=0 0\r\n"
	    "m=audio 30000 RTP/AVP 8 101\r\n"
	    "a=rtpmap:8 PCMA/8000\r\n"
	    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
	    "a=recvonly\r\n"
	    "m=video 0 RTP/AVP 99\r\n");
}

/* Names of sources are hidden, the same one always by the same letters, of
 * the same length; encrypted ones cannot be, for RTCP's stay as they are. */
static void
names_of_sources_are_hidden(void **state)
{
	static const uint8_t key[16] = "0123456789abcdef";
	struct mg_sdp_plan plan;
	char name[32] = "alice@10.0.0.1";
	char text[300], golden[300];

	(void)state;
	mg_mask_name(name, 14, key);
	assert_int_equal(strlen(name), 14);
	assert_int_equal(strspn(name, "0123456789abcdefghijklmnopqrstuv"), 14);
	snprintf(text, sizeof text,
	    "%s%sa=ssrc:7 cname:alice@10.0.0.1\r\na=ssrc:7 msid:x\r\n", HEAD,
	    AUDIO);
	snprintf(golden, sizeof golden,
	    "%s%sa=ssrc:7 cname:%s\r\na=ssrc:7 msid:x\r\n", OUR_HEAD, OUR_AUDIO,
	    name);
	read_sdp(text);
	plan_all(&plan);
	plan.mask = key;
	written(&plan, golden);
	read_sdp(HEAD "m=audio 4000 RTP/SAVP 8\r\na=ssrc:7 cname:alice\r\n");
	plan_all(&plan);
	plan.mask = key;
	written(&plan,
	    OUR_HEAD "m=audio 30000 RTP/SAVP 8\r\na=ssrc:7 cname:alice\r\n");
}

/* What is no SDP is refused, with the line and what was expected there. */
static void
bad_sdp_is_refused(void **state)
{
	char many[4000];
	size_t n;
	unsigned i;

	(void)state;
	refused("", "line 1: expected v=0");
	refused("hello", "line 1: expected x=...");
	refused("v=1\r\n", "line 1: expected v=0");
	refused("s=-\r\n", "line 1: expected v=0");
	refused("v=0\r\no=- 1 1 IN IP4\r\n",
	    "line 2: expected IN IP4 or IP6 and an address");
	refused("v=0\r\no=- 1\r\n", "line 2: expected six words of an origin");
	refused("v=0\r\nc=IN IP4 2001:db8::1\r\n",
	    "line 2: expected IN IP4 or IP6 and an address");
	refused("v=0\r\nc=IN IP6 192.0.2.1\r\n",
	    "line 2: expected IN IP4 or IP6 and an address");
	refused("v=0\r\nc=ATM NSAP 47\r\n",
	    "line 2: expected IN IP4 or IP6 and an address");
	refused("v=0\r\nm=audio\r\n", "line 2: expected a port");
	refused(
	    "v=0\r\nm=audio 70000 RTP/AVP 0\r\n", "line 2: expected a port");
	refused("v=0\r\nm=audio -1 RTP/AVP 0\r\n", "line 2: expected a port");
	refused("v=0\r\nm=audio 4000\r\n", "line 2: expected a protocol");
	refused("v=0\r\nm=audio 4000 RTP/AVP\r\n",
	    "line 2: expected a format behind the protocol");
	refused("v=0\r\nm=audio 4000 RTP/AVP 128\r\n",
	    "line 2: expected payload types of 0 to 127");
	refused(HEAD "m=audio 4000 RTP/AVP x\r\n",
	    "line 6: expected payload types of 0 to 127");
	refused(HEAD AUDIO "a=rtpmap:200 X/8000\r\n",
	    "line 7: expected a payload type of 0 to 127");
	refused(HEAD AUDIO "a=rtpmap:8 PCMA\r\n",
	    "line 7: expected a codec's name and clock");
	refused(HEAD AUDIO "a=rtpmap:8 PCMA/fast\r\n",
	    "line 7: expected the clock of a codec");
	refused(HEAD AUDIO "a=rtcp:none\r\n", "line 7: expected a port");
	refused("v=0\r\ns=-\r\n" AUDIO,
	    "line 3: section 1 ends without a c= of its own or of the session");
	refused("v=0\r\ns=a\x01"
		"b\r\n",
	    "line 2: a control character");
	n = (size_t)snprintf(many, sizeof many, HEAD);
	for (i = 0; i < 17; i++)
		n += (size_t)snprintf(many + n, sizeof many - n, AUDIO);
	refused(many, "line 22: more than 16 sections");
}

/* A line is bounded. */
static void
long_line_is_refused(void **state)
{
	char *text = test_calloc(6000, 1);

	(void)state;
	strcpy(text, "v=0\r\ns=");
	memset(text + 7, 'x', 5000);
	refused(text, "line 2: longer than 4096 bytes");
	test_free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(address_and_port_become_ours),
	    cmocka_unit_test(bare_line_feeds_are_read),
	    cmocka_unit_test(origin_stays_when_not_asked),
	    cmocka_unit_test(section_has_its_own_address),
	    cmocka_unit_test(ipv6_is_bridged),
	    cmocka_unit_test(ipv4_is_shown_as_ipv6),
	    cmocka_unit_test(rtcp_attribute_is_read_and_replaced),
	    cmocka_unit_test(mux_is_said_as_planned),
	    cmocka_unit_test(ice_and_alternatives_go),
	    cmocka_unit_test(directions_are_read),
	    cmocka_unit_test(old_hold_becomes_sendonly),
	    cmocka_unit_test(new_hold_passes),
	    cmocka_unit_test(video_and_srtp_pass),
	    cmocka_unit_test(foreign_sections_are_refused_in_place),
	    cmocka_unit_test(names_are_not_resolved),
	    cmocka_unit_test(echo_is_written_fresh),
	    cmocka_unit_test(names_of_sources_are_hidden),
	    cmocka_unit_test(bad_sdp_is_refused),
	    cmocka_unit_test(long_line_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
