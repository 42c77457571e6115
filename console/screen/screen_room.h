#ifndef CONSOLE_SCREEN_SCREEN_ROOM_H
#define CONSOLE_SCREEN_SCREEN_ROOM_H

#include "screen.h"

/*
 * What the files of the full screen share. From below:
 *   layout, grid, entry, key, form_value, flow, message_view
 *                              pure: no terminal, no server
 *   draw                       the terminal, by ncurses; nobody else has it
 *   scroll                     lines of which some are in sight
 *   watch, page                operations asked again and again; the stack
 *                              of pages
 *   page_*, box, menu          what is seen
 *   object                     a page of lists
 *   run, change, action, line  what is done
 *   screen                     the loop, and which key does what
 */

/* ---- layout.c: widths of columns, place in a list ----------------------- */

#define LAYOUT_GAP 2 /* columns of the terminal between two cells */

struct layout_col {
	unsigned natural; /* as wide as its widest cell */
	unsigned least;	  /* as narrow as it can still be read */
};
/* How many of the first columns a width holds, and how wide each is: what is
 * too wide gives way first. One is always shown. */
size_t layout_fit(
    const struct layout_col *, size_t n, unsigned width, unsigned *out);
/* The cursor among n rows, moved and kept in sight: top is the first of the
 * height (0 = not known) rows that are. */
void layout_move(
    size_t *cursor, size_t *top, size_t n, long by, unsigned height);

/* ---- grid.c: rows of a reply, filtered and in order --------------------- */

#define GRID_COLS 64
#define GRID_AS_CAME SIZE_MAX

struct grid {
	const struct op_field *cols[GRID_COLS];
	size_t ncols;
	bool hidden[GRID_COLS];
	size_t left;   /* columns scrolled out behind the first */
	json_t *rows;  /* all that came */
	size_t *order; /* rows that pass the filter, in their order */
	size_t n;
	char filter[256];
	size_t sort; /* a column, or GRID_AS_CAME */
	bool reverse;
	size_t keys[GRID_COLS], nkeys; /* columns that tell rows apart */
	json_t *marks;		       /* keys of the rows that are marked */
	size_t cursor, top;	       /* in the order */
	unsigned wide[GRID_COLS];      /* widest cell seen */
};

void grid_init(struct grid *);
void grid_fini(struct grid *);
/* Name the columns; details are hidden. The fields are borrowed. */
void grid_columns(struct grid *, const struct op_field *const *, size_t n);
/* Other rows: the cursor stays on its row, marks on theirs. */
void grid_take(struct grid *, json_t *rows);
/* Filter and sort anew, the cursor stays on its row. */
void grid_arrange(struct grid *);
json_t *grid_row(const struct grid *, size_t at); /* borrowed; NULL: none */
json_t *grid_current(const struct grid *);
/* Move by so many rows, and see to it that the cursor is in sight. */
void grid_move(struct grid *, long by, unsigned height);
void grid_sort_next(struct grid *, int by); /* the column beside; none */
void grid_mark(struct grid *);		    /* or unmark the row */
bool grid_marked(const struct grid *, json_t *row);
size_t grid_count_marks(const struct grid *); /* of rows that are there */
/* Does this row pass: a part of its text, without case; "!x": not. */
bool grid_passes(const struct grid *, json_t *row, const char *filter);
void grid_cell(const struct grid *, json_t *row, size_t col, struct buf *);
/* Columns to show in a width, their widths; also how many are left out. */
size_t grid_layout(struct grid *, unsigned width, unsigned height,
    size_t cols[GRID_COLS], unsigned widths[GRID_COLS], size_t *out);

/* ---- entry.c: a line that is typed -------------------------------------- */

#define ENTRY_MAX 1000 /* characters */

struct entry {
	wchar_t text[ENTRY_MAX + 1];
	size_t n, at;
};
void entry_set(struct entry *, const char *utf8);
char *entry_text(const struct entry *);	  /* to be freed */
char *entry_before(const struct entry *); /* up to the cursor; to be freed */
/* True when the key was one of editing. */
bool entry_press(struct entry *, int press);
/* What is seen of it in a width, and where the cursor stands; a mask in place
 * of every character where one is given. */
void entry_show(const struct entry *, unsigned width, char mask, struct buf *,
    unsigned *cursor);

/* ---- form_value.c: values of a form -------------------------------------- */

/* Shown as "set" only: a secret, or a text of many lines. */
bool form_value_is_opaque(const struct op_field *);
/* Is there a list to choose from? */
bool form_value_has_choices(const struct op_field *);
/* What a walk has read, members of a list joined; to be freed, NULL: none. */
char *form_value_text(json_t *);
/* A value as it is typed behind its name; members of a list in brackets. */
void form_value_put(const struct op_field *, const char *value, struct buf *);

