/*
 * The index of the ship log. It decides which record may follow in a stream:
 * the next LSN, chained by the sum of the record before, under the epoch that
 * was claimed last.
 *
 * A CLAIM raises the epoch and never lowers it: that is the fence. It says
 * where this log stands when the epoch begins; what the log holds of the
 * stream behind that is void. On a site the log of another server than the
 * owner's may be behind at that moment: up to the claim's base it is given
 * the records of epochs before, each chained to the one before as ever.
 *
 * Parts of a large commit whose end was lost with the writer's -wal, which a
 * BOOT record of another boot says, are void too. A STATE makes a stream
 * known of which older segments are gone, and says nothing new otherwise; nor
 * does a MIDST, which goes with it. A BASE begins a stream anew, with a
 * database copied from another server.
 *
 * On a site every record behind the checkpoint is remembered with its
 * position (56 bytes each), at least the last LOG_RECENT.
 */
#include <stdlib.h>
#include <string.h>

#include "log_index.h"
#include "daemon/base/str.h"

#define LOG_RECENT 256
#define STATE_FOREIGN (UINT64_C(1) << 32)
#define STATE_BASED (UINT64_C(1) << 33)
#define STATE_UNPLACED (UINT64_C(1) << 34)
#define STATE_BACK (UINT64_C(1) << 35)

