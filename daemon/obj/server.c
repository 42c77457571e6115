/*
 * Object server: one machine of the site. Its row is made at the first start
 * from the boot file; what an operator sets here are the ports and the
 * address that phones are told for media.
 */
#include <sys/socket.h>

#include "obj_room.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"

#define SERVER_PORT_MIN 1024 /* media gates run without rights */

static const struct op_field fields[] = {
    {.name = "inside",
	.type = &op_type_address,
	.flags = OP_INTERNAL,
	.brief = "address of its processes inside the site"},
    {.name = "port-base",
	.type = &op_type_port,
	.flags = OP_INTERNAL,
	.brief = "first of the ports of its processes"},
    {.name = "witness",
	.type = &op_type_bool,
	.flags = OP_INTERNAL,
	.def = "no",
	.brief = "it votes and holds no data"},
    {.name = "media-address",
	.type = &op_type_address,
	.flags = OP_LIST,
	.brief = "addresses for RTP, one of IPv4, one of IPv6"},
    {.name = "media-ports",
	.type = &op_type_ports,
	.def = "30000-39999",
	.brief = "ports of its media gates"},
    OBJ_DESCRIPTION,
    {0},
};

/* What a gate could tell no phone, or would pass over. */
static int
server_check_addresses(const char *at, struct err *e)
{
	bool seen[2] = {false, false}, v6;
	const char *word;
	union addr a;
	size_t n;

	while ((n = str_word(&at, &word)) > 0) {
		if (!addr_nparse(&a, word, n, 0) || addr_is_any(&a))
			return err_set(e, ERR_CHECK,
			    "media-address: %.*s is no address for phones",
			    (int)n, word);
		v6 = a.sa.sa_family == AF_INET6;
		if (seen[v6])
			return err_set(e, ERR_CHECK,
			    "media-address: at most one of IPv4, one of IPv6");
		seen[v6] = true;
	}
	return 0;
}

/* RTP has an even port and RTCP the odd one behind it. */
static int
server_check_ports(const char *range, struct err *e)
{
	int64_t lo, hi;

	if (!str_ports(range, SERVER_PORT_MIN, &lo, &hi) || lo + lo % 2 >= hi)
		return err_set(e, ERR_CHECK,
		    "media-ports: expected ports from %d on, an even one and "
		    "the odd one behind it at least",
		    SERVER_PORT_MIN);
	return 0;
}

/* A media gate refuses what it is fed in its log, where no operator looks. */
static int
server_check(const struct obj_row *row, struct err *e)
{
	const char *addresses = obj_value(row, "media-address");
	int r = server_check_ports(obj_value(row, "media-ports"), e);

	return r != 0 || addresses == NULL
	    ? r
	    : server_check_addresses(addresses, e);
}

const struct obj obj_server = {
    .name = "server",
    .place = OBJ_SITE,
    .layer = OBJ_INFRASTRUCTURE,
    .key = {.name = "server",
	.type = &op_type_name,
	.brief = "name of the server"},
    .brief = "a machine that runs processes of the site",
    .about = "A server is one machine, virtual machine or container with one "
	     "tandemd. Its inside address and port base come from the boot "
	     "file, see tandem.conf(5). Media gates open their ports on "
	     "media-address and tell it to phones; without one, on the "
	     "inside address. A change is for calls from then on. A witness "
	     "votes on who owns what and holds no data: it has no roles and "
	     "no listeners.",
    .example = "set server srv1 media-ports 30000-39999 description rack-4",
    .fields = fields,
    .check = server_check,
};
