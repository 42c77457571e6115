/*
 * What an operator has to know before anything is lost: looked for once a
 * second, told and logged when it is found a second time, and when it ends;
 * what heals at once is not worth a night's call. What is true of the whole
 * site is told by one server only, the first by name of those that are up;
 * the rest by the server that has it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "conflict.h"
#include "disk.h"
#include "ownership.h"
#include "replicator_room.h"
#include "stream_path.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define ALARM_TICK CLOCK_SEC
#define ALARM_MAX 64
#define ALARM_LAG (2 * CLOCK_SEC)   /* without an answer */
#define ALARM_ILL (600 * CLOCK_SEC) /* it is told of what was mended */
#define ALARM_WAL (64u << 20)	    /* bytes that no checkpoint could move */

struct alarms {
	struct replicator *r;
	struct loop_timer *tick;
	struct replicator_alarm list[ALARM_MAX];
	size_t n;
};

static void __attribute__((format(printf, 4, 5))) alarm_put(struct alarms *a,
    const char *name, const char *subject, const char *fmt, ...)
{
	struct replicator_alarm *one;
	va_list ap;

	if (a->n == ALARM_MAX)
		return;
	one = &a->list[a->n++];
	memset(one, 0, sizeof *one);
	str_copy(one->name, sizeof one->name, name);
	str_copy(one->subject, sizeof one->subject, subject);
	va_start(ap, fmt);
	vsnprintf(one->text, sizeof one->text, fmt, ap);
	va_end(ap);
}

/* ---- the site ----------------------------------------------------------- */

/* Not a server, an instance, or the calls of one: those go with the server. */
static bool
alarm_is_key(const struct owner *o)
{
	return strchr(o->key, '/') == NULL;
}

/* The calls of an instance that is there: "calls/b2bua-1@srv2", b2bua/1@srv2.
 * They are down when their server has lost its disk. */
static bool
alarm_is_calls(const struct site *t, const struct owner *o)
{
	const char *name = o->key + strlen("calls/"), *number;
	char instance[OWNER_KEY];
	struct owner of;

	if (!str_prefix(o->key, "calls/") ||
	    (number = strchr(name, '-')) == NULL)
		return false;
	snprintf(instance, sizeof instance, "%.*s/%s", (int)(number - name),
	    name, number + 1);
	return owner_map_find(t->owners, instance, &of) &&
	    of.state == OWNER_SERVING;
}

/* Does this server speak for the site? One that is about to come back does
 * not know yet who is up. */
static bool
alarm_speaks(const struct site *t)
{
	struct owner o;
	unsigned at = 0;

	if (!owner_map_server(t->owners, t->server, &o) ||
	    o.state != OWNER_SERVING)
		return false;
	while (owner_map_next(t->owners, &at, &o)) {
		if (str_prefix(o.key, "server/") && o.state == OWNER_SERVING &&
		    strcmp(o.key + 7, t->server) < 0)
			return false;
	}
	return true;
}

static void
alarm_site(struct alarms *a, const struct site *t)
{
	struct owner o;
	unsigned at = 0;

	while (owner_map_next(t->owners, &at, &o)) {
		if (o.apart)
			alarm_put(a, "apart", o.key + 7,
			    "this server decides without it; what either of "
			    "them acknowledges now may be given up");
		if (o.state != OWNER_DOWN)
			continue;
		if (str_prefix(o.key, "server/"))
			alarm_put(a, "server-down", o.key + 7,
			    "the server is not heard");
		else if (alarm_is_calls(t, &o))
			alarm_put(a, "no-owner", o.key,
			    "the instance serves no calls; request ownership "
			    "recover gives them up and lets it");
		else if (alarm_is_key(&o))
			alarm_put(a, "no-owner", o.key,
			    "nobody owns it; members: %s",
			    o.members[0] != '\0' ? o.members : "none");
	}
}

/* What the site says of a server is not what this one sees. When the majority
 * of the voters is gone nobody says anything new, and only this tells. */
static void
alarm_unreached(struct alarms *a, const struct site *t)
{
	const struct peer *p;
	unsigned i;

	for (i = 0; i < t->npeers; i++) {
		p = t->peer[i];
		if (p->holds && p->up && !p->ready)
			alarm_put(a, "unreached", p->name,
			    "no connection from here, though nobody has decided "
			    "that it is down: a broken link, or too few voters "
			    "are left to decide");
	}
}

