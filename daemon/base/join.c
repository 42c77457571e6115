/* Tokens and messages of joining, encoded and decoded; formats in join.h. */
#include <arpa/inet.h>
#include <openssl/sha.h>
#include <string.h>

#include "join.h"
#include "str.h"

#define PORT_BASE_MIN 1024 /* as tandem.conf(5) has it */
#define PORT_BASE_MAX 65400

/* ---- token -------------------------------------------------------------- */

static void
join_put(uint8_t *p, uint64_t value, unsigned n)
{
	while (n-- > 0) {
		p[n] = (uint8_t)value;
		value >>= 8;
	}
}

static uint64_t
join_get(const uint8_t *p, unsigned n)
{
	uint64_t value = 0;

	while (n-- > 0)
		value = value << 8 | *p++;
	return value;
}

void
join_token_encode(char out[JOIN_TOKEN_TEXT], const struct join_token *t)
{
	uint8_t p[JOIN_TOKEN] = {0}, sum[SHA256_DIGEST_LENGTH];

	p[0] = 1;
	if (t->address.sa.sa_family == AF_INET6) {
		p[1] = 6;
		memcpy(p + 2, &t->address.in6.sin6_addr, 16);
	} else {
		p[1] = 4;
		memcpy(p + 2, &t->address.in4.sin_addr, 4);
	}
	join_put(p + 18, addr_port(&t->address), 2);
	join_put(p + 20, t->expires, 8);
	memcpy(p + 28, t->secret, JOIN_SECRET);
	memcpy(p + 44, t->print, CA_PRINT);
	SHA256(p, 76, sum);
	memcpy(p + 76, sum, 4);
	str_b64(out, p, sizeof p);
}

static bool
join_token_address(union addr *a, const uint8_t *p)
{
	char host[INET6_ADDRSTRLEN];
	int family = p[1] == 6 ? AF_INET6 : AF_INET;

	return (p[1] == 4 || p[1] == 6) &&
	    inet_ntop(family, p + 2, host, sizeof host) != NULL &&
	    addr_parse(a, host, (uint16_t)join_get(p + 18, 2)) &&
	    addr_port(a) != 0;
}

int
join_token_decode(struct join_token *t, const char *text, struct err *e)
{
	uint8_t p[JOIN_TOKEN], sum[SHA256_DIGEST_LENGTH];

	memset(t, 0, sizeof *t);
	if (strlen(text) != JOIN_TOKEN_TEXT - 1 ||
	    str_unb64(p, sizeof p, text, strlen(text)) != JOIN_TOKEN)
		return err_set(e, ERR_SYNTAX,
		    "no token: expected the %d characters that \"request "
		    "server token\" printed",
		    JOIN_TOKEN_TEXT - 1);
	SHA256(p, 76, sum);
	if (memcmp(sum, p + 76, 4) != 0)
		return err_set(e, ERR_SYNTAX,
		    "not as it was printed: a character is wrong");
	if (p[0] != 1 || !join_token_address(&t->address, p))
		return err_set(e, ERR_SYNTAX,
		    "of another version: both servers need the same release");
	t->expires = join_get(p + 20, 8);
	memcpy(t->secret, p + 28, JOIN_SECRET);
	memcpy(t->print, p + 44, CA_PRINT);
	return 0;
}

void
join_token_hash(uint8_t out[JOIN_HASH], const uint8_t secret[JOIN_SECRET])
{
	SHA256(secret, JOIN_SECRET, out);
}

/* ---- request ------------------------------------------------------------ */

/* {"server", "inside", "port-base"} */
static json_t *
join_server_encode(const struct mesh_server *s)
{
	char host[ADDR_TEXT];

	addr_host(host, &s->inside);
	return json_pack("{s:s, s:s, s:i}", "server", s->name, "inside", host,
	    "port-base", (int)addr_port(&s->inside));
}

