/*
 * The full parse of one message by sofia-sip, in place. Decides which
 * malformed header makes a message unusable (RFC 3261 8.2: those that are not
 * needed to process it are ignored) and refuses what lacks the fields of
 * 8.1.1. Called by everything that is not content with a scan: SR for each
 * REGISTER, SG for what the scan cannot take.
 */
#include <string.h>

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_buffer.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_util.h>

#include "sip.h"

/* What a message of REGISTER's size takes of the heap, in one piece. */
#define SIP_PARSE_HOME 4096

/* Headers without which, or with two of which, no one knows what is meant. */
static const msg_hclass_t *const sip_parse_essential[] = {
    sip_via_class,
    sip_from_class,
    sip_to_class,
    sip_call_id_class,
    sip_cseq_class,
    sip_max_forwards_class,
    sip_content_length_class,
    sip_contact_class,
    sip_route_class,
    sip_record_route_class,
    sip_path_class,
    sip_require_class,
    sip_proxy_require_class,
    sip_authorization_class,
    sip_proxy_authorization_class,
    sip_content_type_class,
};

/*
 * The name of an unusable essential header, or NULL. What sofia keeps in the
 * list of errors is either a header of its error class that names the bad
 * one, or the second of two where one is allowed, under its own class.
 */
static const char *
sip_parse_bad_header(const sip_t *sip)
{
	const msg_header_t *h = (const msg_header_t *)sip->sip_error;
	const msg_hclass_t *c;
	const char *name;
	size_t i;

	for (; h != NULL; h = h->sh_next) {
		name = h->sh_class == sip_error_class ? h->sh_error->er_name
						      : h->sh_class->hc_name;
		for (i = 0; name != NULL &&
		     i < sizeof sip_parse_essential /
			     sizeof sip_parse_essential[0];
		     i++) {
			c = sip_parse_essential[i];
			if (strcmp(name, c->hc_name) == 0)
				return c->hc_name;
		}
	}
	return NULL;
}

/* The field of RFC 3261 8.1.1 that is not there, or NULL. Max-Forwards is not
 * asked for: RFC 2543 had none, and 16.3 lets a proxy add it. */
static const char *
sip_parse_lacking(const sip_t *sip)
{
	if (sip->sip_via == NULL)
		return "Via";
	if (sip->sip_from == NULL)
		return "From";
	if (sip->sip_to == NULL)
		return "To";
	if (sip->sip_call_id == NULL)
		return "Call-ID";
	if (sip->sip_cseq == NULL)
		return "CSeq";
	return NULL;
}

/* Whether the start line speaks SIP/2.0 (RFC 3261 7.1). */
static bool
sip_parse_version_ok(const sip_t *sip)
{
	const char *v = sip->sip_request != NULL ? sip->sip_request->rq_version
						 : sip->sip_status->st_version;

	return v != NULL && strcmp(v, sip_version_2_0) == 0;
}

/* The laws that bind the parts of a message that was cut into headers. */
static int
sip_parse_check(const sip_t *sip, struct err *err)
{
	const char *name;

	if (sip->sip_request == NULL && sip->sip_status == NULL)
		return err_set(err, ERR_SYNTAX, "no start line of SIP");
	if ((name = sip_parse_bad_header(sip)) != NULL)
		return err_set(err, ERR_SYNTAX, "bad %s header", name);
	if ((name = sip_parse_lacking(sip)) != NULL)
		return err_set(err, ERR_SYNTAX, "no %s header", name);
	if (!sip_parse_version_ok(sip))
		return err_set(err, ERR_UNKNOWN, "version other than SIP/2.0");
	if (sip_sanity_check(sip) < 0)
		return err_set(err, ERR_SYNTAX,
		    "Request-URI unusable, or CSeq of another method");
	return 0;
}

int
sip_parse(struct sip_parsed *p, char *buf, size_t n, struct err *err)
{
	int got;

	p->sip = NULL;
	if (n > SIP_MAX) {
		p->msg = NULL;
		return err_set(err, ERR_TOOBIG, "more than %d bytes", SIP_MAX);
	}
	p->msg = msg_create(sip_default_mclass(), MSG_DO_CANONIC);
	if (p->msg == NULL)
		return err_set(err, ERR_NOMEM, "message");
	su_home_preload(msg_home(p->msg), 1, SIP_PARSE_HOME);
	buf[n] = '\0';
	msg_buf_set(p->msg, buf, n + 1);
	msg_buf_commit(p->msg, n, 1);
	got = msg_extract(p->msg);
	p->sip = sip_object(p->msg);
	if (p->sip == NULL)
		return err_set(err, ERR_SYNTAX, "no SIP message");
	if (got <= 0)
		return err_set(err, ERR_SYNTAX,
		    "broken start line or header, or a body shorter than its "
		    "Content-Length");
	return sip_parse_check(p->sip, err);
}

void
sip_parsed_fini(struct sip_parsed *p)
{
	if (p->msg != NULL)
		msg_destroy(p->msg);
	p->msg = NULL;
	p->sip = NULL;
}
