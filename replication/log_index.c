/*
 * The index of the ship log. It decides which record may follow in a stream:
 * the next LSN, chained by the sum of the record before, under the epoch that
 * was claimed last. One exception: parts of a large commit whose end was lost
 * with the writer's -wal, which a BOOT record of another boot says, are void,
 * and the stream goes on behind the last whole commit.
 *
 * A CLAIM raises the epoch and never lowers it: that is the fence. A STATE
 * makes a stream known of which older segments are gone, and says nothing new
 * otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "log_index.h"
#include "daemon/base/str.h"

void
log_index_fini(struct log_index *ix)
{
	struct log_stream *s;
	size_t at = 0;

	while ((s = log_index_next(ix, &at)) != NULL) {
		free(s->need);
		free(s->voids);
		free(s);
	}
	map_fini(&ix->streams);
}

struct log_stream *
log_index_find(const struct log_index *ix, const char *name)
{
	return map_str(&ix->streams, name);
}

struct log_stream *
log_index_next(const struct log_index *ix, size_t *at)
{
	return map_next(&ix->streams, at, NULL, NULL);
}

struct log_stream *
log_index_get(struct log_index *ix, const char *name)
{
	struct log_stream *s = log_index_find(ix, name);

	if (s != NULL)
		return s;
	if ((s = calloc(1, sizeof *s)) == NULL)
		return NULL;
	str_copy(s->name, sizeof s->name, name);
	if (map_str_put(&ix->streams, s->name, s) != 0) {
		free(s);
		return NULL;
	}
	return s;
}

/* ---- taking records ----------------------------------------------------- */

/* The first record of a stream in a segment is remembered while any record
 * of the segment may be needed. */
static int
stream_note_need(struct log_stream *s, uint64_t segment, uint64_t lsn)
{
	struct log_need *more;
	size_t room;

	if (s->nneed > 0 && s->need[s->nneed - 1].segment == segment)
		return 0;
	if (s->nneed == s->need_room) {
		room = s->need_room != 0 ? s->need_room * 2 : 2;
		more = realloc(s->need, room * sizeof *more);
		if (more == NULL)
			return -ERR_NOMEM;
		s->need = more;
		s->need_room = room;
	}
	s->need[s->nneed++] = (struct log_need){segment, lsn};
	return 0;
}

/* Segments all of whose records are on disk are not needed any more. */
static void
stream_forget_need(struct log_stream *s)
{
	size_t gone = 0;

	if (s->nneed == 0)
		return;
	if (s->checkpoint >= s->last.lsn)
		gone = s->nneed;
	while (
	    gone + 1 < s->nneed && s->need[gone + 1].lsn <= s->checkpoint + 1)
		gone++;
	s->nneed -= gone;
	memmove(s->need, s->need + gone, s->nneed * sizeof *s->need);
}

/* Remember that the parts behind the last commit are void up to pos. */
static int
stream_add_void(struct log_stream *s, uint64_t pos)
{
	struct log_void *more;

	more = realloc(s->voids, (s->nvoids + 1) * sizeof *more);
	if (more == NULL)
		return -ERR_NOMEM;
	s->voids = more;
	s->voids[s->nvoids++] = (struct log_void){s->part, pos};
	return 0;
}

bool
log_stream_is_void(const struct log_stream *s, uint64_t pos)
{
	size_t i;

	for (i = 0; i < s->nvoids; i++) {
		if (pos >= s->voids[i].from && pos < s->voids[i].to)
			return true;
	}
	return s->last.lsn != s->commit.lsn && pos >= s->part;
}

