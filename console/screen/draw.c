/*
 * The terminal, by ncurses. A picture is drawn as a whole into memory;
 * ncurses writes what differs from the one before. All text goes through
 * draw_text, which lets nothing pass that a terminal could obey.
 */
#include "screen_room.h" /* before curses.h, which has another ERR */

#include <curses.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "daemon/base/str.h"

#define DRAW_ESCAPE 25 /* ms until an escape is no longer part of a key */

enum { DRAW_PASTE = KEY_MAX + 1, DRAW_PASTE_END };

/* ncurses has one terminal, and so have we. */
static struct {
	SCREEN *term;
	bool colours, utf8;
	bool cursor;
	unsigned cursor_row, cursor_col;
} draw;

/* The colours: those that can be read on dark and on light. */
static void
draw_colours(void)
{
	const char *no = getenv("NO_COLOR");

	draw.colours = has_colors() && (no == NULL || *no == '\0');
	if (!draw.colours)
		return;
	start_color();
	use_default_colors();
	init_pair(TONE_BAD, COLOR_RED, -1);
	init_pair(TONE_NOTICE, COLOR_MAGENTA, -1);
	init_pair(TONE_GOOD, COLOR_GREEN, -1);
}

/* Every key is ours but Ctrl-C and Ctrl-Z, which are signals as at the
 * prompt. */
static void
draw_modes(void)
{
	struct termios t;

	raw();
	noecho();
	nonl();
	if (tcgetattr(STDIN_FILENO, &t) != 0)
		return;
	t.c_lflag |= ISIG;
	t.c_cc[VQUIT] = _POSIX_VDISABLE;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
	def_prog_mode();
}

/* Pastes are marked by the terminal, where it can. */
static void
draw_paste(bool on)
{
	fputs(on ? "\033[?2004h" : "\033[?2004l", stdout);
	fflush(stdout);
}

/* Pastes, and keys that nearly all terminals send like this, also where their
 * description lacks them. */
static void
draw_keys(void)
{
	static const struct {
		const char *bytes;
		int key;
	} list[] = {
	    {"\033[200~", DRAW_PASTE},
	    {"\033[201~", DRAW_PASTE_END},
	    {"\033[3~", KEY_DC},
	    {"\033[5~", KEY_PPAGE},
	    {"\033[6~", KEY_NPAGE},
	    {"\033[1~", KEY_HOME},
	    {"\033[4~", KEY_END},
	    {"\033[H", KEY_HOME},
	    {"\033[F", KEY_END},
	    {"\033[Z", KEY_BTAB},
	};
	size_t i;

	for (i = 0; i < sizeof list / sizeof list[0]; i++)
		define_key(list[i].bytes, list[i].key);
}

int
draw_open(struct err *e)
{
	if (draw.term != NULL) {
		draw_paste(true);
		draw_redo();
		return 0;
	}
	fflush(stdout);
	if (text_is_dumb() ||
	    (draw.term = newterm(NULL, stdout, stdin)) == NULL)
		return err_set(e, ERR_REFUSED,
		    "this terminal has no full screen (TERM=%.40s)",
		    getenv("TERM") != NULL ? getenv("TERM") : "");
	set_escdelay(DRAW_ESCAPE);
	draw.utf8 = !text_is_foreign();
	draw_modes();
	draw_colours();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	draw_keys();
	draw_paste(true);
	return 0;
}

void
draw_close(void)
{
	if (draw.term == NULL)
		return;
	draw_paste(false);
	curs_set(1);
	endwin();
}

void
draw_redo(void)
{
	draw_resize();
	clearok(stdscr, TRUE);
	refresh();
}

void
draw_resize(void)
{
	unsigned rows = text_terminal_rows(STDOUT_FILENO);
	unsigned cols = text_terminal(STDOUT_FILENO);

	if (rows != 0 && cols != 0 &&
	    (rows != draw_rows() || cols != draw_cols()))
		resizeterm((int)rows, (int)cols);
}

unsigned
draw_rows(void)
{
	return (unsigned)getmaxy(stdscr);
}

unsigned
draw_cols(void)
{
	return (unsigned)getmaxx(stdscr);
}

