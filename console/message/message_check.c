/*
 * What is wrong with a message for certain: only rules that can be judged from
 * what was recorded, each with where it stands. What was not heard is no
 * mistake.
 */
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "daemon/base/str.h"

#define CHECK_KEPT \
	65536 /* bytes: of a longer message perhaps not all is kept */

static void
check_say(struct buf *b, size_t *count, const char *words, const char *rule)
{
	buf_fmt(b, "%s (%s)\n", words, rule);
	++*count;
}

/* RFC 3261 8.1.1 for requests, 8.2.6.2 for replies. */
static void
check_mandatory(const struct message *m, struct buf *b, size_t *count)
{
	static const char *const names[] = {
	    "Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", NULL};
	bool invite = !m->reply && message_text_is(m->method, "INVITE");
	char words[64];
	size_t i;

	for (i = 0; names[i] != NULL; i++) {
		if (message_find(m, names[i], 0) != NULL ||
		    (m->reply && strcmp(names[i], "Max-Forwards") == 0))
			continue;
		snprintf(words, sizeof words, "%s is missing", names[i]);
		check_say(b, count, words,
		    m->reply ? "RFC 3261 8.2.6.2" : "RFC 3261 8.1.1");
	}
	if (invite && message_find(m, "Contact", 0) == NULL)
		check_say(b, count, "Contact is missing", "RFC 3261 8.1.1.8");
	if (m->body.n > 0 && message_find(m, "Content-Type", 0) == NULL)
		check_say(b, count, "a body, and Content-Type is missing",
		    "RFC 3261 20.15");
}

static void
check_length(const struct message *m, struct buf *b, size_t *count)
{
	const struct message_field *f = message_find(m, "Content-Length", 0);
	char text[24], words[96];
	int64_t said;

	if (f == NULL)
		return;
	if (!str_ncopy(text, sizeof text, f->value.at, f->value.n) ||
	    !str_int(text, 0, INT64_MAX, &said)) {
		check_say(
		    b, count, "Content-Length is no number", "RFC 3261 20.14");
		return;
	}
	if (said == (int64_t)m->body.n)
		return;
	snprintf(words, sizeof words,
	    "Content-Length says %lld, the body has %zu bytes", (long long)said,
	    m->body.n);
	check_say(b, count, words, "RFC 3261 18.3");
}

/* CSeq has the method that the request has, and a reply has its CSeq. */
static void
check_cseq(const struct message *m, const struct message *request,
    struct buf *b, size_t *count)
{
	struct message_text v = message_value(m, "CSeq"), method;
	size_t n = v.n;

	if (v.n == 0)
		return;
	while (n > 0 && strchr(" \t\r\n", v.at[n - 1]) == NULL)
		n--;
	method = (struct message_text){v.at + n, v.n - n};
	if (m->cseq < 0)
		check_say(b, count, "CSeq is no number and a method",
		    "RFC 3261 8.1.1.5");
	else if (!m->reply && !message_text_equal(method, m->method))
		check_say(b, count, "the method of CSeq is another",
		    "RFC 3261 8.1.1.5");
	else if (m->reply && request != NULL && request->cseq >= 0 &&
	    (m->cseq != request->cseq ||
		!message_text_equal(method, request->method)))
		check_say(b, count, "CSeq is not that of the request",
		    "RFC 3261 8.2.6.2");
}

static void
check_answer(const struct message *m, const struct message *offer,
    struct buf *b, size_t *count)
{
	char words[96];
	size_t had, has;

	if (offer == NULL || !message_has_sdp(m) || !message_has_sdp(offer))
		return;
	had = message_sdp_media(offer->body);
	has = message_sdp_media(m->body);
	if (had == has)
		return;
	snprintf(words, sizeof words,
	    "the offer has %zu m= lines, the answer %zu", had, has);
	check_say(b, count, words, "RFC 3264 6");
}

static void
check_reliable(const struct message *m, const struct message *request,
    struct buf *b, size_t *count)
{
	if (!m->reply || m->status >= 200 ||
	    !message_lists(m, "Require", "100rel"))
		return;
	if (message_find(m, "RSeq", 0) == NULL)
		check_say(b, count, "100rel is required, RSeq is missing",
		    "RFC 3262 3");
	if (request != NULL && !message_lists(request, "Supported", "100rel") &&
	    !message_lists(request, "Require", "100rel"))
		check_say(b, count,
		    "100rel is required, the request does not support it",
		    "RFC 3262 3");
}

size_t
message_check(const struct message *m, const struct message *request,
    const struct message *offer, struct buf *b)
{
	size_t count = 0;

	if (!m->is_sip)
		return 0;
	if (!m->whole) {
		check_say(b, &count, "the head does not end", "RFC 3261 7");
		return count;
	}
	check_mandatory(m, b, &count);
	if (m->all.n < CHECK_KEPT)
		check_length(m, b, &count);
	check_cseq(m, request, b, &count);
	check_answer(m, offer, b, &count);
	check_reliable(m, request, b, &count);
	return count;
}
