#ifndef OP_OP_H
#define OP_OP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/buf.h"
#include "daemon/base/err.h"

/*
 * The door for every command. An operation is one record beside its handler;
 * grammar, completion, help, JSON-RPC, REST and man pages are computed from
 * the record, so a fact that can be computed is not a field of it.
 *
 * Operations and configuration objects (daemon/obj) share one description of
 * a named, typed value: struct op_field.
 */

/* ---- types of values (op_type.c) --------------------------------------- */

struct op_field;

enum op_json { OP_STRING, OP_INTEGER, OP_BOOLEAN };

struct op_type {
	const char *name;  /* as shown by help: "int", "host", "secret" */
	const char *brief; /* what may stand there, no full stop */
	enum op_json json;
	bool secret; /* masked in every log, audit, history and show */
	/*
	 * Check a value and write its one canonical text; two texts that
	 * mean the same become equal. Words of the error say what was
	 * expected, not the name of the field (the caller puts it in front).
	 */
	int (*parse)(const struct op_field *, const char *in, char *out,
	    size_t size, struct err *);
};

/* Bytes of one canonical value, with the NUL; of a blob or a secret. */
#define OP_VALUE 4096
#define OP_BLOB 65536

extern const struct op_type op_type_text;   /* UTF-8, min..max characters */
extern const struct op_type op_type_blob;   /* as text, up to OP_BLOB, lines */
extern const struct op_type op_type_int;    /* min..max */
extern const struct op_type op_type_bool;   /* yes | no */
extern const struct op_type op_type_choice; /* one of .choices */
extern const struct op_type op_type_duration; /* 90, 90s, 5m, 2h, 1d -> s */
extern const struct op_type op_type_name;     /* [a-z0-9][a-z0-9-]*, 1..32 */
extern const struct op_type op_type_domain;   /* DNS-like, A-labels, lower */
extern const struct op_type op_type_number;   /* SEMANTICS D3 */
extern const struct op_type op_type_host;     /* DNS name or address */
extern const struct op_type op_type_address;  /* IPv4 or IPv6, no port */
extern const struct op_type op_type_port;     /* 1..65535 */
extern const struct op_type op_type_ports;    /* "30000-39999" */
extern const struct op_type op_type_secret;   /* text, lines; never shown */
extern const struct op_type op_type_time;     /* RFC 3339, UTC */
extern const struct op_type op_type_moment;   /* the same, or -10m, +2h */
extern const struct op_type op_type_bytes;    /* a count of bytes: 64k, 10m */
extern const struct op_type op_type_codes;    /* 503, 4xx-6xx -> 400-699 */
extern const struct op_type op_type_span;     /* <10s, >1h -> >3600 */
extern const struct op_type op_type_uri;      /* as shown, never parsed back */
extern const struct op_type op_type_piece;    /* of a file, base64 */
extern const struct op_type op_type_instance; /* "sg/1" */
extern const struct op_type op_type_session;  /* "srv1.7f31c2" */
extern const struct op_type op_type_login;    /* of an operating system */
extern const struct op_type op_type_fingerprint; /* sha256: and 64 digits */
extern const struct op_type op_type_ref;	 /* key of an object: .ref */
/*
 * Arguments that speak of configuration objects. A path is positional:
 * "domain a.test user 101"; OP_REQUIRED wants the whole path of one object,
 * without it a kind ("domain a.test user") or nothing may stand. values and
 * fields belong to the object of the path in the same operation and end the
 * line: "name Alice max-contacts 3", "name max-contacts".
 *   on the wire: {"path": "domain a.test user 101",
 *                 "values": {"name": "Alice", "max-contacts": 3},
 *                 "fields": ["name"]}
 * values with OP_LIST are those of one field that is a list; named arguments
 * follow. One of type member is a value that this list has already. Where an
 * operation has fields too, the values stand in their place, behind the one.
 */
extern const struct op_type op_type_path;
extern const struct op_type op_type_values;
extern const struct op_type op_type_fields; /* always OP_LIST */
extern const struct op_type op_type_member;

