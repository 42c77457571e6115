/*
 * What must not be there twice, and what must stay: two listeners of a
 * server cannot have one address and port, a name calls one domain only, a
 * certificate lets in one administrator, and a server cannot be configured away
 * from under the store that runs on it. Looked at as a whole, and only when the
 * commit touched such objects.
 */
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* Did the change set touch an object of this kind? */
static bool
unique_touched(const struct st_checker *k, const struct obj *o)
{
	const struct st_changes *c = k->changes;
	struct obj_path p;
	size_t i;

	for (i = 0; o != NULL && i < c->n; i++) {
		if (i > 0 && c->list[i].path == c->list[i - 1].path)
			continue;
		if (obj_path_parse(k->view->objs, c->list[i].path, &p, NULL) ==
			0 &&
		    p.obj == o)
			return true;
	}
	return false;
}

/* ---- listeners ----------------------------------------------------------- */

struct unique_listener {
	char path[OBJ_PATH];
	char server[OBJ_KEY];
	char address[64];
	int64_t port;
	bool udp, any, v6;
};

struct unique_listeners {
	struct unique_listener *list;
	size_t n, cap;
};

/* What a listener binds to. */
static int
unique_take_listener(void *arg, struct obj_row *row, struct err *e)
{
	struct unique_listeners *all = arg;
	const char *address = obj_value(row, "address");
	const char *transport = obj_value(row, "transport");
	struct unique_listener *l;

	(void)e;
	if (address == NULL || transport == NULL)
		return 0; /* refused by its own check */
	if (all->n == all->cap) {
		all->cap = all->cap == 0 ? 16 : 2 * all->cap;
		all->list = xrealloc(all->list, all->cap * sizeof *all->list);
	}
	l = &all->list[all->n++];
	obj_path_text(&row->path, l->path, sizeof l->path);
	str_copy(l->server, sizeof l->server, row->path.key[0]);
	str_copy(l->address, sizeof l->address, address);
	l->port = obj_value_int(row, "port", 0);
	l->udp = strcmp(transport, "udp") == 0;
	l->v6 = strchr(address, ':') != NULL;
	l->any = strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
	return 0;
}

/* Would the second bind of the two be refused by the kernel? */
static bool
unique_overlap(const struct unique_listener *a, const struct unique_listener *b)
{
	if (a->port != b->port || a->udp != b->udp || a->v6 != b->v6 ||
	    strcmp(a->server, b->server) != 0)
		return false;
	return a->any || b->any || strcmp(a->address, b->address) == 0;
}

/* Few enough on a site to compare each with each. */
static int
unique_listeners(sqlite3 *site, const struct obj *listener, struct err *e)
{
	struct unique_listeners all = {0};
	struct obj_path kind = {.obj = listener};
	size_t i, j;
	int r = obj_each(site, &kind, NULL, 0, unique_take_listener, &all, e);

	for (i = 0; r == 0 && i < all.n; i++) {
		for (j = 0; r == 0 && j < i; j++) {
			if (unique_overlap(&all.list[i], &all.list[j]))
				r = err_set(e, ERR_CHECK,
				    "%s: %s has the same address and port",
				    all.list[i].path, all.list[j].path);
		}
	}
	free(all.list);
	return r;
}

/* ---- names of domains ---------------------------------------------------- */

struct unique_names {
	struct map names; /* name or alias -> path of its domain */
	struct pool *pool;
	const struct op_who *who; /* who hears of it; may be NULL */
};

/* Whose name it is already hears only who sees that domain. */
static int
unique_name(
    struct unique_names *all, const char *name, const char *path, struct err *e)
{
	const char *other = map_str(&all->names, name);

	if (other != NULL && all->who != NULL &&
	    (!op_sees(all->who, other + strlen("domain ")) ||
		!op_sees(all->who, path + strlen("domain "))))
		return err_set(
		    e, ERR_CHECK, "the name %s is taken already", name);
	if (other != NULL)
		return err_set(e, ERR_CHECK, "%s: %s is also called %s", path,
		    other, name);
	return map_str_put(&all->names, name, pool_str(all->pool, path)) == 0
	    ? 0
	    : err_set(e, ERR_NOMEM, "out of memory");
}

