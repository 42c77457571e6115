/*
 * Which messages of a call belong together. Every hop is recorded by itself,
 * so what belongs together passed between the same two.
 */
#include <string.h>

#include "message.h"
#include "daemon/base/str.h"

/* Between the same two, there or back, under one Call-ID. */
static bool
relate_is_near(const struct message *a, const struct message *b, bool back)
{
	const char *from = back ? b->target : b->source;
	const char *to = back ? b->source : b->target;

	return strcmp(a->source, from) == 0 && strcmp(a->target, to) == 0 &&
	    message_text_equal(
		message_value(a, "Call-ID"), message_value(b, "Call-ID"));
}

/* The branch of the top Via (RFC 3261 8.1.1.7); empty when it has none. */
static struct message_text
relate_branch(const struct message *m)
{
	static const char word[] = "branch=";
	struct message_text v = message_value(m, "Via"), out = {"", 0};
	const char *comma = memchr(v.at, ',', v.n);
	size_t end = comma != NULL ? (size_t)(comma - v.at) : v.n, i, n;

	for (i = 0; i + sizeof word - 1 <= end; i++) {
		if (i == 0 || (v.at[i - 1] != ';' && v.at[i - 1] != ' ') ||
		    !str_iequal(v.at + i, sizeof word - 1, word))
			continue;
		out.at = v.at + i + sizeof word - 1;
		for (n = 0; out.at + n < v.at + end &&
		     strchr("; \t\r\n", out.at[n]) == NULL;
		     n++)
			;
		out.n = n;
		break;
	}
	return out;
}

size_t
message_request_of(const struct message *list, size_t at)
{
	struct message_text branch = relate_branch(&list[at]);
	size_t i = at;

	if (!list[at].reply || branch.n == 0)
		return MESSAGE_NONE;
	while (i-- > 0) {
		if (!list[i].reply && list[i].is_sip &&
		    relate_is_near(&list[at], &list[i], true) &&
		    message_text_equal(relate_branch(&list[i]), branch))
			return i;
	}
	return MESSAGE_NONE;
}

/* An ACK answers the offer of a 2xx whose INVITE had none (RFC 3264 4). */
static size_t
relate_offer_of_ack(const struct message *list, size_t at)
{
	size_t i = at, request;

	while (i-- > 0) {
		if (!list[i].reply || list[i].status / 100 != 2 ||
		    list[i].cseq != list[at].cseq ||
		    !message_text_is(list[i].method, "INVITE") ||
		    !relate_is_near(&list[at], &list[i], true))
			continue;
		request = message_request_of(list, i);
		if (!message_has_sdp(&list[i]) || request == MESSAGE_NONE ||
		    message_has_sdp(&list[request]))
			return MESSAGE_NONE;
		return i;
	}
	return MESSAGE_NONE;
}

size_t
message_offer_of(const struct message *list, size_t at)
{
	size_t request;

	if (!message_has_sdp(&list[at]))
		return MESSAGE_NONE;
	if (!list[at].reply && message_text_is(list[at].method, "ACK"))
		return relate_offer_of_ack(list, at);
	request = message_request_of(list, at);
	if (request == MESSAGE_NONE || list[at].status >= 300 ||
	    !message_has_sdp(&list[request]))
		return MESSAGE_NONE;
	return request;
}

size_t
message_sdp_before(const struct message *list, size_t at)
{
	size_t i = at;

	if (!message_has_sdp(&list[at]))
		return MESSAGE_NONE;
	while (i-- > 0) {
		if (message_has_sdp(&list[i]) &&
		    (relate_is_near(&list[at], &list[i], false) ||
			relate_is_near(&list[at], &list[i], true)))
			return i;
	}
	return MESSAGE_NONE;
}

/* The same method, or the same status to the same method. */
static bool
relate_is_twin(const struct message *a, const struct message *b)
{
	return a->reply == b->reply && a->status == b->status &&
	    message_text_equal(a->method, b->method);
}

static bool
relate_is_of_leg(const struct message *a, const struct message *b)
{
	return message_text_equal(
	    message_value(a, "Call-ID"), message_value(b, "Call-ID"));
}

size_t
message_twin_of(const struct message *list, size_t n, size_t at)
{
	size_t same = MESSAGE_NONE, i = at;

	while (i-- > 0) {
		if (!relate_is_twin(&list[i], &list[at]))
			continue;
		if (!relate_is_of_leg(&list[i], &list[at]))
			return i;
		if (same == MESSAGE_NONE)
			same = i;
	}
	for (i = at + 1; i < n && same == MESSAGE_NONE; i++) {
		if (relate_is_twin(&list[i], &list[at]))
			same = i;
	}
	return same;
}
