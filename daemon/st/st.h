#ifndef ST_ST_H
#define ST_ST_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/base/buf.h"
#include "daemon/base/crypt.h"
#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/map.h"
#include "daemon/base/pool.h"
#include "daemon/obj/obj.h"
#include "daemon/op/op.h"
#include "replication/replication.h"

/*
 * The store: configuration as candidates, commits and revisions, and call
 * records. The upper half of this header is pure (plain SQLite connections,
 * no streams, no loop); the lower half is the owner's life on the loop.
 */

#define ST_ID 9 /* of a domain: 8 hexadecimal digits and the NUL */
#define ST_TXID 65
#define ST_SYSTEM "system" /* session and operator of our own commits */

/* ---- st_sql.c: statements with bound values ----------------------------- */

/*
 * types: a letter a value: 's' text (NULL allowed), 'i' int64_t. NULL with
 * words when it cannot be prepared; the caller finalizes.
 */
sqlite3_stmt *st_sql(
    sqlite3 *, struct err *, const char *sql, const char *types, ...);
/* Prepare, bind, run to the end. */
int st_sql_run(
    sqlite3 *, struct err *, const char *sql, const char *types, ...);
/* The first value of a query without parameters, not negative; 0 when there is
 * none; the negative error when it cannot be read. */
int64_t st_sql_number(sqlite3 *, const char *sql);
/* Whether a statement of st_sql gives a row (it is finalized): 1 or 0;
 * negative when that cannot be told, which is no "no". */
int st_sql_found(sqlite3_stmt *, struct err *);
/* The first row of a statement that st_sql gave, which may be NULL: 0 and it
 * is there, -ERR_ABSENT without words; the caller finalizes. */
int st_sql_first(sqlite3_stmt *, struct err *);
/* What a loop over its rows ended with: 0 after the last one. */
int st_sql_end(sqlite3_stmt *, int step, struct err *);
/* Words for an error of those that give none. */
int st_sql_unread(int r, struct err *);
/* Bind a kept statement anew and run it to the end. */
int st_stmt_run(sqlite3_stmt *, struct err *, const char *types, ...);
/* Bind a kept statement anew; rows follow with sqlite3_step. */
void st_stmt_bind(sqlite3_stmt *, const char *types, ...);
/* What SQLite says goes to the log; who asked is told of which stream. */
int st_sql_fail(sqlite3 *, struct err *, const char *what);
/* The first of several errors of a kind, and how many there are more. */
int st_first(struct err *, const struct err *first, size_t count);
/* Text of a column, NULL for NULL; valid until the next step. */
const char *st_text(sqlite3_stmt *, int col);

/* ---- st_moment.c: times as people say them --------------------------------
 */

/* A time, or a span before or after now (real clock, us). -ERR_INVALID. */
int st_moment(const char *text, uint64_t now, uint64_t *time, struct err *);

/* ---- st_tables.c: what the streams hold beside the objects --------------- */

enum st_kind { ST_SITE, ST_COMMIT, ST_ROOT, ST_DOMAIN };

int st_schema(const struct obj *const *objs, enum st_kind, struct buf *);
/* A database of an older release gets what it lacks. */
int st_upgrade(
    const struct obj *const *objs, enum st_kind, sqlite3 *, struct err *);

/* ---- st_candidate.c: the private candidates of all sessions -------------- */

struct st_cand;

/* What a candidate says of an object as a whole. */
enum st_intent {
	ST_NONE,    /* nothing */
	ST_SET,	    /* it shall exist */
	ST_REPLACE, /* deleted, then made anew */
	ST_DELETE
};

struct st_object {
	enum st_intent intent;
	bool existed; /* when it was first touched */
	int64_t rev;  /* the revision it was first touched at */
};

struct st_cand *st_cand_open(sqlite3 *commit, struct err *);
void st_cand_close(struct st_cand **);
sqlite3 *st_cand_db(const struct st_cand *);
int st_cand_object(struct st_cand *, const char *session, const char *path,
    struct st_object *, struct err *);
