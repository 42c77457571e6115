/*
 * Keys of certificates come sealed, as control reads them; a border role opens
 * them with the certificate key that it is given.
 */
#include <string.h>

#include "role.h"

#define ROLE_PEM 65536

char *
role_open_key(const struct self *self, const char *hex, const char *certificate)
{
	struct crypt_seal *seal;
	uint8_t key[CRYPT_KEY];
	char *pem;

	if (*hex == '\0' || strlen(hex) > 2 * ROLE_PEM)
		return NULL;
	crypt_derive(key, self->key_certificate, "certificate key");
	seal = crypt_seal_new(key);
	pem = crypt_open_text(seal, hex, certificate);
	crypt_seal_free(&seal);
	explicit_bzero(key, sizeof key);
	return pem;
}