static int
join_server_decode(struct mesh_server *s, json_t *from, struct err *e)
{
	const char *name, *inside;
	json_int_t port;

	if (json_unpack(from, "{s:s, s:s, s:I}", "server", &name, "inside",
		&inside, "port-base", &port) != 0)
		return err_set(
		    e, ERR_INVALID, "expected server, inside and port-base");
	if (!ca_name_good(name, strlen(name)))
		return err_set(e, ERR_INVALID,
		    "server: expected 1 to 32 lower-case letters, digits or "
		    "'-'");
	if (port < PORT_BASE_MIN || port > PORT_BASE_MAX)
		return err_set(e, ERR_INVALID,
		    "port-base: expected a port from %d to %d", PORT_BASE_MIN,
		    PORT_BASE_MAX);
	if (!addr_parse(&s->inside, inside, (uint16_t)port) ||
	    addr_is_any(&s->inside))
		return err_set(
		    e, ERR_INVALID, "inside: expected the server's address");
	str_copy(s->name, sizeof s->name, name);
	return 0;
}

json_t *
join_request_encode(const struct join_request *r)
{
	char secret[STR_B64_LEN(JOIN_SECRET) + 1], csr[STR_B64_LEN(CA_CSR) + 1];
	json_t *out = join_server_encode(&r->self);

	str_b64(secret, r->secret, JOIN_SECRET);
	str_b64(csr, r->csr, r->csr_len);
	json_object_set_new(out, "version", json_integer(JOIN_VERSION));
	json_object_set_new(out, "secret", json_string(secret));
	json_object_set_new(out, "site", json_string(r->site));
	json_object_set_new(out, "csr", json_string(csr));
	json_object_set_new(out, "witness", json_boolean(r->witness));
	return out;
}

int
join_request_decode(struct join_request *r, json_t *params, struct err *e)
{
	const char *secret, *site, *csr;
	json_int_t version;
	int witness = 0;
	long n;

	memset(r, 0, sizeof *r);
	if (json_unpack(params, "{s:I}", "version", &version) != 0)
		return err_set(e, ERR_INVALID, "expected a version");
	if (version != JOIN_VERSION)
		return err_set(e, ERR_INVALID,
		    "version %lld: both servers need the same release",
		    (long long)version);
	if (json_unpack(params, "{s:s, s:s, s:s}", "secret", &secret, "site",
		&site, "csr", &csr) != 0)
		return err_set(e, ERR_INVALID, "expected secret, site and csr");
	if (str_unb64(r->secret, JOIN_SECRET, secret, strlen(secret)) !=
	    JOIN_SECRET)
		return err_set(e, ERR_INVALID, "secret");
	if (json_unpack(params, "{s?b}", "witness", &witness) != 0)
		return err_set(e, ERR_INVALID, "witness: expected true, false");
	r->witness = witness != 0;
	if (!ca_name_good(site, strlen(site)))
		return err_set(e, ERR_INVALID, "site: expected its name");
	str_copy(r->site, sizeof r->site, site);
	if ((n = str_unb64(r->csr, CA_CSR, csr, strlen(csr))) <= 0)
		return err_set(e, ERR_INVALID, "csr");
	r->csr_len = (size_t)n;
	return join_server_decode(&r->self, params, e);
}

/* ---- reply -------------------------------------------------------------- */

json_t *
join_reply_encode(const struct join_reply *r)
{
	json_t *servers = json_array();
	size_t i;

	for (i = 0; i < r->n; i++)
		json_array_append_new(
		    servers, join_server_encode(&r->servers[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "certificate",
	    r->certificate, "ca", r->ca, "ca-key", r->ca_key, "keys", r->keys,
	    "site", r->site, "servers", servers);
}

int
join_reply_decode(struct join_reply *r, json_t *result, struct err *e)
{
	const char *site;
	json_t *servers, *one;
	size_t i;

	memset(r, 0, sizeof *r);
	if (json_unpack(result, "{s:s, s:s, s:s, s:s, s:s, s:o}", "certificate",
		&r->certificate, "ca", &r->ca, "ca-key", &r->ca_key, "keys",
		&r->keys, "site", &site, "servers", &servers) != 0 ||
	    !json_is_array(servers))
		return err_set(e, ERR_INVALID, "the answer lacks a member");
	if (!ca_name_good(site, strlen(site)) ||
	    json_array_size(servers) > JOIN_SERVERS)
		return err_set(e, ERR_INVALID, "the answer's site");
	str_copy(r->site, sizeof r->site, site);
	json_array_foreach (servers, i, one) {
		if (join_server_decode(&r->servers[r->n++], one, e) != 0)
			return err_wrap(e, "the answer's server %zu", i);
	}
	return 0;
}
