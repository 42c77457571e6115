/*
 * The prompt. libedit edits the line; what may stand at the cursor comes from
 * the walker; input goes through our own reader, which waits in the loop, so
 * the connection lives while nobody types. What is pasted in several lines is
 * held and runs as one block, or not at all.
 */
#include <errno.h>
#include <histedit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "console.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define EDIT_PASTE (1u << 20) /* characters of one paste */
#define EDIT_LISTED 60	      /* choices shown at once */
#define EDIT_PREVIEW 12	      /* lines of a paste shown before it runs */

struct edit {
	struct session *s;
	EditLine *el;
	HistoryW *hist;
	struct loop_fd *in;
	struct loop_signal *winch, *cont;
	bool readable;
	wchar_t prompt[160];
	char *block; /* lines pasted, waiting to run */
	bool warned; /* leaving with changes was asked once */
};

/* libedit's callbacks carry no argument that all of them get. */
static struct edit *
edit_of(EditLine *el)
{
	void *e;

	el_wget(el, EL_CLIENTDATA, &e);
	return e;
}

/* ---- input -------------------------------------------------------------- */

static void
edit_on_input(void *arg, int fd, int events)
{
	struct edit *e = arg;

	(void)fd;
	(void)events;
	e->readable = true;
	loop_fd_want(e->in, 0);
	loop_stop(e->s->conn.loop);
}

/* One byte of the terminal: 1, 0 at its end, -1 interrupted. */
static int
edit_byte(struct edit *e, char *byte)
{
	struct conn *c = &e->s->conn;
	ssize_t n;

	e->readable = false;
	loop_fd_want(e->in, LOOP_READ);
	while (!e->readable && !c->interrupted)
		loop_run(c->loop);
	loop_fd_want(e->in, 0);
	if (c->interrupted) {
		errno = EINTR;
		return -1;
	}
	n = read(STDIN_FILENO, byte, 1);
	return n > 0 ? 1 : (int)n;
}

/* One character; bytes that are no UTF-8 are dropped, but a byte that breaks
 * a character off may begin the next. */
static int
edit_getc(EditLine *el, wchar_t *out)
{
	struct edit *e = edit_of(el);
	mbstate_t state = {0};
	size_t got;
	char byte;
	int r;

	for (;;) {
		if ((r = edit_byte(e, &byte)) <= 0)
			return r;
		got = mbrtowc(out, &byte, 1, &state);
		if (got == (size_t)-1) {
			memset(&state, 0, sizeof state);
			got = mbrtowc(out, &byte, 1, &state);
		}
		if (got <= 1)
			return 1;
		if (got == (size_t)-1)
			memset(&state, 0, sizeof state);
	}
}

static void
edit_on_winch(void *arg)
{
	el_resize(((struct edit *)arg)->el);
}

/* Back in the foreground: the shell has changed the terminal's modes. */
static void
edit_on_cont(void *arg)
{
	struct edit *e = arg;

	el_wset(e->el, EL_PREP_TERM, 1);
	el_wset(e->el, EL_REFRESH);
}

/* ---- prompt ------------------------------------------------------------- */

static wchar_t *
edit_prompt(EditLine *el)
{
	return edit_of(el)->prompt;
}

/* user@server> , with # while the candidate has changes. */
static void
edit_set_prompt(struct edit *e)
{
	const struct conn *c = &e->s->conn;
	wchar_t *user = text_wide(c->user), *server = text_wide(c->server);

	swprintf(e->prompt, sizeof e->prompt / sizeof e->prompt[0],
	    L"%ls@%ls%ls ", user, server, e->s->dirty ? L"#" : L">");
	free(user);
	free(server);
}

/* ---- completion and ? --------------------------------------------------- */

/* The line up to the cursor; to be freed. */
static char *
edit_line_before(EditLine *el)
{
	const LineInfoW *li = el_wline(el);

	return text_narrow(li->buffer, (size_t)(li->cursor - li->buffer));
}

