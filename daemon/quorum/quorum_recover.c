/*
 * The way out when the majority of the voters is lost for good. An operator
 * has left a note beside the raft log of one server that is left (tandemd
 * recover): when it starts, the group is made anew of this server alone, and
 * as its leader it finds all others down and takes them out of the site. So
 * none of them is heard any more, should it ever come back with its old state.
 *
 * The note stays until that is done, so a start that is cut short is followed
 * by another that does the same again. A server that alone holds something
 * cannot be taken out (ownership.c); it stays as one that is down.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quorum.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define RECOVER_NOTE "recover"

/* ---- the note ----------------------------------------------------------- */

static bool
recover_is_named(const char *name, const char *const *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

int
quorum_recover_note(const char *dir, const char *self, const char *const *lost,
    size_t n, struct err *e)
{
	struct mesh_server s[OWNERSHIP_SERVERS];
	size_t i, others = 0, have = file_servers(dir, s, OWNERSHIP_SERVERS);

	for (i = 0; i < have; i++) {
		if (strcmp(s[i].name, self) == 0)
			continue;
		others++;
		if (!recover_is_named(s[i].name, lost, n))
			return err_set(e, ERR_INVALID,
			    "server %s is of the site and was not named; name "
			    "all that are lost, which must be all but this one",
			    s[i].name);
	}
	if (others == 0)
		return err_set(e, ERR_ABSENT,
		    "this server knows no others: there is nothing to recover "
		    "from");
	if (n != others)
		return err_set(e, ERR_INVALID,
		    "%zu servers were named; the site has %zu others", n,
		    others);
	return file_write(dir, RECOVER_NOTE, "alone\n", 6, e);
}

bool
quorum_recover_asked(const char *dir)
{
	char path[400];

	snprintf(path, sizeof path, "%s/" RECOVER_NOTE, dir);
	return access(path, F_OK) == 0;
}

static void
recover_done(struct quorum *q)
{
	char path[400];

	snprintf(path, sizeof path, "%s/" RECOVER_NOTE, q->config.dir);
	if (unlink(path) != 0) {
		log_warn("%s", path);
		return;
	}
	q->recovering = false;
	log_warnx("this server goes on without those that were lost");
}

/* ---- the others --------------------------------------------------------- */

static void
recover_on_removed(void *arg, const struct err *e)
{
	struct peer_server *s = arg;

	if (e == NULL || e->code != ERR_REFUSED)
		return;
	log_warnx("%s: it stays in the site, down", e->text);
	s->kept = true;
}

void
quorum_recover_tick(struct quorum *q)
{
	struct ownership_command c = {.type = OWNERSHIP_SERVER_DOWN};
	const struct ownership_server *s;
	struct peer_server *p;
	unsigned i;

	if (!q->recovering || !q->level || q->proposals != NULL)
		return;
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		s = &q->machine.server[i];
		if (s->name[0] == '\0' || strcmp(s->name, q->server) == 0 ||
		    (p = quorum_peer(q, s->name)) == NULL || p->kept)
			continue;
		if (!s->up)
			c.type = OWNERSHIP_SERVER_REMOVE;
		c.life = s->life;
		str_copy(c.server, sizeof c.server, s->name);
		quorum_propose(q, &c, s->up ? NULL : recover_on_removed, p);
		return;
	}
	recover_done(q);
}