/* ---- key.c: which key does what ----------------------------------------- */

/* Keys that are no character, above all of Unicode. */
enum press {
	PRESS_NONE = 0x200000,
	PRESS_UP,
	PRESS_DOWN,
	PRESS_LEFT,
	PRESS_RIGHT,
	PRESS_PAGE_UP,
	PRESS_PAGE_DOWN,
	PRESS_HOME,
	PRESS_END,
	PRESS_DELETE,
	PRESS_BACK_TAB,
	PRESS_F1,
	PRESS_PASTE,	/* what follows was pasted ... */
	PRESS_PASTE_END /* ... up to here */
};
#define PRESS_CTRL(c) ((c)&0x1f)
#define PRESS_ESCAPE 0x1b
#define PRESS_ENTER '\r'
#define PRESS_ERASE 0x7f

enum act {
	ACT_NONE,
	ACT_HELP,
	ACT_LINE,
	ACT_PALETTE,
	ACT_FILTER,
	ACT_OPEN, /* the list of the key's operation */
	ACT_OVERVIEW,
	ACT_DOMAINS,
	ACT_SITE,
	ACT_UP,
	ACT_DOWN,
	ACT_LEFT,
	ACT_RIGHT,
	ACT_PAGE_UP,
	ACT_PAGE_DOWN,
	ACT_FIRST,
	ACT_LAST,
	ACT_ENTER,
	ACT_BACK,
	ACT_SWAP,
	ACT_MARK,
	ACT_NEXT_PART,
	ACT_PART_BEFORE,
	ACT_FURTHER,
	ACT_NEARER,
	ACT_LADDER,
	ACT_FOLD,
	ACT_LEGS,
	ACT_NEXT,
	ACT_BEFORE,
	ACT_FREEZE,
	ACT_SORT,
	ACT_SORT_BACK,
	ACT_REVERSE,
	ACT_COLUMNS,
	ACT_ACTIONS,
	ACT_NEW,
	ACT_EDIT,
	ACT_DELETE,
	ACT_COMPARE,
	ACT_CHECK,
	ACT_COMMIT,
	ACT_CONFIRMED,
	ACT_DISCARD,
	ACT_TAB,
	ACT_TAB_BACK,
	ACT_TAB_NUMBER,
	ACT_PROMPT,
	ACT_REDRAW
};

/* Where a key works. */
#define KEY_LIST 0x01	  /* rows with a cursor */
#define KEY_OBJECTS 0x02  /* rows that are configured objects */
#define KEY_TABS 0x04	  /* a page of several lists */
#define KEY_TEXT 0x08	  /* a text that scrolls */
#define KEY_OVERVIEW 0x10 /* the first page */
#define KEY_CALLS 0x20	  /* rows that are calls */
#define KEY_SEARCH 0x40	  /* rows that the server looks for */
#define KEY_ANYWHERE 0x80
#define KEY_LADDER 0x100  /* the messages of a call */
#define KEY_MESSAGE 0x200 /* one of them */

struct key {
	int press;
	const char *shown; /* as help names it; NULL: a second name */
	enum act act;
	unsigned where;
	const char *brief; /* no full stop */
	const char *foot;  /* a word for the last line; NULL: not there */
	const char *op;	   /* of ACT_OPEN */
};
/* Ends with a press of 0. Of two keys for one press the first counts: what a
 * page has of its own stands in front. */
extern const struct key key_table[];
/* The key that works there, or NULL. */
const struct key *key_find(int press, unsigned where);
/* What `?` shows of them. */
void key_help(unsigned where, struct buf *);
/* The last line, as many words as fit; an operation that the table lacks is
 * left out. */
void key_foot(
    unsigned where, const struct op_table *, unsigned width, struct buf *);

/* ---- draw.c: the terminal ----------------------------------------------- */

enum tone {
	TONE_PLAIN,
	TONE_HEAD,   /* headings: bold */
	TONE_BAR,    /* title and cursor: reverse */
	TONE_BAD,    /* red where there are colours; always beside a word */
	TONE_NOTICE, /* magenta */
	TONE_GOOD    /* green */
};

struct area {
	unsigned row, col, rows, cols;
};

int draw_open(struct err *); /* also once more; remembers the terminal */
void draw_close(void);	     /* the terminal as it was */
void draw_redo(void);	     /* everything is written anew */
/* The size has changed, or may have. */
void draw_resize(void);
unsigned draw_rows(void);
unsigned draw_cols(void);
/* The next key, PRESS_NONE when there is none. */
int draw_press(void);
void draw_begin(void);
/* Write what has changed; false when the terminal takes nothing now. */
bool draw_end(void);
/* A text, made safe, cut and padded to a width. */
void draw_text(
    unsigned row, unsigned col, unsigned width, enum tone, const char *utf8);