#define OP_KEY 0x01 /* positional, part of the path */
#define OP_REQUIRED 0x02
#define OP_LIST 0x04 /* several values: [a b c]; canonical: joined by ' ' */
#define OP_FLAG 0x08 /* an argument that is only a word; value "yes" */
#define OP_IMMUTABLE 0x10 /* of an object: set once, at its creation */
#define OP_RESTART 0x20	  /* of an object: takes effect after a restart */
#define OP_INTERNAL \
	0x40 /* of an object: written by ST only, shown, never set */
#define OP_DETAIL                                                  \
	0x80 /* of a column: in tables only when asked for by name \
	      */

#define OP_PERSONAL 0x100 /* of a column: masked for who sees no persons */
#define OP_GROWS 0x400	  /* of a column: only grows: no news for a monitor */
#define OP_ONE 0x200 /* of arguments: exactly one of those with it is given */

/* A named, typed value: argument of an operation, column of its reply, field
 * of an object. Lists of them end with {0}. */
struct op_field {
	const char *name; /* lower case, words joined by '-' */
	const struct op_type *type;
	const char *brief; /* one line, no full stop, <= 60 characters */
	unsigned flags;
	const char *def;  /* canonical default, NULL = none */
	int64_t min, max; /* of int: value; of text: characters; 0,0 = any */
	const char *const *choices; /* of choice; NULL-ended */
	/* Of ref: name of the object referred to; of another type: names are
	 * offered, and others taken too. */
	const char *ref;
};

/* The canonical form of one value (not of a list). */
int op_parse(const struct op_field *, const char *in, char *out, size_t size,
    struct err *);
/* The same for a list as typed ("[a b]", "a") or as canonical text. */
int op_parse_list(const struct op_field *, const char *in, char *out,
    size_t size, struct err *);
/* "1..100", "udp | tcp | tls", "text of 1..64 characters": for ? and man. */
void op_describe(const struct op_field *, struct buf *);
/* The JSON value of canonical text, an array for a list; secrets become
 * OP_MASK. */
json_t *op_to_json(const struct op_field *, const char *canonical);
/* Canonical text of a JSON value (string, number, boolean; an array for a
 * list), to be freed; refuses what does not fit the type. */
int op_from_json(const struct op_field *, json_t *, char **out, struct err *);
const struct op_type *op_type_find(const char *name);
const struct op_field *op_field_find(const struct op_field *, const char *name);

#define OP_PRINT 72	   /* bytes of a fingerprint, with the NUL */
#define OP_MASK "********" /* what is shown in place of a secret */
#define OP_SEALED                                                 \
	"$SEALED$" /* what export prints for one; to set it means \
		    * to leave the secret as it is */

/* ---- configuration objects, as described (op_obj.c) -------------------- */

/* Which stream an object's rows live in (DESIGN section 3). */
enum obj_place {
	OBJ_SITE,  /* site/<name>: infrastructure and structure */
	OBJ_ROOT,  /* domain/root: the directory of domains */
	OBJ_DOMAIN /* domain/<id>: everything of one domain */
};

/* The layer an object belongs to (DESIGN section 3): what is changed together
 * can be committed layer by layer. */
enum obj_layer { OBJ_ANY_LAYER, OBJ_INFRASTRUCTURE, OBJ_STRUCTURE, OBJ_DATA };
#define OBJ_LAYERS 4
/* By that number; the first is "". */
extern const char *const obj_layer_words[OBJ_LAYERS + 1];

struct obj_row;

/* What daemon/obj declares, and what the console receives of it. */
struct obj {
	const char *name;	  /* path keyword and table name: "user" */
	const struct obj *parent; /* NULL at the top */
	enum obj_place place;
	enum obj_layer layer;
	struct op_field
	    key; /* its name is the column's; types without spaces */
	const char *brief;
	const char *about;
	const char *example;	       /* a `set` line; runs in `make check` */
	const struct op_field *fields; /* {0}-ended */
	/* Objects with the same word here share their keys: within one
	 * parent no two of them have the same one. NULL = own keys. */
	const char *space;
	/*
	 * What the types cannot say (exactly one of two fields, ...): called
	 * for each row a commit has touched, before it is decided. NULL =
	 * nothing more. Words name the field.
	 */
	int (*check)(const struct obj_row *, struct err *);
};

