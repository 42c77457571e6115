/*
 * Secrets and long texts that a command names instead of spelling them:
 * @file:F is the content of a file, @env:V of a variable. They are read here,
 * in the console's own right, never by the server.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/str.h"

/* A whole file, bounded; its last line end is not part of a secret. */
static int
secret_read(const char *path, struct buf *b, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;
	char *at;

	if (fd < 0)
		return err_errno(e, ERR_INVALID, "%s", path);
	b->max = OP_BLOB;
	while (
	    (at = buf_reserve(b, 4096)) != NULL && (n = read(fd, at, 4096)) > 0)
		b->len += (size_t)n;
	close(fd);
	if (n < 0)
		return err_errno(e, ERR_INVALID, "%s", path);
	if (at == NULL)
		return err_set(e, ERR_TOOBIG, "%s: more than %d bytes", path,
		    OP_BLOB - 4096);
	buf_str(b, "");
	if (strlen(b->data) != b->len)
		return err_set(e, ERR_INVALID, "%s: not a text", path);
	return 0;
}

/* The text meant by @env: or @file:; a secret ends before its last line
 * end. */
static int
secret_fetch(
    const struct op_field *f, const char *text, struct buf *b, struct err *e)
{
	const char *value;
	int r;

	if (str_prefix(text, "@env:")) {
		if ((value = getenv(text + 5)) == NULL)
			return err_set(
			    e, ERR_INVALID, "%s: no such variable", text + 5);
		buf_str(b, value);
		return 0;
	}
	if ((r = secret_read(text + 6, b, e)) != 0)
		return r;
	while (f->type->secret && b->len > 0 &&
	    strchr("\r\n", b->data[b->len - 1]) != NULL)
		b->data[--b->len] = '\0';
	return 0;
}

/* One member of an object, if its field can be named so. */
static int
secret_replace(const struct op_field *f, json_t *in, const char *name, bool may,
    struct err *e)
{
	const char *text = json_string_value(json_object_get(in, name));
	struct buf b = BUF_INIT;
	char *value;
	int r;

	if (f == NULL || text == NULL ||
	    (!f->type->secret && f->type != &op_type_blob) ||
	    (!str_prefix(text, "@file:") && !str_prefix(text, "@env:")))
		return 0;
	if (!may)
		return err_set(e, ERR_PERMISSION,
		    "%s: a login shell reads no files and no environment",
		    name);
	if ((r = secret_fetch(f, text, &b, e)) == 0) {
		json_t *raw = json_string(b.data);

		if (raw == NULL)
			r = err_set(e, ERR_INVALID, "expected UTF-8");
		else
			r = op_from_json(f, raw, &value, e);
		json_decref(raw);
	}
	buf_fini(&b);
	if (r != 0)
		return err_wrap(e, "%s", name);
	json_object_set_new(in, name, json_string(value));
	free(value);
	return 0;
}

int
secret_load(const struct op_walk *w, bool may, struct err *e)
{
	const struct op_field *f;
	const char *name;
	json_t *map, *value;
	void *next;
	int r;

	for (f = w->op->args; f != NULL && f->name != NULL; f++) {
		if ((r = secret_replace(f, w->args, f->name, may, e)) != 0)
			return r;
		if (f->type != &op_type_values || w->obj == NULL)
			continue;
		map = json_object_get(w->args, f->name);
		json_object_foreach_safe(map, next, name, value)
		{
			r = secret_replace(
			    obj_field(w->obj, name), map, name, may, e);
			if (r != 0)
				return r;
		}
	}
	return 0;
}
