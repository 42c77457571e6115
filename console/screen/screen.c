/*
 * The full screen: one loop over keys, answers, signals and a second's tick,
 * and what each key of the table means. Nothing is polled; a picture is made
 * after each turn, and ncurses writes what differs.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "screen_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define SCREEN_ROWS 15 /* below that it says what it needs */
#define SCREEN_COLS 60
#define SCREEN_PASTING 2 /* seconds of nothing until a paste has ended */
#define SCREEN_AGAIN (5 * CLOCK_SEC) /* for the description, once more */

/* ---- the picture -------------------------------------------------------- */

/* "EDIT 2~  ALARMS 1  20:31:07Z", of what there is to say. */
static void
screen_say_right(struct screen *s, struct buf *b)
{
	size_t changes = json_array_size(watch_rows(s->changes));
	json_t *alarms = watch_rows(s->alarms);
	char now[CLOCK_TEXT];

	if (s->away)
		buf_str(b, "! NO SERVER  ");
	if (changes != 0)
		buf_fmt(b, "EDIT %zu~  ", changes);
	if (alarms != NULL)
		buf_fmt(b, "%sALARMS %zu  ",
		    json_array_size(alarms) != 0 ? "! " : "",
		    json_array_size(alarms));
	clock_text(now, clock_real());
	buf_fmt(b, "%.8sZ ", now + 11);
}

/* "demo > Overview", and who looks, where there is room. */
static void
screen_draw_title(struct screen *s)
{
	const struct conn *c = &s->session->conn;
	struct page *p = page_under(s);
	struct buf left = BUF_INIT, right = BUF_INIT;
	unsigned width, used;

	buf_fmt(&left, " %s > %s", c->site, p->name);
	screen_say_right(s, &right);
	used = text_width(right.data);
	width = draw_cols() > used ? draw_cols() - used : 0;
	if (text_width(left.data) + text_width(c->user) +
		text_width(c->server) + 5 <
	    width) {
		text_pad(&left,
		    width - text_width(left.data) - text_width(c->user) -
			text_width(c->server) - 3);
		buf_fmt(&left, "%s@%s", c->user, c->server);
	}
	draw_text(0, 0, width, TONE_BAR, left.data);
	draw_text(0, width, used, TONE_BAR, right.data);
	buf_fini(&left);
	buf_fini(&right);
}

/* The keys, and the line above them: a note, or a rule. */
static void
screen_draw_foot(struct screen *s)
{
	unsigned row = draw_rows() - 2, width = draw_cols();
	struct page *p = page_under(s);
	struct buf b = BUF_INIT;

	if (s->note[0] != '\0')
		draw_text(row, 1, width - 1, s->note_tone, s->note);
	else
		draw_line(row, 0, width);
	if (p->ops->foot != NULL)
		buf_str(&b, p->ops->foot);
	else
		key_foot(p->where, &s->session->table, width, &b);
	draw_text(row + 1, 0, width, TONE_HEAD, b.data != NULL ? b.data : "");
	buf_fini(&b);
}

/* Pages from the one that fills the screen up to the top. */
static void
screen_draw_page(struct page *p, const struct area *a)
{
	if (p->ops->box && p->below != NULL)
		screen_draw_page(p->below, a);
	p->ops->draw(p, a);
}

static void
screen_draw(struct screen *s)
{
	struct area a = {1, 0, draw_rows() - 3, draw_cols()};
	char words[80];

	draw_begin();
	if (draw_rows() < SCREEN_ROWS || draw_cols() < SCREEN_COLS) {
		snprintf(words, sizeof words, "%ux%u is too small: %dx%d",
		    draw_cols(), draw_rows(), SCREEN_COLS, SCREEN_ROWS);
		draw_text(0, 0, draw_cols(), TONE_PLAIN, words);
	} else {
		screen_draw_title(s);
		screen_draw_foot(s);
		screen_draw_page(s->top, &a);
	}
	draw_end();
}

/* ---- what keys mean ----------------------------------------------------- */

/* A page of the whole screen; of those that were open the last one stays, to
 * go back to. */
static void
screen_open(struct screen *s, struct page *p)
{
	page_keep(s);
	page_push(s, p);
}

/* The list of the key's operation, where the server has it. */
static void
screen_open_op(struct screen *s, const struct key *k)
{
	const struct op *op = op_find(&s->session->table, k->op);

	if (op == NULL || op->cols == NULL)
		page_note(s, TONE_PLAIN, "the server has no: %s", k->op);
	else
		screen_open(s, list_new(s, op, NULL));
}

