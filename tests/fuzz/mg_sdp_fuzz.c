/*
 * Session descriptions from outside: reading ends without harm, and what is
 * written of one that was read can be read again, with as many sections, our
 * address and no way around us.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/mg/mg.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
plan_sections(struct mg_sdp_plan *plan, const struct mg_sdp *sdp)
{
	unsigned i;

	addr_parse(&plan->local, "192.0.2.1", 0);
	for (i = 0; i < sdp->count; i++) {
		const struct mg_section *s = &sdp->section[i];
		struct mg_sdp_plan_section *p = &plan->section[i];

		if (s->port == 0 || s->dead || s->kind == MG_KIND_NONE)
			continue;
		p->port = (uint16_t)(30000 + 2 * i);
		p->rtcp = (uint16_t)(p->port + 1);
		p->say_rtcp = s->has_rtcp;
		p->mux = s->mux;
		p->dir = s->hold ? s->dir & MG_SEND : MG_DIR_KEEP;
		memcpy(p->formats, s->formats, sizeof p->formats);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t key[16] = "0123456789abcdef";
	static struct mg_sdp sdp, again;
	struct mg_sdp_plan plan = {.origin = true, .mask = key};
	struct buf b = BUF_INIT;
	unsigned i;

	if (mg_sdp_parse(&sdp, (const char *)data, n, NULL) != 0)
		return 0;
	plan_sections(&plan, &sdp);
	plan.fresh = (n & 1) != 0;
	mg_sdp_write(&b, &sdp, &plan);
	if (mg_sdp_parse(&again, b.data, b.len, NULL) != 0 ||
	    again.count != sdp.count)
		abort();
	for (i = 0; i < again.count; i++) {
		if (again.section[i].port != plan.section[i].port ||
		    (again.section[i].port != 0 &&
			!addr_same_host(&again.section[i].rtp, &plan.local)))
			abort();
	}
	if (memmem(b.data, b.len, "\na=candidate:", 13) != NULL)
		abort();
	buf_fini(&b);
	return 0;
}
