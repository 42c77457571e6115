/*
 * Any bytes as a REGISTER: what SR reads of it, and what its rules make of
 * it against a set that has a binding already. Every text kept must fit and
 * be UTF-8, for it goes into JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/str.h"
#include "daemon/sr/sr.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct sr_request request;
static struct sr_set set;

/* End the run when a text is not what it must be. */
static void
fuzz_text(const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	if (n == size || !str_utf8(s, n))
		abort();
}

static void
fuzz_request(const sip_t *sip)
{
	struct sr_refusal no;
	unsigned i;

	if (sr_request_read(&request, sip, &no) != 0)
		return;
	fuzz_text(request.path, sizeof request.path);
	fuzz_text(request.source, sizeof request.source);
	fuzz_text(request.agent, sizeof request.agent);
	for (i = 0; i < request.count; i++) {
		fuzz_text(request.wish[i].contact, SR_URI);
		fuzz_text(request.wish[i].instance, SR_INSTANCE);
	}
	set.count = 1;
	set.binding[0] = (struct sr_binding){.row = 1,
	    .fate = SR_KEEP,
	    .expires = 100,
	    .contact = "sip:101@192.0.2.7",
	    .call_id = "x"};
	(void)sr_rules_apply(&set, &request, 50, 10, &no);
	if (set.count > SR_BINDINGS)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sip_parsed p;
	char *bytes;

	if (n > SIP_MAX)
		return 0;
	bytes = malloc(n + 1);
	if (n != 0)
		memcpy(bytes, data, n);
	if (sip_parse(&p, bytes, n, NULL) == 0 && p.sip->sip_request != NULL)
		fuzz_request(p.sip);
	sip_parsed_fini(&p);
	free(bytes);
	return 0;
}