/* The domains: a kind of object like any other, but the one most wanted. */
static void
screen_open_domains(struct screen *s)
{
	struct obj_path kind = {
	    .obj = obj_find(s->session->table.objs, NULL, "domain")};

	if (kind.obj == NULL)
		page_note(s, TONE_PLAIN, "the server has no domains");
	else
		screen_open(s, list_objects(s, &kind));
}

/* The messages of the call under the cursor; the page of the object, if it has
 * others below it; its form, if it is an object; else all that the row has. */
static void
screen_enter(struct screen *s, const struct key *k)
{
	struct page *p = s->top;
	struct obj_path path;

	if (p->where & KEY_CALLS)
		ladder_open_row(s, p);
	else if (!(p->where & KEY_OBJECTS) || !p->ops->path(p, false, &path))
		page_act(p, k);
	else if (object_has_tabs(s, &path))
		page_push(s, object_new(s, &path));
	else
		form_open(s, &path);
}

/* Keys of this page and of all pages, out of the table. */
static void
screen_help(struct screen *s)
{
	struct buf b = BUF_INIT;

	key_help(page_under(s)->where, &b);
	box_words(s, "Keys", buf_take(&b));
}

/* Leaving with changes is asked: they end with the connection. */
static void
screen_on_leave(struct screen *s, void *arg, const char *answer)
{
	(void)arg;
	if (answer == NULL)
		return;
	s->session->dirty = false; /* it was asked; the prompt need not */
	s->leave = s->session->quit = true;
}

/* One page back; from the first to where the screen was entered: the prompt,
 * which keeps the candidate, or the shell. */
static void
screen_back(struct screen *s)
{
	size_t changes = json_array_size(watch_rows(s->changes));
	char *text;

	if (s->top->below != NULL) {
		page_pop(s);
		return;
	}
	if (!s->session->opt->screen || (changes == 0 && !s->session->dirty)) {
		s->leave = true;
		s->session->quit = s->session->opt->screen;
		return;
	}
	text = xasprintf("The candidate has %zu change%s, not committed.\n"
			 "It is kept for configure resume. Leave?",
	    changes, changes == 1 ? "" : "s");
	box_ask(s, "Leave", text, NULL, screen_on_leave, NULL);
}

/* All is drawn and asked anew. */
static void
screen_redo(struct screen *s)
{
	draw_redo();
	watch_ask(s->alarms);
	page_changed(s);
}

/* What a key of the table does where the page has no meaning for it. */
static void
screen_act(struct screen *s, const struct key *k)
{
	switch (k->act) {
	case ACT_HELP:
		screen_help(s);
		break;
	case ACT_LINE:
		line_open(s, "");
		break;
	case ACT_PALETTE:
		line_palette(s, screen_act);
		break;
	case ACT_OPEN:
		screen_open_op(s, k);
		break;
	case ACT_OVERVIEW:
		page_home(s);
		break;
	case ACT_DOMAINS:
		screen_open_domains(s);
		break;
	case ACT_SITE:
		screen_open(s, object_new(s, NULL));
		break;
	case ACT_ACTIONS:
		action_menu(s);
		break;
	case ACT_LADDER:
		ladder_open_row(s, s->top);
		break;
	case ACT_SWAP:
		page_swap(s);
		break;
	case ACT_BACK:
		screen_back(s);
		break;
	case ACT_PROMPT:
		s->leave = true;
		break;
	case ACT_REDRAW:
		screen_redo(s);
		break;
	case ACT_ENTER:
		screen_enter(s, k);
		break;
	default:
		if (!change_act(s, k))
			page_act(s->top, k);
	}
}

/* What is pasted is text where text is typed, and nothing elsewhere: a line
 * end in it must not run what stands before it. */
static void
screen_paste(struct screen *s, int press)
{
	struct page *p = s->top;

	s->pasting = press == PRESS_ESCAPE ? 0 : SCREEN_PASTING;
	if (press == PRESS_ENTER || press == '\t')
		press = ' ';
	if (p->typing && press >= ' ' && press < PRESS_NONE)
		p->ops->press(p, press);
}

