/* Operations of every shape, whose handlers say what they were given. */
#include <stdlib.h>

#include "daemon/obj/obj.h"
#include "op_laws.h"

static void
echo_args(struct op_call *c)
{
	char *text = json_dumps(c->args, JSON_COMPACT | JSON_SORT_KEYS);

	if (c->op->cols != NULL) {
		op_row(c);
		op_put(c, c->op->cols[0].name, text);
	}
	free(text);
	op_finish(c, NULL);
}

static void
count_commit(struct op_call *c)
{
	op_row(c);
	op_put_int(c, "rev", 7);
	op_put_int(c, "changes", 1);
	op_finish(c, NULL);
}

static const char *const states[] = {"ringing", "talking", "held", NULL};

static const struct op_field calls_args[] = {
    {.name = "domain",
	.type = &op_type_ref,
	.ref = "domain",
	.brief = "only calls of this domain"},
    {.name = "user",
	.type = &op_type_ref,
	.ref = "user",
	.brief = "only calls of this user"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = states,
	.flags = OP_LIST,
	.brief = "only calls in these states"},
    {.name = "limit",
	.type = &op_type_int,
	.min = 1,
	.max = 1000,
	.def = "100",
	.brief = "at most so many"},
    {.name = "all",
	.type = &op_type_bool,
	.flags = OP_FLAG,
	.brief = "ended ones too"},
    {0},
};
static const struct op_field calls_cols[] = {
    {.name = "id", .type = &op_type_text, .brief = "id of the call"},
    {.name = "caller", .type = &op_type_text, .brief = "who calls"},
    {.name = "seconds", .type = &op_type_duration, .brief = "how long"},
    {0},
};
static const struct op show_calls = {
    .name = "show calls",
    .brief = "calls in progress",
    .about = "Answers from the replicas of this server.",
    .example = "show calls\nshow calls domain demo.test state [ringing held]",
    .args = calls_args,
    .cols = calls_cols,
    .run = echo_args,
};

static const struct op_field version_cols[] = {
    {.name = "version", .type = &op_type_text, .brief = "of tandemd"},
    {0},
};
static const struct op show_version = {
    .name = "show version",
    .brief = "release of the server",
    .about = "Useful in a ticket.",
    .example = "show version",
    .cols = version_cols,
    .run = echo_args,
};

static const struct op_field role_args[] = {
    {.name = "instance",
	.type = &op_type_instance,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "process to restart"},
    {.name = "reason",
	.type = &op_type_text,
	.max = 100,
	.brief = "for the audit"},
    {0},
};
static const struct op request_restart = {
    .name = "request role restart",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .brief = "restart one process",
    .about = "Its calls are taken over.",
    .example = "request role restart sg/1 reason \"new certificate\"",
    .args = role_args,
    .run = echo_args,
};

static const struct op_field configuration_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY,
	.brief = "only what lies below"},
    {.name = "candidate",
	.type = &op_type_bool,
	.flags = OP_FLAG,
	.brief = "with the changes not yet committed"},
    {0},
};
static const struct op_field configuration_cols[] = {
    {.name = "line", .type = &op_type_text, .brief = "as set takes it"},
    {.name = "path",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "object"},
    {.name = "field",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "field of the object"},
    {.name = "value",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "its value"},
    {0},
};
static const struct op show_configuration = {
    .name = "show configuration",
    .brief = "configuration as lines that set takes",
    .about = "The order is fixed.",
    .example = "show configuration\n"
	       "show configuration domain demo.test user candidate",
    .args = configuration_args,
    .cols = configuration_cols,
    .run = echo_args,
};

static const struct op_field set_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "object to make or change"},
    {.name = "values",
	.type = &op_type_values,
	.brief = "fields and their values"},
    {0},
};
static const struct op set = {
    .name = "set",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .brief = "put values into the candidate",
    .about = "Nothing is in force before commit.",
    .example = "set domain demo.test user 104 name Dora",
    .args = set_args,
    .run = echo_args,
};

static const struct op_field delete_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "object to take out"},
    {.name = "fields",
	.type = &op_type_fields,
	.flags = OP_LIST,
	.brief = "only these fields of it"},
    {.name = "values",
	.type = &op_type_values,
	.flags = OP_LIST,
	.brief = "values of a list"},
    {0},
};
static const struct op delete = {
    .name = "delete",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .brief = "take an object or fields out of the candidate",
    .about = "What lies below the object goes with it.",
    .example = "delete domain demo.test user 104\n"
	       "delete domain demo.test user 103 name",
    .args = delete_args,
    .run = echo_args,
};

static const struct op_field insert_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "object that has the list"},
    {.name = "values",
	.type = &op_type_values,
	.flags = OP_LIST | OP_REQUIRED,
	.brief = "the list and values for it"},
    {.name = "before",
	.type = &op_type_member,
	.max = 255,
	.flags = OP_ONE,
	.brief = "in front of this value"},
    {.name = "first",
	.type = &op_type_bool,
	.flags = OP_FLAG | OP_ONE,
	.brief = "in front of all"},
    {.name = "last",
	.type = &op_type_bool,
	.flags = OP_FLAG | OP_ONE,
	.brief = "behind all"},
    {0},
};
static const struct op insert = {
    .name = "insert",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .brief = "put values at a place of a list",
    .about = "The order of a list means something.",
    .example = "insert domain demo.test alias a.test first",
    .args = insert_args,
    .run = echo_args,
};

static const struct op_field compare_cols[] = {
    {.name = "change", .type = &op_type_text, .brief = "+ - or ~"},
    {.name = "path", .type = &op_type_text, .brief = "object"},
    {.name = "field", .type = &op_type_text, .brief = "field of it"},
    {.name = "old", .type = &op_type_text, .brief = "value in force"},
    {.name = "new", .type = &op_type_text, .brief = "value to come"},
    {0},
};
static const struct op compare = {
    .name = "compare",
    .kind = OP_CONFIG,
    .brief = "what the candidate changes",
    .about = "Empty when nothing was changed.",
    .example = "compare",
    .cols = compare_cols,
    .run = echo_args,
};

static const struct op check = {
    .name = "check",
    .kind = OP_CONFIG,
    .brief = "check the candidate without committing it",
    .about = "The same checks as commit.",
    .example = "check",
    .run = echo_args,
};

static const struct op_field commit_args[] = {
    {.name = "comment",
	.type = &op_type_text,
	.max = 200,
	.brief = "why, for the history"},
    {0},
};
static const struct op_field commit_cols[] = {
    {.name = "rev", .type = &op_type_int, .brief = "new revision"},
    {.name = "changes", .type = &op_type_int, .brief = "how many"},
    {0},
};
static const struct op commit = {
    .name = "commit",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .brief = "put the candidate into force",
    .about = "All of it or nothing.",
    .example = "commit comment \"ticket 4411\"",
    .args = commit_args,
    .cols = commit_cols,
    .run = count_commit,
};

static const struct op discard = {
    .name = "discard",
    .kind = OP_CONFIG,
    .brief = "forget the changes of the candidate",
    .about = "What is in force stays.",
    .example = "discard",
    .run = echo_args,
};

static const struct op *const ops[] = {&show_calls, &show_version,
    &show_configuration, &request_restart, &set, &delete, &insert, &compare,
    &check, &commit, &discard, NULL};

const struct op_table op_sample = {.ops = ops, .objs = obj_table};
