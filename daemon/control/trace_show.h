#ifndef CONTROL_TRACE_SHOW_H
#define CONTROL_TRACE_SHOW_H

#include "control.h"

/*
 * What operations on recorded calls share: rows of the recorders, and one call
 * with all its messages.
 */

uint64_t trace_int(json_t *row, const char *name);
/* What the servers have to say beside the rows. */
void trace_warn(struct op_call *, json_t *warn, bool partial);
/* May they see a call with these legs? One without any may be anybody's. */
bool trace_sees_legs(const struct op_call *, json_t *legs);
/* As show call has it; a call that is not for their eyes is not there. */
void trace_absent(const struct op_call *, struct err *);
/* "gate" of a row: "sg/1@srv1", "sg/1" on a lone server. */
void trace_put_gate(struct op_call *, json_t *row);
/* Column "at": "+0.012". */
void trace_put_at(struct op_call *, int64_t us);
/* 441 -> "4.41". */
void trace_put_hundredths(struct op_call *, const char *col, uint64_t);

struct trace_show {
	struct op_call *call;
	json_t *legs; /* Call-ID -> its fact */
	json_t *ask;  /* for its messages */
	char domain[OBJ_KEY];
	void (*put)(struct trace_show *, json_t *rows);
	bool raw;	/* bytes are wanted, not lines */
	uint64_t start; /* of the first message */
};

/* The call that the operation names; put is called with its messages, at most
 * once, and the operation is finished. */
void show_start(
    struct op_call *, void (*put)(struct trace_show *, json_t *), bool raw);

/* "at" of the row, and what its message is and where it went. */
void show_put_offset(struct trace_show *, json_t *row);
void show_put_hop(struct trace_show *, json_t *row);
/* Its bytes, for the eyes of who asks; to be freed, NULL when they cannot be
 * read. Only where raw was asked for. */
char *show_bytes(struct trace_show *, json_t *row, size_t *n);
/* "INVITE", "180 Ringing". */
void show_word(json_t *row, char *out, size_t size);

/* The call that is meant; and that alone. */
#define SHOW_ARG_ID                                                   \
	{                                                             \
		.name = "id", .type = &op_type_text,                  \
		.flags = OP_KEY | OP_REQUIRED, .min = 1, .max = 255,  \
		.brief = "of trace calls or show calls, or a Call-ID" \
	}
extern const struct op_field show_args[];

/* What a message is, and where it went: columns of show_put_hop. */
#define HOP_COLS                                                             \
	{.name = "time",                                                     \
	    .type = &op_type_time,                                           \
	    .flags = OP_DETAIL,                                              \
	    .brief = "when it passed, by the clock of its server"},          \
	    {.name = "leg",                                                  \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "a: caller; b1, b2: called"},                       \
	    {.name = "source",                                               \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "who sent it"},                                     \
	    {.name = "target",                                               \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "who received it"},                                 \
	    {.name = "transport",                                            \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "how it was carried"},                              \
	    {.name = "address",                                              \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "of who was spoken to"},                            \
	    {.name = "call-id",                                              \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "Call-ID of the leg"},                              \
	{                                                                    \
		.name = "masked", .type = &op_type_bool, .flags = OP_DETAIL, \
		.brief = "credentials are hidden in it"                      \
	}

#endif
