#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>
#include <wchar.h>

#include "daemon/base/buf.h"
#include "daemon/base/ca.h"
#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/rpc.h"
#include "daemon/base/tls.h"
#include "daemon/op/op.h"

/*
 * The console: tandem(1). It knows no operation by itself; what can be done
 * is described by the server at connect, and all of it goes through the
 * walker of daemon/op. Standard output carries data, standard error words.
 */

/* Exit statuses beside those of err.tbl. */
#define EXIT_USAGE 2
#define EXIT_DIFFERS 10
#define EXIT_INTERRUPTED 130

/* ---- options.c ---------------------------------------------------------- */

enum format {
	FORMAT_TABLE,
	FORMAT_JSON,
	FORMAT_CSV,
	FORMAT_LINES,
	FORMAT_TERSE
};
extern const char *const format_names[]; /* NULL-ended, by enum format */

#define OPTIONS_HOST 256
#define OPTIONS_PORT 8443 /* of -H */

struct options {
	char **commands; /* -c, in their order */
	size_t ncommands;
	const char *file; /* -f, "-" = standard input */
	const char *socket;
	char host[OPTIONS_HOST]; /* -H; "" = the server behind the socket */
	uint16_t port;
	const char *identity;  /* -i; NULL = where it usually is */
	char server[OP_PRINT]; /* --server; "" = none */
	enum format format;
	unsigned timeout;   /* seconds; 0 = none */
	bool go_on;	    /* -e */
	bool dry;	    /* -n */
	bool commit;	    /* --commit */
	unsigned confirmed; /* minutes of --commit=confirmed:N; 0 = none */
	bool screen;	    /* --screen */
	bool quiet;	    /* -q */
	bool restricted;    /* a login shell: no files, no programs */
	char *owned;	    /* what commands point into; may be NULL */
};

/* 0 go on, else the exit status plus one: words were printed. */
int options_parse(int argc, char **argv, struct options *);
void options_fini(struct options *);

/* ---- shell.c: tandem-shell, the login shell ----------------------------- */

bool shell_is(const char *argv0);
/* As options_parse, of what sshd(8) was asked to run. */
int shell_parse(int argc, char **argv, struct options *);
/* From here on the process opens no file for writing and starts nothing. */
int shell_confine(struct err *);

/* ---- remote.c: a server elsewhere --------------------------------------- */

struct conn;
struct remote;
/* Of the options' host: what it takes to reach it. */
int remote_new(struct conn *, struct remote **, struct err *);
void remote_free(struct remote **);
/* Connect, once more too: a descriptor for rpc, or -the error's code. */
int remote_open(struct remote *, struct err *);

/* bridge.c: lines to messages of a WebSocket */
struct bridge;
/* Both descriptors are taken; came is what the server has sent already. At
 * the end of either side on_end is called, where it is to be closed. */
struct bridge *bridge_open(struct loop *, int wire, int lines, const void *came,
    size_t n, loop_fn *on_end, void *arg);
void bridge_close(struct bridge **);

/* keyfile.c: who we are */
/* A file of ours, below ~/.tandem; -ERR_CONNECT: nobody says where that is. */
int remote_path(char *out, size_t size, const char *name, struct err *);
/* The folder of the file, when it is not there. */
int remote_make_folder(const char *file, struct err *);
void remote_fingerprint(char out[OP_PRINT], const uint8_t print[CA_PRINT]);
/* A key and its certificate into a new file. */
int keyfile_make(const char *path, char fingerprint[OP_PRINT], struct err *);
int keyfile_open(const char *path, struct tls_id **, struct err *);

/* known.c: servers that were looked at once; server is "host:port" */
int known_path(char *out, size_t size, struct err *);
/* fingerprint "": it is not known. -ERR_CONNECT: the file is not to be
 * trusted. */
