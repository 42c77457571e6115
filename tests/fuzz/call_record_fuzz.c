/* A call record of any bytes: refused, or encoded again to the same bytes. */
#include <assert.h>
#include <string.h>

#include "daemon/b2bua/call_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct call_record r;
	struct buf b = BUF_INIT;
	struct err err;

	if (call_record_decode(&r, data, n, &err) == 0) {
		call_record_encode(&b, &r);
		assert(b.len == n && memcmp(b.data, data, n) == 0);
	}
	buf_fini(&b);
	return 0;
}