void draw_line(unsigned row, unsigned col, unsigned width);
bool draw_is_utf8(void); /* does the terminal show it? */
/* An empty box with a title, in the middle of the screen; its inside. */
struct area draw_box(const char *title, unsigned rows, unsigned cols);
/* Where the terminal's cursor stands at the end; else it is hidden. */
void draw_cursor(unsigned row, unsigned col);
/* What a word of a state means: bad, worth a notice, or plain. */
enum tone draw_tone_of(const char *state);
const char *draw_mark(enum tone); /* "!", or a space */

/* ---- page.c: the stack of pages ----------------------------------------- */

struct screen;
struct page;

struct page_ops {
	bool box;	  /* what is below stays in sight */
	const char *foot; /* the last line, where the table has none */
	void (*draw)(struct page *, const struct area *);
	/* A key before the table is asked; false: not taken. May be NULL. */
	bool (*press)(struct page *, int press);
	/* What a key of the table means; false: nothing here. */
	bool (*act)(struct page *, const struct key *);
	void (*tick)(struct page *); /* once a second while it is in view */
	void (*bind)(struct page *); /* the server's tables are others now */
	/* Lists: the rows, the arguments they were asked with, the object of
	 * the row or, with kind, the kind (nkeys one short). */
	struct grid *(*grid)(struct page *);
	json_t *(*params)(struct page *);
	bool (*path)(struct page *, bool kind, struct obj_path *);
	void (*free)(struct page *);
};

struct page {
	const struct page_ops *ops;
	struct screen *s;
	struct page *below;
	unsigned where; /* KEY_* */
	char name[160]; /* in the title */
	bool typing;	/* characters are text now, also pasted ones */
};

struct watch;

#define SCREEN_PRESSES 2048

struct screen {
	struct session *session;
	struct page *top;
	struct watch *alarms, *changes;
	int presses[SCREEN_PRESSES]; /* typed and not yet taken */
	size_t npresses;
	struct loop_timer *timer;
	struct loop_fd *in;
	struct loop_signal *winch, *cont, *tstp, *term, *hup;
	/* The prompt's ear for words of others, while it is not there. */
	void (*prompt_message)(void *arg, const char *line);
	void *prompt_arg;
	bool leave, gone, resized, stopped, ticked;
	unsigned pasting; /* 0: keys are keys */
	bool away;	  /* there is no server */
	unsigned waited;  /* seconds that an answer is awaited; 0: none is */
	char note[256];
	enum tone note_tone;
};

