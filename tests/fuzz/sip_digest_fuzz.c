/* Any bytes as credentials; what comes out is checked against an HA1. */
#include "daemon/sip/sip.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sip_digest d;
	struct err err;

	if (sip_digest_parse(&d, (const char *)data, n, &err) == 0)
		(void)sip_digest_check(
		    &d, "REGISTER", "939e7578ed9e3c518a452acee763bce9");
	return 0;
}