/* Say what shall become of an object; existed and rev count the first time. */
int st_cand_intend(struct st_cand *, const char *session, const char *path,
    enum st_intent, bool existed, int64_t rev, struct err *);
/* The value wanted for a field: appended to out (may be NULL), *null tells a
 * cleared one. -ERR_ABSENT when the candidate says nothing of it. What cannot
 * be read is seen by st_cand_sound, if not here. */
int st_cand_value(struct st_cand *, const char *session, const char *path,
    const char *field, struct buf *out, bool *null);
/* What was read of candidates since the last time was all there is; what was
 * written after it was not is refused. */
int st_cand_sound(struct st_cand *, struct err *);
/* base counts the first time only. */
int st_cand_put(struct st_cand *, const char *session, const char *path,
    const char *field, const char *base, const char *value, int64_t rev,
    struct err *);
/* The candidate is kept when its session ends (st_draft.c). */
int st_cand_keep(
    struct st_cand *, const struct op_who *, uint64_t now, struct err *);
/* Forget the object and everything below it. */
int st_cand_forget(
    struct st_cand *, const char *session, const char *path, struct err *);
/* What goes at `from` is what was made at `to`: it cannot have both, whatever
 * others do to it. Nothing is noted of what only this candidate had. */
int st_cand_renamed(struct st_cand *, const char *session, const char *from,
    const char *to, struct err *);
/* Forget the whole candidate; *n (may be NULL) = rows dropped. */
int st_cand_drop(
    struct st_cand *, const char *session, int64_t *n, struct err *);
/* What a commit of the layer has carried out is forgotten; the rest stays, and
 * what that commit did, revision rev (0 = it did nothing), is known to it: it
 * is no change by somebody else. */
int st_cand_done(struct st_cand *, const struct obj *const *objs,
    const char *session, enum obj_layer, int64_t rev, struct err *);

/*
 * The domain that was resolved last: edits come by the thousand for one. It
 * is forgotten with every write to a candidate that could mean it, and by
 * st_cand_remember(NULL) when the directory changes.
 */
struct st_domain {
	char id[ST_ID];
	char realm[OBJ_KEY];
	bool fresh; /* only in the candidate: it has no stream yet */
};
bool st_cand_recall(const struct st_cand *, const char *session,
    const char *name, struct st_domain *);
void st_cand_remember(struct st_cand *, const char *session, const char *name,
    const struct st_domain *);

/* All rows of a candidate, by path, the object's own row (field "") first. */
struct st_entry {
	const char *path, *field, *base, *value;
	int64_t rev;
};
/* The path that a rename gives the object whose own row it is; NULL: none. */
const char *st_entry_renamed(const struct st_entry *self);
int st_cand_list(struct st_cand *, const char *session, struct pool *,
    struct st_entry **, size_t *n, struct err *);

/* ---- st_draft.c: candidates as a whole ----------------------------------- */

#define ST_DRAFT_AT "at." /* begins the name of one that waits for its time */

struct st_draft {
	char session[OP_SESSION];
	char operator[64], source[64];
	uint64_t started;
	uint64_t left;	 /* its session ended then; 0 = it is open */
	uint64_t at;	 /* is committed then; 0 = it is not */
	int64_t minutes; /* and awaits confirmation so long; 0 = it does not */
	bool fixed; /* who waits may do everything, whatever is configured */
	char comment[256];
	char failed[300];   /* why it was not committed at its time */
	int64_t changes;    /* rows of it */
	char txid[ST_TXID]; /* of the commit it waits for; "" = it does not */
};

