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
	if (!(f->flags & OP_LIST)) {
		op_quote(b, value);
		return;
	}
	buf_char(b, '[');
	op_quote_words(b, value);
	buf_char(b, ']');
}
