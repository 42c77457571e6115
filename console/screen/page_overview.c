/*
 * The first page: what the site is and how it stands. It is put together of
 * what the server can answer; a part whose operation it lacks is not shown.
 */
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

enum {
	VIEW_SERVERS,
	VIEW_OWNERSHIP,
	VIEW_ROLES,
	VIEW_REPLICATION,
	VIEW_CALLS,
	VIEW_REGISTRATIONS,
	VIEW_REVISIONS,
	VIEW_MAX
};

static const struct {
	const char *op;
	uint64_t period;
} overview_asks[VIEW_MAX] = {
    {"show servers", CLOCK_SEC},
    {"show ownership", CLOCK_SEC},
    {"show roles", CLOCK_SEC},
    {"show replication", CLOCK_SEC},
    {"show calls", CLOCK_SEC},
    {"show registrations", 5 * CLOCK_SEC},
    {"show revisions", 5 * CLOCK_SEC},
};

/* The table of servers: our own columns over what several operations say. */
static const struct op_field overview_cols[] = {
    {.name = "server", .type = &op_type_text, .brief = "its name"},
    {.name = "state", .type = &op_type_text, .brief = "as the site sees it"},
    {.name = "calls", .type = &op_type_int, .brief = "of its b2bua"},
    {.name = "lag", .type = &op_type_text, .brief = "of its replicas"},
    {.name = "version", .type = &op_type_text, .brief = "of its daemon"},
    {.name = "roles", .type = &op_type_text, .brief = "that are ready"},
    {0},
};

struct overview {
	struct page page;
	struct watch *watch[VIEW_MAX];
	unsigned seen; /* replies that the table was made of */
	struct grid grid;
	unsigned rows;
};

/* ---- the table of servers ----------------------------------------------- */

/* Is "st/1@srv2" an instance of this server? Without a name it is of the only
 * one there is. */
static bool
overview_is_of(const char *instance, const char *server, bool alone)
{
	const char *at = strchr(instance, '@');

	return at != NULL ? strcmp(at + 1, server) == 0 : alone;
}

/* Instances of a role in a list of them, up to a place of it. */
static size_t
overview_count_role(const char *list, const char *end, const char *role)
{
	size_t len = strlen(role), count = 0, n;

	for (; list < end; list += n + strspn(list + n, " ")) {
		n = strcspn(list, " ");
		count += strncmp(list, role, len) == 0 && list[len] == '/';
	}
	return count;
}

/* "sg sr*2 st": the roles of "sg/1 sr/1 sr/2 st/1", how many of each. */
static void
overview_roles(const char *list, struct buf *b)
{
	const char *at, *end = list + strlen(list);
	char name[32];
	size_t n, count;

	buf_str(b, "");
	for (at = list; *at != '\0'; at += n + strspn(at + n, " ")) {
		n = strcspn(at, " ");
		str_ncopy(name, sizeof name, at, strcspn(at, "/ "));
		if (overview_count_role(list, at, name) != 0)
			continue; /* told where it stands first */
		count = overview_count_role(list, end, name);
		buf_fmt(b, "%s%s", b->len != 0 ? " " : "", name);
		if (count > 1)
			buf_fmt(b, "*%zu", count);
	}
}

/* Is this replica worse off than that one? Nothing is better than any. */
static bool
overview_is_worse(json_t *row, json_t *than)
{
	bool a = strcmp(op_row_text(row, "state"), "in-sync") != 0;
	bool b = strcmp(op_row_text(than, "state"), "in-sync") != 0;

	if (than == NULL || a != b)
		return than == NULL || a;
	return json_integer_value(json_object_get(row, "lag-ms")) >
	    json_integer_value(json_object_get(than, "lag-ms"));
}

/* How far its replicas are behind, by those who lead them: the worst. */
static void
overview_lag(const struct overview *o, const char *server, struct buf *b)
{
	json_int_t records;
	json_t *row, *worst = NULL;
	size_t i;

	json_array_foreach (watch_rows(o->watch[VIEW_REPLICATION]), i, row) {
		if (strcmp(op_row_text(row, "follower"), server) == 0 &&
		    overview_is_worse(row, worst))
			worst = row;
	}
	if (worst == NULL)
		return;
	records = json_integer_value(json_object_get(worst, "lag-records"));
	buf_str(b, op_row_text(worst, "state"));
	if (records > 0)
		buf_fmt(b, " %" JSON_INTEGER_FORMAT, records);
}

static json_int_t
overview_calls(const struct overview *o, const char *server, bool alone)
{
	json_int_t n = 0;
	json_t *row;
	size_t i;

	json_array_foreach (watch_rows(o->watch[VIEW_CALLS]), i, row)
		n += overview_is_of(
		    op_row_text(row, "instance"), server, alone);
	return n;
}

