/*
 * Tables of a hostile server: decoding refuses or gives a table that can be
 * walked, helped and printed without a crash.
 */
#include <stdint.h>
#include <stdlib.h>

#include "daemon/op/op.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Every operation and object is asked for all that is computed from it. */
static void
use(const struct op_table *t)
{
	static const char *const lines[] = {"", "show ", "show calls ", "set ",
	    "set domain a.test user 1 name ", "delete a b c", "a [ b ] c | d"};
	struct buf b = BUF_INIT;
	struct op_walk w;
	size_t i;

	op_use_objects(t->objs);
	for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		op_walk(t, lines[i], OP_WALK_COMPLETE | OP_WALK_SHORT, &w);
		op_walk_fini(&w);
		op_walk(t, lines[i], 0, &w);
		op_walk_fini(&w);
	}
	for (i = 0; t->ops[i] != NULL; i++) {
		op_help(t->ops[i], &b);
		op_walk(t, t->ops[i]->name, OP_WALK_COMPLETE, &w);
		op_walk_fini(&w);
	}
	for (i = 0; t->objs[i] != NULL; i++)
		op_help_obj(t->objs[i], &b);
	op_man(t, &b);
	buf_fini(&b);
	op_use_objects(NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *in = json_loadb(
	    (const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	struct op_table t;
	struct err e;

	if (in == NULL)
		return 0;
	if (op_table_decode(in, &t, &e) == 0) {
		use(&t);
		op_table_fini(&t);
	}
	json_decref(in);
	return 0;
}
