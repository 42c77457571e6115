/*
 * Which replies are kept for repetition, how long and how many. An entry is
 * made when a request arrives, so that a repetition that overtakes the answer
 * is seen too. Entries without a reply are never dropped by age: the endpoint
 * bounds their number.
 */
#include <stdlib.h>
#include <string.h>

#include "ng.h"
#include "ng_cache.h"

#define NG_KEY_ADDR 20

/* Family, port and host as bytes without padding: what makes a sender. */
static size_t
ng_cache_key(char out[NG_KEY_ADDR + NG_COOKIE], const union addr *a,
    const char *cookie, size_t n)
{
	uint16_t head[2] = {a->sa.sa_family, addr_port(a)};

	memset(out, 0, NG_KEY_ADDR);
	memcpy(out, head, sizeof head);
	if (a->sa.sa_family == AF_INET6)
		memcpy(out + 4, &a->in6.sin6_addr, 16);
	else
		memcpy(out + 4, &a->in4.sin_addr, 4);
	memcpy(out + NG_KEY_ADDR, cookie, n);
	return NG_KEY_ADDR + n;
}

struct ng_cached *
ng_cache_find(const struct ng_cache *c, const union addr *from,
    const char *cookie, size_t n)
{
	char key[NG_KEY_ADDR + NG_COOKIE];

	return map_get(&c->map, key, ng_cache_key(key, from, cookie, n));
}

struct ng_cached *
ng_cache_add(struct ng_cache *c, const union addr *from, const char *cookie,
    size_t n, uint64_t now)
{
	char key[NG_KEY_ADDR + NG_COOKIE];
	size_t len = ng_cache_key(key, from, cookie, n);
	struct ng_cached *e = calloc(1, sizeof *e + len);

	if (e == NULL)
		return NULL;
	memcpy(e->key, key, len);
	e->key_len = len;
	e->from = *from;
	e->since = now;
	if (map_put(&c->map, key, len, e, NULL) != 0) {
		free(e);
		return NULL;
	}
	e->older = c->newest;
	if (c->newest != NULL)
		c->newest->newer = e;
	else
		c->oldest = e;
	c->newest = e;
	c->bytes += len;
	return e;
}

void
ng_cache_drop(struct ng_cache *c, struct ng_cached *e)
{
	map_del(&c->map, e->key, e->key_len);
	if (e->older != NULL)
		e->older->newer = e->newer;
	else
		c->oldest = e->newer;
	if (e->newer != NULL)
		e->newer->older = e->older;
	else
		c->newest = e->older;
	c->bytes -= e->key_len + e->reply_len;
	free(e->reply);
	free(e);
}

void
ng_cache_set(struct ng_cache *c, struct ng_cached *e, char *reply, size_t n)
{
	e->reply = reply;
	e->reply_len = n;
	c->bytes += n;
}

void
ng_cache_prune(struct ng_cache *c, uint64_t now)
{
	struct ng_cached *e, *newer;

	for (e = c->oldest; e != NULL; e = newer) {
		newer = e->newer;
		if (c->map.count <= NG_CACHE_ENTRIES &&
		    c->bytes <= NG_CACHE_BYTES &&
		    now - e->since < NG_REPLY_KEPT)
			break;
		if (e->reply != NULL)
			ng_cache_drop(c, e);
	}
}

const char *
ng_cache_cookie(const struct ng_cached *e, size_t *n)
{
	*n = e->key_len - NG_KEY_ADDR;
	return e->key + NG_KEY_ADDR;
}

void
ng_cache_fini(struct ng_cache *c)
{
	while (c->oldest != NULL)
		ng_cache_drop(c, c->oldest);
	map_fini(&c->map);
}
