/* The ship log: what was synced comes back, what was not is cut, and damage
 * is told from both. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "replication/log_index.h"
#include "replication/ship_log.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"

#define SEGMENT 65536

/* What a scan saw: the LSN of each record, in order. */
struct seen {
	uint64_t lsn[4096];
	uint64_t pos[4096];
	size_t n;
	struct log_index ix;
};

static int
seen_add(void *arg, const struct ship_record *r, const uint8_t *bytes,
    uint64_t pos, uint64_t segment, struct err *e)
{
	struct seen *s = arg;
	struct log_stream *at;

	(void)bytes;
	if (r->kind == SHIP_PAGES) {
		s->lsn[s->n] = r->lsn;
		s->pos[s->n++] = pos;
		at = log_index_get(&s->ix, r->name);
		if (at == NULL)
			return err_set(e, ERR_NOMEM, "test");
		at->epoch = 1;
	}
	return log_index_add(&s->ix, r, pos, segment, NULL, e);
}

/* A record of one page of 512 bytes with the next LSN of the stream. */
static size_t
record_next(struct seen *s, const char *name, uint8_t out[1024])
{
	struct log_stream *at = log_index_get(&s->ix, name);
	struct ship_record r = {.kind = SHIP_PAGES,
	    .epoch = 1,
	    .lsn = at->last.lsn + 1,
	    .prev = at->last.sum,
	    .page_size = 512,
	    .db_pages = 1,
	    .wal = {1, 1, 1}};
	uint8_t frame[SHIP_FRAME + 512] = {0, 0, 0, 1};

	if (at->epoch == 0)
		at->epoch = 1;
	snprintf(r.name, sizeof r.name, "%s", name);
	memset(frame + SHIP_FRAME, (int)r.lsn, 512);
	return (size_t)ship_record_encode(&r, frame, 1, out, 1024);
}

static void
append(struct ship_log *log, struct seen *s, const char *name)
{
	uint8_t out[1024];
	struct ship_record r;
	struct err e;
	size_t n = record_next(s, name, out);

	assert_int_equal(ship_log_room(log, n, &e), 0);
	ship_record_decode(&r, out, n, &e);
	seen_add(s, &r, out, ship_log_append(log, out, n),
	    ship_log_segment(log), &e);
}

static void
append_boot(struct ship_log *log, struct seen *s)
{
	struct buf b = BUF_INIT;
	struct err e;

	log_put_boot(&b, s->ix.boot);
	assert_int_equal(ship_log_room(log, b.len, &e), 0);
	ship_log_append(log, b.data, b.len);
	assert_int_equal(ship_log_sync(log, &e), 0);
	buf_fini(&b);
}

static void
put_claim(struct buf *b, const struct log_stream *s, uint64_t epoch)
{
	log_put_claim(b, s, epoch, &s->last, s->last.lsn, false);
}

static int
open_at(const char *dir, uint64_t keep, struct ship_log **log, struct seen *s,
    struct err *e)
{
	struct ship_log_config c = {dir, SEGMENT, keep};
	int r;

	memset(s, 0, sizeof *s);
	if ((r = ship_log_open(&c, seen_add, s, log, e)) != 0)
		return r;
	assert_int_equal(ship_log_states(*log, log_put_states, &s->ix, e), 0);
	append_boot(*log, s);
	return 0;
}

static void
seen_fini(struct seen *s)
{
	log_index_fini(&s->ix);
}

static void
first_segment(const char *dir, char path[128])
{
	snprintf(path, 128, "%s/%016x.log", dir, 0);
}

/* Records over many segments come back in order and chained; the log goes on
 * behind them, also when it is opened many times. */
static void
records_come_back_over_segments(void **state)
{
	struct ship_log *log;
	struct seen s;
	struct err e;
	char dir[64];
	int round, i;

	(void)state;
	scratch_make(dir);
	for (round = 0; round < 6; round++) {
		assert_int_equal(open_at(dir, 1 << 20, &log, &s, &e), 0);
		assert_int_equal(s.n, round * 250);
		for (i = 0; i < (int)s.n; i++)
			assert_int_equal(s.lsn[i], i + 1);
		for (i = 0; i < 250; i++)
			append(log, &s, "a");
		assert_int_equal(ship_log_sync(log, &e), 0);
		assert_true(log->nseg > (size_t)round * 2);
		ship_log_close(&log);
		seen_fini(&s);
	}
	scratch_remove(dir);
}

