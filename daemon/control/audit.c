/*
 * Entries are added to the audit. They are numbered and bound to each other
 * at once, written at the end of the turn of the loop, all that came in it,
 * and then synced by a thread; who waits for an entry hears when it is on
 * disk. The head is written behind that, so it never names what may be lost.
 *
 * After a crash the file may end in a part of a line, which nobody was told
 * of: it is cut off. An end that lies before what the head names was cut off
 * by somebody else: nothing is mended then, a new file goes on behind the
 * gap, and audit_check_step finds it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "replication/disk.h"

#define AUDIT_HELD (1u << 20) /* bytes kept for when it can be written */

struct audit_wait {
	TAILQ_ENTRY(audit_wait) entry;
	uint64_t number;
	audit_fn *fn;
	void *arg;
};

struct audit {
	struct loop *loop;
	char dir[256];
	int fd, head_fd;	/* of the last file; -1 = none yet */
	uint64_t size;		/* of the last file, whole lines */
	struct audit_head kept; /* on disk */
	uint64_t last;		/* made */
	char hash[AUDIT_HASH];
	uint64_t written;
	char written_hash[AUDIT_HASH];
	struct buf out; /* made and not written */
	struct audit_sync *sync;
	bool syncing;
	struct err broken;
	uint64_t since;
	struct loop_defer flush;
	TAILQ_HEAD(audit_waits, audit_wait) waiting;
};

/* ---- trouble --------------------------------------------------------------
 */

/* Everybody who waits hears it; what was not written is tried again. */
static void
audit_fail(struct audit *a, const char *what)
{
	struct audit_waits told;
	struct audit_wait *w;

	if (a->broken.code == ERR_NONE) {
		a->since = clock_real();
		err_errno(&a->broken, ERR_IO, "the audit: %s", what);
		log_warnx("%s", a->broken.text);
	}
	TAILQ_INIT(&told);
	TAILQ_CONCAT(&told, &a->waiting, entry);
	while ((w = TAILQ_FIRST(&told)) != NULL) {
		TAILQ_REMOVE(&told, w, entry);
		w->fn(w->arg, &a->broken);
		free(w);
	}
}

const struct err *
audit_alarm(const struct audit *a, uint64_t *since)
{
	*since = a->since;
	return a->broken.code != ERR_NONE ? &a->broken : NULL;
}

/* ---- files ----------------------------------------------------------------
 */

/* The file that begins with this entry is the one that is written. */
static bool
audit_use(struct audit *a, uint64_t first)
{
	char path[AUDIT_PATH];
	struct stat st;
	int fd;

	audit_file_path(path, a->dir, first, NULL);
	fd = open(
	    path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fstat(fd, &st) != 0) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (a->fd >= 0)
		close(a->fd);
	a->fd = fd;
	a->size = (uint64_t)st.st_size;
	disk_sync(a->dir); /* names are on disk before what they hold counts */
	return true;
}

/* The oldest files go; the head says from then on where the rest begins. */
static void
audit_trim(struct audit *a)
{
	char path[AUDIT_PATH];
	uint64_t *files;
	size_t n = audit_file_list(a->dir, &files), i = 0;

	for (; n - i > AUDIT_FILES; i++) {
		audit_file_path(path, a->dir, files[i], NULL);
		if (unlink(path) != 0)
			break;
		a->kept.first = files[i + 1];
		log_info("audit: entries before %" PRIu64 " were removed",
		    a->kept.first);
	}
	free(files);
}

/* Write the head; it need not be on disk at once. */
static void
audit_put_head(struct audit *a)
{
	char text[AUDIT_HEAD + 1];

	audit_head_make(text, &a->kept);
	if (a->head_fd >= 0 &&
	    pwrite(a->head_fd, text, AUDIT_HEAD, 0) != AUDIT_HEAD)
		log_warn("audit: head");
}

/* ---- writing --------------------------------------------------------------
 */

