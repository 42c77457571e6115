/* Keys, seals and digests over libcrypto; the only file that includes EVP. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "crypt.h"
#include "log.h"
#include "mem.h"
#include "str.h"

/* A message is sealed or opened in a copy of what holds the key: to set the
 * key anew costs more than a short message itself. */
struct crypt_seal {
	EVP_CIPHER_CTX *seal, *open, *copy;
};

/* HKDF with an empty salt and one block of output: extract, then expand. */
void
crypt_derive(
    uint8_t out[CRYPT_KEY], const uint8_t key[CRYPT_KEY], const char *use)
{
	static const uint8_t zero[CRYPT_KEY];
	uint8_t prk[CRYPT_KEY], info[128];
	size_t n = strlen(use);

	if (n >= sizeof info)
		fatalx("crypt: use too long: %s", use);
	crypt_mac(prk, sizeof prk, zero, key, CRYPT_KEY);
	memcpy(info, use, n);
	info[n] = 1;
	crypt_mac(out, CRYPT_KEY, prk, info, n + 1);
	OPENSSL_cleanse(prk, sizeof prk);
}

void
crypt_mac(uint8_t *out, size_t n, const uint8_t key[CRYPT_KEY], const void *p,
    size_t len)
{
	uint8_t full[EVP_MAX_MD_SIZE];
	unsigned size;

	if (HMAC(EVP_sha256(), key, CRYPT_KEY, p, len, full, &size) == NULL)
		fatalx("crypt: HMAC failed");
	memcpy(out, full, n <= size ? n : size);
}

bool
crypt_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

struct crypt_seal *
crypt_seal_new(const uint8_t key[CRYPT_KEY])
{
	struct crypt_seal *s = xcalloc(1, sizeof *s);
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-128-SIV", NULL);

	s->seal = EVP_CIPHER_CTX_new();
	s->open = EVP_CIPHER_CTX_new();
	s->copy = EVP_CIPHER_CTX_new();
	if (cipher == NULL || s->copy == NULL ||
	    EVP_EncryptInit_ex2(s->seal, cipher, key, NULL, NULL) != 1 ||
	    EVP_DecryptInit_ex2(s->open, cipher, key, NULL, NULL) != 1)
		fatalx("crypt: libcrypto has no AES-128-SIV");
	EVP_CIPHER_free(cipher);
	return s;
}

void
crypt_seal_free(struct crypt_seal **sp)
{
	struct crypt_seal *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	EVP_CIPHER_CTX_free(s->seal);
	EVP_CIPHER_CTX_free(s->open);
	EVP_CIPHER_CTX_free(s->copy);
	free(s);
}

long
crypt_seal(struct crypt_seal *s, uint8_t *out, size_t size, const void *plain,
    size_t n, const void *ad, size_t adn)
{
	EVP_CIPHER_CTX *c = s->copy;
	int len;

	if (n + CRYPT_TAG > size || n == 0)
		return -1;
	if (EVP_CIPHER_CTX_copy(c, s->seal) != 1 ||
	    (adn > 0 && EVP_EncryptUpdate(c, NULL, &len, ad, (int)adn) != 1) ||
	    EVP_EncryptUpdate(c, out + CRYPT_TAG, &len, plain, (int)n) != 1 ||
	    EVP_EncryptFinal_ex(c, out + CRYPT_TAG + len, &len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, CRYPT_TAG, out) != 1)
		fatalx("crypt: sealing failed");
	return (long)n + CRYPT_TAG;
}

long
crypt_open(struct crypt_seal *s, void *out, size_t size, const uint8_t *sealed,
    size_t n, const void *ad, size_t adn)
{
	EVP_CIPHER_CTX *c = s->copy;
	int len;

	if (n <= CRYPT_TAG || n - CRYPT_TAG > size)
		return -1;
	if (EVP_CIPHER_CTX_copy(c, s->open) != 1 ||
	    EVP_CIPHER_CTX_ctrl(
		c, EVP_CTRL_AEAD_SET_TAG, CRYPT_TAG, (void *)sealed) != 1 ||
	    (adn > 0 && EVP_DecryptUpdate(c, NULL, &len, ad, (int)adn) != 1))
		fatalx("crypt: opening failed");
	if (EVP_DecryptUpdate(
		c, out, &len, sealed + CRYPT_TAG, (int)(n - CRYPT_TAG)) != 1)
		return -1;
	return (long)(n - CRYPT_TAG);
}

char *
crypt_open_text(struct crypt_seal *s, const char *hex, const char *ad)
{
	size_t n = strlen(hex);
	uint8_t *sealed = xmalloc(n / 2 + 1);
	char *plain = xcalloc(1, n / 2 + 1);
	long len = str_unhex(sealed, n / 2, hex, n);

	if (len >= 0)
		len = crypt_open(
		    s, plain, n / 2, sealed, (size_t)len, ad, strlen(ad));
	free(sealed);
	if (len < 0) {
		free(plain);
		return NULL;
	}
	return plain;
}

/* A digest as hexadecimal. The algorithm is looked up once a process: the
 * search costs as much as a short digest itself. */
static void
crypt_digest(
    char *out, EVP_MD **kept, const char *name, const void *p, size_t n)
{
	uint8_t bytes[EVP_MAX_MD_SIZE];
	unsigned size;

	if (*kept == NULL)
		*kept = EVP_MD_fetch(NULL, name, NULL);
	if (*kept == NULL || EVP_Digest(p, n, bytes, &size, *kept, NULL) != 1)
		fatalx("crypt: libcrypto has no %s", name);
	str_hex(out, bytes, size);
}

void
crypt_md5(char out[33], const void *p, size_t n)
{
	static EVP_MD *md;

	crypt_digest(out, &md, "MD5", p, n);
}

void
crypt_sha256(char out[65], const void *p, size_t n)
{
	static EVP_MD *md;

	crypt_digest(out, &md, "SHA256", p, n);
}