int known_find(const char *server, char fingerprint[OP_PRINT], struct err *);
int known_add(const char *server, const char *fingerprint, struct err *);
/* Ask at the terminal; true = yes. */
bool known_ask(const char *server, const char *fingerprint);

/* ---- conn.c ------------------------------------------------------------- */

struct reply {
	json_t *result; /* {"data", "rev", "warn"} */
	struct err err; /* ERR_NONE = done */
	json_t *err_data;
	bool interrupted; /* nobody waited for the rest */
};
void reply_fini(struct reply *);

typedef void conn_fn(void *arg, struct reply *); /* keeps or drops nothing */

typedef void conn_progress_fn(void *arg, json_t *params);

struct conn {
	struct loop *loop;
	struct rpc *rpc;       /* NULL = not connected */
	struct remote *remote; /* the way there; NULL = the socket */
	bool may_ask; /* somebody can say whether a server is the right one */
	struct loop_signal *sigint;
	bool interrupted;
	TAILQ_HEAD(conn_requests, conn_request) requests;
	unsigned open; /* requests without a reply */
	bool moving;   /* the operation that is awaited tells how far it is */
	bool stopped;  /* it was asked to end in order */
	conn_progress_fn *on_progress; /* NULL: a line at the terminal */
	void *progress_arg;
	conn_progress_fn *on_changes; /* of lists that are watched; or NULL */
	void *changes_arg;
	const struct options *opt;
	uint64_t timeout;      /* us; 0 = none */
	struct op_table table; /* as the server described it */
	char version[64], server[64], site[64], user[64], session[64];
	char role[32], domain[OBJ_KEY]; /* what we may do, where */
	/* Words of another operator; NULL: to standard error. */
	void (*on_message)(void *arg, const char *line);
	void *message_arg;
};

/* The options are borrowed. */
void conn_init(struct conn *, const struct options *);
void conn_fini(struct conn *);
/* Connect, or connect again, and learn what can be done. */
int conn_open(struct conn *, struct err *);
/* Ask and wait. params is taken. Returns 0 or -the error's code. */
int conn_call(
    struct conn *, const char *method, json_t *params, struct reply *);
/* Ask within a time of its own (us). */
int conn_call_in(struct conn *, const char *method, json_t *params,
    uint64_t timeout, struct reply *);
/* Ask and go on; fn is called from conn_wait, in order of the replies. */
void conn_send(
    struct conn *, const char *method, json_t *params, conn_fn *, void *arg);
/* Nobody waits for the replies to this arg any more. */
void conn_forget(struct conn *, void *arg);
/* Until at most so many requests are open, or interrupted. */
void conn_wait(struct conn *, unsigned most);
/* Ctrl-C ends a wait; otherwise it ends the program, as a script expects
 * that waits for its input. An operation that tells how far it is ends in
 * order by the first one, and is waited for until the second. True: release
 * must be told so. */
bool conn_catch(struct conn *);
void conn_release(struct conn *, bool caught);

/* ---- progress.c --------------------------------------------------------- */

/* "[###---] 3/10  words" in less than width columns; empty for what is none.
 * params: {"done", "of", "words"} of the server. */
void progress_line(json_t *params, unsigned width, struct buf *);
/* Draw it over the line before, where standard error is a terminal. */
void progress_show(const struct options *, json_t *params);
void progress_end(const struct options *); /* the line is empty again */

/* ---- session.c ---------------------------------------------------------- */

struct session {
	const struct options *opt;
	struct conn conn;
	struct op_table table; /* the server's operations and our own */
	bool interactive;
	bool dirty;	/* the candidate may have changes */
	bool resumed;	/* it was taken up: it is not ours alone to forget */
	bool exclusive; /* this session alone may commit */
	char left[64];	/* session whose candidate is to be taken up again */
	bool unwanted;	/* or, instead, to be forgotten */
	uint64_t until; /* a commit of ours is undone then, unless it is
			 * confirmed; real clock, 0 = none */
	int64_t unconfirmed;	 /* its revision */
	struct loop_timer *look; /* for whether it still is */
	bool quit;
	/* The full screen (screen/screen.h), which the prompt leads to. */
	int (*screen_run)(struct session *, struct err *);
	struct screen *screen; /* what was open in it */
	bool want_screen;
	/* operations that the console itself must run; NULL when absent */
	const struct op *set_commit, *set_check, *set_compare, *set_discard,
	    *set_resume, *set_confirm, *set_undo, *set_exclusive, *set_private;
};