#define OBJ_DEPTH 3   /* keys of a path: domain a.test user 101 -> 2 */
#define OBJ_KEY 256   /* bytes of a canonical key, with the NUL */
#define OBJ_FIELDS 32 /* of one object */
#define OBJ_PATH 1024 /* bytes of a path as text, with the NUL */

/* The path of one object, or of all of a kind (nkeys one short). */
struct obj_path {
	const struct obj *obj;
	unsigned nkeys;
	char key[OBJ_DEPTH][OBJ_KEY]; /* canonical, outermost first */
};

/* "domain demo.test user 101"; out is always terminated. */
void obj_path_text(const struct obj_path *, char *out, size_t size);
/* Back from text, keys made canonical. ERR_UNKNOWN for a keyword. */
int obj_path_parse(const struct obj *const *objs, const char *text,
    struct obj_path *, struct err *);
const struct obj *obj_find(
    const struct obj *const *objs, const struct obj *parent, const char *name);
const struct op_field *obj_field(const struct obj *, const char *name);
unsigned obj_depth(const struct obj *); /* keys of its full path */
/*
 * The object that a value of a ref field means: below the same parents as
 * `from` where it has them (number.user of domain a.test -> domain a.test
 * user 101). -ERR_UNKNOWN when the table has no such object.
 */
int obj_ref(const struct obj *const *objs, const struct obj_path *from,
    const struct op_field *, const char *value, struct obj_path *out);
/*
 * Name the one object table of this process (NULL-ended, stays the
 * caller's). Until then references and paths are checked by shape only.
 */
void op_use_objects(const struct obj *const *objs);
const struct obj *const *op_objects(void); /* NULL = not named yet */

/* ---- the record -------------------------------------------------------- */

enum op_kind {
	OP_READ,   /* changes nothing */
	OP_CONFIG, /* works on the candidate or commits it */
	OP_ACTION  /* acts on running state */
};

/* Where it runs; the router needs no code per operation. */
enum op_where {
	OP_CONTROL, /* in control itself, from local replicas */
	OP_OWNER,   /* at the owner of the role's key */
	OP_EACH,    /* at every instance of the role; the rows are joined */
	OP_ANY /* at one instance of the role, of this server if it has any;
		* for what all of them answer alike */
};

/* How much it asks for; with the kind it decides which roles may run it
 * (op_right.c). */
enum op_access { OP_VIEWER, OP_OPERATOR, OP_ADMIN, OP_AUDIT };

/*
 * What keeps an operation within a part of the tree of domains, for an
 * administrator who has only that part. By its arguments: every argument of
 * type domain, or that refers to a domain, and every path must lie within;
 * one that is not given becomes the administrator's own domain. An operation
 * without such arguments is not for them, unless it looks at who.domain
 * itself. Where it looks at changes, what they see and may not change can be
 * named as it is: the operation refuses to make anything else of it.
 */
enum op_limit { OP_LIMIT_ARGS, OP_LIMIT_SELF, OP_LIMIT_CHANGES };

struct op_call;

struct op {
	const char
	    *name; /* the CLI words and the id on the wire: "show calls" */
	enum op_kind kind;
	enum op_access access;
	enum op_limit limit;
	enum op_where where;
	unsigned role;	     /* enum role_id; ignored for OP_CONTROL */
	const char *brief;   /* one line, no full stop, <= 60 characters */
	const char *about;   /* paragraph: when to use it, what can go wrong */
	const char *example; /* runs in `make check`, shown in man; may have
			      * several lines */
	const struct op_field *args; /* NULL or {0}-ended */
	const struct op_field *cols; /* reply columns; NULL = no rows */
	/* Starts the work; op_finish is called once, now or later. */
	void (*run)(struct op_call *);
	bool live;    /* of a list: a monitor is made of it, below */
	bool audited; /* a read that the audit tells as what changes something:
		       * it carries out what is kept here */
	const struct op *of; /* of a monitor: the list that it watches */
};

/* ---- monitors (op_monitor.c) -------------------------------------------- */

/*
 * The operations, and behind them for each that is live its monitor, which
 * run starts: "monitor alarms" with the arguments and columns of "show
 * alarms", the arguments every and for, and the column change. Never freed.
 */
const struct op *const *op_monitors(
    const struct op *const *ops, void (*run)(struct op_call *));
