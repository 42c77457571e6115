/*
 * Keys of certificates come sealed, as control reads them; a border role opens
 * them with the certificate key that it is given.
 */
#include <stdlib.h>
#include <string.h>

#include "role.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define ROLE_PEM 65536

char *
role_open_key(const struct self *self, const char *hex, const char *certificate)
{
	struct crypt_seal *seal;
	uint8_t key[CRYPT_KEY], *sealed;
	size_t n = strlen(hex);
	char *pem = NULL;
	long len, r;

	if (n == 0 || n > 2 * ROLE_PEM)
		return NULL;
	sealed = xmalloc(n / 2 + 1);
	len = str_unhex(sealed, n / 2, hex, n);
	if (len > CRYPT_TAG) {
		crypt_derive(key, self->key_certificate, "certificate key");
		seal = crypt_seal_new(key);
		pem = xcalloc(1, (size_t)len);
		r = crypt_open(seal, pem, (size_t)len - 1, sealed, (size_t)len,
		    certificate, strlen(certificate));
		if (r < 0) {
			free(pem);
			pem = NULL;
		}
		crypt_seal_free(&seal);
		explicit_bzero(key, sizeof key);
	}
	free(sealed);
	return pem;
}
