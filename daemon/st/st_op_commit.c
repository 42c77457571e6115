/*
 * Operations that judge the candidate as a whole: check, commit. A commit is
 * named by a txid, so that asking again after a broken connection or the
 * death of the owner gives the true answer and not a second commit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "st_op.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

#define COMMIT_AT_MOST (90 * 86400 * CLOCK_SEC)

/* The servers that have acknowledged it, and those that will have it later. */
static void
commit_put_servers(struct op_call *call)
{
	const struct owner_map *owners = st_of(call)->cfg.owners;
	struct buf later = BUF_INIT;
	unsigned at = 0, have = 0, all = 0;
	struct owner st, o;
	char text[32];

	if (owners == NULL || !owner_map_find(owners, "st", &st))
		return;
	while (owner_map_next(owners, &at, &o)) {
		if (!str_prefix(o.key, "server/") || o.witness)
			continue;
		all++;
		if (owner_is_member(st.members, o.key + strlen("server/")))
			have++;
		else
			buf_fmt(&later, "%s%s", later.len > 0 ? ", " : "",
			    o.key + strlen("server/"));
	}
	snprintf(text, sizeof text, "%u/%u", have, all);
	op_put(call, "servers", text);
	if (later.len > 0 && !later.failed)
		op_warn(
		    call, "%s: down or behind, will have it later", later.data);
	buf_fini(&later);
}

static void
commit_row(struct op_call *call, const struct st_revision *r, uint64_t until)
{
	op_row(call);
	op_put_int(call, "rev", r->rev);
	op_put_int(call, "changes", r->changes);
	op_put_time(call, "time", r->time);
	commit_put_servers(call);
	if (until != 0)
		op_put_time(call, "until", until);
	op_put(call, "txid", r->txid);
	call->rev = r->rev;
}

/* The same for one that was decided before. */
static int
commit_row_again(struct st *st, struct op_call *call,
    const struct st_revision *r, struct err *e)
{
	struct st_confirm c = {0};
	int got;

	got = st_confirm_get(stream_db(st_op_commit_stream(st)), r->rev, &c);
	if (got != 0 && got != -ERR_ABSENT)
		return st_sql_unread(got, e);
	commit_row(call, r, c.until);
	return 0;
}

/* What stands, but should be looked at. */
static void
commit_warn(const struct st_job *j, struct op_call *call)
{
	json_t *words;
	size_t i;

	json_array_foreach (j->warn, i, words)
		op_warn(call, "%s", json_string_value(words));
}

static void
commit_warn_until(struct op_call *call, uint64_t until)
{
	char text[CLOCK_TEXT];

	if (until == 0)
		return;
	clock_text(text, until);
	op_warn(call, "confirm before %s, or it is undone", text);
}

/* Why a commit did not happen: every conflict, every failed check. */
static void
commit_fail(struct st_job *j, struct op_call *call, const struct err *e)
{
	if (e->code == ERR_CONFLICT)
		j->st->count.conflicts++;
	else if (e->code == ERR_CHECK)
		j->st->count.refused++;
	if (json_array_size(j->told) > 0)
		call->err_data = json_pack("{s:O}", "rows", j->told);
	op_finish(call, e);
}

/* Of another layer there may be something. */
static void
commit_warn_nothing(struct st_job *j, struct op_call *call)
{
	const struct st *st = j->st;
	struct pool *pool = pool_new();
	bool seen[OBJ_LAYERS] = {false};
	struct buf others = BUF_INIT;
	struct st_entry *list;
	struct obj_path p;
	size_t n, i;
	int k;

	if (st_cand_list(st->view.cand, j->session, pool, &list, &n, NULL) != 0)
		n = 0;
	for (i = 0; i < n; i++) {
		if (obj_path_parse(st->cfg.objs, list[i].path, &p, NULL) == 0)
			seen[p.obj->layer] = true;
	}
	for (k = 1; k < OBJ_LAYERS; k++) {
		if (seen[k])
			buf_fmt(&others, "%s%s", others.len > 0 ? ", " : "",
			    obj_layer_words[k]);
	}
	if (others.len > 0 && !others.failed)
		op_warn(call,
		    "nothing to commit of layer %s; the candidate has changes "
		    "of: %s",
		    obj_layer_words[j->layer], others.data);
	else
		op_warn(call, "nothing to commit");
	buf_fini(&others);
	pool_free(&pool);
}

