/*
 * What border roles are told, made from the site's stream and the directory.
 * They open no database (DESIGN 4). Pure: rows in, JSON out.
 */
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon/base/hrw.h"
#include "daemon/base/str.h"

static json_t *
feed_text(const struct obj_row *row, const char *field)
{
	const char *text = obj_value(row, field);

	return text != NULL ? json_string(text) : json_null();
}

/* A list as an array of its members. */
static json_t *
feed_list(const char *joined)
{
	json_t *list = json_array();
	const char *word;
	size_t n;

	while ((n = str_word(&joined, &word)) > 0)
		json_array_append_new(list, json_stringn(word, n));
	return list;
}

/* The path of an object of the site; key2 NULL = right below the top. */
static bool
feed_path(const struct obj *const *objs, struct obj_path *p, const char *top,
    const char *key, const char *below, const char *key2)
{
	memset(p, 0, sizeof *p);
	p->obj = obj_find(objs, NULL, top);
	p->nkeys = 1;
	str_copy(p->key[0], sizeof p->key[0], key);
	if (below != NULL && p->obj != NULL) {
		p->obj = obj_find(objs, p->obj, below);
		if (key2 != NULL) {
			p->nkeys = 2;
			str_copy(p->key[1], sizeof p->key[1], key2);
		}
	}
	return p->obj != NULL;
}

/* A number of a role of a server; -1 = the role is not placed there. */
static int
feed_role(const struct obj *const *objs, sqlite3 *site, const char *server,
    const char *role, const char *field, int def)
{
	struct obj_path p;
	struct obj_row row;
	int n;

	if (!feed_path(objs, &p, "server", server, "role", role) ||
	    obj_get(site, &p, &row, NULL) != 0)
		return -1;
	n = (int)obj_value_int(&row, field, def);
	obj_row_fini(&row);
	return n;
}

/* ---- domains ----------------------------------------------------------------
 */

static json_t *
feed_domain_row(const struct obj_row *row)
{
	return json_pack("{s:s, s:o, s:o, s:o}", "name", row->path.key[0],
	    "alias", feed_list(obj_value(row, "alias")), "realm",
	    feed_text(row, "realm"), "state", feed_text(row, "state"));
}

static int
feed_take_domain(void *arg, struct obj_row *row, struct err *e)
{
	(void)e;
	json_array_append_new(arg, feed_domain_row(row));
	return 0;
}

json_t *
feed_domain(const struct obj *const *objs, sqlite3 *root, const char *name)
{
	struct obj_path p;
	struct obj_row row;
	json_t *o;

	if (!feed_path(objs, &p, "domain", name, NULL, NULL) ||
	    obj_get(root, &p, &row, NULL) != 0)
		return json_pack("{s:s, s:n}", "name", name, "state");
	o = feed_domain_row(&row);
	obj_row_fini(&row);
	return o;
}

/* ---- listeners ---------------------------------------------------------- */

struct feed_listeners {
	const struct obj *const *objs;
	sqlite3 *site;
	const char *instance;
	json_t *list;
};

/* Chain and sealed key of the certificate that a listener shows. */
static void
feed_certificate(const struct feed_listeners *f, json_t *o, const char *name)
{
	struct obj_path p;
	struct obj_row row;

	if (!feed_path(f->objs, &p, "certificate", name, NULL, NULL) ||
	    obj_get(f->site, &p, &row, NULL) != 0)
		return;
	json_object_set_new(o, "chain", feed_text(&row, "chain"));
	json_object_set_new(o, "key", feed_text(&row, "key"));
	obj_row_fini(&row);
}

/* A listener goes to the instance it names, with what TLS needs. */
static int
feed_take_listener(void *arg, struct obj_row *row, struct err *e)
{
	const struct feed_listeners *f = arg;
	const char *certificate = obj_value(row, "certificate");
	json_t *o;

	(void)e;
	if (!str_equal(obj_value(row, "instance"), f->instance))
		return 0;
	o = json_pack("{s:s, s:o, s:o, s:I, s:o, s:o, s:o}", "name",
	    row->path.key[1], "transport", feed_text(row, "transport"),
	    "address", feed_text(row, "address"), "port",
	    (json_int_t)obj_value_int(row, "port", 0), "advertised",
	    feed_text(row, "advertised"), "domain", feed_text(row, "domain"),
	    "certificate", feed_text(row, "certificate"));
	if (certificate != NULL)
		feed_certificate(f, o, certificate);
	json_array_append_new(f->list, o);
	return 0;
}

/* The limits of gates; defaults where nobody set them. */
static json_t *
feed_limits(const struct obj *const *objs, sqlite3 *site)
{
	struct obj_row row = {0};
	json_t *o = json_object();
	const struct op_field *f;
	struct obj_path p;

	if (!feed_path(objs, &p, "gate", "default", NULL, NULL))
		return o;
	obj_get(site, &p, &row, NULL);
	row.path = p;
	for (f = p.obj->fields; f->name != NULL; f++) {
		if (f->type != &op_type_text)
			json_object_set_new(o, f->name,
			    json_integer(obj_value_int(&row, f->name, 0)));
	}
	obj_row_fini(&row);
	return o;
}

/* ---- weights ---------------------------------------------------------------
 */

int
feed_weight(const struct obj *const *objs, sqlite3 *site, const char *server,
    const char *role)
{
	return feed_role(objs, site, server, role, "weight", HRW_WEIGHT);
}