static char *
edit_line_behind(EditLine *el)
{
	const LineInfoW *li = el_wline(el);

	return text_narrow(li->cursor, (size_t)(li->lastchar - li->cursor));
}

static void
edit_insert(EditLine *el, const char *text)
{
	wchar_t *w = text_wide(text);

	el_winsertstr(el, w);
	free(w);
}

/* The list below the line: words left, what they are right. */
static void
edit_list(const struct choices *c)
{
	struct buf b = BUF_INIT, safe = BUF_INIT;
	unsigned width = 8, w, columns = text_terminal(STDOUT_FILENO);
	size_t i;

	for (i = 0; i < c->n && i < EDIT_LISTED; i++) {
		w = text_width(c->list[i].shown);
		width = w > width && w < 32 ? w : width;
	}
	buf_char(&b, '\n');
	if (c->done_ok)
		buf_str(&b, "  <Enter>\n");
	for (i = 0; i < c->n && i < EDIT_LISTED; i++) {
		struct buf line = BUF_INIT;

		buf_fmt(&line, "  %s", c->list[i].shown);
		w = text_width(c->list[i].shown);
		text_pad(&line, w < width ? width - w : 0);
		buf_fmt(&line, "  %s", c->list[i].brief);
		text_fit(&b, line.data, columns > 20 ? columns - 1 : 79);
		buf_char(&b, '\n');
		buf_fini(&line);
	}
	if (c->n > EDIT_LISTED)
		buf_fmt(&b, "  ... %zu more\n", c->n - EDIT_LISTED);
	if (c->n == 0 && !c->done_ok)
		buf_str(&b, "  nothing that I know may stand here\n");
	text_safe(&safe, b.data);
	fputs(safe.data, stdout);
	fflush(stdout);
	buf_fini(&b);
	buf_fini(&safe);
}

/* Put what all choices have in common in the place of the unfinished word.
 * True when the line has grown. */
static bool
edit_extend(EditLine *el, const char *line, const struct choices *c)
{
	const char *typed = line + c->from;
	bool unique, grown = false;
	char *common = choices_common(c, &unique);
	size_t n = strlen(typed);

	if (common == NULL)
		return false;
	if (strncmp(common, typed, n) == 0) {
		grown = common[n] != '\0';
		edit_insert(el, common + n);
	} else if (unique) {
		wchar_t *w = text_wide(typed);

		el_deletestr(el, (int)wcslen(w));
		free(w);
		edit_insert(el, common);
		grown = true;
	}
	if (unique) {
		edit_insert(el, " ");
		grown = true;
	}
	free(common);
	return grown;
}

/* A Ctrl-C while the server was asked belongs to that question. */
static void
edit_choices(struct edit *e, const char *line, struct choices *c)
{
	complete(e->s, line, c);
	e->s->conn.interrupted = false;
}

static unsigned char
edit_complete(EditLine *el, int ch)
{
	struct edit *e = edit_of(el);
	char *line = edit_line_before(el);
	unsigned char r = CC_REFRESH;
	struct choices c;

	(void)ch;
	edit_choices(e, line, &c);
	if (!edit_extend(el, line, &c)) {
		edit_list(&c);
		r = CC_REDISPLAY;
	}
	choices_fini(&c);
	free(line);
	return r;
}

/* Does the cursor stand inside quotes, or behind a backslash? */
static bool
edit_is_quoted(const char *line)
{
	struct op_words w;
	struct err e;
	size_t at;
	int r = op_words_parse(&w, line, &at, &e);

	op_words_fini(&w);
	return r != 0;
}

static unsigned char
edit_help(EditLine *el, int ch)
{
	struct edit *e = edit_of(el);
	char *line = edit_line_before(el);
	unsigned char r = CC_REDISPLAY;
	struct choices c;

	(void)ch;
	if (edit_is_quoted(line)) {
		el_winsertstr(el, L"?");
		r = CC_REFRESH;
	} else {
		edit_choices(e, line, &c);
		edit_list(&c);
		choices_fini(&c);
	}
	free(line);
	return r;
}

