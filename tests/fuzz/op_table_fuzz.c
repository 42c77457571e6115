/*
 * Tables of a hostile server: decoding refuses or gives a table that can be
 * walked, helped and printed without a crash.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/op/op.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
see(void *arg, const char *name, int section, const struct buf *b)
{
	(void)arg;
	(void)name;
	(void)section;
	(void)b;
}

/* Every operation and object is asked for all that is computed from it. */
static void
use(const struct op_table *t)
{
	static const char *const lines[] = {"", "show ", "show calls ", "set ",
	    "set domain a.test user 1 name ", "delete a b c", "a [ b ] c | d"};
	static const struct op_table none;
	struct op_manual m = {.table = t, .filters = &none};
	struct buf b = BUF_INIT;
	struct op_walk w;
	struct err e;
	size_t i;

	op_use_objects(t->objs);
	for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		op_walk(t, lines[i], OP_WALK_COMPLETE | OP_WALK_SHORT, &w);
		op_walk_fini(&w);
		op_walk(t, lines[i], 0, &w);
		op_walk_fini(&w);
	}
	for (i = 0; t->ops[i] != NULL; i++) {
		op_help(&m, t->ops[i]->name, strlen(t->ops[i]->name), &b, &e);
		op_walk(t, t->ops[i]->name, OP_WALK_COMPLETE, &w);
		op_walk_fini(&w);
	}
	for (i = 0; t->objs[i] != NULL; i++)
		op_help(&m, t->objs[i]->name, strlen(t->objs[i]->name), &b, &e);
	op_help(&m, "", 0, &b, &e);
	op_man(&m, see, NULL);
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
