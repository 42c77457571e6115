/*
 * libraft with its libuv I/O, behind a door that speaks of neither. libuv's
 * loop is a guest of ours: its descriptor wakes us, its nearest timer says
 * when to step it. Raft's connections are ends of socket pairs; what is at
 * the other end is the caller's (engine_config.on_connect, engine_accept).
 */
#include <errno.h>
#include <raft.h>
#include <raft/uv.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "quorum.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define ENGINE_SEGMENT ((size_t)1 << 20) /* bytes of a file of the log */
#define ENGINE_SNAPSHOT 512		 /* entries between two */
#define ENGINE_TRAILING 256		 /* kept behind one */
#define ENGINE_RETRY 30			 /* ms between two connections */

struct engine {
	struct engine_config c;
	char *name;
	uv_loop_t uv;
	struct raft raft;
	struct raft_io io;
	struct raft_fsm fsm;
	struct raft_uv_transport transport;
	raft_uv_accept_cb accept;
	struct raft_change change;
	struct raft_barrier barrier;
	struct raft_transfer transfer;
	bool changing, pushing, transferring;
	bool push_again; /* more was decided since the push under way */
	engine_handed_fn *handed;
	void *handed_arg;
};

/* A connection that raft has asked for: answered by its timer, never from
 * within the question. */
struct engine_dial {
	uv_timer_t timer;
	struct raft_uv_connect *req;
	uv_stream_t *stream;
};

/* An entry that this server proposed as the leader. */
struct engine_entry {
	struct raft_apply req;
	engine_failed_fn *failed;
	void *arg;
	uint64_t tag;
};

static long
engine_step(void *arg)
{
	struct engine *g = arg;

	uv_run(&g->uv, UV_RUN_NOWAIT);
	return uv_backend_timeout(&g->uv);
}

/* ---- the state machine as raft sees it ---------------------------------- */

static int
engine_on_apply(
    struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
	struct engine *g = fsm->data;

	*result = NULL;
	g->c.on_apply(g->c.arg, buf->base, buf->len);
	return 0;
}

static int
engine_on_snapshot(
    struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n)
{
	struct engine *g = fsm->data;
	struct buf b = BUF_INIT;

	g->c.on_save(g->c.arg, &b);
	*bufs = raft_malloc(sizeof **bufs);
	if (b.failed || *bufs == NULL ||
	    ((*bufs)->base = raft_malloc(b.len)) == NULL)
		fatalx("snapshot: out of memory");
	memcpy((*bufs)->base, b.data, b.len);
	(*bufs)->len = b.len;
	*n = 1;
	buf_fini(&b);
	return 0;
}

static int
engine_on_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
	struct engine *g = fsm->data;
	struct err e;

	if (g->c.on_load(g->c.arg, buf->base, buf->len, &e) != 0) {
		log_warnx("%s", e.text);
		return RAFT_CORRUPT;
	}
	raft_free(buf->base);
	return 0;
}

/* ---- connections -------------------------------------------------------- */

static int
transport_init(struct raft_uv_transport *t, raft_id id, const char *address)
{
	(void)t;
	(void)id;
	(void)address;
	return 0;
}

static int
transport_listen(struct raft_uv_transport *t, raft_uv_accept_cb cb)
{
	struct engine *g = t->impl;

	g->accept = cb;
	return 0;
}

/* A stream of libuv around a descriptor, which is taken. Raft frees it. */
static uv_stream_t *
engine_stream(struct engine *g, int fd)
{
	uv_pipe_t *pipe = raft_malloc(sizeof *pipe);

	if (pipe == NULL || uv_pipe_init(&g->uv, pipe, 0) != 0 ||
	    uv_pipe_open(pipe, fd) != 0)
		fatalx("raft: a stream cannot be made");
	return (uv_stream_t *)pipe;
}

static void
engine_dial_on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
engine_dial_on_timer(uv_timer_t *t)
{
	struct engine_dial *d = t->data;

	d->req->cb(d->req, d->stream, 0);
	uv_close((uv_handle_t *)t, engine_dial_on_closed);
}

static int
transport_connect(struct raft_uv_transport *t, struct raft_uv_connect *req,
    raft_id id, const char *address, raft_uv_connect_cb cb)
{
	struct engine *g = t->impl;
	int fd = g->c.on_connect(g->c.arg, address);
	struct engine_dial *d;

	(void)id;
	if (fd < 0)
		return RAFT_NOCONNECTION;
	d = xcalloc(1, sizeof *d);
	req->cb = cb;
	d->req = req;
	d->stream = engine_stream(g, fd);
	d->timer.data = d;
	uv_timer_init(&g->uv, &d->timer);
	d->timer.data = d;
	uv_timer_start(&d->timer, engine_dial_on_timer, 0, 0);
	return 0;
}

/* The process ends with its group; nothing is ever closed in between. */
static void
transport_close(struct raft_uv_transport *t, raft_uv_transport_close_cb cb)
{
	cb(t);
}

