#ifndef CONSOLE_SCREEN_TRACE_H
#define CONSOLE_SCREEN_TRACE_H

#include "screen_room.h"
#include "console/message/message.h"

/* Recorded calls: what page_ladder.c and page_message.c are made of. */

/* ---- flow.c: the messages of a call as a picture; pure ------------------- */

#define FLOW_COLUMNS 64 /* who takes part, at most */

struct flow_step {
	json_t *row;	/* of its first hop; borrowed */
	size_t message; /* its number in the call, from 1 */
	size_t from, to;
	size_t hops; /* drawn as one */
	bool masked; /* any of them */
};

struct flow {
	json_t *rows; /* of show call ladder, without that of the titles */
	struct flow_step *step;
	size_t n; /* steps that are shown */
	char title[FLOW_COLUMNS][80];
	size_t col[FLOW_COLUMNS], ncols; /* those that have an arrow */
	json_t *legs;			 /* their names, each once */
	size_t leg;			 /* the one that is shown; 0: all */
	bool fold;
	size_t cursor, top, left;
	json_t *mark; /* a row that is marked, or NULL */
};

/* How it is laid out in a width. */
struct flow_view {
	unsigned wide;	 /* from one column to the next */
	size_t shown;	 /* columns */
	unsigned note;	 /* columns of the terminal behind the picture */
	unsigned titles; /* lines */
	const char *bar, *dash;
};

void flow_init(struct flow *);
void flow_fini(struct flow *);
/* Other rows, or a row more: the cursor stays on its message. */
void flow_take(struct flow *, json_t *rows);
void flow_fold(struct flow *, bool fold);
void flow_next_leg(struct flow *);
/* Move by so many steps, and see to it that the cursor is in sight. */
void flow_move(struct flow *, long by, unsigned height);
const struct flow_step *flow_current(const struct flow *); /* or NULL */
/* Mark the current message, or none when it is the marked one. */
void flow_mark(struct flow *);
bool flow_is_marked(const struct flow *, const struct flow_step *);
/* Does the row speak of the same message? */
bool flow_is_same(json_t *row, json_t *other);

void flow_layout(struct flow *, unsigned width, bool utf8, struct flow_view *);
/* A line of headings, of so many as the view says. */
void flow_put_titles(
    const struct flow *, const struct flow_view *, unsigned line, struct buf *);
void flow_put_step(const struct flow *, const struct flow_view *,
    const struct flow_step *, struct buf *);
void flow_put_legs(const struct flow *, struct buf *);

/* ---- message_view.c: a message as lines; pure -----------------------------
 */

enum message_tab {
	MESSAGE_PARSED,
	MESSAGE_RAW,
	MESSAGE_HEX,
	MESSAGE_DIFF,
	MESSAGE_TABS
};
extern const char *const message_tab_names[MESSAGE_TABS];

/* Lines of a tab for a width; against: of the diff, or MESSAGE_NONE. */
void message_view_put(const struct message *list, size_t at, enum message_tab,
    size_t against, unsigned width, struct buf *);
enum tone message_view_tone(const char *line);

/* ---- pages ----------------------------------------------------------------
 */

/* A message of the call, and from there the others; row: that of show call
 * ladder, other: of what it is compared with, or NULL. */
struct page *message_page(struct screen *, const char *id, json_t *row,
    json_t *other, enum message_tab);

#endif