/* ---- keys --------------------------------------------------------------- */

/* A key of ncurses that is no character. */
static int
draw_special(wint_t key)
{
	static const struct {
		wint_t key;
		int press;
	} list[] = {
	    {KEY_UP, PRESS_UP},
	    {KEY_DOWN, PRESS_DOWN},
	    {KEY_LEFT, PRESS_LEFT},
	    {KEY_RIGHT, PRESS_RIGHT},
	    {KEY_PPAGE, PRESS_PAGE_UP},
	    {KEY_NPAGE, PRESS_PAGE_DOWN},
	    {KEY_HOME, PRESS_HOME},
	    {KEY_END, PRESS_END},
	    {KEY_DC, PRESS_DELETE},
	    {KEY_BTAB, PRESS_BACK_TAB},
	    {KEY_F(1), PRESS_F1},
	    {KEY_BACKSPACE, PRESS_ERASE},
	    {KEY_ENTER, PRESS_ENTER},
	    {DRAW_PASTE, PRESS_PASTE},
	    {DRAW_PASTE_END, PRESS_PASTE_END},
	};
	size_t i;

	for (i = 0; i < sizeof list / sizeof list[0]; i++) {
		if (list[i].key == key)
			return list[i].press;
	}
	return -1;
}

/* A key that the terminal's description does not know: none of its bytes is
 * one that somebody pressed. */
static void
draw_swallow(wint_t first)
{
	wint_t key;

	do {
		if (wget_wch(stdscr, &key) != OK)
			break;
	} while (first == L'[' && (key < 0x40 || key > 0x7e));
}

/* An escape alone, or the beginning of a key that is unknown. */
static bool
draw_is_escape(void)
{
	wint_t key;
	int r = wget_wch(stdscr, &key);

	if (r == OK && (key == L'[' || key == L'O')) {
		draw_swallow(key);
		return false;
	}
	if (r == OK)
		unget_wch((wchar_t)key);
	else if (r == KEY_CODE_YES)
		ungetch((int)key);
	return true;
}

int
draw_press(void)
{
	wint_t key;
	int r;

	for (;;) {
		if ((r = wget_wch(stdscr, &key)) == ERR)
			return PRESS_NONE;
		if (r != KEY_CODE_YES && key == PRESS_ESCAPE &&
		    !draw_is_escape())
			continue;
		if (r != KEY_CODE_YES)
			return key == '\n' ? PRESS_ENTER : (int)key;
		if ((r = draw_special(key)) >= 0)
			return r;
	}
}

/* ---- the picture -------------------------------------------------------- */

void
draw_begin(void)
{
	erase();
	draw.cursor = false;
}

bool
draw_end(void)
{
	struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

	if (poll(&p, 1, 0) == 0)
		return false; /* the terminal does not read: skip the frame */
	curs_set(draw.cursor ? 1 : 0);
	if (draw.cursor)
		move((int)draw.cursor_row, (int)draw.cursor_col);
	else
		move((int)draw_rows() - 1, (int)draw_cols() - 1);
	refresh();
	return true;
}

/* What a tone looks like here. */
static attr_t
draw_attributes(enum tone tone)
{
	switch (tone) {
	case TONE_HEAD:
		return A_BOLD;
	case TONE_BAR:
		return A_REVERSE;
	case TONE_BAD:
	case TONE_NOTICE:
		return draw.colours ? COLOR_PAIR(tone) | A_BOLD : A_BOLD;
	case TONE_GOOD:
		return draw.colours ? COLOR_PAIR(tone) : A_NORMAL;
	default:
		return A_NORMAL;
	}
}

void
draw_text(unsigned row, unsigned col, unsigned width, enum tone tone,
    const char *utf8)
{
	size_t n = strlen(utf8);
	struct buf safe = BUF_INIT, fit = BUF_INIT, plain = BUF_INIT;
	char *at = buf_reserve(&safe, 4 * n + 1);

	if (at == NULL || row >= draw_rows() || col >= draw_cols())
		goto out;
	if (width > draw_cols() - col)
		width = draw_cols() - col;
	safe.len = str_escape(at, 4 * n + 1, utf8, n);
	buf_str(&fit, "");
	text_fit(&fit, safe.data, width);
	text_pad(&fit, width - text_width(fit.data));
	attrset(draw_attributes(tone));
	if (!draw.utf8)
		text_plain(&plain, fit.data, fit.len);
	mvaddstr((int)row, (int)col, draw.utf8 ? fit.data : plain.data);
	attrset(A_NORMAL);
out:
	buf_fini(&safe);
	buf_fini(&fit);
	buf_fini(&plain);
}

