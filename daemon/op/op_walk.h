#ifndef OP_WALK_H
#define OP_WALK_H

#include "op_room.h"

/*
 * The walk in the making, private to op_walk*.c. At each place of the line
 * the walk first lists what may stand there (offers) and then looks at the
 * word that does: so parse, completion, help and the words of an error come
 * from one list.
 */

struct op_offer {
	const char *word; /* NULL: a value */
	const char *brief;
	const struct op_field *field; /* that the word names, if any */
	const struct op_field *value;
	const struct obj *key_of; /* the value is the key of such an object */
};

struct op_walker {
	const struct op_table *table;
	struct op_walk *out;
	unsigned flags;
	struct op_words words;
	size_t at;	 /* index of the next word */
	size_t end;	 /* of the first that is not to be taken */
	size_t line_end; /* byte where the next word would stand */
	struct op_names *names;

	struct op_offer *offers;
	size_t noffers, cap;

	const struct op *op;
	uint64_t given; /* arguments, by their index */

	/* the arguments that speak of an object */
	const struct op_field *path, *values, *fields;
	struct obj_path p;
	bool need_key; /* a keyword of the path waits for its key */
	bool in_path;  /* more of it, or fields, may follow */
	json_t *value_map, *field_list; /* borrowed from out->args */
	char one[OP_ONE_WORDS];
};

/* op_walk_offer.c: what may stand here. */
void op_offer_clear(struct op_walker *);
void op_offer_word(struct op_walker *, const char *word, const char *brief);
void op_offer_field(struct op_walker *, const struct op_field *);
void op_offer_value(
    struct op_walker *, const struct op_field *, const struct obj *key_of);
/* The offer that the next word is: its index, or -1 with the error set. */
int op_offer_match(struct op_walker *);
/* As op_offer_match, without an error. */
int op_offer_find(struct op_walker *);
/* Fill out->next: all offers, or those that begin like the unfinished word. */
int op_offer_finish(struct op_walker *);

/* What a step of the walk found, where it is no error (negative). */
enum op_step {
	OP_END,	  /* the line ends, and may end here */
	OP_TAKEN, /* something was taken: go on */
	OP_WANTS  /* the line ends where a value must stand */
};

/* op_walk_value.c: one value, or a list of them, into an object. */
int op_walk_value(struct op_walker *, const struct op_field *,
    const struct obj *key_of, json_t *into, const char *name);

/* Errors at the next word, or at the end of the line. */
int op_walk_refuse(struct op_walker *, enum err_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const struct op_word *op_walk_word(struct op_walker *); /* NULL at the end */

#endif
