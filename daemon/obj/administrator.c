/*
 * Object administrator: what somebody who logs in to a server may do. The key
 * is their login name there; tandem-admin(7) says what each role may.
 */
#include <string.h>

#include "obj_room.h"
#include "daemon/base/str.h"

const char *const obj_admin_roles[] = {"viewer", "support", "domain-admin",
    "operator", "site-admin", "auditor", NULL};

/* A role that is for the whole site must not look as if it were not, nor the
 * other way round. */
int
obj_admin_check(const struct obj_row *row, struct err *e)
{
	const char *role = obj_value(row, "role");
	const char *domain = obj_value(row, "domain");

	if (str_equal(role, "domain-admin") && domain == NULL)
		return err_set(
		    e, ERR_CHECK, "domain: missing, a domain-admin has one");
	if (domain != NULL && !str_equal(role, "domain-admin") &&
	    !str_equal(role, "viewer") && !str_equal(role, "support"))
		return err_set(e, ERR_CHECK,
		    "domain: of a viewer, support or domain-admin only, "
		    "for %s is of the whole site",
		    role);
	return 0;
}

static const struct op_field fields[] = {
    {.name = "role",
	.type = &op_type_choice,
	.choices = obj_admin_roles,
	.flags = OP_REQUIRED,
	.brief = "what they may do"},
    {.name = "domain",
	.type = &op_type_ref,
	.ref = "domain",
	.brief = "it and those below are all they see; none: all"},
    {.name = "certificate",
	.type = &op_type_fingerprint,
	.flags = OP_LIST,
	.brief = "certificates they may log in with by https"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = obj_on_off,
	.def = "on",
	.brief = "off: may not use the console"},
    OBJ_DESCRIPTION,
    {0},
};

const struct obj obj_administrator = {
    .name = "administrator",
    .place = OBJ_SITE,
    .layer = OBJ_STRUCTURE,
    .key = {.name = "administrator",
	.type = &op_type_login,
	.brief = "their login name on the servers"},
    .brief = "somebody who may use the console",
    .about =
	"Root and the user who started the server may do everything, whatever "
	"stands here. Members of the control group of tandem.conf(5) may do "
	"everything while there is no administrator; as soon as there is one, "
	"each of them may do what the administrator of their login name may, "
	"and those without one are refused. A change is for sessions that are "
	"open too. viewer looks on; support sees what failed, too; "
	"domain-admin configures the users, numbers and domains below one "
	"domain; operator acts on running state; auditor sees all and the "
	"audit, and changes nothing; site-admin may do everything. certificate names "
	"those that tandem --make-certificate made for them: who proves to "
	"have the key of one comes in over https from anywhere, as this "
	"administrator, until it is taken from the list. "
	"tandem-admin(7) has the rules, show rights the table.",
    .example = "set administrator anna role domain-admin domain demo.test",
    .fields = fields,
    .check = obj_admin_check,
};
