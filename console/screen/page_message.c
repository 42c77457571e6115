/*
 * A message of a recorded call: its fields, its bytes, what differs from
 * another. All messages of the call are asked for once, so that the next one
 * is there at once.
 */
#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "daemon/base/mem.h"

#define MESSAGE_OP "show call messages"

struct message_shown {
	struct page page;
	struct watch *watch;
	unsigned seen;
	json_t *rows; /* of the answer that the list was made of */
	struct message *list;
	char **bytes; /* the list points into */
	size_t n, at, against;
	json_t *row, *other; /* what is looked for among the rows */
	enum message_tab tab;
	struct scroll scroll;
	unsigned width; /* the text is made for; 0: it must be made */
};

/* ---- what came ---------------------------------------------------------- */

static void
message_forget(struct message_shown *m)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		message_fini(&m->list[i]);
		free(m->bytes[i]);
	}
	free(m->list);
	free(m->bytes);
	json_decref(m->rows);
	m->list = NULL;
	m->bytes = NULL;
	m->rows = NULL;
	m->n = 0;
}

/* A message that cannot be read is there all the same, with no bytes. */
static void
message_add(struct message_shown *m, json_t *row)
{
	struct message *new = &m->list[m->n];
	size_t n;
	char *bytes = xunb64(op_row_text(row, "bytes"), &n);

	if (message_decode(new, bytes, n) != 0)
		message_decode(new, "", 0);
	new->source = op_row_text(row, "source");
	new->target = op_row_text(row, "target");
	m->bytes[m->n++] = bytes;
}

/* The message of a row; none when it is not among those that came. */
static size_t
message_place(const struct message_shown *m, json_t *row)
{
	size_t i;

	for (i = 0; row != NULL && i < m->n; i++) {
		if (flow_is_same(json_array_get(m->rows, i), row))
			return i;
	}
	return MESSAGE_NONE;
}

/* Show that one; it is compared with what was marked, else with its like. */
static void
message_go(struct message_shown *m, size_t at)
{
	if (at >= m->n)
		return;
	m->at = at;
	m->against = message_place(m, m->other);
	if (m->against == MESSAGE_NONE || m->against == at)
		m->against = message_twin_of(m->list, m->n, at);
	json_decref(m->row);
	m->row = json_incref(json_array_get(m->rows, at));
	m->scroll.top = 0;
	m->width = 0;
}

static void
message_look(struct message_shown *m)
{
	json_t *rows = watch_rows(m->watch), *row;
	size_t n = json_array_size(rows), i;

	if (m->seen == m->watch->seen)
		return;
	m->seen = m->watch->seen;
	message_forget(m);
	m->rows = json_incref(rows);
	m->list = xcalloc(n + 1, sizeof *m->list);
	m->bytes = xcalloc(n + 1, sizeof *m->bytes);
	json_array_foreach (rows, i, row)
		message_add(m, row);
	i = message_place(m, m->row);
	message_go(m, i != MESSAGE_NONE ? i : 0);
}

/* ---- what is seen ------------------------------------------------------- */

/* "101 > sg/1  udp  +0.012  863 B", "message 3/22" */
static void
message_draw_head(struct message_shown *m, struct area *a)
{
	json_t *row = json_array_get(m->rows, m->at);
	struct buf left = BUF_INIT, right = BUF_INIT;

	buf_fmt(&left, "%s > %s  %s  %s  %zu B", op_row_text(row, "source"),
	    op_row_text(row, "target"), op_row_text(row, "transport"),
	    op_row_text(row, "at"), m->list[m->at].all.n);
	if (json_is_true(json_object_get(row, "masked")))
		buf_str(&left, "  masked");
	scroll_say(&m->scroll, &right);
	buf_fmt(&right, "%smessage %zu/%zu", right.len != 0 ? "  " : "",
	    m->at + 1, m->n);
	*a = page_head(a, left.data, right.data);
	buf_fini(&left);
	buf_fini(&right);
}

static void
message_draw_tabs(const struct message_shown *m, const struct area *a)
{
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < MESSAGE_TABS; i++)
		buf_fmt(&b, i == m->tab ? " [%zu %s]" : "  %zu %s ", i + 1,
		    message_tab_names[i]);
	draw_text(a->row, a->col, a->cols, TONE_HEAD, b.data);
	buf_fini(&b);
}

static void
message_draw(struct page *p, const struct area *a)
{
	struct message_shown *m = (struct message_shown *)p;
	struct area in = {a->row + 1, a->col, a->rows - 1, a->cols};
	struct buf text = BUF_INIT;
	enum tone tone;
	const char *why;

	message_look(m);
	message_draw_tabs(m, a);
	if (m->n == 0) {
		in = page_head(&in, "", "");
		why = watch_why(m->watch, &tone);
		draw_text(in.row + 1, in.col + 3, in.cols - 3, tone,
		    why != NULL ? why : "(none)");
		return;
	}
	if (m->width != a->cols - 2) {
		m->width = a->cols - 2;
		message_view_put(
		    m->list, m->at, m->tab, m->against, m->width, &text);
		scroll_set(&m->scroll, buf_take(&text));
	}
	scroll_fit(&m->scroll, m->width, in.rows > 2 ? in.rows - 2 : 0);
	message_draw_head(m, &in);
	scroll_draw(&m->scroll, &in,
	    m->tab == MESSAGE_PARSED || m->tab == MESSAGE_DIFF
		? message_view_tone
		: NULL);
}

/* ---- the page ----------------------------------------------------------- */

static void
message_open_tab(struct message_shown *m, size_t tab)
{
	if (tab >= MESSAGE_TABS)
		return;
	m->tab = (enum message_tab)tab;
	m->scroll.top = 0;
	m->width = 0;
}

static bool
message_act(struct page *p, const struct key *k)
{
	struct message_shown *m = (struct message_shown *)p;

	switch (k->act) {
	case ACT_NEXT:
		message_go(m, m->at + 1);
		return true;
	case ACT_BEFORE:
		message_go(m, m->at - 1);
		return true;
	case ACT_TAB:
		message_open_tab(m, (m->tab + 1) % MESSAGE_TABS);
		return true;
	case ACT_TAB_BACK:
		message_open_tab(m, (m->tab + MESSAGE_TABS - 1) % MESSAGE_TABS);
		return true;
	case ACT_TAB_NUMBER:
		message_open_tab(m, (size_t)(k->press - '1'));
		return true;
	case ACT_REDRAW:
		watch_ask(m->watch);
		return true;
	default:
		return scroll_act(&m->scroll, k);
	}
}

static void
message_free(struct page *p)
{
	struct message_shown *m = (struct message_shown *)p;

	watch_free(&m->watch);
	message_forget(m);
	scroll_fini(&m->scroll);
	json_decref(m->row);
	json_decref(m->other);
	free(m);
}

static const struct page_ops message_ops = {
    .draw = message_draw, .act = message_act, .free = message_free};

struct page *
message_page(struct screen *s, const char *id, json_t *row, json_t *other,
    enum message_tab tab)
{
	struct message_shown *m = xcalloc(1, sizeof *m);

	m->page.ops = &message_ops;
	m->page.where = KEY_TEXT | KEY_TABS | KEY_MESSAGE;
	m->page.s = s;
	snprintf(
	    m->page.name, sizeof m->page.name, "Trace > %.8s > message", id);
	m->row = json_incref(row);
	m->other = json_incref(other);
	m->tab = tab;
	m->watch = watch_new(s, MESSAGE_OP,
	    json_pack("{s:s, s:s}", "id", id, "bytes", "yes"), 0);
	return &m->page;
}