bool op_is_monitor(const struct op *); /* also of a received table */

#define OP_MONITOR_CHANGE "change" /* the column; its values */
#define OP_MONITOR_IS "is"
#define OP_MONITOR_NEW "new"
#define OP_MONITOR_GONE "gone"

/* ---- a call (op_call.c) ------------------------------------------------ */

/* Roles of administrators, tandem-admin(7). */
enum admin_role {
	ADMIN_NOBODY,
	ADMIN_VIEWER,
	ADMIN_SUPPORT,
	ADMIN_DOMAIN,
	ADMIN_OPERATOR,
	ADMIN_SITE,
	ADMIN_AUDITOR,
	ADMIN_ROLES
};

/* Bytes of a session's name, with the NUL: server, dot, hexadecimal digits. */
#define OP_SESSION 56

/* Who asks; filled from the socket's peer credentials. */
struct op_who {
	char name[64]; /* login name of the operator */
	enum admin_role role;
	char domain[OBJ_KEY]; /* it and those below are all there is; "" = all
			       */
	bool fixed;	      /* no configuration can take the role away */
	char session[OP_SESSION]; /* of one connection; keys the candidate */
	bool keep;		  /* which is kept when the connection ends */
	char from[64];		  /* "local", "ssh 192.0.2.7", a server */
};

/* ---- who may (op_right.c) ---------------------------------------------- */

extern const char *const admin_role_names[]; /* NULL-ended, by the enum */
/* May the role run it; limited: within a part of the tree only. Pure: the
 * matrix of show rights. */
bool op_allows(const struct op *, enum admin_role, bool limited);
/* The same of somebody, and of what the arguments (as they came, or
 * canonical) name. -ERR_PERMISSION with words that do not tell whether what
 * they may not see is there. */
int op_permit(
    const struct op *, const struct op_who *, json_t *args, struct err *);
/* May they see who people are and whom they call: OP_PERSONAL columns? A
 * viewer or support only of the domain that they are for. */
bool op_sees_persons(const struct op_who *);
/* Is there only a part of the tree for them? Is the domain in it? */
bool op_is_limited(const struct op_who *);
bool op_sees(const struct op_who *, const char *domain);
/* May they look at, or change, what lies at the path? The domain in which
 * their part begins is its parent's to change. */
bool op_sees_path(const struct op_who *, const struct obj_path *);
bool op_changes_path(const struct op_who *, const struct obj_path *);
/* As it travels to the process that carries a call out. What does not decode
 * is nobody. */
json_t *op_who_encode(const struct op_who *);
bool op_who_decode(struct op_who *, json_t *);

typedef void op_done_fn(
    void *arg, struct op_call *, const struct err *); /* err NULL = done */

struct op_call {
	unsigned magic;
	const struct op *op;
	struct op_who who;
	/* name -> canonical text; an array of texts for lists; for values an
	 * object: field -> canonical text (lists joined by ' '), or null to
	 * clear the field. Defaults are filled in. */
	json_t *args;
	json_t *rows;	  /* array of objects */
	json_t *warn;	  /* array of strings */
	int64_t rev;	  /* configuration revision answered from; 0 = none */
	char *match;	  /* what op_matches looks for, without case */
	json_t *next;	  /* of a list that goes on; NULL = it does not */
	bool cut;	  /* there are more rows, and next does not say where */
	bool partial;	  /* not all have answered who were asked */
	int64_t monitor;  /* number of one that was started; 0 = none */
	json_t *err_data; /* members for error.data; NULL = none */
	void *self;	  /* the process: struct self */
	void *state;	  /* the handler's own */
	op_done_fn *on_done;
	void *done_arg;
};

/*
 * Check the right to run it and the arguments against the record (types,
 * required ones, unknown names), and start it. args (borrowed) is the object
 * that came in: strings, numbers, booleans or arrays. on_done is called exactly
 * once and frees nothing; the call ends when it returns.
 */
void op_run(const struct op *, json_t *args, const struct op_who *, void *self,
    op_done_fn *, void *arg);
