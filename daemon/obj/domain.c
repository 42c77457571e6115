/*
 * Object domain: the directory of customers. What belongs to a domain lies
 * in a stream of its own, named by its id.
 */
#include "obj_room.h"

static const char *const states[] = {"on", "suspended", NULL};

static const struct op_field fields[] = {
    {.name = "id",
	.type = &op_type_name,
	.flags = OP_INTERNAL,
	.brief = "name of its stream, 8 hexadecimal digits"},
    {.name = "realm",
	.type = &op_type_domain,
	.flags = OP_INTERNAL,
	.brief = "digest realm, fixed at its creation"},
    {.name = "alias",
	.type = &op_type_domain,
	.flags = OP_LIST,
	.brief = "other names under which phones may call it"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = states,
	.def = "on",
	.brief = "suspended: no registrations, no calls"},
    OBJ_DESCRIPTION,
    {0},
};

const struct obj obj_domain = {
    .name = "domain",
    .place = OBJ_ROOT,
    .layer = OBJ_DATA,
    .key = {.name = "domain",
	.type = &op_type_domain,
	.brief = "name of the domain"},
    .brief = "a customer with users and numbers of its own",
    .about = "A domain is an independent copy of the exchange: its users, "
	     "numbers and call records are seen by nobody else. Phones "
	     "register as user@domain. Deleting a domain deletes all that "
	     "belongs to it.",
    .example = "set domain example.test description \"Example Ltd\"",
    .fields = fields,
};
