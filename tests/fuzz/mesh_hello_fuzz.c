/*
 * The first bytes of a server that connects. What decodes, encodes to the
 * same bytes; its texts are safe to log.
 */
#include <assert.h>
#include <string.h>

#include "daemon/base/mesh_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t in[MESH_HELLO] = {0}, back[MESH_HELLO];
	struct mesh_hello h;
	struct err e;

	memcpy(in, data, n < sizeof in ? n : sizeof in);
	if (mesh_hello_decode(&h, in, &e) != 0) {
		assert(e.text[0] != '\0');
		return 0;
	}
	if (h.version != MESH_VERSION)
		return 0;
	mesh_hello_encode(back, &h);
	assert(memcmp(in, back, sizeof in) == 0);
	return 0;
}