void
log_index_fini(struct log_index *ix)
{
	struct log_stream *s;
	size_t at = 0;

	while ((s = log_index_next(ix, &at)) != NULL) {
		free(s->need);
		free(s->voids);
		free(s->recent);
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

/* ---- what is remembered of records -------------------------------------- */

/* Room for one more entry in a list. */
static int
list_room(void **list, size_t n, size_t *room, size_t size)
{
	size_t more = *room != 0 ? *room * 2 : 4;
	void *grown;

	if (n < *room)
		return 0;
	if ((grown = realloc(*list, more * size)) == NULL)
		return -ERR_NOMEM;
	*list = grown;
	*room = more;
	return 0;
}

/* The first record of a stream in a segment. */
static int
stream_note_need(struct log_stream *s, uint64_t segment, uint64_t lsn)
{
	if (s->nneed > 0 && s->need[s->nneed - 1].segment == segment) {
		if (s->needed == s->nneed)
			s->needed--; /* all in it was on disk so far */
		return 0;
	}
	if (list_room((void **)&s->need, s->nneed, &s->need_room,
		sizeof *s->need) != 0)
		return -ERR_NOMEM;
	s->need[s->nneed++] = (struct log_need){segment, lsn};
	return 0;
}

/* Segments all of whose records are on disk are not needed any more. */
static void
stream_forget_need(struct log_stream *s)
{
	while (s->needed + 1 < s->nneed &&
	    s->need[s->needed + 1].lsn <= s->checkpoint + 1)
		s->needed++;
	if (s->checkpoint >= s->last.lsn)
		s->needed = s->nneed;
}

static void
stream_drop_need(struct log_stream *s, size_t gone)
{
	s->nneed -= gone;
	s->needed = s->needed > gone ? s->needed - gone : 0;
	if (gone > 0)
		memmove(s->need, s->need + gone, s->nneed * sizeof *s->need);
}

/* The last record, which came from the position (0: from a note). */
static int
stream_remember(struct log_stream *s, uint64_t pos)
{
	uint32_t pages = s->last.lsn == s->commit.lsn ? s->db_pages : 0;

	if (list_room((void **)&s->recent, s->nrecent, &s->recent_room,
		sizeof *s->recent) != 0)
		return -ERR_NOMEM;
	s->recent[s->nrecent++] = (struct log_at){s->last, pos, pages};
	if (s->nepochs > 0 && s->epochs[s->nepochs - 1].epoch == s->last.epoch)
		return 0;
	if (s->nepochs == LOG_EPOCHS)
		memmove(
		    s->epochs, s->epochs + 1, --s->nepochs * sizeof *s->epochs);
	s->epochs[s->nepochs++] = (struct log_epoch){
	    s->last.epoch, s->last.lsn};
	return 0;
}

/* What is on disk, and not among the last, is not asked for again. Moving
 * the rest is worth it when that is much. */
static void
stream_forget_recent(struct log_stream *s)
{
	size_t gone = 0, most = 0;

	if (s->nrecent > LOG_RECENT)
		most = s->nrecent - LOG_RECENT;
	while (gone < most && s->recent[gone].mark.lsn < s->checkpoint)
		gone++;
	if (gone < LOG_RECENT || gone < s->nrecent / 2)
		return;
	s->nrecent -= gone;
	memmove(s->recent, s->recent + gone, s->nrecent * sizeof *s->recent);
	s->floor = (struct log_at){0};
}

const struct log_at *
log_stream_at(const struct log_stream *s, uint64_t lsn)
{
	uint64_t first = s->nrecent > 0 ? s->recent[0].mark.lsn : 0;

	if (lsn != 0 && lsn == s->floor.mark.lsn)
		return &s->floor;
	if (s->nrecent == 0 || lsn < first || lsn - first >= s->nrecent)
		return NULL;
	return &s->recent[lsn - first];
}

uint64_t
log_stream_commit(const struct log_stream *s, uint64_t lsn)
{
	const struct log_at *at;

	if (lsn >= s->commit.lsn)
		return s->commit.lsn;
	for (; (at = log_stream_at(s, lsn)) != NULL; lsn--) {
		if (at->db_pages != 0)
			return lsn;
	}
	return lsn > s->floor.mark.lsn ? s->floor.mark.lsn : 0;
}

bool
log_stream_is_midst(const struct log_stream *s)
{
	return s->last.lsn != s->commit.lsn || s->base > s->last.lsn;
}

uint64_t
log_stream_pos(const struct log_stream *s, uint64_t lsn)
{
	const struct log_at *at = log_stream_at(s, lsn);
	size_t i;

	if (at != NULL && at->pos != 0)
		return at->pos;
	for (i = s->nneed; i-- > 0;) {
		if (s->need[i].lsn <= lsn)
			return s->need[i].segment;
	}
	return UINT64_MAX;
}

/* ---- what counts for nothing -------------------------------------------- */

static int
stream_add_void(struct log_stream *s, uint64_t lsn, uint64_t pos)
{
	struct log_void *more;

	more = realloc(s->voids, (s->nvoids + 1) * sizeof *more);
	if (more == NULL)
		return -ERR_NOMEM;
	s->voids = more;
	s->voids[s->nvoids++] = (struct log_void){lsn, pos};
	return 0;
}

bool
log_stream_is_cut(const struct log_stream *s, uint64_t pos, uint64_t lsn)
{
	size_t i;

	for (i = 0; i < s->nvoids; i++) {
		if (pos < s->voids[i].to && lsn >= s->voids[i].lsn)
			return true;
	}
	return false;
}

bool
log_stream_is_void(const struct log_stream *s, uint64_t pos, uint64_t lsn)
{
	return lsn > s->commit.lsn || log_stream_is_cut(s, pos, lsn);
}

/* The stream ends with a record again; what came behind it is forgotten. */
static void
stream_cut(struct log_stream *s)
{
	uint64_t lsn = s->last.lsn;

	while (s->nrecent > 0 && s->recent[s->nrecent - 1].mark.lsn > lsn)
		s->nrecent--;
	while (s->nepochs > 0 && s->epochs[s->nepochs - 1].first > lsn)
		s->nepochs--;
	while (s->nneed > 0 && s->need[s->nneed - 1].lsn > lsn)
		s->nneed--;
	if (s->needed > s->nneed)
		s->needed = s->nneed;
}

/* A record of an owner here. */
static void
stream_own(struct log_stream *s)
{
	const struct log_mark none = {0};
	bool follows = s->own.lsn + 1 == s->last.lsn;

	if (s->own_first == 0 || !follows) {
		s->own_first = s->last.lsn;
		s->own_before = follows ? s->own : none;
	}
	s->own = s->last;
	s->placed = true;
	s->own_back = false;
}

/* Another server goes on from a commit before the last of the owner here: so
 * far back this server's file can go, when the place in it is known. */
static void
stream_disown(struct log_stream *s)
{
	struct log_mark to = {0};

	if (s->own_first != 0 && s->commit.lsn >= s->own_first)
		to = s->commit;
	else if (s->own_first != 0 && s->commit.lsn == s->own_before.lsn)
		to = s->own_before;
	s->own_back = s->placed = to.wal.count != 0;
	s->own = s->placed ? to : (struct log_mark){0};
	if (s->own.lsn < s->own_first)
		s->own_first = 0;
}

/* A place before all that this log holds of a stream, and not yet on disk when
 * it was written: the segments in front of a STATE are gone since. */
static bool
stream_is_gone(const struct log_stream *s, uint64_t lsn)
{
	return s->nrecent > 0 && lsn < s->recent[0].mark.lsn && lsn != 0 &&
	    lsn != s->floor.mark.lsn;
}

/* Go back to a record, given by its LSN and sum: everything behind it, up to
 * the position, is void. Of one that is gone only that is known; the STATE
 * behind the claim tells the rest. */
static int
stream_rewind(struct log_stream *s, uint64_t lsn, uint64_t sum, uint64_t pos,
    struct err *e)
{
	const struct log_at *at = log_stream_at(s, lsn);
	uint64_t whole = log_stream_commit(s, lsn);
	const struct log_at *commit = log_stream_at(s, whole);
	struct log_mark to = {0}, last = {0};

	if (whole == s->commit.lsn)
		to = s->commit;
	else if (commit != NULL)
		to = commit->mark;
	if (lsn == to.lsn)
		last = to;
	else if (at != NULL)
		last = at->mark;
	if (last.lsn != lsn && lsn >= s->checkpoint && stream_is_gone(s, lsn)) {
		last = (struct log_mark){.lsn = lsn, .sum = sum};
		to = to.lsn == 0 ? last : to;
		s->unsure = true;
	}
	if (last.lsn != lsn || last.sum != sum || (lsn != 0 && to.lsn == 0) ||
	    lsn < s->checkpoint)
		return err_set(e, ERR_CORRUPT,
		    "%s: cannot go back to LSN %llu from %llu", s->name,
		    (unsigned long long)lsn, (unsigned long long)s->last.lsn);
	if (stream_add_void(s, lsn + 1, pos) != 0)
		return err_set(e, ERR_NOMEM, "ship log");
	if (commit != NULL)
		s->db_pages = commit->db_pages;
	s->last = last;
	s->commit = to;
	stream_cut(s);
	return 0;
}

/* ---- taking records ----------------------------------------------------- */

/* The epoch that a record must bear. */
static bool
stream_epoch_ok(const struct log_stream *s, const struct ship_record *r)
{
	return r->epoch == s->epoch ||
	    (r->lsn <= s->base && r->epoch < s->epoch &&
		r->epoch >= s->last.epoch);
}

/* What may follow what, in words. */
static int
stream_check_pages(
    const struct log_stream *s, const struct ship_record *r, struct err *e)
{
	if (!stream_epoch_ok(s, r))
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
index_add_pages(struct log_index *ix, struct log_stream *s,
    const struct ship_record *r, uint64_t pos, uint64_t segment, struct err *e)
{
	int ret = stream_check_pages(s, r, e);

	if (ret != 0)
		return ret;
	if (stream_note_need(s, segment, r->lsn) != 0 ||
	    (ix->site &&
		list_room((void **)&s->recent, s->nrecent, &s->recent_room,
		    sizeof *s->recent) != 0))
		return err_set(e, ERR_NOMEM, "ship log");
	s->page_size = r->page_size;
	s->last = (struct log_mark){r->epoch, r->lsn, r->sum, r->wal};
	if (r->db_pages != 0) {
		s->commit = s->last;
		s->db_pages = r->db_pages;
		s->unsure = false;
	}
	if (!s->foreign)
		stream_own(s);
	return ix->site ? stream_remember(s, pos) : 0;
}

static int
index_add_claim(struct log_index *ix, struct log_stream *s,
    const struct ship_record *r, uint64_t pos, uint64_t segment, struct err *e)
{
	int ret;

	(void)segment;
	if (r->epoch < s->epoch)
		return err_set(e, ERR_REFUSED,
		    "%s: epoch %llu is over, the stream has %llu", s->name,
		    (unsigned long long)r->epoch, (unsigned long long)s->epoch);
	if (ix->site && r->lsn < s->last.lsn &&
	    (ret = stream_rewind(s, r->lsn, r->prev, pos, e)) != 0)
		return ret;
	s->epoch = r->epoch;
	s->foreign = r->value[0] != 0;
	s->base = r->value[1];
	if (s->own.lsn > (s->foreign ? s->commit.lsn : s->last.lsn))
		stream_disown(s);
	return 0;
}

static int
index_add_checkpoint(struct log_index *ix, struct log_stream *s,
    const struct ship_record *r, uint64_t pos, uint64_t segment, struct err *e)
{
	(void)pos;
	(void)segment;
	if (r->lsn > s->commit.lsn)
		return err_set(e, ERR_CORRUPT,
		    "%s: checkpoint of LSN %llu, the stream has %llu", s->name,
		    (unsigned long long)r->lsn,
		    (unsigned long long)s->commit.lsn);
	if (r->lsn == 0 && s->last.lsn == 0)
		s->based = true;
	if (r->lsn > s->checkpoint)
		s->checkpoint = r->lsn;
	stream_forget_need(s);
	if (!ix->site)
		stream_drop_need(s, s->needed);
	stream_forget_recent(s);
	return 0;
}

/* What a STATE or BASE says of its stream. */
static int
stream_begin(struct log_stream *s, const struct ship_record *r, bool site)
{
	s->epoch = r->value[1];
	s->commit = (struct log_mark){r->epoch, r->lsn, r->prev, r->wal};
	s->last = s->commit;
	s->page_size = r->page_size;
	s->db_pages = r->db_pages;
	s->file = (uint32_t)r->value[2];
	s->foreign = (r->value[2] & STATE_FOREIGN) != 0;
	s->based = (r->value[2] & STATE_BASED) != 0;
	s->base = s->begins = r->lsn;
	s->nrecent = s->nepochs = 0;
	s->own_first = 0;
	s->own_back = (r->value[2] & STATE_BACK) != 0;
	s->floor = (struct log_at){0};
	return site && r->lsn != 0 ? stream_remember(s, 0) : 0;
}

static int
index_add_state(struct log_index *ix, struct log_stream *s,
    const struct ship_record *r, uint64_t pos, uint64_t segment, struct err *e)
{
	(void)pos;
	(void)segment;
	if (s->epoch != 0 && !s->unsure && s->commit.lsn != r->lsn)
		return err_set(e, ERR_CORRUPT,
		    "%s: stands at LSN %llu, not %llu", s->name,
		    (unsigned long long)s->commit.lsn,
		    (unsigned long long)r->lsn);
	if (s->epoch != 0 && !s->unsure)
		return 0;
	s->unsure = false;
	s->checkpoint = r->value[0];
	if (stream_begin(s, r, ix->site) != 0)
		return err_set(e, ERR_NOMEM, "ship log");
	s->placed = (r->value[2] & STATE_UNPLACED) == 0;
	if (s->placed || s->checkpoint == s->commit.lsn)
		s->own = s->commit;
	return 0;
}

/* The STATE before was of a stream in the midst of something. */
static int
index_add_midst(struct log_index *ix, struct log_stream *s,
    const struct ship_record *r, uint64_t pos, uint64_t segment, struct err *e)
{
	(void)pos;
	(void)segment;
	s->base = r->value[0];
	if (s->last.lsn == r->lsn)
		return 0;
	if (s->last.lsn != s->commit.lsn || r->lsn < s->last.lsn)
		return err_set(e, ERR_CORRUPT, "%s: ends at LSN %llu, not %llu",
		    s->name, (unsigned long long)s->last.lsn,
		    (unsigned long long)r->lsn);
	s->floor = (struct log_at){s->commit, 0, s->db_pages};
	s->last = (struct log_mark){r->epoch, r->lsn, r->prev, r->wal};
	s->nrecent = 0;
	if (s->placed && !s->foreign)
		s->own = s->last;
	if (ix->site && stream_remember(s, 0) != 0)
		return err_set(e, ERR_NOMEM, "ship log");
	return 0;
}

/* A copied database: what was before is void, and this place is needed until
 * the copy is whole and on disk. */
static int
index_add_base(struct log_index *ix, struct log_stream *s,
    const struct ship_record *r, uint64_t pos, uint64_t segment, struct err *e)
{
	if (r->value[1] < s->epoch)
		return err_set(e, ERR_REFUSED, "%s: epoch %llu is over",
		    s->name, (unsigned long long)r->value[1]);
	if (stream_add_void(s, 0, pos) != 0)
		return err_set(e, ERR_NOMEM, "ship log");
	s->nneed = s->needed = 0;
	s->checkpoint = r->lsn;
	s->whole = r->value[0];
	s->damaged = false;
	if (stream_begin(s, r, ix->site) != 0 ||
	    stream_note_need(s, segment, r->lsn + 1) != 0)
		return err_set(e, ERR_NOMEM, "ship log");
	s->own = s->commit;
	s->placed = false;
	return 0;
}

static int
index_add_place(struct log_index *ix, struct log_stream *s,
    const struct ship_record *r, uint64_t pos, uint64_t segment, struct err *e)
{
	(void)ix;
	(void)pos;
	(void)segment;
	if (r->lsn > s->last.lsn)
		return err_set(e, ERR_CORRUPT,
		    "%s: file of LSN %llu, the stream has %llu", s->name,
		    (unsigned long long)r->lsn,
		    (unsigned long long)s->last.lsn);
	s->own = (struct log_mark){r->value[1], r->lsn, r->prev, r->wal};
	s->own_first = 0;
	s->own_back = false;
	s->placed = true;
	return 0;
}

/* A new boot: what the writers had in their -wal is gone, and with it the
 * rest of every commit of which only parts are here. The files are brought to
 * where the log is. */
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
			if (s->last.lsn != s->commit.lsn &&
			    stream_add_void(s, s->commit.lsn + 1, pos) != 0)
				return err_set(e, ERR_NOMEM, "ship log");
			s->last = s->commit;
			stream_cut(s);
			s->own = s->commit;
			s->own_first = 0;
			s->own_back = false;
			s->placed = true;
		}
	}
	memcpy(ix->boot, r->value, sizeof ix->boot);
	return 0;
}