/* Cut at every byte of the last record, the log loses that record and
 * nothing else, and goes on in its place. */
static void
a_torn_tail_is_cut(void **state)
{
	struct ship_log *log;
	struct seen s;
	struct err e;
	char dir[64], path[128];
	uint8_t *bytes, *torn;
	size_t n, from, to, cut;

	(void)state;
	scratch_make(dir);
	first_segment(dir, path);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	append(log, &s, "a");
	append(log, &s, "a");
	assert_int_equal(ship_log_sync(log, &e), 0);
	append(log, &s, "a");
	assert_int_equal(ship_log_sync(log, &e), 0);
	from = s.pos[2];
	to = log->end;
	ship_log_close(&log);
	seen_fini(&s);
	bytes = scratch_read(path, &n);
	torn = malloc(n);
	for (cut = from; cut < to; cut++) {
		memcpy(torn, bytes, n);
		/* Old contents of a file used before, then zeros. */
		memset(torn + cut, cut % 2 ? 0 : 0x5a, n - cut);
		scratch_write(path, torn, n);
		assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
		assert_int_equal(s.n, 2);
		append(log, &s, "a");
		assert_int_equal(ship_log_sync(log, &e), 0);
		ship_log_close(&log);
		seen_fini(&s);
		if (cut % 16 != 0)
			continue;
		assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
		assert_int_equal(s.n, 3);
		ship_log_close(&log);
		seen_fini(&s);
	}
	free(bytes);
	free(torn);
	scratch_remove(dir);
}

/* Any byte changed in a record behind which the log was synced again makes
 * the log refuse, with the file and the offset of the record. */
static void
damage_in_the_middle_is_refused(void **state)
{
	struct ship_log *log;
	struct seen s;
	struct err e;
	char dir[64], path[128], words[64];
	uint8_t *bytes;
	size_t n, from, at;
	int i;

	(void)state;
	scratch_make(dir);
	first_segment(dir, path);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	for (i = 0; i < 6; i++) {
		append(log, &s, "a");
		assert_int_equal(ship_log_sync(log, &e), 0);
	}
	from = s.pos[2];
	ship_log_close(&log);
	seen_fini(&s);
	bytes = scratch_read(path, &n);
	for (at = from; at < from + SHIP_ENTRY + 616; at++) {
		bytes[at] ^= 0x10;
		scratch_write(path, bytes, n);
		bytes[at] ^= 0x10;
		memset(&s, 0, sizeof s);
		assert_int_equal(open_at(dir, 0, &log, &s, &e), -ERR_CORRUPT);
		snprintf(words, sizeof words, "0.log: offset %zu", from);
		assert_non_null(strstr(e.text, words));
		seen_fini(&s);
	}
	bytes[3] ^= 1;
	scratch_write(path, bytes, n);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), -ERR_CORRUPT);
	assert_non_null(strstr(e.text, "offset 0"));
	seen_fini(&s);
	free(bytes);
	scratch_remove(dir);
}

/* Damage in a segment that is not the last is refused even when nothing
 * behind it in the file says that it was synced. */
static void
damage_in_an_old_segment_is_refused(void **state)
{
	struct ship_log *log;
	struct seen s;
	struct err e;
	char dir[64], path[128];
	uint8_t *bytes;
	size_t n;
	uint64_t end;
	int i;

	(void)state;
	scratch_make(dir);
	first_segment(dir, path);
	assert_int_equal(open_at(dir, 1 << 20, &log, &s, &e), 0);
	for (i = 0; i < 200; i++)
		append(log, &s, "a");
	assert_int_equal(ship_log_sync(log, &e), 0);
	assert_true(log->nseg >= 2);
	end = log->seg[1].start;
	ship_log_close(&log);
	seen_fini(&s);
	bytes = scratch_read(path, &n);
	bytes[end - 5] ^= 1;
	scratch_write(path, bytes, n);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), -ERR_CORRUPT);
	seen_fini(&s);
	free(bytes);
	scratch_remove(dir);
}

