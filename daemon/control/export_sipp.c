/*
 * One leg of a recorded call as a scenario of SIPp: what one side said is said
 * again, what it heard is waited for. What names the two ends of the recorded
 * leg becomes what names those of the replay (Via, Contact, Call-ID, tags,
 * targets, addresses of media); credentials, which the record does not have,
 * become [authentication]. What was said twice, as UDP does, is said once: SIPp
 * repeats by itself. Between two messages it waits as long as the record did.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "export_sipp.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

#define SIPP_PAUSE 20 /* ms; what is shorter needs no pause */
#define SIPP_ACK 1    /* [branch] of an ACK is that of the command before it */

struct sipp {
	struct buf *out;
	bool client;	 /* plays the side that asked first */
	bool first_out;	 /* which way the first message went */
	bool asks;	 /* a server: it sends requests of its own */
	bool challenged; /* somebody wanted credentials */
	int index;	 /* of the next command of the scenario */
	int invite;	 /* of the last INVITE that was sent, -1 = none */
	int final;	 /* status of the last answer to it */
	uint64_t time;	 /* of the last message */
	struct sipp_message heard; /* the last request */
};

/* ---- messages ----------------------------------------------------------- */

static bool
sipp_is_ours(const struct sipp *s, json_t *row)
{
	bool out = json_is_true(json_object_get(row, "out"));

	return (out == s->first_out) == s->client;
}

/* Was it said before, byte for byte, in the same direction? */
static bool
sipp_is_again(json_t *rows, size_t at)
{
	json_t *row = json_array_get(rows, at), *old;
	size_t i;

	for (i = 0; i < at; i++) {
		old = json_array_get(rows, i);
		if (json_equal(json_object_get(old, "out"),
			json_object_get(row, "out")) &&
		    json_equal(json_object_get(old, "text"),
			json_object_get(row, "text")))
			return true;
	}
	return false;
}

static bool
sipp_read(json_t *row, struct sipp_message *m)
{
	size_t n;
	const char *text = show_text(row, &n);

	return sipp_message(m, text, n);
}

/* ---- what is heard ------------------------------------------------------ */

/* An answer may be missing when something else is heard next. */
static bool
sipp_is_optional(
    const struct sipp *s, json_t *rows, size_t at, const struct sipp_message *m)
{
	for (at++;
	     m->status > 0 && m->status < 200 && at < json_array_size(rows);
	     at++) {
		if (!sipp_is_again(rows, at))
			return !sipp_is_ours(s, json_array_get(rows, at));
	}
	return false;
}

/* What of the first INVITE a server needs for requests of its own. */
static void
sipp_remember(struct sipp *s)
{
	buf_str(s->out,
	    "    <action>\n"
	    "      <ereg regexp=\".*\" search_in=\"hdr\" header=\"From:\" "
	    "assign_to=\"from\"/>\n"
	    "      <ereg regexp=\".*\" search_in=\"hdr\" header=\"To:\" "
	    "assign_to=\"to\"/>\n"
	    "    </action>\n");
}

static void
sipp_hear_reply(struct sipp *s, const struct sipp_message *m, bool optional)
{
	bool invite = str_iequal(m->method, m->nmethod, "INVITE");
	bool wants = m->status == 401 || m->status == 407;

	buf_fmt(s->out, "  <recv response=\"%d\"%s%s%s/>\n", m->status,
	    optional ? " optional=\"true\"" : "", wants ? " auth=\"true\"" : "",
	    invite && m->status > 100 && m->status < 300 ? " rrs=\"true\""
							 : "");
	s->challenged |= wants;
	if (invite && m->status >= 200)
		s->final = m->status;
}

static void
sipp_hear_request(struct sipp *s, const struct sipp_message *m)
{
	bool first = s->index == 0 && s->asks;

	buf_fmt(s->out, "  <recv request=\"%.*s\"%s%s>\n", (int)m->nmethod,
	    m->method,
	    str_iequal(m->method, m->nmethod, "INVITE") ? " rrs=\"true\"" : "",
	    first ? "" : "/");
	if (first) {
		sipp_remember(s);
		buf_str(s->out, "  </recv>\n");
	}
	s->heard = *m;
}