/* -ERR_ABSENT without words: there is none. Others: st_sql_unread. */
int st_draft_get(sqlite3 *commit, const char *session, struct st_draft *);
/* The one that the operator left last; else one that waits for its time. */
int st_draft_newest(sqlite3 *commit, const char *operator, struct st_draft *);
/* The one that waits for the commit of this name. */
int st_draft_by_txid(sqlite3 *commit, const char *txid, struct st_draft *);
/* The one whose time comes first. */
int st_draft_due(sqlite3 *commit, struct st_draft *);
typedef int st_draft_fn(void *arg, const struct st_draft *);
/* All that have changes, the oldest first. */
int st_draft_each(sqlite3 *commit, st_draft_fn *, void *arg, struct err *);
/* Its session has ended: kept, or forgotten. */
int st_draft_leave(
    struct st_cand *, const char *session, uint64_t now, struct err *);
/* The same for a server's sessions ("srv1.7f31c2"; NULL: all) that are not in
 * the array. */
int st_draft_sessions(struct st_cand *, const char *server, json_t *sessions,
    uint64_t now, struct err *);
/* The candidate is that of another session, whose own is empty. */
int st_draft_take(
    struct st_cand *, const char *from, const struct op_who *, struct err *);
/* It is committed at d->at; it has another name then, in d->session. */
int st_draft_schedule(struct st_cand *, struct st_draft *d, struct err *);
/* It was not: it can be taken up again. */
int st_draft_failed(sqlite3 *commit, const char *session, const char *words,
    uint64_t now, struct err *);

/* ---- st_exclusive.c: one session alone may commit ------------------------ */

struct st_exclusive {
	char session[OP_SESSION];
	char operator[64], source[64];
	uint64_t since;
};

/* 1, and whose it is; 0: nobody's; negative: st_sql_unread. */
int st_exclusive_get(sqlite3 *commit, struct st_exclusive *);
/* The session is over, or wants it no more. */
int st_exclusive_leave(sqlite3 *commit, const char *session, struct err *);

/* ---- st_view.c: where the rows of an object are ------------------------- */

struct st_view {
	const struct obj *const *objs;
	struct st_cand *cand;
	char site[STREAM_NAME]; /* "site/demo" */
	/* The database of an open stream; NULL when it is not open. */
	sqlite3 *(*db)(void *arg, const char *stream);
	void *arg;
};

#define ST_ROOT_STREAM "domain/root"

struct st_place {
	char stream[STREAM_NAME];
	sqlite3 *db; /* NULL: of a fresh domain */
};

/* The domain as the session's candidate has it (session NULL: as running).
 * -ERR_ABSENT with words when there is none. */
int st_view_domain(const struct st_view *, const char *session,
    const char *name, struct st_domain *, struct err *);
/* Is there a stream of this id: of a domain there is, or was? 1, 0, or
 * negative: st_sql_unread. */
int st_view_known(const struct st_view *, const char *id);
/* Of a domain there is? */
int st_view_runs(const struct st_view *, const char *id);
int st_view_locate(const struct st_view *, const char *session,
    const struct obj_path *, struct st_place *, struct err *);
/* The running row, if it is there. */
int st_view_row(const struct st_place *, const struct obj_path *,
    struct obj_row *, bool *there, struct err *);
/* What the candidate deletes, or makes anew, takes with it what runs below it
 * in its stream: is the path there? by: the object above. A new domain has a
 * stream of its own, so this is not asked of it. */
bool st_view_lost(const struct st_view *, const char *session,
    const struct obj_path *, struct obj_path *by);
void st_domain_path(
    const struct obj *const *objs, const char *name, struct obj_path *);
void st_domain_stream(char out[STREAM_NAME], const char *id);
/* The path of the object above; false at the top. */
bool st_path_parent(const struct obj_path *, struct obj_path *);
/* Is path the front one itself or below it? As texts. */
bool st_path_below(const char *path, const char *front);

/* ---- st_seal.c: secrets are sealed before they touch a file -------------- */

struct st_seal;

struct st_seal *st_seal_new(const uint8_t key_auth[CRYPT_KEY],
    const uint8_t key_certificate[CRYPT_KEY]);
