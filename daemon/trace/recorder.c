/*
 * The flight recorder's thread. It looks at the rings ten times a second: who
 * writes to them must not spend a system call on waking it, and a ring holds
 * seconds of the busiest gate. What it reads it gathers to blocks, one for
 * each process, and writes a block when it is full or half a minute old; only
 * then the ring is told that it was taken. So a control that dies loses
 * nothing: the next one reads the same again.
 *
 * It shares with the loop two lists, of what was asked and what is answered,
 * and a copy of its counters, all under one lock that nobody holds long.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>

#include "follow.h"
#include "recorder.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/base/thread.h"

#define RECORDER_RINGS 32
#define RECORDER_LOOK 100		/* ms between two looks */
#define RECORDER_AGE (30 * CLOCK_SEC)	/* of a block that is not full */
#define RECORDER_SEARCH (2 * CLOCK_SEC) /* for rings that are new */
#define RECORDER_TURN 20000		/* records of one ring in a row */
#define RECORDER_TURNS 16		/* before something is answered */
#define RECORDER_NICE 10

struct recorder_ring {
	char path[300];
	struct ring_reader reader;
	struct segment_block block;
	uint64_t begun;	     /* monotonic, of the block */
	uint64_t lost;	     /* of the reader, as far as a block tells it */
	uint64_t at, number; /* behind what the block has */
	bool facts;	     /* of a B2BUA */
};

struct recorder_job {
	TAILQ_ENTRY(recorder_job) entry;
	json_t *query, *result;
	struct err err;
	recorder_fn *fn;
	void *arg;
};
TAILQ_HEAD(recorder_jobs, recorder_job);

struct recorder {
	pthread_t thread;
	int ask, told; /* eventfds */
	struct loop_fd *io;
	void (*on_news)(void *, json_t *);
	void *arg;
	/* under the lock */
	pthread_mutex_t lock;
	struct recorder_jobs asked, answered;
	json_t *news; /* NULL = there are none */
	struct recorder_state state;
	bool end;
	/* of the thread */
	char rings_dir[200];
	struct shelf shelf;
	struct recorder_ring *ring[RECORDER_RINGS];
	size_t nrings;
	uint64_t searched;
	uint64_t records, lost;
	struct follows *follows;
	struct buf out;
};

/* ---- eventfds ------------------------------------------------------------ */

static void
recorder_take(int fd)
{
	uint64_t n;

	while (read(fd, &n, sizeof n) < 0 && errno == EINTR)
		;
}

static void
recorder_give(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

/* ---- rings --------------------------------------------------------------- */

static void
recorder_ring_close(struct recorder_ring *g)
{
	ring_detach(&g->reader);
	segment_block_fini(&g->block);
	free(g);
}

/* "sg-1" of the directory is "sg/1". */
static struct recorder_ring *
recorder_ring_open(const struct recorder *r, const char *name)
{
	struct recorder_ring *g = xcalloc(1, sizeof *g);
	char instance[SEGMENT_NAME], *dash;

	snprintf(g->path, sizeof g->path, "%.199s/%.31s", r->rings_dir, name);
	str_copy(instance, sizeof instance, name);
	if ((dash = strrchr(instance, '-')) != NULL)
		*dash = '/';
	if (dash == NULL || ring_attach(&g->reader, g->path, NULL) != 0 ||
	    segment_block_init(&g->block, instance) != 0) {
		recorder_ring_close(g);
		return NULL;
	}
	g->at = g->reader.at;
	g->number = g->reader.number;
	g->facts = str_prefix(instance, "b2bua/");
	return g;
}

static bool
recorder_has(const struct recorder *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->nrings; i++) {
		if (strcmp(strrchr(r->ring[i]->path, '/') + 1, name) == 0)
			return true;
	}
	return false;
}

/* Rings of processes that are new. */
static void
recorder_search(struct recorder *r)
{
	struct recorder_ring *g;
	struct dirent *e;
	DIR *d = opendir(r->rings_dir);

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || r->nrings == RECORDER_RINGS ||
		    recorder_has(r, e->d_name))
			continue;
		if ((g = recorder_ring_open(r, e->d_name)) != NULL)
			r->ring[r->nrings++] = g;
	}
	if (d != NULL)
		closedir(d);
	r->searched = clock_mono();
}

