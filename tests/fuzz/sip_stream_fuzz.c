/*
 * Any bytes as a stream, cut anywhere: the same messages come out, each
 * within the bytes and the limit. The first byte chooses the size of chunks.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sip/sip_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define LIMIT 4096

static void
must(bool law)
{
	if (!law)
		abort();
}

/* Frame all bytes, step at a time; a digest of what came out. */
static uint64_t
frame_all(const char *text, size_t n, size_t step)
{
	struct sip_framer f = {0};
	uint64_t digest = 1;
	size_t at = 0, have = 0, len = 0;
	enum sip_bad bad = SIP_BAD_NONE;
	enum sip_frame r;

	while (have < n) {
		have = n - have > step ? have + step : n;
		while ((r = sip_frame_next(&f, text + at, have - at, LIMIT,
			    &len, &bad)) != SIP_FRAME_MORE) {
			if (r == SIP_FRAME_BAD)
				return digest * 31 + 7;
			must(len > 0 && len <= have - at);
			must(r != SIP_FRAME_MESSAGE || len <= LIMIT);
			if (r == SIP_FRAME_MESSAGE)
				digest = digest * 31 + len;
			at += len;
		}
	}
	return digest;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text;

	if (n < 2)
		return 0;
	text = malloc(n);
	must(text != NULL);
	memcpy(text, data + 1, n - 1);
	must(frame_all(text, n - 1, n) ==
	    frame_all(text, n - 1, (size_t)data[0] + 1));
	free(text);
	return 0;
}
