/*
 * A -wal that is gone, or cut, before all of it was in the database file:
 * somebody removed it. SQLite would open what is left without a word, as the
 * state of some commit before. The ship log has the rest, so the file is
 * brought to where the log is, as after a reboot, before an owner gets it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "page_sum.h"
#include "replicator_room.h"
#include "stream_path.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"

/* The -wal begins with the salt and reaches to the frame. */
static bool
wal_reaches(const char *path, const struct ship_wal *wal, uint32_t page_size)
{
	char beside[STREAM_PATH + 8];
	uint64_t salt;
	struct stat st;
	bool has;
	int fd;

	snprintf(beside, sizeof beside, "%s-wal", path);
	if ((fd = open(beside, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	has = pread(fd, &salt, sizeof salt, 16) == sizeof salt &&
	    salt == wal->salt && fstat(fd, &st) == 0 &&
	    (uint64_t)st.st_size >= WAL_HEAD +
		    (uint64_t)(wal->first + wal->count - 1) *
			wal_frame_size(page_size);
	close(fd);
	return has;
}

bool
wal_is_there(struct replicator *r, const struct live *v)
{
	const struct log_stream *s = v->log;
	char path[STREAM_PATH];

	return s->own.wal.count == 0 || replicator_written(v) >= s->last.lsn ||
	    stream_path(path, r->root, s->name, s->file, NULL) != 0 ||
	    wal_reaches(path, &s->own.wal, s->page_size);
}

/* The records behind what the file has. */
static int
wal_redo(struct live *v, int fd, struct err *e)
{
	const struct log_stream *s = v->log;
	struct ship_record rec;
	uint64_t lsn;
	int r = 0;

	for (lsn = replicator_written(v) + 1; r == 0 && lsn <= s->last.lsn;
	     lsn++) {
		if ((r = file_read(v, lsn, &rec, e)) == 0 &&
		    disk_write_pages(fd, &rec) != 0)
			r = err_errno(e, disk_code(), "%s", s->name);
	}
	if (r == 0 &&
	    (page_truncate(
		 fd, s->db_pages, s->page_size, page_sum_marked(fd)) != 0 ||
		fsync(fd) != 0))
		r = err_errno(e, ERR_IO, "%s", s->name);
	return r;
}

/* The file is alone from here on; readers open it anew. */
static int
wal_note(struct replicator *r, struct live *v, struct err *e)
{
	struct log_mark at = v->log->last;
	struct buf b = BUF_INIT;
	int ret;

	at.wal = (struct ship_wal){0};
	log_put_place(&b, v->log, &at);
	if ((ret = replicator_note(r, &b, e)) != 0)
		return ret;
	v->written = v->log->last.lsn;
	v->file.rewinds++;
	replicator_generation(r, v);
	replicator_tell_later(r, v, clock_mono());
	replicator_touch(r, v);
	return 0;
}

int
wal_make_good(struct replicator *r, struct live *v, struct err *e)
{
	const struct log_stream *s = v->log;
	char path[STREAM_PATH];
	int fd, ret;

	if (s->last.lsn != s->commit.lsn)
		return err_set(e, ERR_CORRUPT,
		    "its -wal is gone, and with it the end of a commit");
	if ((ret = stream_path(path, r->root, s->name, s->file, e)) != 0)
		return ret;
	if ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
		return err_set(e, ERR_CORRUPT, "the database is gone");
	ret = wal_redo(v, fd, e);
	close(fd);
	if (ret != 0)
		return ret;
	log_warnx("stream=%s its -wal was gone: the ship log brought the "
		  "database from LSN %llu to %llu",
	    s->name, (unsigned long long)replicator_written(v),
	    (unsigned long long)s->last.lsn);
	stream_path_remove_beside(path); /* of no file any more */
	return wal_note(r, v, e);
}
