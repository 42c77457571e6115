#ifndef SYNC_WORKER_H
#define SYNC_WORKER_H

#include "replication.h"

/*
 * One thread that does what takes the disk long and that nothing waits for:
 * syncs database files after checkpoints, writes a ship log segment in
 * advance, gives back what is not needed. It shares nothing with the loop but
 * two queues. Blocks all signals.
 */
enum sync_what {
	SYNC_DATABASE,
	SYNC_SEGMENT,
	SYNC_COPY,  /* as SYNC_DATABASE: a copy of another server's */
	SYNC_BEGIN, /* have the kernel write what it holds of it; no promise */
	SYNC_DROP,  /* give a file without a name back */
	SYNC_CALL   /* call(arg) */
};

struct sync_job {
	enum sync_what what;
	char path[512];
	char root[256]; /* SYNC_DATABASE: sync the directories too if not "" */
	char name[STREAM_NAME];
	uint64_t n; /* LSN of the checkpoint; bytes of the segment; the copy's
		     * number */
	int fd;	    /* SYNC_DROP: becomes the worker's */
	int result; /* 0 or -ERR_x */
	void (*call)(void *arg);
	void *arg; /* stays the caller's, also of a job that is dropped */
	struct sync_job *next;
};

struct sync_worker;
typedef void sync_done_fn(void *arg, const struct sync_job *);

/* done is called from the loop, in the order of the jobs. */
int sync_worker_open(struct loop *, sync_done_fn *, void *arg,
    struct sync_worker **, struct err *);
/* Waits for the job that is being done; the others are dropped. */
void sync_worker_close(struct sync_worker **);
int sync_worker_add(struct sync_worker *, const struct sync_job *); /* copied */

#endif
