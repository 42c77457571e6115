/*
 * What SR says: the 200 with every live binding (RFC 3261 10.3 step 8), and
 * refusals with the header that explains them. Called by sr_register.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/base/str.h"
#include "sr.h"

/* The same for every repetition of a request, foreseeable by nobody (RFC
 * 3261 19.3). */
static void
sr_reply_tag(char tag[17], const sip_t *sip)
{
	const char *id = sip->sip_call_id != NULL ? sip->sip_call_id->i_id : "";
	uint64_t hash = str_hash(id, strlen(id));

	str_hex(tag, &hash, sizeof hash);
}

/* The Date line, made once a second. */
static const char *
sr_reply_date(struct sr *sr, int64_t now)
{
	time_t t = (time_t)now;
	struct tm tm;

	if (sr->date_of != now && gmtime_r(&t, &tm) != NULL) {
		strftime(sr->date, sizeof sr->date,
		    "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
		sr->date_of = now;
	}
	return sr->date;
}

/* A whole number; buf_fmt would format it twice. */
static void
sr_reply_int(struct buf *b, int64_t n)
{
	char text[24], *p = text + sizeof text;

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	buf_add(b, p, (size_t)(text + sizeof text - p));
}

/* One binding with what is left of its time. */
static void
sr_reply_contact(struct buf *b, const struct sr_binding *c, int64_t now)
{
	buf_str(b, "Contact: <");
	buf_str(b, c->contact);
	buf_str(b, ">;expires=");
	sr_reply_int(b, c->expires - now);
	if (c->q != SR_Q_MAX)
		buf_fmt(b, ";q=0.%03u", c->q);
	if (c->instance[0] != '\0') {
		buf_str(b, ";+sip.instance=\"");
		buf_str(b, c->instance);
		buf_char(b, '"');
	}
	if (c->reg_id != 0) {
		buf_str(b, ";reg-id=");
		sr_reply_int(b, c->reg_id);
	}
	buf_str(b, "\r\n");
}

void
sr_reply_ok(struct sr *sr, struct buf *b, const sip_t *sip,
    const struct sr_set *set, int64_t now)
{
	char tag[17];
	unsigned i;

	sr_reply_tag(tag, sip);
	sip_reply_begin(b, sip, 200, NULL, tag);
	for (i = 0; i < set->count; i++) {
		if (sr_rules_lives(&set->binding[i], now))
			sr_reply_contact(b, &set->binding[i], now);
	}
	buf_str(b, "Supported: path\r\n");
	buf_str(b, sr_reply_date(sr, now));
	sip_reply_end(b, NULL, NULL, 0);
}

/* RFC 3261 8.2.2.3: the options that are required and not known. */
static void
sr_reply_unsupported(struct buf *b, const sip_require_t *r)
{
	const char *sep = "Unsupported: ";
	size_t i;

	for (i = 0; r != NULL && r->k_items != NULL && r->k_items[i]; i++) {
		if (str_iequal(r->k_items[i], strlen(r->k_items[i]), "path"))
			continue;
		buf_str(b, sep);
		buf_str(b, r->k_items[i]);
		sep = ", ";
	}
	buf_str(b, "\r\n");
}

void
sr_reply_refusal(
    struct sr *sr, struct buf *b, const sip_t *sip, const struct sr_refusal *no)
{
	char tag[17];

	(void)sr;
	sr_reply_tag(tag, sip);
	sip_reply_begin(b, sip, no->status, no->phrase, tag);
	if (no->status == 405)
		buf_str(b, "Allow: REGISTER\r\n");
	if (no->status == 420)
		sr_reply_unsupported(b, sip->sip_require);
	if (no->status == 423)
		buf_fmt(b, "Min-Expires: %d\r\n", SR_EXPIRES_MIN);
	if (no->credentials)
		buf_str(b, "X-Tandem-Refused: credentials\r\n");
	sip_reply_end(b, NULL, NULL, 0);
}
