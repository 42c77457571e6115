/*
 * A ship log as text, one record a line, for those who compare the logs of
 * several servers. The replicator of the server must not run: a torn tail is
 * cut, as by its start.
 *
 * usage: ship_log_dump DIRECTORY
 * Lines: POSITION KIND STREAM EPOCH LSN SUM VALUE0 VALUE1; KIND is P (pages
 * of a commit), C (claim) or B (base), see tandem-wal(5); other records are
 * left out.
 */
#include <inttypes.h>
#include <stdio.h>

#include "replication/ship_log.h"

static int
dump_record(void *arg, const struct ship_record *r, const uint8_t *bytes,
    uint64_t pos, uint64_t segment, struct err *e)
{
	char kind = r->kind == SHIP_PAGES ? 'P'
	    : r->kind == SHIP_CLAIM	  ? 'C'
	    : r->kind == SHIP_BASE	  ? 'B'
					  : 0;

	(void)arg;
	(void)bytes;
	(void)segment;
	(void)e;
	if (kind != 0)
		printf("%" PRIu64 " %c %s %" PRIu64 " %" PRIu64 " %016" PRIx64
		       " %" PRIu64 " %" PRIu64 "\n",
		    pos, kind, r->name, r->epoch, r->lsn,
		    r->kind == SHIP_PAGES ? r->sum : r->prev, r->value[0],
		    r->value[1]);
	return 0;
}

int
main(int argc, char **argv)
{
	struct ship_log_config c = {.dir = argv[argc - 1], .keep = UINT64_MAX};
	struct ship_log *log;
	struct err e;

	if (argc != 2) {
		fprintf(stderr, "usage: ship_log_dump DIRECTORY\n");
		return 2;
	}
	if (ship_log_open(&c, dump_record, NULL, &log, &e) != 0) {
		fprintf(stderr, "ship_log_dump: %s\n", e.text);
		return 1;
	}
	ship_log_close(&log);
	return 0;
}