/* What may follow what, in words. */
static int
stream_check_pages(
    const struct log_stream *s, const struct ship_record *r, struct err *e)
{
	if (r->epoch != s->epoch)
		return err_set(e, ERR_REFUSED,
		    "%s: record of epoch %llu, the stream has %llu", s->name,
		    (unsigned long long)r->epoch, (unsigned long long)s->epoch);
	if (r->lsn != s->last.lsn + 1 || r->prev != s->last.sum)
		return err_set(e, ERR_CORRUPT,
		    "%s: record of LSN %llu does not follow LSN %llu", s->name,
		    (unsigned long long)r->lsn,
		    (unsigned long long)s->last.lsn);
	if (s->page_size != 0 && s->page_size != r->page_size)
		return err_set(e, ERR_CORRUPT,
		    "%s: pages of %u bytes in a stream of %u", s->name,
		    r->page_size, s->page_size);
	return 0;
}

static int
index_add_pages(struct log_stream *s, const struct ship_record *r, uint64_t pos,
    uint64_t segment, struct err *e)
{
	int ret = stream_check_pages(s, r, e);

	if (ret != 0)
		return ret;
	if (stream_note_need(s, segment, r->lsn) != 0)
		return err_set(e, ERR_NOMEM, "ship log");
	if (r->lsn == s->commit.lsn + 1)
		s->part = pos;
	s->page_size = r->page_size;
	s->last = (struct log_mark){r->epoch, r->lsn, r->sum, r->wal};
	if (r->db_pages != 0) {
		s->commit = s->last;
		s->db_pages = r->db_pages;
	}
	return 0;
}

static int
index_add_claim(struct log_stream *s, const struct ship_record *r, uint64_t pos,
    uint64_t segment, struct err *e)
{
	(void)pos;
	(void)segment;
	if (r->epoch < s->epoch)
		return err_set(e, ERR_REFUSED,
		    "%s: epoch %llu is over, the stream has %llu", s->name,
		    (unsigned long long)r->epoch, (unsigned long long)s->epoch);
	s->epoch = r->epoch;
	return 0;
}

static int
index_add_checkpoint(struct log_stream *s, const struct ship_record *r,
    uint64_t pos, uint64_t segment, struct err *e)
{
	(void)pos;
	(void)segment;
	if (r->lsn > s->commit.lsn)
		return err_set(e, ERR_CORRUPT,
		    "%s: checkpoint of LSN %llu, the stream has %llu", s->name,
		    (unsigned long long)r->lsn,
		    (unsigned long long)s->commit.lsn);
	if (r->lsn > s->checkpoint)
		s->checkpoint = r->lsn;
	stream_forget_need(s);
	return 0;
}

static int
index_add_state(struct log_stream *s, const struct ship_record *r, uint64_t pos,
    uint64_t segment, struct err *e)
{
	(void)pos;
	(void)segment;
	if (s->epoch != 0 && s->commit.lsn != r->lsn)
		return err_set(e, ERR_CORRUPT,
		    "%s: stands at LSN %llu, not %llu", s->name,
		    (unsigned long long)s->commit.lsn,
		    (unsigned long long)r->lsn);
	if (s->epoch != 0)
		return 0;
	s->epoch = r->value[1];
	s->commit = (struct log_mark){r->epoch, r->lsn, r->prev, r->wal};
	s->last = s->commit;
	s->checkpoint = r->value[0];
	s->page_size = r->page_size;
	s->db_pages = r->db_pages;
	return 0;
}

/* A new boot: what the writers had in their -wal is gone, and with it the
 * rest of every commit of which only parts are here. */
static int
index_add_boot(struct log_index *ix, const struct ship_record *r, uint64_t pos,
    struct err *e)
{
	static const uint8_t none[16];
	struct log_stream *s;
	size_t at = 0;

	if (memcmp(ix->boot, none, 16) != 0 &&
	    memcmp(ix->boot, r->value, 16) != 0) {
		while ((s = log_index_next(ix, &at)) != NULL) {
			if (s->last.lsn == s->commit.lsn)
				continue;
			if (stream_add_void(s, pos) != 0)
				return err_set(e, ERR_NOMEM, "ship log");
			s->last = s->commit;
		}
	}
	memcpy(ix->boot, r->value, sizeof ix->boot);
	return 0;
}

