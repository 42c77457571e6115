/*
 * The words of the system: what is neither an operation nor an object and yet
 * stands in the texts of both. tandem(7) and help have them from here.
 */
#include <stddef.h>

#include "op.h"

const struct op_concept op_concepts[] = {
    {"site",
	"Servers with fast links between them that together are one exchange: "
	"one configuration, the same domains, one console for all of it. One "
	"server alone is a site too."},
    {"server",
	"One machine with one tandemd(8). It is made one of a site by a "
	"token, and holds a copy of every stream; see "
	"tandem-replication(7)."},
    {"leg",
	"One dialog of a call: a is that of the caller, b1, b2 ... those of "
	"the phones that were rung. Each has a Call-ID of its own."},
    {"recorder",
	"What keeps the messages of calls on each server for some time, so "
	"that a call can be looked at afterwards; see tandem-trace(5)."},
    {"witness",
	"A server that votes on who owns what and holds no data, so that of "
	"two others either can go on alone."},
    {"role",
	"A kind of duty: gates of phones (sg) and of media (mg), the joining "
	"of calls (b2bua), the registrar (sr), the store (st), the "
	"controller of media gates (mgc). What an administrator may do is "
	"called a role too, see tandem-admin(7)."},
    {"instance",
	"One process doing one role on one server, such as sg/1@srv1."},
    {"key",
	"What can be owned: sr, st, mgc, and calls/b2bua-N@SERVER for each "
	"B2BUA. Each stream belongs to one key."},
    {"owner",
	"The one active instance of a role that has state. The others are "
	"passive: warm, and one of them takes over when the owner dies."},
    {"epoch",
	"The number of an ownership. It grows with every change of owner, so "
	"an owner of before is known and refused."},
    {"member",
	"A server that must have a record on disk before it is acknowledged. "
	"The members of a key are its in-sync set; only a member becomes "
	"owner."},
    {"follower",
	"A server that is sent the records of a stream, member or not."},
    {"stream",
	"One SQLite database with one writer, the owner of its key. The "
	"site, the directory of domains and every domain have one each; see "
	"tandem-wal(5)."},
    {"ship log",
	"The file in which a server keeps what was written to the streams. "
	"No answer leaves before what it depends on is synced there; see "
	"tandem-wal(5)."},
    {"domain",
	"A customer: an independent logical copy of the system, with users, "
	"numbers and call records of its own, and one database. Domains are a "
	"tree by their names."},
    {"number", "What can be dialled in a domain."},
    {"call record",
	"The state of one call, enough for another instance to go on with "
	"it; and what is left of it when it has ended, which show cdr lists."},
    {"operation",
	"What can be asked of a site. Its words are what is typed; its verb, "
	"the first of them, states what it can do to the system. "
	"tandem-ops(7) lists them."},
    {"object",
	"One thing that is configured: a key, by which it is named, and "
	"fields with values. tandem-objects(5) has all kinds."},
    {"path",
	"The name of an object: domain demo.test user 101. tandem-grammar(7) "
	"has its form."},
    {"session",
	"One connection of a console: somebody, in a role, from somewhere."},
    {"candidate",
	"A configuration in the making, of one session. set and delete change "
	"it, compare tells how it differs from what runs, commit makes it "
	"run, wholly or not at all, all of it or one layer. That of a prompt "
	"outlives its connection."},
    {"layer",
	"What changes together: the infrastructure is machines, their "
	"addresses and certificates; the structure what runs where, and who "
	"runs it; the data are domains and what is in them. "
	"tandem-objects(5) says of each object of which it is."},
    {"revision",
	"The number of a commit. rollback makes a candidate that leads back "
	"to one of the last 500."},
    {0},
};
