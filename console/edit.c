/*
 * The prompt. libedit edits the line; input goes through our own reader, which
 * waits in the loop, so the connection lives while nobody types. A block that
 * was pasted runs wholly or not at all.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "edit.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct edit *
edit_of(EditLine *el)
{
	void *e;

	el_wget(el, EL_CLIENTDATA, &e);
	return e;
}

/* ---- input -------------------------------------------------------------- */

/* Something was typed: whoever waits for it goes on. */
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
	if (e->gone)
		return 0;
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

/* We are asked to end, or the terminal is gone: leave without a word, but
 * give the terminal its modes back. */
static void
edit_on_end(void *arg)
{
	struct edit *e = arg;

	e->gone = true;
	e->s->conn.interrupted = true;
	loop_stop(e->s->conn.loop);
}

/* Another size of the terminal. */
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

/* What libedit shows; made before each line. */
static wchar_t *
edit_prompt(EditLine *el)
{
	return edit_of(el)->prompt;
}

/* To be freed; what the terminal does not show is bytes in hexadecimal. */
static wchar_t *
edit_wide(const char *s)
{
	struct buf plain = BUF_INIT;
	wchar_t *wide;

	if (!text_is_foreign())
		return text_wide(s);
	buf_str(&plain, "");
	text_plain(&plain, s, strlen(s));
	wide = text_wide(plain.data);
	buf_fini(&plain);
	return wide;
}

/* user@server> , with # while the candidate has changes; in front the time
 * that is left to confirm a commit. */
static void
edit_set_prompt(struct edit *e)
{
	const struct conn *c = &e->s->conn;
	wchar_t *user = edit_wide(c->user), *server = edit_wide(c->server);
	uint64_t now = clock_real(), left = 0;
	wchar_t confirm[48] = L"";

	if (e->s->until > now) {
		left = (e->s->until - now) / CLOCK_SEC;
		swprintf(confirm, sizeof confirm / sizeof confirm[0],
		    L"(confirm: %u:%02u) ", (unsigned)(left / 60),
		    (unsigned)(left % 60));
	}
	swprintf(e->prompt, sizeof e->prompt / sizeof e->prompt[0],
	    L"%ls%ls@%ls%ls ", confirm, user, server,
	    e->s->dirty ? L"#" : L">");
	free(user);
	free(server);
}

/* Words that were not asked for, above what is being typed; what they tell may
 * change the prompt. */
static void
edit_on_message(void *arg, const char *line)
{
	struct edit *e = arg;

	if (e->typing)
		text_clear(stdout);
	text_put(stdout, line);
	fputs("\n", stdout);
	fflush(stdout);
	if (!e->typing)
		return;
	edit_set_prompt(e);
	el_wset(e->el, EL_REFRESH);
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
		s->resumed &= s->dirty;
		reply_fini(&reply);
	}
}

/* A connection for the next command; false when there is none. */
static bool
edit_reconnect(struct edit *e)
{
	char words[SESSION_WORDS];
	struct err err;

	if (e->s->conn.rpc != NULL)
		return true;
	if (session_reopen(e->s, words, &err) != 0) {
		report_err(e->s, &err);
		return false;
	}
	report_note(e->s, "%s", words);
	return true;
}

/* Run one line; after Ctrl-C the prompt comes back at once. */
static void
edit_one(struct edit *e, const char *line)
{
	struct place p = {.text = line};

	if (command_is_blank(line))
		return;
	if (edit_reconnect(e) && command_line(e->s, &p) == EXIT_INTERRUPTED)
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
			if (command_parse(e->s, &p, &c) != 0) {
				command_refuse(e->s, &p, &c);
				bad++;
			}
			command_fini(&c);
		}
		free(text);
	}
	return bad == 0;
}

/* What becomes of the lines that were done of a block that ended: a candidate
 * that was clean before is clean again, now or with the next connection. */
static void
edit_block_ended(struct edit *e, unsigned line, bool clean)
{
	struct session *s = e->s;
	struct err why;

	/* what was asked last may have been done, though no answer came */
	s->dirty |= s->conn.rpc == NULL;
	if (!s->dirty)
		report_note(s, "the block ended at line %u", line);
	else if (!clean || s->resumed)
		report_note(s,
		    "the block ended at line %u; what it did is in the "
		    "candidate, with what was there before",
		    line);
	else if (session_discard(s, &why) == 0)
		report_note(s, "the changes of the block were discarded");
	else if (s->unwanted)
		report_note(s,
		    "the block ended at line %u; its changes are discarded "
		    "when the server is there again",
		    line);
	else
		report_note(s,
		    "the block ended at line %u; its changes are still in the "
		    "candidate: %s",
		    line, why.text);
}

/* A block is wholly refused when a line is not understood. A refusal by the
 * server ends it; a candidate that was clean before is clean again. */
static void
edit_run_block(struct edit *e, const char *block)
{
	unsigned line = 0;
	int status = 0;
	bool clean;
	char *text;

	if (!edit_reconnect(e))
		return;
	clean = !e->s->dirty;
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
	if (status != 0)
		edit_block_ended(e, line, clean);
}

/* ---- history ------------------------------------------------------------ */

/* Add a line to the history in memory. */
static void
edit_enter(struct edit *e, const char *line)
{
	wchar_t *w = text_wide(line);
	HistEventW ev;

	history_w(e->hist, &ev, H_ENTER, w);
	free(w);
}

