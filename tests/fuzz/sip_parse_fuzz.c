/*
 * Any bytes through the full parse and, when a request comes out, through
 * the reply to it, the comparison of its contacts and its credentials: what
 * SR and SG do with foreign bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/sip/sip.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* All that is read of a request. */
static void
fuzz_request(const sip_t *sip)
{
	const sip_contact_t *c, *d;
	struct sip_digest digest;
	struct buf b = BUF_INIT;
	char text[256];
	union addr to;

	sip_reply_begin(&b, sip, 400, NULL, "tag");
	sip_reply_end(&b, NULL, NULL, 0);
	buf_fini(&b);
	(void)sip_reply_address(sip, &to);
	if (sip->sip_to != NULL)
		(void)sip_uri_user(sip->sip_to->a_url, text, sizeof text);
	for (c = sip->sip_contact; c != NULL; c = c->m_next) {
		(void)sip_uri_text(c->m_url, text, sizeof text);
		for (d = sip->sip_contact; d != c; d = d->m_next)
			(void)sip_uri_equal(c->m_url, d->m_url);
	}
	if (sip->sip_authorization != NULL)
		(void)sip_digest_take(&digest, sip->sip_authorization, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sip_parsed p;
	struct err err;
	char *bytes;

	if (n > SIP_MAX)
		return 0;
	bytes = malloc(n + 1);
	if (n != 0)
		memcpy(bytes, data, n);
	(void)sip_parse(&p, bytes, n, &err);
	if (p.sip != NULL && p.sip->sip_request != NULL)
		fuzz_request(p.sip);
	sip_parsed_fini(&p);
	free(bytes);
	return 0;
}