/* The block to the files, and what is in it is safe. */
static void
recorder_flush(struct recorder *r, struct recorder_ring *g)
{
	struct segment_block *b = &g->block;
	struct err e;

	if (b->records == 0)
		return;
	buf_reset(&r->out);
	if (segment_block_put(b, &r->out, &e) != 0 ||
	    shelf_write(&r->shelf, r->out.data, r->out.len, &e) != 0)
		r->lost += b->records;
	ring_take(&g->reader, g->at, g->number);
	segment_block_reset(b);
}

/* What a B2BUA says those hear who follow. */
static void
recorder_hear(struct recorder *r, const uint8_t *p, size_t n)
{
	struct trace_record record;

	if (trace_record_decode(&record, p, n, NULL) == 0)
		follow_fact(r->follows, &record, clock_real(), clock_mono());
}

/* One record into the block, which is written when it is full. */
static void
recorder_keep(
    struct recorder *r, struct recorder_ring *g, const uint8_t *p, size_t n)
{
	uint64_t number = g->reader.number - 1;

	if (g->block.records == 0)
		g->begun = clock_mono();
	if (g->reader.lost != g->lost) {
		r->lost += g->reader.lost - g->lost;
		g->block.lost += (uint32_t)(g->reader.lost - g->lost);
		g->lost = g->reader.lost;
	}
	if (!segment_block_add(&g->block, p, n, number)) {
		recorder_flush(r, g);
		g->begun = clock_mono();
		segment_block_add(&g->block, p, n, number);
	}
	g->at = g->reader.at;
	g->number = g->reader.number;
	r->records++;
	if (g->facts && follows_any(r->follows))
		recorder_hear(r, p, n);
}

/* What a ring has; true when there is more. */
static bool
recorder_drain(struct recorder *r, struct recorder_ring *g)
{
	const uint8_t *p;
	unsigned i;
	size_t n;

	for (i = 0; i < RECORDER_TURN; i++) {
		if (!ring_next(&g->reader, &p, &n))
			return false;
		recorder_keep(r, g, p, n);
	}
	return true;
}

/* Another file stands where the ring was: the old one was read to its end. */
static void
recorder_renew(struct recorder *r, size_t i)
{
	recorder_flush(r, r->ring[i]);
	recorder_ring_close(r->ring[i]);
	r->ring[i] = r->ring[--r->nrings];
}

static bool
recorder_turn(struct recorder *r)
{
	bool search = clock_mono() - r->searched > RECORDER_SEARCH;
	bool more = false;
	size_t i;

	if (search)
		recorder_search(r);
	for (i = 0; i < r->nrings; i++) {
		more |= recorder_drain(r, r->ring[i]);
		if (clock_mono() - r->ring[i]->begun > RECORDER_AGE)
			recorder_flush(r, r->ring[i]);
		if (search &&
		    ring_birth(r->ring[i]->path) != r->ring[i]->reader.birth)
			recorder_renew(r, i--);
	}
	return more;
}

/* ---- what is asked ------------------------------------------------------- */

struct recorder_past {
	struct follows *follows;
	unsigned bit;
};

static void
recorder_on_past(void *arg, const struct trace_call *c, bool matches)
{
	const struct recorder_past *p = arg;

	if (c->end == 0)
		follow_seed(p->follows, p->bit, c, matches);
}

/* The past, and the calls that go on are known from here on. */
static json_t *
recorder_follow(struct recorder *r, const struct segment_block *const *open,
    json_t *query, struct err *e)
{
	const char *key = json_string_value(json_object_get(query, "key"));
	int bit = follow_open(r->follows, key, query, clock_mono(), r->lost, e);
	struct recorder_past past = {r->follows, (unsigned)bit};
	json_t *result;

	if (bit < 0)
		return NULL;
	result = query_calls(
	    &r->shelf, open, r->nrings, query, recorder_on_past, &past, e);
	if (result == NULL)
		follow_close(r->follows, key);
	return result;
}

