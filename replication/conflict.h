#ifndef CONFLICT_H
#define CONFLICT_H

#include <stdbool.h>
#include <stdint.h>

#include "replication.h"
#include "stream_path.h"

/*
 * What was acknowledged and is of no stream any more: by one of two servers
 * that had parted (SEMANTICS D29), since the other one goes on; or on a site
 * whose owner has lost it. When the database is about to be replaced by the
 * other's, a note is left in <root>/.conflict; when nobody has the old file
 * open any more it goes there too, whole, to be looked at by an operator.
 */
#define CONFLICT_DIR ".conflict"

struct conflict {
	char stream[STREAM_NAME];
	uint32_t file;	/* number of the database */
	uint64_t epoch; /* under which it was written last */
	uint64_t base;	/* LSN up to which the site has it; 0 = not known */
	uint64_t lsn;	/* of its last commit */
	uint64_t time;	/* when it was given up, real clock */
	bool kept;	/* the database lies here already */
};

/* 0, or -ERR_IO with *e. On disk when it returns. */
int conflict_note(const char *root, const struct conflict *, struct err *);
bool conflict_noted(const char *root, const char *stream, uint32_t file);
/* Take the database: 0, -ERR_BUSY while somebody has it open, -ERR_IO. */
int conflict_keep(
    const char *root, const char *stream, uint32_t file, struct err *);
/* All that are noted, in no order; -1 from fn ends it. 0 or -ERR_IO. */
typedef int conflict_fn(void *arg, const struct conflict *);
int conflict_each(const char *root, conflict_fn *, void *arg, struct err *);
/* The name an operator gives it: "domain/root~1"; and back. */
#define CONFLICT_NAME (STREAM_NAME + 12)
void conflict_name(const struct conflict *, char out[CONFLICT_NAME]);
bool conflict_parse(struct conflict *, const char *name);
/* Where its database is. */
void conflict_path(
    const char *root, const struct conflict *, char path[STREAM_PATH]);
/* Remove note and database; -ERR_ABSENT when there is none of the name. */
int conflict_drop(const char *root, const struct conflict *, struct err *);

#endif
