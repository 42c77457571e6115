/*
 * A recorded call: who says what to whom. Of a call that goes on its messages
 * are asked for again and again; the cursor stays on its message.
 */
#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define LADDER_OP "show call ladder"
#define LADDER_PERIOD (2 * CLOCK_SEC)
#define LADDER_NOTES 3 /* lines of them */

struct ladder {
	struct page page;
	struct flow flow;
	struct watch *watch;
	char id[OBJ_KEY];
	unsigned seen;
	unsigned rows; /* in sight */
};

/* ---- which rows are calls ---------------------------------------------------
 */

bool
ladder_shows(const struct screen *s, const struct op *op)
{
	return op == op_find(&s->session->table, LADDER_OP);
}

bool
ladder_is_of(const struct screen *s, const struct op *op)
{
	return op_find(&s->session->table, LADDER_OP) != NULL &&
	    op->cols != NULL && op_field_find(op->cols, "id") != NULL &&
	    op_field_find(op->cols, "from") != NULL &&
	    op_field_find(op->cols, "to") != NULL;
}

/* Something that the call has only when it has ended. */
static bool
ladder_is_over(json_t *row)
{
	return json_is_string(json_object_get(row, "end")) ||
	    json_is_integer(json_object_get(row, "code"));
}

void
ladder_open_row(struct screen *s, struct page *list)
{
	struct grid *g = list->ops->grid != NULL ? list->ops->grid(list) : NULL;
	json_t *row = g != NULL ? grid_current(g) : NULL;
	const char *id = row != NULL ? op_row_text(row, "id") : "";

	if (op_find(&s->session->table, LADDER_OP) == NULL)
		page_note(s, TONE_PLAIN, "the server has no: %s", LADDER_OP);
	else if (id[0] != '\0')
		page_push(s, ladder_page(s, id, ladder_is_over(row)));
}

/* ---- what is seen ------------------------------------------------------- */

static void
ladder_look(struct ladder *l)
{
	if (l->seen == l->watch->seen)
		return;
	l->seen = l->watch->seen;
	flow_take(&l->flow, watch_rows(l->watch));
}

/* "22 messages  3 masked  columns 1-4 of 6" */
static void
ladder_say(const struct ladder *l, const struct flow_view *v, struct buf *b)
{
	const struct flow *f = &l->flow;
	size_t all = json_array_size(f->rows), masked = 0, i;
	json_t *row;

	json_array_foreach (f->rows, i, row)
		masked += json_is_true(json_object_get(row, "masked"));
	if (l->watch->err.code != ERR_NONE && all != 0)
		buf_str(b, "! OLD  "); /* the last answer was none */
	if (v->shown < f->ncols)
		buf_fmt(b, "columns %zu-%zu of %zu  ", f->left + 1,
		    f->left + v->shown, f->ncols);
	if (masked != 0)
		buf_fmt(b, "%zu masked  ", masked);
	buf_fmt(b, "%zu message%s", all, all == 1 ? "" : "s");
}

/* Clocks that are wrong, servers that did not answer. Returns the lines. */
static unsigned
ladder_draw_notes(const struct ladder *l, const struct area *a)
{
	json_t *warn = json_object_get(l->watch->result, "warn"), *words;
	size_t n = json_array_size(warn), i;
	struct buf b = BUF_INIT;
	unsigned lines = n < LADDER_NOTES ? (unsigned)n : LADDER_NOTES;

	if (lines * 2 > a->rows)
		lines = a->rows / 2;
	json_array_foreach (warn, i, words) {
		if (i == lines)
			break;
		buf_reset(&b);
		buf_fmt(&b, "! %s",
		    json_is_string(words) ? json_string_value(words) : "");
		if (i + 1 == lines && n > lines)
			buf_fmt(&b, " (and %zu more)", n - lines);
		draw_text(a->row + a->rows - lines + (unsigned)i, a->col + 1,
		    a->cols - 2, TONE_NOTICE, b.data);
	}
	buf_fini(&b);
	return lines;
}

static void
ladder_draw_steps(
    struct ladder *l, const struct flow_view *v, const struct area *a)
{
	const struct flow *f = &l->flow;
	struct buf b = BUF_INIT;
	unsigned row;
	bool here;
	size_t at;

	for (row = 0; row < v->titles && row < a->rows; row++) {
		buf_reset(&b);
		flow_put_titles(f, v, row, &b);
		draw_text(a->row + row, a->col, a->cols, TONE_HEAD, b.data);
	}
	for (at = f->top; at < f->n && row < a->rows; at++, row++) {
		here = at == f->cursor;
		buf_reset(&b);
		flow_put_step(f, v, &f->step[at], &b);
		b.data[0] = flow_is_marked(f, &f->step[at]) ? '*'
		    : here				    ? '>'
							    : ' ';
		draw_text(a->row + row, a->col, a->cols,
		    here ? TONE_BAR : TONE_PLAIN, b.data);
	}
	buf_fini(&b);
}

