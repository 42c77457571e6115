/*
 * The error table and the carrier of its words. Nothing here allocates: an
 * error must be reportable when memory is gone.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

struct err_row {
	const char *name;
	const char *text;
	int http;
	int sip;
	int exit;
};

static const struct err_row err_rows[ERR_MAX] = {
    [ERR_NONE] = {"NONE", "no error", 200, 200, 0},
#define ERR(name, text, http, sip, exit) \
	[ERR_##name] = {#name, text, http, sip, exit},
#include "err.tbl"
#undef ERR
};

/* The row of a code; what is no code at all is an internal error. */
static const struct err_row *
err_row(enum err_code code)
{
	if ((unsigned)code >= ERR_MAX)
		code = ERR_INTERNAL;
	return &err_rows[code];
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (e != NULL) {
		e->code = code;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof e->text, fmt, ap);
		va_end(ap);
	}
	return -(int)code;
}

int
err_errno(struct err *e, enum err_code code, const char *fmt, ...)
{
	int saved = errno;
	size_t used;
	va_list ap;

	if (e != NULL) {
		e->code = code;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof e->text, fmt, ap);
		va_end(ap);
		used = strlen(e->text);
		snprintf(e->text + used, sizeof e->text - used, ": %s",
		    strerror(saved));
	}
	return -(int)code;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	char words[ERR_TEXT_MAX];
	size_t used;
	va_list ap;

	if (e == NULL)
		return -ERR_INTERNAL;
	memcpy(words, e->text, sizeof words);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	snprintf(e->text + used, sizeof e->text - used, ": %s", words);
	return -(int)e->code;
}

void
err_clear(struct err *e)
{
	e->code = ERR_NONE;
	e->text[0] = '\0';
}

const char *
err_text(enum err_code code)
{
	return err_row(code)->text;
}

const char *
err_name(enum err_code code)
{
	static char names[ERR_MAX][16];
	const char *from = err_row(code)->name;
	size_t row = (unsigned)code < ERR_MAX ? code : ERR_INTERNAL, i;

	for (i = 0; i < sizeof names[0] - 1 && from[i] != '\0'; i++)
		names[row][i] = (char)tolower((unsigned char)from[i]);
	return names[row];
}

int
err_http(enum err_code code)
{
	return err_row(code)->http;
}

int
err_sip(enum err_code code)
{
	return err_row(code)->sip;
}

int
err_exit(enum err_code code)
{
	return err_row(code)->exit;
}

enum err_code
err_by_name(const char *name)
{
	int code;

	for (code = 0; code < ERR_MAX; code++) {
		if (strcasecmp(err_rows[code].name, name) == 0)
			return (enum err_code)code;
	}
	return ERR_INTERNAL;
}