/* All that is made goes into the file, wholly or not at all. */
static bool
audit_put(struct audit *a)
{
	if (a->fd < 0 || a->size >= AUDIT_BYTES) {
		if (!audit_use(a, a->written + 1))
			return false;
		audit_trim(a);
	}
	/* what an attempt before has left */
	if (a->broken.code != ERR_NONE && ftruncate(a->fd, (off_t)a->size) != 0)
		return false;
	if (disk_write(a->fd, a->out.data, a->out.len, a->size) != 0) {
		if (ftruncate(a->fd, (off_t)a->size) != 0)
			log_warn("audit");
		return false;
	}
	a->size += a->out.len;
	a->written = a->last;
	memcpy(a->written_hash, a->hash, AUDIT_HASH);
	buf_reset(&a->out);
	return true;
}

static void
audit_on_flush(void *arg)
{
	struct audit *a = arg;

	if (a->syncing || (a->out.len == 0 && a->broken.code == ERR_NONE))
		return;
	if (a->sync == NULL || a->out.failed || !audit_put(a)) {
		audit_fail(a, a->dir);
		return;
	}
	a->syncing = true;
	audit_sync_start(a->sync, a->fd);
}

/* What was written when the sync began is on disk. */
static void
audit_on_synced(void *arg)
{
	struct audit *a = arg;
	struct audit_wait *w;

	a->syncing = false;
	if ((errno = audit_sync_result(a->sync)) != 0) {
		audit_fail(a, "sync");
		return;
	}
	if (a->broken.code != ERR_NONE)
		log_info("the audit is written again");
	err_clear(&a->broken);
	a->kept.last = a->written;
	memcpy(a->kept.hash, a->written_hash, AUDIT_HASH);
	audit_put_head(a);
	while ((w = TAILQ_FIRST(&a->waiting)) != NULL &&
	    w->number <= a->kept.last) {
		TAILQ_REMOVE(&a->waiting, w, entry);
		w->fn(w->arg, NULL);
		free(w);
	}
	audit_on_flush(a);
}

const struct err *
audit_broken(struct audit *a)
{
	if (a->broken.code != ERR_NONE)
		audit_on_flush(a);
	return a->broken.code != ERR_NONE ? &a->broken : NULL;
}

/* A line has a bound: arguments beyond it are told by their size. */
static char *
audit_text(json_t *entry)
{
	char *text = json_dumps(entry, JSON_COMPACT);

	if (text == NULL)
		fatalx("audit: out of memory");
	if (strlen(text) < AUDIT_LINE - 512)
		return text;
	json_object_set_new(
	    entry, "args", json_sprintf("%zu bytes, not kept", strlen(text)));
	free(text);
	text = json_dumps(entry, JSON_COMPACT);
	if (text == NULL || strlen(text) >= AUDIT_LINE - 512)
		fatalx("audit: an entry without end");
	return text;
}

void
audit_add(struct audit *a, json_t *entry, audit_fn *fn, void *arg)
{
	struct audit_wait *w;
	char *text;

	if (a->broken.code == ERR_NONE || a->out.len < AUDIT_HELD) {
		text = audit_text(entry);
		audit_line_make(&a->out, a->last + 1, a->hash, text, a->hash);
		a->last++;
		free(text);
	}
	json_decref(entry);
	if (fn != NULL) {
		w = xcalloc(1, sizeof *w);
		w->number = a->last;
		w->fn = fn;
		w->arg = arg;
		TAILQ_INSERT_TAIL(&a->waiting, w, entry);
	}
	loop_defer(a->loop, &a->flush);
}

/* ---- start and end --------------------------------------------------------
 */

/* The whole entries of a text, one behind the other; bytes of them. */
static size_t
audit_whole(const char *text, size_t n, struct audit_line *last)
{
	struct audit_line l;
	size_t at = 0, len;
	const char *end;

	memset(last, 0, sizeof *last);
	while ((end = memchr(text + at, '\n', n - at)) != NULL) {
		len = (size_t)(end - text) - at;
		if (audit_line_parse(&l, text + at, len, NULL) != 0 ||
		    (last->number != 0 &&
			audit_line_follows(
			    &l, last->number, last->hash, NULL) != 0))
			break;
		*last = l;
		at += len + 1;
	}
	return at;
}

/* Say in the audit itself what was found; words NULL = nothing. */
static void
audit_remark(struct audit *a, const char *result, const char *words)
{
	char when[CLOCK_TEXT];

	if (words == NULL)
		return;
	log_warnx("audit: %s", words);
	clock_text(when, clock_real());
	audit_add(a,
	    json_pack("{s:s, s:s, s:s, s:s}", "time", when, "op", "audit",
		"result", result, "words", words),
	    NULL, NULL);
}

