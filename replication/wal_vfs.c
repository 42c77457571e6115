/*
 * A thin shim over SQLite's own VFS, for the one connection that writes a
 * stream. SQLite writes each frame of a commit with two calls; here they are
 * gathered and written with one. Measured: the calls were a third of the
 * owner's time.
 *
 * The order that SQLite relies on is kept: with synchronous=FULL it syncs the
 * -wal after the frames of a commit and before it publishes them in the
 * wal-index, and that sync writes out what was gathered and gives its errors.
 * Reads, truncation and everything out of sequence write it out first. So no
 * reader is ever shown a frame that is not in the file.
 *
 * The sync itself is left out, of the database file too: what makes a commit
 * durable is the ship log (DESIGN 5.2). A journal, which SQLite uses only
 * while a new database becomes a WAL one, passes untouched.
 *
 * Pages of the database file are summed when they are written and checked when
 * they are read, so that damage at rest is an error of the disk and goes
 * nowhere from here. A reader never reads a page that a checkpoint writes: that
 * page is in the -wal for it (walformat.html 2.3).
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "page_sum.h"
#include "wal_vfs.h"

#define WAL_VFS_NAME "tandem-wal"
#define WAL_VFS_ROOM 65536 /* bytes gathered at most */
#define DB_HEAD 100	   /* bytes at the start of page 1 */

struct wal_vfs_file {
	sqlite3_file base;
	sqlite3_file *real;	 /* behind this struct */
	unsigned char *gathered; /* of a -wal; NULL until the first write */
	int n;
	sqlite3_int64 at; /* where the gathered bytes belong */
	const unsigned char *window;
	sqlite3_int64 window_at, window_end;

	/* of a database */
	int page_size; /* 0 = not known */
	bool sums;
	unsigned char *page;  /* one, on its way to the file */
	sqlite3_int64 filled; /* bytes the file is known to have: to ask between
				 two writes makes the second one dear */
	wal_vfs_damage_fn *on_damage;
	void *on_damage_arg;
};

static struct wal_vfs_file *
self_of(sqlite3_file *f)
{
	return (struct wal_vfs_file *)f;
}

static sqlite3_file *
real_of(sqlite3_file *f)
{
	return self_of(f)->real;
}

/* ---- the -wal ----------------------------------------------------------- */

/* Write out what was gathered; when that fails it is gone, and the
 * transaction, which learns of it, is undone. */
static int
wal_flush(struct wal_vfs_file *f)
{
	int n = f->n;

	f->n = 0;
	if (n == 0)
		return SQLITE_OK;
	return f->real->pMethods->xWrite(f->real, f->gathered, n, f->at);
}

static int
wal_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	struct wal_vfs_file *f = self_of(file);
	int rc;

	if (f->n > 0 && (at != f->at + f->n || f->n + n > WAL_VFS_ROOM) &&
	    (rc = wal_flush(f)) != SQLITE_OK)
		return rc;
	if (f->gathered == NULL)
		f->gathered = malloc(WAL_VFS_ROOM);
	if (n > WAL_VFS_ROOM || f->gathered == NULL)
		return f->real->pMethods->xWrite(f->real, p, n, at);
	if (f->n == 0)
		f->at = at;
	memcpy(f->gathered + f->n, p, (size_t)n);
	f->n += n;
	return SQLITE_OK;
}

static int
wal_read_file(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
	struct wal_vfs_file *f = self_of(file);
	int rc;

	if (f->n > 0 && at < f->at + f->n && at + n > f->at &&
	    (rc = wal_flush(f)) != SQLITE_OK)
		return rc;
	if (at >= f->window_at && at + n <= f->window_end) {
		memcpy(p, f->window + (at - f->window_at), (size_t)n);
		return SQLITE_OK;
	}
	return f->real->pMethods->xRead(f->real, p, n, at);
}

static int
wal_sync(sqlite3_file *file, int flags)
{
	(void)flags;
	return wal_flush(self_of(file));
}

static int
wal_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct wal_vfs_file *f = self_of(file);
	int rc = wal_flush(f);

	if (rc != SQLITE_OK)
		return rc;
	return f->real->pMethods->xTruncate(f->real, size);
}

