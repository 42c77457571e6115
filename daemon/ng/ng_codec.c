/*
 * The body of an ng message: one dictionary, in bencode or in JSON, told
 * apart by its first byte. Bencode:
 *
 *   string      <length>:<bytes>        5:offer
 *   integer     i<decimal>e             i-3e
 *   list        l<value>...e            l2:ab1:ce
 *   dictionary  d<string><value>...e    d7:command4:pinge
 *
 * Keys may come in any order (rtpengine's clients do not sort), twice never.
 * Depth, number of values and size are bounded; bytes behind the dictionary,
 * texts that are not UTF-8 and texts with a NUL are refused, so every string
 * that leaves here is a C string. Pure; the entry of the fuzzer.
 */
#include <stdlib.h>
#include <string.h>

#include "ng.h"

#define NG_DEPTH 12
#define NG_VALUES 16384

struct ng_cursor {
	const char *at, *start, *end;
	unsigned depth;
	unsigned values;
	struct err *err;
};

static json_t *ng_decode_value(struct ng_cursor *);

/* Where it went wrong, counted from the start of the body. */
static json_t *
ng_decode_bad(struct ng_cursor *c, const char *expected)
{
	err_set(c->err, ERR_SYNTAX, "bencode: byte %zu: %s",
	    (size_t)(c->at - c->start), expected);
	return NULL;
}

/* A decimal number without sign that ends with stop, at most max. */
static bool
ng_decode_digits(struct ng_cursor *c, char stop, uint64_t max, uint64_t *out)
{
	const char *first = c->at;
	uint64_t n = 0;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
		n = n * 10 + (uint64_t)(*c->at - '0');
		if (n > max)
			return false;
		c->at++;
		if (c->at - first > 1 && *first == '0')
			return false;
	}
	if (c->at == first || c->at == c->end || *c->at != stop)
		return false;
	c->at++;
	*out = n;
	return true;
}

/* The bytes of a string; its length cannot pass the end of the body. */
static const char *
ng_decode_bytes(struct ng_cursor *c, size_t *n)
{
	uint64_t len;
	const char *s;

	if (!ng_decode_digits(c, ':', NG_MAX, &len)) {
		ng_decode_bad(c, "expected the length of a string");
		return NULL;
	}
	if (len > (uint64_t)(c->end - c->at)) {
		ng_decode_bad(c, "the string is cut short");
		return NULL;
	}
	s = c->at;
	if (memchr(s, '\0', len) != NULL) {
		ng_decode_bad(c, "a NUL in a string");
		return NULL;
	}
	c->at += len;
	*n = len;
	return s;
}

static json_t *
ng_decode_string(struct ng_cursor *c)
{
	size_t n;
	const char *s = ng_decode_bytes(c, &n);
	json_t *v;

	if (s == NULL)
		return NULL;
	if ((v = json_stringn(s, n)) == NULL)
		return ng_decode_bad(c, "a string that is not UTF-8");
	return v;
}

static json_t *
ng_decode_integer(struct ng_cursor *c)
{
	bool minus = false;
	uint64_t n;

	if (c->at < c->end && *c->at == '-') {
		minus = true;
		c->at++;
	}
	if (!ng_decode_digits(c, 'e', INT64_MAX, &n) || (minus && n == 0))
		return ng_decode_bad(c, "expected a whole number and 'e'");
	return json_integer(minus ? -(json_int_t)n : (json_int_t)n);
}

