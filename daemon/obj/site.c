/*
 * Object site: what holds for all servers together.
 */
#include "obj_room.h"

static const char *const keys[] = {"default", NULL};
static const char *const preferences[] = {"consistency", "availability", NULL};

static const struct op_field fields[] = {
    {.name = "prefer",
	.type = &op_type_choice,
	.choices = preferences,
	.def = "consistency",
	.brief = "what two servers without a witness do without the other"},
    OBJ_DESCRIPTION,
    {0},
};

const struct obj obj_site = {
    .name = "site",
    .place = OBJ_SITE,
    .layer = OBJ_INFRASTRUCTURE,
    .key = {.name = "site",
	.type = &op_type_choice,
	.choices = keys,
	.brief = "the one set of policies"},
    .brief = "policies of all servers together",
    .about = "Prefer counts for a site of two servers without a witness only. "
	     "With consistency nothing that was acknowledged is ever lost, and "
	     "when the server that decides is away the other one only shows. "
	     "With availability either goes on alone after two seconds; when "
	     "they were only cut off from each other, both do, and what the "
	     "one that yields had acknowledged meanwhile is taken back and "
	     "kept for review (show conflicts). Three servers, or a witness, "
	     "need neither.",
    .example = "set site default prefer availability",
    .fields = fields,
};
