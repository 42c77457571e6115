/*
 * Who may use the console's socket: root, the user we run as, the user who
 * started the server, members of the group of the boot file. The kernel says
 * who is at the other end (unix(7), SO_PEERCRED, SO_PEERGROUPS); nothing the
 * other end sends counts.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon/base/str.h"

bool
admit_peer(const struct admit_rules *r, const struct admit_peer *p)
{
	size_t i;

	if (p->uid == 0 || p->uid == r->own || p->uid == r->owner)
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