/* Go on behind this entry. */
static void
audit_from(struct audit *a, uint64_t number, const char *hash)
{
	a->last = a->written = number;
	str_copy(a->hash, sizeof a->hash, number > 0 ? hash : AUDIT_ZERO);
	memcpy(a->written_hash, a->hash, AUDIT_HASH);
	a->kept.last = number;
	memcpy(a->kept.hash, a->hash, AUDIT_HASH);
}

/* The last file: where its whole entries end, and what becomes of the rest. */
static void
audit_recover_file(struct audit *a, uint64_t first, bool headed)
{
	struct audit_line last;
	char path[AUDIT_PATH], *text;
	size_t n, whole;

	audit_file_path(path, a->dir, first, NULL);
	if ((text = audit_file_read(path, &n, NULL)) == NULL)
		return;
	whole = audit_whole(text, n, &last);
	if (headed && last.number < a->kept.last &&
	    !(last.number == 0 && a->kept.last + 1 == first)) {
		audit_remark(a, "damaged",
		    "entries that were written are missing at the end");
	} else {
		if (last.number != 0)
			audit_from(a, last.number, last.hash);
		/* without the head nobody knows whose the rest is */
		if (whole < n && headed && truncate(path, (off_t)whole) != 0)
			log_warn("%s", path);
		if (whole == n || headed)
			audit_use(a, first);
		audit_remark(a, headed ? "mended" : "damaged",
		    !headed	    ? "the head is missing"
			: whole < n ? "a part of an entry was cut off"
				    : NULL);
	}
	free(text);
}

static void
audit_recover(struct audit *a)
{
	char path[AUDIT_PATH];
	uint64_t *files;
	size_t n = audit_file_list(a->dir, &files);
	bool headed = audit_file_head(a->dir, &a->kept, NULL) == 0;

	if (!headed) {
		memset(&a->kept, 0, sizeof a->kept);
		a->kept.first = n > 0 ? files[0] : 1;
	}
	audit_from(a, a->kept.last, a->kept.hash);
	audit_file_path(path, a->dir, 0, "head");
	a->head_fd = open(
	    path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (n > 0)
		audit_recover_file(a, files[n - 1], headed);
	else if (a->kept.last > 0)
		audit_remark(a, "damaged", "all entries are missing");
	free(files);
}

struct audit *
audit_open(struct loop *loop, const char *dir)
{
	struct audit *a = xcalloc(1, sizeof *a);

	a->loop = loop;
	a->fd = a->head_fd = -1;
	a->flush = (struct loop_defer){.fn = audit_on_flush, .arg = a};
	TAILQ_INIT(&a->waiting);
	str_copy(a->dir, sizeof a->dir, dir);
	a->sync = audit_sync_new(loop, audit_on_synced, a);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		audit_fail(a, dir);
	audit_recover(a);
	/* what was read may not be on disk yet, and the head shall not lie */
	if (a->fd < 0 || fdatasync(a->fd) == 0)
		audit_put_head(a);
	return a;
}

void
audit_close(struct audit **ap)
{
	struct audit *a = *ap;
	struct audit_wait *w;

	*ap = NULL;
	if (a == NULL)
		return;
	loop_defer_cancel(a->loop, &a->flush);
	audit_sync_free(&a->sync);
	if (a->out.len > 0 && !a->out.failed && !audit_put(a))
		log_warn("audit");
	if (a->fd >= 0 && a->written > a->kept.last && fdatasync(a->fd) == 0) {
		a->kept.last = a->written;
		memcpy(a->kept.hash, a->written_hash, AUDIT_HASH);
		audit_put_head(a);
	}
	while ((w = TAILQ_FIRST(&a->waiting)) != NULL) {
		TAILQ_REMOVE(&a->waiting, w, entry);
		w->fn(w->arg, NULL);
		free(w);
	}
	if (a->fd >= 0)
		close(a->fd);
	if (a->head_fd >= 0)
		close(a->head_fd);
	buf_fini(&a->out);
	free(a);
}

void
audit_tell(const struct audit *a, struct audit_head *head)
{
	*head = a->kept;
}

const char *
audit_dir(const struct audit *a)
{
	return a->dir;
}