int
log_index_add(struct log_index *ix, const struct ship_record *r, uint64_t pos,
    uint64_t segment, struct log_stream **taken, struct err *e)
{
	static int (*const add[SHIP_KINDS])(struct log_index *,
	    struct log_stream *, const struct ship_record *, uint64_t, uint64_t,
	    struct err *) = {
	    [SHIP_PAGES] = index_add_pages,
	    [SHIP_CLAIM] = index_add_claim,
	    [SHIP_CHECKPOINT] = index_add_checkpoint,
	    [SHIP_STATE] = index_add_state,
	    [SHIP_BASE] = index_add_base,
	    [SHIP_PLACE] = index_add_place,
	    [SHIP_MIDST] = index_add_midst,
	};
	struct log_stream *s;

	if (r->kind == SHIP_BOOT)
		return index_add_boot(ix, r, pos, e);
	if ((s = log_index_get(ix, r->name)) == NULL)
		return err_set(e, ERR_NOMEM, "ship log");
	if (taken != NULL)
		*taken = s;
	return add[r->kind](ix, s, r, pos, segment, e);
}

/* ---- two logs ----------------------------------------------------------- */

/* The epoch that a record bears, with the first LSN that bore it; false when
 * it is not remembered. */
static bool
epoch_of(const struct log_epoch *list, unsigned n, uint64_t lsn,
    struct log_epoch *out)
{
	while (n > 0 && list[n - 1].first > lsn)
		n--;
	if (n == 0)
		return false;
	*out = list[n - 1];
	return true;
}

