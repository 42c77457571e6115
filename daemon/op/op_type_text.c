/*
 * Types whose values are words and texts. Everything here refuses what a
 * terminal or a log could be misled by: control characters, bidirectional
 * marks and bytes that are not UTF-8 never become a value.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "op_room.h"
#include "daemon/base/str.h"

int
op_copy(char *out, size_t size, const char *value, struct err *e)
{
	if (!str_copy(out, size, value))
		return err_set(
		    e, ERR_TOOBIG, "expected at most %zu bytes", size - 1);
	return 0;
}

/* Characters of valid UTF-8. */
static int64_t
op_text_length(const char *s)
{
	int64_t n = 0;

	for (; *s != '\0'; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* The field's limits on the number of characters. */
static int
op_text_limits(const struct op_field *f, const char *s, struct err *e)
{
	int64_t n = op_text_length(s);

	if (n < f->min || (f->max != 0 && n > f->max))
		return err_set(e, ERR_INVALID,
		    "expected %" PRId64 "..%" PRId64
		    " characters, not %" PRId64,
		    f->min, f->max, n);
	return 0;
}

/* Copy n bytes when each may be shown as it is (str_escape changes none). */
static int
op_text_copy(char *out, size_t size, const char *in, size_t n, struct err *e)
{
	if (n >= size)
		return err_set(
		    e, ERR_TOOBIG, "expected at most %zu bytes", size - 1);
	if (!str_utf8(in, n))
		return err_set(e, ERR_INVALID, "expected UTF-8");
	if (str_escape(out, size, in, n) != n || memcmp(out, in, n) != 0)
		return err_set(
		    e, ERR_INVALID, "expected text without control characters");
	return 0;
}

int
op_parse_text(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	int r = op_text_copy(out, size, in, strlen(in), e);

	return r != 0 ? r : op_text_limits(f, out, e);
}

/* Texts of several lines; a line ends with \n however it ended on entry. */
int
op_parse_lines(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	size_t used = 0, n;
	int r;

	out[0] = '\0';
	while (*in != '\0') {
		n = strcspn(in, "\r\n\t");
		if ((r = op_text_copy(out + used, size - used, in, n, e)) != 0)
			return r;
		used += n;
		in += n;
		if (*in == '\r' && in[1] == '\n')
			in++;
		if (*in == '\0')
			break;
		if (used + 2 > size)
			return err_set(e, ERR_TOOBIG,
			    "expected at most %zu bytes", size - 1);
		out[used++] = *in == '\r' ? '\n' : *in;
		out[used] = '\0';
		in++;
	}
	return op_text_limits(f, out, e);
}

/* The mask that was shown in place of a secret is none: a line taken back
 * from the history must not set it. The word that leaves one as it is is no
 * secret that could be too short. */
int
op_parse_secret(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	if (strcmp(in, OP_MASK) == 0)
		return err_set(
		    e, ERR_INVALID, "expected the secret itself, not its mask");
	if (strcmp(in, OP_SEALED) == 0)
		return op_copy(out, size, in, e);
	return op_parse_lines(f, in, out, size, e);
}

/* The choices as they stand in an error. */
static int
op_choice_refuse(const struct op_field *f, struct err *e)
{
	struct buf words = BUF_INIT;
	int r;

	op_describe(f, &words);
	r = err_set(e, ERR_INVALID, "expected %s",
	    words.data != NULL ? words.data : "one of the choices");
	buf_fini(&words);
	return r;
}

int
op_parse_choice(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	const char *const *c;

	for (c = f->choices; c != NULL && *c != NULL; c++) {
		if (str_iequal(in, strlen(in), *c))
			return op_copy(out, size, *c, e);
	}
	return op_choice_refuse(f, e);
}

int
op_parse_bool(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	(void)f;
	if (str_iequal(in, strlen(in), "yes"))
		return op_copy(out, size, "yes", e);
	if (str_iequal(in, strlen(in), "no"))
		return op_copy(out, size, "no", e);
	return err_set(e, ERR_INVALID, "expected yes or no");
}

/* [a-z0-9][a-z0-9-]*, 1..32; capital letters are made small. */
int
op_parse_name(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	size_t n = strlen(in), i;

	(void)f;
	if (n < 1 || n > 32 || n >= size || in[0] == '-')
		return err_set(e, ERR_INVALID,
		    "expected a name of 1..32 letters, digits or '-'");
	for (i = 0; i < n; i++) {
		if (!isalnum((unsigned char)in[i]) && in[i] != '-')
			return err_set(e, ERR_INVALID,
			    "expected only letters a-z, digits and '-'");
		out[i] = (char)tolower((unsigned char)in[i]);
	}
	out[n] = '\0';
	return 0;
}

/* Any word without spaces; shown, never taken apart. */
int
op_parse_uri(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	(void)f;
	if (*in == '\0' || strchr(in, ' ') != NULL)
		return err_set(e, ERR_INVALID, "expected a URI");
	return op_text_copy(out, size, in, strlen(in), e);
}

/* The server in "sg/1@srv2". */
static bool
op_is_server(const char *in)
{
	size_t n = strspn(in, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n >= 1 && n <= 32 && in[n] == '\0' && in[0] != '-';
}

/* "sg/1", "sg/1@srv2": a role and the number of an instance, without leading
 * zeros, and its server where that is another. */
int
op_parse_instance(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	size_t n = strspn(in, "abcdefghijklmnopqrstuvwxyz0123456789");
	const char *at = strchrnul(in, '@');
	char number[8];
	int64_t index;

	(void)f;
	if (n < 1 || n > 16 || in[n] != '/' || in[n + 1] == '0' ||
	    !str_ncopy(
		number, sizeof number, in + n + 1, (size_t)(at - in) - n - 1) ||
	    !str_int(number, 1, 999, &index) ||
	    (*at == '@' && !op_is_server(at + 1)))
		return err_set(
		    e, ERR_INVALID, "expected an instance such as sg/1");
	return op_copy(out, size, in, e);
}

/* "srv1.7f31c2": a server, and what tells its sessions apart. */
int
op_parse_session(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	size_t n = strspn(in, "abcdefghijklmnopqrstuvwxyz0123456789-");
	const char *hex = in + n + 1;

	(void)f;
	if (n < 1 || n > 32 || in[n] != '.' || strlen(hex) < 6 ||
	    strlen(hex) > 16 || strspn(hex, "0123456789abcdef") != strlen(hex))
		return err_set(
		    e, ERR_INVALID, "expected a session such as srv1.7f31c2");
	return op_copy(out, size, in, e);
}

/* What useradd(8) takes and more: letters of both cases, a dot inside. Never
 * a word that could be taken for an option. */
int
op_parse_login(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	static const char good[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(in);

	(void)f;
	if (n < 1 || n > 32 || strspn(in, good) != n || in[0] == '-' ||
	    in[0] == '.')
		return err_set(
		    e, ERR_INVALID, "expected %s", op_type_login.brief);
	return op_copy(out, size, in, e);
}

#define OP_PRINT_FRONT 7 /* "sha256:" */

/* 64 digits, small; a colon may stand between two bytes, as openssl-x509(1)
 * prints them. */
static bool
op_print_digits(char *out, const char *in)
{
	size_t n;

	for (n = 0; n < 64 && isxdigit((unsigned char)*in); n++) {
		out[n] = (char)tolower((unsigned char)*in++);
		if (n % 2 == 1 && n < 63 && *in == ':')
			in++;
	}
	out[n] = '\0';
	return n == 64 && *in == '\0';
}

int
op_parse_fingerprint(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	char text[OP_PRINT] = "sha256:";

	(void)f;
	if (strlen(in) < OP_PRINT - 1 ||
	    !str_iequal(in, OP_PRINT_FRONT, text) ||
	    !op_print_digits(text + OP_PRINT_FRONT, in + OP_PRINT_FRONT))
		return err_set(
		    e, ERR_INVALID, "expected %s", op_type_fingerprint.brief);
	return op_copy(out, size, text, e);
}

/* values and fields are no text: op_run and the walker take them apart. */
int
op_parse_nothing(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	(void)in;
	(void)out;
	(void)size;
	return err_set(e, ERR_INVALID, "expected %s", f->type->brief);
}
