/*
 * Writes the pages that are computed from the tables of the daemon and of the
 * console into a man tree, whose folders are there: pages DIRECTORY
 */
#include <stdio.h>
#include <stdlib.h>

#include "console/console.h"
#include "daemon/table.h"

/* A page that cannot be written ends it: an old one must not pass for it. */
static void
pages_write(void *arg, const char *name, int section, const struct buf *b)
{
	const char *dir = arg;
	char path[4096];
	FILE *f;

	snprintf(
	    path, sizeof path, "%s/man%d/%s.%d", dir, section, name, section);
	f = fopen(path, "w");
	if (b->failed || f == NULL || fwrite(b->data, 1, b->len, f) != b->len ||
	    fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	struct op_table table = *daemon_table();
	struct op_manual m = {
	    .table = &table, .own = local_ops, .filters = &pipe_table};

	if (argc != 2) {
		fputs("usage: pages DIRECTORY\n", stderr);
		return 2;
	}
	table.ops = local_merge(daemon_table());
	op_man(&m, pages_write, argv[1]);
	free((void *)table.ops);
	return 0;
}
