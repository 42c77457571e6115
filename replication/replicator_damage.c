/*
 * Databases that are damaged at rest: how it is noticed, and what becomes of
 * them. Whoever reads a page checks its sum (page_sum.h); and here a thread
 * reads everything that lies there, slowly, when this process begins and then
 * once an hour, so that damage is found while others have the page still.
 *
 * Where another server has all that was acknowledged, a damaged database is
 * set aside and made anew from that one's. The owner of the key cannot be
 * sent one: it is asked to give the key to another member first. A server
 * that holds all alone keeps what it has: the page is written anew from the
 * history, where there is one of the stream; else reads of that page fail, the
 * rest goes on, and an alarm says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "page_sum.h"
#include "replicator_room.h"
#include "stream_path.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define SCRUB_SLICE (1u << 20)
#define SCRUB_REST (20 * CLOCK_MS) /* between two slices */
/* Between the end and the next begin, and while there is damage. */
#define SCRUB_AGAIN (3600 * CLOCK_SEC)
#define SCRUB_ILL (10 * CLOCK_SEC)
#define MEND_AGAIN (60 * CLOCK_SEC) /* after the history was asked */

/* ---- what becomes of it ------------------------------------------------- */

/* Another member of the key, the next one after the last that was asked. */
static struct peer *
damage_other(struct site_key *k)
{
	struct site *t = k->site;
	unsigned i, n;

	for (n = 0; n < t->npeers; n++) {
		i = (k->gives_to + n) % t->npeers;
		if (!k->seat[i].member || !t->peer[i]->up)
			continue;
		k->gives_to = i + 1;
		return t->peer[i];
	}
	return NULL;
}

/* Calls belong to the instance that has them. */
static void
damage_give(struct live *v, uint64_t now)
{
	struct site_key *k = v->key;
	struct site *t = k->site;
	struct peer *p;

	if (t->give == NULL || now < k->gives_again ||
	    str_prefix(k->name, "calls/") || (p = damage_other(k)) == NULL)
		return;
	k->gives_again = now + SITE_AGAIN;
	log_info(
	    "key=%s epoch=%llu shall go to server=%s: stream=%s is damaged "
	    "here",
	    k->name, (unsigned long long)k->epoch, p->name, v->log->name);
	t->give(t->arg, k->name, k->epoch, p->name);
}

/* Does another server hold all that was acknowledged? */
static bool
damage_has_other(const struct site_key *k)
{
	const struct site *t = k->site;

	return !owner_is_member(k->members, t->server) ||
	    owner_count_members(k->members) > 1;
}

static void
damage_mend(struct live *v, uint64_t now)
{
	struct replicator *r = v->key->site->r;

	/* All that the file may hold is on disk in the log, to be read. */
	if (v->mends || now < v->mends_again || v->synced < v->log->commit.lsn)
		return;
	v->mends_again = now + MEND_AGAIN;
	v->mends = true;
	if (!past_mend(r, v))
		v->mends = false;
}

void
damage_mended(
    struct live *v, const struct history_job *job, const struct err *e)
{
	v->mends = false;
	if (e->code != ERR_NONE) {
		log_warnx("stream=%s cannot be mended from its history: %s",
		    v->log->name, e->text);
		return;
	}
	log_info("stream=%s %u pages were written anew from its history",
	    v->log->name, job->mended);
	if (job->mended > 0)
		v->mended_at = clock_mono();
	if (job->left == 0)
		v->damage = 0;
}

static void
damage_settle(struct live *v, uint64_t now)
{
	char why[REPLICATOR_ILL];

	if (v->key->epoch == 0)
		return; /* nobody knows yet */
	if (!damage_has_other(v->key)) {
		damage_mend(v, now);
		return;
	}
	if (v->key->mine) {
		damage_give(v, now);
		return;
	}
	if (v->lead.lost)
		return;
	snprintf(why, sizeof why, "page %u was damaged or missing", v->damage);
	follow_damaged(v, why);
}

void
damage_found(struct live *v, uint32_t page)
{
	if (v->damage == 0)
		log_warnx("stream=%s page %u of its database is damaged or "
			  "missing",
		    v->log->name, page);
	v->damage = page;
	damage_settle(v, clock_mono());
}

void
damage_tick(struct site *t, uint64_t now)
{
	uint32_t i;

	for (i = 0; i < t->nlives; i++) {
		if (t->live[i]->damage != 0)
			damage_settle(t->live[i], now);
	}
}

/* ---- what others have seen ---------------------------------------------- */

