#ifndef CONSOLE_SCREEN_LIST_H
#define CONSOLE_SCREEN_LIST_H

#include "screen_room.h"

/* A list in the making: what page_list.c and list_objects.c share. */
struct list {
	struct page page;
	struct grid grid;
	char op[96]; /* that is asked, or was */
	char brief[96];
	json_t *params;
	struct watch *watch; /* NULL: the rows stay */
	unsigned seen;	     /* replies taken */
	unsigned rows;	     /* in sight */
	json_t *parts;	     /* `after` of the parts before this one */
	json_t *probed;	     /* list_more.c: what `next` it was asked of, ... */
	bool more;	     /* ... and whether anything stands there */
	bool frozen;
	struct entry entry; /* of the filter, or of what is looked for */
	bool search;	    /* list_search.c */
	/* objects of a kind */
	bool objects;
	bool live; /* rows are those of an operation that lists the kind */
	struct obj_path kind;
	char kind_text[OBJ_PATH]; /* the kind, when the tables are others */
	unsigned changes;	  /* replies of compare taken */
};

void list_objects_open(struct list *, const struct obj_path *kind);
/* The kind in new tables; false when it is not there. */
bool list_objects_bind(struct list *);
void list_objects_take(struct list *);
bool list_objects_path(struct list *, bool kind, struct obj_path *);

/* list_more.c: does anything stand where the server would look on? Look once
 * for each such place; what is known; the end. */
void list_more_look(struct list *, json_t *next);
bool list_more_is(const struct list *, json_t *next);
void list_more_end(struct list *);

/* list_search.c: does the operation look into the past? Its list in the making
 * becomes one that is searched by the server. */
bool list_search_is(const struct op *);
void list_search_open(struct list *);
/* Look further back (1), less far (-1), or as far as at first (0). */
void list_search_span(struct list *, int by);
void list_search_say(const struct list *, struct buf *);
/* Look for all; false when that is done already. */
bool list_search_clear(struct list *);
/* The line is about to be typed; it was typed. */
void list_search_begin(struct list *);
void list_search_end(struct list *);

#endif
