/*
 * Lines of a file, a pipe or a terminal. While the next one is not there the
 * connection works: what was sent ahead leaves, so that the server takes a
 * change when it was read and not when the next line comes, and an answer
 * that ends the script is heard at once.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "console.h"

#define INPUT_READ 65536      /* bytes asked for at once */
#define INPUT_LINE (1u << 20) /* bytes of one line */

void
input_init(struct input *in, struct loop *loop, int fd)
{
	memset(in, 0, sizeof *in);
	in->loop = loop;
	in->fd = fd;
}

void
input_fini(struct input *in)
{
	buf_fini(&in->buf);
}

/* There is more, or the end. */
static void
input_on_ready(void *arg, int fd, int events)
{
	struct input *in = arg;

	(void)fd;
	(void)events;
	in->ready = true;
	loop_stop(in->loop);
}

/* Wait for more; false when stop was said meanwhile. A plain file is always
 * ready, and the kernel refuses to watch it. */
static bool
input_wait(struct input *in, const bool *stop)
{
	struct pollfd p = {.fd = in->fd, .events = POLLIN};
	struct loop_fd *io;

	if (poll(&p, 1, 0) != 0)
		return true;
	in->ready = false;
	io = loop_fd_open(in->loop, in->fd, LOOP_READ, input_on_ready, in);
	while (!in->ready && !*stop)
		loop_run(in->loop);
	loop_fd_close(&io);
	return !*stop;
}

/* Read some more behind what there is. 0 at the end, -1 with errno. */
static ssize_t
input_fill(struct input *in)
{
	char *room;
	ssize_t n;

	buf_eat(&in->buf, in->at);
	in->seen -= in->at;
	in->at = 0;
	if ((room = buf_reserve(&in->buf, INPUT_READ)) == NULL)
		return -1;
	n = read(in->fd, room, INPUT_READ);
	if (n > 0)
		in->buf.len += (size_t)n;
	return n;
}

/* The next line that is whole; NULL when there is none yet. */
static char *
input_cut(struct input *in, size_t *n)
{
	size_t left = in->buf.len - in->seen;
	char *line = in->buf.data + in->at, *end;

	end = left != 0 ? memchr(in->buf.data + in->seen, '\n', left) : NULL;
	in->seen = in->buf.len;
	if (end == NULL)
		return NULL;
	*end = '\0';
	*n = (size_t)(end - line);
	in->seen = in->at += *n + 1;
	return line;
}

/* The next line as it stands there. */
static char *
input_next(struct input *in, const bool *stop, size_t *n)
{
	ssize_t got = 1;
	char *line;

	while ((line = input_cut(in, n)) == NULL && got > 0) {
		if (!input_wait(in, stop))
			return NULL;
		got = input_fill(in);
	}
	in->failed = got < 0;
	if (line != NULL || got < 0 || in->buf.len == in->at)
		return line;
	line = in->buf.data + in->at; /* the last one, without an end */
	*n = in->buf.len - in->at;
	line[*n] = '\0';
	in->seen = in->at = in->buf.len;
	return line;
}

char *
input_line(struct input *in, const bool *stop, size_t *n)
{
	static const char mark[] = "\xef\xbb\xbf"; /* says UTF-8 (U+FEFF) */
	char *line = input_next(in, stop, n);

	if (line != NULL && !in->begun && *n >= 3 &&
	    memcmp(line, mark, 3) == 0) {
		line += 3;
		*n -= 3;
	}
	in->begun = true;
	return line;
}

int
input_text(char *line, size_t n, struct err *e)
{
	while (n > 0 && line[n - 1] == '\r')
		line[--n] = '\0';
	if (n > INPUT_LINE)
		return err_set(
		    e, ERR_TOOBIG, "a line has at most %u bytes", INPUT_LINE);
	return strlen(line) == n
	    ? 0
	    : err_set(e, ERR_SYNTAX, "a NUL byte stands in the line");
}
