/*
 * The gate as a whole, without the process around it: its ng socket, its
 * calls, its sweep. mg.c puts it into a process; tests open it bare.
 */
#include <stdlib.h>

#include "mg.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define MG_SWEEP (10 * CLOCK_SEC)

static void
mg_gate_on_sweep(void *arg)
{
	struct mg *mg = arg;

	mg_call_sweep(mg, clock_mono());
	loop_timer_set(mg->sweep, MG_SWEEP);
}

struct mg *
mg_gate_open(struct loop *loop, int ng_fd)
{
	struct mg *mg = xcalloc(1, sizeof *mg);

	mg->loop = loop;
	TAILQ_INIT(&mg->list);
	mg_ports_init(&mg->ports);
	rand_bytes(mg->mask, sizeof mg->mask);
	mg_relay_open(mg);
	mg->ng = ng_open(loop, ng_fd, mg_on_command, mg);
	mg->sweep = loop_timer_new(loop, mg_gate_on_sweep, mg);
	loop_timer_set(mg->sweep, MG_SWEEP);
	mg_figures_open(mg);
	return mg;
}

void
mg_gate_close(struct mg **mgp)
{
	struct mg *mg = *mgp;
	struct mg_call *c;

	*mgp = NULL;
	if (mg == NULL)
		return;
	while ((c = TAILQ_FIRST(&mg->list)) != NULL)
		mg_call_free(&c);
	map_fini(&mg->calls);
	mg_figures_close(mg);
	ng_close(&mg->ng);
	mg_relay_close(mg);
	loop_timer_free(&mg->sweep);
	free(mg);
}
