/*
 * The keys. This table is the only list of them: what a key does, the help of
 * `?` and the words of the last line come from it. No key destroys anything
 * by itself.
 */
#include <string.h>

#include "screen_room.h"

#define KEY_ROWS (KEY_LIST | KEY_OVERVIEW)
#define KEY_LETTERS (KEY_LIST | KEY_TEXT | KEY_OVERVIEW)
#define KEY_MOVES (KEY_LETTERS | KEY_LADDER)

const struct key key_table[] = {
    {'?', "?  F1", ACT_HELP, KEY_ANYWHERE, "keys of this page", "Help", NULL},
    {PRESS_F1, NULL, ACT_HELP, KEY_ANYWHERE, NULL, NULL, NULL},
    {':', ":", ACT_LINE, KEY_ANYWHERE, "a command, as at the prompt", "Cmd",
	NULL},
    {PRESS_CTRL('p'), "Ctrl-P", ACT_PALETTE, KEY_ANYWHERE,
	"find a page or an operation by some of its letters", NULL, NULL},
    {'/', "/", ACT_FILTER, KEY_SEARCH,
	"look for a number, 7495*, a domain, or other arguments", "Search",
	NULL},
    {'/', "/", ACT_FILTER, KEY_LIST,
	"only rows with this text; !text: only those without", "Filter", NULL},
    {PRESS_ENTER, "Enter", ACT_ENTER, KEY_ROWS, "open what the cursor is on",
	"Open", NULL},
    {PRESS_ENTER, "Enter", ACT_ENTER, KEY_LADDER, "open the message", "Message",
	NULL},
    {'t', "t", ACT_LADDER, KEY_CALLS, "the messages of the call", NULL, NULL},
    {' ', "Space", ACT_MARK, KEY_LADDER,
	"mark the message; of a second: what differs", "Mark", NULL},
    {'f', "f", ACT_FOLD, KEY_LADDER,
	"one arrow for all hops that pass it on, or each", "Fold", NULL},
    {'l', "l", ACT_LEGS, KEY_LADDER, "one leg alone, the next, all", "Legs",
	NULL},
    {'n', "n p", ACT_NEXT, KEY_MESSAGE, "the next message; the one before",
	"Next", NULL},
    {'p', NULL, ACT_BEFORE, KEY_MESSAGE, NULL, NULL, NULL},
    {' ', "Space", ACT_MARK, KEY_LIST, "mark the row", "Mark", NULL},
    {'x', "x", ACT_ACTIONS, KEY_ROWS, "what can be done with it", "Act", NULL},
    {'N', "N", ACT_NEW, KEY_OBJECTS, "a new object, in the candidate", "New",
	NULL},
    {'E', "E", ACT_EDIT, KEY_OBJECTS, "edit it, in the candidate", "Edit",
	NULL},
    {PRESS_DELETE, "Del", ACT_DELETE, KEY_OBJECTS,
	"delete it, in the candidate; asks", "Delete", NULL},
    {PRESS_CTRL('d'), NULL, ACT_DELETE, KEY_OBJECTS, NULL, NULL, NULL},
    {'\t', "Tab", ACT_TAB, KEY_TABS, "the next list of this page", "Next",
	NULL},
    {PRESS_BACK_TAB, "Shift-Tab", ACT_TAB_BACK, KEY_TABS, "the one before",
	NULL, NULL},
    {'1', "1-9", ACT_TAB_NUMBER, KEY_TABS, "the list of that number", NULL,
	NULL},
    {'2', NULL, ACT_TAB_NUMBER, KEY_TABS, NULL, NULL, NULL},
    {'3', NULL, ACT_TAB_NUMBER, KEY_TABS, NULL, NULL, NULL},
    {'4', NULL, ACT_TAB_NUMBER, KEY_TABS, NULL, NULL, NULL},
    {'5', NULL, ACT_TAB_NUMBER, KEY_TABS, NULL, NULL, NULL},
    {'6', NULL, ACT_TAB_NUMBER, KEY_TABS, NULL, NULL, NULL},
    {'7', NULL, ACT_TAB_NUMBER, KEY_TABS, NULL, NULL, NULL},
    {'8', NULL, ACT_TAB_NUMBER, KEY_TABS, NULL, NULL, NULL},
    {'9', NULL, ACT_TAB_NUMBER, KEY_TABS, NULL, NULL, NULL},
    {PRESS_UP, "arrows", ACT_UP, KEY_MOVES,
	"move; left and right: columns that do not fit", NULL, NULL},
    {PRESS_DOWN, NULL, ACT_DOWN, KEY_MOVES, NULL, NULL, NULL},
    {PRESS_LEFT, NULL, ACT_LEFT, KEY_MOVES, NULL, NULL, NULL},
    {PRESS_RIGHT, NULL, ACT_RIGHT, KEY_MOVES, NULL, NULL, NULL},
    {'h', "h j k l", ACT_LEFT, KEY_LETTERS, "the same", NULL, NULL},
    {'j', NULL, ACT_DOWN, KEY_MOVES, NULL, NULL, NULL},
    {'k', NULL, ACT_UP, KEY_MOVES, NULL, NULL, NULL},
    {'l', NULL, ACT_RIGHT, KEY_LETTERS, NULL, NULL, NULL},
    {PRESS_PAGE_UP, "PgUp PgDn", ACT_PAGE_UP, KEY_MOVES,
	"move by what is in sight", NULL, NULL},
    {PRESS_PAGE_DOWN, NULL, ACT_PAGE_DOWN, KEY_MOVES, NULL, NULL, NULL},
    {PRESS_CTRL('b'), NULL, ACT_PAGE_UP, KEY_MOVES, NULL, NULL, NULL},
    {PRESS_CTRL('f'), NULL, ACT_PAGE_DOWN, KEY_MOVES, NULL, NULL, NULL},
    {'g', "g G", ACT_FIRST, KEY_MOVES, "the first, the last", NULL, NULL},
    {'G', NULL, ACT_LAST, KEY_MOVES, NULL, NULL, NULL},
    {PRESS_HOME, NULL, ACT_FIRST, KEY_MOVES, NULL, NULL, NULL},
    {PRESS_END, NULL, ACT_LAST, KEY_MOVES, NULL, NULL, NULL},
    {'>', "< >", ACT_SORT, KEY_LIST, "sort by the column beside; none at last",
	NULL, NULL},
    {'<', NULL, ACT_SORT_BACK, KEY_LIST, NULL, NULL, NULL},
    {'R', "R", ACT_REVERSE, KEY_LIST, "sort the other way round", NULL, NULL},
    {'[', "[ ]", ACT_FURTHER, KEY_SEARCH, "look further back; less far", NULL,
	NULL},
    {']', NULL, ACT_NEARER, KEY_SEARCH, NULL, NULL, NULL},
    {']', "[ ]", ACT_NEXT_PART, KEY_LIST,
	"the next part of a long list; the one before", NULL, NULL},
    {'[', NULL, ACT_PART_BEFORE, KEY_LIST, NULL, NULL, NULL},
    {'F', "F", ACT_COLUMNS, KEY_LIST, "choose columns", NULL, NULL},
    {'z', "z", ACT_FREEZE, KEY_LIST, "freeze: no new rows until z", NULL, NULL},
    {'C', "C", ACT_COMPARE, KEY_ANYWHERE, "what the candidate changes", NULL,
	NULL},
    {'K', "K", ACT_CHECK, KEY_ANYWHERE, "check the candidate", NULL, NULL},
    {'W', "W", ACT_COMMIT, KEY_ANYWHERE, "commit it; asks for a comment", NULL,
	NULL},
    {'Y', "Y", ACT_CONFIRMED, KEY_ANYWHERE,
	"the same, undone after 5 minutes unless :confirm", NULL, NULL},
    {'D', "D", ACT_DISCARD, KEY_ANYWHERE, "discard it; asks", NULL, NULL},
    {'o', "o", ACT_OVERVIEW, KEY_ANYWHERE, "Overview", NULL, NULL},
    {'d', "d", ACT_DOMAINS, KEY_ANYWHERE, "Domains", "Domains", NULL},
    {'s', "s", ACT_SITE, KEY_ANYWHERE, "Site configuration", NULL, NULL},
    {'c', "c", ACT_OPEN, KEY_ANYWHERE, "Calls", "Calls", "show calls"},
    {'r', "r", ACT_OPEN, KEY_ANYWHERE, "Registrations", "Regs",
	"show registrations"},
    {'t', "t", ACT_OPEN, KEY_ANYWHERE, "Calls of the past", "Trace",
	"trace calls"},
    {'a', "a", ACT_OPEN, KEY_ANYWHERE, "Alarms", "Alarms", "show alarms"},
    {'e', "e", ACT_OPEN, KEY_ANYWHERE, "Revisions", NULL, "show revisions"},
    {'n', "n", ACT_OPEN, KEY_ANYWHERE, "Servers", NULL, "show servers"},
    {'p', "p", ACT_OPEN, KEY_ANYWHERE, "Processes", NULL, "show roles"},
    {'w', "w", ACT_OPEN, KEY_ANYWHERE, "Ownership", NULL, "show ownership"},
    {'i', "i", ACT_OPEN, KEY_ANYWHERE, "Replication", NULL, "show replication"},
    {'m', "m", ACT_OPEN, KEY_ANYWHERE, "Media", NULL, "show media"},
    {'b', "b", ACT_OPEN, KEY_ANYWHERE, "Bans", NULL, "show bans"},
    {'u', "u", ACT_OPEN, KEY_ANYWHERE, "Consoles", NULL, "show sessions"},
    {'-', "-", ACT_SWAP, KEY_ANYWHERE, "the page before this one, and back",
	NULL, NULL},
    {'q', "q Esc", ACT_BACK, KEY_ANYWHERE, "back; at the first page: leave",
	"Back", NULL},
    {PRESS_ESCAPE, NULL, ACT_BACK, KEY_ANYWHERE, NULL, NULL, NULL},
    {PRESS_CTRL('o'), "Ctrl-O", ACT_PROMPT, KEY_ANYWHERE,
	"the prompt; there it leads here again", NULL, NULL},
    {PRESS_CTRL('l'), "Ctrl-L", ACT_REDRAW, KEY_ANYWHERE,
	"draw all, ask all again", NULL, NULL},
    {0},
};

