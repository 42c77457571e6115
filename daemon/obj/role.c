/*
 * Object role: how many instances of a role a server runs.
 */
#include "obj_room.h"

static const char *const roles[] = {
    "sg", "sr", "st", "b2bua", "mg", "mgc", "ws", NULL};

static const struct op_field fields[] = {
    {.name = "instances",
	.type = &op_type_int,
	.min = 0,
	.max = 8,
	.def = "1",
	.brief = "processes of the role on this server"},
    {.name = "weight",
	.type = &op_type_int,
	.min = 1,
	.max = 1000,
	.def = "100",
	.brief = "share of the work among the servers; of b2bua"},
    OBJ_DESCRIPTION,
    {0},
};

const struct obj obj_role = {
    .name = "role",
    .parent = &obj_server,
    .place = OBJ_SITE,
    .layer = OBJ_STRUCTURE,
    .key = {.name = "role",
	.type = &op_type_choice,
	.choices = roles,
	.brief = "name of the role"},
    .brief = "how often a server runs a role",
    .about =
	"Each instance is a process of its own. Instances of sg, b2bua, "
	"mg and ws serve side by side; of sr, st and mgc one owns the work "
	"and the others take over when it dies, so two of them survive "
	"the death of one process. 0 stops the role on this server; a "
	"commit warns of what that costs. "
	"weight counts for b2bua: where all servers have the same, a "
	"gate gives a new call to its own server; where they differ, "
	"new calls of all gates spread over all instances as the "
	"weights say, and another weight moves only calls to come.",
    .example = "set server srv1 role mg instances 2",
    .fields = fields,
};
