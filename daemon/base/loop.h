#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The one event loop of a process: descriptors, timers, signals, deferred
 * work. Nothing blocks in a callback. An object that wants to free itself
 * from one of its own callbacks does so through loop_defer.
 */
struct loop;
struct loop_fd;
struct loop_timer;
struct loop_signal;

#define LOOP_READ 1
#define LOOP_WRITE 2

typedef void loop_fd_fn(void *arg, int fd, int events);
typedef void loop_fn(void *arg);

struct loop *loop_new(void); /* ends the process when the kernel refuses */
void loop_free(struct loop **);
void loop_run(struct loop *); /* until loop_stop */
void loop_stop(struct loop *);

/* The descriptor stays the caller's; close it after loop_fd_close. */
struct loop_fd *loop_fd_open(
    struct loop *, int fd, int events, loop_fd_fn *, void *arg);
void loop_fd_want(struct loop_fd *, int events); /* 0 = none for now */
void loop_fd_close(struct loop_fd **);

/* One shot. Setting again moves it. Microseconds from now. */
struct loop_timer *loop_timer_new(struct loop *, loop_fn *, void *arg);
void loop_timer_set(struct loop_timer *, uint64_t us);
void loop_timer_cancel(struct loop_timer *);
bool loop_timer_is_set(const struct loop_timer *);
void loop_timer_free(struct loop_timer **);

struct loop_signal *loop_signal_open(
    struct loop *, int signo, loop_fn *, void *arg);
void loop_signal_close(struct loop_signal **);

/*
 * Work for the end of this turn, before the loop sleeps again. The record
 * is the caller's and must live until it has run or is cancelled; queueing
 * it twice runs it once.
 */
struct loop_defer {
	loop_fn *fn;
	void *arg;
	struct loop_defer *next;
	bool queued;
};
void loop_defer(struct loop *, struct loop_defer *);
void loop_defer_cancel(struct loop *, struct loop_defer *);

/*
 * For what of libevent itself lives in this loop (its HTTP server).
 */
struct event_base;
struct event_base *loop_base(struct loop *);

/*
 * Another event machine that lives in this loop (sofia's su_root): step is
 * called after every turn and whenever fd is readable, and says in how many
 * milliseconds it wants to be called again (-1 = never).
 */
typedef long loop_guest_fn(void *arg);
void loop_guest_open(struct loop *, int fd, loop_guest_fn *, void *arg);
void loop_guest_close(struct loop *);

#endif
