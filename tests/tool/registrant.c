/*
 * Phones that refresh their registration over one transport, each on a
 * connection of its own, again and again until a file is there:
 *   registrant TRANSPORT ADDRESS:PORT DOMAIN FIRST USERS FILE
 * Users are FIRST, FIRST + 1 ..., passwords secretNUMBER. In each round all
 * ask and then all are waited for, so that whatever happens to the site finds
 * requests on their way. Only what arrives as a datagram is sent again, as RFC
 * 3261 17.1.2.2 has it. Prints one object: rounds, done, failed, the longest
 * wait in ms. The status is 1 when one failed.
 */
#pragma GCC diagnostic ignored "-Wunused-function"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/load_sip.h"
#include "tests/lib/phone.h"

#define WAIT 500 /* ms between two looks, and sendings */
#define PACE 50	 /* ms between two rounds */
#define USERS_MAX 100

struct user {
	struct phone *phone;
	char name[16], password[32];
	struct challenge www;
	struct text msg;
	uint32_t cseq;
	unsigned tries; /* challenges in a row */
	uint64_t began;
	bool waits;
};

static struct {
	enum sip_proto proto;
	const char *domain;
	struct user user[USERS_MAX];
	unsigned users, rounds, done, failed;
	uint64_t longest;
} all;

static void
ask(struct user *u)
{
	const char *transport = sip_proto_via(all.proto);
	char uri[300], self[ADDR_TEXT];

	addr_text(self, &u->phone->self);
	snprintf(uri, sizeof uri, "sip:%s", all.domain);
	u->cseq++;
	u->msg.n = 0;
	put(&u->msg,
	    "REGISTER %s SIP/2.0\r\n"
	    "Via: SIP/2.0/%s %s;branch=z9hG4bK%s.%u;rport\r\n"
	    "Max-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=t%s\r\n"
	    "To: <sip:%s@%s>\r\nCall-ID: r%s-%d\r\nCSeq: %u REGISTER\r\n"
	    "Contact: <sip:%s@%s>\r\nExpires: 600\r\n",
	    uri, transport, self, u->name, u->cseq, u->name, all.domain,
	    u->name, u->name, all.domain, u->name, (int)getpid(), u->cseq,
	    u->name, self);
	if (u->www.known)
		challenge_put(&u->msg, &u->www, u->name, "REGISTER", uri);
	put(&u->msg, "Content-Length: 0\r\n\r\n");
	phone_send(u->phone, u->msg.data, u->msg.n);
}

static void
end(struct user *u, const char *why)
{
	uint64_t took = clock_mono() - u->began;

	u->waits = false;
	if (took > all.longest)
		all.longest = took;
	all.done++;
	if (why == NULL)
		return;
	all.failed++;
	fprintf(stderr, "%s %s: %s after %llu ms\n", sip_proto_name(all.proto),
	    u->name, why, (unsigned long long)(took / CLOCK_MS));
}

static void
take(struct user *u, const char *msg)
{
	int status = atoi(msg + 8);
	struct part cseq;

	if (status < 200 || !header(msg, "CSeq", '\0', &cseq) ||
	    (uint32_t)strtoul(cseq.p, NULL, 10) != u->cseq)
		return; /* of a request that was answered already */
	if (status == 401 && u->tries++ < 2 &&
	    challenge_take(&u->www, msg, false, u->name, u->password))
		ask(u);
	else
		end(u, status == 200 ? NULL : msg);
}

/* Until it is answered, lost its connection, or has waited for 32 s. */
static void
await(struct user *u)
{
	static char msg[PHONE_SIZE];
	struct phone *p = u->phone;

	while (u->waits) {
		if (p->plain.len == 0 && !p->closed)
			phone_turn(p, WAIT);
		if (p->plain.len != 0 && phone_recv(p, msg) != 0)
			take(u, msg);
		else if (p->closed)
			end(u, "connection lost");
		else if (clock_mono() - u->began > LIFE)
			end(u, "no answer");
		else if (all.proto == SIP_UDP)
			phone_send(p, u->msg.data, u->msg.n);
	}
}

static void
round_of_all(void)
{
	struct user *u, *last = all.user + all.users;

	for (u = all.user; u < last; u++) {
		u->tries = 0;
		u->waits = true;
		u->began = clock_mono();
		ask(u);
	}
	for (u = all.user; u < last; u++)
		await(u);
	all.rounds++;
	phone_turn(all.user[0].phone, PACE);
}

static void
open_all(const char *address, unsigned first)
{
	const char *colon = strrchr(address, ':');
	struct loop *loop = loop_new();
	union addr to;
	unsigned i;

	if (colon == NULL ||
	    !addr_nparse(&to, address, (size_t)(colon - address),
		(uint16_t)atoi(colon + 1)) ||
	    !addr_is_loopback(&to))
		die("%s: expected ADDRESS:PORT of loopback", address);
	for (i = 0; i < all.users; i++) {
		struct user *u = &all.user[i];

		snprintf(u->name, sizeof u->name, "%u", first + i);
		snprintf(u->password, sizeof u->password, "secret%s", u->name);
		u->phone = phone_open(loop, all.proto, &to, all.domain);
		if (u->phone == NULL)
			die("%s: no connection", address);
	}
}

int
main(int argc, char **argv)
{
	if (argc != 7 || (all.users = (unsigned)atoi(argv[5])) == 0 ||
	    all.users > USERS_MAX)
		die("usage: registrant TRANSPORT ADDRESS:PORT DOMAIN FIRST "
		    "USERS FILE");
	while (strcmp(sip_proto_name(all.proto), argv[1]) != 0) {
		if (++all.proto > SIP_WSS)
			die("%s: no transport", argv[1]);
	}
	all.domain = argv[3];
	open_all(argv[2], (unsigned)atoi(argv[4]));
	while (access(argv[6], F_OK) != 0)
		round_of_all();
	printf("{\"transport\": \"%s\", \"rounds\": %u, \"done\": %u, "
	       "\"failed\": %u, \"longest_ms\": %llu}\n",
	    argv[1], all.rounds, all.done, all.failed,
	    (unsigned long long)(all.longest / CLOCK_MS));
	return all.failed != 0;
}
