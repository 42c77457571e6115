/*
 * What the administrators of a site make of a login name. Control asks for
 * every session, the store when a commit changes them.
 */
#include <string.h>

#include "obj_room.h"
#include "daemon/base/str.h"

static int
admin_found(void *arg, struct obj_row *row, struct err *e)
{
	(void)row;
	(void)e;
	*(bool *)arg = true;
	return 1;
}

/* What the administrator's row says. */
static int
admin_row(struct op_who *who, const struct obj_row *row, struct err *e)
{
	const char *role = obj_value(row, "role");
	const char *domain = obj_value(row, "domain");
	int i = 1;

	if (!str_equal(obj_value(row, "state"), "on"))
		return err_set(e, ERR_PERMISSION,
		    "%s is not permitted: the administrator is off", who->name);
	while (i < ADMIN_ROLES && !str_equal(role, admin_role_names[i]))
		i++;
	if (i == ADMIN_ROLES || (i == ADMIN_DOMAIN && domain == NULL) ||
	    !str_copy(
		who->domain, sizeof who->domain, domain != NULL ? domain : ""))
		return err_set(e, ERR_PERMISSION,
		    "%s is not permitted: the role is not known here",
		    who->name);
	who->role = (enum admin_role)i;
	return 0;
}

int
obj_admin_role(const struct obj *const *objs, sqlite3 *site, struct op_who *who,
    struct err *e)
{
	struct obj_path p = {.obj = obj_find(objs, NULL, "administrator")};
	struct obj_row row;
	bool any = false;
	int r;

	who->domain[0] = '\0';
	who->role = ADMIN_NOBODY;
	if ((r = obj_each(site, &p, NULL, 1, admin_found, &any, e)) < 0)
		return r;
	if (!any) {
		who->role = ADMIN_SITE;
		return 0;
	}
	p.nkeys = 1;
	str_copy(p.key[0], sizeof p.key[0], who->name);
	if ((r = obj_get(site, &p, &row, e)) == 0) {
		r = admin_row(who, &row, e);
		obj_row_fini(&row);
	} else if (r == -ERR_ABSENT) {
		r = err_set(e, ERR_PERMISSION,
		    "%s is not permitted: there are administrators, and none "
		    "is called %s",
		    who->name, who->name);
	}
	return r;
}