/* ---- paste -------------------------------------------------------------- */

/* What may stay of a paste: no control characters but the ends of lines. */
static size_t
edit_strip(wchar_t *text, size_t n)
{
	size_t i, kept = 0;
	wchar_t c;

	for (i = 0; i < n; i++) {
		c = text[i] == L'\r'   ? L'\n'
		    : text[i] == L'\t' ? L' '
				       : text[i];
		if (c == L'\n' ||
		    (c >= L' ' && c != 0x7f && !(c >= 0x80 && c < 0xa0)))
			text[kept++] = c;
	}
	return kept;
}

/* Characters up to the end mark ESC [ 2 0 1 ~; -1 when the terminal is gone
 * or too much came. */
static long
edit_take_paste(EditLine *el, wchar_t *out)
{
	static const wchar_t mark[] = L"\033[201~";
	const size_t len = sizeof mark / sizeof mark[0] - 1;
	size_t n = 0;

	while (n < EDIT_PASTE) {
		if (el_wgetc(el, &out[n]) != 1)
			return -1;
		n++;
		if (n >= len && wmemcmp(out + n - len, mark, len) == 0)
			return (long)edit_strip(out, n - len);
	}
	return -1;
}

/* Lines with something in them. */
static unsigned
edit_count_lines(const char *text)
{
	unsigned n = 0;
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		n += strspn(text, " ") < len;
	}
	return n;
}

/* The first lines of a block, as they would run. */
static void
edit_preview(const char *text)
{
	struct buf b = BUF_INIT, safe = BUF_INIT;
	unsigned shown = 0;
	size_t n;

	buf_char(&b, '\n');
	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (strspn(text, " ") >= n)
			continue;
		if (shown++ == EDIT_PREVIEW) {
			buf_str(&b, "  ...\n");
			break;
		}
		buf_str(&b, "  ");
		buf_add(&b, text, n);
		buf_char(&b, '\n');
	}
	text_safe(&safe, b.data);
	fputs(safe.data, stdout);
	buf_fini(&b);
	buf_fini(&safe);
}

/* Hold a block: Enter runs it, any other key drops it. */
static unsigned char
edit_hold(struct edit *e, const char *text)
{
	char *before = edit_line_before(e->el);
	char *behind = edit_line_behind(e->el);
	wchar_t key;
	bool run;

	edit_preview(text);
	printf("%u lines pasted. Enter runs them as one block, any other "
	       "key drops them.\n",
	    edit_count_lines(text));
	fflush(stdout);
	run = el_wgetc(e->el, &key) == 1 && (key == L'\n' || key == L'\r');
	if (run) {
		free(e->block);
		e->block = xasprintf("%s%s%s", before, text, behind);
	} else {
		printf("dropped\n");
	}
	free(before);
	free(behind);
	return run ? CC_NEWLINE : CC_REDISPLAY;
}

static unsigned char
edit_paste(EditLine *el, int ch)
{
	wchar_t *wide = xcalloc(EDIT_PASTE, sizeof *wide);
	long n = edit_take_paste(el, wide);
	char *text = text_narrow(wide, n > 0 ? (size_t)n : 0);
	unsigned char r = CC_REFRESH;

	(void)ch;
	free(wide);
	if (n < 0) {
		printf("\nthe paste was too long, or broke off: dropped\n");
		r = CC_REDISPLAY;
	} else if (edit_count_lines(text) > 1) {
		r = edit_hold(edit_of(el), text);
	} else {
		text[strcspn(text, "\n")] = '\0';
		edit_insert(el, text);
	}
	free(text);
	return r;
}

/* ---- running ------------------------------------------------------------ */

/* Ask the server whether the candidate has changes. */
static void
edit_refresh_dirty(struct edit *e)
{
	struct session *s = e->s;
	struct reply reply;
	long n;

	if (s->dirty && s->conn.rpc != NULL) {
		if ((n = session_changes(s, &reply)) >= 0)
			s->dirty = n > 0;
		reply_fini(&reply);
	}
}