static json_t *
recorder_unfollow(struct recorder *r, json_t *query)
{
	const char *front = json_string_value(json_object_get(query, "key"));

	if (front != NULL)
		follow_close(r->follows, front);
	return json_pack("{s:[]}", "rows");
}

static void
recorder_answer(struct recorder *r, struct recorder_job *j)
{
	const char *want = json_string_value(json_object_get(j->query, "want"));
	const struct segment_block *open[RECORDER_RINGS];
	size_t i;

	for (i = 0; i < r->nrings; i++)
		open[i] = &r->ring[i]->block;
	if (str_equal(want, "follow"))
		j->result = recorder_follow(r, open, j->query, &j->err);
	else if (str_equal(want, "unfollow"))
		j->result = recorder_unfollow(r, j->query);
	else
		j->result = query_run(
		    &r->shelf, open, r->nrings, j->query, &j->err);
}

/* What was heard, to the loop. */
static void
recorder_tell_news(struct recorder *r)
{
	json_t *news = follow_news(r->follows, clock_mono(), r->lost);

	if (news == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	if (r->news == NULL)
		r->news = json_array();
	json_array_extend(r->news, news);
	/* The loop takes them while this thread goes on: no share of theirs
	 * may be freed here any more. */
	json_decref(news);
	pthread_mutex_unlock(&r->lock);
	recorder_give(r->told);
}

/* The counters as they are now; under the lock. */
static void
recorder_tell(struct recorder *r)
{
	r->state.bytes = r->shelf.total;
	r->state.files = r->shelf.files;
	r->state.oldest = r->shelf.oldest;
	r->state.rings = (unsigned)r->nrings;
	r->state.records = r->records;
	r->state.lost = r->lost;
	r->state.tight = r->shelf.tight;
	if (r->shelf.tight != 0)
		str_copy(r->state.why, sizeof r->state.why, r->shelf.why.text);
}

/* Everything that was asked so far: after what the rings have now, so that
 * what has been said already is found. */
static void
recorder_work(struct recorder *r)
{
	struct recorder_job *j;
	unsigned turns;

	pthread_mutex_lock(&r->lock);
	while ((j = TAILQ_FIRST(&r->asked)) != NULL) {
		TAILQ_REMOVE(&r->asked, j, entry);
		pthread_mutex_unlock(&r->lock);
		recorder_search(r);
		for (turns = 0; turns < RECORDER_TURNS; turns++) {
			if (!recorder_turn(r))
				break;
		}
		recorder_answer(r, j);
		pthread_mutex_lock(&r->lock);
		recorder_tell(r);
		TAILQ_INSERT_TAIL(&r->answered, j, entry);
		recorder_give(r->told);
	}
	recorder_tell(r);
	pthread_mutex_unlock(&r->lock);
}

static bool
recorder_ends(struct recorder *r)
{
	bool end;

	pthread_mutex_lock(&r->lock);
	end = r->end;
	pthread_mutex_unlock(&r->lock);
	return end;
}

static void *
recorder_thread(void *arg)
{
	struct recorder *r = arg;
	struct pollfd p = {.fd = r->ask, .events = POLLIN};
	bool more = false;
	size_t i;

	/* Of the thread alone: calls and consoles go before the past. */
	setpriority(PRIO_PROCESS, 0, RECORDER_NICE);
	recorder_give(r->told);
	while (!recorder_ends(r)) {
		if (poll(&p, 1, more ? 0 : RECORDER_LOOK) == 1)
			recorder_take(r->ask);
		more = recorder_turn(r);
		recorder_work(r);
		recorder_tell_news(r);
	}
	for (i = 0; i < r->nrings; i++) {
		recorder_drain(r, r->ring[i]);
		recorder_flush(r, r->ring[i]);
	}
	return NULL;
}

/* ---- of the loop --------------------------------------------------------- */

/* Who asked is told, and it is over. */
static void
recorder_job_end(struct recorder_job *j, const struct err *e)
{
	j->fn(j->arg, e == NULL ? j->result : NULL, e);
	json_decref(j->result);
	json_decref(j->query);
	free(j);
}

static void
recorder_deliver(struct recorder *r)
{
	json_t *news;

	pthread_mutex_lock(&r->lock);
	news = r->news;
	r->news = NULL;
	pthread_mutex_unlock(&r->lock);
	if (news != NULL && r->on_news != NULL)
		r->on_news(r->arg, news);
	json_decref(news);
}

/* Answers before news: who follows is told first that it does. */
static void
recorder_on_told(void *arg, int fd, int events)
{
	struct recorder *r = arg;
	struct recorder_job *j;

	(void)events;
	recorder_take(fd);
	for (;;) {
		pthread_mutex_lock(&r->lock);
		if ((j = TAILQ_FIRST(&r->answered)) != NULL)
			TAILQ_REMOVE(&r->answered, j, entry);
		pthread_mutex_unlock(&r->lock);
		if (j == NULL)
			break;
		recorder_job_end(j, j->result == NULL ? &j->err : NULL);
	}
	recorder_deliver(r);
}

void
recorder_ask(struct recorder *r, json_t *query, recorder_fn *fn, void *arg)
{
	struct recorder_job *j = xcalloc(1, sizeof *j);

	j->query = query;
	j->fn = fn;
	j->arg = arg;
	pthread_mutex_lock(&r->lock);
	TAILQ_INSERT_TAIL(&r->asked, j, entry);
	pthread_mutex_unlock(&r->lock);
	recorder_give(r->ask);
}

void
recorder_state(struct recorder *r, struct recorder_state *s)
{
	pthread_mutex_lock(&r->lock);
	*s = r->state;
	pthread_mutex_unlock(&r->lock);
}

struct recorder *
recorder_open(
    struct loop *loop, const struct recorder_conf *conf, struct err *e)
{
	struct recorder *r = xcalloc(1, sizeof *r);

	TAILQ_INIT(&r->asked);
	TAILQ_INIT(&r->answered);
	pthread_mutex_init(&r->lock, NULL);
	json_object_seed(0); /* before there is a second thread */
	str_copy(r->rings_dir, sizeof r->rings_dir, conf->rings);
	r->state.limit = conf->limit;
	r->on_news = conf->on_news;
	r->arg = conf->arg;
	r->follows = follows_new();
	shelf_init(&r->shelf, conf->dir, conf->server, conf->limit);
	r->ask = eventfd(0, EFD_CLOEXEC);
	r->told = eventfd(0, EFD_CLOEXEC);
	if (r->ask < 0 || r->told < 0 ||
	    thread_start(&r->thread, recorder_thread, r) != 0) {
		err_errno(e, ERR_IO, "recorder");
		if (r->ask >= 0)
			close(r->ask);
		if (r->told >= 0)
			close(r->told);
		follows_free(&r->follows);
		free(r);
		return NULL;
	}
	recorder_take(r->told); /* its priority is set */
	r->io = loop_fd_open(loop, r->told, LOOP_READ, recorder_on_told, r);
	return r;
}

/* What nobody waits for any more. */
static void
recorder_forget(struct recorder_jobs *jobs)
{
	struct recorder_job *j;
	struct err e;

	err_set(&e, ERR_CLOSED, "the recorder stops");
	while ((j = TAILQ_FIRST(jobs)) != NULL) {
		TAILQ_REMOVE(jobs, j, entry);
		recorder_job_end(j, &e);
	}
}

void
recorder_close(struct recorder **rp)
{
	struct recorder *r = *rp;
	size_t i;

	*rp = NULL;
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->end = true;
	pthread_mutex_unlock(&r->lock);
	recorder_give(r->ask);
	pthread_join(r->thread, NULL);
	loop_fd_close(&r->io);
	recorder_forget(&r->asked);
	recorder_forget(&r->answered);
	for (i = 0; i < r->nrings; i++)
		recorder_ring_close(r->ring[i]);
	follows_free(&r->follows);
	json_decref(r->news);
	shelf_fini(&r->shelf);
	buf_fini(&r->out);
	close(r->ask);
	close(r->told);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
