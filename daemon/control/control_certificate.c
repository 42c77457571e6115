/*
 * Consoles that come by a gate (ws), from anywhere. TLS has proven to the gate
 * that they have the key of a certificate; which one it is the gate passes on,
 * and whose it is the administrators of the site say here. From then on such a
 * session is one as any console's: the rights are the administrator's, as if
 * they had logged in to the server. Who signed a certificate counts for
 * nothing; that its fingerprint is taken from the administrator, or that its
 * time is over, ends the session.
 */
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

/* Its time; the end of it is the session's. */
static int
certificate_dates(struct session *s, json_t *valid, struct err *e)
{
	int64_t now = (int64_t)(clock_real() / CLOCK_SEC);
	int64_t from = json_integer_value(json_array_get(valid, 0));
	int64_t until = json_integer_value(json_array_get(valid, 1));

	if (now < from)
		return err_set(e, ERR_PERMISSION,
		    "the certificate %s is not valid yet", s->certificate);
	if (now >= until)
		return err_set(e, ERR_PERMISSION,
		    "the certificate %s has expired", s->certificate);
	loop_timer_set(s->patience, (uint64_t)(until - now) * CLOCK_SEC);
	return 0;
}

int
certificate_admit(struct session *s, json_t *params, struct err *e)
{
	const char *print = json_string_value(
	    json_object_get(params, "certificate"));
	struct control *c = s->control;
	sqlite3 *site = site_db(c);
	int r;

	str_copy(s->who.name, sizeof s->who.name, "certificate");
	if (site == NULL)
		return err_set(e, ERR_BUSY,
		    "the administrators cannot be read on this server now");
	if (print == NULL || strlen(print) != OP_PRINT - 1)
		return err_set(e, ERR_INVALID, "expected a fingerprint");
	str_copy(s->certificate, sizeof s->certificate, print);
	r = obj_certificate_role(c->self->table->objs, site, print, &s->who, e);
	if (r == 0)
		r = certificate_dates(s, json_object_get(params, "valid"), e);
	if (r == 0 && !session_enter(s))
		r = err_set(e, ERR_FULL,
		    "there are too many sessions already: close one");
	return r;
}

int
certificate_again(struct session *s, struct op_who *who, struct err *e)
{
	struct control *c = s->control;
	sqlite3 *site = site_db(c);
	int r;

	if (site == NULL)
		return -ERR_BUSY;
	r = obj_certificate_role(
	    c->self->table->objs, site, s->certificate, who, e);
	if (r == 0 && strcmp(who->name, s->who.name) != 0)
		r = err_set(e, ERR_PERMISSION,
		    "the certificate %s is no longer that of %s",
		    s->certificate, s->who.name);
	if (r == -ERR_PERMISSION) /* it leaves as who it came */
		str_copy(who->name, sizeof who->name, s->who.name);
	return r;
}