/* A domain answers to its name and to all its aliases. */
static int
unique_take_domain(void *arg, struct obj_row *row, struct err *e)
{
	struct unique_names *all = arg;
	const char *at = obj_value(row, "alias"), *word;
	char path[OBJ_PATH], one[OBJ_KEY];
	size_t n;
	int r;

	obj_path_text(&row->path, path, sizeof path);
	r = unique_name(all, row->path.key[0], path, e);
	while (r == 0 && (n = str_word(&at, &word)) > 0) {
		str_ncopy(one, sizeof one, word, n);
		r = unique_name(all, one, path, e);
	}
	return r;
}

static int
unique_domains(const struct st_checker *k, sqlite3 *root,
    const struct obj *domain, struct err *e)
{
	struct unique_names all = {.pool = pool_new(), .who = k->who};
	struct obj_path kind = {.obj = domain};
	int r = obj_each(root, &kind, NULL, 0, unique_take_domain, &all, e);

	map_fini(&all.names);
	pool_free(&all.pool);
	return r;
}

/* ---- certificates of administrators ---------------------------------------
 */

struct unique_prints {
	struct map owners; /* fingerprint -> path of its administrator */
	struct pool *pool;
};

static int
unique_take_admin(void *arg, struct obj_row *row, struct err *e)
{
	struct unique_prints *all = arg;
	const char *at = obj_value(row, "certificate"), *word;
	char path[OBJ_PATH], one[OBJ_KEY];
	size_t n;

	obj_path_text(&row->path, path, sizeof path);
	while ((n = str_word(&at, &word)) > 0) {
		str_ncopy(one, sizeof one, word, n);
		if (map_str(&all->owners, one) != NULL)
			return err_set(e, ERR_CHECK,
			    "%s: certificate: %s is that of %s", path, one,
			    (char *)map_str(&all->owners, one));
		if (map_str_put(&all->owners, one, pool_str(all->pool, path)) !=
		    0)
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	return 0;
}

/* Who shows a certificate must be one person. */
static int
unique_administrators(sqlite3 *site, const struct obj *admin, struct err *e)
{
	struct unique_prints all = {.pool = pool_new()};
	struct obj_path kind = {.obj = admin};
	int r = obj_each(site, &kind, NULL, 0, unique_take_admin, &all, e);

	map_fini(&all.owners);
	pool_free(&all.pool);
	return r;
}

/* ---- what must stay -------------------------------------------------------
 */

/* The own server, and the store on it: nobody could commit again. */
static int
unique_stay(const struct st_checker *k, sqlite3 *site, const struct obj *server,
    struct err *e)
{
	struct obj_path p = {.obj = server, .nkeys = 1};
	struct obj_row row;
	int64_t n;
	int r;

	str_copy(p.key[0], OBJ_KEY, k->server);
	if ((r = obj_exists(site, &p, e)) < 0)
		return r;
	if (r == 0)
		return err_set(e, ERR_CHECK,
		    "server %s: runs this store and cannot be deleted",
		    k->server);
	p.obj = obj_find(k->view->objs, server, "role");
	p.nkeys = 2;
	str_copy(p.key[1], OBJ_KEY, "st");
	if (p.obj == NULL)
		return 0;
	if ((r = obj_get(site, &p, &row, e)) == -ERR_ABSENT)
		return err_set(e, ERR_CHECK,
		    "server %s role st: cannot be deleted", k->server);
	if (r != 0)
		return r;
	n = obj_value_int(&row, "instances", 1);
	obj_row_fini(&row);
	return n > 0
	    ? 0
	    : err_set(e, ERR_CHECK, "server %s role st: instances: at least 1",
		  k->server);
}

int
st_unique(const struct st_checker *k, struct err *e)
{
	const struct st_view *v = k->view;
	const struct obj *const *objs = v->objs;
	const struct obj *server = obj_find(objs, NULL, "server");
	const struct obj *listener = obj_find(objs, server, "listener");
	const struct obj *role = obj_find(objs, server, "role");
	const struct obj *domain = obj_find(objs, NULL, "domain");
	const struct obj *admin = obj_find(objs, NULL, "administrator");
	sqlite3 *site = v->db(v->arg, v->site);
	int r = 0;

	if (unique_touched(k, server) || unique_touched(k, role))
		r = unique_stay(k, site, server, e);
	if (r == 0 && unique_touched(k, listener))
		r = unique_listeners(site, listener, e);
	if (r == 0 && unique_touched(k, admin))
		r = unique_administrators(site, admin, e);
	if (r == 0 && unique_touched(k, domain))
		r = unique_domains(k, v->db(v->arg, ST_ROOT_STREAM), domain, e);
	return r;
}