/* A connection for the next command; false when there is none. */
static bool
edit_reconnect(struct edit *e)
{
	struct err err;

	if (e->s->conn.rpc != NULL)
		return true;
	if (session_open(e->s, &err) != 0) {
		report_err(e->s, &err);
		return false;
	}
	report_note(e->s,
	    "connected again; changes that were not committed "
	    "may be gone");
	return true;
}

static void
edit_one(struct edit *e, const char *line)
{
	struct place p = {.text = line};

	if (command_is_blank(line) || !edit_reconnect(e))
		return;
	if (command_line(e->s, &p) == EXIT_INTERRUPTED)
		report_note(e->s,
		    "interrupted: the server goes on, its "
		    "answer is not awaited");
	e->s->conn.interrupted = false;
}

/* Each line of a block in turn; its number, 0 at the end. */
static unsigned
edit_block_line(const char **at, unsigned line, char **out)
{
	size_t n;

	while (**at != '\0') {
		n = strcspn(*at, "\n");
		*out = xstrndup(*at, n);
		*at += n + ((*at)[n] == '\n');
		line++;
		if (!command_is_blank(*out))
			return line;
		free(*out);
	}
	return 0;
}

/* All lines of a block are understood, or the errors are told. */
static bool
edit_block_good(struct edit *e, const char *block)
{
	unsigned line = 0, bad = 0;
	struct command c;
	char *text;

	while ((line = edit_block_line(&block, line, &text)) != 0) {
		struct place p = {.line = line, .text = text};

		if (local_help_words(text) == NULL) {
			bad += command_parse(e->s, &p, &c) != 0;
			command_fini(&c);
		}
		free(text);
	}
	return bad == 0;
}

/* A block is wholly refused when a line is not understood. A refusal by the
 * server ends it; a candidate that was clean before is clean again. */
static void
edit_run_block(struct edit *e, const char *block)
{
	bool clean = !e->s->dirty;
	unsigned line = 0;
	struct reply reply;
	int status = 0;
	char *text;

	if (!edit_reconnect(e))
		return;
	if (!edit_block_good(e, block)) {
		report_note(e->s, "nothing of the block was run");
		return;
	}
	while (
	    status == 0 && (line = edit_block_line(&block, line, &text)) != 0) {
		struct place p = {.line = line, .text = text};

		status = command_line(e->s, &p);
		free(text);
	}
	e->s->conn.interrupted = false;
	if (status == 0)
		return;
	if (clean && e->s->dirty && e->s->set_discard != NULL) {
		conn_call(&e->s->conn, e->s->set_discard->name, NULL, &reply);
		reply_fini(&reply);
		e->s->dirty = false;
		report_note(e->s, "the changes of the block were discarded");
	} else {
		report_note(e->s, "the block ended at line %u", line);
	}
}

/* ---- history ------------------------------------------------------------ */

static void
edit_enter(struct edit *e, const char *line)
{
	wchar_t *w = text_wide(line);
	HistEventW ev;

	history_w(e->hist, &ev, H_ENTER, w);
	free(w);
}

static void
edit_on_history(void *arg, const char *line)
{
	edit_enter(arg, line);
}

/* Keep a line: in the file only masked, and only when it was understood. */
static void
edit_remember(struct edit *e, const char *line)
{
	char *masked;

	if (command_is_blank(line))
		return;
	masked = history_mask(e->s, line);
	edit_enter(e, masked != NULL ? masked : line);
	if (masked != NULL)
		history_append(masked);
	free(masked);
}

/* ---- the loop of the prompt --------------------------------------------- */

