/*
 * Who may use the console's socket: root, the user we run as, the user who
 * started the server, members of the group of the boot file. The kernel says
 * who is at the other end (unix(7), SO_PEERCRED, SO_PEERGROUPS); nothing the
 * other end sends counts. Of the members of the group the administrators of
 * the site say what each may do, once there are any. The others own the
 * machine, or the server: to keep them out of what they could change on the
 * disk would keep nobody out.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon/base/str.h"

bool
admit_is_fixed(const struct admit_rules *r, uid_t uid)
{
	return uid == 0 || uid == r->own || uid == r->owner;
}

bool
admit_peer(const struct admit_rules *r, const struct admit_peer *p)
{
	size_t i;

	if (admit_is_fixed(r, p->uid))
		return true;
	if (!r->grouped)
		return false;
	if (p->gid == r->group)
		return true;
	for (i = 0; i < p->ngroups; i++) {
		if (p->groups[i] == r->group)
			return true;
	}
	return false;
}

void
admit_name(char *out, size_t size, uid_t uid)
{
	struct passwd pw, *found = NULL;
	char buf[4096];

	if (getpwuid_r(uid, &pw, buf, sizeof buf, &found) == 0 && found != NULL)
		str_escape(out, size, pw.pw_name, strlen(pw.pw_name));
	else
		snprintf(out, size, "uid-%u", (unsigned)uid);
}

/* ---- their roles -----------------------------------------------------------
 */

int
admit_role(const struct obj *const *objs, sqlite3 *site, struct op_who *who,
    struct err *e)
{
	who->domain[0] = '\0';
	who->role = who->fixed ? ADMIN_SITE : ADMIN_NOBODY;
	if (who->fixed)
		return 0;
	if (site == NULL)
		return err_set(e, ERR_BUSY,
		    "the administrators cannot be read here now: only root and "
		    "who started the server are let in");
	return obj_admin_role(objs, site, who, e);
}

/* ---- from where ------------------------------------------------------------
 */

/* "192.0.2.7 51234 192.0.2.1 22": the first is shown. */
bool
admit_ssh(char *out, size_t size, const char *connection)
{
	char host[ADDR_TEXT];
	union addr a;

	if (connection == NULL ||
	    !str_ncopy(
		host, sizeof host, connection, strcspn(connection, " ")) ||
	    !addr_parse(&a, host, 0))
		return false;
	addr_host(host, &a);
	snprintf(out, size, "ssh %s", host);
	return true;
}