void session_init(struct session *, const struct options *);
void session_fini(struct session *);
int session_connect(struct session *, struct err *); /* also once more */
/* Connect again, and take up the candidate that there was, or forget it as
 * session_discard could not; words say so. */
#define SESSION_WORDS 320
int session_reopen(struct session *, char words[SESSION_WORDS], struct err *);
unsigned session_left(struct session *); /* candidates left before */
/* May our role run it, as far as is known here? NULL: what is not there. */
bool session_may(const struct session *, const struct op *);
/* Forget the candidate. Without a connection it is forgotten as soon as there
 * is one again: -ERR_CLOSED. */
int session_discard(struct session *, struct err *);
/* Rows of `compare`, or -1 with the error in the reply. */
long session_changes(struct session *, struct reply *);
/* Note what a finished operation did to the candidate; result may be NULL. */
void session_ran(
    struct session *, const struct op *, json_t *args, json_t *result);

/* unconfirmed.c: tell when the commit that awaits confirmation does no more */
void unconfirmed_watch(struct session *);
void unconfirmed_end(struct session *);

/* Where a command came from, for its errors. */
struct place {
	const char *file; /* NULL: -c or the prompt */
	unsigned line;	  /* from 1; 0 = does not matter */
	const char *text;
};

/* ---- report.c ----------------------------------------------------------- */

/*
 * Tell an error: words and caret on standard error, or the envelope on
 * standard output. at is the byte of the line, or REPORT_NOWHERE.
 * Returns the exit status.
 */
