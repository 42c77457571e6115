/*
 * The domains that this gate serves, as control feeds them: by host (name and
 * aliases, lower case, A-labels) and by digest realm. Who asks for what is not
 * here learns nothing from that: it is challenged like everybody.
 */
#include <stdlib.h>

#include "daemon/base/mem.h"
#include "sg.h"

/* A host as a key: lower case, no dot behind it. */
static size_t
sg_domain_key(char out[SG_DOMAIN], struct scan_span host)
{
	size_t i, n = host.n;

	if (n > 0 && host.p[n - 1] == '.')
		n--;
	if (n >= SG_DOMAIN)
		return 0;
	for (i = 0; i < n; i++)
		out[i] = host.p[i] >= 'A' && host.p[i] <= 'Z'
		    ? (char)(host.p[i] + 32)
		    : host.p[i];
	out[n] = '\0';
	return n;
}

static struct scan_span
sg_domain_span(const char *text)
{
	return (struct scan_span){text, strlen(text)};
}

static void
sg_domain_put(struct map *m, const char *name, struct sg_domain *d)
{
	char key[SG_DOMAIN];
	size_t n = sg_domain_key(key, sg_domain_span(name));

	if (n > 0 && map_put(m, key, n, d, NULL) != 0)
		fatalx("sg: out of memory");
}

/* Every key of a map that leads to the domain. */
static void
sg_domain_forget(struct map *m, const struct sg_domain *d)
{
	const struct sg_domain *value;
	const void *key;
	size_t at = 0, len;

	while ((value = map_next(m, &at, &key, &len)) != NULL) {
		if (value == d)
			map_del(m, key, len);
	}
}

static void
sg_domain_drop(struct sg_domains *t, struct sg_domain *d)
{
	struct sg_domain **at = &t->first;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	sg_domain_forget(&t->by_host, d);
	sg_domain_forget(&t->by_realm, d);
	free(d);
}

static struct sg_domain *
sg_domain_find(const struct sg_domains *t, const char *name)
{
	struct sg_domain *d;

	for (d = t->first; d != NULL && strcmp(d->name, name) != 0; d = d->next)
		;
	return d;
}

void
sg_domain_remove(struct sg_domains *t, const char *name)
{
	struct sg_domain *d = sg_domain_find(t, name);

	if (d != NULL)
		sg_domain_drop(t, d);
}

void
sg_domain_clear(struct sg_domains *t)
{
	struct sg_domain *d;

	while ((d = t->first) != NULL) {
		t->first = d->next;
		free(d);
	}
	map_fini(&t->by_host);
	map_fini(&t->by_realm);
}

int
sg_domain_take(struct sg_domains *t, json_t *row, struct err *e)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	const char *realm = json_string_value(json_object_get(row, "realm"));
	json_t *alias, *aliases = json_object_get(row, "alias");
	struct sg_domain *d;
	size_t i;

	if (name == NULL || strlen(name) >= SG_DOMAIN ||
	    (realm != NULL && strlen(realm) >= SG_DOMAIN))
		return err_set(e, ERR_INVALID, "domain without a name");
	if (map_str(&t->by_host, name) != NULL)
		sg_domain_remove(t, name);
	d = xcalloc(1, sizeof *d);
	str_copy(d->name, sizeof d->name, name);
	str_copy(d->realm, sizeof d->realm, realm != NULL ? realm : name);
	d->next = t->first;
	t->first = d;
	sg_domain_put(&t->by_host, d->name, d);
	sg_domain_put(&t->by_realm, d->realm, d);
	json_array_foreach (aliases, i, alias) {
		if (json_string_length(alias) > 0)
			sg_domain_put(&t->by_host, json_string_value(alias), d);
	}
	return 0;
}

const struct sg_domain *
sg_domain_by_host(const struct sg_domains *t, struct scan_span host)
{
	char key[SG_DOMAIN];
	size_t n = sg_domain_key(key, host);

	return n > 0 ? map_get(&t->by_host, key, n) : NULL;
}

const struct sg_domain *
sg_domain_by_realm(const struct sg_domains *t, struct scan_span realm)
{
	char key[SG_DOMAIN];
	size_t n = sg_domain_key(key, realm);

	return n > 0 ? map_get(&t->by_realm, key, n) : NULL;
}