/* The end of one that failed, or had nothing to do; false: it goes on. */
static bool
commit_ends(struct st_job *j, struct op_call *call, const struct err *e)
{
	call->rev = j->st->rev;
	if (e != NULL) {
		commit_fail(j, call, e);
	} else if (j->changes.n == 0) {
		commit_warn_nothing(j, call);
		op_finish(call, NULL);
	} else {
		commit_warn(j, call);
		return false;
	}
	return true;
}

static void
commit_on_done(void *arg, struct st_job *j, const struct err *e)
{
	struct op_call *call = arg;
	struct st *st = j->st;

	if (!commit_ends(j, call, e)) {
		st->count.commits++;
		commit_warn_until(call, j->until);
		commit_row(call, &j->rev, j->until);
		op_finish(call, NULL);
	}
	st_job_free(&j);
	st_clock_look(st);
}

/* A commit without a name gets one, for its row. */
static void
commit_name(const struct op_call *call, char txid[ST_TXID])
{
	const char *given = op_arg(call, "txid");

	if (given != NULL)
		str_copy(txid, ST_TXID, given);
	else
		rand_hex(txid, 16);
}

static void
commit_start(struct st *st, struct op_call *call)
{
	struct st_job *j = st_job_new(
	    st, call->who.session, commit_on_done, call);
	const char *comment = op_arg(call, "comment");

	j->who = call->who;
	str_copy(j->rev.operator, sizeof j->rev.operator, call->who.name);
	str_copy(j->rev.source, sizeof j->rev.source, call->who.from);
	str_copy(j->rev.comment, sizeof j->rev.comment,
	    comment != NULL ? comment : "");
	commit_name(call, j->rev.txid);
	j->minutes = op_arg_int(call, "confirmed", 0);
	j->layer = st_op_layer(call);
	st_job_start(j);
}

/* ---- at a time ------------------------------------------------------------
 */

static void
commit_row_later(struct op_call *call, const struct st_draft *d)
{
	op_row(call);
	op_put_time(call, "time", d->at);
	op_put(call, "session", d->session);
	op_put(call, "txid", d->txid);
}

/* It would stand now, so it may wait. */
static int
commit_schedule(struct st *st, struct op_call *call, uint64_t at, struct err *e)
{
	struct stream *commit = st_op_commit_stream(st);
	const char *comment = op_arg(call, "comment");
	struct st_draft d = {.at = at,
	    .minutes = op_arg_int(call, "confirmed", 0),
	    .fixed = call->who.fixed};
	int r = stream_join(commit, e);

	str_copy(d.session, sizeof d.session, call->who.session);
	str_copy(d.comment, sizeof d.comment, comment != NULL ? comment : "");
	commit_name(call, d.txid);
	if (r == 0)
		r = st_cand_keep(st->view.cand, &call->who, clock_real(), e);
	if (r == 0)
		r = st_draft_schedule(st->view.cand, &d, e);
	if (r != 0)
		return r;
	commit_row_later(call, &d);
	return 0;
}

static void
commit_on_checked(void *arg, struct st_job *j, const struct err *e)
{
	struct op_call *call = arg;
	struct st *st = j->st;
	uint64_t at = 0;
	struct err why;

	if (!commit_ends(j, call, e)) {
		st_moment(op_arg(call, "at"), clock_real(), &at, &why);
		if (commit_schedule(st, call, at, &why) != 0)
			op_finish(call, &why);
		else
			st_answer_on_ack(st, st_op_commit_stream(st), call);
	}
	st_job_free(&j);
	st_clock_look(st);
}

