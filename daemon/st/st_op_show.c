/*
 * `show configuration`: the running configuration, or what the candidate
 * would make of it, as set lines. Domains are shown one after another, each
 * stream open only for its turn, so a site of many domains needs no more
 * than one of them at a time. The candidate is carried out in a savepoint
 * of each stream that is undone in the same turn.
 */
#include <stdlib.h>
#include <string.h>

#include "st_op.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define SHOW_BYTES (32u << 20) /* of one answer */

struct show_domain {
	char name[OBJ_KEY];
	char id[ST_ID];
};

struct show {
	struct st *st;
	struct op_call *call;
	struct st_job *job; /* the candidate's change set; NULL = running */
	struct obj_path limit;
	bool limited;
	struct show_domain *domains;
	size_t ndomains, at, cap;
	bool found; /* what the path names is there */
	struct st_hold *hold;
	size_t bytes;
};

static void show_next(struct show *);
static void show_end(struct show *);

static void
show_finish(struct show *s, const struct err *e)
{
	struct op_call *call = s->call;

	st_hold_close(&s->hold);
	if (s->job != NULL)
		st_job_free(&s->job);
	free(s->domains);
	free(s);
	op_finish(call, e);
}

static int
show_line(void *arg, const char *line, struct err *e)
{
	struct show *s = arg;

	s->bytes += strlen(line) + 16;
	if (s->bytes > SHOW_BYTES)
		return err_set(e, ERR_TOOBIG, "more than %u MB: name a path",
		    SHOW_BYTES >> 20);
	op_row(s->call);
	op_put(s->call, "line", line);
	return 0;
}

static const struct obj_path *
show_limit(const struct show *s)
{
	return s->limited ? &s->limit : NULL;
}

/* What must be there for the path to mean something: the object, or for all
 * of a kind the object above them. False: nothing must. */
static bool
show_target(const struct show *s, struct obj_path *p)
{
	*p = s->limit;
	return s->limited &&
	    (p->nkeys == obj_depth(p->obj) || st_path_parent(&s->limit, p));
}

/* The lines of one open database, with the candidate's changes to it. */
static int
show_database(struct show *s, sqlite3 *db, const char *stream,
    enum obj_place place, const struct obj_path *limit, const char *domain,
    struct err *e)
{
	const struct obj *const *objs = s->st->cfg.objs;
	struct obj_path target;
	int r = 0;

	if (s->job != NULL)
		r = st_apply(objs, db, stream, &s->job->changes, NULL, NULL, e);
	if (r != 0)
		return r;
	if (show_target(s, &target) && target.obj->place == place) {
		if ((r = obj_exists(db, &target, e)) < 0)
			return r;
		s->found |= r == 1;
	}
	return st_export(objs, db, place, limit, domain, show_line, s, e);
}

/* The same of a stream: inside a savepoint when there are changes. */
static int
show_stream(struct show *s, const char *stream, enum obj_place place,
    const struct obj_path *limit, const char *domain, struct err *e)
{
	struct stream *open = st_stream_find(s->st, stream)->stream;
	int r;

	if (s->job == NULL)
		return show_database(
		    s, stream_db(open), stream, place, limit, domain, e);
	if ((r = stream_join(open, e)) != 0 || (r = stream_mark(open, e)) != 0)
		return r;
	r = show_database(s, stream_db(open), stream, place, limit, domain, e);
	stream_mark_undo(open, NULL);
	return r;
}

/* A domain that only the candidate has: its rows in memory. */
static int
show_fresh(
    struct show *s, const char *stream, const char *domain, struct err *e)
{
	struct buf sql = BUF_INIT;
	sqlite3 *db;
	int r = st_schema(s->st->cfg.objs, ST_DOMAIN, &sql);

	if (sqlite3_open(":memory:", &db) != SQLITE_OK)
		fatalx("out of memory");
	if (r == 0 && sqlite3_exec(db, sql.data, NULL, NULL, NULL) != SQLITE_OK)
		r = st_sql_fail(db, e, "new domain");
	if (r == 0)
		r = show_database(
		    s, db, stream, OBJ_DOMAIN, show_limit(s), domain, e);
	buf_fini(&sql);
	sqlite3_close(db);
	return r;
}

/* ---- domains ---------------------------------------------------------------
 */

/* The domain's own line. */
static int
show_domain_line(struct show *s, const struct show_domain *d, struct err *e)
{
	struct obj_path p;

	/* Asked for something inside it: the domain itself is no part. */
	if (s->limited && s->limit.obj->place == OBJ_DOMAIN)
		return 0;
	st_domain_path(s->st->cfg.objs, d->name, &p);
	return show_stream(s, ST_ROOT_STREAM, OBJ_ROOT, &p, NULL, e);
}

/* One domain: its own line from the directory, then what its stream holds. */
static void
show_on_open(void *arg, const struct err *why)
{
	struct show *s = arg;
	const struct show_domain *d = &s->domains[s->at];
	char stream[STREAM_NAME];
	struct err e;

	if (why != NULL) {
		show_finish(s, why);
		return;
	}
	st_domain_stream(stream, d->id);
	if (show_domain_line(s, d, &e) != 0 ||
	    (st_stream_find(s->st, stream) != NULL
		    ? show_stream(
			  s, stream, OBJ_DOMAIN, show_limit(s), d->name, &e)
		    : show_fresh(s, stream, d->name, &e)) != 0) {
		show_finish(s, &e);
		return;
	}
	s->at++;
	st_hold_close(&s->hold);
	show_next(s);
}

