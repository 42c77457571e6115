/* The audit is read: the last entries, and whether all fit. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* ---- the last entries -----------------------------------------------------
 */

/* The lines of a file, the last first; 0 = go on with the file before. */
static int
read_back(const char *text, size_t n, audit_entry_fn *fn, void *arg)
{
	struct audit_line l;
	size_t from;
	int r = 0;

	while (r == 0 && n > 0) {
		if (text[n - 1] == '\n')
			n--;
		for (from = n; from > 0 && text[from - 1] != '\n'; from--)
			;
		if (audit_line_parse(&l, text + from, n - from, NULL) == 0)
			r = fn(arg, &l);
		n = from;
	}
	return r;
}

void
audit_each_back(const char *dir, audit_entry_fn *fn, void *arg)
{
	char path[AUDIT_PATH], *text;
	uint64_t *files;
	size_t n = audit_file_list(dir, &files), size;
	int r = 0;

	while (r == 0 && n > 0) {
		audit_file_path(path, dir, files[--n], NULL);
		text = audit_file_read(path, &size, NULL);
		if (text != NULL)
			r = read_back(text, size, fn, arg);
		free(text);
	}
	free(files);
}

/* ---- does everything fit? -------------------------------------------------
 */

void
audit_check_begin(
    struct audit_check *c, const char *dir, const struct audit_head *head)
{
	memset(c, 0, sizeof *c);
	c->dir = dir;
	c->head = *head;
	c->n = audit_file_list(dir, &c->files);
	if (head->first > 0)
		c->number = head->first - 1;
	if (head->first <= 1)
		str_copy(c->hash, sizeof c->hash, AUDIT_ZERO);
}

void
audit_check_end(struct audit_check *c)
{
	free(c->files);
	c->files = NULL;
}

/* One line, against the one before it and against the head. */
static int
check_line(struct audit_check *c, const char *text, size_t n, struct err *e)
{
	struct audit_line l;

	if (audit_line_parse(&l, text, n, e) != 0)
		return err_wrap(e, "behind entry %" PRIu64, c->number);
	if (audit_line_follows(&l, c->number, c->hash, e) != 0)
		return -ERR_CORRUPT;
	if (l.number == c->head.last && strcmp(l.hash, c->head.hash) != 0)
		return err_set(e, ERR_CORRUPT,
		    "entry %" PRIu64 " is not the one that was written",
		    l.number);
	c->number = l.number;
	str_copy(c->hash, sizeof c->hash, l.hash);
	c->entries++;
	return 0;
}

static int
check_file(struct audit_check *c, const char *path, struct err *e)
{
	size_t n, at, len;
	char *text = audit_file_read(path, &n, e);
	const char *end;
	int r = 0;

	if (text == NULL)
		return err_set(e, ERR_CORRUPT,
		    "behind entry %" PRIu64 ": %s cannot be read", c->number,
		    path);
	for (at = 0; r == 0 && at < n; at += len + 1) {
		end = memchr(text + at, '\n', n - at);
		len = end != NULL ? (size_t)(end - text) - at : n - at;
		r = end == NULL
		    ? err_set(e, ERR_CORRUPT,
			  "behind entry %" PRIu64 ": a line that has no end",
			  c->number)
		    : check_line(c, text + at, len, e);
	}
	free(text);
	return r;
}

/* What was written last must be there. A head that is another is no fault: it
 * is written behind the entries, and goes on while we check. */
static int
check_head(struct audit_check *c, struct err *e)
{
	struct audit_head disk;

	if (c->number < c->head.last)
		return err_set(e, ERR_CORRUPT,
		    "entry %" PRIu64
		    " is missing: the end was cut off at %" PRIu64
		    " of %" PRIu64,
		    c->number + 1, c->number, c->head.last);
	if (c->head.last == 0)
		return 0;
	if (audit_file_head(c->dir, &disk, e) != 0 ||
	    (disk.last == c->head.last && strcmp(disk.hash, c->head.hash) != 0))
		return err_set(e, ERR_CORRUPT,
		    "all entries fit, but the head was changed or removed");
	return 0;
}

int
audit_check_step(struct audit_check *c, struct err *e)
{
	char path[AUDIT_PATH];

	if (c->at == c->n)
		return check_head(c, e);
	/* A file before the first one is of no interest: it was given up. */
	if (c->files[c->at] < c->head.first) {
		c->at++;
		return 1;
	}
	audit_file_path(path, c->dir, c->files[c->at++], NULL);
	return check_file(c, path, e) != 0 ? -ERR_CORRUPT : 1;
}
