/*
 * Proposals about in-sync sets, asked of quorum and answered to the
 * replicator. What the answers are worth:
 *
 *   add     done: yes. Refused by the machine: it is no member, but an earlier
 *           proposal may still be on its way through raft; a removal, which
 *           ends every proposal before it, is asked for, and only when that is
 *           done the answer is no. Anything else: unknown.
 *   remove  done: yes; it also ends every proposal before it. Else unknown:
 *           whoever waits goes on waiting and asks again.
 */
#include <stdlib.h>

#include "replicator.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define MEMBER_ASK (5 * CLOCK_SEC) /* for quorum to decide */

struct member_ask {
	struct replicator_room *room;
	char key[OWNER_KEY];
	char server[MESH_NAME];
	uint64_t epoch;
	bool add;    /* what was proposed */
	bool undone; /* an addition was refused, a removal is asked for */
};

static void member_send(struct member_ask *);

static void
member_answer(struct member_ask *a, enum replicator_answer answer)
{
	replicator_decided(
	    a->room->replicator, a->key, a->epoch, a->server, a->add, answer);
	free(a);
}

static void
member_on_reply(void *arg, json_t *result, const struct err *e)
{
	struct member_ask *a = arg;

	(void)result;
	if (e != NULL)
		log_debug("key=%s server=%s %s: %s", a->key, a->server,
		    a->add && !a->undone ? "addition" : "removal", e->text);
	if (a->room->replicator == NULL) {
		free(a);
	} else if (e == NULL) {
		member_answer(a, a->undone ? REPLICATOR_NO : REPLICATOR_YES);
	} else if (a->add && !a->undone && e->code == ERR_REFUSED) {
		a->undone = true;
		member_send(a);
	} else {
		member_answer(a, REPLICATOR_UNKNOWN);
	}
}

static void
member_send(struct member_ask *a)
{
	unsigned at = 0;
	struct peer *quorum = role_peer_next(a->room->self, ROLE_QUORUM, &at);

	if (quorum == NULL) {
		member_answer(a, REPLICATOR_UNKNOWN);
		return;
	}
	rpc_call(quorum->rpc,
	    a->add && !a->undone ? "member-add" : "member-remove",
	    json_pack("{s:s, s:I, s:s}", "key", a->key, "epoch",
		(json_int_t)a->epoch, "server", a->server),
	    MEMBER_ASK, member_on_reply, a);
}

void
member_propose(
    void *room, const char *key, uint64_t epoch, const char *server, bool add)
{
	struct member_ask *a = xcalloc(1, sizeof *a);

	a->room = room;
	str_copy(a->key, sizeof a->key, key);
	str_copy(a->server, sizeof a->server, server);
	a->epoch = epoch;
	a->add = add;
	member_send(a);
}

static void
member_on_given(void *arg, json_t *result, const struct err *e)
{
	(void)arg;
	(void)result;
	if (e != NULL)
		log_warnx("a key with a damaged database stays: %s", e->text);
}

void
member_give(void *arg, const char *key, uint64_t epoch, const char *server)
{
	struct replicator_room *room = arg;
	unsigned at = 0;
	struct peer *quorum = role_peer_next(room->self, ROLE_QUORUM, &at);

	if (quorum != NULL)
		rpc_call(quorum->rpc, "move",
		    json_pack("{s:s, s:I, s:s}", "key", key, "epoch",
			(json_int_t)epoch, "server", server),
		    MEMBER_ASK, member_on_given, NULL);
}

static void
member_on_logged(void *arg, json_t *result, const struct err *e)
{
	(void)arg;
	(void)result;
	if (e != NULL)
		log_warnx("quorum does not take the ship log: %s", e->text);
}

void
member_on_link(struct replicator_room *room, struct peer *p)
{
	rpc_call(p->rpc, "log",
	    json_pack("{s:I, s:I}", "id",
		(json_int_t)replicator_log_id(room->replicator), "epoch",
		(json_int_t)replicator_highest_epoch(room->replicator)),
	    MEMBER_ASK, member_on_logged, NULL);
}
