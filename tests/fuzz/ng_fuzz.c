/*
 * Bodies of ng messages: whatever the bytes, decoding ends without harm, and
 * what was decoded is encoded to something that decodes to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/ng/ng.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf b = BUF_INIT;
	json_t *v, *again;
	struct err e;

	if (ng_decode((const char *)data, n, &v, &e) != 0)
		return 0;
	ng_flag(v, "flags", "trust-address");
	ng_int(v, "tandem-epoch", 0);
	if (ng_encode(&b, v) == 0) {
		if (ng_decode(b.data, b.len, &again, &e) != 0)
			abort();
		json_decref(again);
	}
	buf_fini(&b);
	json_decref(v);
	return 0;
}
