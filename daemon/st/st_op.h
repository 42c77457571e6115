#ifndef ST_ST_OP_H
#define ST_ST_OP_H

#include "st.h"
#include "daemon/role/role.h"

/* What the files with operations share. */

extern const struct op st_op_set, st_op_delete, st_op_annotate, st_op_insert,
    st_op_commit;

/* ---- st_op.c --------------------------------------------------------------
 */

/* Start the work of a call in its turn; refused where nobody serves. */
void st_op_enter(struct op_call *, st_work_fn *);
/* End the call if its turn never came or the store serves no more. */
bool st_op_refuse(struct st *, struct op_call *, const struct err *why);
struct stream *st_op_commit_stream(struct st *);
/* Before the candidate is changed: it is kept for those who want that. */
int st_op_keep(struct st *, const struct op_call *, struct err *);
/* Only an empty candidate can become a way back. -ERR_REFUSED. */
int st_op_candidate_empty(struct st *, const struct op_call *, struct err *);
/* The layer that a call is of: its argument "layer". */
enum obj_layer st_op_layer(const struct op_call *);
/* That argument. */
#define ST_OP_LAYER                                       \
	{                                                 \
		.name = "layer", .type = &op_type_choice, \
		.choices = obj_layer_words + 1,           \
		.brief = "only what is of this layer; "   \
			 "tandem-objects(5)"              \
	}
/* A row of a change set, secrets masked: change, path, field, old, new. */
void st_op_put_change(struct op_call *, const struct st_change *);
extern const char *const st_change_words[]; /* + ~ - */

#endif
