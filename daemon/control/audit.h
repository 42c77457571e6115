#ifndef CONTROL_AUDIT_H
#define CONTROL_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/buf.h"
#include "daemon/base/err.h"
#include "daemon/base/loop.h"

/*
 * The audit of this server: entries in files of a directory, one a line, each
 * bound to the one before it. Knows nothing of control.
 *
 *   line   HASH NUMBER PREVIOUS JSON '\n'
 *   HASH      SHA-256, hexadecimal, of everything behind its blank
 *   NUMBER    of the entry, from 1, 16 digits
 *   PREVIOUS  HASH of the entry before; of the first one 64 zeros
 *
 * A file is called like the number of its first entry. The file "head" holds
 * "FIRST LAST HASH": numbers of the first entry that is kept and of the last
 * that is on disk, and the hash of that. So what is changed or removed inside
 * does not fit what follows, and what is cut off at the end does not fit the
 * head.
 */

#define AUDIT_HASH 65 /* hexadecimal, and the NUL */
#define AUDIT_PATH 320
#define AUDIT_LINE 16384       /* bytes of one line at most, with its end */
#define AUDIT_BYTES (4u << 20) /* of one file, about */
#define AUDIT_FILES 256	       /* kept */
#define AUDIT_ZERO                         \
	"00000000000000000000000000000000" \
	"00000000000000000000000000000000"

/* ---- audit_line.c: one line (pure) ----------------------------------------
 */

struct audit_line {
	char hash[AUDIT_HASH], prev[AUDIT_HASH];
	uint64_t number;
	const char *json; /* in the line; not ended by a NUL */
	size_t n;
};
/* A line without its end: -ERR_CORRUPT when it is none, or when its hash is
 * not that of what it says. */
int audit_line_parse(
    struct audit_line *, const char *line, size_t n, struct err *);
/* Append the line, with its end; hash of it out. */
void audit_line_make(struct buf *, uint64_t number, const char *prev,
    const char *json, char hash[AUDIT_HASH]);
/* Does the line follow what came before? Words say which entry does not fit.
 * hash "": what that was is not kept. */
int audit_line_follows(
    const struct audit_line *, uint64_t number, const char *hash, struct err *);

struct audit_head {
	uint64_t first, last;
	char hash[AUDIT_HASH];
};
#define AUDIT_HEAD (16 + 1 + 16 + 1 + 64 + 1) /* bytes of its file */
int audit_head_parse(
    struct audit_head *, const char *text, size_t n, struct err *);
void audit_head_make(char out[AUDIT_HEAD + 1], const struct audit_head *);

/* ---- audit_file.c: the files of a directory -------------------------------
 */

void audit_file_path(
    char out[AUDIT_PATH], const char *dir, uint64_t first, const char *name);
/* The numbers of all files, sorted, to be freed; their count. */
size_t audit_file_list(const char *dir, uint64_t **out);
/* A whole file, bounded; to be freed. *n bytes. NULL with words. */
char *audit_file_read(const char *path, size_t *n, struct err *);
int audit_file_head(const char *dir, struct audit_head *, struct err *);

/* ---- audit.c: entries are added -------------------------------------------
 */

struct audit;
typedef void audit_fn(void *arg, const struct err *); /* NULL = on disk */

/* Goes on where the last entry that is whole stands; what an interrupted
 * write has left behind it is cut off. It never fails: an audit that cannot
 * be written says so at each entry. */
struct audit *audit_open(struct loop *, const char *dir);
void audit_close(struct audit **); /* what is pending is written first */
/* Add an entry (taken); fn (may be NULL) is called once, later. */
void audit_add(struct audit *, json_t *entry, audit_fn *, void *arg);
/* Why it cannot be written now, and it is tried again; NULL = it can. */
const struct err *audit_broken(struct audit *);
/* The same without another try; since when (real clock). */
const struct err *audit_alarm(const struct audit *, uint64_t *since);
/* The last entry that is on disk, and what is kept. */
void audit_tell(const struct audit *, struct audit_head *);
const char *audit_dir(const struct audit *);

/* ---- audit_sync.c: the thread that waits for the disk ---------------------
 */

struct audit_sync;
/* NULL where threads cannot be had. */
struct audit_sync *audit_sync_new(struct loop *, loop_fn *done, void *arg);
void audit_sync_free(struct audit_sync **); /* waits for it */
/* One at a time; done is called from the loop. */
void audit_sync_start(struct audit_sync *, int fd);
int audit_sync_result(const struct audit_sync *); /* 0 or errno */

/* ---- audit_read.c: entries are read ---------------------------------------
 */

/* One entry; a result other than 0 ends the walk. */
typedef int audit_entry_fn(void *arg, const struct audit_line *);
/* The entries, the last first. Files that are damaged are passed over. */
void audit_each_back(const char *dir, audit_entry_fn *, void *arg);

/*
 * Verification, a file at a time, so that others get their turn. The first
 * entry that does not fit ends it.
 */
struct audit_check {
	const char *dir;
	struct audit_head head; /* what must be there */
	uint64_t *files;
	size_t n, at;
	uint64_t number; /* checked so far; 0 = none */
	char hash[AUDIT_HASH];
	uint64_t entries;
};
void audit_check_begin(
    struct audit_check *, const char *dir, const struct audit_head *);
/* 1 = there is more, 0 = all fits, -ERR_CORRUPT with words. */
int audit_check_step(struct audit_check *, struct err *);
void audit_check_end(struct audit_check *);

#endif
