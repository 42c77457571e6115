/*
 * The gate's door: which commands there are, and whose orders count. An order
 * that carries a lower epoch than one before comes from a controller that has
 * been replaced, and is refused. Orders without an epoch are those of a
 * controller that knows none (rtpengine's clients).
 */
#include <string.h>

#include "mg.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

typedef void mg_command_fn(struct mg *, struct ng_request *, json_t *dict);

#define MG_LIST_DEFAULT 32

const json_t *
mg_key(const json_t *dict, const char *dashed)
{
	const json_t *v = json_object_get(dict, dashed);
	char spaced[32], *at;

	if (v != NULL || !str_copy(spaced, sizeof spaced, dashed))
		return v;
	for (at = spaced; *at != '\0'; at++) {
		if (*at == '-')
			*at = ' ';
	}
	return json_object_get(dict, spaced);
}

static void
mg_command_ping(struct mg *mg, struct ng_request *r, json_t *dict)
{
	(void)mg;
	(void)dict;
	ng_reply(r, json_pack("{s:s}", "result", "pong"));
}

/* rtpengine's law: there is nothing to do, so it is done, with a warning. */
static void
mg_delete_unknown(struct ng_request *r, json_t *dict)
{
	static const char words[] = "Call-ID not found or tags didn't match";

	if (ng_flag(dict, "flags", "fatal"))
		ng_fail(r, words);
	else
		ng_reply(r, json_pack("{s:s}", "warning", words));
}

/* One branch of a call that goes on; the last one ends it. */
static bool
mg_delete_branch(struct mg_call *c, const char *branch)
{
	struct mg_party *p = mg_party_of_branch(c, branch);

	if (p == NULL || c->nparties <= 2)
		return false;
	mg_party_free(&p);
	return true;
}

static void
mg_command_delete(struct mg *mg, struct ng_request *r, json_t *dict)
{
	const char *id = ng_str(dict, "call-id");
	const char *from = ng_str(dict, "from-tag");
	const char *branch = ng_str(dict, "via-branch");
	struct mg_call *c;
	json_t *reply;

	if (id == NULL) {
		ng_fail(r, "No call-id in message");
		return;
	}
	c = mg_call_find(mg, id);
	if (c == NULL || (from != NULL && mg_party_find(c, from) == NULL)) {
		mg_delete_unknown(r, dict);
		return;
	}
	reply = json_object();
	mg_figures_call(c, clock_mono());
	if (ng_flag(dict, "flags", "tandem-brief"))
		mg_query_brief(c, reply);
	else if (!ng_flag(dict, "flags", "fast"))
		mg_query_fill(c, reply);
	if (branch != NULL)
		json_object_set_new(reply, "tandem-open",
		    json_integer(mg_delete_branch(c, branch)));
	if (branch == NULL || ng_int(reply, "tandem-open", 0) == 0)
		mg_call_free(&c);
	ng_reply(r, reply);
}

static void
mg_command_query(struct mg *mg, struct ng_request *r, json_t *dict)
{
	const char *id = ng_str(dict, "call-id");
	struct mg_call *c;
	json_t *reply;

	if (id == NULL) {
		ng_fail(r, "No call-id in message");
	} else if ((c = mg_call_find(mg, id)) == NULL) {
		ng_fail(r, "Unknown call-id");
	} else {
		c->touched = clock_mono();
		reply = json_object();
		mg_query_fill(c, reply);
		ng_reply(r, reply);
	}
}

/* "limit" as rtpengine's; "tandem-after" goes on behind a reply's
 * "tandem-next". */
static void
mg_command_list(struct mg *mg, struct ng_request *r, json_t *dict)
{
	int64_t limit = ng_int(dict, "limit", MG_LIST_DEFAULT);
	int64_t after = ng_int(dict, "tandem-after", 0);
	json_t *reply;

	if (limit <= 0 || after < 0) {
		ng_fail(r, "Invalid limit, must be > 0");
		return;
	}
	reply = json_pack("{s:I}", "tandem-epoch", (json_int_t)mg->epoch);
	mg_list_fill(mg, reply, (uint64_t)limit, (uint64_t)after);
	ng_reply(r, reply);
}

static const struct {
	const char *name;
	mg_command_fn *run;
} mg_commands[] = {
    {"offer", mg_offer},
    {"answer", mg_answer},
    {"delete", mg_command_delete},
    {"query", mg_command_query},
    {"list", mg_command_list},
    {"ping", mg_command_ping},
};

/* Is the order one of a controller that has been replaced? */
static bool
mg_command_is_stale(struct mg *mg, const json_t *dict)
{
	int64_t epoch = ng_int(dict, "tandem-epoch", -1);

	if (epoch < 0)
		return false;
	if ((uint64_t)epoch < mg->epoch)
		return true;
	mg->epoch = (uint64_t)epoch;
	return false;
}

void
mg_on_command(void *arg, struct ng_request *r, const char *command,
    json_t *dict, const union addr *from)
{
	struct mg *mg = arg;
	size_t i;

	(void)from;
	if (mg_command_is_stale(mg, dict)) {
		mg->n.stale++;
		ng_fail(r, "stale epoch");
		return;
	}
	for (i = 0; i < sizeof mg_commands / sizeof mg_commands[0]; i++) {
		if (strcmp(mg_commands[i].name, command) == 0) {
			mg_commands[i].run(mg, r, dict);
			return;
		}
	}
	ng_fail(r, "Unrecognized command");
}
