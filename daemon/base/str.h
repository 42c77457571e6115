#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copy with truncation; out is always terminated. False when it was cut. */
bool str_copy(char *out, size_t size, const char *);
bool str_ncopy(char *out, size_t size, const char *, size_t n);
bool str_equal(const char *, const char *); /* both may be NULL */
/* n bytes against a C string, letters of ASCII without case. */
bool str_iequal(const char *, size_t n, const char *);
bool str_prefix(const char *s, const char *front);
/* The next word of words joined by spaces, its bytes; 0 at the end. *s (which
 * may be NULL) moves behind it. */
size_t str_word(const char **s, const char **word);
/* Is the word of n bytes one of them? */
bool str_has_word(const char *words, const char *word, size_t n);
/* A whole decimal number lo..hi, digits only (a leading '-' where lo < 0). */
bool str_int(const char *, int64_t lo, int64_t hi, int64_t *out);
/* Two ports lo..65535 of "30000-39999", in any order. */
bool str_ports(const char *, int64_t lo, int64_t *first, int64_t *last);
/*
 * Make foreign bytes safe to show: control bytes, bidirectional marks and
 * what is not valid UTF-8 become \xHH, a backslash stays. Returns the length.
 */
size_t str_escape(char *out, size_t size, const char *, size_t n);
bool str_utf8(const char *, size_t n); /* valid UTF-8, RFC 3629 */
/* Bytes of the character that n bytes (one at least) begin with, and its
 * scalar; 0 = they are no UTF-8. */
size_t str_utf8_one(const unsigned char *, size_t n, uint32_t *scalar);

/* Lower-case hexadecimal; out holds 2n+1. str_unhex: bytes or -1. */
void str_hex(char *out, const void *, size_t n);
long str_unhex(void *out, size_t size, const char *, size_t n);
/* Base64 with the URL alphabet and no padding, RFC 4648 section 5. */
#define STR_B64_LEN(n) (((n)*4 + 2) / 3)
size_t str_b64(char *out, const void *, size_t n); /* adds a NUL */
long str_unb64(void *out, size_t size, const char *, size_t n);

/* 64-bit hash of bytes, keyed at random per process (SipHash-1-3). */
uint64_t str_hash(const void *, size_t n);
/* The same under a given key: equal on every server. */
uint64_t str_hash_key(const uint8_t key[16], const void *, size_t n);

/* Unpredictable bytes of the kernel; never fails. */
void rand_bytes(void *, size_t n);
/* n random bytes as hexadecimal; out holds 2n+1. */
void rand_hex(char *out, size_t n);

#endif