bool
draw_is_utf8(void)
{
	return draw.utf8;
}

/* A piece of a line, in what the terminal has. */
static const char *
draw_piece(const char *utf8, const char *ascii)
{
	return draw.utf8 ? utf8 : ascii;
}

void
draw_line(unsigned row, unsigned col, unsigned width)
{
	const char *piece = draw_piece("\xe2\x94\x80", "-");

	if (row >= draw_rows())
		return;
	for (; width > 0 && col < draw_cols(); width--)
		mvaddstr((int)row, (int)col++, piece);
}

/* One of the two sides of a box. */
static void
draw_sides(const struct area *a, unsigned row)
{
	const char *piece = draw_piece("\xe2\x94\x82", "|");

	draw_text(row, a->col, a->cols, TONE_PLAIN, "");
	mvaddstr((int)row, (int)a->col, piece);
	mvaddstr((int)row, (int)(a->col + a->cols - 1), piece);
}

/* The upper or the lower end of a box. */
static void
draw_edge(
    const struct area *a, unsigned row, const char *left, const char *right)
{
	draw_line(row, a->col, a->cols);
	mvaddstr((int)row, (int)a->col, draw_piece(left, "+"));
	mvaddstr((int)row, (int)(a->col + a->cols - 1), draw_piece(right, "+"));
}

struct area
draw_box(const char *title, unsigned rows, unsigned cols)
{
	struct area a = {.rows = rows + 2, .cols = cols + 4};
	unsigned row, width;

	if (a.rows > draw_rows())
		a.rows = draw_rows();
	if (a.cols > draw_cols())
		a.cols = draw_cols();
	a.row = (draw_rows() - a.rows) / 2;
	a.col = (draw_cols() - a.cols) / 2;
	for (row = a.row + 1; row + 1 < a.row + a.rows; row++)
		draw_sides(&a, row);
	draw_edge(&a, a.row, "\xe2\x94\x8c", "\xe2\x94\x90");
	draw_edge(&a, a.row + a.rows - 1, "\xe2\x94\x94", "\xe2\x94\x98");
	width = text_width(title);
	if (width + 6 > a.cols)
		width = a.cols > 6 ? a.cols - 6 : 0;
	draw_text(a.row, a.col + 2, 1, TONE_PLAIN, " ");
	draw_text(a.row, a.col + 3, width, TONE_HEAD, title);
	draw_text(a.row, a.col + 3 + width, 1, TONE_PLAIN, " ");
	return (struct area){
	    a.row + 1, a.col + 2, a.rows - 2, a.cols > 4 ? a.cols - 4 : 0};
}

void
draw_cursor(unsigned row, unsigned col)
{
	draw.cursor = true;
	draw.cursor_row = row;
	draw.cursor_col = col < draw_cols() ? col : draw_cols() - 1;
}

/* ---- what states mean --------------------------------------------------- */

enum tone
draw_tone_of(const char *state)
{
	static const char *const bad[] = {"down", "outside", "failed", "lost",
	    "full", "backing-off", "away", NULL};
	static const char *const notice[] = {"behind", "copying", "joining",
	    "waiting", "claiming", "starting", "draining", "suspended",
	    "candidate", "apart", "unheard", NULL};
	size_t i;

	for (i = 0; bad[i] != NULL; i++) {
		if (str_equal(bad[i], state))
			return TONE_BAD;
	}
	for (i = 0; notice[i] != NULL; i++) {
		if (str_equal(notice[i], state))
			return TONE_NOTICE;
	}
	return TONE_PLAIN;
}

const char *
draw_mark(enum tone tone)
{
	return tone == TONE_BAD || tone == TONE_NOTICE ? "!" : " ";
}
