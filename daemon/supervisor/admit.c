/*
 * Servers that join, as the supervisor sees them: control asks, one message
 * one answer. Whatever control says, a certificate is signed and the keys
 * leave only against the secret of a token that is good, once.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "identity.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

/* Texts with their NULs as a file that exists in memory only. */
static int
admit_file(const struct identity_gift *g, int *fd, struct err *e)
{
	const char *const parts[] = {g->certificate, g->ca, g->ca_key, g->keys};
	size_t i, n;

	*fd = memfd_create("join", MFD_CLOEXEC);
	for (i = 0; *fd >= 0 && i < sizeof parts / sizeof parts[0]; i++) {
		n = strlen(parts[i]) + 1;
		if (write(*fd, parts[i], n) != (ssize_t)n) {
			close(*fd);
			*fd = -1;
		}
	}
	return *fd >= 0 ? 0 : err_errno(e, ERR_IO, "file in memory");
}

/* The token is used up before anything leaves. */
static int
admit_finish(const char *state, const struct role_join *q,
    const uint8_t hash[JOIN_HASH], uint64_t now, int *fd, struct err *e)
{
	struct identity_gift g;
	int r;

	if ((r = identity_give(state, q->name, q->point, &g, e)) != 0)
		return r;
	if ((r = admit_file(&g, fd, e)) == 0 &&
	    (r = token_use(state, hash, q->name, now, e)) != 0) {
		close(*fd);
		*fd = -1;
	}
	identity_gift_fini(&g);
	return r;
}

static int
admit_run(const char *state, const struct role_join *q, uint64_t now,
    struct role_joined *a, int *fd, struct err *e)
{
	uint8_t hash[JOIN_HASH];

	if (q->what == ROLE_JOIN_TOKEN)
		return token_add(state, q->hash, q->name, q->expires, now, e);
	join_token_hash(hash, q->secret);
	if (q->what == ROLE_JOIN_CHECK)
		return token_check(
		    state, hash, q->name, now, &a->again, &a->named, e);
	if (q->what == ROLE_JOIN_BEGIN)
		return token_begin(state, hash, q->name, now, e);
	return admit_finish(state, q, hash, now, fd, e);
}

void
admit(const char *state, const struct role_join *q, uint64_t now,
    struct role_joined *a, int *fd)
{
	static const char *const words[] = {
	    "token made", "asks to join", "begins to join", "has joined"};
	size_t n = strnlen(q->name, sizeof q->name);
	struct err e;
	int r;

	memset(a, 0, sizeof *a);
	*fd = -1;
	a->serial = q->serial;
	if ((unsigned)q->what >= ROLE_JOIN_MAX ||
	    (!ca_name_good(q->name, n) &&
		(n > 0 || q->what != ROLE_JOIN_TOKEN)))
		r = err_set(&e, ERR_INVALID, "not a server's name");
	else
		r = admit_run(state, q, now, a, fd, &e);
	if (r == 0) {
		log_info(
		    "server=%s %s", n > 0 ? q->name : "any", words[q->what]);
		return;
	}
	a->code = e.code;
	str_copy(a->text, sizeof a->text, e.text);
	log_warnx(
	    "server=%.32s does not join: %s", n > 0 ? q->name : "any", e.text);
}