void st_seal_free(struct st_seal **);
/* Hexadecimal of the sealed secret, to be freed. */
int st_seal_secret(struct st_seal *, const struct st_view *,
    const char *session, const struct obj_path *, const struct op_field *,
    const char *plain, char **hex, struct err *);
/* The private key of a certificate in plain, to be wiped and freed; NULL when
 * it is not sealed for this name with our key. */
char *st_seal_open_key(
    struct st_seal *, const char *certificate, const char *hex);

/* ---- st_list.c: values at a place of a list ------------------------------ */

enum st_side { ST_FIRST, ST_LAST, ST_BEFORE, ST_AFTER };

/*
 * The values (canonical, joined by spaces) at the place, in their order; those
 * that are in the list already move there. anchor: of before and after, as it
 * was typed. -ERR_ABSENT: it is not in the list; -ERR_INVALID: it is none, or
 * is one of the values.
 */
int st_list_insert(const struct op_field *, const char *list,
    const char *values, enum st_side, const char *anchor, struct buf *out,
    struct err *);
/* Without these values, each of which must be in it. -ERR_ABSENT. */
int st_list_take(
    const char *list, const char *values, struct buf *out, struct err *);

/* ---- st_edit.c: one edit of a candidate ---------------------------------- */

struct st_editor {
	struct st_view *view;
	struct st_seal *seal;
	const char *session;
	int64_t rev;   /* of the running configuration */
	bool internal; /* may set internal fields */
	bool there;    /* makes no object: -ERR_ABSENT when there is none */
};

/* values: field -> canonical text or null. Wholly taken or wholly refused. */
int st_edit_set(const struct st_editor *, const struct obj_path *,
    json_t *values, struct err *);
/* Does the object run with these values already, the candidate silent of it? 1,
 * 0 or an error; nothing is written. */
int st_edit_same(const struct st_editor *, const struct obj_path *,
    json_t *values, struct err *);
/* The list that the candidate has for a field, else the running one, with
 * values at a place of it. Makes no object. */
int st_edit_insert(const struct st_editor *, const struct obj_path *,
    const struct op_field *, const char *values, enum st_side,
    const char *anchor, struct err *);
/* The same without values of it; the last ones clear it, but for a field that
 * has a default. */
int st_edit_take(const struct st_editor *, const struct obj_path *,
    const struct op_field *, const char *values, struct err *);
/* fields: array of names; NULL or empty = the object and all below it. */
int st_edit_delete(const struct st_editor *, const struct obj_path *,
    json_t *fields, struct err *);

/* ---- st_change.c: a change set ------------------------------------------- */

/*
 * One step. field "" is the object itself: old NULL = created, new NULL =
 * deleted; the field steps that follow a deletion tell what was lost.
 * Secrets are the hexadecimal of their sealed bytes.
 */
struct st_change {
	const char *stream, *path, *field, *old, *new;
};

struct st_changes {
	struct pool *pool;
	struct st_change *list;
	size_t n, cap;
};

void st_changes_init(struct st_changes *);
void st_changes_fini(struct st_changes *);
void st_changes_add(struct st_changes *, const char *stream, const char *path,
    const char *field, const char *old, const char *new);
/* The streams touched, each once, in the order of first touch. */
size_t st_changes_streams(
    const struct st_changes *, const char **out, size_t room);

/* Carry out the steps of one stream. note is told of each object once. */
typedef int st_note_fn(
    void *arg, const char *object, const char *key, struct err *);
int st_apply(const struct obj *const *objs, sqlite3 *, const char *stream,
    const struct st_changes *, st_note_fn *, void *arg, struct err *);
/* The same once only for each txid, which the stream remembers. */
int st_apply_once(const struct obj *const *objs, sqlite3 *, const char *stream,
    const struct st_changes *, int64_t rev, const char *txid, st_note_fn *,
    void *arg, struct err *);

/* ---- st_merge.c: candidate against running ------------------------------- */

/* Who was last at a path. */
struct st_touch {
	int64_t rev; /* 0 = unknown */
	uint64_t time;
	char operator[64];
};