static int
wal_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct wal_vfs_file *f = self_of(file);
	int rc = wal_flush(f);

	if (rc != SQLITE_OK)
		return rc;
	return f->real->pMethods->xFileSize(f->real, size);
}

/* ---- the database ------------------------------------------------------- */

/* What page 1, of which these bytes are the first, says of the file
 * (fileformat2.html 1.3). */
static void
db_look(struct wal_vfs_file *f, const unsigned char *p)
{
	if (memcmp(p, "SQLite format 3", 16) != 0)
		return;
	f->page_size = p[16] << 8 | p[17] << 16;
	f->sums = page_sum_has(p);
}

static bool
db_is_page(const struct wal_vfs_file *f, int n, sqlite3_int64 at)
{
	return f->sums && n == f->page_size && at % n == 0;
}

static int
db_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
	struct wal_vfs_file *f = self_of(file);
	int rc = f->real->pMethods->xRead(f->real, p, n, at);
	uint32_t number;

	if (rc == SQLITE_IOERR_READ && f->on_damage != NULL && f->page_size > 0)
		f->on_damage(
		    f->on_damage_arg, (uint32_t)(at / f->page_size) + 1);
	if (rc != SQLITE_OK)
		return rc;
	if (at == 0 && n >= DB_HEAD)
		db_look(f, p);
	number = n == f->page_size ? (uint32_t)(at / n) + 1 : 0;
	if (number == 0 || at % n != 0 ||
	    page_is_good(number, p, (size_t)n, f->sums))
		return SQLITE_OK;
	if (f->on_damage != NULL)
		f->on_damage(f->on_damage_arg, number);
	return SQLITE_IOERR_DATA;
}

/* The page with its sum, or one that was never used (p NULL). SQLite's own
 * stays as it is: the sum is the file's business. */
static int
db_put(struct wal_vfs_file *f, const void *p, uint32_t number)
{
	size_t n = (size_t)f->page_size;

	if (f->page == NULL && (f->page = malloc(n)) == NULL)
		return SQLITE_IOERR_NOMEM;
	if (p == NULL) {
		page_unused(f->page, number, n);
	} else {
		memcpy(f->page, p, n);
		page_sum_put(f->page + n - PAGE_SUM, number, f->page, n);
	}
	return f->real->pMethods->xWrite(f->real, f->page, (int)n,
	    (sqlite3_int64)(number - 1) * (sqlite3_int64)n);
}

/* What would be a hole up to the place. */
static int
db_fill(struct wal_vfs_file *f, sqlite3_int64 to)
{
	sqlite3_int64 at = f->filled;
	int rc = SQLITE_OK;

	if (at < to)
		rc = f->real->pMethods->xFileSize(f->real, &at);
	for (; rc == SQLITE_OK && at < to; at += f->page_size)
		rc = db_put(f, NULL, (uint32_t)(at / f->page_size) + 1);
	if (rc == SQLITE_OK && f->filled < at)
		f->filled = at;
	return rc;
}

static int
db_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	struct wal_vfs_file *f = self_of(file);
	int rc;

	if (at == 0 && n >= DB_HEAD)
		db_look(f, p);
	if (!db_is_page(f, n, at))
		return f->real->pMethods->xWrite(f->real, p, n, at);
	if ((rc = db_fill(f, at)) != SQLITE_OK)
		return rc;
	rc = db_put(f, p, (uint32_t)(at / n) + 1);
	if (rc == SQLITE_OK && f->filled < at + n)
		f->filled = at + n;
	return rc;
}

static int
db_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct wal_vfs_file *f = self_of(file);
	int rc;

	if (f->sums && (rc = db_fill(f, size)) != SQLITE_OK)
		return rc;
	f->filled = 0;
	return f->real->pMethods->xTruncate(f->real, size);
}

/* ---- what passes -------------------------------------------------------- */

static int
pass_close(sqlite3_file *file)
{
	struct wal_vfs_file *f = self_of(file);

	wal_flush(f);
	free(f->gathered);
	f->gathered = NULL;
	free(f->page);
	f->page = NULL;
	return f->real->pMethods->xClose(f->real);
}

static int
no_sync(sqlite3_file *f, int flags)
{
	(void)f;
	(void)flags;
	return SQLITE_OK;
}

static int
pass_file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int
pass_lock(sqlite3_file *f, int lock)
{
	return real_of(f)->pMethods->xLock(real_of(f), lock);
}