void
engine_accept(struct engine *g, uint64_t id, const char *name, int fd)
{
	g->accept(&g->transport, id, name, engine_stream(g, fd));
}

/* ---- opening ------------------------------------------------------------ */

static void
engine_no_work(uv_work_t *w)
{
	(void)w;
}

static void
engine_no_work_done(uv_work_t *w, int status)
{
	(void)w;
	(void)status;
}

/* libuv makes its threads at the first work it is given: now. */
static void
engine_threads(struct engine *g)
{
	uv_work_t work;

	if (uv_queue_work(&g->uv, &work, engine_no_work, engine_no_work_done) !=
	    0)
		fatalx("raft: no threads");
	uv_run(&g->uv, UV_RUN_DEFAULT);
}

/* What libraft says last of what went wrong; "" = nothing. */
static const char *
engine_words(const struct engine *g)
{
	return g->raft.errmsg[0] != '\0' ? g->raft.errmsg : g->io.errmsg;
}

static int
engine_wrong(struct engine *g, const char *what, int r, struct err *e)
{
	const char *words = engine_words(g);

	return err_set(e, r == RAFT_CORRUPT ? ERR_CORRUPT : ERR_IO,
	    "%s: %s: %s", g->c.dir, what,
	    words[0] != '\0' ? words : raft_strerror(r));
}

bool
engine_is_broken(const struct engine *g, struct err *e)
{
	if (g->raft.state != RAFT_UNAVAILABLE)
		return false;
	err_set(e, ERR_IO, "%s: %s", g->c.dir, engine_words(g));
	return true;
}

/* A group of this server alone. raft_bootstrap makes nothing when the log has a
 * group already; raft_recover, told so by an operator, makes it all the same.
 */
static int
engine_alone(struct engine *g, const char *what,
    int (*make)(struct raft *, const struct raft_configuration *),
    struct err *e)
{
	struct raft_configuration c;
	int r;

	raft_configuration_init(&c);
	r = raft_configuration_add(&c, g->c.id, g->name, RAFT_VOTER);
	if (r == 0)
		r = make(&g->raft, &c);
	raft_configuration_close(&c);
	if (r != 0 && r != RAFT_CANTBOOTSTRAP)
		return engine_wrong(g, what, r, e);
	return 0;
}

static int
engine_init(struct engine *g, struct err *e)
{
	int r;

	g->transport = (struct raft_uv_transport){.impl = g,
	    .init = transport_init,
	    .listen = transport_listen,
	    .connect = transport_connect,
	    .close = transport_close};
	if ((r = raft_uv_init(&g->io, &g->uv, g->c.dir, &g->transport)) != 0)
		return engine_wrong(g, "open", r, e);
	raft_uv_set_segment_size(&g->io, ENGINE_SEGMENT);
	raft_uv_set_connect_retry_delay(&g->io, ENGINE_RETRY);
	g->fsm = (struct raft_fsm){.version = 1,
	    .data = g,
	    .apply = engine_on_apply,
	    .snapshot = engine_on_snapshot,
	    .restore = engine_on_restore};
	r = raft_init(&g->raft, &g->io, &g->fsm, g->c.id, g->name);
	if (r != 0)
		return engine_wrong(g, "raft", r, e);
	g->raft.data = g;
	raft_set_heartbeat_timeout(&g->raft, g->c.heartbeat);
	raft_set_election_timeout(&g->raft, g->c.election);
	raft_set_snapshot_threshold(&g->raft, ENGINE_SNAPSHOT);
	raft_set_snapshot_trailing(&g->raft, ENGINE_TRAILING);
	raft_set_pre_vote(&g->raft, true);
	return 0;
}

int
engine_open(const struct engine_config *c, struct engine **gp, struct err *e)
{
	struct engine *g = xcalloc(1, sizeof *g);
	int r;

	g->c = *c;
	g->name = xstrdup(c->name);
	if (uv_loop_init(&g->uv) != 0)
		fatalx("raft: no loop");
	engine_threads(g);
	if ((r = engine_init(g, e)) != 0 ||
	    (c->bootstrap &&
		(r = engine_alone(g, "bootstrap", raft_bootstrap, e)) != 0) ||
	    (c->recover &&
		(r = engine_alone(g, "recover", raft_recover, e)) != 0))
		return r;
	if ((r = raft_start(&g->raft)) != 0)
		return engine_wrong(g, "start", r, e);
	loop_guest_open(c->loop, uv_backend_fd(&g->uv), engine_step, g);
	*gp = g;
	return 0;
}

/* ---- entries ------------------------------------------------------------ */

static void
engine_on_applied(struct raft_apply *req, int status, void *result)
{
	struct engine_entry *n = req->data;

	(void)result;
	if (status != 0)
		n->failed(n->arg, n->tag, raft_strerror(status));
	free(n);
}

