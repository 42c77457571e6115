/*
 * The ship log. Numbers are little-endian, everything is aligned to 8 bytes.
 *
 * A segment is a file <16 hexadecimal digits of its position>.log:
 *   0    8  "TDMSHIP1"
 *   8    8  id of the log, random
 *   16   8  position of the segment
 *   24   8  when it was begun, real clock in microseconds
 *   32  24  zero
 *   56   8  sum of bytes 0..55
 *   64   -  entries, each:
 *     0    4  "TLE1"
 *     4    4  length of the record
 *     8    8  position of the entry
 *     16   8  position up to which the log was synced when this was appended
 *     24   8  when, real clock in microseconds
 *     32   4  session, grows with every opening of the log
 *     36   4  zero
 *     40   8  sum of bytes 0..39, going on from the id of the log
 *     48   -  the record (ship_record.c)
 * A segment ends where the next one starts. It begins with a STATE record of
 * every stream and the BOOT record, so what stands before it is needed only
 * by streams whose database files are not that far on disk. The first entry
 * of a session is a BOOT record, synced before any other is appended: so no
 * unsynced entry bears a session that a later opening does not know.
 *
 * Files are written once before their use (zeros, or entries of long ago),
 * because a sync that has no blocks to allocate is cheaper. So the bytes
 * behind the end mean nothing, and an entry counts only with the position
 * where it stands, the id of the log, and a session not below that of the
 * entry before it. The end is where no such entry follows; it is damage
 * instead when a later entry says that this place had been synced.
 *
 * A failed write or sync is final: the kernel may forget what it could not
 * write, so nothing is acknowledged until the log was opened anew, which
 * writes the unsynced tail again. A full disk is not final: nothing of the
 * entry was taken, and asking again may succeed.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "ship_log.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define LOG_WORD "TDMSHIP1"
#define LOG_STAGE (4u << 20)

static_assert(LOG_STAGE > 2 * SHIP_RECORD_MAX, "a record fits the stage");

/* ---- entries and segments: bytes ---------------------------------------- */

static void
ship_entry_put(const struct ship_log *log, uint8_t *p, uint64_t pos, size_t n)
{
	memcpy(p, "TLE1", 4);
	ship_put32(p + 4, (uint32_t)n);
	ship_put64(p + 8, pos);
	ship_put64(p + 16, log->synced);
	ship_put64(p + 24, clock_real());
	ship_put32(p + 32, log->session);
	ship_put32(p + 36, 0);
	ship_put64(p + 40, ship_sum(log->id, p, 40));
}

bool
ship_entry_get(const struct ship_log *log, struct ship_entry *entry,
    const uint8_t *p, uint64_t pos)
{
	if (memcmp(p, "TLE1", 4) != 0 || ship_get64(p + 8) != pos ||
	    ship_get64(p + 40) != ship_sum(log->id, p, 40))
		return false;
	entry->length = ship_get32(p + 4);
	entry->pos = pos;
	entry->synced = ship_get64(p + 16);
	entry->time = ship_get64(p + 24);
	entry->session = ship_get32(p + 32);
	return entry->length >= SHIP_HEAD && entry->length <= SHIP_RECORD_MAX &&
	    entry->length % 8 == 0;
}

int
ship_log_path(
    const struct ship_log *log, uint64_t start, char *path, size_t size)
{
	return snprintf(
	    path, size, "%s/%016llx.log", log->dir, (unsigned long long)start);
}

static void
segment_head_put(const struct ship_log *log, uint8_t *p, uint64_t start)
{
	memset(p, 0, SHIP_SEGMENT_HEAD);
	memcpy(p, LOG_WORD, 8);
	ship_put64(p + 8, log->id);
	ship_put64(p + 16, start);
	ship_put64(p + 24, clock_real());
	ship_put64(p + 56, ship_sum(0, p, 56));
}

