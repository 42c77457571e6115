/* The thread for slow syncs; the law is in sync_worker.h. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "disk.h"
#include "ship_log.h"
#include "stream_path.h"
#include "sync_worker.h"
#include "daemon/base/thread.h"

struct sync_queue {
	struct sync_job *first, **last;
};

struct sync_worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct sync_queue todo, ready; /* under the lock */
	bool stop;		       /* under the lock */
	struct loop_fd *io;
	int event;
	sync_done_fn *done;
	void *arg;
};

static void
queue_add(struct sync_queue *q, struct sync_job *job)
{
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
}

static struct sync_job *
queue_take(struct sync_queue *q)
{
	struct sync_job *job = q->first;

	if (job != NULL && (q->first = job->next) == NULL)
		q->last = &q->first;
	return job;
}

static void
queue_free(struct sync_queue *q)
{
	struct sync_job *job;

	while ((job = queue_take(q)) != NULL) {
		if (job->what == SYNC_DROP && job->fd >= 0)
			close(job->fd);
		free(job);
	}
}

/* A database and, the first time, the names that lead to it. */
static int
sync_database(const struct sync_job *job)
{
	int fd = open(job->path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -ERR_IO;
	r = fdatasync(fd) == 0 ? 0 : -ERR_IO;
	close(fd);
	if (r == 0 && job->root[0] != '\0')
		r = stream_path_sync_dirs(job->root, job->name);
	return r;
}

/* The data only, without a flush: what follows has less to do. */
static void
sync_begin(const struct sync_job *job)
{
	int fd = open(job->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	sync_file_range(fd, 0, 0,
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
		SYNC_FILE_RANGE_WAIT_AFTER);
	close(fd);
}

static void
sync_drop(struct sync_job *job)
{
	disk_give_back(job->fd);
	job->fd = -1;
}

static void
sync_do(struct sync_job *job)
{
	if (job->what == SYNC_CALL)
		job->call(job->arg);
	else if (job->what == SYNC_SEGMENT)
		job->result = ship_log_spare_make(job->path, job->n);
	else if (job->what == SYNC_BEGIN)
		sync_begin(job);
	else if (job->what == SYNC_DROP)
		sync_drop(job);
	else
		job->result = sync_database(job);
}

/* A replicator that goes before others (tandemd(8)) does so for what is to be
 * acknowledged; nobody waits for this thread. Linux: a nice value is a
 * thread's. */
static void
sync_wait_turn(void)
{
	if (getpriority(PRIO_PROCESS, 0) < 0)
		setpriority(PRIO_PROCESS, 0, 0);
}

static void *
sync_main(void *arg)
{
	struct sync_worker *w = arg;
	struct sync_job *job;
	uint64_t one = 1;

	sync_wait_turn();
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->stop && w->todo.first == NULL)
			pthread_cond_wait(&w->more, &w->lock);
		if (w->stop)
			break;
		job = queue_take(&w->todo);
		pthread_mutex_unlock(&w->lock);
		sync_do(job);
		pthread_mutex_lock(&w->lock);
		queue_add(&w->ready, job);
		while (write(w->event, &one, sizeof one) < 0 && errno == EINTR)
			;
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void
sync_on_event(void *arg, int fd, int events)
{
	struct sync_worker *w = arg;
	struct sync_job *job;
	uint64_t count;

	(void)events;
	if (read(fd, &count, sizeof count) != sizeof count)
		return;
	for (;;) {
		pthread_mutex_lock(&w->lock);
		job = queue_take(&w->ready);
		pthread_mutex_unlock(&w->lock);
		if (job == NULL)
			return;
		w->done(w->arg, job);
		free(job);
	}
}

int
sync_worker_open(struct loop *loop, sync_done_fn *done, void *arg,
    struct sync_worker **out, struct err *e)
{
	struct sync_worker *w = calloc(1, sizeof *w);

	if (w == NULL)
		return err_set(e, ERR_NOMEM, "sync worker");
	w->done = done;
	w->arg = arg;
	w->todo.last = &w->todo.first;
	w->ready.last = &w->ready.first;
	w->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	if (w->event < 0 || thread_start(&w->thread, sync_main, w) != 0) {
		err_errno(e, ERR_IO, "sync worker");
		if (w->event >= 0)
			close(w->event);
		free(w);
		return -ERR_IO;
	}
	w->io = loop_fd_open(loop, w->event, LOOP_READ, sync_on_event, w);
	*out = w;
	return 0;
}

void
sync_worker_close(struct sync_worker **wp)
{
	struct sync_worker *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	queue_free(&w->todo);
	queue_free(&w->ready);
	loop_fd_close(&w->io);
	close(w->event);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->more);
	free(w);
}

int
sync_worker_add(struct sync_worker *w, const struct sync_job *job)
{
	struct sync_job *copy = malloc(sizeof *copy);

	if (copy == NULL)
		return -ERR_NOMEM;
	*copy = *job;
	pthread_mutex_lock(&w->lock);
	queue_add(&w->todo, copy);
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	return 0;
}
