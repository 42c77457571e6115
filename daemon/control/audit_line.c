/* One line of the audit, and its head: see audit.h. Nothing that a file says
 * is believed before its hash was found to fit. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "daemon/base/crypt.h"
#include "daemon/base/str.h"

#define LINE_HEX (AUDIT_HASH - 1)
#define LINE_NUMBER 16
#define LINE_BODY (LINE_HEX + 1) /* behind the hash */
#define LINE_JSON (LINE_BODY + LINE_NUMBER + 1 + LINE_HEX + 1)

/* Lower-case hexadecimal and a blank behind it. */
static bool
line_hash(char out[AUDIT_HASH], const char *at)
{
	return strspn(at, "0123456789abcdef") >= LINE_HEX &&
	    at[LINE_HEX] == ' ' && str_ncopy(out, AUDIT_HASH, at, LINE_HEX);
}

/* 16 digits. */
static bool
line_number(uint64_t *out, const char *at)
{
	char text[LINE_NUMBER + 1];
	int64_t v;

	if (!str_ncopy(text, sizeof text, at, LINE_NUMBER) ||
	    !str_int(text, 0, INT64_MAX, &v))
		return false;
	*out = (uint64_t)v;
	return true;
}

int
audit_line_parse(
    struct audit_line *l, const char *line, size_t n, struct err *e)
{
	char front[LINE_JSON + 1], real[AUDIT_HASH];

	memset(l, 0, sizeof *l);
	if (n <= LINE_JSON || n >= AUDIT_LINE ||
	    !str_ncopy(front, sizeof front, line, LINE_JSON) ||
	    strlen(front) != LINE_JSON || !line_hash(l->hash, front) ||
	    !line_number(&l->number, front + LINE_BODY) ||
	    front[LINE_BODY + LINE_NUMBER] != ' ' ||
	    !line_hash(l->prev, front + LINE_BODY + LINE_NUMBER + 1))
		return err_set(e, ERR_CORRUPT, "a line that is no entry");
	crypt_sha256(real, line + LINE_BODY, n - LINE_BODY);
	if (strcmp(real, l->hash) != 0)
		return err_set(e, ERR_CORRUPT,
		    "entry %" PRIu64 " was changed: its hash does not fit",
		    l->number);
	l->json = line + LINE_JSON;
	l->n = n - LINE_JSON;
	return 0;
}

void
audit_line_make(struct buf *b, uint64_t number, const char *prev,
    const char *json, char hash[AUDIT_HASH])
{
	size_t at = b->len, body;

	buf_fmt(b, "%*s ", LINE_HEX, ""); /* the hash, once it is known */
	body = b->len;
	buf_fmt(b, "%016" PRIu64 " %s ", number, prev);
	buf_str(b, json);
	if (!b->failed) {
		crypt_sha256(hash, b->data + body, b->len - body);
		memcpy(b->data + at, hash, LINE_HEX);
	}
	buf_char(b, '\n');
}

int
audit_line_follows(const struct audit_line *l, uint64_t number,
    const char *hash, struct err *e)
{
	if (l->number != number + 1)
		return err_set(e, ERR_CORRUPT,
		    "entry %" PRIu64 " is missing: %" PRIu64
		    " stands in its place",
		    number + 1, l->number);
	if (hash[0] != '\0' && strcmp(l->prev, hash) != 0)
		return err_set(e, ERR_CORRUPT,
		    "entry %" PRIu64 " does not follow the one before it",
		    l->number);
	return 0;
}

int
audit_head_parse(
    struct audit_head *h, const char *text, size_t n, struct err *e)
{
	char line[AUDIT_HEAD + 1];

	memset(h, 0, sizeof *h);
	if (n != AUDIT_HEAD || !str_ncopy(line, sizeof line, text, n) ||
	    strlen(line) != n || line[n - 1] != '\n')
		return err_set(e, ERR_CORRUPT, "the head is none");
	line[n - 1] = ' '; /* as behind any other hash */
	if (!line_number(&h->first, line) || line[LINE_NUMBER] != ' ' ||
	    !line_number(&h->last, line + LINE_NUMBER + 1) ||
	    line[2 * LINE_NUMBER + 1] != ' ' ||
	    !line_hash(h->hash, line + 2 * LINE_NUMBER + 2))
		return err_set(e, ERR_CORRUPT, "the head is none");
	return 0;
}

void
audit_head_make(char out[AUDIT_HEAD + 1], const struct audit_head *h)
{
	snprintf(out, AUDIT_HEAD + 1, "%016" PRIu64 " %016" PRIu64 " %.64s\n",
	    h->first, h->last, h->hash);
}
