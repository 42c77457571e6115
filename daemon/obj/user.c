/*
 * Object user: somebody with phones. The key is the number by which the user
 * is called and registers.
 */
#include "obj_room.h"

static const struct op_field fields[] = {
    {.name = "name",
	.type = &op_type_text,
	.min = 1,
	.max = 64,
	.brief = "name shown to the other side of a call"},
    {.name = "password",
	.type = &op_type_secret,
	.min = 1,
	.max = 128,
	.brief = "password of the user's phones"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = obj_on_off,
	.def = "on",
	.brief = "off: may neither register nor call"},
    {.name = "max-contacts",
	.type = &op_type_int,
	.min = 1,
	.max = 100,
	.def = "10",
	.brief = "phones registered at the same time"},
    {.name = "ring-time",
	.type = &op_type_duration,
	.min = 5,
	.max = 180,
	.def = "30",
	.brief = "how long a call rings before it is given up"},
    OBJ_DESCRIPTION,
    {0},
};

const struct obj obj_user = {
    .name = "user",
    .parent = &obj_domain,
    .place = OBJ_DOMAIN,
    .layer = OBJ_DATA,
    .space = "number",
    .key = {.name = "user",
	.type = &op_type_number,
	.brief = "number of the user, also the login"},
    .brief = "somebody who has phones in a domain",
    .about = "The user is called by this number and the phones register with "
	     "it as user name. Without a password no phone can register. "
	     "Further numbers of the same user are made with number objects. "
	     "A number object called like a user may only lead to that user: "
	     "it is the same number. "
	     "max-contacts counts what is registered and has not run out, "
	     "also of phones that are gone. At the limit a phone that comes "
	     "back from another port takes the place of its own oldest "
	     "contact: it is known by its +sip.instance, or else by a Contact "
	     "that differs only in the port and came from the same address. "
	     "Other new contacts are refused with 403.",
    .example = "set domain demo.test user 104 name Dora password swordfish",
    .fields = fields,
};