/* ---- what is said ------------------------------------------------------- */

static void
sipp_pause(struct sipp *s, uint64_t time)
{
	uint64_t ms = time > s->time ? (time - s->time) / CLOCK_MS : 0;

	if (s->index == 0 || ms < SIPP_PAUSE)
		return;
	buf_fmt(s->out, "  <pause milliseconds=\"%llu\"/>\n",
	    (unsigned long long)ms);
	s->index++;
}

/* The one whose branch it must bear: CANCEL, and ACK of a refusal. */
static bool
sipp_is_of_invite(const struct sipp *s, const struct sipp_message *m)
{
	return s->invite >= 0 &&
	    (str_iequal(m->method, m->nmethod, "CANCEL") ||
		(str_iequal(m->method, m->nmethod, "ACK") && s->final >= 300));
}

static void
sipp_say_request(struct sipp *s, const struct sipp_message *m)
{
	bool same = sipp_is_of_invite(s, m);
	bool inside = !same && sipp_has_tag(m, "To", "t");
	bool ack = str_iequal(m->method, m->nmethod, "ACK");

	buf_fmt(s->out, "%.*s ", (int)m->nmethod, m->method);
	if (inside)
		buf_str(s->out, "[next_url]");
	else
		sipp_put_text(s->out, m->uri, m->nuri);
	buf_str(s->out,
	    " SIP/2.0\n"
	    "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch");
	if (same)
		buf_fmt(
		    s->out, "%d", s->invite - s->index + (ack ? SIPP_ACK : 0));
	buf_str(s->out, "]\n");
	if (inside)
		buf_str(s->out, "[routes]\n");
	if (s->client) {
		buf_str(s->out, "From: ");
		sipp_put_address(s->out, m, "From", "f");
		buf_str(s->out, ";tag=[pid]SIPpTag[call_number]\nTo: ");
		sipp_put_address(s->out, m, "To", "t");
		buf_str(s->out,
		    sipp_has_tag(m, "To", "t") ? "[peer_tag_param]\n" : "\n");
	} else {
		buf_str(s->out,
		    "From: [$to];tag=[pid]SIPpTag[call_number]\n"
		    "To: [$from]\n");
	}
	buf_str(s->out, "Call-ID: [call_id]\n");
	sipp_put_field(s->out, m, "CSeq");
	if (str_iequal(m->method, m->nmethod, "INVITE"))
		s->invite = s->index;
}

/* It answers the last request that was heard; where that was a CANCEL, and this
 * is of the INVITE before it, the method differs. */
static void
sipp_say_reply(struct sipp *s, const struct sipp_message *m)
{
	buf_fmt(s->out, "SIP/2.0 %d ", m->status);
	sipp_put_text(s->out, m->phrase, m->nphrase);
	buf_str(s->out,
	    "\n[last_Via:]\n[last_Record-Route:]\n[last_From:]\n[last_To:]");
	if (m->status > 100 && !sipp_has_tag(&s->heard, "To", "t"))
		buf_str(s->out, ";tag=[pid]SIPpTag[call_number]");
	buf_str(s->out, "\n[last_Call-ID:]\n");
	if (s->heard.nmethod == m->nmethod &&
	    memcmp(s->heard.method, m->method, m->nmethod) == 0)
		buf_str(s->out, "[last_CSeq:]\n");
	else
		buf_fmt(s->out, "CSeq: [last_cseq_number] %.*s\n",
		    (int)m->nmethod, m->method);
}

static void
sipp_say(struct sipp *s, const struct sipp_message *m)
{
	bool ack = str_iequal(m->method, m->nmethod, "ACK");

	buf_fmt(s->out, "  <send%s>\n<![CDATA[\n\n",
	    (m->status == 0 && !ack) || m->status >= 200 ? " retrans=\"500\""
							 : "");
	if (m->status == 0)
		sipp_say_request(s, m);
	else
		sipp_say_reply(s, m);
	sipp_put_rest(s->out, m, s->challenged);
	buf_str(s->out, "\n]]>\n  </send>\n");
}

