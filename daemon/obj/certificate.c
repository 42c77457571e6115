/*
 * Object certificate: a chain and its key, for listeners over TLS.
 */
#include "obj_room.h"

static const struct op_field fields[] = {
    {.name = "chain",
	.type = &op_type_blob,
	.flags = OP_REQUIRED,
	.min = 1,
	.max = 60000,
	.brief = "certificates in PEM, the own one first"},
    {.name = "key",
	.type = &op_type_secret,
	.flags = OP_REQUIRED,
	.min = 1,
	.max = 16000,
	.brief = "private key in PEM, without a passphrase"},
    OBJ_DESCRIPTION,
    {0},
};

const struct obj obj_certificate = {
    .name = "certificate",
    .place = OBJ_SITE,
    .layer = OBJ_INFRASTRUCTURE,
    .key = {.name = "certificate",
	.type = &op_type_name,
	.brief = "name of the certificate"},
    .brief = "a certificate and its key",
    .about = "Used by listeners whose transport is tls or wss. The key is "
	     "sealed before it is stored and never shown again; setting chain "
	     "and key anew replaces them without closing connections. A "
	     "commit refuses what is no chain of PEM certificates, and a key "
	     "that is not that of the first; it warns of an expired one.",
    .example = "set certificate edge chain @file:tests/data/cert.pem "
	       "key @file:tests/data/key.pem",
    .fields = fields,
};
