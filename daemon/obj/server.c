/*
 * Object server: one machine of the site. Its row is made at the first start
 * from the boot file; what an operator sets here are the ports and the
 * address that phones are told for media.
 */
#include "obj_room.h"

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
    {.name = "description",
	.type = &op_type_text,
	.max = 200,
	.brief = "note for operators"},
    {0},
};

const struct obj obj_server = {
    .name = "server",
    .place = OBJ_SITE,
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
};
