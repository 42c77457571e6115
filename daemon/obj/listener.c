/*
 * Object listener: an address outside on which a gate meets phones.
 */
#include <string.h>

#include "obj_room.h"
#include "daemon/base/str.h"

static const char *const transports[] = {
    "udp", "tcp", "tls", "ws", "wss", "https", NULL};

static const struct op_field fields[] = {
    {.name = "instance",
	.type = &op_type_instance,
	.def = "sg/1",
	.brief = "process that listens"},
    {.name = "transport",
	.type = &op_type_choice,
	.choices = transports,
	.flags = OP_REQUIRED,
	.brief = "how SIP is carried; https: for programs"},
    {.name = "address",
	.type = &op_type_address,
	.flags = OP_REQUIRED,
	.brief = "address to listen on; 0.0.0.0 or :: for all"},
    {.name = "port",
	.type = &op_type_port,
	.flags = OP_REQUIRED,
	.brief = "port to listen on"},
    {.name = "advertised",
	.type = &op_type_host,
	.brief = "host told to phones instead of the address"},
    {.name = "domain",
	.type = &op_type_ref,
	.ref = "domain",
	.brief = "domain of requests to an IP or unknown host"},
    {.name = "certificate",
	.type = &op_type_ref,
	.ref = "certificate",
	.brief = "certificate shown over tls, wss or https"},
    OBJ_DESCRIPTION,
    {0},
};

/* Programs come to ws, phones to sg. */
static int
listener_check_instance(const char *instance, bool https, struct err *e)
{
	if (https && !str_prefix(instance, "ws/"))
		return err_set(e, ERR_CHECK,
		    "instance: https is listened on by ws, such as ws/1");
	if (!https && str_prefix(instance, "ws/"))
		return err_set(
		    e, ERR_CHECK, "instance: ws listens on https only");
	return 0;
}

/* TLS needs a certificate; without TLS one would never be shown. An address
 * that means all of them cannot be told to a phone. */
static int
listener_check(const struct obj_row *row, struct err *e)
{
	const char *transport = obj_value(row, "transport");
	const char *address = obj_value(row, "address");
	bool https = str_equal(transport, "https");
	bool tls = https || str_equal(transport, "tls") ||
	    str_equal(transport, "wss");
	bool any = str_equal(address, "0.0.0.0") || str_equal(address, "::");

	if (tls && obj_value(row, "certificate") == NULL)
		return err_set(
		    e, ERR_CHECK, "certificate: needed for %s", transport);
	if (!tls && obj_value(row, "certificate") != NULL)
		return err_set(
		    e, ERR_CHECK, "certificate: of no use for %s", transport);
	if (any && !https && obj_value(row, "advertised") == NULL)
		return err_set(e, ERR_CHECK,
		    "advertised: needed where the address is %s", address);
	return listener_check_instance(obj_value(row, "instance"), https, e);
}

const struct obj obj_listener = {
    .name = "listener",
    .parent = &obj_server,
    .place = OBJ_SITE,
    .layer = OBJ_INFRASTRUCTURE,
    .key = {.name = "listener",
	.type = &op_type_name,
	.brief = "name of the listener"},
    .brief = "an outside address where phones or programs are met",
    .about =
	"A gate (sg) listens there for SIP, or with transport https an "
	"instance of ws for programs, see tandem-api(7). advertised is the "
	"host that phones are told when the gate stands behind NAT or listens "
	"on all addresses. domain names the domain of phones that write an "
	"IP address in place of a domain; without it they are refused. "
	"What such a phone dials at the host it calls itself by is a "
	"number of its domain.",
    .example = "set server srv1 listener lan transport udp "
	       "address 127.0.0.1 port 5060",
    .fields = fields,
    .check = listener_check,
};
