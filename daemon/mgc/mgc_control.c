/*
 * The controller as a whole, without the process around it: its ng socket,
 * its claim on stream `media`, its end. mgc.c puts it into a process; tests
 * open it bare.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "mgc.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

struct mgc *
mgc_control_open(struct loop *loop, int ng_fd, const struct owner_map *owners)
{
	struct mgc *m = xcalloc(1, sizeof *m);

	m->loop = loop;
	m->owners = owners;
	TAILQ_INIT(&m->list);
	TAILQ_INIT(&m->gates);
	TAILQ_INIT(&m->orders);
	TAILQ_INIT(&m->waiting);
	TAILQ_INIT(&m->drills);
	m->ng = ng_open(loop, ng_fd, mgc_on_command, m);
	mgc_gates_read(m);
	return m;
}

void
mgc_control_close(struct mgc **mp)
{
	struct mgc *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	mgc_control_disown(m);
	mgc_gates_free(m);
	ng_close(&m->ng);
	map_fini(&m->sessions);
	free(m);
}

/* The stream is no more ours, or never became it. */
static void
mgc_control_on_lost(void *arg, struct stream *stream, const struct err *why)
{
	struct mgc *m = arg;
	struct err e = *why; /* may be the stream's */

	(void)stream;
	log_info("owner no more, epoch=%" PRIu64 ": %s", m->epoch, e.text);
	mgc_control_disown(m);
	m->on_lost(m->arg, &e);
}

static void
mgc_control_on_stream(void *arg, struct stream *stream, const struct err *why)
{
	struct mgc *m = arg;
	struct err e = {0};

	if (why == NULL && mgc_sessions_load(m, &e) != 0)
		why = &e;
	if (why != NULL) {
		mgc_control_on_lost(m, stream, why);
		return;
	}
	m->state = MGC_SERVING;
	mgc_sweep_start(m);
	log_info("serves, epoch=%" PRIu64 " sessions=%" PRIu64, m->epoch,
	    m->n.sessions);
	m->on_serving(m->arg);
	mgc_orders_resume(m);
}

void
mgc_control_claim(struct mgc *m, struct repl *repl, uint64_t epoch)
{
	struct stream_config config = {
	    .name = MGC_STREAM,
	    .epoch = epoch,
	    .page_size = 4096,
	    .schema = mgc_schema,
	    .on_ready = mgc_control_on_stream,
	    .on_lost = mgc_control_on_lost,
	    .arg = m,
	};
	struct err e = {0};

	mgc_control_disown(m);
	m->epoch = epoch;
	m->state = MGC_CLAIMING;
	if (stream_open(repl, &config, &m->stream, &e) != 0) {
		m->state = MGC_PASSIVE;
		m->on_lost(m->arg, &e);
	}
}

void
mgc_control_disown(struct mgc *m)
{
	struct mgc_gate *g;

	if (m->state == MGC_PASSIVE)
		return;
	m->state = MGC_PASSIVE;
	mgc_orders_refuse(m, "not the owner");
	mgc_drill_forget(m);
	mgc_sweep_stop(m);
	for (g = TAILQ_FIRST(&m->gates); g != NULL; g = TAILQ_NEXT(g, entry))
		mgc_sweep_forget(g);
	mgc_sessions_drop(m);
	stream_close(&m->stream);
}
