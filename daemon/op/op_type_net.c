/*
 * Types of names and addresses on the network, and of numbers that phones
 * dial (SEMANTICS D3).
 */
#include <ctype.h>
#include <string.h>

#include "op_room.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"

#define OP_DNS_NAME 253 /* RFC 1035 2.3.4, as text without the last dot */
#define OP_DNS_LABEL 63

/* One label of letters, digits and inner hyphens; made small. */
static bool
op_label_copy(char *out, const char *in, size_t n)
{
	size_t i;

	if (n < 1 || n > OP_DNS_LABEL || in[0] == '-' || in[n - 1] == '-')
		return false;
	for (i = 0; i < n; i++) {
		if (!isalnum((unsigned char)in[i]) && in[i] != '-')
			return false;
		out[i] = (char)tolower((unsigned char)in[i]);
	}
	return true;
}

/*
 * A DNS name in the preferred syntax (RFC 1123 2.1), small letters, without
 * a last dot. The last label is not all digits: that would be an address.
 */
static bool
op_dns_copy(char *out, size_t size, const char *in)
{
	size_t len = strlen(in), n, at = 0;

	if (len > 0 && in[len - 1] == '.')
		len--;
	if (len < 1 || len > OP_DNS_NAME || len >= size)
		return false;
	for (;;) {
		n = strcspn(in + at, ".");
		if (at + n > len)
			n = len - at;
		if (!op_label_copy(out + at, in + at, n))
			return false;
		if (at + n == len)
			break;
		out[at + n] = '.';
		at += n + 1;
	}
	out[len] = '\0';
	return strspn(out + at, "0123456789") != n;
}

int
op_parse_domain(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	const char *p;

	(void)f;
	for (p = in; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80)
			return err_set(e, ERR_INVALID,
			    "expected the ASCII form of the name (xn--...)");
	}
	if (!op_dns_copy(out, size, in))
		return err_set(
		    e, ERR_INVALID, "expected a domain name such as demo.test");
	return 0;
}

int
op_parse_address(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	char text[ADDR_TEXT];
	union addr a;

	(void)f;
	if (!addr_parse(&a, in, 0))
		return err_set(e, ERR_INVALID,
		    "expected an address such as 192.0.2.7 or 2001:db8::7");
	addr_host(text, &a);
	return op_copy(out, size, text, e);
}

int
op_parse_host(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	if (op_parse_address(f, in, out, size, NULL) == 0 ||
	    op_dns_copy(out, size, in))
		return 0;
	return err_set(e, ERR_INVALID, "expected a host name or an address");
}

/* Whether all but the separators is digits, a leading + allowed. */
static bool
op_number_is_digits(const char *in)
{
	bool any = false;

	for (; *in != '\0'; in++) {
		if (isdigit((unsigned char)*in) || (*in == '+' && !any))
			any = true;
		else if (strchr("() -.", *in) == NULL)
			return false;
	}
	return any;
}

/*
 * SEMANTICS D3. Written entries of pure digits lose their separators
 * ("+7 (495) 123-45-67"); anything else keeps '.', '_' and '-', because
 * there they are part of the name ("a.ivanov").
 */
int
op_parse_number(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	bool digits = op_number_is_digits(in);
	size_t n = 0;
	const char *p;

	(void)f;
	for (p = in; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80)
			return err_set(e, ERR_INVALID,
			    "expected ASCII digits and letters");
		if (digits && strchr("() -.", *p) != NULL)
			continue;
		if (!isalnum((unsigned char)*p) && strchr("*#+._-", *p) == NULL)
			return err_set(e, ERR_INVALID,
			    "expected digits, letters or * # + . _ -");
		if (*p == '+' && n > 0)
			return err_set(
			    e, ERR_INVALID, "expected + only at the front");
		if (n >= 32 || n + 1 >= size)
			return err_set(
			    e, ERR_INVALID, "expected at most 32 characters");
		out[n++] = (char)tolower((unsigned char)*p);
	}
	out[n] = '\0';
	if (n == 0 || strcmp(out, "+") == 0)
		return err_set(e, ERR_INVALID, "expected a number");
	return 0;
}
