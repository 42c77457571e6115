/* A ship log, read by tests. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay.h"
#include "scratch.h"
#include "replication/log_index.h"
#include "replication/page_sum.h"
#include "replication/ship_log.h"

struct replay_walk {
	struct replay *r;
	const char *name;
	uint64_t upto;
	struct log_index ix;
	uint8_t *parts; /* the database with parts of an open commit */
	uint32_t room;	/* pages */
	bool done;
};

void
replay_copy(const char *from, const char *to)
{
	char a[400], b[400];
	DIR *d = opendir(from);
	struct dirent *e;
	uint8_t *p;
	size_t n;

	mkdir(to, 0700);
	while ((e = readdir(d)) != NULL) {
		if (e->d_type != DT_REG)
			continue;
		snprintf(a, sizeof a, "%s/%s", from, e->d_name);
		snprintf(b, sizeof b, "%s/%s", to, e->d_name);
		p = scratch_read(a, &n);
		scratch_write(b, p, n);
		free(p);
	}
	closedir(d);
}

static void
replay_room(struct replay_walk *w, uint32_t pages)
{
	size_t size = w->r->page_size;

	if (pages <= w->room)
		return;
	w->parts = realloc(w->parts, pages * size);
	memset(w->parts + w->room * size, 0, (pages - w->room) * size);
	for (; w->room < pages; w->room++) {
		if (w->room > 0 && page_sum_has(w->parts))
			page_unused(
			    w->parts + w->room * size, w->room + 1, size);
	}
}

/* A commit is whole: it becomes the database. */
static void
replay_commit(
    struct replay_walk *w, const struct ship_record *rec, uint64_t pos)
{
	struct replay *r = w->r;

	r->lsn = rec->lsn;
	r->pos = pos + SHIP_ENTRY + rec->size;
	r->db_pages = rec->db_pages;
	replay_room(w, rec->db_pages);
	free(r->pages);
	r->pages = NULL;
}

static int
replay_index(void *arg, const struct ship_record *rec, const uint8_t *bytes,
    uint64_t pos, uint64_t segment, struct err *e)
{
	struct replay_walk *w = arg;

	(void)bytes;
	return log_index_add(&w->ix, rec, pos, segment, NULL, e);
}

static int
replay_record(void *arg, const struct ship_record *rec, const uint8_t *bytes,
    uint64_t pos, uint64_t segment, struct err *e)
{
	struct replay_walk *w = arg;
	struct log_stream *s;
	uint32_t i;

	(void)bytes;
	(void)segment;
	(void)e;
	if (strcmp(rec->name, w->name) != 0 || w->done)
		return 0;
	s = log_index_find(&w->ix, w->name);
	if (rec->kind == SHIP_CHECKPOINT)
		w->r->checkpoint = rec->lsn;
	if (rec->kind != SHIP_PAGES || log_stream_is_void(s, pos, rec->lsn))
		return 0;
	if (rec->lsn > w->upto) {
		w->done = true;
		return 0;
	}
	w->r->page_size = rec->page_size;
	for (i = 0; i < rec->npages; i++) {
		uint32_t page = ship_record_page(rec, i);
		uint8_t *to;

		replay_room(w, page);
		to = w->parts + (size_t)(page - 1) * rec->page_size;
		memcpy(to, rec->pages + (size_t)i * rec->page_size,
		    rec->page_size);
		if (page_sum_has(w->parts))
			page_sum_put(to + rec->page_size - PAGE_SUM, page, to,
			    rec->page_size);
	}
	if (rec->db_pages != 0)
		replay_commit(w, rec, pos);
	return 0;
}

void
replay_stream(
    const char *log, const char *name, uint64_t upto, struct replay *r)
{
	struct replay_walk w = {.r = r, .name = name, .upto = upto};
	struct ship_log_config c = {.segment = 1 << 20};
	struct ship_log *copy;
	struct err e;
	char dir[64];

	memset(r, 0, sizeof *r);
	scratch_make(dir);
	replay_copy(log, dir);
	c.dir = dir;
	if (ship_log_open(&c, replay_index, &w, &copy, &e) != 0 ||
	    ship_log_walk(copy, 0, replay_record, &w, &e) != 0) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
	ship_log_close(&copy);
	log_index_fini(&w.ix);
	scratch_remove(dir);
	r->pages = w.parts;
}
