/*
 * What the administrators of a site make of a login name, and its tokens of
 * what a program shows. Control asks for every session, the store when a
 * commit changes them.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
	static const struct {
		const char *word;
		unsigned bit;
	} scopes[] = {{"read", OBJ_SCOPE_READ},
	    {"configure", OBJ_SCOPE_CONFIGURE}, {"act", OBJ_SCOPE_ACT}};
	unsigned bits = 0;
	size_t n, i;

	for (; list != NULL && *list != '\0'; list += n) {
		list += strspn(list, " ");
		n = strcspn(list, " ");
		for (i = 0; i < sizeof scopes / sizeof scopes[0]; i++) {
			if (strlen(scopes[i].word) == n &&
			    memcmp(scopes[i].word, list, n) == 0)
				bits |= scopes[i].bit;
		}
	}
	return bits;
}

/* 0 = never; what cannot be read is over. */
static uint64_t
token_expires(const struct obj_row *row)
{
	const char *text = obj_value(row, "expires");
	struct tm tm = {0};

	if (text == NULL)
		return 0;
	if (strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return 1;
	return (uint64_t)timegm(&tm) * CLOCK_SEC;
}

static void
token_rights(const struct obj_row *row, struct obj_token_rights *rights)
{
	const char *digest = obj_value(row, "secret");

	rights->scope = token_scope(obj_value(row, "scope"));
	rights->rate = (unsigned)obj_value_int(row, "requests-per-second", 1);
	rights->expires = token_expires(row);
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
	if (r != 0 || (secret != NULL && !token_knows(&row, name, secret)))
		r = err_set(e, ERR_PERMISSION, "this token is not known here");
	else if (token_expires(&row) != 0 &&
	    token_expires(&row) <= clock_real())
		r = err_set(e, ERR_PERMISSION,
		    "%s is not permitted: it has expired", who->name);
	else
		r = admin_row(who, &row, e);
	if (r == 0)
		token_rights(&row, rights);
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
	if (rights.scope & OBJ_SCOPE_CONFIGURE)
		return 0;
	who->role = ADMIN_NOBODY;
	return err_set(
	    e, ERR_PERMISSION, "%s has no scope configure any more", who->name);
}