/* Put it on top; the stack owns it. */
void page_push(struct screen *, struct page *);
void page_pop(struct screen *);
/* The page whose lists, keys and objects count: boxes passed over. */
struct page *page_under(struct screen *);
void page_swap(struct screen *); /* the one below comes to the top */
/* Take all away but the first; but the first and the last. */
void page_home(struct screen *);
void page_keep(struct screen *);
void page_bind(struct screen *); /* other tables, for all pages */
/* Words in the line above the keys, until the next key. */
void page_note(struct screen *, enum tone, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool page_act(struct page *, const struct key *);
/* The candidate may be another. */
void page_changed(struct screen *);
/* The line of a page below the title, and the rule below that; what is left
 * of the area. */
struct area page_head(const struct area *, const char *left, const char *right);

/* ---- scroll.c: lines of which some are in sight ------------------------- */

struct scroll {
	char *text;
	char *wrapped; /* the same in lines of the width */
	unsigned width;
	size_t lines, top;
	unsigned rows; /* in sight, when it was fitted last */
};
void scroll_fini(struct scroll *);
void scroll_set(struct scroll *, char *text); /* taken */
/* To be called before it is told of or drawn. */
void scroll_fit(struct scroll *, unsigned width, unsigned rows);
void scroll_say(const struct scroll *, struct buf *); /* "lines 1-9 of 20" */
/* tone: of a line; NULL: plain. */
void scroll_draw(const struct scroll *, const struct area *,
    enum tone (*tone)(const char *line));
bool scroll_act(struct scroll *, const struct key *);

/* ---- watch.c: an operation that is asked again and again ---------------- */

struct watch {
	struct screen *s;
	char op[96];
	json_t *params;
	json_t *result;	 /* of the last good reply; NULL = none yet */
	struct err err;	 /* of the last reply */
	uint64_t period; /* us; 0 = only when asked */
	uint64_t asked_at;
	bool asked;    /* never two requests at a time */
	bool again;    /* ask once more when the reply is here */
	unsigned seen; /* replies */
};
/* params is taken. */
struct watch *watch_new(
    struct screen *, const char *op, json_t *params, uint64_t period);
void watch_free(struct watch **);
bool watch_known(const struct watch *); /* does the server have it */
void watch_ask(struct watch *);
void watch_tick(struct watch *);	  /* ask when it is time */
json_t *watch_rows(const struct watch *); /* borrowed; may be NULL */
/* Why there is no answer to show, and in which tone; NULL when there is. */
const char *watch_why(const struct watch *, enum tone *);

/* ---- box.c, menu.c ------------------------------------------------------ */

/* Words, and a key to take them away. text is taken. */
void box_words(struct screen *, const char *title, char *text);
/* Words of an error, with what the server says of it beside. */
void box_error(struct screen *, const char *title, const struct report *);
/* A question. word NULL: y or n; "": a line may be typed; else this word has
 * to be typed. text is taken, and arg, which done frees. done gets the line,
 * or NULL when it was given up. */
typedef void box_fn(struct screen *, void *arg, const char *answer);
void box_ask(struct screen *s, const char *title, char *text, const char *word,
    box_fn *fn, void *arg);

struct menu_item {
	char *text, *brief;
	bool mark;
};
/* chosen may be called several times where items are only marked; with
 * item SIZE_MAX at the end. */
typedef void menu_fn(struct screen *, void *arg, size_t item);
struct menu;
struct menu *menu_new(
    struct screen *s, const char *title, menu_fn *fn, void *arg);
void menu_add(struct menu *, const char *text, const char *brief, bool mark);
void menu_show(struct menu *, bool marks); /* takes it */
/* How well letters typed fit a text, in their order; -1: not at all. */
long menu_fit(const char *typed, const char *text);

/* ---- page_*.c ----------------------------------------------------------- */

struct page *overview_new(struct screen *);
/* text is taken. */
struct page *words_new(struct screen *, const char *name, char *text);
/* An operation that reads, asked with these params (taken). */
struct page *list_new(struct screen *, const struct op *, json_t *params);
/* Rows that are there and do not change. */
struct page *list_of(struct screen *, const struct view *);
/* Objects of a kind, as the candidate has them. */
struct page *list_objects(struct screen *, const struct obj_path *kind);
/* May our role see it? */
bool list_objects_may(struct screen *, const struct obj *kind);
/* page_ladder.c: the messages of a recorded call; over: it gets no more. NULL:
 * the server has no such operation, which is said. */
struct page *ladder_page(struct screen *, const char *id, bool over);
/* Are the rows of this operation calls? May it be looked at as a ladder? */
bool ladder_is_of(const struct screen *, const struct op *rows);
bool ladder_shows(const struct screen *, const struct op *);
/* Open that of the row under the cursor. */
void ladder_open_row(struct screen *, struct page *);
/* A grid with a cursor: page_grid.c. A row says in GRID_CHANGE what the
 * candidate does to it. */
#define GRID_CHANGE "!"
void grid_draw(struct grid *, const struct area *);
/* What moves, sorts and marks. */
bool grid_act(struct grid *, const struct key *, unsigned height);
/* All that the row under the cursor has. */
void grid_detail(struct screen *, const struct grid *, const char *name);
/* The fields of an object, to edit it or, with a kind, to make one. */
void form_open(struct screen *, const struct obj_path *);

/* The object that a row is, by the names of its first column and of what it
 * lies in; args: with what the rows were asked. */
bool object_of_row(
    struct screen *, const struct grid *, json_t *args, struct obj_path *);

/* object.c: a page with a tab for each kind below an object; NULL: the site */
struct page *object_new(struct screen *, const struct obj_path *);
bool object_has_tabs(struct screen *, const struct obj_path *);

/* ---- run.c, change.c, action.c, line.c ---------------------------------- */

/* Lines as they are typed: the path of an object, a value behind a name. */
void run_put_path(struct buf *, const struct obj_path *);
/* Run a line, wait for its end; false: the error was shown in a box. The
 * reply is the caller's. */
bool run_line(
    struct screen *, const char *title, const char *line, struct reply *);
/* The same, and show what came: a list, a text, a note. */
void run_show(struct screen *, const char *line);
/* Warnings of a reply, as words. */
void run_warnings(json_t *warn, struct buf *);

bool change_act(struct screen *, const struct key *);
void action_menu(struct screen *);
void line_open(struct screen *, const char *text); /* the line of `:` */
void line_palette(
    struct screen *, void (*go)(struct screen *, const struct key *));

#endif
