/* Any bytes as a message that is masked for who sees no persons: of the same
 * length, changed only into '*', lines as they were, and nothing more to mask
 * when it is done again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trace/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *once = malloc(n + 1), *twice = malloc(n + 1);
	size_t i;

	memcpy(once, data, n);
	trace_mask_persons(once, n);
	for (i = 0; i < n; i++) {
		if (once[i] != (char)data[i] &&
		    (once[i] != '*' || data[i] == '\n' || data[i] == '\r'))
			abort();
	}
	memcpy(twice, once, n);
	trace_mask_persons(twice, n);
	if (memcmp(once, twice, n) != 0)
		abort();
	free(once);
	free(twice);
	return 0;
}
