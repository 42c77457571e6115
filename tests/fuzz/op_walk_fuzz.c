/*
 * Command lines of any bytes through the walker: it never crashes, an error
 * points into the line, a whole command has an operation, and a line that is
 * understood is understood the same when abbreviations are allowed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/op_sample.c" /* fuzz programs have no tests/lib */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* One walk, with what must hold after any. */
static int
walk(const char *line, unsigned flags, struct op_walk *w)
{
	int r = op_walk(&op_sample, line, flags, w);
	size_t i;

	if (r != 0 && w->err_at > strlen(line))
		abort();
	if ((r == 0) != (w->op != NULL) || (r == 0 && w->args == NULL))
		abort();
	if (w->from > strlen(line) || w->pipe > strlen(line))
		abort();
	for (i = 0; i < w->nsecret; i++) {
		if (w->secret[i].at > w->secret[i].end ||
		    w->secret[i].end > strlen(line))
			abort();
	}
	for (i = 0; i < w->nnext; i++) {
		if (w->next[i].text[0] == '\0')
			abort();
	}
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct op_walk full, part;

	memcpy(line, data, size);
	line[size] = '\0';
	op_use_objects(op_sample.objs);
	if (walk(line, 0, &full) == 0) {
		if (walk(line, OP_WALK_SHORT, &part) != 0 ||
		    part.op != full.op || !json_equal(part.args, full.args))
			abort();
		op_walk_fini(&part);
	}
	op_walk_fini(&full);
	walk(line, OP_WALK_COMPLETE | OP_WALK_SHORT, &part);
	op_walk_fini(&part);
	free(line);
	return 0;
}
