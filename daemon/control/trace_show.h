#ifndef CONTROL_TRACE_SHOW_H
#define CONTROL_TRACE_SHOW_H

#include "control.h"

/*
 * What operations on recorded calls share: rows of the recorders, and one call
 * with all its messages.
 */

/* What the servers have to say beside the rows. */
void trace_warn(struct op_call *, json_t *warn, bool partial);
/* May they see a call with these legs? One without any may be anybody's. */
bool trace_sees_legs(const struct op_call *, json_t *legs);
/* As show call has it; a call that is not for their eyes is not there. */
void trace_absent(const struct op_call *, struct err *);
/* "gate" of a row: "sg/1@srv1", "sg/1" on a lone server. */
void trace_put_gate(struct op_call *, json_t *row);
/* Column "at": "+0.012". */
#define TRACE_OFFSET 32 /* bytes of a column "at" */
void trace_put_at(struct op_call *, int64_t us);
/* 441 -> "4.41". */
void trace_put_hundredths(struct op_call *, const char *col, uint64_t);

struct trace_show {
	struct op_call *call;
	json_t *legs; /* Call-ID -> its fact */
	json_t *end;  /* the fact of its end; NULL = none is known */
	json_t *ask;  /* for its messages */
	char domain[OBJ_KEY];
	void (*put)(struct trace_show *, json_t *rows);
	bool raw;	   /* bytes are wanted, not lines */
	bool held;	   /* put has begun what ends with show_end, later */
	struct err failed; /* put could not, and says why */
	uint64_t start;	   /* of the first message */
};

/*
 * The call that the operation names; put is called with its messages, at most
 * once, and the operation is finished. Rows have "lines", which can be shown,
 * or where bytes are wanted "text", which is any bytes (show_text); persons are
 * masked in both for those who do not see them.
 */
void show_start(
    struct op_call *, void (*put)(struct trace_show *, json_t *), bool raw);
/* The end of what put has held. */
void show_end(struct trace_show *, const struct err *);
/* The message of a row that has bytes; the row's. */
const char *show_text(json_t *row, size_t *n);
/* Addresses of who sent it and of who received it, AF_UNSPEC = not known. */
void show_addresses(json_t *row, union addr *from, union addr *to);

/* "+0.012": since the first message. */
void show_offset(
    const struct trace_show *, json_t *row, char out[TRACE_OFFSET]);
/* "at" of the row, and what its message is and where it went. */
void show_put_offset(struct trace_show *, json_t *row);
void show_put_hop(struct trace_show *, json_t *row);
/* "udp", "tls". */
const char *show_proto(json_t *row);
/* "INVITE", "180 Ringing". */
void show_word(json_t *row, char *out, size_t size);

/* The argument that names the call. */
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
