#ifndef OP_PAGE_H
#define OP_PAGE_H

#include "op.h"

/*
 * What is said of operations, objects, filters and concepts, and in which
 * order: once, for help and for the manual. How it is set a style knows.
 */
struct op_style {
	void (*usage)(struct buf *, const char *line);
	void (*par)(struct buf *, const char *text);
	void (*example)(struct buf *, const char *lines);
	/* A list of terms; title may be NULL. The width is that of the terms.
	 */
	void (*begin)(struct buf *, const char *title, int width);
	void (*item)(
	    struct buf *, const char *term, const char *text, int width);
	void (*end)(struct buf *);
};

/* rights: say who may run it. */
void op_page_op(
    const struct op_style *, const struct op *, bool rights, struct buf *);
void op_page_obj(const struct op_style *, const struct obj *, struct buf *);
/* Those of that name, of any with n = 0; their number. */
unsigned op_page_concepts(
    const struct op_style *, const char *words, size_t n, struct buf *);
/* A brief as a sentence. */
void op_page_brief(const struct op_style *, const char *brief, struct buf *);
/* Operations whose names begin with n bytes of words, but not skip: a list
 * of their briefs. */
void op_page_ops(const struct op_style *, const char *title,
    const struct op_table *, const char *words, size_t n, const struct op *skip,
    struct buf *);
void op_page_objs(const struct op_style *, const char *title,
    const struct obj *const *, struct buf *);
/* All that there is. */
void op_page_index(
    const struct op_style *, const struct op_manual *, struct buf *);

/* Bytes up to the next space at which a line may break: in a usage line not
 * within brackets. */
size_t op_page_unit(const char *s, bool usage);
/* Does the name begin with these words? */
bool op_page_begins(const char *name, const char *words, size_t n);
/* Does the console do it by itself? */
bool op_page_is_own(const struct op_manual *, const struct op *);

#endif
