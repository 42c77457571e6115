/* Values of a form: how they are shown, and how they are typed in a line. */
#include <string.h>

#include "screen_room.h"
#include "daemon/base/str.h"

bool
form_value_is_opaque(const struct op_field *f)
{
	return f->type->secret || f->type == &op_type_blob;
}

bool
form_value_has_choices(const struct op_field *f)
{
	return f->type == &op_type_choice || f->type == &op_type_bool ||
	    f->type == &op_type_instance || f->ref != NULL;
}

char *
form_value_text(json_t *value)
{
	struct buf b = BUF_INIT;
	json_t *one;
	size_t i;

	if (json_is_string(value))
		buf_str(&b, json_string_value(value));
	json_array_foreach (value, i, one)
		buf_fmt(&b, "%s%s", i != 0 ? " " : "",
		    json_is_string(one) ? json_string_value(one) : "");
	return buf_take(&b);
}

void
form_value_put(const struct op_field *f, const char *value, struct buf *b)
{
	char word[OP_VALUE];
	size_t n;

	if (!(f->flags & OP_LIST)) {
		op_quote(b, value);
		return;
	}
	buf_str(b, "[");
	value += strspn(value, " ");
	for (; *value != '\0'; value += n + strspn(value + n, " ")) {
		n = strcspn(value, " ");
		str_ncopy(word, sizeof word, value, n);
		op_quote(b, word);
		buf_char(b, ' ');
	}
	buf_char(b, ']');
}
