/*
 * Any bytes as a request of HTTP: its first byte is the method, up to the first
 * newline the path, the rest the body. Either there are steps that name what
 * exists or the JSON-RPC asked for, or there is a refusal with words.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/table.h"
#include "daemon/ws/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const struct ws_plan *plan)
{
	json_t *step;
	size_t i;

	if (plan->status != 0 && plan->err.text[0] == '\0')
		abort();
	if (plan->status == 0 && json_array_size(plan->steps) == 0 &&
	    plan->form != WS_OPENAPI && plan->form != WS_SOCKET)
		abort();
	json_array_foreach (plan->steps, i, step) {
		if (!json_is_string(json_object_get(step, "method")))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *line = n > 0 ? memchr(data, '\n', n) : NULL;
	struct ws_plan plan;
	char *uri;

	if (line == NULL || line == data)
		return 0;
	op_use_objects(daemon_table()->objs);
	uri = strndup((const char *)data + 1, (size_t)(line - data) - 1);
	if (uri == NULL)
		return 0;
	ws_route(&plan, daemon_table(), (enum ws_method)(data[0] % 5), uri,
	    (const char *)line + 1, (size_t)(data + n - line) - 1);
	check(&plan);
	ws_plan_fini(&plan);
	free(uri);
	return 0;
}