/* ---- keys of ours ------------------------------------------------------- */

/* Has the server an instance that could own the key? A server that is down
 * counts as if it had. */
static bool
alarm_could(const struct site *t, const char *key, const char *server)
{
	char name[OWNER_KEY];
	struct owner o;
	unsigned i;

	if (owner_map_server(t->owners, server, &o) && o.state == OWNER_DOWN)
		return true;
	for (i = 1; i <= OWNERSHIP_INDEX; i++) {
		snprintf(name, sizeof name, "%.8s/%u@%.32s", key, i, server);
		if (owner_map_find(t->owners, name, &o))
			return true;
	}
	return false;
}

/* Fewer servers hold what is acknowledged than could. */
static void
alarm_degraded(struct alarms *a, const struct site *t, const struct site_key *k)
{
	unsigned want = 0, have = owner_count_members(k->members), at = 0;
	struct owner o;

	if (!k->mine || str_prefix(k->name, "calls/"))
		return;
	while (owner_map_next(t->owners, &at, &o))
		want += str_prefix(o.key, "server/") && !o.witness &&
		    alarm_could(t, k->name, o.key + 7);
	if (want > OWNERSHIP_MEMBERS)
		want = OWNERSHIP_MEMBERS;
	if (have < want)
		alarm_put(a, "degraded", k->name,
		    "%u of %u servers hold what is acknowledged: %s", have,
		    want, k->members);
}

/* ---- streams ------------------------------------------------------------ */

static void
alarm_behind(
    struct alarms *a, const struct site *t, const struct live *v, uint64_t now)
{
	char subject[sizeof a->list[0].subject];
	unsigned i;

	/* One that cannot write asks nobody for answers. */
	if (t->r->paused || t->r->failed.code != ERR_NONE)
		return;
	for (i = 0; v->key->mine && v->follow != NULL && i < t->npeers; i++) {
		const struct follow *f = v->follow[i];

		if (f == NULL || !f->peer->ready || f->since == 0 ||
		    now - f->since < ALARM_LAG)
			continue;
		snprintf(subject, sizeof subject, "%.63s@%.32s", v->log->name,
		    f->peer->name);
		alarm_put(a, "behind", subject,
		    "the follower owes an answer for %llu s",
		    (unsigned long long)((now - f->since) / CLOCK_SEC));
	}
}

static void
alarm_wal(struct alarms *a, const struct replicator *r, const struct live *v)
{
	char path[STREAM_PATH + 5];
	struct stat st;

	/* What nobody has open has none. */
	if ((v->writer == NULL && v->file.apply == NULL) ||
	    stream_path(path, r->root, v->log->name, v->log->file, NULL) != 0)
		return;
	strcat(path, "-wal");
	if (stat(path, &st) == 0 && st.st_size > ALARM_WAL)
		alarm_put(a, "wal", v->log->name,
		    "its -wal has %llu MB: a reader holds up checkpoints",
		    (unsigned long long)st.st_size >> 20);
}

/* What was mended is told of too: a disk that did it once does it again. */
static void
alarm_ill(struct alarms *a, const struct live *v, uint64_t now)
{
	if (v->log->damaged || v->lead.lost)
		alarm_put(a, "replica-lost", v->log->name,
		    "the database is set aside, and made anew from another "
		    "server's: %s",
		    v->ill_at != 0 ? v->ill : "it is of no use");
	else if (v->damage != 0)
		alarm_put(a, "damaged", v->log->name,
		    "page %u of the database is damaged or missing, and no "
		    "other member has it: what stands there is not read",
		    v->damage);
	else if (v->mended_at != 0 && now - v->mended_at < ALARM_ILL)
		alarm_put(a, "damaged", v->log->name,
		    "pages of the database did not fit their sums, and were "
		    "written anew from its history; look after the disk");
	else if (v->ill_at != 0 && now - v->ill_at < ALARM_ILL)
		alarm_put(a, "replica-lost", v->log->name,
		    "the database was made anew from another server's: %s; "
		    "look after the disk",
		    v->ill);
}

static void
alarm_streams(struct alarms *a, const struct site *t)
{
	uint64_t now = clock_mono();
	uint32_t i;

	for (i = 0; i < t->nlives; i++) {
		const struct live *v = t->live[i];

		alarm_ill(a, v, now);
		alarm_behind(a, t, v, now);
		alarm_wal(a, t->r, v);
	}
}

