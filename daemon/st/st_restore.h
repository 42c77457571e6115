#ifndef ST_ST_RESTORE_H
#define ST_ST_RESTORE_H

#include "st.h"

/*
 * One domain as it was: times, and the difference between what was and what
 * runs (st_restore.c). Pure.
 */

/*
 * A time as it is typed: RFC 3339, UTC without an offset; or "-10m", so long
 * before now. Real clock in microseconds, the last of the millisecond that is
 * said. -ERR_INVALID, also for one that is still to come.
 */
int st_restore_time(
    const char *text, uint64_t now, uint64_t *time, struct err *);

/* The last revision that a stream has carried out; 0 = none. */
int64_t st_restore_rev(sqlite3 *);

/*
 * Up to when a stream is to be built so that it is as it was after the last
 * revision decided at or before the time: a commit reaches the stream a
 * moment after it was decided, and before the next one is.
 */
uint64_t st_restore_until(sqlite3 *commit, const char *stream, uint64_t time);

/* The rows of one place, compared piece by piece. */
struct st_restore_walk {
	const struct obj *const *objs;
	const char *domain; /* whose stream it is */
	const char *stream;
	sqlite3 *was, *is;
	struct st_changes *changes; /* that make is what was */
	/* where it is */
	size_t obj;
	bool back; /* second half: what was not there then */
	bool more; /* the kind is not at its end */
	char after[OBJ_KEY];
	unsigned budget;
};
/* So many rows more: 1; 0 at the end. */
int st_restore_step(struct st_restore_walk *, unsigned rows, struct err *);
/* The row of the domain in the directory. is NULL: it is deleted now. */
int st_restore_domain(struct st_changes *, const struct obj_row *was,
    const struct obj_row *is, struct err *);
/* Put them into the session's candidate, which is empty. */
int st_restore_fill(const struct st_view *, const char *session, int64_t rev,
    const struct st_changes *, struct err *);

#endif