#define ST_TOLD 64 /* conflicts or failures that are told one by one */

/*
 * The change set that makes the running configuration what the candidate
 * wants. -ERR_CONFLICT when running has changed under it on the same paths:
 * words of the first, and a row for each in conflicts {path, field, base,
 * theirs, yours, operator, time, rev}, secrets masked. conflicts NULL = the
 * candidate wins (compare, show). Of one layer, or of all.
 */
int st_merge(const struct st_view *, const char *session, enum obj_layer,
    struct st_changes *, json_t *conflicts, struct err *);

/* ---- st_update.c: a candidate after a conflict ----------------------------
 */

/* Of what others have changed since, mean the candidate's value (mine), or
 * forget it. *n: how much that was. In a joined group of stream commit. */
int st_update(const struct st_view *, const char *session, int64_t rev,
    bool mine, int64_t *n, struct err *);

/* ---- st_check.c, st_unique.c: is a changed configuration whole? -----------
 */

struct st_checker {
	const struct st_view *view; /* with the changes carried out */
	const struct st_changes *changes;
	const char *server;	  /* the server we run on, which must stay */
	json_t *failures;	  /* a row for each {path, words} */
	json_t *warnings;	  /* texts; NULL = not wanted */
	struct st_seal *seal;	  /* NULL: certificates are not looked into */
	const struct op_who *who; /* whose commit it is; NULL: our own */
};
/* -ERR_CHECK: words of the first failure. */
int st_check(const struct st_checker *, struct err *);
int st_unique(const struct st_checker *, struct err *);
/* st_certificate.c: of a row of object certificate. */
int st_certificate_check(
    const struct st_checker *, const struct obj_row *, struct err *);

/* ---- st_right.c: what somebody may commit ---------------------------------
 */

/* The object is not theirs to change: -ERR_PERMISSION. */
int st_right_refuse(const struct op_who *, const char *path, struct err *);
/* -ERR_PERMISSION when a step lies outside of what they may change. */
int st_right_changes(const struct obj *const *objs, const struct op_who *,
    const struct st_changes *, struct err *);
/* May they see the revision: all of it? 1, 0, or negative: st_sql_unread. */
int st_right_sees(const struct obj *const *objs, const struct op_who *,
    sqlite3 *commit, int64_t rev);
/* Warn who is about to lose their own rights. */
void st_right_warn(const struct st_checker *);

/* ---- st_revision.c: what was committed ----------------------------------- */

struct st_revision {
	int64_t rev;
	char txid[ST_TXID];
	uint64_t time;
	char operator[64];
	char source[64];
	char comment[256];
	int64_t changes;
	bool applied;
	enum obj_layer layer; /* of which alone it is */
};

#define ST_REVISIONS 500 /* kept */

/* The layer of a word of obj_layer_words; any for NULL. */
enum obj_layer st_layer(const char *word);
int64_t st_revision_last(sqlite3 *commit); /* as st_sql_number */
/* The decision: one row, and the change set beside it. */
int st_revision_add(sqlite3 *commit, const struct st_revision *,
    const struct st_changes *, struct err *);
int st_revision_applied(sqlite3 *commit, int64_t rev, struct err *);
/* -ERR_ABSENT when there is none. Others: st_sql_unread. */
int st_revision_by_txid(
    sqlite3 *commit, const char *txid, struct st_revision *);
int st_revision_get(
    sqlite3 *commit, int64_t rev, struct st_revision *, struct err *);
/* The oldest decided but not everywhere applied; -ERR_ABSENT = none. */
int st_revision_pending(sqlite3 *commit, struct st_revision *);
int st_revision_changes(
    sqlite3 *commit, int64_t rev, struct st_changes *, struct err *);
typedef int st_revision_fn(void *arg, const struct st_revision *);
/* The last n, youngest first. */
int st_revision_each(
    sqlite3 *commit, int64_t n, st_revision_fn *, void *arg, struct err *);
