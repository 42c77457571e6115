/*
 * SR, the registrar of a site.
 *
 * Does: keeps which contacts a user has (REGISTER, RFC 3261 10.3), tells
 *   B2BUA whose credentials a request bears (verify) and where a user is
 *   (locate).
 * Never: speaks to the outside, judges a nonce, routes a call, answers
 *   before what it says is acknowledged, serves what another instance owns.
 * Talks to: SG (REGISTER over inside UDP), B2BUA (JSON-RPC), replicator
 *   (streams), control (operations).
 * Keeps: stream `location`, a row for each binding; nothing else that lasts.
 * On crash: the other instance opens the stream under the next epoch and
 *   serves; every 200 that was said holds, requests without an answer are
 *   sent again by SG or the phone and mean the same twice.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "sr.h"

#define SR_STREAM "location"

void
sr_check_ready(struct sr *sr)
{
	if (sr->ready || !sr->directory.known || !sr->warm_known)
		return;
	sr->ready = true;
	role_ready(sr->self);
}

/* ---- the passive side: a warm reader --------------------------------------
 */

/* The database is open, or there is none yet: either way we could own it. */
static void
sr_on_warm(void *arg, struct reader *r, enum reader_event event)
{
	struct sr *sr = OBJ(arg, sr, SR_MAGIC);

	(void)r;
	(void)event;
	sr->warm_known = true;
	sr_check_ready(sr);
}

/* ---- the owner ------------------------------------------------------------
 */

/* Stop serving; what waits for an acknowledgement is not answered. */
static void
sr_disown(struct sr *sr)
{
	sr->serving = false;
	sr_expire_stop(sr);
	sr_later_fail(sr);
	sr_rows_close(&sr->rows);
	if (sr->stream != NULL)
		stream_close(&sr->stream);
}

/*
 * The stream is not to be had, or not any more. When a higher epoch has begun
 * this instance is the passive one and goes on; anything else it cannot mend:
 * the supervisor starts it again, and gives the next epoch to another.
 */
static void
sr_on_lost(void *arg, struct stream *stream, const struct err *why)
{
	struct sr *sr = OBJ(arg, sr, SR_MAGIC);

	(void)stream;
	if (why->code != ERR_REFUSED)
		fatalx("epoch=%" PRIu64 " %s", sr->epoch, why->text);
	log_info("owner no more, epoch=%" PRIu64 ": %s", sr->epoch, why->text);
	sr_disown(sr);
}

/* The stream is ours. */
static void
sr_on_stream(void *arg, struct stream *stream, const struct err *why)
{
	struct sr *sr = OBJ(arg, sr, SR_MAGIC);
	struct err err = {0};

	if (why != NULL) {
		sr_on_lost(sr, stream, why);
		return;
	}
	/* The rows of 100,000 phones; taken as it is needed. */
	sqlite3_exec(
	    stream_db(stream), "PRAGMA cache_size=-65536", NULL, NULL, NULL);
	if (sr_rows_open(&sr->rows, stream_db(stream), &err) != 0)
		fatalx("%s: %s", SR_STREAM, err.text);
	sr->serving = true;
	sr_expire_start(sr);
	role_serving(sr->self, "sr", sr->epoch);
	log_info("serves, epoch=%" PRIu64, sr->epoch);
}

/* Own the bindings under an epoch. */
static void
sr_on_own(struct self *self, const char *key, uint64_t epoch)
{
	struct sr *sr = OBJ(self->state_of_role, sr, SR_MAGIC);
	struct stream_config config = {
	    .name = SR_STREAM,
	    .epoch = epoch,
	    .page_size = 1024,
	    .schema = sr_rows_schema,
	    .on_ready = sr_on_stream,
	    .on_lost = sr_on_lost,
	    .arg = sr,
	};
	struct err err = {0};

	if (strcmp(key, "sr") != 0)
		return;
	if (sr->stream != NULL)
		sr_disown(sr);
	sr->epoch = epoch;
	if (stream_open(self->repl, &config, &sr->stream, &err) != 0)
		fatalx("%s: %s", SR_STREAM, err.text);
}

/* ---- start and stop -------------------------------------------------------
 */

/* What `show statistics` tells of this room. */
static void
sr_register_stats(struct sr *sr)
{
	struct sr_counters *c = &sr->count;
	const struct role_stat stats[] = {
	    {"registers", "REGISTER requests done", &c->registers},
	    {"additions", "bindings added", &c->additions},
	    {"refreshes", "bindings refreshed", &c->refreshes},
	    {"removals", "bindings removed by phones or by hand", &c->removals},
	    {"expired", "bindings removed because they ran out", &c->expired},
	    {"queries", "REGISTER requests without Contact", &c->queries},
	    {"repeats", "REGISTER requests that came again", &c->repeats},
	    {"refused", "SIP requests refused", &c->refused},
	    {"auth-failures", "credentials refused", &c->auth_failures},
	    {"malformed", "SIP messages that could not be read", &c->malformed},
	    {"dropped", "SIP requests left without an answer", &c->dropped},
	    {"verified", "requests verified for B2BUA", &c->verified},
	    {"located", "users located for B2BUA", &c->located},
	    {"strangers", "datagrams inside that no process of ours sent",
		&sr->self->ears.strangers},
	    {"groups", "group commits that answers waited for", &c->groups},
	    {"bindings", "bindings at the end of the last sweep", &c->bindings},
	    {0},
	};
	static struct role_stat kept[sizeof stats / sizeof stats[0]];

	memcpy(kept, stats, sizeof stats);
	role_stats(sr->self, kept);
}

static int
sr_start(struct self *self, struct err *err)
{
	struct sr *sr = xcalloc(1, sizeof *sr);
	int fd, rc;

	sr->magic = SR_MAGIC;
	sr->self = self;
	self->state_of_role = sr;
	sr->failures = sr_failures_new();
	sr_register_init(sr);
	sr_answer_init(sr);
	sr_register_stats(sr);
	if ((fd = sock_udp(&self->inside, err)) < 0)
		return fd;
	sr->udp = dgram_open(
	    self->loop, fd, DGRAM_BATCH, sr_register_on_message, sr);
	if ((rc = sr_directory_open(sr, err)) != 0)
		return rc;
	return reader_open(
	    self->repl, SR_STREAM, sr_on_warm, sr, &sr->warm, err);
}

static void
sr_on_stop(struct self *self)
{
	struct sr *sr = OBJ(self->state_of_role, sr, SR_MAGIC);

	sr->closing = true;
	sr_disown(sr);
	sr_directory_close(sr);
	reader_close(&sr->warm);
	dgram_close(&sr->udp);
	sr_answer_fini(sr);
	sr_register_fini(sr);
	free(sr->failures);
	self->state_of_role = NULL;
	free(sr);
	role_stopped(self);
}

const struct role sr_role = {
    .id = ROLE_SR,
    .ops = sr_ops,
    .start = sr_start,
    .on_request = sr_rpc_on_request,
    .on_own = sr_on_own,
    .on_stop = sr_on_stop,
};