/* A line of the file, at the start. */
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

/* The terminal marks what is pasted (bracketed paste), where it can. */
static void
edit_mark_pastes(bool on)
{
	if (!text_is_dumb())
		fputs(on ? "\033[?2004h" : "\033[?2004l", stdout);
	fflush(stdout);
}

/* ---- the loop of the prompt --------------------------------------------- */

/* What only the prompt wants to hear, not the full screen. */
static void
edit_listen(struct edit *e)
{
	struct loop *l = e->s->conn.loop;

	e->winch = loop_signal_open(l, SIGWINCH, edit_on_winch, e);
	e->cont = loop_signal_open(l, SIGCONT, edit_on_cont, e);
}

static void
edit_deafen(struct edit *e)
{
	loop_signal_close(&e->winch);
	loop_signal_close(&e->cont);
}

/* The full screen, until it is left; the terminal is its own meanwhile. */
static void
edit_open_screen(struct edit *e)
{
	struct session *s = e->s;
	struct err err;

	s->want_screen = false;
	edit_deafen(e);
	el_wset(e->el, EL_PREP_TERM, 0);
	if (s->screen_run(s, &err) != 0)
		report_err(s, &err);
	edit_listen(e);
	el_resize(e->el);
}

/* Ctrl-O: what is typed stays. */
unsigned char
edit_screen(EditLine *el, int ch)
{
	struct edit *e = edit_of(el);

	(void)ch;
	edit_mark_pastes(false);
	edit_open_screen(e);
	if (e->s->quit || e->gone)
		return CC_EOF;
	edit_set_prompt(e);
	edit_mark_pastes(true);
	el_wset(el, EL_PREP_TERM, 1);
	return CC_REDISPLAY;
}

/* libedit with our reader, our keys and the history of the file. */
static void
edit_init(struct edit *e, struct session *s)
{
	HistEventW ev;

	e->s = s;
	e->in = loop_fd_open(
	    s->conn.loop, STDIN_FILENO, LOOP_READ, edit_on_input, e);
	loop_fd_want(e->in, 0);
	edit_listen(e);
	e->term = loop_signal_open(s->conn.loop, SIGTERM, edit_on_end, e);
	e->hup = loop_signal_open(s->conn.loop, SIGHUP, edit_on_end, e);
	conn_catch(&s->conn);
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
	el_wset(e->el, EL_ADDFN, L"t-screen", L"full screen", edit_screen);
	el_wset(e->el, EL_ADDFN, L"t-paste", L"hold a paste", edit_paste);
	el_wset(e->el, EL_BIND, L"^I", L"t-complete", NULL);
	el_wset(e->el, EL_BIND, L"?", L"t-help", NULL);
	el_wset(e->el, EL_BIND, L"^O", L"t-screen", NULL);
	el_wset(e->el, EL_BIND, L"\\e[200~", L"t-paste", NULL);
	el_wset(e->el, EL_BIND, L"^R", L"em-inc-search-prev", NULL);
}

/* The terminal gets its modes back. */
static void
edit_fini(struct edit *e)
{
	if (e->el != NULL)
		el_end(e->el);
	history_wend(e->hist);
	edit_deafen(e);
	loop_signal_close(&e->term);
	loop_signal_close(&e->hup);
	conn_release(&e->s->conn, true);
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
	    "the candidate has changes: commit, discard, or leave once more "
	    "and it is kept for configure resume");
	return false;
}

/* One line from the prompt; NULL at the end of input or when interrupted. */
static char *
edit_read(struct edit *e, bool *interrupted)
{
	const wchar_t *line;
	int n = 0;

	edit_set_prompt(e);
	edit_mark_pastes(true);
	/* Before the prompt: what is typed at once must not be echoed. */
	el_wset(e->el, EL_PREP_TERM, 1);
	e->typing = true;
	line = el_wgets(e->el, &n);
	e->typing = false;
	edit_mark_pastes(false);
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
	if (e->s->want_screen)
		edit_open_screen(e);
	edit_refresh_dirty(e);
	if (!e->s->quit)
		return true;
	e->s->quit = false;
	return !edit_may_leave(e);
}

/* Who speaks to whom, and what was left the last time. */
static void
edit_greet(struct session *s)
{
	unsigned n = session_left(s);

	printf("Tandem %s, site %s. ? shows what may stand, help explains,\n"
	       "Ctrl-O opens the full screen, Ctrl-D leaves.\n",
	    s->conn.version, s->conn.site);
	if (s->conn.domain[0] != '\0')
		printf(
		    "You are %s of domain %s.\n", s->conn.role, s->conn.domain);
	if (n > 0)
		report_note(s,
		    "you have left %u candidate%s: show candidates, configure "
		    "resume",
		    n, n == 1 ? "" : "s");
}

int
edit_run(struct session *s)
{
	struct edit e = {0};
	bool leave;

	edit_init(&e, s);
	if (e.el != NULL) {
		s->conn.on_message = edit_on_message;
		s->conn.message_arg = &e;
		if (s->opt->screen)
			edit_open_screen(&e);
		leave = s->quit && edit_may_leave(&e);
		s->quit = false;
		if (!leave && !e.gone)
			edit_greet(s);
		while (!leave && !e.gone)
			leave = !edit_turn(&e);
	}
	s->conn.on_message = NULL;
	edit_fini(&e);
	return e.el != NULL ? 0 : err_exit(ERR_IO);
}
