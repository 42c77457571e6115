/* The hello of a connection between servers, as bytes; format in the header. */
#include <string.h>

#include "mesh_hello.h"
#include "str.h"

#define HELLO_CLUSTER 16
#define HELLO_SERVER 48
#define HELLO_SERVER_SIZE 40
#define HELLO_REASON 88

static const char hello_magic[4] = {'T', 'N', 'D', 'M'};

static void
hello_put(uint8_t *p, uint64_t value, unsigned n)
{
	while (n-- > 0) {
		p[n] = (uint8_t)value;
		value >>= 8;
	}
}

static uint64_t
hello_get(const uint8_t *p, unsigned n)
{
	uint64_t value = 0;

	while (n-- > 0)
		value = value << 8 | *p++;
	return value;
}

void
mesh_hello_encode(uint8_t out[MESH_HELLO], const struct mesh_hello *h)
{
	memset(out, 0, MESH_HELLO);
	memcpy(out, hello_magic, sizeof hello_magic);
	hello_put(out + 4, h->version, 2);
	hello_put(out + 6, h->service, 2);
	hello_put(out + 8, h->boot, 8);
	memcpy(out + HELLO_CLUSTER, h->cluster, strlen(h->cluster));
	memcpy(out + HELLO_SERVER, h->server, strlen(h->server));
	memcpy(
	    out + HELLO_REASON, h->reason, strnlen(h->reason, MESH_REASON - 1));
}

/* A text that fills its field up with NULs; false when it is none. */
static bool
hello_text(char *out, size_t size, const uint8_t *p, size_t n)
{
	size_t len = strnlen((const char *)p, n), i;

	for (i = len; i < n; i++) {
		if (p[i] != '\0')
			return false;
	}
	if (len >= size)
		return false;
	memcpy(out, p, len);
	out[len] = '\0';
	return true;
}

static bool
hello_is_hex(const char *s)
{
	return strlen(s) == CA_ID - 1 &&
	    strspn(s, "0123456789abcdef") == CA_ID - 1;
}

static bool
hello_is_printable(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s < ' ' || *s > '~')
			return false;
	}
	return true;
}

int
mesh_hello_decode(
    struct mesh_hello *h, const uint8_t in[MESH_HELLO], struct err *e)
{
	memset(h, 0, sizeof *h);
	if (memcmp(in, hello_magic, sizeof hello_magic) != 0)
		return err_set(e, ERR_SYNTAX, "no hello");
	h->version = (unsigned)hello_get(in + 4, 2);
	h->service = (unsigned)hello_get(in + 6, 2);
	if (h->version != MESH_VERSION)
		return 0;
	h->boot = hello_get(in + 8, 8);
	if (!hello_text(
		h->cluster, sizeof h->cluster, in + HELLO_CLUSTER, CA_ID - 1) ||
	    !hello_is_hex(h->cluster))
		return err_set(e, ERR_SYNTAX, "hello: id of the cluster");
	if (!hello_text(h->server, sizeof h->server, in + HELLO_SERVER,
		HELLO_SERVER_SIZE) ||
	    !ca_name_good(h->server, strlen(h->server)))
		return err_set(e, ERR_SYNTAX, "hello: name of the server");
	if (!hello_text(
		h->reason, sizeof h->reason, in + HELLO_REASON, MESH_REASON) ||
	    !hello_is_printable(h->reason))
		return err_set(e, ERR_SYNTAX, "hello: reason");
	return 0;
}