static void
ladder_draw(struct page *p, const struct area *a)
{
	struct ladder *l = (struct ladder *)p;
	struct buf left = BUF_INIT, right = BUF_INIT;
	struct flow_view v;
	enum tone tone;
	const char *why;
	struct area in;

	ladder_look(l);
	flow_layout(&l->flow, a->cols, draw_is_utf8(), &v);
	flow_put_legs(&l->flow, &left);
	ladder_say(l, &v, &right);
	in = page_head(a, left.data, right.data);
	in.rows -= ladder_draw_notes(l, &in);
	l->rows = in.rows > v.titles ? in.rows - v.titles : 1;
	flow_move(&l->flow, 0, l->rows);
	if (l->flow.n != 0) {
		ladder_draw_steps(l, &v, &in);
	} else {
		why = watch_why(l->watch, &tone);
		draw_text(in.row + 1, in.col + 3, in.cols - 3, tone,
		    why != NULL ? why
				: "no message of it is recorded any more");
	}
	buf_fini(&left);
	buf_fini(&right);
}

/* ---- the page ----------------------------------------------------------- */

/* The message under the cursor; the marked one is what it is compared with. */
static void
ladder_open_message(struct ladder *l, enum message_tab tab)
{
	const struct flow_step *s = flow_current(&l->flow);

	if (s != NULL)
		page_push(l->page.s,
		    message_page(l->page.s, l->id, s->row, l->flow.mark, tab));
}

/* The first is marked; with the second it is compared. */
static void
ladder_mark(struct ladder *l)
{
	const struct flow_step *s = flow_current(&l->flow);

	if (s != NULL && l->flow.mark != NULL && !flow_is_marked(&l->flow, s))
		ladder_open_message(l, MESSAGE_DIFF);
	else
		flow_mark(&l->flow);
}

static bool
ladder_moves(struct ladder *l, const struct key *k)
{
	struct flow *f = &l->flow;
	long page = l->rows > 1 ? (long)l->rows - 1 : 1, all = (long)f->n;

	switch (k->act) {
	case ACT_UP:
	case ACT_DOWN:
		flow_move(f, k->act == ACT_UP ? -1 : 1, l->rows);
		return true;
	case ACT_PAGE_UP:
	case ACT_PAGE_DOWN:
		flow_move(f, k->act == ACT_PAGE_UP ? -page : page, l->rows);
		return true;
	case ACT_FIRST:
	case ACT_LAST:
		flow_move(f, k->act == ACT_FIRST ? -all : all, l->rows);
		return true;
	case ACT_LEFT:
		f->left -= f->left > 0;
		return true;
	case ACT_RIGHT:
		f->left++; /* as far as there are columns: flow_layout */
		return true;
	default:
		return false;
	}
}

static bool
ladder_act(struct page *p, const struct key *k)
{
	struct ladder *l = (struct ladder *)p;

	switch (k->act) {
	case ACT_ENTER:
		ladder_open_message(l, MESSAGE_PARSED);
		return true;
	case ACT_MARK:
		ladder_mark(l);
		return true;
	case ACT_FOLD:
		flow_fold(&l->flow, !l->flow.fold);
		return true;
	case ACT_LEGS:
		flow_next_leg(&l->flow);
		return true;
	case ACT_REDRAW:
		watch_ask(l->watch);
		return true;
	default:
		return ladder_moves(l, k);
	}
}

static void
ladder_tick(struct page *p)
{
	watch_tick(((struct ladder *)p)->watch);
}

static void
ladder_page_free(struct page *p)
{
	struct ladder *l = (struct ladder *)p;

	watch_free(&l->watch);
	flow_fini(&l->flow);
	free(l);
}

static const struct page_ops ladder_ops = {.draw = ladder_draw,
    .act = ladder_act,
    .tick = ladder_tick,
    .free = ladder_page_free};

struct page *
ladder_page(struct screen *s, const char *id, bool over)
{
	struct ladder *l = xcalloc(1, sizeof *l);

	l->page.ops = &ladder_ops;
	l->page.where = KEY_LADDER;
	l->page.s = s;
	snprintf(l->page.name, sizeof l->page.name, "Trace > %.8s", id);
	str_copy(l->id, sizeof l->id, id);
	flow_init(&l->flow);
	l->watch = watch_new(s, LADDER_OP, json_pack("{s:s}", "id", id),
	    over ? 0 : LADDER_PERIOD);
	return &l->page;
}
