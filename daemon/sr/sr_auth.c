/*
 * Credentials against the users of a domain. Decides who may register and
 * call; refuses a wrong password, an unknown user, an unknown domain, a user
 * who is off and a foreign realm alike: the same answer after the same work.
 * The nonce was judged by SG. Called by sr_register.c and sr_rpc.c.
 */
#include <ctype.h>
#include <string.h>

#include "sr.h"

bool
sr_auth_user(char out[SR_USER], const char *in)
{
	size_t i;

	for (i = 0; in[i] != '\0'; i++) {
		if (i + 1 == SR_USER || in[i] <= ' ' || in[i] == 0x7f)
			return false;
		out[i] = (char)tolower((unsigned char)in[i]);
	}
	out[i] = '\0';
	return i != 0;
}

const char sr_auth_unread[] = "users cannot be read";

/* The response against one user's digests. */
static bool
sr_auth_matches(
    const struct sip_digest *dg, const char *method, const struct sr_user *u)
{
	return sip_digest_check(
	    dg, method, dg->algorithm[0] == 'S' ? u->sha256 : u->md5);
}

/*
 * The memory may say yes at once. Everybody else pays for one more digest,
 * one select, one opened seal, so that a no tells nothing by its time.
 */
/* Why it was no, once all the work is done. */
static const char *
sr_auth_cause(const struct sr_domain *d, const struct sip_digest *dg,
    bool found, const struct sr_user *u)
{
	if (d == NULL)
		return "unknown domain";
	if (!found)
		return "unknown user";
	if (!u->on)
		return "user is off";
	return strcmp(dg->realm, d->realm) != 0 ? "foreign realm"
						: "wrong password";
}

const char *
sr_auth_check(struct sr *sr, struct sr_domain *d, const struct sip_digest *dg,
    const char *method, char user[SR_USER], struct sr_user *out)
{
	static const struct sr_user nobody = {
	    .md5 = "00000000000000000000000000000000",
	    .sha256 = "0000000000000000000000000000000000000000000000000000"
		      "000000000000"};
	const struct sr_user *kept = NULL;
	bool named = sr_auth_user(user, dg->username);
	bool matches;
	int found;

	if (!named)
		user[0] = '\0';
	if (d != NULL && named)
		kept = sr_user_cached(d, user);
	matches = sr_auth_matches(dg, method, kept != NULL ? kept : &nobody);
	if (matches && kept != NULL && kept->on &&
	    strcmp(dg->realm, d->realm) == 0) {
		*out = *kept;
		return NULL;
	}
	found = sr_user_read(sr, d, user, out);
	matches = sr_auth_matches(dg, method, out);
	if (found < 0)
		return sr_auth_unread;
	if (found && named && matches && out->on && d != NULL &&
	    strcmp(dg->realm, d->realm) == 0) {
		sr_user_keep(d, user, out);
		return NULL;
	}
	sr->count.auth_failures++;
	return sr_auth_cause(d, dg, found && named, out);
}