/* ---- the scenario ------------------------------------------------------- */

/* Its first message must be one that begins something. */
static int
sipp_begin(struct sipp *s, json_t *rows, struct err *e)
{
	struct sipp_message m;
	json_t *row;
	size_t i;

	if (json_array_size(rows) == 0)
		return err_set(e, ERR_ABSENT,
		    "the record has no messages of this leg outside");
	row = json_array_get(rows, 0);
	s->first_out = json_is_true(json_object_get(row, "out"));
	if (!sipp_read(row, &m) || m.status != 0 || sipp_has_tag(&m, "To", "t"))
		return err_set(e, ERR_INVALID,
		    "the record does not have the beginning of this leg");
	json_array_foreach (rows, i, row) {
		if (!sipp_read(row, &m))
			return err_set(e, ERR_INVALID,
			    "message %zu of this leg is not whole, or no text",
			    i + 1);
		s->asks |= !s->client && sipp_is_ours(s, row) && m.status == 0;
	}
	return 0;
}

static void
sipp_one(struct sipp *s, json_t *rows, size_t at)
{
	json_t *row = json_array_get(rows, at);
	struct sipp_message m;

	if (sipp_is_again(rows, at) || !sipp_read(row, &m))
		return;
	if (sipp_is_ours(s, row)) {
		sipp_pause(s, op_row_int(row, "corrected"));
		sipp_say(s, &m);
	} else if (m.status > 0) {
		sipp_hear_reply(s, &m, sipp_is_optional(s, rows, at, &m));
	} else {
		sipp_hear_request(s, &m);
	}
	s->index++;
	s->time = op_row_int(row, "corrected");
}

int
sipp_scenario(struct buf *b, json_t *rows, bool client, const char *comment,
    struct err *e)
{
	struct sipp s = {.out = b, .client = client, .invite = -1};
	size_t i;
	int r;

	if ((r = sipp_begin(&s, rows, e)) != 0)
		return r;
	buf_str(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	if (comment != NULL)
		buf_fmt(b, "<!-- %s -->\n", comment);
	buf_fmt(b, "<scenario name=\"recorded %s\">\n",
	    client ? "client" : "server");
	for (i = 0; i < json_array_size(rows); i++)
		sipp_one(&s, rows, i);
	if (s.asks)
		buf_str(b, "  <Reference variables=\"from,to\"/>\n");
	buf_str(b, "</scenario>\n");
	return 0;
}

/* ---- a call ------------------------------------------------------------- */

/* What passed between the gate of the leg and who is outside. */
static json_t *
sipp_leg(struct export *x)
{
	const char *leg = op_arg(x->show->call, "leg");
	json_t *rows = json_array(), *row;
	size_t i;

	json_array_foreach (x->rows, i, row) {
		if (!json_is_true(json_object_get(row, "inside")) &&
		    (strcmp(op_row_text(row, "leg"), leg) == 0 ||
			json_object_size(x->show->legs) == 0))
			json_array_append(rows, row);
	}
	return rows;
}

static int
sipp_export(struct export *x, bool client, struct err *e)
{
	struct buf comment = BUF_INIT;
	json_t *rows = sipp_leg(x);
	char *at;
	int r;

	buf_fmt(&comment, "Tandem, call %s, leg %s. ",
	    op_arg(x->show->call, "id"), op_arg(x->show->call, "leg"));
	export_masks(x, &comment);
	/* Two hyphens would end it. */
	while ((at = strstr(comment.data, "--")) != NULL)
		*at = '_';
	r = sipp_scenario(&x->out, rows, client, comment.data, e);
	buf_fini(&comment);
	json_decref(rows);
	return r;
}

static int
sipp_uac(struct export *x, struct err *e)
{
	return sipp_export(x, true, e);
}

static int
sipp_uas(struct export *x, struct err *e)
{
	return sipp_export(x, false, e);
}

const struct export_format export_sipp_uac = {.raw = true, .begin = sipp_uac};
const struct export_format export_sipp_uas = {.raw = true, .begin = sipp_uas};