static json_t *
ng_decode_list(struct ng_cursor *c)
{
	json_t *list = json_array(), *v;

	while (c->at < c->end && *c->at != 'e') {
		if ((v = ng_decode_value(c)) == NULL ||
		    json_array_append_new(list, v) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	if (c->at == c->end) {
		json_decref(list);
		return ng_decode_bad(c, "a list without its end");
	}
	c->at++;
	return list;
}

/* One key and its value, into the dictionary. */
static bool
ng_decode_pair(struct ng_cursor *c, json_t *dict)
{
	size_t n;
	const char *s = ng_decode_bytes(c, &n);
	json_t *v;
	char *key;
	bool ok;

	if (s == NULL || (v = ng_decode_value(c)) == NULL)
		return false;
	if ((key = malloc(n + 1)) == NULL) {
		json_decref(v);
		return ng_decode_bad(c, "out of memory") != NULL;
	}
	memcpy(key, s, n);
	key[n] = '\0';
	if (json_object_get(dict, key) != NULL) {
		json_decref(v);
		ok = ng_decode_bad(c, "a key that came before") != NULL;
	} else {
		ok = json_object_set_new(dict, key, v) == 0 ||
		    ng_decode_bad(c, "a key that is not UTF-8") != NULL;
	}
	free(key);
	return ok;
}

static json_t *
ng_decode_dict(struct ng_cursor *c)
{
	json_t *dict = json_object();

	while (c->at < c->end && *c->at != 'e') {
		if (!ng_decode_pair(c, dict)) {
			json_decref(dict);
			return NULL;
		}
	}
	if (c->at == c->end) {
		json_decref(dict);
		return ng_decode_bad(c, "a dictionary without its end");
	}
	c->at++;
	return dict;
}

static json_t *
ng_decode_value(struct ng_cursor *c)
{
	json_t *v;

	if (c->at == c->end)
		return ng_decode_bad(c, "expected a value");
	if (++c->values > NG_VALUES)
		return ng_decode_bad(c, "too many values");
	if (c->depth == NG_DEPTH)
		return ng_decode_bad(c, "nested too deep");
	if (*c->at >= '0' && *c->at <= '9')
		return ng_decode_string(c);
	if (*c->at != 'i' && *c->at != 'l' && *c->at != 'd')
		return ng_decode_bad(c, "expected a value");
	c->depth++;
	switch (*c->at++) {
	case 'i':
		v = ng_decode_integer(c);
		break;
	case 'l':
		v = ng_decode_list(c);
		break;
	default:
		v = ng_decode_dict(c);
		break;
	}
	c->depth--;
	return v;
}

/* What JSON can say and bencode cannot is refused, as are depth and number
 * beyond the bounds. */
static const char *
ng_json_check(const json_t *v, unsigned depth, unsigned *values)
{
	const char *bad = NULL, *key;
	json_t *member;
	size_t i;

	if (++*values > NG_VALUES)
		return "too many values";
	if (depth == NG_DEPTH)
		return "nested too deep";
	if (json_is_real(v) || json_is_null(v))
		return "only texts, whole numbers, lists and dictionaries";
	json_array_foreach ((json_t *)v, i, member) {
		if (bad == NULL)
			bad = ng_json_check(member, depth + 1, values);
	}
	json_object_foreach ((json_t *)v, key, member) {
		if (bad == NULL)
			bad = ng_json_check(member, depth + 1, values);
	}
	return bad;
}

static int
ng_decode_json(const char *body, size_t n, json_t **out, struct err *e)
{
	json_error_t je;
	unsigned values = 0;
	const char *bad;
	json_t *v = json_loadb(body, n, JSON_REJECT_DUPLICATES, &je);

	if (v == NULL)
		return err_set(
		    e, ERR_SYNTAX, "JSON: column %d: %s", je.column, je.text);
	bad = ng_json_check(v, 0, &values);
	if (bad != NULL) {
		json_decref(v);
		return err_set(e, ERR_SYNTAX, "JSON: %s", bad);
	}
	*out = v;
	return 0;
}

int
ng_decode(const char *body, size_t n, json_t **out, struct err *e)
{
	struct ng_cursor c = {
	    .at = body, .start = body, .end = body + n, .err = e};

	*out = NULL;
	if (n > NG_MAX)
		return err_set(e, ERR_TOOBIG, "longer than a datagram");
	if (n != 0 && body[0] == '{')
		return ng_decode_json(body, n, out, e);
	if (n == 0 || body[0] != 'd')
		return err_set(
		    e, ERR_SYNTAX, "expected a dictionary in bencode or JSON");
	if ((*out = ng_decode_value(&c)) == NULL)
		return -ERR_SYNTAX;
	if (c.at != c.end) {
		json_decref(*out);
		*out = NULL;
		ng_decode_bad(&c, "bytes behind the dictionary");
		return -ERR_SYNTAX;
	}
	return 0;
}

static int
ng_key_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int ng_encode_value(struct buf *, const json_t *, unsigned depth);

static void
ng_encode_text(struct buf *b, const char *s, size_t n)
{
	buf_int(b, (int64_t)n);
	buf_char(b, ':');
	buf_add(b, s, n);
}

static int
ng_encode_dict(struct buf *b, const json_t *dict, unsigned depth)
{
	size_t n = json_object_size(dict), i = 0;
	const char **keys, *key;
	json_t *member;
	int r = 0;

	keys = malloc((n + 1) * sizeof *keys);
	if (keys == NULL)
		return -ERR_NOMEM;
	json_object_foreach ((json_t *)dict, key, member)
		keys[i++] = key;
	qsort(keys, n, sizeof *keys, ng_key_compare);
	buf_char(b, 'd');
	for (i = 0; i < n && r == 0; i++) {
		ng_encode_text(b, keys[i], strlen(keys[i]));
		r = ng_encode_value(
		    b, json_object_get(dict, keys[i]), depth + 1);
	}
	buf_char(b, 'e');
	free(keys);
	return r;
}

static int
ng_encode_list(struct buf *b, const json_t *list, unsigned depth)
{
	json_t *member;
	size_t i;
	int r = 0;

	buf_char(b, 'l');
	json_array_foreach ((json_t *)list, i, member) {
		if ((r = ng_encode_value(b, member, depth + 1)) != 0)
			break;
	}
	buf_char(b, 'e');
	return r;
}

static int
ng_encode_value(struct buf *b, const json_t *v, unsigned depth)
{
	if (depth == NG_DEPTH)
		return -ERR_TOOBIG;
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return ng_encode_dict(b, v, depth);
	case JSON_ARRAY:
		return ng_encode_list(b, v, depth);
	case JSON_STRING:
		ng_encode_text(b, json_string_value(v), json_string_length(v));
		return 0;
	case JSON_INTEGER:
		buf_char(b, 'i');
		buf_int(b, json_integer_value(v));
		buf_char(b, 'e');
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_str(b, json_is_true(v) ? "i1e" : "i0e");
		return 0;
	default:
		return -ERR_INVALID;
	}
}

int
ng_encode(struct buf *b, const json_t *dict)
{
	int r;

	if (!json_is_object(dict))
		return -ERR_INVALID;
	r = ng_encode_value(b, dict, 0);
	if (r == 0 && b->failed)
		r = -ERR_NOMEM;
	if (r == 0 && b->len > NG_MAX)
		r = -ERR_TOOBIG;
	return r;
}