/* The page as it is now, of the file that is the stream's now. */
static bool
damage_is(const struct live *v, uint32_t number)
{
	uint32_t size = v->log->page_size, bad = 0;
	char path[STREAM_PATH];
	uint8_t *page;
	long n = 0;
	int fd;

	if (size == 0 ||
	    stream_path(path, v->key->site->r->root, v->log->name, v->log->file,
		NULL) != 0 ||
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	if ((page = malloc(size)) != NULL)
		n = page_read(
		    fd, number, 1, page, size, page_sum_marked(fd), &bad);
	close(fd);
	free(page);
	return bad != 0 || n < 0;
}

void
damage_told(struct live *v, uint32_t page)
{
	if (v->key != NULL && v->damage == 0 && damage_is(v, page))
		damage_found(v, page);
}

/* ---- reading all that lies there ---------------------------------------- */

struct scrub {
	struct loop_timer *timer;
	uint32_t live; /* the stream, by its handle */
	bool busy;     /* the thread has the rest */

	char path[STREAM_PATH];
	uint32_t page_size;
	uint32_t page;	/* the first of the slice; then behind its last */
	uint32_t bad;	/* the first that is damaged; 0 = none */
	uint32_t pages; /* that there must be; 0 = not known */
	uint64_t lsn;	/* at that commit */
	bool end;	/* of the file, or it cannot be read */
};

/* In the thread. */
static void
scrub_slice(void *arg)
{
	struct scrub *s = arg;
	uint32_t n = SCRUB_SLICE / s->page_size;
	uint8_t *pages = malloc(SCRUB_SLICE);
	int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	long got = -1;

	if (pages != NULL && fd >= 0)
		got = page_read(fd, s->page, n, pages, s->page_size,
		    page_sum_marked(fd), &s->bad);
	if (got < 0 && fd >= 0 && errno == EIO)
		s->bad = s->page; /* a sector that the disk cannot read */
	s->page += got > 0 ? (uint32_t)got : 0;
	s->end = got < (long)n || s->bad != 0;
	if (fd >= 0)
		close(fd);
	free(pages);
}

/* When all of the last commit is in the file, it is as long as that says. */
static void
scrub_expect(struct scrub *s, const struct live *v)
{
	s->lsn = v->log->commit.lsn;
	s->pages = replicator_written(v) >= s->lsn ? v->log->db_pages : 0;
}

/* The stream whose turn it is has a file that is worth reading. */
static bool
scrub_aims(struct site *t, struct scrub *s)
{
	const struct live *v = t->live[s->live];

	if (v->log->page_size == 0 || v->lead.lost || v->log->damaged ||
	    stream_path(
		s->path, t->r->root, v->log->name, v->log->file, NULL) != 0)
		return false;
	s->page_size = v->log->page_size;
	s->bad = 0;
	if (s->page == 1)
		scrub_expect(s, v);
	return true;
}

/* All were read, for this time. */
static void
scrub_rest(struct site *t, struct scrub *s)
{
	uint64_t rest = SCRUB_AGAIN;
	uint32_t i;

	for (i = 0; i < t->nlives; i++) {
		if (t->live[i]->damage != 0)
			rest = SCRUB_ILL;
	}
	s->live = 0;
	s->page = 1;
	loop_timer_set(s->timer, rest);
}

/* The next slice. */
static void
scrub_on_timer(void *arg)
{
	struct site *t = arg;
	struct scrub *s = t->scrub;
	struct sync_job job = {
	    .what = SYNC_CALL, .call = scrub_slice, .arg = s};

	if (s->busy)
		return;
	while (s->live < t->nlives && !scrub_aims(t, s)) {
		s->live++;
		s->page = 1;
	}
	if (s->live >= t->nlives) {
		scrub_rest(t, s);
		return;
	}
	s->busy = sync_worker_add(t->r->worker, &job) == 0;
	if (!s->busy)
		loop_timer_set(s->timer, SCRUB_REST);
}

void
scrub_on_job(struct replicator *r)
{
	struct site *t = r->site;
	struct scrub *s = t != NULL ? t->scrub : NULL;
	struct live *v;

	if (s == NULL)
		return;
	s->busy = false;
	loop_timer_set(s->timer, SCRUB_REST);
	v = t->live[s->live];
	if (!replicator_has_file(r, v->log, s->path)) {
		s->page = 1;
		return;
	}
	if (s->bad == 0 && s->end && s->lsn == v->log->commit.lsn &&
	    s->page <= s->pages)
		s->bad = s->page; /* the file is too short, or gone */
	if (s->bad != 0) {
		damage_found(v, s->bad);
	} else if (s->end && v->damage != 0) {
		log_info("stream=%s is whole again: the page was written anew",
		    v->log->name);
		v->damage = 0;
	}
	if (!s->end)
		return;
	s->live++;
	s->page = 1;
}

void
scrub_open(struct site *t)
{
	t->scrub = xcalloc(1, sizeof *t->scrub);
	t->scrub->page = 1;
	t->scrub->timer = loop_timer_new(t->r->loop, scrub_on_timer, t);
	loop_timer_set(t->scrub->timer, 0);
}

/* The worker is closed: nobody has it. */
void
scrub_close(struct site *t)
{
	if (t->scrub == NULL)
		return;
	loop_timer_free(&t->scrub->timer);
	free(t->scrub);
	t->scrub = NULL;
}
