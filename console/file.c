/*
 * Replies that are a file: pieces of base64 in rows become its bytes. They go
 * into a file or to a program as they are, to a terminal as a text that is safe
 * there, or not at all.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/str.h"

bool
file_is(const struct view *v)
{
	return v->format == FORMAT_TABLE && !v->chosen && v->ncols == 1 &&
	    v->cols[0]->type == &op_type_piece;
}

/* One piece behind what is there. */
static int
file_piece(struct buf *b, const char *text, struct err *e)
{
	size_t n = strlen(text);
	char *at = buf_reserve(b, n / 4 * 3 + 3);
	int got;

	if (at == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	got = EVP_DecodeBlock(
	    (unsigned char *)at, (const unsigned char *)text, (int)n);
	if (got < 0)
		return err_set(
		    e, ERR_CORRUPT, "the server sent no piece of a file");
	for (; got > 0 && n > 0 && text[n - 1] == '='; n--)
		got--;
	b->len += (size_t)got;
	return 0;
}

int
file_bytes(const struct view *v, struct buf *b, struct err *e)
{
	const char *text;
	json_t *row;
	size_t i;
	int r = 0;

	json_array_foreach (v->rows, i, row) {
		text = json_string_value(
		    json_object_get(row, v->cols[0]->name));
		if (text != NULL && (r = file_piece(b, text, e)) != 0)
			return r;
	}
	buf_str(b, "");
	return 0;
}

/* Pictures of packets would do whatever a terminal takes them for. */
static bool
file_is_text(const struct buf *b)
{
	return memchr(b->data, '\0', b->len) == NULL &&
	    str_utf8(b->data, b->len);
}

int
file_show(
    struct session *s, const struct view *v, const struct buf *b, struct err *e)
{
	struct buf safe = BUF_INIT;

	if (!isatty(STDOUT_FILENO)) {
		fwrite(b->data, 1, b->len, stdout);
		fflush(stdout);
		return 0;
	}
	if (!file_is_text(b))
		return err_set(e, ERR_REFUSED,
		    "the file is no text: put it into one, with | save FILE");
	text_safe(&safe, b->data);
	pager_show(s, v, &safe);
	buf_fini(&safe);
	return 0;
}
