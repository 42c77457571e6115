/* Any bytes through the tap: recorded with their length, keys within the text,
 * nothing changed but what was masked; and masked once more for those who do
 * not see persons. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sip/tap.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct ring *ring;
static struct ring_reader reader;

static void
begin(void)
{
	char path[] = "/tmp/tap-fuzz-XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || (ring = ring_open(path, 1 << 20, NULL)) == NULL ||
	    ring_attach(&reader, path, NULL) != 0)
		abort();
	close(fd);
	unlink(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const union addr none;
	const struct tap_way way = {0, SIP_UDP, &none, &none};
	struct trace_record r;
	const uint8_t *p;
	size_t got, i;
	char *copy;

	if (ring == NULL)
		begin();
	copy = malloc(n + 1);
	memcpy(copy, data, n);
	tap(ring, &way, copy, n);
	if (!ring_next(&reader, &p, &got) ||
	    trace_record_decode(&r, p, got, NULL) != 0 ||
	    r.n != (n < 65535 ? n : 65535))
		abort();
	for (i = 0; i < r.n; i++) {
		if (r.text[i] != copy[i] &&
		    (r.text[i] != '*' || !(r.flags & TRACE_MASKED)))
			abort();
	}
	trace_mask_persons(copy, n);
	free(copy);
	return 0;
}
