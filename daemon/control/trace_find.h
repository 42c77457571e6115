#ifndef CONTROL_TRACE_FIND_H
#define CONTROL_TRACE_FIND_H

#include "trace_show.h"
#include "daemon/trace/calls.h"

/*
 * What those operations share that look for calls in what the recorders know:
 * trace calls and monitor trace.
 */

/* The query of the filters, and since when; NULL: it was refused, and the call
 * is finished. */
json_t *find_query(struct op_call *, const char *want);
/* May they look for what the arguments say? -ERR_PERMISSION. */
int find_permit(
    const struct op *, const struct op_who *, json_t *args, struct err *);
/* Rows of the recorders into id -> row, those that may be seen, each call once.
 */
void find_merge(const struct op_who *, json_t *calls, json_t *rows);
/* Does the call, as all servers know it, match? server NULL: any. */
bool find_matches(const struct trace_filter *, const char *server, json_t *row);
/* A row of the answer out of one of the recorders. */
void find_put(struct op_call *, json_t *row);

/* Arguments that say which calls. */
#define FIND_ARGS                                                            \
	{.name = "domain",                                                   \
	    .type = &op_type_ref,                                            \
	    .ref = "domain",                                                 \
	    .brief = "only calls of this domain"},                           \
	    {.name = "number",                                               \
		.type = &op_type_text,                                       \
		.min = 1,                                                    \
		.max = 64,                                                   \
		.brief = "of either side; +7495* stands for all that begin " \
			 "so"},                                              \
	    {.name = "from",                                                 \
		.type = &op_type_text,                                       \
		.min = 1,                                                    \
		.max = 64,                                                   \
		.brief = "number of the caller, likewise"},                  \
	    {.name = "to",                                                   \
		.type = &op_type_text,                                       \
		.min = 1,                                                    \
		.max = 64,                                                   \
		.brief = "number that was dialled, likewise"},               \
	    {.name = "user",                                                 \
		.type = &op_type_text,                                       \
		.min = 1,                                                    \
		.max = 64,                                                   \
		.brief = "who called, or was rung, likewise"},               \
	    {.name = "code",                                                 \
		.type = &op_type_codes,                                      \
		.brief = "with which it ended"},                             \
	    {.name = "cause",                                                \
		.type = &op_type_text,                                       \
		.min = 1,                                                    \
		.max = 100,                                                  \
		.brief = "part of why it ended, in small or capital "        \
			 "letters"},                                         \
	    {.name = "failed",                                               \
		.type = &op_type_bool,                                       \
		.flags = OP_FLAG,                                            \
		.brief = "it ended and was not answered"},                   \
	    {.name = "answered",                                             \
		.type = &op_type_bool,                                       \
		.brief = "whether it was, so far"},                          \
	    {.name = "duration",                                             \
		.type = &op_type_span,                                       \
		.brief = "from answer to end, or to now"},                   \
	    {.name = "pdd",                                                  \
		.type = &op_type_span,                                       \
		.max = 31536000,                                             \
		.brief = "from dialled to the first ringing"},               \
	    {.name = "server",                                               \
		.type = &op_type_ref,                                        \
		.ref = "server",                                             \
		.brief = "whose B2BUA had it last"},                         \
	    {.name = "since",                                                \
		.type = &op_type_moment,                                     \
		.brief = "how far back, instead of last"},                   \
	{                                                                    \
		.name = "last", .type = &op_type_duration, .min = 1,         \
		.max = 31536000, .def = "900", .brief = "how far back"       \
	}

/* Columns of find_put. A row fits a terminal of 80 columns. */
#define FIND_COLS                                                         \
	{.name = "start",                                                 \
	    .type = &op_type_time,                                        \
	    .brief = "when it was dialled"},                              \
	    {.name = "from",                                              \
		.type = &op_type_text,                                    \
		.flags = OP_PERSONAL,                                     \
		.brief = "number of the caller"},                         \
	    {.name = "to",                                                \
		.type = &op_type_text,                                    \
		.flags = OP_PERSONAL,                                     \
		.brief = "number that was dialled"},                      \
	    {.name = "code",                                              \
		.type = &op_type_int,                                     \
		.brief = "final status of SIP; none: it goes on"},        \
	    {.name = "talk",                                              \
		.type = &op_type_duration,                                \
		.brief = "from answer to end; none: not answered"},       \
	    {.name = "reason",                                            \
		.type = &op_type_text,                                    \
		.brief = "why it ended"},                                 \
	    {.name = "id",                                                \
		.type = &op_type_text,                                    \
		.flags = OP_DETAIL,                                       \
		.brief = "identifier of the call"},                       \
	    {.name = "domain",                                            \
		.type = &op_type_domain,                                  \
		.flags = OP_DETAIL,                                       \
		.brief = "domain"},                                       \
	    {.name = "server",                                            \
		.type = &op_type_name,                                    \
		.flags = OP_DETAIL,                                       \
		.brief = "whose B2BUA had it last"},                      \
	    {.name = "ring",                                              \
		.type = &op_type_time,                                    \
		.flags = OP_DETAIL,                                       \
		.brief = "first ringing"},                                \
	    {.name = "answer",                                            \
		.type = &op_type_time,                                    \
		.flags = OP_DETAIL,                                       \
		.brief = "when it was answered"},                         \
	    {.name = "end",                                               \
		.type = &op_type_time,                                    \
		.flags = OP_DETAIL,                                       \
		.brief = "when it ended"},                                \
	{                                                                 \
		.name = "mos", .type = &op_type_text, .flags = OP_DETAIL, \
		.brief = "how the worst stream sounded, 1 to 4.5"         \
	}

#endif