/* An unsynced record that survives behind a lost one does not come back to
 * life when the log was written again up to it. */
static void
lost_and_found_records_stay_lost(void **state)
{
	struct ship_log *log;
	struct seen s;
	struct err e;
	char dir[64], path[128];
	struct buf b = BUF_INIT;
	uint8_t *bytes;
	uint64_t third;
	size_t n;
	int i;

	(void)state;
	scratch_make(dir);
	first_segment(dir, path);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	append(log, &s, "a");
	append(log, &s, "a");
	append(log, &s, "a");
	assert_int_equal(ship_log_sync(log, &e), 0);
	third = s.pos[2];
	bytes = scratch_read(path, &n);
	bytes[s.pos[0] + 20] ^= 1; /* lost; the other two are whole */
	ship_log_close(&log);
	seen_fini(&s);
	scratch_write(path, bytes, n);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	assert_int_equal(s.n, 0);
	/* Three notes of 144 bytes and six of 152 end where the third of the
	 * old records, of 672 bytes each, still stands. */
	append_boot(log, &s);
	append_boot(log, &s);
	put_claim(&b, log_index_get(&s.ix, "a"), 1);
	for (i = 0; i < 6; i++)
		ship_log_append(log, b.data, b.len);
	assert_int_equal(ship_log_sync(log, &e), 0);
	assert_int_equal(log->end, third);
	ship_log_close(&log);
	seen_fini(&s);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	assert_int_equal(s.n, 0);
	ship_log_close(&log);
	seen_fini(&s);
	buf_fini(&b);
	free(bytes);
	scratch_remove(dir);
}

/* Segments go when no stream needs them and more than keep is behind them;
 * one becomes the next segment. A stream that was not checkpointed holds
 * them. The states of streams survive the segments. */
static void
segments_go_when_nobody_needs_them(void **state)
{
	struct ship_log *log;
	struct log_stream *a;
	struct seen s;
	struct err e;
	char dir[64];
	int i;

	(void)state;
	scratch_make(dir);
	assert_int_equal(open_at(dir, SEGMENT, &log, &s, &e), 0);
	append(log, &s, "idle");
	for (i = 0; i < 600; i++)
		append(log, &s, "a");
	assert_int_equal(ship_log_sync(log, &e), 0);
	a = log_index_find(&s.ix, "a");
	ship_log_trim(log, log_index_need(&s.ix));
	assert_int_equal(log->seg[0].start, 0);
	/* Both database files are on disk. */
	for (i = 0; i < 2; i++) {
		struct buf b = BUF_INIT;
		struct ship_record r;
		struct log_stream *st = log_index_find(&s.ix, i ? "a" : "idle");

		log_put_checkpoint(&b, st, st->commit.lsn);
		assert_int_equal(
		    ship_record_decode(&r, (uint8_t *)b.data, b.len, &e), 0);
		assert_int_equal(log_index_add(&s.ix, &r, 0, 0, NULL, &e), 0);
		assert_int_equal(ship_log_room(log, b.len, &e), 0);
		ship_log_append(log, b.data, b.len);
		buf_fini(&b);
	}
	assert_int_equal(ship_log_sync(log, &e), 0);
	assert_true(log_index_need(&s.ix) == UINT64_MAX);
	ship_log_trim(log, log_index_need(&s.ix));
	assert_true(log->nseg == 2);
	assert_int_equal(log->spares, 2);
	for (i = 0; i < 200; i++)
		append(log, &s, "a");
	assert_int_equal(ship_log_sync(log, &e), 0);
	assert_int_equal(a->commit.lsn, 800);
	ship_log_trim(log, log_index_need(&s.ix));
	assert_true(log->seg[0].start > 0);
	ship_log_close(&log);
	seen_fini(&s);
	assert_int_equal(open_at(dir, SEGMENT, &log, &s, &e), 0);
	a = log_index_find(&s.ix, "a");
	assert_int_equal(a->commit.lsn, 800);
	assert_int_equal(a->checkpoint, 600);
	assert_int_equal(log_index_find(&s.ix, "idle")->commit.lsn, 1);
	ship_log_close(&log);
	seen_fini(&s);
	scratch_remove(dir);
}