int
engine_propose(struct engine *g, const uint8_t *p, size_t n,
    engine_failed_fn *failed, void *arg, uint64_t tag, struct err *e)
{
	struct engine_entry *entry = xcalloc(1, sizeof *entry);
	struct raft_buffer b = {.base = raft_malloc(n), .len = n};
	int r;

	if (b.base == NULL)
		fatalx("raft: out of memory");
	memcpy(b.base, p, n);
	entry->req.data = entry;
	entry->failed = failed;
	entry->arg = arg;
	entry->tag = tag;
	r = raft_apply(&g->raft, &entry->req, &b, 1, engine_on_applied);
	if (r == 0)
		return 0;
	free(entry);
	raft_free(b.base);
	return err_set(e, ERR_NOOWNER, "raft: %s", raft_strerror(r));
}

static void
engine_on_pushed(struct raft_barrier *req, int status)
{
	struct engine *g = req->data;

	g->pushing = false;
	if (status == 0 && g->push_again)
		engine_push(g);
}

/* What raft sends with an entry says how far all is decided, and an empty
 * entry is enough for that. */
void
engine_push(struct engine *g)
{
	g->push_again = g->pushing;
	if (g->pushing || g->raft.state != RAFT_LEADER ||
	    g->raft.configuration.n == 1)
		return;
	g->barrier.data = g;
	g->pushing = raft_barrier(&g->raft, &g->barrier, engine_on_pushed) == 0;
}

static void
engine_on_transferred(struct raft_transfer *req)
{
	struct engine *g = req->data;

	g->transferring = false;
	if (g->handed != NULL)
		g->handed(g->handed_arg);
}

bool
engine_hand_over(struct engine *g, uint64_t id, engine_handed_fn *fn, void *arg)
{
	if (g->transferring || g->raft.state != RAFT_LEADER)
		return false;
	g->transfer.data = g;
	g->handed = fn;
	g->handed_arg = arg;
	g->transferring = raft_transfer(&g->raft, &g->transfer, id,
			      engine_on_transferred) == 0;
	return g->transferring;
}

/* ---- the group ---------------------------------------------------------- */

enum engine_state
engine_state(const struct engine *g)
{
	static const enum engine_state state[] = {
	    [RAFT_UNAVAILABLE] = ENGINE_DOWN,
	    [RAFT_FOLLOWER] = ENGINE_FOLLOWER,
	    [RAFT_CANDIDATE] = ENGINE_CANDIDATE,
	    [RAFT_LEADER] = ENGINE_LEADER};

	return state[g->raft.state];
}

const char *
engine_leader(struct engine *g)
{
	const char *name;
	raft_id id;

	raft_leader(&g->raft, &id, &name);
	return id != 0 && name != NULL ? name : "";
}

void
engine_pace(struct engine *g, unsigned heartbeat, unsigned election)
{
	raft_set_heartbeat_timeout(&g->raft, heartbeat);
	raft_set_election_timeout(&g->raft, election);
}

uint64_t
engine_term(const struct engine *g)
{
	return g->raft.current_term;
}

uint64_t
engine_applied(struct engine *g)
{
	return raft_last_applied(&g->raft);
}

bool
engine_is_level(struct engine *g)
{
	return g->raft.state == RAFT_LEADER &&
	    raft_last_applied(&g->raft) == raft_last_index(&g->raft);
}

bool
engine_next(const struct engine *g, unsigned *at, uint64_t *id,
    const char **name, enum engine_vote *vote)
{
	const struct raft_server *s;

	if (*at >= g->raft.configuration.n)
		return false;
	s = &g->raft.configuration.servers[(*at)++];
	*id = s->id;
	*name = s->address;
	*vote = s->role == RAFT_VOTER ? ENGINE_VOTER
	    : s->role == RAFT_STANDBY ? ENGINE_STANDBY
				      : ENGINE_SPARE;
	return true;
}

bool
engine_is_changing(const struct engine *g)
{
	return g->changing;
}

static void
engine_on_changed(struct raft_change *req, int status)
{
	struct engine *g = req->data;

	g->changing = false;
	if (status != 0)
		log_info("group: not changed: %s", raft_strerror(status));
}

static bool
engine_change(struct engine *g, const char *what, uint64_t id, int r)
{
	g->changing = r == 0;
	if (r != 0)
		log_debug("group: %s %llu: %s", what, (unsigned long long)id,
		    raft_strerror(r));
	return r == 0;
}

bool
engine_add(struct engine *g, uint64_t id, const char *name)
{
	g->change.data = g;
	return engine_change(g, "add", id,
	    raft_add(&g->raft, &g->change, id, name, engine_on_changed));
}

bool
engine_assign(struct engine *g, uint64_t id, enum engine_vote vote)
{
	int role = vote == ENGINE_VOTER ? RAFT_VOTER
	    : vote == ENGINE_STANDBY	? RAFT_STANDBY
					: RAFT_SPARE;

	g->change.data = g;
	return engine_change(g, "assign", id,
	    raft_assign(&g->raft, &g->change, id, role, engine_on_changed));
}

bool
engine_remove(struct engine *g, uint64_t id)
{
	g->change.data = g;
	return engine_change(g, "remove", id,
	    raft_remove(&g->raft, &g->change, id, engine_on_changed));
}