struct feed_weights {
	const struct obj *const *objs;
	sqlite3 *site;
	json_t *list;
};

static int
feed_take_weight(void *arg, struct obj_row *row, struct err *e)
{
	const struct feed_weights *f = arg;
	const char *server = row->path.key[0];
	int n = feed_weight(f->objs, f->site, server, "b2bua");

	(void)e;
	if (n > 0)
		json_object_set_new(f->list, server, json_integer(n));
	return 0;
}

/* What every server's B2BUAs weigh. */
static json_t *
feed_weights(const struct obj *const *objs, sqlite3 *site)
{
	struct feed_weights f = {objs, site, json_object()};
	struct obj_path kind = {.obj = obj_find(objs, NULL, "server")};

	obj_each(site, &kind, NULL, 0, feed_take_weight, &f, NULL);
	return f.list;
}

/* All listeners that name the instance. */
static json_t *
feed_listeners(const struct obj *const *objs, sqlite3 *site, const char *server,
    const char *instance)
{
	struct feed_listeners f = {objs, site, instance, json_array()};
	struct obj_path kind;

	if (feed_path(objs, &kind, "server", server, "listener", NULL))
		obj_each(site, &kind, NULL, 0, feed_take_listener, &f, NULL);
	return f.list;
}

json_t *
feed_programs(const struct obj *const *objs, sqlite3 *site, const char *server,
    const char *instance)
{
	return json_pack(
	    "{s:o}", "listeners", feed_listeners(objs, site, server, instance));
}

json_t *
feed_gate(const struct obj *const *objs, sqlite3 *site, sqlite3 *root,
    const char *server, const char *instance)
{
	json_t *domains = json_array();
	struct obj_path kind;

	feed_path(objs, &kind, "domain", "", NULL, NULL);
	kind.nkeys = 0;
	obj_each(root, &kind, NULL, 0, feed_take_domain, domains, NULL);
	return json_pack("{s:o, s:o, s:o, s:o}", "domains", domains,
	    "listeners", feed_listeners(objs, site, server, instance), "gate",
	    feed_limits(objs, site), "weights", feed_weights(objs, site));
}

json_t *
feed_quorum(const struct obj *const *objs, sqlite3 *site)
{
	struct obj_row row = {0};
	struct obj_path p;
	const char *prefer;
	json_t *o;

	feed_path(objs, &p, "site", "default", NULL, NULL);
	obj_get(site, &p, &row, NULL);
	row.path = p;
	prefer = obj_value(&row, "prefer");
	o = json_pack("{s:b}", "availability",
	    prefer != NULL && strcmp(prefer, "availability") == 0);
	obj_row_fini(&row);
	return o;
}

/* ---- media and placement ------------------------------------------------ */

bool
feed_ports(
    char *out, size_t size, const char *ports, unsigned index, unsigned count)
{
	int64_t lo, hi, part;

	if (index < 1 || index > count || !str_ports(ports, 1, &lo, &hi) ||
	    hi < lo)
		return false;
	part = (hi - lo + 1) / count / 2 * 2;
	if (part < 2)
		return false;
	lo += part * (index - 1);
	if (index < count)
		hi = lo + part - 1;
	snprintf(out, size, "%d-%d", (int)lo, (int)hi);
	return true;
}

json_t *
feed_media(const struct obj *const *objs, sqlite3 *site, const char *server,
    unsigned index, unsigned count)
{
	const char *address, *range;
	struct obj_path p;
	struct obj_row row;
	char ports[16];
	json_t *o = NULL;

	if (!feed_path(objs, &p, "server", server, NULL, NULL) ||
	    obj_get(site, &p, &row, NULL) != 0)
		return NULL;
	address = obj_value(&row, "media-address");
	range = obj_value(&row, "media-ports");
	if (address == NULL)
		address = obj_value(&row, "inside");
	if (address != NULL && range != NULL &&
	    feed_ports(ports, sizeof ports, range, index, count))
		o = json_pack(
		    "{s:s, s:s}", "media_address", address, "ports", ports);
	obj_row_fini(&row);
	return o;
}

bool
feed_knows(const struct obj *const *objs, sqlite3 *site, const char *server)
{
	struct obj_path p;

	return feed_path(objs, &p, "server", server, NULL, NULL) &&
	    obj_exists(site, &p, NULL) == 1;
}

int
feed_instances(const struct obj *const *objs, sqlite3 *site, const char *server,
    const char *role)
{
	return feed_role(objs, site, server, role, "instances", 1);
}

struct feed_others {
	const struct obj *const *objs;
	sqlite3 *site;
	const char *server, *role;
	bool found;
};

static int
feed_look_elsewhere(void *arg, struct obj_row *row, struct err *e)
{
	struct feed_others *f = arg;
	const char *server = row->path.key[0];

	(void)e;
	if (strcmp(server, f->server) != 0 &&
	    feed_instances(f->objs, f->site, server, f->role) > 0)
		f->found = true;
	return 0;
}

bool
feed_elsewhere(const struct obj *const *objs, sqlite3 *site, const char *server,
    const char *role)
{
	struct feed_others f = {
	    .objs = objs, .site = site, .server = server, .role = role};
	struct obj_path kind = {.obj = obj_find(objs, NULL, "server")};

	return obj_each(site, &kind, NULL, 0, feed_look_elsewhere, &f, NULL) ==
	    0 &&
	    f.found;
}
