/*
 * What B2BUA asks: `verify`, at any instance, whether credentials are a
 * user's; `locate`, at the owner, where a user is now. Refuses everybody but
 * B2BUA, and control, which asks for those of other servers and drills. A no
 * of `verify` has the same words and the same price for all.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sofia-sip/url.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "sr.h"

#define SR_VERIFY_MAGIC 0x5d0a7e21
#define SR_LOCATE_MAGIC 0x5d0a10ca

/* ---- verify -------------------------------------------------------------- */

/* A question that may wait for the stream of its domain. */
struct sr_verify {
	unsigned magic;
	struct sr *sr;
	struct rpc_request *request;
	json_t *params;
	struct sr_wait wait;
};

/* A text among the params, "" when it is not there. */
static const char *
sr_param(json_t *params, const char *name)
{
	const char *s = json_string_value(json_object_get(params, name));

	return s != NULL ? s : "";
}

/* RFC 7616 3.4.6: the credentials were made for this request. Parameters and
 * the port are not compared: phones differ in what they repeat of them. A
 * tel: URI is a number and has no host. */
static bool
sr_verify_same_uri(const char *digest, const char *request)
{
	char a[512], b[512];
	url_t x, y;

	if (!str_copy(a, sizeof a, digest) || !str_copy(b, sizeof b, request))
		return false;
	if (strcmp(a, b) == 0)
		return true;
	if (url_d(&x, a) < 0 || url_d(&y, b) < 0 || x.url_host == NULL ||
	    y.url_host == NULL || strcasecmp(x.url_host, y.url_host) != 0)
		return x.url_type == url_tel && y.url_type == url_tel &&
		    str_equal(x.url_user, y.url_user);
	return str_equal(x.url_user, y.url_user);
}

/* Answer and free the question. */
static void
sr_verify_end(struct sr_verify *v, const char *user, const char *domain_id)
{
	if (user != NULL)
		rpc_reply(v->request,
		    json_pack(
			"{s:s, s:s}", "user", user, "domain_id", domain_id));
	else
		rpc_failf(v->request, ERR_PERMISSION, "credentials refused");
	v->sr->count.verified += user != NULL;
	json_decref(v->params);
	free(v);
}

/* For operators: what was refused to whom. */
static void
sr_verify_note(const struct sr_verify *v, const struct sr_domain *d,
    const char *user, const char *cause)
{
	struct sr_asker who = {
	    .domain = d != NULL ? d->name : sr_param(v->params, "domain"),
	    .user = user,
	    .source = sr_param(v->params, "source"),
	    .agent = sr_param(v->params, "agent")};

	sr_failure_note(v->sr, &who, cause);
}

/* The domain's stream can be read, or there is no such domain. */
static void
sr_verify_judge(struct sr_verify *v, struct sr_domain *d)
{
	const char *header = sr_param(v->params, "header");
	const char *uri = sr_param(v->params, "uri");
	char user[SR_USER];
	struct sip_digest dg;
	struct sr_user u;
	const char *cause;

	if (sip_digest_parse(&dg, header, strlen(header), NULL) != 0) {
		rpc_failf(v->request, ERR_SYNTAX, "no digest credentials");
		json_decref(v->params);
		free(v);
		return;
	}
	cause = sr_auth_check(
	    v->sr, d, &dg, sr_param(v->params, "method"), user, &u);
	if (cause == sr_auth_unread) {
		rpc_failf(v->request, ERR_BUSY, "%s", cause);
		json_decref(v->params);
		free(v);
		return;
	}
	if (cause == NULL && !sr_verify_same_uri(dg.uri, uri))
		cause = "credentials of another request";
	if (cause == NULL) {
		sr_verify_end(v, user, d->id);
		return;
	}
	sr_verify_note(v, d, dg.username, cause);
	sr_verify_end(v, NULL, NULL);
}

/* Look at the domain, and wait for its stream if that is being opened. */
static void
sr_verify_go(void *arg)
{
	struct sr_verify *v = OBJ(arg, sr_verify, SR_VERIFY_MAGIC);
	struct sr_domain *d = sr_directory_find(
	    v->sr, sr_param(v->params, "domain"));

	if (d == NULL || sr_domain_use(d))
		sr_verify_judge(v, d);
	else if (v->sr->closing || sr_domain_wait(d, &v->wait) != 0) {
		rpc_failf(v->request, ERR_BUSY, "the domain cannot be read");
		json_decref(v->params);
		free(v);
	}
}

static void
sr_rpc_verify(struct sr *sr, struct rpc_request *request, json_t *params)
{
	struct sr_verify *v;

	if (!sr->directory.known) {
		rpc_failf(request, ERR_BUSY, "the directory is not read yet");
		return;
	}
	v = xcalloc(1, sizeof *v);
	v->magic = SR_VERIFY_MAGIC;
	v->sr = sr;
	v->request = request;
	v->params = json_incref(params);
	v->wait.fn = sr_verify_go;
	v->wait.arg = v;
	sr_verify_go(v);
}

/* ---- locate -------------------------------------------------------------- */

/* An answer that waits until all hold what it saw. */
struct sr_locate {
	unsigned magic;
	struct rpc_request *request;
	json_t *contacts;
};

static void
sr_locate_on_ack(void *arg, const struct err *err)
{
	struct sr_locate *l = OBJ(arg, sr_locate, SR_LOCATE_MAGIC);

	if (err == NULL)
		rpc_reply(
		    l->request, json_pack("{s:O}", "contacts", l->contacts));
	else
		rpc_fail(l->request, err);
	json_decref(l->contacts);
	free(l);
}

static void
sr_rpc_locate(struct sr *sr, struct rpc_request *request, json_t *params)
{
	int64_t now = (int64_t)(clock_real() / CLOCK_SEC);
	struct sr_locate *l;
	struct err err = {0};
	char user[SR_USER];
	json_t *contacts;

	if (!sr->serving) {
		rpc_failf(request, ERR_NOOWNER, "not the owner of sr");
		return;
	}
	if (!sr_auth_user(user, sr_param(params, "user"))) {
		rpc_failf(request, ERR_INVALID, "user: expected a number");
		return;
	}
	contacts = sr_rows_locate(
	    sr->rows, sr_param(params, "domain_id"), user, now, &err);
	if (contacts == NULL) {
		rpc_fail(request, &err);
		return;
	}
	sr->count.located++;
	l = xcalloc(1, sizeof *l);
	l->magic = SR_LOCATE_MAGIC;
	l->request = request;
	l->contacts = contacts;
	sr_later(sr, sr_locate_on_ack, l);
}

/* ---- the door ------------------------------------------------------------ */

void
sr_rpc_on_request(struct self *self, struct peer *peer,
    struct rpc_request *request, const char *method, json_t *params)
{
	struct sr *sr = self->state_of_role;

	if (request == NULL)
		return;
	if (peer->role == ROLE_CONTROL && strcmp(method, "drill") == 0)
		sr_drill(sr, request, params);
	else if (peer->role != ROLE_B2BUA && peer->role != ROLE_CONTROL)
		rpc_failf(request, ERR_PERMISSION, "%s asks nothing of sr",
		    peer->name);
	else if (!json_is_object(params))
		rpc_failf(request, ERR_INVALID, "params: expected an object");
	else if (strcmp(method, "verify") == 0)
		sr_rpc_verify(sr, request, params);
	else if (strcmp(method, "locate") == 0)
		sr_rpc_locate(sr, request, params);
	else
		rpc_failf(request, ERR_UNKNOWN, "no method %s", method);
}
