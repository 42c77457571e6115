#ifndef HISTORY_H
#define HISTORY_H

#include "history_volume.h"
#include "log_index.h"
#include "ship_log.h"
#include "stream_path.h"

/*
 * The history of streams: what the ship log has dropped, in volumes
 * (history_volume.h) of each stream, and from both the database as it was at
 * a time. Everything here is the work of one thread beside the loop, job
 * after job, so nothing is removed that a job reads. The loop fills in a job,
 * with a view of the ship log whose segments it keeps until the job is done,
 * and shares nothing else with it. Law and cases: history.c.
 */

#define HISTORY_PREFIX "domain/" /* the streams whose history is kept */

enum history_what {
	HISTORY_KEEP,  /* take over what the log is about to drop */
	HISTORY_COPY,  /* a stream's file, for a volume that begins with it */
	HISTORY_FOLD,  /* make it exact from the log, and a volume of it */
	HISTORY_BUILD, /* a database as it was at a time */
	HISTORY_LIST,  /* what there is */
	HISTORY_MEND   /* damaged pages of a stream's file anew */
};

/* What the loop knows of a stream. */
struct history_stream {
	char name[STREAM_NAME];
	uint32_t file; /* number of its database file */
	uint32_t page_size;
	bool based; /* it began with a database that no record made */
	/* COPY: the file on disk holds all up to this LSN. */
	uint64_t checkpoint;
	/* The last commit that counts; its sum and pages, 0 = not known. */
	uint64_t upto, sum;
	uint32_t pages;
	struct log_void *voids; /* a copy */
	size_t nvoids;
	/* What the job found. */
	bool wants;	  /* its history has to begin anew: COPY, then FOLD */
	uint64_t from;	  /* LIST: the first time it can be had of; 0 = none */
	uint64_t bytes;	  /* LIST: of its volumes */
	uint32_t volumes; /* LIST */
};

struct history_job {
	struct history *history;
	enum history_what what;
	struct ship_log log;	       /* a view: dir, id, segments, end */
	struct history_stream *stream; /* by name */
	size_t n;
	uint64_t to;   /* KEEP: the segments before this position */
	uint64_t time; /* BUILD: everything up to it, microseconds */
	uint64_t now;  /* real clock */
	/* BUILD, MEND: the file to make; COPY: the stream's. */
	char path[STREAM_PATH];
	/* BUILD, MEND: the last commit in it. */
	uint64_t lsn, at;
	char target[STREAM_PATH]; /* MEND: the stream's file */
	uint32_t mended;	  /* MEND: pages that were written anew */
	uint32_t left;	/* MEND: damaged ones that the next checkpoint writes */
	struct err err; /* the first failure; code ERR_NONE = none */
};

struct history_config {
	const char *dir; /* made when absent; readable by its owner only */
	uint64_t keep;	 /* microseconds that it shall reach back */
	uint64_t bytes;	 /* of the volumes of one stream, at most */
};

struct history;
int history_open(
    const struct history_config *, struct history **, struct err *);
void history_close(struct history **);
/* In the thread: arg is a struct history_job. */
void history_do(void *arg);
void history_job_free(struct history_job **);
struct history_stream *history_job_stream(
    const struct history_job *, const char *name);

/* ---- between history*.c -------------------------------------------------- */

/* The newest volume of a stream, to which records are appended. */
struct shelf {
	char name[STREAM_NAME];
	bool loaded;
	bool there; /* there is a volume */
	struct volume_head head;
	uint64_t off;	   /* its end */
	uint64_t lsn, sum; /* of the last record in it */
	uint64_t time;
	uint32_t pages; /* of the database, after a whole commit */
	bool whole;	/* a commit ends there */
	bool broken;	/* it cannot go on: what follows is missing */
	bool dirty;	/* to be synced */
};

struct history {
	char dir[256];
	uint64_t keep, bytes;
	struct map shelves; /* name -> struct shelf */
};

#define HISTORY_PATH 512

/* history_shelf.c */
int shelf_volume(const struct history *, const char *name, uint32_t number,
    char path[HISTORY_PATH], struct err *);
/* The numbers of its volumes, the oldest first; *list is freed by the
 * caller. */
int shelf_list(const struct history *, const char *name, uint32_t **list,
    size_t *n, struct err *);
struct shelf *shelf_get(struct history *, const char *name, struct err *);
/* A volume that begins with the database in the file, or with nothing (db
 * -1). The head says the rest; number, records and pages are filled in. */
int shelf_begin(struct history *, struct shelf *, int db,
    const struct volume_head *, struct err *);
int shelf_append(struct history *, struct shelf *, const struct ship_record *,
    const uint8_t *bytes, uint64_t time, struct err *);
/* A new volume once the newest is long or old. */
int shelf_turn(struct history *, struct shelf *, uint64_t now, struct err *);
int shelf_sync(struct history *, struct shelf *, struct err *);
/* Remove volumes that are not needed to reach back over the time kept. */
int shelf_retain(struct history *, struct shelf *, uint64_t now, struct err *);

/* history_walk.c */
/* A record of the stream and its time; other than 0 ends the walk. */
typedef int history_fn(
    void *arg, const struct ship_record *, uint64_t time, struct err *);
struct history_walk {
	struct history *history;
	const struct history_job *job;
	const struct history_stream *stream;
	history_fn *fn;
	void *arg;
	uint64_t lsn, sum, time; /* where the chain is */
	uint64_t next; /* time of what does not follow; 0 = nothing came */
	struct err damaged;
};
/* Records of a volume, behind its base, from where the walk is on. */
int walk_volume(struct history_walk *, struct volume_reader *, struct err *);
/* The records of the stream in the log. */
int walk_log(struct history_walk *, struct err *);
/* The base of a volume into a database file. */
int walk_base(struct volume_reader *, int db, struct err *);
int history_write(int db, const struct ship_record *, struct err *);
/* True when a record of the log counts for the stream. */
bool history_counts(
    const struct history_stream *, const struct ship_record *, uint64_t pos);

/* history_build.c */
void history_build(struct history *, struct history_job *);
void history_list(struct history *, struct history_job *);

/* history_mend.c */
void history_mend(struct history *, struct history_job *);

#endif