/* One server out of all that is known of it. */
static json_t *
overview_row(const struct overview *o, json_t *in, bool alone)
{
	const char *server = op_row_text(in, "server");
	struct buf lag = BUF_INIT, roles = BUF_INIT;
	json_t *row;

	buf_str(&lag, "");
	overview_lag(o, server, &lag);
	overview_roles(op_row_text(in, "roles"), &roles);
	row = json_pack("{s:s, s:O?, s:I, s:s, s:O?, s:s}", "server", server,
	    "state", json_object_get(in, "state"), "calls",
	    overview_calls(o, server, alone), "lag", lag.data, "version",
	    json_object_get(in, "version"), "roles", roles.data);
	buf_fini(&lag);
	buf_fini(&roles);
	return row;
}

static void
overview_look(struct overview *o)
{
	json_t *servers = watch_rows(o->watch[VIEW_SERVERS]), *in, *rows;
	unsigned seen = 0;
	size_t i;

	for (i = 0; i < VIEW_MAX; i++)
		seen += o->watch[i]->seen;
	if (seen == o->seen || servers == NULL)
		return;
	o->seen = seen;
	rows = json_array();
	json_array_foreach (servers, i, in)
		json_array_append_new(
		    rows, overview_row(o, in, json_array_size(servers) == 1));
	grid_take(&o->grid, rows);
	json_decref(rows);
}

/* ---- lines -------------------------------------------------------------- */

/* "Calls 3", if it was answered. */
static void
overview_count(
    const struct overview *o, int what, const char *word, struct buf *b)
{
	json_t *rows = watch_rows(o->watch[what]);
	size_t n = json_array_size(rows);

	if (rows != NULL)
		buf_fmt(b, "%s %zu%s   ", word, n, n == 1000 ? "+" : "");
}

/* Calls, phones, and the revision that runs. */
static void
overview_say(const struct overview *o, struct buf *left, struct buf *right)
{
	json_t *row = json_array_get(watch_rows(o->watch[VIEW_REVISIONS]), 0);
	const char *time = op_row_text(row, "time");

	buf_str(left, "");
	buf_str(right, "");
	overview_count(o, VIEW_CALLS, "Calls", left);
	overview_count(o, VIEW_REGISTRATIONS, "Registrations", left);
	if (row != NULL)
		buf_fmt(right,
		    "Config rev %" JSON_INTEGER_FORMAT " by %s %.10s %.5s",
		    json_integer_value(json_object_get(row, "rev")),
		    op_row_text(row, "operator"), time,
		    strlen(time) > 11 ? time + 11 : "");
}

/* A heading within a line. */
static void
overview_rule(const struct area *a, unsigned row, const char *words)
{
	draw_line(row, a->col, a->cols);
	draw_text(row, a->col + 1, text_width(words) + 2, TONE_HEAD, "");
	draw_text(row, a->col + 2, text_width(words), TONE_HEAD, words);
}

/* An ownership, or a process, in so few words as it can be told. */
typedef void overview_put_fn(json_t *row, struct buf *);

static void
overview_put_owner(json_t *row, struct buf *b)
{
	const char *state = op_row_text(row, "state");

	buf_fmt(b, "%s%s: %s", draw_mark(draw_tone_of(state)),
	    op_row_text(row, "key"), op_row_text(row, "instance"));
	if (strcmp(state, "serving") != 0)
		buf_fmt(b, " %s", state);
}

static void
overview_put_process(json_t *row, struct buf *b)
{
	const char *state = op_row_text(row, "state");
	json_int_t restarts = json_integer_value(
	    json_object_get(row, "restarts"));

	buf_fmt(b, "%s%s %s", draw_mark(draw_tone_of(state)),
	    op_row_text(row, "instance"), state);
	if (restarts > 0)
		buf_fmt(b, ", restarted %" JSON_INTEGER_FORMAT, restarts);
}

/* Columns of the widest of them. */
static unsigned
overview_widest(json_t *rows, overview_put_fn *put)
{
	struct buf b = BUF_INIT;
	unsigned widest = 20, w;
	json_t *one;
	size_t i;

	json_array_foreach (rows, i, one) {
		buf_reset(&b);
		put(one, &b);
		w = text_width(b.data) + 2;
		widest = w > widest ? w : widest;
	}
	buf_fini(&b);
	return widest;
}

/* A part with a heading, its rows beside one another as they fit. Returns the
 * row behind it; nothing is shown of a part that has no room at all. */
static unsigned
overview_part(const struct area *a, unsigned row, unsigned end,
    const char *title, json_t *rows, overview_put_fn *put)
{
	unsigned wide = overview_widest(rows, put), across, lines, line;
	size_t n = json_array_size(rows), i;
	struct buf b = BUF_INIT;
	json_t *one;

	if (n == 0 || row + 2 > end)
		return row;
	across = a->cols / wide != 0 ? a->cols / wide : 1;
	wide = a->cols / across;
	lines = (unsigned)((n + across - 1) / across);
	lines = lines > end - row - 1 ? end - row - 1 : lines;
	overview_rule(a, row++, title);
	json_array_foreach (rows, i, one) {
		if ((line = (unsigned)i / across) >= lines)
			break;
		buf_reset(&b);
		put(one, &b);
		draw_text(row + line, a->col + 1 + (unsigned)i % across * wide,
		    wide - 2, draw_tone_of(op_row_text(one, "state")), b.data);
	}
	buf_fini(&b);
	return row + lines;
}

