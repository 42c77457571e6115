/* Redo of the ship log after a reboot; the law is in redo.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "page_sum.h"
#include "redo.h"
#include "stream_path.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define REDO_FILES 64 /* databases held open at a time */

struct redo {
	const char *root;
	struct log_index *ix;
	struct redo_done *done;
	struct {
		const struct log_stream *stream;
		int fd;
	} file[REDO_FILES];
	unsigned next;
};

/* ---- files that mean nothing after a reboot ----------------------------- */

static bool
redo_is_discard(const char *name)
{
	size_t n = strlen(name);

	return n > 7 &&
	    (strcmp(name + n - 7, ".db-wal") == 0 ||
		strcmp(name + n - 7, ".db-shm") == 0 ||
		strcmp(name + n - 7, ".db-lsn") == 0);
}

/* Names are words joined by '/', so directories are not deep. */
static int
redo_discard(const char *dir, int depth, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	char path[STREAM_PATH];
	struct stat st;
	int r = 0;

	if (d == NULL)
		return errno == ENOENT ? 0 : err_errno(e, ERR_IO, "%s", dir);
	while (r == 0 && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >=
			(int)sizeof path ||
		    lstat(path, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth < STREAM_NAME / 2)
			r = redo_discard(path, depth + 1, e);
		else if (S_ISREG(st.st_mode) &&
		    redo_is_discard(entry->d_name) && unlink(path) != 0)
			r = err_errno(e, ERR_IO, "%s", path);
	}
	closedir(d);
	return r;
}

/* ---- pages -------------------------------------------------------------- */

static int
redo_open(struct redo *redo, struct log_stream *s, struct err *e)
{
	char path[STREAM_PATH];
	int fd, r;

	if ((r = stream_path(path, redo->root, s->name, s->file, e)) != 0)
		return r;
	if (s->checkpoint == 0 &&
	    ((r = stream_path_dirs(redo->root, s->name, e)) != 0 ||
		(r = stream_path_create(path, e)) < 0))
		return r;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		s->damaged = true;
		log_warnx("stream=%s database is gone, the ship log has only "
			  "what came after LSN %llu: restore it",
		    s->name, (unsigned long long)s->checkpoint);
		return err_set(e, ERR_ABSENT, "%s", path);
	}
	return fd >= 0 ? fd : err_errno(e, ERR_IO, "%s", path);
}

/* The stream's database, from the few that are held open. */
static int
redo_file(struct redo *redo, struct log_stream *s, struct err *e)
{
	unsigned i;
	int fd;

	for (i = 0; i < REDO_FILES; i++) {
		if (redo->file[i].stream == s)
			return redo->file[i].fd;
	}
	if ((fd = redo_open(redo, s, e)) < 0)
		return fd;
	i = redo->next++ % REDO_FILES;
	if (redo->file[i].stream != NULL)
		close(redo->file[i].fd);
	redo->file[i].stream = s;
	redo->file[i].fd = fd;
	return fd;
}

static void
redo_close(struct redo *redo)
{
	unsigned i;

	for (i = 0; i < REDO_FILES; i++) {
		if (redo->file[i].stream != NULL)
			close(redo->file[i].fd);
		redo->file[i].stream = NULL;
	}
}

/* Only whole commits above the checkpoint change a database. */
static int
redo_record(void *arg, const struct ship_record *r, const uint8_t *bytes,
    uint64_t pos, uint64_t segment, struct err *e)
{
	struct redo *redo = arg;
	struct log_stream *s;
	int fd;

	(void)bytes;
	(void)segment;
	if (r->kind != SHIP_PAGES)
		return 0;
	s = log_index_find(redo->ix, r->name);
	if (s == NULL || s->damaged || r->lsn <= s->checkpoint ||
	    log_stream_is_void(s, pos, r->lsn))
		return 0;
	if ((fd = redo_file(redo, s, e)) < 0)
		return s->damaged ? 0 : fd;
	if (disk_write_pages(fd, r) != 0)
		return err_errno(e, ERR_IO, "%s: redo", s->name);
	redo->done->records++;
	redo->done->pages += r->npages;
	return 0;
}

/* The size of the last commit, and everything on disk. */
static int
redo_finish(struct redo *redo, struct log_stream *s, struct err *e)
{
	int fd = redo_file(redo, s, e);

	if (fd < 0)
		return s->damaged ? 0 : fd;
	if (page_truncate(fd, s->db_pages, s->page_size, page_sum_marked(fd)) !=
		0 ||
	    fsync(fd) != 0 || stream_path_sync_dirs(redo->root, s->name) != 0)
		return err_errno(e, ERR_IO, "%s: redo", s->name);
	redo->done->streams++;
	return 0;
}

int
redo_run(const char *root, struct ship_log *log, struct log_index *ix,
    struct redo_done *done, struct err *e)
{
	struct redo redo = {.root = root, .ix = ix, .done = done};
	uint64_t need = log_index_need(ix);
	struct log_stream *s;
	size_t at = 0;
	int r;

	memset(done, 0, sizeof *done);
	if ((r = redo_discard(root, 0, e)) != 0)
		return r;
	while ((s = log_index_next(ix, &at)) != NULL) {
		if (s->commit.lsn < s->whole)
			s->damaged = true; /* a copy that was not finished */
	}
	at = 0;
	if (need != UINT64_MAX)
		r = ship_log_walk(log, need, redo_record, &redo, e);
	while (r == 0 && (s = log_index_next(ix, &at)) != NULL) {
		if (s->commit.lsn > s->checkpoint && !s->damaged)
			r = redo_finish(&redo, s, e);
	}
	redo_close(&redo);
	return r;
}