/* Who touched a path (below: or anything below it) last, later than since: 1;
 * 0: nobody; negative: st_sql_unread. */
int st_revision_touch(sqlite3 *commit, const char *path, bool below,
    int64_t since, struct st_touch *);

/* ---- st_same.c: is a candidate what a commit was? -------------------------
 */

/* A map of what a commit made: begins zeroed. now NULL = cleared, deleted. */
void st_same_add(
    struct map *, const char *path, const char *field, const char *now);
void st_same_fini(struct map *);
/* Was this a part of it? */
bool st_same_has(const struct obj *const *objs, const struct map *,
    const char *path, const char *field, const char *now);

/* ---- st_confirm.c: commits that await confirmation ----------------------- */

struct st_confirm {
	int64_t rev;
	uint64_t until; /* real clock: then it is undone */
	char operator[64];
	char failed[300]; /* why it could not be undone; tried again */
};

int st_confirm_add(sqlite3 *commit, const struct st_confirm *, struct err *);
int st_confirm_end(sqlite3 *commit, int64_t rev, struct err *);
int st_confirm_failed(sqlite3 *commit, int64_t rev, const char *words,
    uint64_t again, struct err *);
/* -ERR_ABSENT without words: it awaits none. Others: st_sql_unread. */
int st_confirm_get(sqlite3 *commit, int64_t rev, struct st_confirm *);
/* The one that is undone first. */
int st_confirm_due(sqlite3 *commit, struct st_confirm *);
typedef int st_confirm_fn(void *arg, const struct st_confirm *);
int st_confirm_each(sqlite3 *commit, st_confirm_fn *, void *arg, struct err *);
/*
 * May these changes be committed while others await confirmation? -ERR_CONFLICT
 * with a row for each {path, field, rev, operator, until} in told. except: the
 * revision that they undo; 0 = none.
 */
int st_confirm_check(sqlite3 *commit, const struct st_changes *, int64_t except,
    json_t *told, struct err *);

/* ---- st_export.c: configuration as lines --------------------------------- */

typedef int st_line_fn(void *arg, const char *line, struct err *);
/*
 * Set lines of the rows of one stream, in the order of the table and of the
 * keys, parents first. path limits it (NULL = all). domain: name of the
 * domain whose stream it is; NULL for site and directory.
 */
int st_export(const struct obj *const *objs, sqlite3 *, enum obj_place,
    const struct obj_path *limit, const char *domain, st_line_fn *, void *arg,
    struct err *);

/* ======================= on the loop, at the owner ======================== */

struct st;

struct st_config {
	struct loop *loop;
	struct repl *repl;
	struct owner_map *owners; /* where calls/... keys are found */
	const struct obj *const *objs;
	char site[33];
	char server[33];
	char inside[ADDR_TEXT]; /* of the server, without port */
	uint16_t port_base;
	uint8_t key_auth[CRYPT_KEY];
	uint8_t key_certificate[CRYPT_KEY];
	void (*on_serving)(void *arg, uint64_t epoch);
	void (*on_stopped)(void *arg);
	/* A stream is another's now, or broken: this store has resigned. */
	void (*on_lost)(void *arg);
	void *arg;
};

/* ---- st_owner.c ---------------------------------------------------------- */

struct st *st_new(const struct st_config *);
void st_free(struct st **);
void st_own(struct st *, uint64_t epoch);
/* Everything pending is shipped, then on_stopped. */
void st_stop(struct st *);
/* The streams are lost: fail what waits, be passive again. */
void st_resign(struct st *, const struct err *why);
bool st_is_serving(const struct st *);
void st_owners_changed(struct st *);
/* What control tells: a session is over; these are all there are of its server
 * (told to every new owner: a session may have ended while there was none). */
void st_session_end(struct st *, const char *session);
void st_sessions(struct st *, const char *server, json_t *sessions);

/* ---- st_stream.c: the streams that are open -------------------------------
 */