/* One key: the page, then the table. */
static void
screen_press(struct screen *s, int press)
{
	struct page *p = s->top;
	const struct key *k;

	if (press == PRESS_PASTE || press == PRESS_PASTE_END) {
		s->pasting = press == PRESS_PASTE ? SCREEN_PASTING : 0;
		return;
	}
	if (s->pasting != 0) {
		screen_paste(s, press);
		return;
	}
	s->note[0] = '\0';
	if (p->ops->press != NULL && p->ops->press(p, press))
		return;
	k = key_find(press, page_under(s)->where);
	if (k != NULL)
		screen_act(s, k);
}

/* ---- events ------------------------------------------------------------- */

/* Keys are taken as they come, also while an answer is awaited: an end of
 * the terminal is seen at once, and never spins. */
static void
screen_on_input(void *arg, int fd, int events)
{
	struct screen *s = arg;
	int n = 0, press;

	(void)events;
	if (ioctl(fd, FIONREAD, &n) != 0 || n == 0) {
		s->gone = s->session->conn.interrupted = true;
		loop_fd_want(s->in, 0);
	}
	while (!s->gone && (press = draw_press()) != PRESS_NONE) {
		if (s->npresses < SCREEN_PRESSES)
			s->presses[s->npresses++] = press;
		else if (press == PRESS_PASTE_END)
			s->presses[SCREEN_PRESSES - 1] = press;
	}
	loop_stop(s->session->conn.loop);
}

static void
screen_on_end(void *arg)
{
	struct screen *s = arg;

	s->gone = s->session->conn.interrupted = true;
	loop_stop(s->session->conn.loop);
}

static void
screen_on_winch(void *arg)
{
	struct screen *s = arg;

	s->resized = true;
	loop_stop(s->session->conn.loop);
}

/* Ctrl-Z: the shell gets its terminal; what follows runs after fg. */
static void
screen_on_stop(void *arg)
{
	struct screen *s = arg;

	if (s->session->opt->restricted)
		return; /* a login shell has nothing to stop for */
	draw_close();
	s->stopped = true;
	raise(SIGSTOP);
	loop_stop(s->session->conn.loop);
}

static void
screen_on_cont(void *arg)
{
	struct screen *s = arg;

	s->stopped = true;
	loop_stop(s->session->conn.loop);
}

/* A second is over. While an answer is awaited it is said for how long. */
static void
screen_on_second(void *arg)
{
	struct screen *s = arg;
	uint64_t left = CLOCK_SEC - clock_real() % CLOCK_SEC;

	loop_timer_set(s->timer, left < 100 * CLOCK_MS ? CLOCK_SEC : left);
	s->ticked = true;
	if (s->waited != 0 && s->waited++ > 1) {
		page_note(s, TONE_NOTICE,
		    "waiting for %u s; Ctrl-C ends the waiting", s->waited - 1);
		screen_draw(s);
	}
	loop_stop(s->session->conn.loop);
}

/* How far an operation is that is awaited. */
static void
screen_on_progress(void *arg, json_t *params)
{
	struct screen *s = arg;
	struct buf b = BUF_INIT;

	progress_line(params, draw_cols() - 2, &b);
	if (b.len == 0)
		return;
	page_note(s, TONE_PLAIN, "%s", b.data);
	buf_fini(&b);
	s->waited = 1;
	screen_draw(s);
}

/* ---- the loop ----------------------------------------------------------- */

/* The server is gone: try it again. What it described is another table then,
 * also when it cannot be had. */
static void
screen_reconnect(struct screen *s)
{
	struct session *session = s->session;
	uint64_t usual = session->conn.timeout;
	char words[SESSION_WORDS];
	struct err e;
	int r;

	session->dirty |= json_array_size(watch_rows(s->changes)) != 0;
	session->conn.timeout = SCREEN_AGAIN;
	r = session_reopen(session, words, &e);
	session->conn.timeout = usual;
	session->conn.interrupted = s->gone;
	page_bind(s);
	s->away = r != 0;
	if (r != 0) {
		page_note(s, TONE_BAD, "%s; tried again each second", e.text);
		return;
	}
	page_note(s, TONE_NOTICE, "%s", words);
	watch_ask(s->alarms);
	page_changed(s);
}

/* What comes with every second. */
static void
screen_tick(struct screen *s)
{
	struct page *p = page_under(s);

	s->ticked = false;
	s->pasting -= s->pasting > 0;
	if (s->session->conn.rpc == NULL) {
		screen_reconnect(s);
		return;
	}
	watch_tick(s->alarms);
	if (s->session->dirty || json_array_size(watch_rows(s->changes)) != 0)
		watch_tick(s->changes);
	if (p->ops->tick != NULL)
		p->ops->tick(p);
}

