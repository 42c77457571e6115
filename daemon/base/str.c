/*
 * Small things about strings that C lacks: bounded copies, numbers with
 * limits, escapes for foreign bytes, base64, a keyed hash, random bytes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "str.h"

bool
str_copy(char *out, size_t size, const char *s)
{
	return str_ncopy(out, size, s, strlen(s));
}

bool
str_ncopy(char *out, size_t size, const char *s, size_t n)
{
	size_t fits = n < size ? n : size - 1;

	memcpy(out, s, fits);
	out[fits] = '\0';
	return fits == n;
}

bool
str_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

bool
str_iequal(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp(s, word, n) == 0;
}

bool
str_prefix(const char *s, const char *front)
{
	return strncmp(s, front, strlen(front)) == 0;
}

size_t
str_word(const char **s, const char **word)
{
	size_t n;

	if (*s == NULL)
		return 0;
	*word = *s + strspn(*s, " ");
	n = strcspn(*word, " ");
	*s = *word + n;
	return n;
}

bool
str_has_word(const char *words, const char *word, size_t n)
{
	const char *one;
	size_t len;

	while ((len = str_word(&words, &one)) > 0) {
		if (len == n && memcmp(one, word, n) == 0)
			return true;
	}
	return false;
}

bool
str_int(const char *s, int64_t lo, int64_t hi, int64_t *out)
{
	const char *digits = s + (*s == '-' && lo < 0);
	char *end;
	long long v;

	if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits))
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno != 0 || *end != '\0' || v < lo || v > hi)
		return false;
	*out = v;
	return true;
}

bool
str_ports(const char *s, int64_t lo, int64_t *first, int64_t *last)
{
	size_t n = strcspn(s, "-");
	char front[8];

	return s[n] == '-' && str_ncopy(front, sizeof front, s, n) &&
	    str_int(front, lo, 65535, first) &&
	    str_int(s + n + 1, lo, 65535, last);
}

/* RFC 3629: no surrogates, no overlong form, nothing above U+10FFFF. */
size_t
str_utf8_one(const unsigned char *s, size_t n, uint32_t *scalar)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len, i;
	uint32_t c;

	if (s[0] < 0x80) {
		*scalar = s[0];
		return 1;
	}
	len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
	if (len == 0 || s[0] > 0xf4 || len > n)
		return 0;
	c = s[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*scalar = c;
	return len;
}

/* Characters that change how a line looks without being seen themselves. */
static bool
str_is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c ||
	    (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
}

bool
str_utf8(const char *s, size_t n)
{
	uint32_t c;
	size_t len;

	while (n > 0) {
		len = str_utf8_one((const unsigned char *)s, n, &c);
		if (len == 0)
			return false;
		s += len;
		n -= len;
	}
	return true;
}

size_t
str_escape(char *out, size_t size, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t used = 0, len, i;
	uint32_t c;

	while (n > 0) {
		len = str_utf8_one(p, n, &c);
		if (len != 0 && !str_is_unsafe(c)) {
			if (used + len >= size)
				break;
			memcpy(out + used, p, len);
			used += len;
		} else {
			len = len != 0 ? len : 1;
			if (used + 4 * len >= size)
				break;
			for (i = 0; i < len; i++)
				used += (size_t)sprintf(
				    out + used, "\\x%02x", p[i]);
		}
		p += len;
		n -= len;
	}
	out[used] = '\0';
	return used;
}

void
str_hex(char *out, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *b = p;
	size_t i;

	for (i = 0; i < n; i++) {
		*out++ = digits[b[i] >> 4];
		*out++ = digits[b[i] & 15];
	}
	*out = '\0';
}

static int
str_nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

long
str_unhex(void *out, size_t size, const char *s, size_t n)
{
	unsigned char *b = out;
	size_t i;
	int hi, lo;

	if (n % 2 != 0 || n / 2 > size)
		return -1;
	for (i = 0; i < n; i += 2) {
		hi = str_nibble(s[i]);
		lo = str_nibble(s[i + 1]);
		if (hi < 0 || lo < 0)
			return -1;
		b[i / 2] = (unsigned char)(hi << 4 | lo);
	}
	return (long)(n / 2);
}

static const char str_b64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
str_b64(char *out, const void *p, size_t n)
{
	const unsigned char *b = p;
	char *at = out;
	uint32_t bits = 0;
	int have = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		bits = bits << 8 | b[i];
		for (have += 8; have >= 6; have -= 6)
			*at++ = str_b64_digits[bits >> (have - 6) & 63];
	}
	if (have > 0)
		*at++ = str_b64_digits[bits << (6 - have) & 63];
	*at = '\0';
	return (size_t)(at - out);
}

static int
str_b64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

long
str_unb64(void *out, size_t size, const char *s, size_t n)
{
	unsigned char *b = out;
	uint32_t bits = 0;
	int have = 0, digit;
	size_t used = 0, i;

	if (n % 4 == 1)
		return -1;
	for (i = 0; i < n; i++) {
		if ((digit = str_b64_digit(s[i])) < 0)
			return -1;
		bits = bits << 6 | (uint32_t)digit;
		if ((have += 6) >= 8) {
			if (used == size)
				return -1;
			have -= 8;
			b[used++] = (unsigned char)(bits >> have);
		}
	}
	/* Bits left over must be zero, or two texts would mean one thing. */
	if ((bits & ((1u << have) - 1)) != 0)
		return -1;
	return (long)used;
}

#define ROTL(x, b) ((x) << (b) | (x) >> (64 - (b)))

static void
str_sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = ROTL(v[1], 13) ^ v[0];
	v[0] = ROTL(v[0], 32);
	v[2] += v[3];
	v[3] = ROTL(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTL(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTL(v[1], 17) ^ v[2];
	v[2] = ROTL(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein 2012, reduced rounds). */
uint64_t
str_hash_key(const uint8_t key[16], const void *p, size_t n)
{
	uint64_t k[2], v[4], m, last = (uint64_t)n << 56;
	const unsigned char *b = p;
	size_t i;

	memcpy(k, key, 16);
	v[0] = k[0] ^ UINT64_C(0x736f6d6570736575);
	v[1] = k[1] ^ UINT64_C(0x646f72616e646f6d);
	v[2] = k[0] ^ UINT64_C(0x6c7967656e657261);
	v[3] = k[1] ^ UINT64_C(0x7465646279746573);
	for (; n >= 8; n -= 8, b += 8) {
		memcpy(&m, b, 8);
		v[3] ^= m;
		str_sip_round(v);
		v[0] ^= m;
	}
	for (i = 0; i < n; i++)
		last |= (uint64_t)b[i] << (8 * i);
	v[3] ^= last;
	str_sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (i = 0; i < 3; i++)
		str_sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
str_hash(const void *p, size_t n)
{
	static uint8_t key[16];
	static bool have;

	if (!have) {
		rand_bytes(key, sizeof key);
		have = true;
	}
	return str_hash_key(key, p, n);
}

void
rand_bytes(void *p, size_t n)
{
	char *at = p;
	ssize_t got;

	while (n > 0) {
		got = getrandom(at, n, 0);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			abort(); /* the kernel has no random bytes at all */
		}
		at += got;
		n -= (size_t)got;
	}
}

void
rand_hex(char *out, size_t n)
{
	unsigned char bytes[64];

	if (n > sizeof bytes)
		n = sizeof bytes;
	rand_bytes(bytes, n);
	str_hex(out, bytes, n);
}