struct st_hold;

struct st_stream {
	TAILQ_ENTRY(st_stream) entry; /* least recently used first */
	struct st *st;
	char name[STREAM_NAME];
	enum st_kind kind;
	struct stream *stream; /* NULL until opened */
	bool ready;
	unsigned pins;
	TAILQ_HEAD(st_pins, st_pin) waiting;
};
TAILQ_HEAD(st_streams, st_stream);

#define ST_DOMAINS_OPEN 64 /* domain streams without work kept open */

/* The stream if it is open and ready. */
struct st_stream *st_stream_find(struct st *, const char *name);
void st_streams_close(struct st *);
/* Candidates are changed by fn wholly or not at all: in a savepoint of stream
 * commit, which is undone when it fails. */
typedef int st_whole_fn(void *arg, struct err *);
int st_stream_whole(struct st *, st_whole_fn *, void *arg, struct err *);
/* Open the stream of a domain for what an owner before left in its -wal, if
 * the store serves and has it not open. */
void st_stream_visit(struct st *, const char *stream);
/* Close a stream nobody holds (its domain is deleted). */
void st_stream_retire(struct st *, const char *name);

/*
 * A hold keeps streams open. After st_hold_add for each, st_hold_go calls fn
 * once, later, when all are ready or one cannot be opened. They stay open
 * until st_hold_close.
 */
typedef void st_hold_fn(void *arg, const struct err *);
struct st_hold *st_hold_new(struct st *, st_hold_fn *, void *arg);
void st_hold_add(struct st_hold *, const char *stream, enum st_kind);
void st_hold_go(struct st_hold *);
void st_hold_close(struct st_hold **);
/* Fail every hold whose fn has not been called yet. */
void st_holds_fail(struct st *, const struct err *);

/* The session is one of a server that is down: it cannot tell that it ends. */
bool st_session_is_orphan(const struct st *, const char *session);
/* -ERR_CONFLICT when another session alone may commit (st_exclusive.c); who:
 * who is told. */
int st_exclusive_check(
    struct st *, const char *session, const struct op_who *, struct err *);

/* ---- st_gate.c: who may go on now -----------------------------------------
 */

/*
 * While a commit is being decided and applied every other operation on the
 * configuration waits, in order. A piece of work is started with fn; with an
 * error when it never will be.
 */
typedef void st_work_fn(void *arg, const struct err *);
void st_gate_enter(struct st *, st_work_fn *, void *arg);
void st_gate_shut(struct st *); /* the caller works alone from now */
void st_gate_open(struct st *);
void st_gate_fail(struct st *, const struct err *);

/* A call whose answer waits for the acknowledgement of a stream. */
void st_answer_on_ack(struct st *, struct stream *, struct op_call *);
void st_answers_fail(struct st *, const struct err *);

/* ---- st_commit.c: a commit from candidate to acknowledged -----------------
 */

struct st_job {
	struct st *st;
	char session[OP_SESSION];
	struct op_who who; /* who asked; zero: the system */
	enum st_task { ST_TASK_COMMIT, ST_TASK_CHECK, ST_TASK_COMPARE } task;
	enum obj_layer
	    layer; /* of which it is; the rest of the candidate stays */
	struct st_revision rev;
	int64_t minutes; /* then it must be confirmed; 0 = it need not */
	uint64_t until;	 /* the same as a time, once decided */
	int64_t undoes;	 /* the revision that it takes back; 0 = none */
	struct st_changes changes;
	json_t *told; /* conflicts or failures, a row each */
	json_t *warn; /* texts: what stands, but should be looked at */
	struct st_hold *hold;
	struct map fresh; /* stream -> sqlite3 * in memory, while preparing */
	struct st_job_ack *acks;
	size_t nacks, waiting;
	struct err err;
	struct loop_defer end;
	void (*done)(void *arg, struct st_job *, const struct err *);
	void *arg;
};