/* One alarm: since when, what, where. */
static void
overview_put_alarm(json_t *row, struct buf *b)
{
	const char *since = op_row_text(row, "since");

	buf_fmt(b, "! %.8s %s %s: %s", strlen(since) > 11 ? since + 11 : "",
	    op_row_text(row, "alarm"), op_row_text(row, "subject"),
	    op_row_text(row, "text"));
}

/* Active alarms, in half of the room at most. Returns the row behind them. */
static unsigned
overview_alarms(
    const struct overview *o, const struct area *a, unsigned row, unsigned end)
{
	json_t *rows = watch_rows(o->page.s->alarms), *one;
	size_t n = json_array_size(rows), i;
	struct buf b = BUF_INIT;
	unsigned most;

	if (rows == NULL || row + 2 > end)
		return row;
	most = (end - row) / 2;
	most = most == 0 ? 1 : most;
	overview_rule(a, row++, "Alarms");
	if (n == 0)
		draw_text(row, a->col + 2, a->cols - 4, TONE_PLAIN, "none");
	json_array_foreach (rows, i, one) {
		if (i == most)
			break;
		buf_reset(&b);
		if (i + 1 == most && n > most)
			buf_fmt(&b, "! %zu more: a", n - i);
		else
			overview_put_alarm(one, &b);
		draw_text(row + (unsigned)i, a->col + 1, a->cols - 2, TONE_BAD,
		    b.data);
	}
	buf_fini(&b);
	return row + (n == 0 ? 1 : n < most ? (unsigned)n : most);
}

/* ---- the page ----------------------------------------------------------- */

static void
overview_draw(struct page *p, const struct area *a)
{
	struct overview *o = (struct overview *)p;
	struct buf left = BUF_INIT, right = BUF_INIT;
	unsigned row, end, servers;
	struct area in, table;

	overview_look(o);
	overview_say(o, &left, &right);
	in = page_head(a, left.data, right.data);
	end = in.row + in.rows;
	servers = (unsigned)o->grid.n + 1;
	if (servers > in.rows / 2)
		servers = in.rows / 2;
	table = (struct area){in.row, in.col, servers, in.cols};
	o->rows = servers - 1;
	grid_draw(&o->grid, &table);
	row = in.row + servers;
	row = overview_alarms(o, &in, row, end);
	row = overview_part(&in, row, end, "Who owns what",
	    watch_rows(o->watch[VIEW_OWNERSHIP]), overview_put_owner);
	overview_part(&in, row, end, "Processes",
	    watch_rows(o->watch[VIEW_ROLES]), overview_put_process);
	buf_fini(&left);
	buf_fini(&right);
}

static bool
overview_act(struct page *p, const struct key *k)
{
	struct overview *o = (struct overview *)p;
	size_t i;

	if (k->act == ACT_REDRAW) {
		for (i = 0; i < VIEW_MAX; i++)
			watch_ask(o->watch[i]);
		return true;
	}
	if (k->act == ACT_ENTER) {
		grid_detail(p->s, &o->grid, "Server");
		return true;
	}
	return grid_act(&o->grid, k, o->rows);
}

static void
overview_tick(struct page *p)
{
	struct overview *o = (struct overview *)p;
	size_t i;

	for (i = 0; i < VIEW_MAX; i++)
		watch_tick(o->watch[i]);
}

static struct grid *
overview_grid(struct page *p)
{
	return &((struct overview *)p)->grid;
}

static void
overview_free(struct page *p)
{
	struct overview *o = (struct overview *)p;
	size_t i;

	for (i = 0; i < VIEW_MAX; i++)
		watch_free(&o->watch[i]);
	grid_fini(&o->grid);
	free(o);
}

static const struct page_ops overview_ops = {.draw = overview_draw,
    .act = overview_act,
    .tick = overview_tick,
    .grid = overview_grid,
    .free = overview_free};

struct page *
overview_new(struct screen *s)
{
	struct overview *o = xcalloc(1, sizeof *o);
	const struct op_field *cols[GRID_COLS];
	size_t n = 0, i;

	o->page.ops = &overview_ops;
	o->page.where = KEY_OVERVIEW;
	o->page.s = s;
	str_copy(o->page.name, sizeof o->page.name, "Overview");
	grid_init(&o->grid);
	for (; overview_cols[n].name != NULL; n++)
		cols[n] = &overview_cols[n];
	grid_columns(&o->grid, cols, n);
	for (i = 0; i < VIEW_MAX; i++)
		o->watch[i] = watch_new(
		    s, overview_asks[i].op, NULL, overview_asks[i].period);
	return &o->page;
}
