/*
 * The ship log's sync in a thread of its own, so that the loop goes on taking
 * records from owners and handing them to followers meanwhile: what arrives
 * during one sync is in the next. One sync at a time. The thread knows a
 * descriptor and a result; everything else is the loop's.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ship_log.h"
#include "daemon/base/clock.h"
#include "daemon/base/thread.h"

struct ship_syncer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t begun, done;
	bool wanted, stop; /* under the lock, as all that follows */
	int fd, error;
	uint64_t us;
	int event;    /* readable when a sync is over */
	uint64_t pos; /* the loop's: what the sync under way covers */
	bool away;    /* the loop's: one is under way, or its end not taken */
};

static void *
syncer_main(void *arg)
{
	struct ship_syncer *y = arg;
	uint64_t before, one = 1;
	int fd, error;

	pthread_mutex_lock(&y->lock);
	for (;;) {
		while (!y->stop && !y->wanted)
			pthread_cond_wait(&y->begun, &y->lock);
		if (y->stop)
			break;
		fd = y->fd;
		pthread_mutex_unlock(&y->lock);
		before = clock_mono();
		error = fdatasync(fd) == 0 ? 0 : errno;
		pthread_mutex_lock(&y->lock);
		y->us = clock_mono() - before;
		y->error = error;
		y->wanted = false;
		pthread_cond_signal(&y->done);
		while (write(y->event, &one, sizeof one) < 0 && errno == EINTR)
			;
	}
	pthread_mutex_unlock(&y->lock);
	return NULL;
}

int
ship_log_syncer_open(struct ship_log *log, int *event, struct err *e)
{
	struct ship_syncer *y = calloc(1, sizeof *y);
	int r;

	if (y == NULL)
		return err_set(e, ERR_NOMEM, "ship log");
	y->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&y->lock, NULL);
	pthread_cond_init(&y->begun, NULL);
	pthread_cond_init(&y->done, NULL);
	r = y->event < 0 ? -1 : thread_start(&y->thread, syncer_main, y);
	if (r != 0) {
		if (y->event >= 0)
			close(y->event);
		free(y);
		return err_set(e, ERR_IO, "ship log: no thread");
	}
	log->syncer = y;
	*event = y->event;
	return 0;
}

void
ship_log_syncer_close(struct ship_log *log)
{
	struct ship_syncer *y = log->syncer;

	log->syncer = NULL;
	if (y == NULL)
		return;
	pthread_mutex_lock(&y->lock);
	y->stop = true;
	pthread_cond_signal(&y->begun);
	pthread_mutex_unlock(&y->lock);
	pthread_join(y->thread, NULL);
	close(y->event);
	pthread_mutex_destroy(&y->lock);
	pthread_cond_destroy(&y->begun);
	pthread_cond_destroy(&y->done);
	free(y);
}

bool
ship_log_is_syncing(const struct ship_log *log)
{
	return log->syncer != NULL && log->syncer->away;
}

int
ship_log_sync_begin(struct ship_log *log, struct err *e)
{
	struct ship_syncer *y = log->syncer;
	int r;

	if ((r = ship_log_write(log, e)) != 0)
		return r;
	y->pos = log->end;
	y->away = true;
	pthread_mutex_lock(&y->lock);
	y->fd = log->fd;
	y->wanted = true;
	pthread_cond_signal(&y->begun);
	pthread_mutex_unlock(&y->lock);
	return 0;
}

int
ship_log_sync_end(struct ship_log *log, bool wait, struct err *e)
{
	struct ship_syncer *y = log->syncer;
	bool over;

	if (!ship_log_is_syncing(log))
		return 0;
	pthread_mutex_lock(&y->lock);
	while (wait && y->wanted)
		pthread_cond_wait(&y->done, &y->lock);
	over = !y->wanted;
	pthread_mutex_unlock(&y->lock);
	if (!over)
		return 0;
	y->away = false;
	errno = y->error;
	return ship_log_synced(log, y->pos, y->us, e);
}