static void
edit_init(struct edit *e, struct session *s)
{
	HistEventW ev;

	e->s = s;
	e->in = loop_fd_open(
	    s->conn.loop, STDIN_FILENO, LOOP_READ, edit_on_input, e);
	loop_fd_want(e->in, 0);
	e->winch = loop_signal_open(s->conn.loop, SIGWINCH, edit_on_winch, e);
	e->cont = loop_signal_open(s->conn.loop, SIGCONT, edit_on_cont, e);
	e->hist = history_winit();
	history_w(e->hist, &ev, H_SETSIZE, 1000);
	history_w(e->hist, &ev, H_SETUNIQUE, 1);
	history_load(edit_on_history, e);
	e->el = el_init("tandem", stdin, stdout, stderr);
	if (e->el == NULL)
		return;
	el_wset(e->el, EL_CLIENTDATA, e);
	el_wset(e->el, EL_EDITOR, L"emacs");
	el_wset(e->el, EL_PROMPT, edit_prompt);
	el_wset(e->el, EL_HIST, history_w, e->hist);
	el_wset(e->el, EL_GETCFN, edit_getc);
	el_wset(e->el, EL_ADDFN, L"t-complete", L"complete", edit_complete);
	el_wset(e->el, EL_ADDFN, L"t-help", L"what may stand here", edit_help);
	el_wset(e->el, EL_ADDFN, L"t-paste", L"hold a paste", edit_paste);
	el_wset(e->el, EL_BIND, L"^I", L"t-complete", NULL);
	el_wset(e->el, EL_BIND, L"?", L"t-help", NULL);
	el_wset(e->el, EL_BIND, L"\\e[200~", L"t-paste", NULL);
	el_wset(e->el, EL_BIND, L"^R", L"em-inc-search-prev", NULL);
}

static void
edit_fini(struct edit *e)
{
	if (e->el != NULL)
		el_end(e->el);
	history_wend(e->hist);
	loop_signal_close(&e->winch);
	loop_signal_close(&e->cont);
	loop_fd_close(&e->in);
	free(e->block);
}

/* May we leave? With changes in the candidate only when asked twice. */
static bool
edit_may_leave(struct edit *e)
{
	if (!e->s->dirty || e->warned || e->s->conn.rpc == NULL)
		return true;
	e->warned = true;
	report_note(e->s,
	    "the candidate has changes: commit, discard, or leave once more");
	return false;
}

/* One line from the prompt; NULL at the end of input or when interrupted. */
static char *
edit_read(struct edit *e, bool *interrupted)
{
	const wchar_t *line;
	int n = 0;

	edit_set_prompt(e);
	fputs("\033[?2004h", stdout); /* bracketed paste on */
	fflush(stdout);
	/* Before the prompt: what is typed at once must not be echoed. */
	el_wset(e->el, EL_PREP_TERM, 1);
	line = el_wgets(e->el, &n);
	fputs("\033[?2004l", stdout);
	*interrupted = e->s->conn.interrupted;
	e->s->conn.interrupted = false;
	if (line == NULL || n <= 0)
		return NULL;
	if (line[n - 1] == L'\n')
		n--;
	return text_narrow(line, (size_t)n);
}

/* What one line of the prompt does; false when it is time to leave. */
static bool
edit_turn(struct edit *e)
{
	bool interrupted;
	char *line = edit_read(e, &interrupted), *block = e->block;

	e->block = NULL;
	if (block != NULL) {
		edit_run_block(e, block);
	} else if (line != NULL) {
		edit_one(e, line);
		edit_remember(e, line);
		e->warned &= e->s->quit;
	} else if (interrupted) {
		fputs("^C\n", stdout);
	} else {
		fputs("\n", stdout);
		e->s->quit = true;
	}
	free(block);
	free(line);
	edit_refresh_dirty(e);
	if (!e->s->quit)
		return true;
	e->s->quit = false;
	return !edit_may_leave(e);
}

int
edit_run(struct session *s)
{
	struct edit e = {0};

	edit_init(&e, s);
	if (e.el != NULL) {
		printf("Tandem %s, site %s. ? shows what may stand, help "
		       "explains, Ctrl-D leaves.\n",
		    s->conn.version, s->conn.site);
		while (edit_turn(&e))
			;
	}
	edit_fini(&e);
	return e.el != NULL ? 0 : err_exit(ERR_IO);
}
