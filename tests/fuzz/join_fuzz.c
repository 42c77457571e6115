/*
 * What a stranger may send to the join port, and what an operator may type:
 * the first byte chooses between a line of JSON-RPC, as the door reads it, an
 * answer, a request for a certificate and a token. What decodes, encodes to
 * the same.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/join.h"
#include "daemon/base/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
fuzz_request(json_t *params)
{
	struct join_request r, again;
	uint8_t point[CA_POINT];
	char name[CA_NAME];
	json_t *back;
	struct err e;

	if (join_request_decode(&r, params, &e) != 0) {
		assert(e.text[0] != '\0');
		return;
	}
	back = join_request_encode(&r);
	assert(join_request_decode(&again, back, &e) == 0);
	assert(memcmp(&r, &again, sizeof r) == 0);
	json_decref(back);
	if (ca_csr_open(r.csr, r.csr_len, name, point, &e) == 0)
		assert(ca_name_good(name, strlen(name)) && point[0] == 4);
}

static void
fuzz_line(const char *text, size_t n)
{
	struct rpc_message m;
	struct join_reply r;
	struct err e;

	if (rpc_decode(&m, text, n, &e) != 0)
		return;
	if (m.kind == RPC_REPLY)
		join_reply_decode(&r, m.result, &e);
	else
		fuzz_request(m.params);
	json_decref(m.root);
}

static void
fuzz_csr(const uint8_t *p, size_t n)
{
	uint8_t point[CA_POINT];
	char name[CA_NAME];
	struct err e;

	if (ca_csr_open(p, n, name, point, &e) == 0)
		assert(ca_name_good(name, strlen(name)));
}

static void
fuzz_token(const char *text)
{
	char back[JOIN_TOKEN_TEXT];
	struct join_token t, again;
	struct err e;

	if (join_token_decode(&t, text, &e) != 0)
		return;
	join_token_encode(back, &t);
	assert(join_token_decode(&again, back, &e) == 0);
	assert(memcmp(&t, &again, sizeof t) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);

	memcpy(text, data, n);
	text[n] = '\0';
	if (n > 0 && data[0] == 'c')
		fuzz_csr(data + 1, n - 1);
	else if (n > 0 && data[0] == 't')
		fuzz_token(text + 1);
	else
		fuzz_line(text, n);
	free(text);
	return 0;
}
