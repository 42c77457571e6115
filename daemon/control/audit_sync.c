/*
 * A thread that waits for the disk in place of the loop: control passes on
 * what calls need, and a sync may take long. It is told by one eventfd and
 * tells by another; there is one sync at a time, so nothing is shared but the
 * two words beside them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "audit.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/thread.h"

struct audit_sync {
	pthread_t thread;
	int ask, told;
	atomic_int fd; /* to be synced; -1 = end */
	atomic_int result;
	struct loop_fd *io;
	loop_fn *done;
	void *arg;
};

/* One count of an eventfd; false when it is gone. */
static bool
sync_take(int fd)
{
	uint64_t n;
	ssize_t r;

	while ((r = read(fd, &n, sizeof n)) < 0 && errno == EINTR)
		;
	return r == sizeof n;
}

static void
sync_give(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

static void *
sync_thread(void *arg)
{
	struct audit_sync *s = arg;
	int fd;

	while (sync_take(s->ask) && (fd = atomic_load(&s->fd)) >= 0) {
		atomic_store(&s->result, fdatasync(fd) == 0 ? 0 : errno);
		sync_give(s->told);
	}
	return NULL;
}

static void
sync_on_told(void *arg, int fd, int events)
{
	struct audit_sync *s = arg;

	(void)events;
	if (sync_take(fd))
		s->done(s->arg);
}

static void
sync_drop(struct audit_sync *s)
{
	if (s->io != NULL)
		loop_fd_close(&s->io);
	if (s->ask >= 0)
		close(s->ask);
	if (s->told >= 0)
		close(s->told);
	free(s);
}

struct audit_sync *
audit_sync_new(struct loop *loop, loop_fn *done, void *arg)
{
	struct audit_sync *s = xcalloc(1, sizeof *s);

	s->done = done;
	s->arg = arg;
	s->ask = eventfd(0, EFD_CLOEXEC);
	s->told = eventfd(0, EFD_CLOEXEC);
	if (s->ask < 0 || s->told < 0 ||
	    thread_start(&s->thread, sync_thread, s) != 0) {
		log_warn("audit: no thread");
		sync_drop(s);
		return NULL;
	}
	s->io = loop_fd_open(loop, s->told, LOOP_READ, sync_on_told, s);
	return s;
}

void
audit_sync_free(struct audit_sync **sp)
{
	struct audit_sync *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	atomic_store(&s->fd, -1);
	sync_give(s->ask);
	pthread_join(s->thread, NULL);
	sync_drop(s);
}

void
audit_sync_start(struct audit_sync *s, int fd)
{
	atomic_store(&s->fd, fd);
	sync_give(s->ask);
}

int
audit_sync_result(const struct audit_sync *s)
{
	return atomic_load(&s->result);
}
