/*
 * What the console makes of a message of a recorded call: its parts, its
 * description of media, its mistakes, and how it differs from another. The
 * bytes are two messages, a zero between them; the second is the answer.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "console/message/message.h"
#include "daemon/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
on_difference(void *arg, char sign, struct message_text name,
    struct message_text first, struct message_text second)
{
	struct buf *b = arg;

	assert(sign == '-' || sign == '+' || sign == '~');
	message_put(b, name);
	message_put(b, first);
	message_put(b, second);
}

/* Nothing that is written could move a terminal. */
static void
is_safe(const struct buf *b)
{
	size_t i;

	for (i = 0; i < b->len; i++)
		assert(b->data[i] == '\n' ||
		    ((unsigned char)b->data[i] >= ' ' && b->data[i] != 0x7f));
	assert(b->len == 0 || str_utf8(b->data, b->len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *bytes = (const char *)data;
	const char *zero = memchr(bytes, '\0', n);
	size_t first = zero != NULL ? (size_t)(zero - bytes) : n;
	size_t behind = zero != NULL ? first + 1 : n, at;
	struct message list[2];
	struct buf out = BUF_INIT;

	assert(message_decode(&list[0], bytes, first) == 0);
	assert(message_decode(&list[1], bytes + behind, n - behind) == 0);
	list[0].source = list[1].target = "a";
	list[0].target = list[1].source = "b";
	for (at = 0; at < 2; at++) {
		size_t request = message_request_of(list, at);
		size_t offer = message_offer_of(list, at);

		assert(request == MESSAGE_NONE || request < at);
		assert(offer == MESSAGE_NONE || offer < at);
		message_check(&list[at],
		    request != MESSAGE_NONE ? &list[request] : NULL,
		    offer != MESSAGE_NONE ? &list[offer] : NULL, &out);
		message_sdp_put(list[at].body, &out);
		message_twin_of(list, 2, at);
		message_sdp_before(list, at);
	}
	message_sdp_put_changes(list[0].body, list[1].body, &out);
	message_diff(&list[0], &list[1], on_difference, &out);
	is_safe(&out);
	buf_reset(&out);
	message_diff(&list[0], &list[0], on_difference, &out);
	assert(out.len == 0);
	buf_fini(&out);
	message_fini(&list[0]);
	message_fini(&list[1]);
	return 0;
}
