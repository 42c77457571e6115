/*
 * Object number: one more number of a domain, which leads to a user or to a
 * service.
 */
#include "obj_room.h"

static const char *const services[] = {"echo", NULL};

static const struct op_field fields[] = {
    {.name = "user",
	.type = &op_type_ref,
	.ref = "user",
	.brief = "user who is called by it"},
    {.name = "service",
	.type = &op_type_choice,
	.choices = services,
	.brief = "what answers: echo returns the caller's audio"},
    OBJ_DESCRIPTION,
    {0},
};

/* A number leads to one place. */
static int
number_check(const struct obj_row *row, struct err *e)
{
	bool user = obj_value(row, "user") != NULL;
	bool service = obj_value(row, "service") != NULL;

	if (!user && !service)
		return err_set(e, ERR_CHECK, "needs a user or a service");
	if (user && service)
		return err_set(
		    e, ERR_CHECK, "service: cannot stand beside user");
	return 0;
}

const struct obj obj_number = {
    .name = "number",
    .parent = &obj_domain,
    .place = OBJ_DOMAIN,
    .layer = OBJ_DATA,
    .space = "number",
    .key = {.name = "number",
	.type = &op_type_number,
	.brief = "the number as it is dialled"},
    .brief = "a number that leads to a user or a service",
    .about = "All numbers of a domain are of one kind and may have any "
	     "length. Capital and small letters are the same. In a number of "
	     "digits alone, spaces, dots, hyphens and parentheses are left "
	     "out. Exactly one of user and service is set. Where a user has "
	     "the same number, it leads to that user and nowhere else.",
    .example = "set domain demo.test number 600 service echo",
    .fields = fields,
    .check = number_check,
};
