/*
 * Text on a terminal: what a string is wide, cut and padded to columns, and
 * made safe. Strings are UTF-8 whatever the environment's locale is: that is
 * what the server sends, and what goes into files and to programs. A terminal
 * that does not show UTF-8 would take bytes of it for commands (C1, ISO 6429):
 * there all that is no ASCII is shown as bytes in hexadecimal, as what cannot
 * be printed is everywhere, and is as wide as that.
 */
#include <errno.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "console.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define TEXT_PLAIN 4 /* columns of a byte in hexadecimal */

static struct {
	bool foreign; /* the environment's terminals do not show UTF-8 */
	bool here;    /* and standard output is one */
} terminal;

static int text_why; /* errno of the first output that was lost */

/* The environment is asked: the locale itself may be missing here. */
static bool
text_says_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	const char *value;
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		value = getenv(names[i]);
		if (value != NULL && *value != '\0')
			return strcasestr(value, "utf-8") != NULL ||
			    strcasestr(value, "utf8") != NULL;
	}
	return false;
}

void
text_locale(void)
{
	terminal.foreign = !text_says_utf8();
	terminal.here = terminal.foreign && isatty(STDOUT_FILENO);
	if (setlocale(LC_CTYPE, "") == NULL ||
	    strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
}

bool
text_is_dumb(void)
{
	const char *term = getenv("TERM");

	return term == NULL || *term == '\0' || strcmp(term, "dumb") == 0;
}

bool
text_is_foreign(void)
{
	return terminal.foreign;
}

void
text_plain(struct buf *b, const char *s, size_t n)
{
	for (; n > 0; s++, n--) {
		if ((unsigned char)*s < 0x80)
			buf_char(b, *s);
		else
			buf_fmt(b, "\\x%02x", (unsigned char)*s);
	}
}

void
text_write(FILE *f, const char *s, size_t n)
{
	struct buf plain = BUF_INIT;

	if (n == 0)
		return;
	if (terminal.foreign && isatty(fileno(f))) {
		text_plain(&plain, s, n);
		s = plain.data;
		n = plain.len;
	}
	if (fwrite(s, 1, n, f) != n && f == stdout && text_why == 0)
		text_why = errno;
	buf_fini(&plain);
}

int
text_flush(void)
{
	if (fflush(stdout) != 0 && text_why == 0)
		text_why = errno;
	return text_why;
}

void
text_clear(FILE *f)
{
	fputs(text_is_dumb() ? "\n" : "\r\033[K", f);
}

void
text_put(FILE *f, const char *s)
{
	if (s != NULL)
		text_write(f, s, strlen(s));
}

/* Columns of the character at s, and its bytes. */
static unsigned
text_one(const char *s, size_t n, size_t *bytes)
{
	mbstate_t state = {0};
	wchar_t wc;
	size_t got;
	int columns;

	*bytes = 1;
	if ((unsigned char)*s < 0x80)
		return 1; /* nearly all there is */
	got = mbrtowc(&wc, s, n, &state);
	if (got == (size_t)-1 || got == (size_t)-2 || got == 0)
		return 1;
	*bytes = got;
	if (terminal.here)
		return TEXT_PLAIN * (unsigned)got;
	columns = wcwidth(wc);
	return columns < 0 ? 1 : (unsigned)columns;
}

unsigned
text_width_n(const char *s, size_t n)
{
	unsigned width = 0;
	size_t bytes;

	for (; n > 0 && *s != '\0'; s += bytes, n -= bytes)
		width += text_one(s, n, &bytes);
	return width;
}

unsigned
text_width(const char *s)
{
	return text_width_n(s, strlen(s));
}

void
text_pad(struct buf *b, unsigned n)
{
	while (n-- > 0)
		buf_char(b, ' ');
}

void
text_fit(struct buf *b, const char *s, unsigned width)
{
	unsigned used = 0, columns;
	size_t bytes, n;

	if (text_width(s) <= width) {
		buf_str(b, s);
		return;
	}
	for (n = strlen(s); n > 0; s += bytes, n -= bytes) {
		columns = text_one(s, n, &bytes);
		if (used + columns + 1 > width)
			break;
		buf_add(b, s, bytes);
		used += columns;
	}
	if (width > 0)
		buf_char(b, '~');
}

void
text_wrap(struct buf *b, const char *s, unsigned indent, unsigned width)
{
	unsigned used = indent, w;
	size_t n, space;

	for (; *s != '\0'; s += n) {
		space = strspn(s, " ");
		n = space + strcspn(s + space, " ");
		w = text_width_n(s, n);
		if (used > indent && used + w > width) {
			buf_char(b, '\n');
			text_pad(b, used = indent);
			s += space;
			n -= space;
			w -= (unsigned)space;
		}
		buf_add(b, s, n);
		used += w;
	}
}

void
text_take(struct buf *b, const char **text, unsigned width)
{
	const char *s = *text, *space = NULL, *at;
	unsigned used = 0, columns;
	size_t bytes, left = strlen(s);

	for (at = s; left > 0; at += bytes, left -= bytes) {
		columns = text_one(at, left, &bytes);
		if (used + columns > width && at != s)
			break;
		if (*at == ' ')
			space = at;
		used += columns;
	}
	if (*at == ' ')
		space = at;
	if (*at != '\0' && space != NULL && space != s)
		at = space;
	buf_add(b, s, (size_t)(at - s));
	*text = at + strspn(at, " ");
}

wchar_t *
text_wide(const char *s)
{
	size_t n = strlen(s), got, at = 0;
	wchar_t *out = xcalloc(n + 1, sizeof *out);
	mbstate_t state = {0};

	while (n > 0) {
		got = mbrtowc(&out[at], s, n, &state);
		if (got == (size_t)-1 || got == (size_t)-2) {
			out[at] = L'?';
			memset(&state, 0, sizeof state);
			got = 1;
		}
		s += got;
		n -= got;
		at++;
	}
	return out;
}

char *
text_narrow(const wchar_t *w, size_t n)
{
	char *out = xmalloc(n * MB_LEN_MAX + 1), *at = out;
	mbstate_t state = {0};
	size_t got;

	while (n-- > 0) {
		got = wcrtomb(at, *w++, &state);
		if (got != (size_t)-1)
			at += got;
	}
	*at = '\0';
	return out;
}

unsigned
text_terminal(int fd)
{
	struct winsize ws;

	if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &ws) != 0)
		return 0;
	return ws.ws_col != 0 ? ws.ws_col : 80;
}

unsigned
text_terminal_rows(int fd)
{
	struct winsize ws;

	if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &ws) != 0)
		return 0;
	return ws.ws_row != 0 ? ws.ws_row : 24;
}

void
text_safe(struct buf *b, const char *s)
{
	size_t n, got;
	char *at;

	for (;; s++) {
		n = strcspn(s, "\n");
		if ((at = buf_reserve(b, 4 * n + 1)) == NULL)
			return;
		got = str_escape(at, 4 * n + 1, s, n);
		b->len += got;
		s += n;
		if (*s == '\0')
			return;
		buf_char(b, '\n');
	}
}
