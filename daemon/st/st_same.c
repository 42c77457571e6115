/*
 * Is what a candidate wants what a commit was? Asked where a commit comes
 * again under a name that is known: another one under that name would be
 * taken for done, and its changes lost. What the system sets itself, such as
 * the random id of a domain, tells nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

/* What becomes of a field, NULL = it is cleared, as a value of a map. */
static char *
same_value(const char *value)
{
	return value != NULL ? xasprintf("=%s", value) : xstrdup("-");
}

static char *
same_key(const char *path, const char *field)
{
	return xasprintf("%s\n%s", path, field);
}

void
st_same_add(struct map *m, const char *path, const char *field, const char *now)
{
	char *key = same_key(path, field);
	void *old = NULL;

	if (map_put(m, key, strlen(key), same_value(now), &old) != 0)
		fatalx("out of memory");
	free(old);
	free(key);
}

void
st_same_fini(struct map *m)
{
	size_t at = 0;
	void *value;

	while ((value = map_next(m, &at, NULL, NULL)) != NULL)
		free(value);
	map_fini(m);
}

/* Is the field one that the system sets itself? */
static bool
same_is_internal(
    const struct obj *const *objs, const char *path, const char *field)
{
	const struct op_field *f;
	struct obj_path p;

	if (obj_path_parse(objs, path, &p, NULL) != 0)
		return false;
	f = obj_field(p.obj, field);
	return f != NULL && (f->flags & OP_INTERNAL);
}

bool
st_same_has(const struct obj *const *objs, const struct map *m,
    const char *path, const char *field, const char *now)
{
	char *key = same_key(path, field), *want = same_value(now);
	const char *is = map_str(m, key);
	bool same = (is != NULL && strcmp(is, want) == 0) ||
	    same_is_internal(objs, path, field);

	free(key);
	free(want);
	return same;
}
