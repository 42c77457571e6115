/*
 * The sockets between processes. No process listens for another: the
 * supervisor makes a pair and hands out its ends, so who may talk to whom is
 * the links column of role.tbl and nothing else.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

/* True when a's row asks for a link with b. */
static bool
link_wanted(enum role_id a, enum role_id b)
{
	return (role_rows[a].links & 1u << b) != 0;
}

unsigned
link_kinds(enum role_id a, enum role_id b)
{
	unsigned kinds = 0;

	if (a == ROLE_CONTROL || b == ROLE_CONTROL)
		kinds |= 1u << ROLE_LINK_RPC;
	if (link_wanted(a, b))
		kinds |= 1u
		    << (b == ROLE_REPLICATOR ? ROLE_LINK_SHIP : ROLE_LINK_RPC);
	if (link_wanted(b, a))
		kinds |= 1u
		    << (a == ROLE_REPLICATOR ? ROLE_LINK_SHIP : ROLE_LINK_RPC);
	return a == b ? 0 : kinds;
}

/* Hand one end to a process; the name is its peer's. */
static void
link_hand(
    struct child *to, const struct child *peer, enum role_link kind, int fd)
{
	struct role_msg m = {.type = ROLE_MSG_LINK};

	str_copy(m.u.link.peer, sizeof m.u.link.peer, peer->name);
	m.u.link.kind = kind;
	child_tell(to, &m, &fd, 1);
	close(fd);
}

static void
link_pair(struct child *a, struct child *b, enum role_link kind)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		ends) != 0)
		fatal("link %s %s", a->name, b->name);
	link_hand(a, b, kind, ends[0]);
	link_hand(b, a, kind, ends[1]);
}

void
link_child(struct child *c)
{
	struct child *peer;
	unsigned role, i, kinds;

	for (role = 0; role < ROLE_MAX; role++) {
		kinds = link_kinds(c->role, (enum role_id)role);
		for (i = 1; kinds != 0 && i <= ROLE_INSTANCES; i++) {
			peer = &c->sup->child[role][i];
			if (!child_alive(peer))
				continue;
			if (kinds & 1u << ROLE_LINK_SHIP)
				link_pair(c, peer, ROLE_LINK_SHIP);
			if (kinds & 1u << ROLE_LINK_RPC)
				link_pair(c, peer, ROLE_LINK_RPC);
		}
	}
}
