/*
 * The history file: lines as typed, secrets masked, nobody else may read it.
 * A line that was not understood is not kept: the word behind a misspelt
 * field may be a secret.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/mem.h"

void
history_path(char *out, size_t size)
{
	const char *home = getenv("HOME"), *own = getenv("TANDEM_HISTORY");

	if (own != NULL)
		snprintf(out, size, "%s", own);
	else
		snprintf(
		    out, size, "%s/.tandem_history", home != NULL ? home : ".");
}

/* The line with OP_MASK in place of each secret. */
static char *
history_masked(const char *line, const struct op_walk *w)
{
	struct buf b = BUF_INIT;
	size_t at = 0, i;

	for (i = 0; i < w->nsecret; i++) {
		buf_add(&b, line + at, w->secret[i].at - at);
		buf_str(&b, OP_MASK);
		at = w->secret[i].end;
	}
	buf_str(&b, line + at);
	return buf_take(&b);
}

char *
history_mask(struct session *s, const char *line)
{
	char *kept = NULL;
	struct op_walk w;

	if (local_help_words(line) != NULL)
		return xstrdup(line);
	if (op_walk(&s->table, line, OP_WALK_SHORT, &w) == 0)
		kept = history_masked(line, &w);
	op_walk_fini(&w);
	return kept;
}

void
history_append(const char *line)
{
	char path[4096];
	FILE *f = NULL;
	int fd;

	history_path(path, sizeof path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0 && (f = fdopen(fd, "a")) == NULL)
		close(fd);
	if (f == NULL)
		return; /* a history is a comfort, no duty */
	fprintf(f, "%s\n", line);
	fclose(f);
}

void
history_load(void (*fn)(void *arg, const char *line), void *arg)
{
	char path[4096], *line = NULL;
	size_t size = 0;
	ssize_t n;
	FILE *f;

	history_path(path, sizeof path);
	if ((f = fopen(path, "re")) == NULL)
		return;
	while ((n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			line[--n] = '\0';
		if (n > 0)
			fn(arg, line);
	}
	free(line);
	fclose(f);
}
