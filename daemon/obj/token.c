/*
 * Object token: what a program that speaks to a server over HTTPS may do.
 */
#include "obj_room.h"

const char *const obj_scopes[] = {[OBJ_SCOPE_READ] = "read",
    [OBJ_SCOPE_CONFIGURE] = "configure",
    [OBJ_SCOPE_ACT] = "act",
    NULL};

static const struct op_field fields[] = {
    {.name = "secret",
	.type = &op_type_secret,
	.flags = OP_REQUIRED,
	.min = 32,
	.max = 128,
	.brief = "what the program shows behind the token's name"},
    {.name = "role",
	.type = &op_type_choice,
	.choices = obj_admin_roles,
	.def = "viewer",
	.brief = "as an administrator's"},
    {.name = "domain",
	.type = &op_type_ref,
	.ref = "domain",
	.brief = "it and those below are all it sees; none: all"},
    {.name = "scope",
	.type = &op_type_choice,
	.choices = obj_scopes,
	.flags = OP_LIST,
	.def = "read",
	.brief = "what of the role's rights it has"},
    {.name = "requests-per-second",
	.type = &op_type_int,
	.min = 1,
	.max = 10000,
	.def = "50",
	.brief = "requests taken from it by one server"},
    {.name = "expires",
	.type = &op_type_time,
	.brief = "from when on it is refused; none: never"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = obj_on_off,
	.def = "on",
	.brief = "off: refused"},
    OBJ_DESCRIPTION,
    {0},
};

const struct obj obj_token = {
    .name = "token",
    .place = OBJ_SITE,
    .layer = OBJ_STRUCTURE,
    .key = {.name = "token",
	.type = &op_type_name,
	.brief = "name of the token"},
    .brief = "a program that may use the interface over HTTPS",
    .about =
	"A program shows NAME.SECRET as a bearer token (RFC 6750) to a "
	"listener whose transport is https; see tandem-api(7). Only a digest "
	"of the secret is stored. The secret has 32 characters at least and "
	"must be random: openssl rand -hex 32 makes one. role and domain say "
	"what it may do, as those of an administrator; scope takes away from "
	"that: read looks, configure edits and commits, act acts on running "
	"state. A change counts at once, for connections that are open too.",
    .example = "set token billing secret 6f1c0a97d2e84b5599aa03e7c1b2d4f6 "
	       "role viewer",
    .fields = fields,
    .check = obj_admin_check,
};