static int
pass_unlock(sqlite3_file *f, int lock)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), lock);
}

static int
pass_check_reserved(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int
pass_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int
pass_sector_size(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int
pass_characteristics(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int
pass_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, p);
}

static int
pass_shm_lock(sqlite3_file *f, int from, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), from, n, flags);
}

static void
pass_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int
pass_shm_unmap(sqlite3_file *f, int remove)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods wal_methods = {
    .iVersion = 2,
    .xClose = pass_close,
    .xRead = wal_read_file,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_file_size,
    .xLock = pass_lock,
    .xUnlock = pass_unlock,
    .xCheckReservedLock = pass_check_reserved,
    .xFileControl = pass_control,
    .xSectorSize = pass_sector_size,
    .xDeviceCharacteristics = pass_characteristics,
    .xShmMap = pass_shm_map,
    .xShmLock = pass_shm_lock,
    .xShmBarrier = pass_shm_barrier,
    .xShmUnmap = pass_shm_unmap,
};

static const sqlite3_io_methods db_methods = {
    .iVersion = 2,
    .xClose = pass_close,
    .xRead = db_read,
    .xWrite = db_write,
    .xTruncate = db_truncate,
    .xSync = no_sync,
    .xFileSize = pass_file_size,
    .xLock = pass_lock,
    .xUnlock = pass_unlock,
    .xCheckReservedLock = pass_check_reserved,
    .xFileControl = pass_control,
    .xSectorSize = pass_sector_size,
    .xDeviceCharacteristics = pass_characteristics,
    .xShmMap = pass_shm_map,
    .xShmLock = pass_shm_lock,
    .xShmBarrier = pass_shm_barrier,
    .xShmUnmap = pass_shm_unmap,
};

/* The file of the connection that has these methods, or NULL. */
static struct wal_vfs_file *
vfs_file(sqlite3 *db, int which, const sqlite3_io_methods *methods)
{
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(db, "main", which, &file) != SQLITE_OK ||
	    file == NULL || file->pMethods != methods)
		return NULL;
	return self_of(file);
}

void
wal_vfs_window(sqlite3 *db, const unsigned char *p, sqlite3_int64 at, size_t n)
{
	struct wal_vfs_file *f = vfs_file(
	    db, SQLITE_FCNTL_JOURNAL_POINTER, &wal_methods);

	if (f == NULL)
		return;
	f->window = p;
	f->window_at = at;
	f->window_end = at + (sqlite3_int64)n;
}

void
wal_vfs_on_damage(sqlite3 *db, wal_vfs_damage_fn *fn, void *arg)
{
	struct wal_vfs_file *f = vfs_file(
	    db, SQLITE_FCNTL_FILE_POINTER, &db_methods);

	if (f == NULL)
		return;
	f->on_damage = fn;
	f->on_damage_arg = arg;
}

/* ---- the VFS ------------------------------------------------------------ */

/* A database and its -wal are wrapped; any other file is opened in the place
 * of the wrapper, as if there were none. */
static int
vfs_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	sqlite3_vfs *real = vfs->pAppData;
	struct wal_vfs_file *f = self_of(file);
	int rc;

	if (!(flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_DB)))
		return real->xOpen(real, name, file, flags, out);
	memset(f, 0, sizeof *f);
	f->real = (sqlite3_file *)(f + 1);
	rc = real->xOpen(real, name, f->real, flags, out);
	if (f->real->pMethods != NULL)
		f->base.pMethods = flags & SQLITE_OPEN_WAL ? &wal_methods
							   : &db_methods;
	return rc;
}

const char *
wal_vfs(void)
{
	static sqlite3_vfs vfs;
	sqlite3_vfs *real;

	if (vfs.zName != NULL)
		return vfs.zName;
	if ((real = sqlite3_vfs_find(NULL)) == NULL)
		return NULL;
	vfs = *real;
	vfs.szOsFile = (int)sizeof(struct wal_vfs_file) + real->szOsFile;
	vfs.pNext = NULL;
	vfs.zName = WAL_VFS_NAME;
	vfs.pAppData = real;
	vfs.xOpen = vfs_open;
	if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
		vfs.zName = NULL;
	return vfs.zName;
}
