/* The files of an audit's directory: their names, what they hold, the head. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define FILE_NAME 16	       /* digits */
#define FILE_MOST (256u << 20) /* bytes: more is no file of ours */

void
audit_file_path(
    char out[AUDIT_PATH], const char *dir, uint64_t first, const char *name)
{
	if (name != NULL)
		snprintf(out, AUDIT_PATH, "%.270s/%s", dir, name);
	else
		snprintf(out, AUDIT_PATH, "%.270s/%016" PRIu64, dir, first);
}

static int
file_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

size_t
audit_file_list(const char *dir, uint64_t **out)
{
	DIR *d = opendir(dir);
	struct dirent *one;
	uint64_t *list = NULL;
	size_t n = 0, cap = 0;
	int64_t first;

	while (d != NULL && (one = readdir(d)) != NULL) {
		if (strlen(one->d_name) != FILE_NAME ||
		    !str_int(one->d_name, 0, INT64_MAX, &first))
			continue;
		if (n == cap) {
			cap = cap == 0 ? 16 : 2 * cap;
			list = xrealloc(list, cap * sizeof *list);
		}
		list[n++] = (uint64_t)first;
	}
	if (d != NULL)
		closedir(d);
	if (n > 0)
		qsort(list, n, sizeof *list, file_compare);
	*out = list;
	return n;
}

char *
audit_file_read(const char *path, size_t *n, struct err *e)
{
	struct buf b = BUF_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t got = 0;
	char *at;

	*n = 0;
	if (fd < 0) {
		err_errno(e, ERR_IO, "%s", path);
		return NULL;
	}
	b.max = FILE_MOST;
	buf_str(&b, "");
	while ((at = buf_reserve(&b, 65536)) != NULL &&
	    ((got = read(fd, at, 65536)) > 0 || (got < 0 && errno == EINTR)))
		b.len += got > 0 ? (size_t)got : 0;
	if (got < 0 || b.failed) {
		err_errno(e, ERR_IO, "%s", path);
		buf_fini(&b);
	}
	close(fd);
	*n = b.len;
	return b.data;
}

int
audit_file_head(const char *dir, struct audit_head *h, struct err *e)
{
	char path[AUDIT_PATH], *text;
	size_t n;
	int r;

	audit_file_path(path, dir, 0, "head");
	text = audit_file_read(path, &n, e);
	if (text == NULL)
		return -ERR_IO;
	r = audit_head_parse(h, text, n, e);
	free(text);
	return r;
}