/* The head says what the name says; the first segment gives the log's id. */
int
ship_log_segment_check(struct ship_log *log, int fd, const char *path,
    struct ship_segment *seg, bool first, struct err *e)
{
	uint8_t p[SHIP_SEGMENT_HEAD];
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_errno(e, ERR_IO, "%s", path);
	if (pread(fd, p, sizeof p, 0) != sizeof p ||
	    memcmp(p, LOG_WORD, 8) != 0 ||
	    ship_get64(p + 56) != ship_sum(0, p, 56) ||
	    ship_get64(p + 16) != seg->start)
		return err_set(e, ERR_CORRUPT,
		    "%s: offset 0: damaged head of a segment", path);
	if (first)
		log->id = ship_get64(p + 8);
	else if (log->id != ship_get64(p + 8))
		return err_set(
		    e, ERR_CORRUPT, "%s: offset 8: of another log", path);
	seg->size = (uint64_t)st.st_size;
	return 0;
}

/* ---- writing ------------------------------------------------------------ */

/* What a failed call means: a full disk may pass, anything else is final. */
static int
log_failure(struct ship_log *log, struct err *e, const char *what)
{
	if (disk_code() == ERR_FULL)
		return err_errno(e, ERR_FULL, "ship log: %s", what);
	log->failed = true;
	return err_errno(e, ERR_IO, "ship log: %s", what);
}

int
ship_log_write(struct ship_log *log, struct err *e)
{
	uint64_t from = log->end - log->staged;

	if (log->failed)
		return err_set(e, ERR_IO, "ship log: failed before");
	if (log->staged == 0)
		return 0;
	if (disk_write(log->fd, log->stage, log->staged,
		from - ship_log_segment(log)) != 0)
		return log_failure(log, e, "write");
	log->bytes += log->staged;
	log->staged = 0;
	return 0;
}

int
ship_log_synced(struct ship_log *log, uint64_t pos, uint64_t us, struct err *e)
{
	if (errno != 0) {
		log->failed = true;
		return err_errno(e, ERR_IO, "ship log: sync");
	}
	log->syncs++;
	log->sync_us += us;
	if (us > log->sync_us_max)
		log->sync_us_max = us;
	log->synced = pos;
	return 0;
}

int
ship_log_sync(struct ship_log *log, struct err *e)
{
	uint64_t before;
	int r;

	if ((r = ship_log_sync_end(log, true, e)) != 0 ||
	    (r = ship_log_write(log, e)) != 0)
		return r;
	if (log->synced == log->end)
		return 0;
	before = clock_mono();
	if (fdatasync(log->fd) == 0)
		errno = 0;
	return ship_log_synced(log, log->end, clock_mono() - before, e);
}

/* Put a record behind the stage; the stage has room for it. */
static uint64_t
log_stage(struct ship_log *log, const void *record, size_t n)
{
	uint64_t pos = log->end;
	uint8_t *p = log->stage + log->staged;

	ship_entry_put(log, p, pos, n);
	memcpy(p + SHIP_ENTRY, record, n);
	log->staged += SHIP_ENTRY + n;
	log->end += SHIP_ENTRY + n;
	log->records++;
	return pos;
}

uint64_t
ship_log_segment(const struct ship_log *log)
{
	return log->seg[log->nseg - 1].start;
}

/* ---- new segments ------------------------------------------------------- */