typedef void st_job_fn(void *arg, struct st_job *, const struct err *);
/* The gate is shut from here until done was called; the callee frees it. */
struct st_job *st_job_new(
    struct st *, const char *session, st_job_fn *done, void *arg);
void st_job_free(struct st_job **);
void st_job_start(struct st_job *);   /* merge, prepare, decide, apply */
void st_job_forward(struct st_job *); /* a decided one: apply */
void st_job_fail(struct st_job *, const struct err *); /* ownership is lost */

/* ---- st_rollback.c: candidates that lead back -----------------------------
 */

/*
 * Fill the session's candidate with what undoes the revisions behind one, up
 * to another; done is told, once. The gate is shut as long: the callee opens
 * it, or begins a commit.
 */
void st_rollback(struct st *, const char *session, int64_t after, int64_t upto,
    st_hold_fn *done, void *arg);

/* ---- st_clock.c: what is done at a time ------------------------------------
 */

void st_clock_look(struct st *); /* something waits for a time, or no more */
void st_clock_stop(struct st *);
/* Commits that could not be undone or made at their time. */
void st_clock_alarms(struct st *, json_t *rows);
typedef void st_undo_fn(void *arg, struct st_job *, const struct err *);
/* Take one revision back by a commit of its own. */
void st_undo(struct st *, int64_t rev, const struct st_revision *as,
    st_undo_fn *done, void *arg);

/* ---- st_op_restore.c: a domain as it was -----------------------------------
 */

/* Ownership is lost: the one that is under way ends. */
void st_restore_fail(struct st *, const struct err *);

/* ---- st_server.c: rows of servers -----------------------------------------
 */

struct rpc_request;

/* What a boot file says of a server. */
struct st_server {
	char name[33], inside[64];
	unsigned port_base;
	bool witness;
};
/* Is all of it true already? */
bool st_server_is_as(struct st *, const struct st_server *);
/* The edits that make it true, and for a new server its roles; in a joined
 * group of stream commit. */
int st_server_edits(struct st *, const struct st_server *, struct err *);
/* The commit of these edits. */
struct st_job *st_server_job(
    struct st *, const struct st_server *, st_job_fn *done, void *arg);
/* A server that joins: {name, inside, port-base, witness}; answered once
 * committed. */
void st_server_put(struct st *, struct rpc_request *, json_t *params);

/* ---- st_number.c: what B2BUA's copy of a domain may lack -------------------
 */

/* {domain_id, user, number}: {rows}, of [kind, key, {field: value}] each. With
 * a session: as its candidate would have them, and the domain's "state". */
void st_number(struct st *, struct rpc_request *, json_t *params);

/* ---- st_cdr.c: call records from calls/... to their domains ---------------
 */

struct st_calls;
void st_cdr_start(struct st *);
void st_cdr_stop(struct st *);

/* ---- the store itself (fields shared by the files above) ------------------
 */

struct st_counters {
	uint64_t edits, commits, conflicts, refused, forwarded, records;
	uint64_t numbers, streams;
};

struct st_answer;
struct st_work;

struct st {
	unsigned magic;
#define ST_MAGIC 0x53544f52u
	struct st_config cfg;
	struct st_view view;
	struct st_seal *seal;
	uint64_t epoch; /* 0 = passive */
	bool serving;
	bool resigning;
	int64_t rev; /* of the running configuration */
	struct st_streams streams;
	struct st_hold *base; /* site, commit, domain/root */
	TAILQ_HEAD(st_holds, st_hold) holds;
	TAILQ_HEAD(st_answers, st_answer) answers;
	TAILQ_HEAD(st_queue, st_work) queue;
	bool shut;
	struct st_job *job;
	struct loop_timer *clock; /* NULL until something waits for a time */
	struct restore *restore;
	struct reader *warm[3];
	TAILQ_HEAD(st_readers, st_calls) calls;
	struct st_counters count;
};

/* The store of the process that runs a call. */
struct st *st_of(const struct op_call *);

#endif