/* One turn: what came, then the picture of it. */
static void
screen_turn(struct screen *s)
{
	size_t i;

	if (s->stopped)
		draw_open(NULL);
	if (s->resized)
		draw_resize();
	s->stopped = s->resized = false;
	for (i = 0; i < s->npresses && !s->leave && !s->gone; i++)
		screen_press(s, s->presses[i]);
	s->npresses = 0;
	if (s->session->conn.rpc == NULL)
		s->away = true;
	if (s->ticked && !s->leave && !s->gone)
		screen_tick(s);
	s->session->conn.interrupted = s->gone;
	if (!s->gone && !s->leave)
		screen_draw(s);
}

/* The overview is of the whole site; who has a part of the tree of domains
 * begins with that. */
static struct page *
screen_first(struct screen *s)
{
	const struct conn *c = &s->session->conn;
	struct obj_path p = {
	    .obj = obj_find(s->session->table.objs, NULL, "domain"),
	    .nkeys = 1};

	if (p.obj == NULL || c->domain[0] == '\0')
		return overview_new(s);
	str_copy(p.key[0], OBJ_KEY, c->domain);
	return object_new(s, &p);
}

/* The first page, and what all pages need. */
static struct screen *
screen_new(struct session *session)
{
	struct screen *s = xcalloc(1, sizeof *s);

	s->session = session;
	s->alarms = watch_new(s, "show alarms", NULL, CLOCK_SEC);
	s->changes = watch_new(s, "compare", NULL, CLOCK_SEC);
	page_push(s, screen_first(s));
	return s;
}

/* Signals before the terminal: ncurses leaves alone what is taken. */
/* Words of another operator. */
static void
screen_on_message(void *arg, const char *line)
{
	struct screen *s = arg;

	page_note(s, TONE_NOTICE, "%s", line);
	loop_stop(s->session->conn.loop);
}

static void
screen_listen(struct screen *s)
{
	struct loop *l = s->session->conn.loop;

	s->winch = loop_signal_open(l, SIGWINCH, screen_on_winch, s);
	s->cont = loop_signal_open(l, SIGCONT, screen_on_cont, s);
	s->tstp = loop_signal_open(l, SIGTSTP, screen_on_stop, s);
	s->term = loop_signal_open(l, SIGTERM, screen_on_end, s);
	s->hup = loop_signal_open(l, SIGHUP, screen_on_end, s);
	s->timer = loop_timer_new(l, screen_on_second, s);
	s->in = loop_fd_open(l, STDIN_FILENO, LOOP_READ, screen_on_input, s);
	s->session->conn.on_progress = screen_on_progress;
	s->session->conn.progress_arg = s;
	s->prompt_message = s->session->conn.on_message;
	s->prompt_arg = s->session->conn.message_arg;
	s->session->conn.on_message = screen_on_message;
	s->session->conn.message_arg = s;
}

static void
screen_deafen(struct screen *s)
{
	s->session->conn.on_progress = NULL;
	s->session->conn.on_message = s->prompt_message;
	s->session->conn.message_arg = s->prompt_arg;
	loop_signal_close(&s->winch);
	loop_signal_close(&s->cont);
	loop_signal_close(&s->tstp);
	loop_signal_close(&s->term);
	loop_signal_close(&s->hup);
	loop_timer_free(&s->timer);
	loop_fd_close(&s->in);
}

int
screen_run(struct session *session, struct err *e)
{
	struct screen *s = session->screen;
	bool fresh = s == NULL;
	int r;

	if (fresh)
		s = session->screen = screen_new(session);
	s->leave = s->gone = false;
	s->note[0] = '\0';
	screen_listen(s);
	if ((r = draw_open(e)) == 0) {
		if (!fresh) {
			page_bind(s);
			page_changed(s);
		}
		screen_draw(s);
		screen_on_second(s);
		while (!s->leave && !s->gone) {
			loop_run(session->conn.loop);
			screen_turn(s);
		}
		draw_close();
	}
	screen_deafen(s);
	session->conn.interrupted = s->gone;
	return r;
}

void
screen_forget(struct session *session)
{
	struct screen *s = session->screen;

	session->screen = NULL;
	if (s == NULL)
		return;
	while (s->top != NULL)
		page_pop(s);
	watch_free(&s->alarms);
	watch_free(&s->changes);
	free(s);
}
