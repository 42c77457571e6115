/*
 * Replies assembled as text: no message object is made for them. Decides what
 * of a request a reply repeats (RFC 3261 8.2.6) and where it goes (18.2.2).
 * The request may be one that sip_parse refused: what it lacks is left out.
 * Called by SR and SG.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>

#include "daemon/base/str.h"
#include "sip.h"

/* sofia's printers leave out a string that would end within the last bytes
 * of the buffer, and count it as written. */
#define SIP_REPLY_SPARE 8

/* RFC 3261 21, and the IANA registry for what came later. */
static const char *const sip_phrases[700] = {
    [100] = "Trying",
    [180] = "Ringing",
    [181] = "Call Is Being Forwarded",
    [182] = "Queued",
    [183] = "Session Progress",
    [199] = "Early Dialog Terminated",
    [200] = "OK",
    [202] = "Accepted",
    [204] = "No Notification",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Moved Temporarily",
    [305] = "Use Proxy",
    [380] = "Alternative Service",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [410] = "Gone",
    [412] = "Conditional Request Failed",
    [413] = "Request Entity Too Large",
    [414] = "Request-URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Unsupported URI Scheme",
    [417] = "Unknown Resource-Priority",
    [420] = "Bad Extension",
    [421] = "Extension Required",
    [422] = "Session Interval Too Small",
    [423] = "Interval Too Brief",
    [424] = "Bad Location Information",
    [428] = "Use Identity Header",
    [429] = "Provide Referrer Identity",
    [430] = "Flow Failed",
    [433] = "Anonymity Disallowed",
    [436] = "Bad Identity Info",
    [437] = "Unsupported Credential",
    [438] = "Invalid Identity Header",
    [439] = "First Hop Lacks Outbound Support",
    [440] = "Max-Breadth Exceeded",
    [469] = "Bad Info Package",
    [470] = "Consent Needed",
    [480] = "Temporarily Unavailable",
    [481] = "Call/Transaction Does Not Exist",
    [482] = "Loop Detected",
    [483] = "Too Many Hops",
    [484] = "Address Incomplete",
    [485] = "Ambiguous",
    [486] = "Busy Here",
    [487] = "Request Terminated",
    [488] = "Not Acceptable Here",
    [489] = "Bad Event",
    [491] = "Request Pending",
    [493] = "Undecipherable",
    [494] = "Security Agreement Required",
    [500] = "Server Internal Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Server Time-out",
    [505] = "Version Not Supported",
    [513] = "Message Too Large",
    [555] = "Push Notification Service Not Supported",
    [580] = "Precondition Failure",
    [600] = "Busy Everywhere",
    [603] = "Decline",
    [604] = "Does Not Exist Anywhere",
    [606] = "Not Acceptable",
    [607] = "Unwanted",
    [608] = "Rejected",
};

const char *
sip_phrase(int status)
{
	if (status < 100 || status > 699 || sip_phrases[status] == NULL)
		return "";
	return sip_phrases[status];
}

/* The value of one header as sofia prints it: one line, nothing folded. */
static void
sip_reply_value(struct buf *b, const void *header)
{
	const msg_header_t *h = header;
	size_t room = 256;
	char *at;
	issize_t n;

	for (;;) {
		if ((at = buf_reserve(b, room)) == NULL)
			return;
		n = msg_header_field_e(at, room, h, 0);
		if (n < 0) {
			b->failed = 1;
			return;
		}
		if ((size_t)n + SIP_REPLY_SPARE <= room)
			break;
		room = (size_t)n + SIP_REPLY_SPARE;
	}
	b->len += (size_t)n;
	b->data[b->len] = '\0';
}

/* One header line; nothing when the request had none. */
static void
sip_reply_line(struct buf *b, const char *name, const void *header)
{
	if (header == NULL)
		return;
	buf_str(b, name);
	sip_reply_value(b, header);
	buf_add(b, "\r\n", 2);
}

void
sip_reply_begin(struct buf *b, const sip_t *request, int status,
    const char *phrase, const char *to_tag)
{
	const sip_via_t *via;
	char code[16];
	int n;

	n = snprintf(code, sizeof code, "SIP/2.0 %d ", status);
	buf_add(b, code, (size_t)n);
	buf_str(b, phrase != NULL ? phrase : sip_phrase(status));
	buf_add(b, "\r\n", 2);
	for (via = request->sip_via; via != NULL; via = via->v_next)
		sip_reply_line(b, "Via: ", via);
	sip_reply_line(b, "From: ", request->sip_from);
	if (request->sip_to != NULL) {
		buf_str(b, "To: ");
		sip_reply_value(b, request->sip_to);
		if (to_tag != NULL && request->sip_to->a_tag == NULL) {
			buf_str(b, ";tag=");
			buf_str(b, to_tag);
		}
		buf_add(b, "\r\n", 2);
	}
	sip_reply_line(b, "Call-ID: ", request->sip_call_id);
	sip_reply_line(b, "CSeq: ", request->sip_cseq);
}

void
sip_reply_end(struct buf *b, const char *type, const void *body, size_t n)
{
	if (body == NULL || n == 0) {
		buf_str(b, "Content-Length: 0\r\n\r\n");
		return;
	}
	if (type != NULL)
		buf_fmt(b, "Content-Type: %s\r\n", type);
	buf_fmt(b, "Content-Length: %zu\r\n\r\n", n);
	buf_add(b, body, n);
}

/* A port written in a Via; def when there is none, 0 when it is none. */
static uint16_t
sip_reply_port(const char *text, uint16_t def)
{
	int64_t port;

	if (text == NULL || *text == '\0')
		return def;
	return str_int(text, 1, 65535, &port) ? (uint16_t)port : 0;
}

bool
sip_reply_address(const sip_t *request, union addr *to)
{
	const sip_via_t *v = request->sip_via;
	uint16_t port;
	const char *host;

	if (v == NULL)
		return false;
	host = v->v_received != NULL ? v->v_received : v->v_host;
	port = sip_reply_port(v->v_port, 5060);
	port = sip_reply_port(v->v_rport, port);
	return host != NULL && port != 0 && addr_parse(to, host, port);
}
