/*
 * Digest credentials (RFC 3261 22, RFC 7616, RFC 8760): cuts the header's
 * value into its fields and compares the response. Takes MD5 and SHA-256,
 * qop auth and none; refuses -sess, auth-int, userhash and anything longer
 * than its field. Knows no users and no nonces: SG judges the nonce, SR and
 * its tests bring the HA1. Called by SG and SR.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/crypt.h"
#include "daemon/base/str.h"
#include "sip.h"

/* Where a parameter goes. */
static const struct sip_digest_field {
	const char *name;
	size_t at, size;
} sip_digest_fields[] = {
#define FIELD(n) \
#n, offsetof(struct sip_digest, n), sizeof(((struct sip_digest *)0)->n)
    {FIELD(username)},
    {FIELD(realm)},
    {FIELD(nonce)},
    {FIELD(uri)},
    {FIELD(response)},
    {FIELD(algorithm)},
    {FIELD(qop)},
    {FIELD(nc)},
    {FIELD(cnonce)},
#undef FIELD
};

/* The value without its quotes. What is escaped inside them stays so: the
 * digest is made over the text between the quotes (RFC 7616 3.4, unq). */
static bool
sip_digest_unquote(const char **v, size_t *n)
{
	if (*n == 0 || **v != '"')
		return true;
	if (*n < 2 || (*v)[*n - 1] != '"')
		return false;
	*v += 1;
	*n -= 2;
	return true;
}

/* One parameter. Given twice, empty or too long it is refused; what is not
 * known is passed over (RFC 7616 3.4). */
static int
sip_digest_put(struct sip_digest *d, const char *name, size_t namelen,
    const char *value, size_t n, struct err *err)
{
	const struct sip_digest_field *f;
	char *at;
	size_t i;

	if (!sip_digest_unquote(&value, &n))
		return err_set(err, ERR_SYNTAX, "digest: open quote");
	if (str_iequal(name, namelen, "userhash") &&
	    !str_iequal(value, n, "false"))
		return err_set(err, ERR_INVALID, "digest: userhash");
	for (i = 0; i < sizeof sip_digest_fields / sizeof *f; i++) {
		f = &sip_digest_fields[i];
		if (!str_iequal(name, namelen, f->name))
			continue;
		at = (char *)d + f->at;
		if (at[0] != '\0')
			return err_set(
			    err, ERR_SYNTAX, "digest: %s twice", f->name);
		if (n == 0 || memchr(value, '\0', n) != NULL)
			return err_set(
			    err, ERR_SYNTAX, "digest: %s empty", f->name);
		if (!str_ncopy(at, f->size, value, n))
			return err_set(
			    err, ERR_INVALID, "digest: %s too long", f->name);
		break;
	}
	return 0;
}

/* The name of a field that must be there and is not, or NULL. */
static const char *
sip_digest_lacking(const struct sip_digest *d)
{
	if (d->username[0] == '\0')
		return "username";
	if (d->realm[0] == '\0')
		return "realm";
	if (d->nonce[0] == '\0')
		return "nonce";
	if (d->uri[0] == '\0')
		return "uri";
	if (d->response[0] == '\0')
		return "response";
	if (d->qop[0] != '\0' && d->cnonce[0] == '\0')
		return "cnonce";
	if (d->qop[0] != '\0' && d->nc[0] == '\0')
		return "nc";
	return NULL;
}

/* Whether s is exactly n hexadecimal digits; it is made lower case. */
static bool
sip_digest_hex(char *s, size_t n)
{
	size_t i;

	for (i = 0; s[i] != '\0'; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return false;
		s[i] = (char)tolower((unsigned char)s[i]);
	}
	return i == n;
}

/* The algorithm in its one spelling; false when it is another one. */
static bool
sip_digest_algorithm(struct sip_digest *d)
{
	const char *a = d->algorithm;

	if (a[0] == '\0' || str_iequal(a, strlen(a), "MD5"))
		return str_copy(d->algorithm, sizeof d->algorithm, "MD5");
	if (str_iequal(a, strlen(a), "SHA-256"))
		return str_copy(d->algorithm, sizeof d->algorithm, "SHA-256");
	return false;
}

/* What binds the fields to one another, once all are there. */
static int
sip_digest_finish(struct sip_digest *d, struct err *err)
{
	const char *name = sip_digest_lacking(d);
	char nc[sizeof d->nc];
	bool md5;

	if (name != NULL)
		return err_set(err, ERR_SYNTAX, "digest: no %s", name);
	if (!sip_digest_algorithm(d))
		return err_set(err, ERR_INVALID, "digest: algorithm unknown");
	if (d->qop[0] != '\0' && !str_iequal(d->qop, strlen(d->qop), "auth"))
		return err_set(err, ERR_INVALID, "digest: qop unknown");
	memcpy(nc, d->nc, sizeof nc);
	if (d->qop[0] != '\0' && !sip_digest_hex(nc, 8))
		return err_set(err, ERR_SYNTAX, "digest: nc no 8 digits");
	md5 = d->algorithm[0] == 'M';
	if (!sip_digest_hex(d->response, md5 ? 32 : 64))
		return err_set(err, ERR_SYNTAX, "digest: response no digits");
	return 0;
}

/* RFC 3261 25.1: LWS, and the commas of a list with empty places. */
static const char *
sip_digest_skip(const char *p, const char *end, const char *what)
{
	while (p < end && *p != '\0' && strchr(what, *p) != NULL)
		p++;
	return p;
}