#define REPORT_NOWHERE SIZE_MAX
struct report {
	const struct place *place; /* may be NULL */
	size_t at;
	const struct err *err;
	const struct op *op;	    /* may be NULL */
	const char *path;	    /* of the object concerned; may be NULL */
	json_t *data;		    /* error.data of the server; may be NULL */
	const struct op_next *next; /* what may stand there */
	size_t nnext;
};
int report(struct session *, const struct report *);
/* The words alone, in lines; nothing is written. */
void report_text(const struct session *, const struct report *, struct buf *);
/* The same as report for words without a place. */
int report_err(struct session *, const struct err *);
void report_note(struct session *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- command.c ---------------------------------------------------------- */

#define PIPES_MAX 16
struct pipe_step {
	const struct op *op; /* of pipe_table */
	json_t *args;
	size_t at; /* byte of the line where its arguments begin */
};

/* A line, understood, or why it was not. */
struct command {
	struct op_walk walk;
	struct pipe_step pipes[PIPES_MAX];
	size_t npipes;
	struct op_walk wrong; /* its error, and what may stand there */
	size_t wrong_at;      /* byte of the line, or REPORT_NOWHERE */
	bool headed;	      /* headings were shown */
};

bool command_is_blank(const char *line);
/* 0, or -the error's code; nothing is told yet. */
int command_parse(struct session *, const struct place *, struct command *);
/* Tell why it was not understood; the exit status. */
int command_refuse(
    struct session *, const struct place *, const struct command *);
/* The same for report(): it points into the command. */
struct report command_why(const struct place *, const struct command *);
void command_fini(struct command *);
/* Run it and show what came; the exit status. */
int command_run(struct session *, const struct place *, struct command *);
/*
 * Send it ahead and go on; fn is told the reply, in the order of the lines. The
 * command is taken. A window bounds what is on its way: half of it is awaited
 * when it is full.
 */
typedef void command_sent_fn(
    void *arg, const struct place *, struct command *, struct reply *);
void command_send(struct session *, const struct place *, struct command *,
    command_sent_fn *, void *arg);
/* Ask and wait; where filters must see all of a list, until all has come
 * (whole.c). */
void command_ask(struct session *, const struct command *, struct reply *);
/* Show a reply to it. */
int command_show(
    struct session *, const struct place *, struct command *, struct reply *);
/* In place of a commit: check the candidate and show what would change.
 * EXIT_DIFFERS when something would. */
int command_dry(struct session *, const struct place *);
/* Parse and run one line. */
int command_line(struct session *, const struct place *);

/* Show what has changed of a list that is watched, in the same way. */
int command_changes(
    struct session *, const struct place *, struct command *, json_t *changes);

/* ---- monitor.c ---------------------------------------------------------- */

/* Go on with a list that is watched, of which the first rows are shown; the
 * exit status. */
int monitor_follow(
    struct session *, const struct place *, struct command *, json_t *result);
/* Would it be saved in a file? */
bool monitor_saves(const struct command *);

/* secret.c: texts of files and of the environment in place of @file:, @env: */
/* may: the console may read them at all. */
int secret_load(const struct op_walk *, bool may, struct err *);

/* ---- local.c: operations of the console itself -------------------------- */

extern const struct op *const local_ops[]; /* NULL-ended */
/* A server's operations, then our own where it has no such; to be freed. */
const struct op **local_merge(const struct op_table *);
int local_run(struct session *, const struct place *, struct command *);
bool local_commits(const struct op *);
bool local_prunes(const struct op *);
/* Is this line a question to help? Its words, or NULL. */
const char *local_help_words(const char *line);
int local_help(struct session *, const char *words);
/* The same as a text; -ERR_UNKNOWN for what is nothing. */
int local_help_text(
    struct session *, const char *words, struct buf *, struct err *);

/* ---- apply.c: files of set lines ---------------------------------------- */

/* args: {"from": file, "path": what else is there goes}; the exit status. */
int apply_run(struct session *, const struct place *, struct command *);
int apply_export(struct session *, const struct place *, struct command *);

/* ---- pipe.c ------------------------------------------------------------- */

extern const struct op_table pipe_table;

/* What is shown of a reply. */
struct view {
	const struct op *op;
	const struct op_field *cols[64];
	size_t ncols;
	json_t *rows;	/* owned */
	json_t *result; /* borrowed; may be NULL */
	enum format format;
	bool chosen; /* columns by name: a format changes nothing about them */
	bool no_more;
	bool goes_on;	  /* what has changed of an answer before */
	bool headed;	  /* below rows that were shown: no headings */
	const char *save; /* file, or NULL */
};

void view_init(struct view *, const struct op *, json_t *result, enum format);
void view_fini(struct view *);
int pipe_apply(const struct pipe_step *, struct view *, struct err *);
/* How many rows it must see to be right, SIZE_MAX: all; 0: it is about each
 * row by itself. */
size_t pipe_wants(const struct pipe_step *);
/* Does the filter write a file? */
bool pipe_writes(const struct op *);

/* ---- render.c ----------------------------------------------------------- */

/* Write a view; width 0 = as wide as it is. */
void render(const struct view *, unsigned width, struct buf *);
/* Envelope of an error, see report.c. */
void render_json(json_t *, struct buf *);
/* A value as one cell of a format, foreign bytes made safe. */
void render_cell(const struct op_field *, json_t *, enum format, struct buf *);

/* ---- file.c: replies that are a file --------------------------------------
 */

/* Shown as a file, not as rows. */
bool file_is(const struct view *);
/* Its bytes, behind which there is a NUL. */
int file_bytes(const struct view *, struct buf *, struct err *);
/* To standard output; refused where that is a terminal and it is no text. */
int file_show(
    struct session *, const struct view *, const struct buf *, struct err *);

/* text.c: columns on a terminal */
void text_locale(void); /* a UTF-8 LC_CTYPE, whatever the environment says */
bool text_is_foreign(void); /* ... and it says that terminals show no UTF-8 */
bool text_is_dumb(void);    /* TERM is unset, or says: takes no sequences */
/* Append s with \xHH in place of each byte that is no ASCII. */
void text_plain(struct buf *, const char *s, size_t n);
/* To a file or a terminal, in what that shows; s is safe. */
void text_write(FILE *, const char *s, size_t n);
/* What was written to standard output leaves. 0, or errno of the first of it,
 * ever, that could not be written. */
int text_flush(void);
void text_clear(FILE *);	      /* the line of the cursor is empty */
void text_put(FILE *, const char *s); /* s may be NULL */
unsigned text_width(const char *utf8);
unsigned text_width_n(const char *utf8, size_t n);
/* s cut to width columns, the last of them '~' when something is gone. */
void text_fit(struct buf *, const char *s, unsigned width);
/* The words of s over lines of width columns, as far as a word fits one; the
 * first of them and all that follow begin at column indent. */
void text_wrap(struct buf *, const char *s, unsigned indent, unsigned width);
/* Take what of *s fits width columns, up to a space where there is one; *s is
 * what follows. At least a character is taken. */
void text_take(struct buf *, const char **s, unsigned width);
void text_pad(struct buf *, unsigned n);
unsigned text_terminal(int fd); /* columns, 0 when it is no terminal */
unsigned text_terminal_rows(int fd);
wchar_t *text_wide(const char *utf8); /* to be freed; bad bytes become '?' */
char *text_narrow(const wchar_t *, size_t n); /* to be freed */
void text_safe(struct buf *, const char *s);  /* escaped, lines kept */

/* ---- input.c: lines of a script ----------------------------------------- */

struct input {
	struct loop *loop;
	int fd;
	struct buf buf;
	size_t at;   /* where the next line begins */
	size_t seen; /* no line ends between there and here */
	bool begun;  /* the first line was asked for */
	bool ready;
	bool failed; /* it cannot be read; errno says why */
};
void input_init(struct input *, struct loop *, int fd); /* fd is borrowed */
void input_fini(struct input *);
/* The next line without its end, and its bytes; a byte order mark in front of
 * the first is none of it; good until the next call.
 * While it is waited for the connection works. NULL: at the end, when it
 * failed, or when somebody set stop meanwhile. */
char *input_line(struct input *, const bool *stop, size_t *n);

/* A line as it was read becomes a text; -ERR_TOOBIG, -ERR_SYNTAX for a NUL. */
int input_text(char *line, size_t n, struct err *);

/* ---- batch.c, edit.c, pager.c ------------------------------------------- */

int batch_run(struct session *);
int edit_run(struct session *);
/* Output of a command: paged where somebody looks, else as it is. */
void pager_show(struct session *, const struct view *, const struct buf *);

/* complete.c: what may stand at the end of a line, with live values */
struct choice {
	char *word;  /* NULL: a placeholder that only tells */
	char *shown; /* left of the brief */
	char *brief;
};
struct choices {
	struct choice *list;
	size_t n;
	size_t from; /* byte of the line where the word begins */
	bool done_ok;
};
void complete(struct session *, const char *line, struct choices *);
void choices_fini(struct choices *);
/* The longest text that all words begin with; to be freed, NULL = none. */
char *choices_common(const struct choices *, bool *unique);

/* history.c */
void history_path(char *out, size_t size);
/* The line with its secrets masked, to be freed; NULL = do not keep. */
char *history_mask(struct session *, const char *line);
/* Add a line to the file; call fn for each line of it. */
void history_append(const char *line);
void history_load(void (*fn)(void *arg, const char *line), void *arg);

/* main.c without main: for tests */
int console_main(int argc, char **argv);

#endif
