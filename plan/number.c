/*
 * Numbers and dialled strings (SEMANTICS D3). Decides what a text means as
 * a number; refuses everything that is none, so that what is looked up later
 * is short, lower-case ASCII. Called by the compiler of domains and for every
 * call; the text is foreign.
 */
#include <string.h>

#include "plan/plan.h"
#include "daemon/base/str.h"

static bool
number_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
number_is_separator(char c)
{
	return c == ' ' || c == '(' || c == ')' || c == '-' || c == '.';
}

static bool
number_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A character of the alphabet; '+' is one only in front. */
static bool
number_is_valid(char c, bool first)
{
	return number_is_digit(c) || number_is_letter(c) || c == '*' ||
	    c == '#' || c == '.' || c == '_' || c == '-' || (first && c == '+');
}

/* Separators count for nothing only between digits, after at most one
 * leading '+'; "a.ivanov" keeps its dot. */
static bool
number_has_separators(const char *s, size_t n)
{
	bool digit = false;

	for (size_t i = 0; i < n; i++) {
		if (number_is_digit(s[i]))
			digit = true;
		else if (!number_is_separator(s[i]) && !(i == 0 && s[i] == '+'))
			return false;
	}
	return digit;
}

int
plan_number_parse(
    char out[PLAN_NUMBER], const char *s, size_t n, struct err *err)
{
	bool skip = number_has_separators(s, n);
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (skip && number_is_separator(s[i]))
			continue;
		if (!number_is_valid(s[i], i == 0))
			return err_set(err, ERR_INVALID,
			    "byte %zu cannot stand in a number", i + 1);
		if (len == PLAN_NUMBER - 1)
			return err_set(err, ERR_INVALID,
			    "a number has at most 32 characters");
		out[len++] = s[i] >= 'A' && s[i] <= 'Z'
		    ? (char)(s[i] - 'A' + 'a')
		    : s[i];
	}
	out[len] = '\0';
	if (len == 0)
		return err_set(err, ERR_INVALID, "a number is empty");
	return 0;
}

static int
number_hex(char c)
{
	if (number_is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Undo %XX (RFC 3986 2.1); the length, or -1 when one is broken. An escaped
 * NUL is a byte like others: no number has one. */
static long
number_unescape(char out[PLAN_DIALLED], const char *s, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		int hi, lo;

		if (s[i] != '%') {
			out[len++] = s[i];
			continue;
		}
		if (n - i < 3 || (hi = number_hex(s[i + 1])) < 0 ||
		    (lo = number_hex(s[i + 2])) < 0)
			return -1;
		out[len++] = (char)(hi << 4 | lo);
		i += 2;
	}
	return (long)len;
}

/* Bytes up to the first of the ends, all of them without one. */
static size_t
number_span(const char *s, size_t n, const char *ends)
{
	size_t i = 0;

	while (i < n && (s[i] == '\0' || strchr(ends, s[i]) == NULL))
		i++;
	return i;
}

/* The length of "name:" in front of a URI, 0 when there is none. */
static size_t
number_scheme(const char *s, size_t n)
{
	size_t i = number_span(s, n, ":@;?");

	return i < n && s[i] == ':' ? i + 1 : 0;
}

int
plan_dialled_parse(
    char out[PLAN_NUMBER], const char *s, size_t n, struct err *err)
{
	char plain[PLAN_DIALLED];
	size_t scheme, user;
	long len;

	out[0] = '\0';
	if (n >= PLAN_DIALLED)
		return err_set(err, ERR_INVALID, "dialled string too long");
	if ((scheme = number_scheme(s, n)) == 0)
		return plan_number_parse(out, s, n, err);
	if (str_iequal(s, scheme, "sip:") || str_iequal(s, scheme, "sips:")) {
		user = number_span(s + scheme, n - scheme, "@");
		if (user == n - scheme)
			return err_set(
			    err, ERR_INVALID, "the URI has no user part");
		/* A password, or parameters of a telephone number. */
		user = number_span(s + scheme, user, ":;");
	} else if (str_iequal(s, scheme, "tel:"))
		user = number_span(s + scheme, n - scheme, ";?");
	else
		return err_set(
		    err, ERR_UNKNOWN, "a URI must be sip:, sips: or tel:");
	if ((len = number_unescape(plain, s + scheme, user)) < 0)
		return err_set(err, ERR_INVALID, "broken escape");
	return plan_number_parse(out, plain, (size_t)len, err);
}