int
log_index_add(struct log_index *ix, const struct ship_record *r, uint64_t pos,
    uint64_t segment, struct log_stream **taken, struct err *e)
{
	static int (*const add[SHIP_KINDS])(struct log_stream *,
	    const struct ship_record *, uint64_t, uint64_t, struct err *) = {
	    [SHIP_PAGES] = index_add_pages,
	    [SHIP_CLAIM] = index_add_claim,
	    [SHIP_CHECKPOINT] = index_add_checkpoint,
	    [SHIP_STATE] = index_add_state,
	};
	struct log_stream *s;

	if (r->kind == SHIP_BOOT)
		return index_add_boot(ix, r, pos, e);
	if ((s = log_index_get(ix, r->name)) == NULL)
		return err_set(e, ERR_NOMEM, "ship log");
	if (taken != NULL)
		*taken = s;
	return add[r->kind](s, r, pos, segment, e);
}

/* ---- what is needed ----------------------------------------------------- */

uint64_t
log_stream_need(const struct log_stream *s)
{
	return s->nneed > 0 ? s->need[0].segment : UINT64_MAX;
}

uint64_t
log_index_need(const struct log_index *ix)
{
	const struct log_stream *s;
	uint64_t need = UINT64_MAX, n;
	size_t at = 0;

	while ((s = log_index_next(ix, &at)) != NULL) {
		if ((n = log_stream_need(s)) < need)
			need = n;
	}
	return need;
}

uint64_t
log_index_epoch(const struct log_index *ix)
{
	const struct log_stream *s;
	uint64_t epoch = 0;
	size_t at = 0;

	while ((s = log_index_next(ix, &at)) != NULL) {
		if (s->epoch > epoch)
			epoch = s->epoch;
	}
	return epoch;
}

/* ---- notes -------------------------------------------------------------- */

static void
log_put(struct buf *b, struct ship_record *r)
{
	char *at = buf_reserve(b, SHIP_HEAD + STREAM_NAME);
	long n;

	if (at == NULL)
		return;
	n = ship_record_encode(
	    r, NULL, 0, (uint8_t *)at, SHIP_HEAD + STREAM_NAME);
	if (n < 0)
		b->failed = 1;
	else
		b->len += (size_t)n;
}

void
log_put_claim(struct buf *b, const struct log_stream *s, uint64_t epoch)
{
	struct ship_record r = {.kind = SHIP_CLAIM,
	    .epoch = epoch,
	    .lsn = s->last.lsn,
	    .prev = s->last.sum};

	str_copy(r.name, sizeof r.name, s->name);
	log_put(b, &r);
}

void
log_put_checkpoint(struct buf *b, const struct log_stream *s, uint64_t lsn)
{
	struct ship_record r = {
	    .kind = SHIP_CHECKPOINT, .epoch = s->epoch, .lsn = lsn};

	str_copy(r.name, sizeof r.name, s->name);
	log_put(b, &r);
}

void
log_put_boot(struct buf *b, const uint8_t boot[16])
{
	struct ship_record r = {.kind = SHIP_BOOT};

	memcpy(r.value, boot, sizeof r.value);
	log_put(b, &r);
}

static void
log_put_state(struct buf *b, const struct log_stream *s)
{
	struct ship_record r = {.kind = SHIP_STATE,
	    .epoch = s->commit.epoch,
	    .lsn = s->commit.lsn,
	    .prev = s->commit.sum,
	    .page_size = s->page_size,
	    .db_pages = s->db_pages,
	    .wal = s->commit.wal,
	    .value = {s->checkpoint, s->epoch}};

	str_copy(r.name, sizeof r.name, s->name);
	log_put(b, &r);
}

void
log_put_states(void *arg, struct buf *b)
{
	const struct log_index *ix = arg;
	const struct log_stream *s;
	size_t at = 0;

	log_put_boot(b, ix->boot);
	while ((s = log_index_next(ix, &at)) != NULL) {
		if (s->epoch != 0)
			log_put_state(b, s);
	}
}