void op_finish(struct op_call *, const struct err *); /* NULL = done */
/* OP_EACH: it is for another instance to answer, or there is no such thing. */
void op_elsewhere(struct op_call *);
void op_failf(struct op_call *, enum err_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

const char *op_arg(const struct op_call *, const char *name); /* or NULL */
int64_t op_arg_int(const struct op_call *, const char *name, int64_t def);
bool op_arg_flag(const struct op_call *, const char *name);
json_t *op_arg_json(const struct op_call *, const char *name); /* or NULL */
/* Start a row; op_put fills it. A column that the record lacks ends the
 * process: the record is wrong. */
void op_row(struct op_call *);
void op_put(struct op_call *, const char *col, const char *text);
void op_put_int(struct op_call *, const char *col, int64_t);
void op_put_bool(struct op_call *, const char *col, bool);
void op_put_time(struct op_call *, const char *col, uint64_t real_us);
/* Put the rows so far in the order of this column, a text; what has the same
 * there stays in its order. */
void op_sort(struct op_call *, const char *col);
void op_warn(struct op_call *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/*
 * Has a row what the argument "match" looks for? texts: of columns, NULL =
 * empty. What who asks would be shown masked is not looked at, so which rows
 * there are tells them nothing. Without the argument every row has it.
 */
struct op_text {
	const char *col, *text;
};
bool op_matches(struct op_call *, const struct op_text *, size_t n);
/* The argument. */
#define OP_MATCH                                                               \
	{                                                                      \
		.name = "match", .type = &op_type_text, .min = 1, .max = 100,  \
		.brief = "only rows that hold it, in small or capital letters" \
	}
/* The list goes on behind what is shown: the same call with this `after` gives
 * the rest. A warning ends in these words. */
#define OP_NEXT_WORDS "more with after \"%s\""
void op_next(struct op_call *, const char *after);
/* The same where so many rows were looked through and the answer ends early:
 * perhaps with no row at all. */
void op_next_looked(struct op_call *, const char *after, unsigned looked);
/* It goes on, and only a greater limit gives more. */
void op_cut(struct op_call *);
/* {"data": rows, "rev": n, "warn": [..], "next": after, "cut": true}: the
 * result on the wire. Columns that were not put are null; those that who asks
 * may not see are masked. */
json_t *op_result(const struct op_call *);
/* A copy of args with secrets masked: for audit and log. */
json_t *op_mask(const struct op *, json_t *args);

/* ---- answers for programs (op_envelope.c) ------------------------------ */

/* {"v", "op", "ok": true, "rev", "data", "next", "warn"} of a result; rows
 * (borrowed) may be others than its own. */
json_t *op_envelope(const char *op, json_t *rows, json_t *result);
/* A text of a row of them; "" when it has none of the name. */
const char *op_row_text(json_t *row, const char *name);
/* A number of a row, 0 when it has none of the name. */
uint64_t op_row_int(json_t *row, const char *name);
/* {"v", "op", "ok": false, "code", "message", "path", "file", "line",
 * "column", "expected", "rev", "data", "next", "warn"}. */
json_t *op_envelope_error(const char *op, const struct err *);
/* What the server said beside an error, where the envelope lacks it. */
void op_envelope_add(json_t *envelope, json_t *data);

/* ---- the tables (op_table.c, op_wire.c) -------------------------------- */

/*
 * All that can be done: NULL-ended lists. The daemon builds one from its
 * roles; the console receives one (op_wire.c) and frees it.
 */
struct op_table {
	const struct op *const *ops;
	const struct obj *const *objs;
	void *owner; /* of a received table; NULL for the compiled one */
};

const struct op *op_find(const struct op_table *, const char *name);
/* The tables as JSON, and back: what a console learns at connect. */
json_t *op_table_encode(const struct op_table *);
int op_table_decode(json_t *, struct op_table *, struct err *);
void op_table_fini(struct op_table *);
/* "show calls [domain <domain>] [all]": derived, never written. */
void op_usage(const struct op *, struct buf *);
/* OpenAPI 3.1 of what HTTPS offers, tandem-api(7) (op_openapi.c). */
json_t *op_openapi(const struct op_table *, const char *version);

/* ---- the texts (op_page.c, op_help.c, op_man.c, op_concept.c) ---------- */

/* A word of the system that is neither an operation nor an object. */
struct op_concept {
	const char *name;
	const char *text; /* sentences; a page is named as "tandem(1)" */
};
extern const struct op_concept op_concepts[]; /* {0}-ended */

/* All that can be explained. */
struct op_manual {
	const struct op_table *table;
	const struct op *const *own;	/* those of it that the console does by
					 * itself; NULL-ended */
	const struct op_table *filters; /* what stands behind a bar */
};
/*
 * What `help WORDS` shows, of n bytes of words: an operation, those of a verb,
 * an object, a filter, a concept; without words what there is. The text is
 * that of the pages below, set for a terminal. -ERR_UNKNOWN.
 */
int op_help(const struct op_manual *, const char *words, size_t n, struct buf *,
    struct err *);
/* Pages in mdoc(7), one for each verb, object, filter and concept by kind:
 * fn is given each with its name, "tandem-show", and section. */
typedef void op_man_fn(
    void *arg, const char *name, int section, const struct buf *);
void op_man(const struct op_manual *, op_man_fn *, void *arg);

/* ---- the walker (op_walk.c): parse, completion, help are one walk ------ */

/*
 * A line cut into words at spaces and tabs. '..' is literal; in ".." the
 * escapes \" \\ \n \t stand; elsewhere \ takes the next character as it is.
 * [ ] and | stand alone; # at the start of a word begins a comment. Bytes
 * that are not UTF-8, and control characters, are refused.
 */
struct op_word {
	char *text;	/* without quotes */
	size_t at, end; /* bytes in the line */
	bool quoted;	/* some of it was: never a keyword, bracket or bar */
};
struct op_words {
	struct op_word *word;
	size_t count;
	char *store;
	bool open; /* the line ends behind a space: a new word would follow */
};
/* -ERR_SYNTAX with *at = the byte that is wrong (an open quote, ...); the
 * words before it are there in any case. */
int op_words_parse(
    struct op_words *, const char *line, size_t *at, struct err *);
void op_words_fini(struct op_words *);
/* A value as one word of a line, quoted where it must be. */
void op_quote(struct buf *, const char *value);
/* Words that a space parts, a canonical path or list, each as op_quote has it:
 * how an object is named in a line. */
void op_quote_words(struct buf *, const char *words);

/* One thing that may stand at a place. */
struct op_next {
	char text[96]; /* the word, or "<placeholder>" when value is set */
	const char *brief;
	const struct op_field *field; /* the word names this field */
	const struct op_field *value; /* a value of this field belongs here */
	const char *ref;	 /* values come from objects of this name ... */
	char ref_path[OBJ_PATH]; /* ... below this path ("domain a.test") */
	/* The value is one of those in this list of the object ref_path. */
	const struct op_field *member;
};

struct op_span {
	size_t at, end; /* bytes of the line */
};

struct op_walk {
	/* result of a whole, valid line */
	const struct op *op;   /* NULL when the line is not complete */
	json_t *args;	       /* as op_run takes them; owned by the walk */
	const struct obj *obj; /* of the path argument, if any */
	/* what may stand at the end (completion: words that start with the
	 * last, unfinished word) */
	struct op_next *next;
	size_t nnext;
	bool done_ok; /* the line may also end here */
	size_t from;  /* byte of the unfinished word, or of the end */
	size_t pipe;  /* byte of the bar that ended the command; 0 = none */
	/* an error: byte of the line, and words */
	size_t err_at;
	struct err err;
	/* the words of the line that are secrets, for masking it */
	struct op_span *secret;
	size_t nsecret;
};
/*
 * Walk a line. Returns 0 when it is a whole command; -ERR_SYNTAX,
 * -ERR_UNKNOWN or -ERR_INVALID with err_at otherwise; next is filled then with
 * what may stand at the place of the error, and with OP_WALK_COMPLETE in every
 * case.
 * An empty line is -ERR_SYNTAX. The walk ends at a bar (pipe): what stands
 * behind it is the console's.
 * OP_WALK_SHORT accepts unambiguous abbreviations of words (interactive
 * only; where any value may stand, a word must be whole); OP_WALK_COMPLETE
 * treats the last word as unfinished.
 */
#define OP_WALK_SHORT 1
#define OP_WALK_COMPLETE 2
int op_walk(const struct op_table *, const char *line, unsigned flags,
    struct op_walk *);
void op_walk_fini(struct op_walk *);

#endif
