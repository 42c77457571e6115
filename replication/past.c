/*
 * Streams as they were: asked of the replicator, which builds a database in a
 * file of its own below the root and says its number. The asker opens it and
 * removes its name at once, so nothing is left when a process dies.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repl_room.h"
#include "stream_path.h"
#include "daemon/base/str.h"

struct past_ask {
	struct past_ask *next;
	struct repl *repl;
	uint32_t serial;
	past_fn *fn;
	void *arg;
	bool built;
	struct ship_built answer;
	struct loop_defer tell;
};

static void
past_remove(struct past_ask *a)
{
	struct past_ask **at;

	for (at = &a->repl->past; *at != a; at = &(*at)->next)
		;
	*at = a->next;
	loop_defer_cancel(a->repl->loop, &a->tell);
}

/* A database that nobody else knows: nothing of it need outlive us. */
static int
past_open_db(const struct past_ask *a, struct past *p, struct err *e)
{
	char path[STREAM_PATH];
	int r;

	p->lsn = a->answer.lsn;
	p->time = a->answer.time;
	if ((r = stream_path_past(path, a->repl->root, a->answer.file, e)) != 0)
		return r;
	if (sqlite3_open_v2(path, &p->db, SQLITE_OPEN_READWRITE, NULL) !=
		SQLITE_OK ||
	    sqlite3_exec(p->db,
		"PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF", NULL,
		NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(p->db, "SELECT count(*) FROM sqlite_master", NULL,
		NULL, NULL) != SQLITE_OK)
		r = err_set(
		    e, ERR_CORRUPT, "%s: %s", path, sqlite3_errmsg(p->db));
	unlink(path);
	if (r != 0)
		past_close(p);
	return r;
}

static void
past_tell(void *arg)
{
	struct past_ask *a = arg;
	struct past p = {0};
	struct err e;

	past_remove(a);
	if (!a->built)
		err_set(&e, ERR_CLOSED, "the replicator was started again");
	else if (a->answer.code != ERR_NONE)
		err_set(&e, a->answer.code, "%s", a->answer.words);
	else if (past_open_db(a, &p, &e) == 0)
		err_clear(&e);
	if (e.code == ERR_NONE)
		a->fn(a->arg, &p, NULL);
	else
		a->fn(a->arg, NULL, &e);
	free(a);
}

void
past_ask(
    struct repl *r, const char *stream, uint64_t time, past_fn *fn, void *arg)
{
	struct past_ask *a = calloc(1, sizeof *a);
	struct ship_msg m = {.type = SHIP_MSG_PAST, .u.open.epoch = time};
	struct err e;

	if (a == NULL) {
		err_set(&e, ERR_NOMEM, "history");
		fn(arg, NULL, &e);
		return;
	}
	a->repl = r;
	a->serial = ++r->past_serial;
	a->fn = fn;
	a->arg = arg;
	a->tell = (struct loop_defer){.fn = past_tell, .arg = a};
	a->next = r->past;
	r->past = a;
	m.handle = a->serial;
	str_copy(m.u.open.name, sizeof m.u.open.name, stream);
	repl_send(r, &m);
	if (r->fd < 0)
		loop_defer(r->loop, &a->tell);
}

void
past_forget(struct repl *r, void *arg)
{
	struct past_ask *a, *next;

	for (a = r->past; a != NULL; a = next) {
		next = a->next;
		if (a->arg != arg)
			continue;
		past_remove(a);
		free(a);
	}
}

void
past_close(struct past *p)
{
	sqlite3_close_v2(p->db);
	p->db = NULL;
}

/* One that nobody waits for any more is removed. */
void
past_on_built(struct repl *r, const struct ship_msg *m)
{
	char path[STREAM_PATH];
	struct past_ask *a;

	for (a = r->past; a != NULL && a->serial != m->handle;)
		a = a->next;
	if (a == NULL) {
		if (m->u.built.code == ERR_NONE &&
		    stream_path_past(path, r->root, m->u.built.file, NULL) == 0)
			unlink(path);
		return;
	}
	a->built = true;
	a->answer = m->u.built;
	loop_defer(r->loop, &a->tell);
}

void
past_unlinked(struct repl *r)
{
	struct past_ask *a;

	for (a = r->past; a != NULL; a = a->next) {
		if (!a->built)
			loop_defer(r->loop, &a->tell);
	}
}

void
past_drop(struct repl *r)
{
	struct past_ask *a;

	while ((a = r->past) != NULL) {
		past_remove(a);
		free(a);
	}
}
