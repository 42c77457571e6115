/*
 * Any bytes as a message: the scan stays inside them, and a message that was
 * taken is still the same message after the white list has been applied.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sip/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct scan scan, again;
static struct splice splice;

static void
must(bool law)
{
	if (!law)
		abort();
}

/* Lines follow one another and values lie within them. */
static void
check_lines(const struct scan *s, size_t n)
{
	const struct scan_line *l;
	size_t at = 0;

	must(s->nlines <= SCAN_LINES && s->size <= n && s->body <= n);
	for (l = s->line; l < s->line + s->nlines; l++) {
		must(l->at >= at && l->at < l->value && l->value <= l->end);
		must(l->end <= l->next && l->next <= n);
		at = l->next;
	}
}

/* Cut what may not pass, as a gate does. */
static long
apply_white_list(const struct scan *s, char *out, size_t size)
{
	const struct scan_line *l;

	splice_init(&splice, s->text, s->size);
	for (l = s->line; l < s->line + s->nlines; l++) {
		if ((scan_header_flags(l->id) & SCAN_IN) == 0)
			splice_cut(&splice, l->at, l->next - l->at);
	}
	return splice_out(&splice, out, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1), *out = malloc(n + 1);
	long len;

	must(text != NULL && out != NULL);
	memcpy(text, data, n);
	text[n] = '\0';
	if (scan_message(&scan, text, n) == 0) {
		check_lines(&scan, n);
		len = apply_white_list(&scan, out, n);
		must(len > 0);
		out[len] = '\0';
		must(scan_lazy(&again, out, (size_t)len) == 0);
		must(scan_span_equal(again.call_id, scan.call_id));
		must(scan_span_equal(again.to_tag, scan.to_tag));
		must(again.cseq == scan.cseq && again.method == scan.method);
		must(again.size - again.body == scan.size - scan.body);
	} else if (scan.refuse != 0) {
		check_lines(&scan, n);
	}
	free(text);
	free(out);
	return 0;
}
