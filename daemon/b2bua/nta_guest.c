/*
 * sofia's transaction layer as a guest of our event loop, on one inside UDP
 * address. Decides the agent's settings; refuses to send or receive anything
 * before it is started, so that calls are adopted first. Only this file knows
 * su_root.
 *
 * su_root_create makes an epoll descriptor and tells nobody its number: the
 * one that appears in /proc/self/fd around the call is it. Our loop watches
 * it and steps the guest after every turn.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "b2bua.h"
#include <sofia-sip/su.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_wait.h>
#include <sofia-sip/tport_tag.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#define GUEST_FDS 1024 /* descriptors looked at */
#define GUEST_STEPS 64 /* in a row, before others have their turn */

struct nta_guest {
	struct loop *loop;
	su_root_t *root;
	nta_agent_t *agent;
	int epoll;
	bool busy;
	bool started;
	bool silent;
};

/* Every epoll descriptor of the process, as bits. */
static void
guest_list_epolls(uint8_t bits[GUEST_FDS])
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	char path[300], link[64];

	memset(bits, 0, GUEST_FDS);
	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		int fd = atoi(e->d_name);
		ssize_t n;

		snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
		n = readlink(path, link, sizeof link - 1);
		if (n <= 0 || fd < 0 || fd >= GUEST_FDS)
			continue;
		link[n] = '\0';
		bits[fd] = strcmp(link, "anon_inode:[eventpoll]") == 0;
	}
	closedir(d);
}

static int
guest_create_root(struct nta_guest *g, struct err *err)
{
	uint8_t before[GUEST_FDS], after[GUEST_FDS];

	guest_list_epolls(before);
	if ((g->root = su_root_create(NULL)) == NULL)
		return err_set(err, ERR_INTERNAL, "sofia: su_root");
	guest_list_epolls(after);
	for (g->epoll = 0; g->epoll < GUEST_FDS; g->epoll++)
		if (after[g->epoll] && !before[g->epoll])
			return 0;
	return err_set(err, ERR_INTERNAL, "sofia: its epoll is not to be seen");
}

/*
 * UA: the ACK to a 2xx belongs to its INVITE. No reply of nta's own accord
 * that would promise something: no 100, no 487. No MTU: every hop inside is
 * loopback or a network with large datagrams, and there is no TCP to fall
 * back to.
 */
static int
guest_create_agent(struct nta_guest *g, const union addr *inside,
    nta_request_f *fn, void *magic, struct err *err)
{
	char host[ADDR_TEXT], url[ADDR_TEXT + 32];
	nta_leg_t *leg;

	addr_sip_host(host, inside);
	snprintf(url, sizeof url, "sip:%s:%u;transport=udp", host,
	    addr_port(inside));
	g->agent = nta_agent_create(g->root, URL_STRING_MAKE(url), NULL, NULL,
	    NTATAG_UA(1), NTATAG_MERGE_482(1), NTATAG_CANCEL_487(0),
	    NTATAG_PROGRESS(~0U), NTATAG_UDP_MTU(65535), NTATAG_MAXSIZE(65535),
	    NTATAG_SIP_T1X64(b2bua_times.t1x64), NTATAG_USE_NAPTR(0),
	    NTATAG_USE_SRV(0), TAG_END());
	if (g->agent == NULL)
		return err_set(err, ERR_ADDRESS, "%s: cannot bind", url);
	leg = nta_leg_tcreate(
	    g->agent, fn, magic, NTATAG_NO_DIALOG(1), TAG_END());
	if (leg == NULL)
		return err_set(err, ERR_INTERNAL, "sofia: default leg");
	return 0;
}

/* What sofia has to say goes nowhere: every fact of use is counted here. */
static void
guest_hush(void *arg, const char *fmt, va_list ap)
{
	(void)arg;
	(void)fmt;
	(void)ap;
}

int
nta_guest_open(struct loop *loop, const union addr *inside, nta_request_f *fn,
    void *magic, struct nta_guest **gp, struct err *err)
{
	struct nta_guest *g = xcalloc(1, sizeof *g);
	int rc;

	*gp = NULL;
	g->loop = loop;
	su_init();
	su_log_redirect(NULL, guest_hush, NULL);
	su_log_set_level(NULL, 0);
	rc = guest_create_root(g, err);
	if (rc == 0)
		rc = guest_create_agent(g, inside, fn, magic, err);
	if (rc != 0)
		nta_guest_close(&g);
	*gp = g;
	return rc;
}

/* One message is taken a step: go on as long as steps bring something. */
static long
guest_on_step(void *arg)
{
	struct nta_guest *g = arg;
	su_duration_t ms = -1;

	for (unsigned i = 0; i < GUEST_STEPS; i++) {
		g->busy = false;
		ms = su_root_step(g->root, 0);
		if (!g->busy)
			break;
	}
	return ms == SU_WAIT_FOREVER ? -1 : (long)ms;
}

void
nta_guest_start(struct nta_guest *g)
{
	if (g->started)
		return;
	g->started = true;
	loop_guest_open(g->loop, g->epoll, guest_on_step, g);
}

void
nta_guest_close(struct nta_guest **gp)
{
	struct nta_guest *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	if (g->started)
		loop_guest_close(g->loop);
	if (g->agent != NULL)
		nta_agent_destroy(g->agent);
	if (g->root != NULL)
		su_root_destroy(g->root);
	su_deinit();
	free(g);
}

nta_agent_t *
nta_guest_agent(struct nta_guest *g)
{
	return g->agent;
}

void
nta_guest_silence(struct nta_guest *g)
{
	g->silent = true;
}

void
nta_guest_end_incoming(struct nta_guest *g, nta_incoming_t *irq)
{
	if (irq != NULL && !g->silent)
		nta_incoming_destroy(irq);
}

void
nta_guest_end_outgoing(struct nta_guest *g, nta_outgoing_t *orq)
{
	if (orq != NULL && !g->silent)
		nta_outgoing_destroy(orq);
}

void
nta_guest_end_leg(struct nta_guest *g, nta_leg_t *leg)
{
	if (leg != NULL && !g->silent)
		nta_leg_destroy(leg);
}

void
nta_guest_busy(struct nta_guest *g)
{
	g->busy = true;
}