static void
commit_later(struct st *st, struct op_call *call)
{
	struct st_job *j;
	uint64_t at;
	struct err e;

	if (st_moment(op_arg(call, "at"), clock_real(), &at, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	if (at <= clock_real() || at > clock_real() + COMMIT_AT_MOST) {
		op_failf(call, ERR_INVALID,
		    "at: %s: expected a time to come, within 90 days",
		    op_arg(call, "at"));
		return;
	}
	if (st_op_layer(call) != OBJ_ANY_LAYER) {
		op_failf(call, ERR_INVALID,
		    "at: what waits for its time is a whole candidate: commit "
		    "the layer now, or leave out layer");
		return;
	}
	j = st_job_new(st, call->who.session, commit_on_checked, call);
	j->who = call->who;
	j->task = ST_TASK_CHECK;
	st_job_start(j);
}

/* ---- asked again -----------------------------------------------------------
 */

/* Words of what a commit is of. */
static const char *
commit_part(enum obj_layer layer, char out[40])
{
	if (layer == OBJ_ANY_LAYER)
		return "the whole candidate";
	snprintf(out, 40, "layer %s", obj_layer_words[layer]);
	return out;
}

/* The same commit once more is answered; another one under its name would be
 * taken for done. */
static int
commit_is_same_part(
    const struct op_call *call, const struct st_revision *r, struct err *e)
{
	enum obj_layer layer = st_op_layer(call);
	char was[40], is[40];

	if (layer == r->layer)
		return 0;
	return err_set(e, ERR_CONFLICT,
	    "txid %s names revision %lld, a commit of %s, and not this one of "
	    "%s: use another",
	    r->txid, (long long)r->rev, commit_part(r->layer, was),
	    commit_part(layer, is));
}

/* Of a change set: the first that the revision did not make, or NULL. */
static const struct st_change *
commit_other(const struct st *st, const struct st_changes *was,
    const struct st_changes *is)
{
	struct map made = {0};
	const struct st_change *c = was->list, *other = NULL;
	size_t i;

	for (i = 0; i < was->n; i++)
		st_same_add(&made, c[i].path, c[i].field, c[i].new);
	c = is->list;
	for (i = 0; other == NULL && i < is->n; i++) {
		if (!st_same_has(
			st->cfg.objs, &made, c[i].path, c[i].field, c[i].new))
			other = &c[i];
	}
	st_same_fini(&made);
	return other;
}

/* Would the candidate change what the revision did not? */
static int
commit_is_same(struct st *st, const struct st_revision *r,
    const struct st_changes *is, struct err *e)
{
	sqlite3 *commit = stream_db(st_op_commit_stream(st));
	const struct st_change *other;
	struct st_changes was;
	int got;

	st_changes_init(&was);
	got = st_revision_changes(commit, r->rev, &was, e);
	if (got == 0 && (other = commit_other(st, &was, is)) != NULL)
		got = err_set(e, ERR_CONFLICT,
		    "txid %s names revision %lld, and that is not what the "
		    "candidate has: %s%s%s: use another",
		    r->txid, (long long)r->rev, other->path,
		    *other->field != '\0' ? ": " : "", other->field);
	st_changes_fini(&was);
	return got;
}

/* What the candidate would change now is known. */
static void
commit_on_compared(void *arg, struct st_job *j, const struct err *e)
{
	struct op_call *call = arg;
	struct st *st = j->st;
	struct stream *commit = st_op_commit_stream(st);
	struct st_revision r;
	struct err why;

	if (e != NULL) {
		op_finish(call, e);
	} else if (st_revision_by_txid(
		       stream_db(commit), op_arg(call, "txid"), &r) != 0) {
		op_failf(call, ERR_IO, "the revision is gone");
	} else if (commit_is_same(st, &r, &j->changes, &why) != 0) {
		op_finish(call, &why);
	} else if (commit_row_again(st, call, &r, &why) != 0) {
		op_finish(call, &why);
	} else {
		if (j->changes.n != 0)
			op_warn(call,
			    "revision %lld: others have changed the same since",
			    (long long)r.rev);
		st_answer_on_ack(st, commit, call);
	}
	st_job_free(&j);
}

static void
commit_compare(struct st *st, struct op_call *call, const struct st_revision *r)
{
	struct st_job *j;
	struct err e;

	if (commit_is_same_part(call, r, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	j = st_job_new(st, call->who.session, commit_on_compared, call);
	j->task = ST_TASK_COMPARE;
	j->layer = r->layer;
	st_job_start(j);
}

/* ---- asked again for a time ----------------------------------------------
 */

static int
commit_waits_for(const struct st_draft *d, const char *words, struct err *e)
{
	char at[CLOCK_TEXT];

	clock_text(at, d->at);
	return err_set(e, ERR_CONFLICT,
	    "txid %s names the commit of candidate %s, which waits until %s%s: "
	    "use another",
	    d->txid, d->session, at, words);
}

/* Has the candidate what the one that waits has not? */
static int
commit_is_draft(const struct st *st, const struct op_call *call,
    const struct st_draft *d, struct err *e)
{
	struct st_cand *c = st->view.cand;
	struct pool *pool = pool_new();
	struct st_entry *list;
	struct map made = {0};
	size_t n, i;
	int r = st_cand_list(c, d->session, pool, &list, &n, e);

	for (i = 0; r == 0 && i < n; i++)
		st_same_add(&made, list[i].path, list[i].field, list[i].value);
	if (r == 0)
		r = st_cand_list(c, call->who.session, pool, &list, &n, e);
	for (i = 0; r == 0 && i < n; i++) {
		if (!st_same_has(st->cfg.objs, &made, list[i].path,
			list[i].field, list[i].value))
			r = commit_waits_for(
			    d, ", and has not what yours has", e);
	}
	st_same_fini(&made);
	pool_free(&pool);
	return r;
}

static void
commit_answer_waiting(
    struct st *st, struct op_call *call, const struct st_draft *d)
{
	struct err e;
	int r = op_arg(call, "at") != NULL ? commit_is_draft(st, call, d, &e)
					   : commit_waits_for(d, "", &e);

	if (r != 0) {
		op_finish(call, &e);
		return;
	}
	commit_row_later(call, d);
	st_answer_on_ack(st, st_op_commit_stream(st), call);
}

/* A name that is known is answered, or refused; false: it is not known. */
static bool
commit_again(struct st *st, struct op_call *call)
{
	sqlite3 *commit = stream_db(st_op_commit_stream(st));
	const char *txid = op_arg(call, "txid");
	struct st_revision r;
	struct st_draft d;
	struct err e;
	int got;

	if (txid == NULL)
		return false;
	if ((got = st_revision_by_txid(commit, txid, &r)) == 0)
		commit_compare(st, call, &r);
	else if (got == -ERR_ABSENT &&
	    (got = st_draft_by_txid(commit, txid, &d)) == 0)
		commit_answer_waiting(st, call, &d);
	else if (got == -ERR_ABSENT)
		return false;
	else if (st_sql_unread(got, &e) != 0) /* nobody can tell */
		op_finish(call, &e);
	return true;
}

/* ---- now ------------------------------------------------------------------
 */

static void
commit_begin(struct st *st, struct op_call *call)
{
	if (op_arg(call, "at") != NULL)
		commit_later(st, call);
	else
		commit_start(st, call);
}

/* An earlier commit has been carried out, or cannot be. */
static void
commit_on_forward(void *arg, struct st_job *j, const struct err *e)
{
	struct op_call *call = arg;
	struct st *st = j->st;

	st_job_free(&j);
	if (e != NULL)
		op_finish(call, e);
	else if (!commit_again(st, call))
		commit_begin(st, call);
}

/* A commit that was decided and is not applied everywhere goes first. */
static bool
commit_forward(struct st *st, struct op_call *call)
{
	sqlite3 *commit = stream_db(st_op_commit_stream(st));
	struct st_revision r;
	struct st_job *j;
	struct err e;
	int got = st_revision_pending(commit, &r);

	if (got == -ERR_ABSENT)
		return false;
	if (got != 0) {
		st_sql_unread(got, &e);
		op_finish(call, &e);
		return true;
	}
	j = st_job_new(st, "", commit_on_forward, call);
	j->rev = r;
	if (st_revision_changes(commit, r.rev, &j->changes, &e) != 0) {
		st_job_free(&j);
		op_finish(call, &e);
		return true;
	}
	st_job_forward(j);
	return true;
}

/* What was decided before goes first; a txid that is known is answered. */
static void
commit_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);

	if (!st_op_refuse(st, call, why) && !commit_forward(st, call) &&
	    !commit_again(st, call))
		commit_begin(st, call);
}

static void
commit_run(struct op_call *call)
{
	st_op_enter(call, commit_work);
}

/* ---- check ----------------------------------------------------------------
 */

static void
check_on_done(void *arg, struct st_job *j, const struct err *e)
{
	struct op_call *call = arg;

	call->rev = j->st->rev;
	if (e != NULL) {
		commit_fail(j, call, e);
	} else {
		commit_warn(j, call);
		op_row(call);
		op_put_int(call, "changes", (int64_t)j->changes.n);
		op_finish(call, NULL);
	}
	st_job_free(&j);
}

static void
check_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct st_job *j;

	if (st_op_refuse(st, call, why))
		return;
	j = st_job_new(st, call->who.session, check_on_done, call);
	j->who = call->who;
	j->task = ST_TASK_CHECK;
	j->layer = st_op_layer(call);
	st_job_start(j);
}

static void
check_run(struct op_call *call)
{
	st_op_enter(call, check_work);
}

/* ---- records ---------------------------------------------------------------
 */

static const struct op_field commit_args[] = {
    {.name = "comment",
	.type = &op_type_text,
	.min = 1,
	.max = 200,
	.brief = "why, for those who read the revisions"},
    {.name = "confirmed",
	.type = &op_type_int,
	.min = 1,
	.max = 1440,
	.brief = "minutes after which it is undone, unless confirmed"},
    {.name = "at",
	.type = &op_type_moment,
	.brief = "when, instead of now: a time, or +2h"},
    ST_OP_LAYER,
    {.name = "txid",
	.type = &op_type_name,
	.brief = "own name of this commit; asked again, not done again"},
    {0},
};

static const struct op_field commit_cols[] = {
    {.name = "rev", .type = &op_type_int, .brief = "the new revision"},
    {.name = "changes", .type = &op_type_int, .brief = "steps carried out"},
    {.name = "time",
	.type = &op_type_time,
	.brief = "when it was decided, or will be"},
    {.name = "servers",
	.type = &op_type_text,
	.brief = "that have it on disk, of those there are"},
    {.name = "until",
	.type = &op_type_time,
	.flags = OP_DETAIL,
	.brief = "is undone then, unless confirmed"},
    {.name = "session",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "the candidate that waits for its time"},
    {.name = "txid",
	.type = &op_type_name,
	.flags = OP_DETAIL,
	.brief = "name of the commit"},
    {0},
};

const struct op st_op_commit = {
    .name = "commit",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "make the candidate run",
    .about =
	"All of it, or of a layer, or nothing: references, required fields "
	"and names that must be unique are checked first. When somebody else "
	"has changed "
	"the same field meanwhile, the commit is refused with both values "
	"and nothing is lost; compare, set what you mean, and commit again. "
	"Answers when the change is on disk and running. With confirmed it is "
	"undone after so many minutes, by a commit of the system's own that "
	"takes back these changes and nothing else, unless confirm comes "
	"before; until then nobody can change the same. What somebody makes "
	"refer to it meanwhile keeps it: an alarm tells that. With at it is "
	"checked now and committed then, as it stands; show candidates has it "
	"meanwhile, configure resume takes it back. With layer only what the "
	"candidate has of that layer is committed, the rest stays in it; with "
	"an object that is deleted goes all below it, of any layer. A txid "
	"names one commit, at its time too: asked again it is answered and not "
	"done again, and refused when the layer, or what the candidate has, is "
	"another.",
    .example = "set domain demo.test user 104 name Dora\n"
	       "commit comment \"new colleague\"",
    .args = commit_args,
    .cols = commit_cols,
    .run = commit_run,
};

static const struct op_field check_args[] = {ST_OP_LAYER, {0}};

static const struct op_field check_cols[] = {
    {.name = "changes",
	.type = &op_type_int,
	.brief = "steps a commit would carry out"},
    {0},
};

const struct op st_op_check = {
    .name = "check",
    .kind = OP_READ,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "try a commit without making it",
    .about = "Answers as commit would, conflicts and failed checks too, and "
	     "changes nothing.",
    .example = "set domain demo.test user 104 name Dora\ncheck",
    .args = check_args,
    .cols = check_cols,
    .run = check_run,
};
