#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * Errors. Functions return 0 or a negative -ERR_x; the human words travel in
 * a struct err that the caller owns and that may be NULL where nobody reads
 * them. Context is put in front on the way up: "commit 812: user 101: name:
 * too long".
 */

enum err_code {
	ERR_NONE = 0,
#define ERR(name, text, http, sip, exit) ERR_##name,
#include "err.tbl"
#undef ERR
	ERR_MAX
};

#define ERR_TEXT_MAX 512

struct err {
	enum err_code code;
	char text[ERR_TEXT_MAX]; /* UTF-8, no final full stop */
};

/* Store code and words; returns -code so that a caller can return it. */
int err_set(struct err *, enum err_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As err_set, with ": strerror(errno)" behind the words. */
int err_errno(struct err *, enum err_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Put "fmt: " in front of the words; returns -code of the error held. */
int err_wrap(struct err *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void err_clear(struct err *);

/* Rows of err.tbl. Codes out of range answer as ERR_INTERNAL. */
const char *err_text(enum err_code);
const char *err_name(enum err_code); /* "no-such"-like word, lower case */
int err_http(enum err_code);
int err_sip(enum err_code);
int err_exit(enum err_code);
/* The code of a name that err_name gave, ERR_INTERNAL if none. */
enum err_code err_by_name(const char *name);

#endif
