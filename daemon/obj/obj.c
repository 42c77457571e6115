/*
 * The values of one object, and what can be said of them without looking at
 * any other.
 */
#include <stdlib.h>
#include <string.h>

#include "obj_room.h"
#include "daemon/base/str.h"

const char *const obj_on_off[] = {"on", "off", NULL};

/* The index of a field; the compiled tables know their own names. */
static int
obj_field_index(const struct obj *o, const char *name)
{
	int i;

	for (i = 0; o->fields[i].name != NULL; i++) {
		if (strcmp(o->fields[i].name, name) == 0)
			return i;
	}
	return -1;
}

const char *
obj_value(const struct obj_row *row, const char *field)
{
	int i = obj_field_index(row->path.obj, field);

	if (i < 0)
		return NULL;
	return row->value[i] != NULL ? row->value[i]
				     : row->path.obj->fields[i].def;
}

int64_t
obj_value_int(const struct obj_row *row, const char *field, int64_t def)
{
	const char *text = obj_value(row, field);
	int64_t v;

	if (text == NULL || !str_int(text, INT64_MIN + 1, INT64_MAX, &v))
		return def;
	return v;
}

bool
obj_value_yes(const struct obj_row *row, const char *field)
{
	const char *text = obj_value(row, field);

	return text != NULL && strcmp(text, "yes") == 0;
}

void
obj_row_fini(struct obj_row *row)
{
	int i;

	for (i = 0; i < OBJ_FIELDS; i++) {
		free(row->value[i]);
		row->value[i] = NULL;
	}
}

int
obj_check(const struct obj_row *row, struct err *e)
{
	const struct obj *o = row->path.obj;
	int i;

	for (i = 0; o->fields[i].name != NULL; i++) {
		if (o->fields[i].flags & OP_REQUIRED && row->value[i] == NULL)
			return err_set(
			    e, ERR_CHECK, "%s: missing", o->fields[i].name);
	}
	return o->check != NULL ? o->check(row, e) : 0;
}