bool
log_stream_common(const struct log_stream *s, uint64_t last,
    const struct log_epoch *other, unsigned n, uint64_t *lsn)
{
	uint64_t at = last < s->last.lsn ? last : s->last.lsn;
	struct log_epoch a, b;

	while (at > 0) {
		if (!epoch_of(s->epochs, s->nepochs, at, &a) ||
		    !epoch_of(other, n, at, &b))
			return false;
		if (a.epoch == b.epoch)
			break;
		at = (a.epoch > b.epoch ? a.first : b.first) - 1;
	}
	*lsn = at;
	return true;
}

/* ---- what is needed ----------------------------------------------------- */

uint64_t
log_stream_need(const struct log_stream *s)
{
	return s->needed < s->nneed ? s->need[s->needed].segment : UINT64_MAX;
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

/* Nothing that stands in a segment that is gone can be sent or void. */
void
log_index_trimmed(struct log_index *ix, uint64_t start)
{
	struct log_stream *s;
	size_t at = 0, gone, i, kept;

	while ((s = log_index_next(ix, &at)) != NULL) {
		for (gone = 0;
		     gone < s->nneed && s->need[gone].segment < start;)
			gone++;
		stream_drop_need(s, gone);
		for (i = kept = 0; i < s->nvoids; i++) {
			if (s->voids[i].to > start)
				s->voids[kept++] = s->voids[i];
		}
		s->nvoids = kept;
		for (i = 0; i < s->nrecent && s->recent[i].pos < start; i++)
			s->recent[i].pos = 0;
	}
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
log_put_claim(struct buf *b, const struct log_stream *s, uint64_t epoch,
    const struct log_mark *at, uint64_t base, bool foreign)
{
	struct ship_record r = {.kind = SHIP_CLAIM,
	    .epoch = epoch,
	    .lsn = at->lsn,
	    .prev = at->sum,
	    .value = {foreign, base}};

	str_copy(r.name, sizeof r.name, s->name);
	log_put(b, &r);
}

void
log_put_base(struct buf *b, const struct log_stream *s, uint64_t epoch,
    const struct log_mark *at, uint32_t page_size, uint32_t db_pages,
    uint64_t whole, uint32_t file)
{
	struct ship_record r = {.kind = SHIP_BASE,
	    .epoch = at->epoch,
	    .lsn = at->lsn,
	    .prev = at->sum,
	    .page_size = page_size,
	    .db_pages = db_pages,
	    .value = {whole, epoch, file | STATE_FOREIGN}};

	if (at->lsn != 0)
		r.value[2] |= STATE_BASED;

	str_copy(r.name, sizeof r.name, s->name);
	log_put(b, &r);
}

void
log_put_place(
    struct buf *b, const struct log_stream *s, const struct log_mark *at)
{
	struct ship_record r = {.kind = SHIP_PLACE,
	    .epoch = s->epoch,
	    .lsn = at->lsn,
	    .prev = at->sum,
	    .wal = at->wal,
	    .value = {0, at->epoch}};

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

	memcpy(r.value, boot, 16);
	log_put(b, &r);
}

/* The place in the -wal is that of this server's own file, if that stands at
 * the commit. */
void
log_put_state(struct buf *b, const struct log_stream *s)
{
	struct ship_record r = {.kind = SHIP_STATE,
	    .epoch = s->commit.epoch,
	    .lsn = s->commit.lsn,
	    .prev = s->commit.sum,
	    .page_size = s->page_size,
	    .db_pages = s->db_pages,
	    .value = {s->checkpoint, s->epoch, s->file}};

	if (s->placed && s->own.lsn >= s->commit.lsn)
		r.wal = s->own.lsn == s->commit.lsn ? s->own.wal
						    : s->commit.wal;
	else
		r.value[2] |= STATE_UNPLACED;
	if (s->foreign)
		r.value[2] |= STATE_FOREIGN;
	if (s->own_back)
		r.value[2] |= STATE_BACK;
	if (s->based)
		r.value[2] |= STATE_BASED;
	str_copy(r.name, sizeof r.name, s->name);
	log_put(b, &r);
}

void
log_put_midst(struct buf *b, const struct log_stream *s)
{
	struct ship_record r = {.kind = SHIP_MIDST,
	    .epoch = s->last.epoch,
	    .lsn = s->last.lsn,
	    .prev = s->last.sum,
	    .wal = s->last.wal,
	    .value = {s->base}};

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
		if (log_stream_is_midst(s))
			log_put_midst(b, s);
	}
}
