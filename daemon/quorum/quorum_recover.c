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
#include <string.h>

#include "quorum.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define RECOVER_NOTE "recover"

/* ---- the note ----------------------------------------------------------- */

/* Those named are others of the site, each once. */
static int
recover_check_names(const struct mesh_server *s, size_t have, const char *self,
    const char *const *lost, size_t n, struct err *e)
{
	size_t i, j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < have && strcmp(s[j].name, lost[i]) != 0; j++)
			;
		if (strcmp(lost[i], self) == 0)
			return err_set(e, ERR_INVALID,
			    "%s is this server: name those that are lost",
			    self);
		if (j == have)
			return err_set(e, ERR_INVALID,
			    "server %s is not of this site", lost[i]);
		for (j = 0; j < i; j++) {
			if (strcmp(lost[i], lost[j]) == 0)
				return err_set(e, ERR_INVALID,
				    "server %s is named twice", lost[i]);
		}
	}
	return 0;
}

int
quorum_recover_note(const char *dir, const char *self, const char *const *lost,
    size_t n, struct err *e)
{
	struct mesh_server s[OWNERSHIP_SERVERS];
	size_t have = file_servers(dir, s, OWNERSHIP_SERVERS), i, j;
	int r;

	if (have < 2)
		return err_set(e, ERR_ABSENT,
		    "this server knows no others: there is nothing to recover "
		    "from");
	if ((r = recover_check_names(s, have, self, lost, n, e)) != 0)
		return r;
	for (i = 0; i < have; i++) {
		for (j = 0; j < n && strcmp(s[i].name, lost[j]) != 0; j++)
			;
		if (j == n && strcmp(s[i].name, self) != 0)
			return err_set(e, ERR_INVALID,
			    "server %s is of the site and was not named; name "
			    "all that are lost, which must be all but this one",
			    s[i].name);
	}
	return file_write(dir, RECOVER_NOTE, "alone\n", 6, e);
}

bool
quorum_recover_asked(const char *dir)
{
	return file_there(dir, RECOVER_NOTE);
}

static void
recover_done(struct quorum *q)
{
	if (!file_remove(q->config.dir, RECOVER_NOTE))
		return;
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
