#ifndef BASE_CRYPT_H
#define BASE_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The few cryptographic forms of this system, over OpenSSL's libcrypto.
 * A key is 32 bytes of the state directory's key file; each use derives its
 * own from it (HKDF-SHA256, RFC 5869) under a name, so no two uses share one.
 */
#define CRYPT_KEY 32

void crypt_derive(
    uint8_t out[CRYPT_KEY], const uint8_t key[CRYPT_KEY], const char *use);

/* HMAC-SHA256, first n <= 32 bytes. */
void crypt_mac(uint8_t *out, size_t n, const uint8_t key[CRYPT_KEY],
    const void *, size_t len);
bool crypt_equal(const void *, const void *, size_t n); /* constant time */

/*
 * Deterministic authenticated encryption (AES-SIV, RFC 5297): equal input
 * gives equal output, forged input does not open. sealed = CRYPT_TAG bytes
 * longer. ad binds the sealed text to its place.
 */
#define CRYPT_TAG 16
struct crypt_seal;
struct crypt_seal *crypt_seal_new(const uint8_t key[CRYPT_KEY]);
void crypt_seal_free(struct crypt_seal **);
/* Returns the bytes written, or -1 (open: forged or damaged). */
long crypt_seal(struct crypt_seal *, uint8_t *out, size_t size,
    const void *plain, size_t n, const void *ad, size_t adn);
long crypt_open(struct crypt_seal *, void *out, size_t size,
    const uint8_t *sealed, size_t n, const void *ad, size_t adn);

/* Open a text that was sealed and stands in hexadecimal: to be freed, and wiped
 * where that matters; NULL when it is forged or damaged. */
char *crypt_open_text(struct crypt_seal *, const char *hex, const char *ad);

/* Lower-case hexadecimal digests; out holds 33 and 65 bytes. */
void crypt_md5(char out[33], const void *, size_t n);
void crypt_sha256(char out[65], const void *, size_t n);

#endif