static void
leave_file(const char *dir, const char *name, off_t size)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static bool
has_file(const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* What a process was about to make when it died does not stay, and a spare
 * segment that is too short is not used. */
static void
what_was_left_is_cleaned(void **state)
{
	static const char *const gone[] = {
	    "new", "spare", "spare.part", "spare.1"};
	struct ship_log *log;
	struct seen s;
	struct err e;
	char dir[64];
	size_t i;

	(void)state;
	scratch_make(dir);
	assert_int_equal(open_at(dir, SEGMENT, &log, &s, &e), 0);
	append(log, &s, "a");
	assert_int_equal(ship_log_sync(log, &e), 0);
	ship_log_close(&log);
	seen_fini(&s);
	for (i = 0; i < sizeof gone / sizeof gone[0]; i++)
		leave_file(dir, gone[i], SEGMENT);
	assert_int_equal(open_at(dir, SEGMENT, &log, &s, &e), 0);
	assert_int_equal(log->spares, 0);
	for (i = 0; i < sizeof gone / sizeof gone[0]; i++)
		assert_false(has_file(dir, gone[i]));
	ship_log_close(&log);
	seen_fini(&s);
	leave_file(dir, "spare.0", SEGMENT / 2);
	assert_int_equal(open_at(dir, SEGMENT, &log, &s, &e), 0);
	assert_int_equal(log->spares, 1);
	for (i = 0; i < 600; i++)
		append(log, &s, "a");
	assert_int_equal(ship_log_sync(log, &e), 0);
	assert_true(log->nseg > 1);
	assert_int_equal(log->seg[1].size, SEGMENT);
	assert_int_equal(log->spares, 0);
	assert_false(has_file(dir, "spare.0"));
	ship_log_close(&log);
	seen_fini(&s);
	scratch_remove(dir);
}

/* Only one process at a time has a log. */
static void
a_log_has_one_writer(void **state)
{
	struct ship_log *log, *two;
	struct seen s, t;
	struct err e;
	char dir[64];

	(void)state;
	scratch_make(dir);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	assert_int_equal(open_at(dir, 0, &two, &t, &e), -ERR_BUSY);
	ship_log_close(&log);
	seen_fini(&s);
	scratch_remove(dir);
}

/* A disk that is full refuses new segments, keeps what there was, and the
 * log goes on when there is room again. */
static void
a_full_disk_is_not_final(void **state)
{
	struct ship_log *log;
	struct seen s;
	struct err e;
	uint8_t out[1024];
	char dir[64], block[128];
	size_t n;

	(void)state;
	scratch_make(dir);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	while (log->end + SHIP_ENTRY + 700 < SEGMENT)
		append(log, &s, "a");
	n = record_next(&s, "a", out);
	snprintf(block, sizeof block, "%s/new", dir);
	fault_disk_full(true);
	assert_int_equal(ship_log_room(log, n + 1000, &e), -ERR_FULL);
	assert_int_equal(ship_log_sync(log, &e), 0);
	assert_int_not_equal(access(block, F_OK), 0);
	fault_disk_full(false);
	append(log, &s, "a");
	append(log, &s, "a");
	assert_int_equal(ship_log_sync(log, &e), 0);
	n = s.n;
	ship_log_close(&log);
	seen_fini(&s);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	assert_int_equal(s.n, n);
	ship_log_close(&log);
	seen_fini(&s);
	scratch_remove(dir);
}

/* A failed sync is final: nothing more is taken. */
static void
a_failed_log_takes_nothing(void **state)
{
	struct ship_log *log;
	struct seen s;
	struct err e;
	char dir[64];

	(void)state;
	scratch_make(dir);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	append(log, &s, "a");
	close(log->fd);
	log->fd = open("/dev/null", O_RDONLY);
	assert_int_equal(ship_log_sync(log, &e), -ERR_IO);
	assert_int_equal(ship_log_sync(log, &e), -ERR_IO);
	assert_int_equal(ship_log_room(log, 100, &e), -ERR_IO);
	ship_log_close(&log);
	seen_fini(&s);
	scratch_remove(dir);
}

/* A record follows its stream's last one by LSN, sum and epoch or is
 * refused; a claim below the highest epoch is refused. */
static void
the_index_fences_and_chains(void **state)
{
	struct seen s = {.n = 0};
	struct ship_record r, c;
	struct buf b = BUF_INIT;
	uint8_t out[1024];
	struct err e;
	size_t n;

	(void)state;
	n = record_next(&s, "a", out);
	ship_record_decode(&r, out, n, &e);
	assert_int_equal(log_index_add(&s.ix, &r, 0, 0, NULL, &e), 0);
	assert_int_equal(
	    log_index_add(&s.ix, &r, 0, 0, NULL, &e), -ERR_CORRUPT);
	n = record_next(&s, "a", out);
	ship_record_decode(&r, out, n, &e);
	r.prev++;
	assert_int_equal(
	    log_index_add(&s.ix, &r, 0, 0, NULL, &e), -ERR_CORRUPT);
	r.prev--;
	put_claim(&b, log_index_find(&s.ix, "a"), 5);
	ship_record_decode(&c, (uint8_t *)b.data, b.len, &e);
	assert_int_equal(log_index_add(&s.ix, &c, 0, 0, NULL, &e), 0);
	assert_int_equal(
	    log_index_add(&s.ix, &r, 0, 0, NULL, &e), -ERR_REFUSED);
	c.epoch = 4;
	assert_int_equal(
	    log_index_add(&s.ix, &c, 0, 0, NULL, &e), -ERR_REFUSED);
	assert_int_equal(log_index_epoch(&s.ix), 5);
	r.epoch = 5;
	assert_int_equal(log_index_add(&s.ix, &r, 0, 0, NULL, &e), 0);
	buf_fini(&b);
	seen_fini(&s);
}

static void
add_boot(struct log_index *ix, uint8_t id, uint64_t pos)
{
	uint8_t boot[16] = {id};
	struct buf b = BUF_INIT;
	struct ship_record r;
	struct err e;

	log_put_boot(&b, boot);
	assert_int_equal(
	    ship_record_decode(&r, (uint8_t *)b.data, b.len, &e), 0);
	assert_int_equal(log_index_add(ix, &r, pos, 0, NULL, &e), 0);
	buf_fini(&b);
}

/* Parts of a commit whose end never came are void once the machine was booted
 * again, and the stream goes on behind the last whole commit; a restart
 * without a boot leaves them, for the end is still in the -wal. */
static void
parts_without_an_end_are_void(void **state)
{
	struct seen s = {.n = 0};
	struct ship_record r, part;
	uint8_t out[1024];
	struct log_stream *a;
	struct err e;

	(void)state;
	add_boot(&s.ix, 1, 50);
	ship_record_decode(&r, out, record_next(&s, "a", out), &e);
	assert_int_equal(log_index_add(&s.ix, &r, 100, 0, &a, &e), 0);
	ship_record_decode(&r, out, record_next(&s, "a", out), &e);
	part = r;
	part.db_pages = 0;
	part.sum++;
	assert_int_equal(log_index_add(&s.ix, &part, 200, 0, NULL, &e), 0);
	assert_int_equal(a->last.lsn, 2);
	assert_int_equal(a->commit.lsn, 1);
	assert_true(log_stream_is_void(a, 200, 2)); /* so far */
	add_boot(&s.ix, 1, 250);
	assert_int_equal(a->last.lsn, 2);
	assert_int_equal(
	    log_index_add(&s.ix, &r, 300, 0, NULL, &e), -ERR_CORRUPT);
	add_boot(&s.ix, 2, 300);
	assert_int_equal(a->last.lsn, 1);
	assert_int_equal(log_index_add(&s.ix, &r, 400, 0, NULL, &e), 0);
	assert_false(log_stream_is_void(a, 100, 1));
	assert_true(log_stream_is_void(a, 200, 2));
	assert_false(log_stream_is_void(a, 400, 2));
	assert_int_equal(a->commit.lsn, 2);
	assert_true(a->commit.sum == r.sum);
	seen_fini(&s);
}

/* ---- on a site ----------------------------------------------------------- */

/* Take a note of the buffer into the index, at a position. */
static int
take_note(struct seen *s, struct buf *b, uint64_t pos)
{
	struct ship_record r;
	struct err e;
	int ret;

	assert_int_equal(
	    ship_record_decode(&r, (uint8_t *)b->data, b->len, &e), 0);
	ret = log_index_add(&s->ix, &r, pos, 0, NULL, &e);
	buf_fini(b);
	return ret;
}

/* n records of the next LSNs under an epoch, each 100 bytes behind the one
 * before. */
static void
take_records(struct seen *s, uint64_t epoch, int n, uint64_t *pos)
{
	struct log_stream *a;
	struct ship_record r;
	uint8_t out[1024];
	struct err e;

	while (n-- > 0) {
		ship_record_decode(&r, out, record_next(s, "a", out), &e);
		a = log_index_get(&s->ix, "a");
		r.epoch = epoch;
		r.sum += epoch;
		r.prev = a->last.sum;
		assert_int_equal(
		    log_index_add(&s->ix, &r, *pos, 0, NULL, &e), 0);
		*pos += 100;
	}
}

/* A claim of another server's owner takes the log back to what both have;
 * what came behind it is void wherever it stands, and records of the epochs
 * before may follow up to the claim's base. */
static void
a_claim_takes_the_log_back(void **state)
{
	struct seen s = {.n = 0};
	struct log_stream *a;
	struct buf b = BUF_INIT;
	uint64_t pos = 1000, lsn;
	struct log_epoch other[2] = {{1, 1}, {3, 5}};

	(void)state;
	s.ix.site = true;
	take_records(&s, 1, 8, &pos); /* LSN 1..8 at 1000..1700 */
	a = log_index_find(&s.ix, "a");
	assert_true(log_stream_common(a, 9, other, 2, &lsn));
	assert_int_equal(lsn, 4);
	log_put_claim(&b, a, 3, &log_stream_at(a, 4)->mark, 6, true);
	assert_int_equal(take_note(&s, &b, pos), 0);
	assert_int_equal(a->last.lsn, 4);
	assert_int_equal(a->commit.lsn, 4);
	assert_int_equal(a->epoch, 3);
	assert_true(a->foreign);
	assert_false(log_stream_is_void(a, 1300, 4));
	assert_true(log_stream_is_void(a, 1400, 5));
	pos += 100;
	take_records(&s, 2, 2, &pos); /* up to the base */
	take_records(&s, 3, 1, &pos);
	assert_int_equal(a->last.lsn, 7);
	assert_false(log_stream_is_void(a, 1900, 5));
	assert_true(log_stream_is_void(a, 1500, 6));
	assert_int_equal(log_stream_pos(a, 5), 1900);
	assert_true(log_stream_common(a, 7, a->epochs, a->nepochs, &lsn));
	assert_int_equal(lsn, 7);
	/* Behind the checkpoint there is no way back. */
	log_put_checkpoint(&b, a, 6);
	assert_int_equal(take_note(&s, &b, pos), 0);
	log_put_claim(&b, a, 4, &log_stream_at(a, 5)->mark, 5, true);
	assert_int_equal(take_note(&s, &b, pos), -ERR_CORRUPT);
	assert_int_equal(a->last.lsn, 7);
	seen_fini(&s);
}

/* A copied database begins the stream anew: nothing before it counts, and its
 * place in the log is needed until it is on disk as a whole. */
static void
a_base_begins_anew(void **state)
{
	struct seen s = {.n = 0};
	struct log_mark at = {.epoch = 4, .lsn = 50, .sum = 77};
	struct log_stream *a;
	struct buf b = BUF_INIT;
	uint64_t pos = 1000, lsn;

	(void)state;
	s.ix.site = true;
	take_records(&s, 1, 3, &pos);
	a = log_index_find(&s.ix, "a");
	log_put_base(&b, a, 5, &at, 512, 9, 52, 3);
	assert_int_equal(take_note(&s, &b, pos), 0);
	assert_int_equal(a->last.lsn, 50);
	assert_int_equal(a->checkpoint, 50);
	assert_int_equal(a->whole, 52);
	assert_int_equal(a->file, 3);
	assert_int_equal(a->epoch, 5);
	assert_true(log_stream_is_void(a, 1100, 2));
	assert_int_equal(log_index_need(&s.ix), 0);
	assert_true(log_stream_common(a, 60, a->epochs, a->nepochs, &lsn));
	assert_int_equal(lsn, 50);
	/* Where its own file stands is told apart from where the log is. */
	assert_false(a->placed);
	log_put_place(&b, a, &a->last);
	assert_int_equal(take_note(&s, &b, pos), 0);
	assert_true(a->placed);
	seen_fini(&s);
}

/* A segment that begins in the midst of a commit stands for itself when those
 * before it are gone. */
static void
a_commit_may_span_segments(void **state)
{
	struct ship_log *log;
	struct log_stream *a;
	struct seen s;
	struct err e;
	char dir[64];
	uint8_t out[1024];
	struct ship_record r;
	struct buf b = BUF_INIT;
	size_t n, i;

	(void)state;
	scratch_make(dir);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	append(log, &s, "a");
	a = log_index_find(&s.ix, "a");
	for (i = 0; log->nseg < 3 || i < 10; i++) { /* parts */
		n = record_next(&s, "a", out);
		ship_record_decode(&r, out, n, &e);
		ship_put32(out + 40, 0);
		ship_record_sum(out, n);
		assert_int_equal(ship_log_room(log, n, &e), 0);
		assert_int_equal(ship_record_decode(&r, out, n, &e), 0);
		seen_add(&s, &r, out, ship_log_append(log, out, n),
		    ship_log_segment(log), &e);
	}
	append(log, &s, "a");
	log_put_checkpoint(&b, a, a->commit.lsn);
	assert_int_equal(ship_log_room(log, b.len, &e), 0);
	ship_log_append(log, b.data, b.len);
	assert_int_equal(take_note(&s, &b, log->end), 0);
	assert_int_equal(ship_log_sync(log, &e), 0);
	ship_log_trim(log, log_index_need(&s.ix));
	assert_int_equal(log->nseg, 1);
	n = (size_t)a->commit.lsn;
	ship_log_close(&log);
	seen_fini(&s);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	assert_int_equal(log_index_find(&s.ix, "a")->commit.lsn, n);
	ship_log_close(&log);
	seen_fini(&s);
	scratch_remove(dir);
}

/* Killed when a new segment had its head only, the log puts the states there
 * when it is opened again, so the segments before may go. */
static void
a_segment_without_states_gets_them(void **state)
{
	struct ship_log *log;
	struct log_stream *a;
	struct buf b = BUF_INIT;
	struct seen s;
	struct err e;
	char dir[64];

	(void)state;
	scratch_make(dir);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	while (log->nseg < 2)
		append(log, &s, "a");
	/* The record and states that caused the roll are only staged. */
	ship_log_close(&log);
	seen_fini(&s);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	assert_int_equal(log->nseg, 2);
	a = log_index_find(&s.ix, "a");
	log_put_checkpoint(&b, a, a->commit.lsn);
	ship_log_append(log, b.data, b.len);
	assert_int_equal(take_note(&s, &b, log->end), 0);
	assert_int_equal(ship_log_sync(log, &e), 0);
	ship_log_trim(log, log_index_need(&s.ix));
	assert_int_equal(log->nseg, 1);
	ship_log_close(&log);
	seen_fini(&s);
	assert_int_equal(open_at(dir, 0, &log, &s, &e), 0);
	ship_log_close(&log);
	seen_fini(&s);
	scratch_remove(dir);
}

/* A cursor reads what was written, over segments and while more comes, and
 * tells when its place is gone. */
static void
a_cursor_follows_the_writer(void **state)
{
	struct ship_cursor c;
	struct ship_record r;
	const uint8_t *bytes;
	struct ship_log *log;
	struct seen s;
	struct err e;
	char dir[64];
	uint64_t pos, next = 1;
	int round, i, got;

	(void)state;
	scratch_make(dir);
	assert_int_equal(open_at(dir, 1 << 20, &log, &s, &e), 0);
	ship_cursor_init(&c);
	for (round = 0; round < 30; round++) {
		for (i = 0; i < 20; i++)
			append(log, &s, "a");
		assert_int_equal(ship_log_sync(log, &e), 0);
		while ((got = ship_cursor_next(log, &c, &r, &bytes, &pos, &e)) >
		    0) {
			if (r.kind != SHIP_PAGES)
				continue;
			assert_int_equal(r.lsn, next++);
			assert_int_equal(pos, s.pos[r.lsn - 1]);
		}
		assert_int_equal(got, 0);
		assert_int_equal(next, s.n + 1);
	}
	assert_true(log->nseg > 3);
	ship_cursor_seek(&c, s.pos[7]);
	assert_int_equal(ship_cursor_next(log, &c, &r, &bytes, &pos, &e), 1);
	assert_int_equal(r.lsn, 8);
	log->keep = 0;
	ship_log_trim(log, UINT64_MAX);
	assert_int_equal(
	    ship_cursor_next(log, &c, &r, &bytes, &pos, &e), -ERR_ABSENT);
	ship_cursor_fini(&c);
	ship_log_close(&log);
	seen_fini(&s);
	scratch_remove(dir);
}

/* Out of memory at any allocation, opening says so or succeeds, and the log
 * on disk is as good as before. */
static void
no_memory_is_an_error(void **state)
{
	struct ship_log *log;
	struct seen s;
	struct err e;
	char dir[64];
	long n;
	int r, i;

	(void)state;
	scratch_make(dir);
	assert_int_equal(open_at(dir, 1 << 20, &log, &s, &e), 0);
	for (i = 0; i < 200; i++)
		append(log, &s, i % 3 ? "a" : "b");
	assert_int_equal(ship_log_sync(log, &e), 0);
	ship_log_close(&log);
	seen_fini(&s);
	for (n = 0, r = -1; r != 0; n++) {
		struct ship_log_config c = {dir, SEGMENT, 1 << 20};

		memset(&s, 0, sizeof s);
		fault_alloc_at(n);
		r = ship_log_open(&c, seen_add, &s, &log, &e);
		fault_alloc_off();
		if (r != 0)
			assert_int_equal(
			    r, e.code == ERR_IO ? -ERR_IO : -ERR_NOMEM);
		else
			assert_int_equal(s.n, 200);
		if (r == 0)
			ship_log_close(&log);
		seen_fini(&s);
	}
	assert_true(n > 5);
	scratch_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_come_back_over_segments),
	    cmocka_unit_test(a_torn_tail_is_cut),
	    cmocka_unit_test(damage_in_the_middle_is_refused),
	    cmocka_unit_test(damage_in_an_old_segment_is_refused),
	    cmocka_unit_test(lost_and_found_records_stay_lost),
	    cmocka_unit_test(segments_go_when_nobody_needs_them),
	    cmocka_unit_test(what_was_left_is_cleaned),
	    cmocka_unit_test(a_log_has_one_writer),
	    cmocka_unit_test(a_full_disk_is_not_final),
	    cmocka_unit_test(a_failed_log_takes_nothing),
	    cmocka_unit_test(the_index_fences_and_chains),
	    cmocka_unit_test(parts_without_an_end_are_void),
	    cmocka_unit_test(a_claim_takes_the_log_back),
	    cmocka_unit_test(a_base_begins_anew),
	    cmocka_unit_test(a_commit_may_span_segments),
	    cmocka_unit_test(a_segment_without_states_gets_them),
	    cmocka_unit_test(a_cursor_follows_the_writer),
	    cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests_name("ship_log", tests, NULL, NULL);
}
