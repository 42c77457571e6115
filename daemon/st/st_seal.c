/*
 * Secrets are sealed here before they reach a candidate, so no file, ship
 * log or backup ever holds one in plain. A password is not kept at all: what
 * is sealed are its digests (RFC 7616 3.4.2, algorithms MD5 and SHA-256)
 * for the realm of its domain. The place is bound in as associated data: a
 * sealed secret copied to another user does not open there.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct st_seal {
	struct crypt_seal *password, *certificate;
};

static struct crypt_seal *
st_seal_key(const uint8_t key[CRYPT_KEY], const char *use)
{
	uint8_t derived[CRYPT_KEY];
	struct crypt_seal *s;

	crypt_derive(derived, key, use);
	s = crypt_seal_new(derived);
	OPENSSL_cleanse(derived, sizeof derived);
	return s;
}

struct st_seal *
st_seal_new(const uint8_t auth[CRYPT_KEY], const uint8_t certificate[CRYPT_KEY])
{
	struct st_seal *s = xcalloc(1, sizeof *s);

	s->password = st_seal_key(auth, "user password");
	s->certificate = st_seal_key(certificate, "certificate key");
	return s;
}

void
st_seal_free(struct st_seal **sp)
{
	struct st_seal *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	crypt_seal_free(&s->password);
	crypt_seal_free(&s->certificate);
	free(s);
}

/* Seal n bytes for a place; hexadecimal, to be freed. */
static int
st_seal_hex(struct crypt_seal *key, const char *plain, const char *place,
    char **hex, struct err *e)
{
	size_t n = strlen(plain);
	uint8_t *sealed = xmalloc(n + CRYPT_TAG);
	long len = crypt_seal(
	    key, sealed, n + CRYPT_TAG, plain, n, place, strlen(place));

	if (len > 0) {
		*hex = xmalloc(2 * (size_t)len + 1);
		str_hex(*hex, sealed, (size_t)len);
	}
	free(sealed);
	return len > 0 ? 0 : err_set(e, ERR_INVALID, "must not be empty");
}

/* The digests for this user and realm, bound to the user of this domain. */
static int
st_seal_password(struct st_seal *s, const struct st_view *v,
    const char *session, const struct obj_path *p, const char *plain,
    char **hex, struct err *e)
{
	char md5[33], sha256[65], digests[33 + 65], place[ST_ID + OBJ_KEY];
	const char *user = p->key[1];
	struct st_domain d;
	char *a1;
	int r;

	if ((r = st_view_domain(v, session, p->key[0], &d, e)) != 0)
		return r;
	if (*plain == '\0')
		return err_set(e, ERR_INVALID, "must not be empty");
	a1 = xasprintf("%s:%s:%s", user, d.realm, plain);
	crypt_md5(md5, a1, strlen(a1));
	crypt_sha256(sha256, a1, strlen(a1));
	OPENSSL_cleanse(a1, strlen(a1));
	free(a1);
	snprintf(digests, sizeof digests, "%s:%s", md5, sha256);
	snprintf(place, sizeof place, "%s/%s", d.id, user);
	return st_seal_hex(s->password, digests, place, hex, e);
}

static int
st_seal_certificate(struct st_seal *s, const struct st_view *v,
    const char *session, const struct obj_path *p, const char *plain,
    char **hex, struct err *e)
{
	(void)v;
	(void)session;
	return st_seal_hex(s->certificate, plain, p->key[0], hex, e);
}

/* Of a token a digest is enough: its secret is random and long. */
static int
st_seal_token(struct st_seal *s, const struct st_view *v, const char *session,
    const struct obj_path *p, const char *plain, char **hex, struct err *e)
{
	(void)s;
	(void)v;
	(void)session;
	if (*plain == '\0')
		return err_set(e, ERR_INVALID, "must not be empty");
	*hex = xmalloc(65);
	obj_token_digest(*hex, p->key[0], plain);
	return 0;
}

char *
st_seal_open_key(struct st_seal *s, const char *certificate, const char *hex)
{
	return crypt_open_text(s->certificate, hex, certificate);
}

/* Which secret is sealed how; one that is not here cannot be set. */
static const struct {
	const char *object, *field;
	int (*seal)(struct st_seal *, const struct st_view *, const char *,
	    const struct obj_path *, const char *, char **, struct err *);
} st_secrets[] = {
    {"user", "password", st_seal_password},
    {"certificate", "key", st_seal_certificate},
    {"token", "secret", st_seal_token},
};

int
st_seal_secret(struct st_seal *s, const struct st_view *v, const char *session,
    const struct obj_path *p, const struct op_field *f, const char *plain,
    char **hex, struct err *e)
{
	size_t i;

	for (i = 0; i < sizeof st_secrets / sizeof st_secrets[0]; i++) {
		if (strcmp(st_secrets[i].object, p->obj->name) == 0 &&
		    strcmp(st_secrets[i].field, f->name) == 0)
			return st_secrets[i].seal(
			    s, v, session, p, plain, hex, e);
	}
	return err_set(e, ERR_INTERNAL, "no key seals this secret");
}