const struct key *
key_find(int press, unsigned where)
{
	const struct key *k;

	for (k = key_table; k->press != 0; k++) {
		if (k->press == press && (k->where & (where | KEY_ANYWHERE)))
			return k;
	}
	return NULL;
}

void
key_help(unsigned where, struct buf *b)
{
	const struct key *k;

	for (k = key_table; k->press != 0; k++) {
		if (k->shown == NULL || key_find(k->press, where) != k)
			continue;
		buf_fmt(b, "%s", k->shown);
		text_pad(b, 12 - text_width(k->shown));
		buf_fmt(b, "%s\n", k->brief);
	}
}

/* Does the table, as far as it is known, have what the key opens? */
static bool
key_is_of_use(const struct key *k, const struct op_table *t)
{
	return k->op == NULL || op_find(t, k->op) != NULL;
}

/* A key and its word, if they fit; a sign needs no space before the word. */
static void
key_foot_one(const struct key *k, unsigned width, struct buf *b)
{
	const char *name = k->press == 'q' ? "q" : k->shown;
	size_t n = strcspn(name, " ");

	bool sign = n == 1 && strchr("?:/", *name) != NULL;

	if (b->len + n + strlen(k->foot) + 2 > width)
		return;
	buf_char(b, ' ');
	buf_add(b, name, n);
	buf_fmt(b, "%s%s", sign ? "" : " ", k->foot);
}

void
key_foot(
    unsigned where, const struct op_table *t, unsigned width, struct buf *b)
{
	const struct key *k;

	buf_str(b, "");
	for (k = key_table; k->press != 0; k++) {
		if (k->foot != NULL && k->shown != NULL && k->press != 'q' &&
		    key_find(k->press, where) == k && key_is_of_use(k, t))
			key_foot_one(k, width - 8, b);
	}
	key_foot_one(key_find('q', where), width, b);
}