/* The next domain; the stream of the last one is let go. */
static void
show_next(struct show *s)
{
	char stream[STREAM_NAME];

	if (s->at == s->ndomains) {
		show_end(s);
		return;
	}
	s->hold = st_hold_new(s->st, show_on_open, s);
	if (st_view_known(&s->st->view, s->domains[s->at].id) != 0) {
		st_domain_stream(stream, s->domains[s->at].id);
		st_hold_add(s->hold, stream, ST_DOMAIN);
	}
	st_hold_go(s->hold);
}

static int
show_take_domain(void *arg, struct obj_row *row, struct err *e)
{
	struct show *s = arg;
	const char *id = obj_value(row, "id");
	struct obj_path target;
	struct show_domain *d;

	(void)e;
	if (id == NULL || !op_sees(&s->call->who, row->path.key[0]) ||
	    (s->limited && s->limit.nkeys > 0 &&
		strcmp(s->limit.key[0], row->path.key[0]) != 0))
		return 0;
	if (s->ndomains == s->cap) {
		s->cap = s->cap == 0 ? 16 : 2 * s->cap;
		s->domains = xrealloc(s->domains, s->cap * sizeof *s->domains);
	}
	if (show_target(s, &target) && target.obj->place == OBJ_ROOT)
		s->found = true;
	d = &s->domains[s->ndomains++];
	str_copy(d->name, sizeof d->name, row->path.key[0]);
	str_copy(d->id, sizeof d->id, id);
	return 0;
}

/* A list of all of a kind may be empty; an object that is named is there. */
static void
show_end(struct show *s)
{
	char text[OBJ_PATH];
	struct obj_path p;
	struct err e;

	s->call->rev = s->st->rev;
	if (!show_target(s, &p) || s->found) {
		show_finish(s, NULL);
		return;
	}
	obj_path_text(&p, text, sizeof text);
	err_set(&e, ERR_ABSENT, "there is no %s", text);
	show_finish(s, &e);
}

/* The domains there are, as the candidate would have them. */
static int
show_list_domains(struct show *s, struct err *e)
{
	const struct obj *const *objs = s->st->cfg.objs;
	struct stream *root = st_stream_find(s->st, ST_ROOT_STREAM)->stream;
	struct obj_path kind;
	int r;

	st_domain_path(objs, "", &kind);
	kind.nkeys = 0;
	if (s->job == NULL)
		return obj_each(
		    stream_db(root), &kind, NULL, 0, show_take_domain, s, e);
	if ((r = stream_join(root, e)) != 0 || (r = stream_mark(root, e)) != 0)
		return r;
	r = st_apply(objs, stream_db(root), ST_ROOT_STREAM, &s->job->changes,
	    NULL, NULL, e);
	if (r == 0)
		r = obj_each(
		    stream_db(root), &kind, NULL, 0, show_take_domain, s, e);
	stream_mark_undo(root, NULL);
	return r;
}

/* ---- the whole -------------------------------------------------------------
 */

/* The site first, then the directory; a path leads to one of them. */
static void
show_start(struct show *s)
{
	bool site = s->limited ? s->limit.obj->place == OBJ_SITE
			       : !op_is_limited(&s->call->who);
	struct err e;
	int r = 0;

	if (site)
		r = show_stream(
		    s, s->st->view.site, OBJ_SITE, show_limit(s), NULL, &e);
	if (r == 0 && (!s->limited || !site))
		r = show_list_domains(s, &e);
	if (r != 0)
		show_finish(s, &e);
	else
		show_next(s);
}

/* The candidate's change set is known. */
static void
show_on_compared(void *arg, struct st_job *j, const struct err *e)
{
	struct show *s = arg;

	s->job = j;
	if (e != NULL)
		show_finish(s, e);
	else
		show_start(s);
}

static void
show_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	const char *path = op_arg(call, "path");
	struct st_job *j;
	struct show *s;
	struct err e;

	if (st_op_refuse(st, call, why))
		return;
	s = xcalloc(1, sizeof *s);
	s->st = st;
	s->call = call;
	s->limited = path != NULL;
	if (path != NULL &&
	    obj_path_parse(st->cfg.objs, path, &s->limit, &e) != 0) {
		show_finish(s, &e);
	} else if (op_arg_flag(call, "candidate")) {
		j = st_job_new(st, call->who.session, show_on_compared, s);
		j->task = ST_TASK_COMPARE;
		st_job_start(j);
	} else {
		show_start(s);
	}
}

static void
show_run(struct op_call *call)
{
	st_op_enter(call, show_work);
}

static const struct op_field show_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY,
	.brief = "only this object and what is below it"},
    {.name = "candidate",
	.type = &op_type_bool,
	.flags = OP_FLAG,
	.brief = "as a commit would leave it"},
    {0},
};

static const struct op_field show_cols[] = {
    {.name = "line", .type = &op_type_text, .brief = "a set line"},
    {0},
};

const struct op st_op_configuration = {
    .name = "show configuration",
    .kind = OP_READ,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "the configuration as set lines",
    .about =
	"Lines that can be pasted back, one an object, always in the same "
	"order. Secrets are printed as " OP_SEALED ", which leaves them as "
	"they are when the lines are set again. What the system sets itself "
	"is left out. An object that is named and absent is an error. Who "
	"has a part of the tree of domains sees that part.",
    .example = "show configuration\nshow configuration domain demo.test",
    .args = show_args,
    .cols = show_cols,
    .run = show_run,
};
