/*
 * What may stand at the end of a line: words from the walker, values from
 * the server, which knows the names of things. Tab and ? show the same list.
 */
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define COMPLETE_TIME (150 * CLOCK_MS) /* then words alone must do */

/* Texts are copied: a choice outlives the walk it came from. */
static void
choices_add(
    struct choices *c, const char *word, const char *shown, const char *brief)
{
	struct choice *one;

	c->list = xrealloc(c->list, (c->n + 1) * sizeof *c->list);
	one = &c->list[c->n++];
	one->word = word != NULL ? xstrdup(word) : NULL;
	one->shown = xstrdup(shown);
	one->brief = xstrdup(brief != NULL ? brief : "");
}

void
choices_fini(struct choices *c)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		free(c->list[i].word);
		free(c->list[i].shown);
		free(c->list[i].brief);
	}
	free(c->list);
	memset(c, 0, sizeof *c);
}

/* Names of objects, of processes, or what a list holds, that begin with what is
 * typed: asked of the server. */
static void
complete_live(struct session *s, const struct op_next *next, const char *prefix,
    struct choices *c)
{
	const char *ref = next->ref, *what = "ref", *text;
	struct buf word = BUF_INIT;
	struct reply reply;
	json_t *item;
	size_t i;

	if (next->value != NULL && next->value->type == &op_type_instance)
		ref = "instance";
	if (next->member != NULL) {
		what = "list";
		ref = next->member->name;
	}
	if (ref == NULL)
		return;
	conn_call_in(&s->conn, "complete",
	    json_pack("{s:s, s:s, s:s}", what, ref, "path", next->ref_path,
		"prefix", prefix),
	    COMPLETE_TIME, &reply);
	json_array_foreach (reply.result, i, item) {
		if ((text = json_string_value(item)) == NULL)
			continue;
		buf_reset(&word);
		op_quote(&word, text);
		choices_add(c, word.data, word.data, NULL);
	}
	buf_fini(&word);
	reply_fini(&reply);
}

/* "<port>  port to listen on: 1..65535; default 5060", and the same of the
 * word that such a value stands behind. */
static void
complete_value(
    const struct op_next *next, const struct op_field *f, struct choices *c)
{
	struct buf b = BUF_INIT;

	buf_fmt(&b, "%s: ", next->brief != NULL ? next->brief : "");
	op_describe(f, &b);
	if (f->def != NULL)
		buf_fmt(&b, "; default %s", f->def);
	choices_add(
	    c, next->value == NULL ? next->text : NULL, next->text, b.data);
	buf_fini(&b);
}

static void
complete_one(const struct op_next *next, struct choices *c)
{
	const struct op_field *f = next->value != NULL ? next->value
						       : next->field;

	if (f != NULL && !(f->flags & OP_FLAG))
		complete_value(next, f, c);
	else
		choices_add(c, next->text, next->text, next->brief);
}

/* The walk of a line, or of the part behind its last bar. */
static void
complete_walk(struct session *s, const struct op_table *t, const char *line,
    size_t base, struct choices *c)
{
	unsigned flags = OP_WALK_COMPLETE | OP_WALK_SHORT;
	struct op_walk w;
	size_t i;

	op_walk(t, line + base, flags, &w);
	if (w.pipe != 0) {
		base += w.pipe + 1;
		op_walk_fini(&w);
		complete_walk(s, &pipe_table, line, base, c);
		return;
	}
	c->from = base + w.from;
	c->done_ok = w.done_ok;
	if (w.err.code == ERR_NONE || w.err.code == ERR_SYNTAX) {
		for (i = 0; i < w.nnext; i++) {
			complete_one(&w.next[i], c);
			complete_live(s, &w.next[i], line + c->from, c);
		}
	}
	op_walk_fini(&w);
}

void
complete(struct session *s, const char *line, struct choices *c)
{
	const char *words = local_help_words(line);

	memset(c, 0, sizeof *c);
	complete_walk(
	    s, &s->table, line, words != NULL ? (size_t)(words - line) : 0, c);
}

char *
choices_common(const struct choices *c, bool *unique)
{
	const char *first = NULL;
	size_t n = 0, i, k, words = 0;

	for (i = 0; i < c->n; i++) {
		if (c->list[i].word == NULL)
			continue;
		words++;
		if (first == NULL) {
			first = c->list[i].word;
			n = strlen(first);
		}
		for (k = 0; k < n && first[k] == c->list[i].word[k]; k++)
			;
		n = k;
	}
	*unique = words == 1;
	/* Never cut a character of several bytes. */
	while (n > 0 && first[n] != '\0' && (first[n] & 0xc0) == 0x80)
		n--;
	return first != NULL ? xstrndup(first, n) : NULL;
}