/* A file for a segment: a spare one, or a new one with reserved blocks. */
static int
log_segment_file(struct ship_log *log, uint64_t size, char *path, size_t room)
{
	int fd = ship_log_spare_use(log, size, path, room);

	if (fd >= 0)
		return fd;
	snprintf(path, room, "%s/new", log->dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (fallocate(fd, 0, 0, (off_t)size) != 0 &&
	    (errno != EOPNOTSUPP || ftruncate(fd, (off_t)size) != 0)) {
		int saved = errno;

		close(fd);
		unlink(path);
		errno = saved;
		return -1;
	}
	return fd;
}

/* A segment that starts at the position, with its head and name on disk. The
 * head comes before the name, so a file of that name always has it. */
static int
log_segment_new(
    struct ship_log *log, uint64_t start, uint64_t size, struct err *e)
{
	uint8_t head[SHIP_SEGMENT_HEAD];
	char made[300], path[300];
	struct ship_segment *seg;
	struct stat st;
	int fd;

	seg = realloc(log->seg, (log->nseg + 1) * sizeof *seg);
	if (seg == NULL)
		return err_set(e, ERR_NOMEM, "ship log");
	log->seg = seg;
	if ((fd = log_segment_file(log, size, made, sizeof made)) < 0)
		return log_failure(log, e, "new segment");
	segment_head_put(log, head, start);
	ship_log_path(log, start, path, sizeof path);
	if (disk_write(fd, head, sizeof head, 0) != 0 || fdatasync(fd) != 0 ||
	    fstat(fd, &st) != 0 || rename(made, path) != 0 ||
	    fsync(log->dirfd) != 0) {
		int r = log_failure(log, e, "new segment");

		close(fd);
		return r;
	}
	if (log->fd >= 0)
		close(log->fd);
	log->fd = fd;
	log->seg[log->nseg++] = (struct ship_segment){
	    start, (uint64_t)st.st_size};
	log->end = log->synced = start + SHIP_SEGMENT_HEAD;
	return 0;
}

/* The records of a state buffer follow each other; each knows its length. */
static void
log_stage_states(struct ship_log *log, const struct buf *states)
{
	const uint8_t *p = (const uint8_t *)states->data;
	size_t at, n;

	for (at = 0; at < states->len; at += n) {
		n = ship_get32(p + at + 4);
		log_stage(log, p + at, n);
	}
}

/* Go on in a new segment, which first says where all streams stand. */
static int
log_roll(struct ship_log *log, size_t n, struct err *e)
{
	struct buf states = BUF_INIT;
	uint64_t size = log->segment, need;
	uint8_t *stage = NULL;
	int r;

	if ((r = ship_log_sync(log, e)) != 0)
		return r;
	if (log->states != NULL)
		log->states(log->states_arg, &states);
	/* Every state is at least a head, so entries at most double it. */
	need = SHIP_SEGMENT_HEAD + states.len * 2 + SHIP_ENTRY + n;
	if (states.failed ||
	    (states.len * 2 > LOG_STAGE / 2 &&
		(stage = malloc(states.len * 2 + LOG_STAGE)) == NULL)) {
		buf_fini(&states);
		return err_set(e, ERR_NOMEM, "ship log");
	}
	if (need > size / 2)
		size = (need * 2 + 4095) & ~UINT64_C(4095);
	if ((r = log_segment_new(log, log->end, size, e)) == 0) {
		if (stage != NULL) {
			free(log->stage);
			log->stage = stage;
			stage = NULL;
		}
		log_stage_states(log, &states);
		if (log->staged > LOG_STAGE / 2)
			r = ship_log_write(log, e);
	}
	free(stage);
	buf_fini(&states);
	return r;
}

int
ship_log_room(struct ship_log *log, size_t n, struct err *e)
{
	const struct ship_segment *last;
	int r;

	if (log->failed)
		return err_set(e, ERR_IO, "ship log: failed before");
	if (log->staged + SHIP_ENTRY + n > LOG_STAGE &&
	    (r = ship_log_write(log, e)) != 0)
		return r;
	last = &log->seg[log->nseg - 1];
	if (log->end + SHIP_ENTRY + n <= last->start + last->size)
		return 0;
	return log_roll(log, n, e);
}

uint64_t
ship_log_append(struct ship_log *log, const void *record, size_t n)
{
	return log_stage(log, record, n);
}

/* ---- opening ------------------------------------------------------------ */

int
ship_log_states(
    struct ship_log *log, ship_log_state_fn *fn, void *arg, struct err *e)
{
	struct buf states = BUF_INIT;
	const uint8_t *p;
	size_t at, n;
	int r = 0;

	log->states = fn;
	log->states_arg = arg;
	if (log->nseg < 2 || log->used == ship_log_segment(log))
		return 0;
	fn(arg, &states);
	p = (const uint8_t *)states.data;
	for (at = 0; at < states.len && r == 0 && !states.failed; at += n) {
		n = ship_get32(p + at + 4);
		if ((r = ship_log_room(log, n, e)) != 0)
			break;
		log_stage(log, p + at, n);
		if (at == 0) /* the session's first entry, a BOOT */
			r = ship_log_sync(log, e);
	}
	if (states.failed)
		r = err_set(e, ERR_NOMEM, "ship log");
	buf_fini(&states);
	return r;
}

/* The directory, locked for this process. */
static int
log_lock(struct ship_log *log, struct err *e)
{
	if (mkdir(log->dir, 0700) != 0 && errno != EEXIST)
		return err_errno(e, ERR_IO, "%s", log->dir);
	log->dirfd = open(log->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (log->dirfd < 0)
		return err_errno(e, ERR_IO, "%s", log->dir);
	if (flock(log->dirfd, LOCK_EX | LOCK_NB) != 0)
		return err_set(e, ERR_BUSY,
		    "%s: another process writes this log", log->dir);
	return 0;
}

/* What the scan found beyond the last known sync is written and synced once
 * more: a sync that failed in an earlier life may have left it in memory. */
static int
log_renew_tail(struct ship_log *log, struct err *e)
{
	uint64_t seg = ship_log_segment(log);
	uint64_t at = log->known > seg ? log->known : seg;
	size_t n;

	for (; at < log->end; at += n) {
		n = log->end - at < LOG_STAGE ? (size_t)(log->end - at)
					      : LOG_STAGE;
		if (pread(log->fd, log->stage, n, (off_t)(at - seg)) !=
			(ssize_t)n ||
		    disk_write(log->fd, log->stage, n, at - seg) != 0)
			return log_failure(log, e, "tail");
	}
	if (fdatasync(log->fd) != 0)
		return log_failure(log, e, "tail");
	log->synced = log->end;
	return 0;
}

/* Everything of ship_log_open that may fail once the struct is there. */
static int
log_start(struct ship_log *log, ship_log_fn *fn, void *arg, struct err *e)
{
	int r;

	if ((log->stage = malloc(LOG_STAGE)) == NULL)
		return err_set(e, ERR_NOMEM, "ship log");
	if ((r = log_lock(log, e)) != 0 || (r = ship_log_find(log, e)) != 0)
		return r;
	ship_log_spare_find(log);
	if (log->nseg == 0) {
		rand_bytes(&log->id, sizeof log->id);
		log->session = 1;
		return log_segment_new(log, 0, log->segment, e);
	}
	if ((r = ship_log_scan(log, fn, arg, e)) != 0)
		return r;
	log->session++;
	return log_renew_tail(log, e);
}

int
ship_log_open(const struct ship_log_config *c, ship_log_fn *fn, void *arg,
    struct ship_log **out, struct err *e)
{
	struct ship_log *log = calloc(1, sizeof *log);
	int r;

	if (log == NULL)
		return err_set(e, ERR_NOMEM, "ship log");
	log->fd = log->dirfd = -1;
	log->segment = c->segment != 0 ? c->segment : SHIP_SEGMENT;
	log->keep = c->keep;
	if (!str_copy(log->dir, sizeof log->dir, c->dir))
		r = err_set(e, ERR_TOOBIG, "%s: path", c->dir);
	else
		r = log_start(log, fn, arg, e);
	if (r != 0) {
		ship_log_close(&log);
		return r;
	}
	*out = log;
	return 0;
}

void
ship_log_close(struct ship_log **logp)
{
	struct ship_log *log = *logp;

	*logp = NULL;
	if (log == NULL)
		return;
	ship_log_syncer_close(log);
	if (log->fd >= 0)
		close(log->fd);
	if (log->dirfd >= 0)
		close(log->dirfd);
	free(log->seg);
	free(log->stage);
	free(log);
}
