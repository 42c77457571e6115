/*
 * What the administrators of a site make of a login name, and its tokens of
 * what a program shows. Control asks for every session, the store when a
 * commit changes them.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "obj_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/crypt.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

static int
admin_found(void *arg, struct obj_row *row, struct err *e)
{
	(void)row;
	(void)e;
	*(bool *)arg = true;
	return 1;
}

/* What the administrator's row says. */
static int
admin_row(struct op_who *who, const struct obj_row *row, struct err *e)
{
	const char *role = obj_value(row, "role");
	const char *domain = obj_value(row, "domain");
	int i = 1;

	if (!str_equal(obj_value(row, "state"), "on"))
		return err_set(e, ERR_PERMISSION,
		    "%s is not permitted: the %s is off", who->name,
		    row->path.obj->name);
	while (i < ADMIN_ROLES && !str_equal(role, admin_role_names[i]))
		i++;
	if (i == ADMIN_ROLES || (i == ADMIN_DOMAIN && domain == NULL) ||
	    !str_copy(
		who->domain, sizeof who->domain, domain != NULL ? domain : ""))
		return err_set(e, ERR_PERMISSION,
		    "%s is not permitted: the role is not known here",
		    who->name);
	who->role = (enum admin_role)i;
	return 0;
}

int
obj_admin_role(const struct obj *const *objs, sqlite3 *site, struct op_who *who,
    struct err *e)
{
	struct obj_path p = {.obj = obj_find(objs, NULL, "administrator")};
	struct obj_row row;
	bool any = false;
	int r;

	who->domain[0] = '\0';
	who->role = ADMIN_NOBODY;
	if ((r = obj_each(site, &p, NULL, 1, admin_found, &any, e)) < 0)
		return r;
	if (!any) {
		who->role = ADMIN_SITE;
		return 0;
	}
	p.nkeys = 1;
	str_copy(p.key[0], sizeof p.key[0], who->name);
	if ((r = obj_get(site, &p, &row, e)) == 0) {
		r = admin_row(who, &row, e);
		obj_row_fini(&row);
	} else if (r == -ERR_ABSENT) {
		r = err_set(e, ERR_PERMISSION,
		    "%s is not permitted: there are administrators, and none "
		    "is called %s",
		    who->name, who->name);
	}
	return r;
}

/* ---- certificates -------------------------------------------------------- */

struct admin_print {
	const char *fingerprint;
	struct op_who *who;
};

/* 1 when it is theirs, and they may. */
static int
admin_has_print(void *arg, struct obj_row *row, struct err *e)
{
	struct admin_print *p = arg;
	int r;

	if (!str_has_word(obj_value(row, "certificate"), p->fingerprint,
		strlen(p->fingerprint)))
		return 0;
	str_copy(p->who->name, sizeof p->who->name, row->path.key[0]);
	return (r = admin_row(p->who, row, e)) != 0 ? r : 1;
}

int
obj_certificate_role(const struct obj *const *objs, sqlite3 *site,
    const char *fingerprint, struct op_who *who, struct err *e)
{
	struct obj_path kind = {.obj = obj_find(objs, NULL, "administrator")};
	struct admin_print p = {.fingerprint = fingerprint, .who = who};
	int r;

	who->domain[0] = '\0';
	who->role = ADMIN_NOBODY;
	r = obj_each(site, &kind, NULL, 0, admin_has_print, &p, e);
	if (r == 0)
		return err_set(e, ERR_PERMISSION,
		    "no administrator has the certificate %s", fingerprint);
	return r < 0 ? r : 0;
}

/* ---- tokens -------------------------------------------------------------- */

void
obj_token_digest(char *out, const char *token, const char *secret)
{
	char *text = xasprintf(OBJ_TOKEN "%s:%s", token, secret);

	crypt_sha256(out, text, strlen(text));
	OPENSSL_cleanse(text, strlen(text));
	free(text);
}

static bool
token_knows(const struct obj_row *row, const char *token, const char *secret)
{
	const char *stored = obj_value(row, "secret");
	char digest[65];

	if (stored == NULL || strlen(stored) != sizeof digest - 1)
		return false;
	obj_token_digest(digest, token, secret);
	return crypt_equal(stored, digest, sizeof digest - 1);
}

static unsigned
token_scope(const char *list)
{
	unsigned bits = 0, i;

	for (i = 0; obj_scopes[i] != NULL; i++) {
		if (str_has_word(list, obj_scopes[i], strlen(obj_scopes[i])))
			bits |= 1u << i;
	}
	return bits;
}

static void
token_rights(const struct obj_row *row, struct obj_token_rights *rights)
{
	const char *digest = obj_value(row, "secret");
	const char *expires = obj_value(row, "expires");

	rights->scope = token_scope(obj_value(row, "scope"));
	rights->rate = (unsigned)obj_value_int(row, "requests-per-second", 1);
	rights->expires = 0;
	if (expires != NULL && !clock_parse(expires, &rights->expires))
		rights->expires = 1; /* what cannot be read is over */
	str_copy(rights->digest, sizeof rights->digest,
	    digest != NULL ? digest : "");
}

int
obj_token_role(const struct obj *const *objs, sqlite3 *site, const char *secret,
    struct op_who *who, struct obj_token_rights *rights, struct err *e)
{
	struct obj_path p = {.obj = obj_find(objs, NULL, "token"), .nkeys = 1};
	const char *name = who->name + strlen(OBJ_TOKEN);
	struct obj_row row = {0};
	int r;

	who->domain[0] = '\0';
	who->role = ADMIN_NOBODY;
	str_copy(p.key[0], sizeof p.key[0], name);
	if ((r = obj_get(site, &p, &row, e)) != 0 && r != -ERR_ABSENT)
		return r;
	if (r == 0)
		token_rights(&row, rights);
	if (r != 0 || (secret != NULL && !token_knows(&row, name, secret)))
		r = err_set(e, ERR_PERMISSION, "this token is not known here");
	else if (rights->expires != 0 && rights->expires <= clock_real())
		r = err_set(e, ERR_PERMISSION,
		    "%s is not permitted: it has expired", who->name);
	else
		r = admin_row(who, &row, e);
	obj_row_fini(&row);
	return r;
}

int
obj_who_role(const struct obj *const *objs, sqlite3 *site, struct op_who *who,
    struct err *e)
{
	struct obj_token_rights rights;
	int r;

	if (!str_prefix(who->name, OBJ_TOKEN))
		return obj_admin_role(objs, site, who, e);
	if ((r = obj_token_role(objs, site, NULL, who, &rights, e)) != 0)
		return r;
	if (rights.scope & 1u << OBJ_SCOPE_CONFIGURE)
		return 0;
	who->role = ADMIN_NOBODY;
	return err_set(
	    e, ERR_PERMISSION, "%s has no scope configure any more", who->name);
}
