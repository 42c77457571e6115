/*
 * Who asks. A flow that registered the user is trusted: SG says so in a
 * header that only SG can write. Everybody else brings credentials, which an
 * SR instance checks (the passive one as well: checking only reads), one of
 * another server when none of this one can. Passwords never come here. An SR
 * that does not answer is replaced by another one once.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define VERIFY_HEADER_MAX 4096

struct verify {
	struct b2bua *b2bua;
	verify_fn *fn;
	void *arg;
	json_t *params;
	struct rpc *rpc; /* asked now */
	bool again;	 /* a second instance was asked */
};

static void
verify_free(struct verify **vp)
{
	struct verify *v = *vp;

	*vp = NULL;
	if (v == NULL)
		return;
	json_decref(v->params);
	free(v);
}

static void
verify_end(struct verify *v, const char *user, const struct err *err)
{
	verify_fn *fn = v->fn;
	void *arg = v->arg;
	char name[256];

	str_copy(name, sizeof name, user == NULL ? "" : user);
	verify_free(&v);
	fn(arg, user == NULL ? NULL : name, err);
}

/* Any SR instance but the one that failed; at last control, for those of other
 * servers. */
static struct rpc *
verify_find_peer(struct b2bua *b, const struct rpc *but)
{
	struct peer *p;
	unsigned at = 0;

	while ((p = role_peer_next(b->self, ROLE_SR, &at)) != NULL)
		if (p->rpc != NULL && p->rpc != but)
			return p->rpc;
	p = role_way(b->self, "sr");
	return p != NULL && p->rpc != but ? p->rpc : NULL;
}

static void verify_on_reply(void *, json_t *, const struct err *);

static bool
verify_send(struct verify *v)
{
	struct rpc *rpc = verify_find_peer(v->b2bua, v->rpc);

	if (rpc == NULL)
		return false;
	v->rpc = rpc;
	rpc_call(rpc, "verify", json_incref(v->params), b2bua_times.ask,
	    verify_on_reply, v);
	return true;
}

static void
verify_on_reply(void *arg, json_t *result, const struct err *err)
{
	struct verify *v = arg;
	const char *user = json_string_value(json_object_get(result, "user"));
	struct err broken;

	if (err != NULL && err->code != ERR_PERMISSION && !v->again) {
		v->again = true;
		if (verify_send(v))
			return;
	}
	if (err == NULL && user == NULL) {
		err_set(&broken, ERR_INTERNAL, "verify: no user in the reply");
		err = &broken;
	}
	verify_end(v, user, err);
}

/* What the phone calls itself; NULL when JSON could not carry it. */
static const char *
verify_agent(const sip_t *sip)
{
	const sip_user_agent_t *ua = sip->sip_user_agent;
	const char *s = ua != NULL ? ua->g_value : NULL;

	return s != NULL && str_utf8(s, strlen(s)) ? s : NULL;
}

static json_t *
verify_params(const sip_t *sip, const char *domain)
{
	char *header = NULL, *uri;
	json_t *params = NULL;
	sip_proxy_authorization_t au[1];

	if (sip->sip_proxy_authorization != NULL) {
		*au = *sip->sip_proxy_authorization;
		au->au_next = NULL;
		header = headers_text(au, VERIFY_HEADER_MAX);
	}
	uri = url_as_string(NULL, sip->sip_request->rq_url);
	if (header != NULL && uri != NULL)
		params = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?}", "domain",
		    domain, "method", sip->sip_request->rq_method_name, "uri",
		    uri, "header", header, "source",
		    admit_inside_header(sip, "X-Tandem-Source"), "agent",
		    verify_agent(sip));
	free(header);
	su_free(NULL, uri);
	return params;
}

bool
verify_is_trusted(const sip_t *sip)
{
	const char *user = admit_inside_header(sip, "X-Tandem-User");

	return user != NULL && user[0] != '\0';
}

struct verify *
verify_ask(struct b2bua *b, const sip_t *sip, const char *domain, verify_fn *fn,
    void *arg)
{
	struct verify *v;
	struct err err;

	if (verify_is_trusted(sip)) {
		fn(arg, admit_inside_header(sip, "X-Tandem-User"), NULL);
		return NULL;
	}
	v = xcalloc(1, sizeof *v);
	v->b2bua = b;
	v->fn = fn;
	v->arg = arg;
	if ((v->params = verify_params(sip, domain)) == NULL) {
		err_set(&err, ERR_PERMISSION, "no credentials");
		verify_end(v, NULL, &err);
		return NULL;
	}
	if (!verify_send(v)) {
		err_set(&err, ERR_NOOWNER, "no registrar is linked");
		verify_end(v, NULL, &err);
		return NULL;
	}
	return v;
}

void
verify_drop(struct verify **vp)
{
	if (*vp != NULL && (*vp)->rpc != NULL)
		rpc_forget((*vp)->rpc, *vp);
	verify_free(vp);
}