static void
alarm_log(struct alarms *a, const struct replicator *r)
{
	if (r->failed.code != ERR_NONE)
		alarm_put(a, "log-failed", "ship-log", "%s", r->failed.text);
	else if (r->full)
		alarm_put(a, "log-full", "ship-log",
		    "the disk is full: nothing is acknowledged");
}

/* Told before the disk is full, for then it is late. */
static void
alarm_disk(struct alarms *a, const struct replicator *r)
{
	struct statvfs v;
	uint64_t left, all;

	if (statvfs(r->root, &v) != 0)
		return;
	left = (uint64_t)v.f_bavail * v.f_frsize;
	all = (uint64_t)v.f_blocks * v.f_frsize;
	if (left < disk_low(all))
		alarm_put(a, "disk", r->root,
		    "%llu MB of %llu MB are left: what does not fit is refused",
		    (unsigned long long)left >> 20,
		    (unsigned long long)all >> 20);
}

static int
alarm_on_conflict(void *arg, const struct conflict *c)
{
	char name[CONFLICT_NAME];

	conflict_name(c, name);
	alarm_put(arg, "conflict", name,
	    "what was acknowledged, and this server has, was given up and is "
	    "kept for review: show conflicts");
	return 0;
}

static void
alarm_conflicts(struct alarms *a, const struct site *t)
{
	struct err e;

	if (conflict_each(t->r->root, alarm_on_conflict, a, &e) != 0)
		alarm_put(a, "conflict", "directory", "%s", e.text);
}

/* ---- beginnings and ends ------------------------------------------------ */

static const struct replicator_alarm *
alarm_find(const struct alarms *a, const struct replicator_alarm *like)
{
	size_t i;

	for (i = 0; i < a->n; i++) {
		if (strcmp(a->list[i].name, like->name) == 0 &&
		    strcmp(a->list[i].subject, like->subject) == 0)
			return &a->list[i];
	}
	return NULL;
}

/* Those that are new begin now, and those that are gone have ended. */
static void
alarm_compare(const struct alarms *old, struct alarms *now)
{
	const struct replicator_alarm *was;
	size_t i;

	for (i = 0; i < now->n; i++) {
		was = alarm_find(old, &now->list[i]);
		now->list[i].since = was != NULL ? was->since : clock_real();
		now->list[i].holds = was != NULL;
		if (was != NULL && !was->holds)
			log_warnx("alarm=%s subject=%s %s", now->list[i].name,
			    now->list[i].subject, now->list[i].text);
	}
	for (i = 0; i < old->n; i++) {
		if (old->list[i].holds &&
		    alarm_find(now, &old->list[i]) == NULL)
			log_info("alarm=%s subject=%s is over",
			    old->list[i].name, old->list[i].subject);
	}
}

static void
alarm_on_tick(void *arg)
{
	struct alarms *a = arg, old = *a;
	struct site *t = a->r->site;
	struct site_key *k;
	size_t at = 0;

	loop_timer_set(a->tick, ALARM_TICK);
	a->n = 0;
	alarm_disk(a, a->r);
	alarm_log(a, a->r);
	if (t->owners != NULL) {
		if (alarm_speaks(t))
			alarm_site(a, t);
		alarm_unreached(a, t);
		while ((k = map_next(&t->keys, &at, NULL, NULL)) != NULL)
			alarm_degraded(a, t, k);
		alarm_streams(a, t);
	}
	alarm_conflicts(a, t);
	alarm_compare(&old, a);
}

struct alarms *
alarms_open(struct replicator *r)
{
	struct alarms *a = xcalloc(1, sizeof *a);

	a->r = r;
	a->tick = loop_timer_new(r->loop, alarm_on_tick, a);
	loop_timer_set(a->tick, ALARM_TICK);
	return a;
}

void
alarms_close(struct alarms **ap)
{
	if (*ap == NULL)
		return;
	loop_timer_free(&(*ap)->tick);
	free(*ap);
	*ap = NULL;
}

const struct replicator_alarm *
replicator_next_alarm(const struct replicator *r, size_t *at)
{
	const struct alarms *a = r->site != NULL ? r->site->alarms : NULL;

	while (a != NULL && *at < a->n) {
		if (a->list[(*at)++].holds)
			return &a->list[*at - 1];
	}
	return NULL;
}
