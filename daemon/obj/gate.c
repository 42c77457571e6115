/*
 * Object gate: what the gates of a site bear from one source.
 */
#include "obj_room.h"

static const char *const keys[] = {"default", NULL};

static const struct op_field fields[] = {
    {.name = "requests-per-second",
	.type = &op_type_int,
	.min = 1,
	.max = 100000,
	.def = "50",
	.brief = "SIP requests taken from one address"},
    {.name = "ban-after",
	.type = &op_type_int,
	.min = 0,
	.max = 100000,
	.def = "20",
	.brief = "failed passwords before a ban; 0 = never"},
    {.name = "ban-time",
	.type = &op_type_duration,
	.min = 1,
	.max = 604800,
	.def = "300",
	.brief = "how long a banned address is dropped"},
    OBJ_DESCRIPTION,
    {0},
};

const struct obj obj_gate = {
    .name = "gate",
    .place = OBJ_SITE,
    .layer = OBJ_STRUCTURE,
    .key = {.name = "gate",
	.type = &op_type_choice,
	.choices = keys,
	.brief = "the one set of limits"},
    .brief = "limits of the gates towards one source",
    .about = "What one address outside may ask of the gates. Requests above "
	     "the rate are dropped; after too many failed passwords all "
	     "requests of the address are, for ban-time.",
    .example = "set gate default requests-per-second 100 ban-time 10m",
    .fields = fields,
};