/* The end of a value: a quoted string whole, or all up to the comma. */
static const char *
sip_digest_value_end(const char *p, const char *end)
{
	if (p < end && *p == '"') {
		for (p++; p < end && *p != '"'; p++) {
			if (*p == '\\' && p + 1 < end)
				p++;
		}
		return p < end ? p + 1 : p;
	}
	while (p < end && strchr(", \t\r\n", *p) == NULL)
		p++;
	return p;
}

/* One "name = value" at p; returns where the next may begin. */
static int
sip_digest_param(
    struct sip_digest *d, const char **pp, const char *end, struct err *err)
{
	static const char lws[] = " \t\r\n";
	const char *name = *pp, *p = name, *value;
	size_t namelen;
	int rc;

	while (p < end &&
	    (isalnum((unsigned char)*p) || *p == '-' || *p == '_' || *p == '*'))
		p++;
	namelen = (size_t)(p - name);
	p = sip_digest_skip(p, end, lws);
	if (namelen == 0 || p == end || *p != '=')
		return err_set(err, ERR_SYNTAX, "digest: no name=value");
	value = sip_digest_skip(p + 1, end, lws);
	p = sip_digest_value_end(value, end);
	rc = sip_digest_put(d, name, namelen, value, (size_t)(p - value), err);
	p = sip_digest_skip(p, end, lws);
	if (rc == 0 && p < end && *p != ',')
		return err_set(err, ERR_SYNTAX, "digest: no comma");
	*pp = p;
	return rc;
}

/* Empty the fields without clearing two kilobytes for each request. */
static void
sip_digest_clear(struct sip_digest *d)
{
	size_t i;

	for (i = 0; i < sizeof sip_digest_fields / sizeof sip_digest_fields[0];
	     i++)
		((char *)d)[sip_digest_fields[i].at] = '\0';
}

int
sip_digest_parse(
    struct sip_digest *d, const char *value, size_t n, struct err *err)
{
	static const char between[] = " \t\r\n,";
	const char *end = value + n, *p;
	int rc;

	sip_digest_clear(d);
	p = sip_digest_skip(value, end, " \t\r\n");
	if (end - p < 7 || !str_iequal(p, 6, "Digest") ||
	    strchr(" \t\r\n", p[6]) == NULL)
		return err_set(err, ERR_INVALID, "credentials: no Digest");
	p = sip_digest_skip(p + 6, end, between);
	while (p < end) {
		if ((rc = sip_digest_param(d, &p, end, err)) != 0)
			return rc;
		p = sip_digest_skip(p, end, between);
	}
	return sip_digest_finish(d, err);
}

int
sip_digest_take(struct sip_digest *d, const msg_auth_t *au, struct err *err)
{
	const char *eq, *param;
	size_t i;
	int rc;

	sip_digest_clear(d);
	if (au->au_scheme == NULL ||
	    !str_iequal(au->au_scheme, strlen(au->au_scheme), "Digest"))
		return err_set(err, ERR_INVALID, "credentials: no Digest");
	for (i = 0; au->au_params != NULL && au->au_params[i] != NULL; i++) {
		param = au->au_params[i];
		if ((eq = strchr(param, '=')) == NULL)
			return err_set(
			    err, ERR_SYNTAX, "digest: no name=value");
		rc = sip_digest_put(d, param, (size_t)(eq - param), eq + 1,
		    strlen(eq + 1), err);
		if (rc != 0)
			return rc;
	}
	return sip_digest_finish(d, err);
}

/* A text made of parts joined by ':' to be hashed. The fields of a struct
 * sip_digest and a password of OP_VALUE fit; a longer method is cut. */
struct sip_digest_text {
	char data[5120];
	size_t n;
};

/* Append a part, with ':' before all but the first. */
static void
sip_digest_join(struct sip_digest_text *t, const char *part)
{
	size_t n = strlen(part);

	if (t->n != 0 && t->n < sizeof t->data)
		t->data[t->n++] = ':';
	if (n > sizeof t->data - t->n)
		n = sizeof t->data - t->n;
	memcpy(t->data + t->n, part, n);
	t->n += n;
}

/* H() of RFC 7616 3.3; out holds 65 bytes. */
static void
sip_digest_hash(char *out, bool sha256, const struct sip_digest_text *t)
{
	if (sha256)
		crypt_sha256(out, t->data, t->n);
	else
		crypt_md5(out, t->data, t->n);
}

/* RFC 7616 3.4.1, and RFC 2617 3.2.2.1 where there is no qop. */
bool
sip_digest_check(
    const struct sip_digest *d, const char *method, const char *ha1)
{
	struct sip_digest_text t;
	bool sha256 = d->algorithm[0] == 'S';
	char ha2[65], want[65];

	t.n = 0;
	sip_digest_join(&t, method);
	sip_digest_join(&t, d->uri);
	sip_digest_hash(ha2, sha256, &t);
	t.n = 0;
	sip_digest_join(&t, ha1);
	sip_digest_join(&t, d->nonce);
	if (d->qop[0] != '\0') {
		sip_digest_join(&t, d->nc);
		sip_digest_join(&t, d->cnonce);
		sip_digest_join(&t, d->qop);
	}
	sip_digest_join(&t, ha2);
	sip_digest_hash(want, sha256, &t);
	return crypt_equal(want, d->response, sha256 ? 64 : 32);
}

void
sip_digest_ha1(char *out, bool sha256, const char *user, const char *realm,
    const char *password)
{
	struct sip_digest_text t;

	t.n = 0;
	sip_digest_join(&t, user);
	sip_digest_join(&t, realm);
	sip_digest_join(&t, password);
	sip_digest_hash(out, sha256, &t);
}
