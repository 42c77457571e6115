/*
 * The event loop, over libevent. Nothing else includes its headers.
 *
 * A turn is: wait, run what is ready, run the deferred work, step the guest.
 * libevent runs one turn per event_base_loop(EVLOOP_ONCE), so the deferred
 * work needs no event of its own.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "loop.h"
#include "log.h"
#include "mem.h"

struct loop {
	struct event_base *base;
	struct loop_defer *first, **last;
	bool stop;
	loop_guest_fn *guest;
	void *guest_arg;
	struct event *guest_fd, *guest_timer;
};

struct loop_fd {
	struct loop *loop;
	struct event *event;
	loop_fd_fn *fn;
	void *arg;
	int fd;
	int events;
};

struct loop_timer {
	struct event *event;
	loop_fn *fn;
	void *arg;
};

struct loop_signal {
	struct event *event;
	loop_fn *fn;
	void *arg;
};

struct loop *
loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof *l);
	struct event_config *cfg = event_config_new();

	if (cfg == NULL)
		fatalx("loop: out of memory");
	/* The group commit waits for 1 ms: epoll_wait alone is too coarse. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (l->base == NULL)
		fatal("loop: cannot be made");
	l->last = &l->first;
	return l;
}

void
loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	loop_guest_close(l);
	event_base_free(l->base);
	free(l);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

/* Run what was deferred, and what that defers, in order. */
static void
loop_run_deferred(struct loop *l)
{
	struct loop_defer *d;

	while ((d = l->first) != NULL) {
		if ((l->first = d->next) == NULL)
			l->last = &l->first;
		d->queued = false;
		d->fn(d->arg);
	}
}

/* Let the guest do its work and arm its next wish. */
static void
loop_step_guest(struct loop *l)
{
	struct timeval tv;
	long ms;

	if (l->guest == NULL)
		return;
	ms = l->guest(l->guest_arg);
	loop_run_deferred(l);
	if (ms < 0) {
		evtimer_del(l->guest_timer);
		return;
	}
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	evtimer_add(l->guest_timer, &tv);
}

void
loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop) {
		loop_run_deferred(l);
		loop_step_guest(l);
		if (l->stop)
			break;
		if (event_base_loop(l->base, EVLOOP_ONCE) != 0)
			break; /* 1: nothing left to wait for */
	}
	loop_run_deferred(l);
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
	event_base_loopbreak(l->base);
}

static void
loop_fd_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct loop_fd *h = arg;

	h->fn(h->arg, fd,
	    (what & EV_READ ? LOOP_READ : 0) |
		(what & EV_WRITE ? LOOP_WRITE : 0));
}

struct loop_fd *
loop_fd_open(struct loop *l, int fd, int events, loop_fd_fn *fn, void *arg)
{
	struct loop_fd *h = xcalloc(1, sizeof *h);

	h->loop = l;
	h->fd = fd;
	h->fn = fn;
	h->arg = arg;
	h->event = event_new(l->base, fd, 0, loop_fd_on_event, h);
	if (h->event == NULL)
		fatalx("loop: out of memory");
	loop_fd_want(h, events);
	return h;
}

void
loop_fd_want(struct loop_fd *h, int events)
{
	short what = EV_PERSIST;

	if (events == h->events)
		return;
	if (h->events != 0)
		event_del(h->event);
	h->events = events;
	if (events == 0)
		return;
	if (events & LOOP_READ)
		what |= EV_READ;
	if (events & LOOP_WRITE)
		what |= EV_WRITE;
	event_assign(h->event, h->loop->base, h->fd, what, loop_fd_on_event, h);
	if (event_add(h->event, NULL) != 0)
		fatal("loop: descriptor %d", h->fd);
}

void
loop_fd_close(struct loop_fd **hp)
{
	struct loop_fd *h = *hp;

	*hp = NULL;
	if (h == NULL)
		return;
	event_free(h->event);
	free(h);
}

static void
loop_timer_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

struct loop_timer *
loop_timer_new(struct loop *l, loop_fn *fn, void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof *t);

	t->fn = fn;
	t->arg = arg;
	t->event = evtimer_new(l->base, loop_timer_on_event, t);
	if (t->event == NULL)
		fatalx("loop: out of memory");
	return t;
}

void
loop_timer_set(struct loop_timer *t, uint64_t us)
{
	struct timeval tv = {
	    (time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

	evtimer_add(t->event, &tv);
}

void
loop_timer_cancel(struct loop_timer *t)
{
	evtimer_del(t->event);
}

bool
loop_timer_is_set(const struct loop_timer *t)
{
	return evtimer_pending(t->event, NULL) != 0;
}

void
loop_timer_free(struct loop_timer **tp)
{
	struct loop_timer *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	event_free(t->event);
	free(t);
}

static void
loop_signal_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)fd;
	(void)what;
	s->fn(s->arg);
}

struct loop_signal *
loop_signal_open(struct loop *l, int signo, loop_fn *fn, void *arg)
{
	struct loop_signal *s = xcalloc(1, sizeof *s);

	s->fn = fn;
	s->arg = arg;
	s->event = evsignal_new(l->base, signo, loop_signal_on_event, s);
	if (s->event == NULL || evsignal_add(s->event, NULL) != 0)
		fatal("loop: signal %d", signo);
	return s;
}

void
loop_signal_close(struct loop_signal **sp)
{
	struct loop_signal *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	event_free(s->event);
	free(s);
}

void
loop_defer(struct loop *l, struct loop_defer *d)
{
	if (d->queued)
		return;
	d->queued = true;
	d->next = NULL;
	*l->last = d;
	l->last = &d->next;
}

void
loop_defer_cancel(struct loop *l, struct loop_defer *d)
{
	struct loop_defer **at;

	if (!d->queued)
		return;
	for (at = &l->first; *at != d; at = &(*at)->next)
		;
	if ((*at = d->next) == NULL)
		l->last = at;
	d->queued = false;
}

/* The turn that this event ends steps the guest; nothing is to do here. */
static void
loop_guest_on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

void
loop_guest_open(struct loop *l, int fd, loop_guest_fn *fn, void *arg)
{
	l->guest = fn;
	l->guest_arg = arg;
	l->guest_fd = event_new(
	    l->base, fd, EV_READ | EV_PERSIST, loop_guest_on_event, l);
	l->guest_timer = evtimer_new(l->base, loop_guest_on_event, l);
	if (l->guest_fd == NULL || l->guest_timer == NULL ||
	    event_add(l->guest_fd, NULL) != 0)
		fatal("loop: guest");
}

void
loop_guest_close(struct loop *l)
{
	if (l->guest == NULL)
		return;
	l->guest = NULL;
	event_free(l->guest_fd);
	event_free(l->guest_timer);
}
