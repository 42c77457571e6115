/*
 * One session with a server: its connection, the operations that can be
 * done, and what is known of the candidate.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* The server's operations and our own. */
static void
session_merge(struct session *s)
{
	s->table.ops = local_merge(&s->conn.table);
	s->table.objs = s->conn.table.objs;
	op_use_objects(s->table.objs);
}

/* Let go of what the server described; what is our own stays. */
static void
session_forget(struct session *s)
{
	static const struct obj *const none[] = {NULL};

	op_use_objects(NULL);
	if (s->table.ops != local_ops)
		free((void *)s->table.ops);
	s->table = (struct op_table){.ops = local_ops, .objs = none};
	s->set_commit = s->set_check = s->set_compare = s->set_discard = NULL;
	s->set_confirm = s->set_undo = NULL;
	s->set_resume = s->set_exclusive = s->set_private = NULL;
	s->dirty = false;
}

/* The name at the prompt: the server's word for us, else the system's. */
static void
session_name(struct session *s)
{
	struct passwd *pw = getpwuid(getuid());

	if (s->conn.user[0] == '\0')
		str_copy(s->conn.user, sizeof s->conn.user,
		    pw != NULL ? pw->pw_name : "operator");
	if (s->conn.server[0] == '\0')
		str_copy(s->conn.server, sizeof s->conn.server, "tandem");
}

void
session_init(struct session *s, const struct options *opt)
{
	memset(s, 0, sizeof *s);
	s->opt = opt;
	session_forget(s);
	conn_init(&s->conn, opt);
}

/* Where nobody answers, what was described before stays: it is shown on. */
int
session_connect(struct session *s, struct err *e)
{
	int r;

	/* before there is a prompt the terminal is still its owner's */
	s->conn.may_ask = s->interactive && s->conn.table.owner == NULL;
	r = conn_open(&s->conn, e);
	if (r == 0 || s->conn.table.owner == NULL)
		session_forget(s);
	if (r != 0)
		return r;
	session_merge(s);
	session_name(s);
	s->set_confirm = op_find(&s->table, "confirm");
	s->set_undo = op_find(&s->table, "undo");
	s->set_commit = op_find(&s->table, "commit");
	s->set_check = op_find(&s->table, "check");
	s->set_compare = op_find(&s->table, "compare");
	s->set_discard = op_find(&s->table, "discard");
	s->set_resume = op_find(&s->table, "configure resume");
	s->set_exclusive = op_find(&s->table, "configure exclusive");
	s->set_private = op_find(&s->table, "configure private");
	if (s->interactive && s->conn.rpc != NULL)
		rpc_notify(s->conn.rpc, "keep", NULL);
	return 0;
}

/* Take up the candidate of a session before. */
static bool
session_resume(struct session *s, const char *left, struct err *e)
{
	const struct op *op = s->set_resume;
	struct reply reply;
	int r;

	if (op == NULL)
		return err_set(e, ERR_UNKNOWN, "this server keeps none") == 0;
	r = conn_call(
	    &s->conn, op->name, json_pack("{s:s}", "session", left), &reply);
	if (r == 0)
		session_ran(s, op, NULL, NULL);
	else
		*e = reply.err;
	reply_fini(&reply);
	return r == 0;
}

/* Forget the candidate of a session before, unless it is not there anyway. */
static bool
session_drop(struct session *s, const char *left, struct err *e)
{
	struct reply reply;
	int r = conn_call(&s->conn, s->set_discard->name,
	    json_pack("{s:s}", "session", left), &reply);

	if (r != 0)
		*e = reply.err;
	reply_fini(&reply);
	return r == 0 || r == -ERR_ABSENT;
}

/* What becomes of the candidate that there was, in words. */
static void
session_take_up(struct session *s, char words[SESSION_WORDS])
{
	bool drop = s->unwanted && s->set_discard != NULL;
	struct err why;

	if (s->left[0] == '\0')
		str_copy(words, SESSION_WORDS, "connected again");
	else if (drop && session_drop(s, s->left, &why))
		str_copy(words, SESSION_WORDS,
		    "connected again; what was half done was discarded");
	else if (drop)
		snprintf(words, SESSION_WORDS,
		    "connected again; what was half done is left as candidate "
		    "%s: %.160s",
		    s->left, why.text);
	else if (session_resume(s, s->left, &why))
		str_copy(words, SESSION_WORDS,
		    "connected again, with your candidate");
	else
		snprintf(words, SESSION_WORDS,
		    "connected again; your candidate was not found: %.250s",
		    why.text);
	s->left[0] = '\0';
	s->unwanted = false;
}

/* What ended with the session before: others may commit again. */
static void
session_lost(struct session *s, char words[SESSION_WORDS])
{
	size_t n = strlen(words);

	if (s->exclusive)
		snprintf(words + n, SESSION_WORDS - n,
		    "; configure exclusive ended with the connection");
	s->exclusive = false;
}

int
session_reopen(struct session *s, char words[SESSION_WORDS], struct err *e)
{
	int r;

	if (s->dirty) /* it is kept under the name of its session */
		str_copy(s->left, sizeof s->left, s->conn.session);
	if ((r = session_connect(s, e)) != 0)
		return r;
	session_take_up(s, words);
	session_lost(s, words);
	return 0;
}

unsigned
session_left(struct session *s)
{
	const struct op *op = op_find(&s->table, "show candidates");
	const char *user, *state;
	struct reply reply;
	unsigned n = 0;
	json_t *row;
	size_t i;

	if (op == NULL || conn_call(&s->conn, op->name, NULL, &reply) != 0)
		return 0;
	json_array_foreach (json_object_get(reply.result, "data"), i, row) {
		user = json_string_value(json_object_get(row, "operator"));
		state = json_string_value(json_object_get(row, "state"));
		n += str_equal(user, s->conn.user) && str_equal(state, "left");
	}
	reply_fini(&reply);
	return n;
}

/* The server decides; this is for what need not be offered. */
bool
session_may(const struct session *s, const struct op *op)
{
	int role;

	for (role = 0; op != NULL && admin_role_names[role] != NULL; role++) {
		if (strcmp(admin_role_names[role], s->conn.role) == 0)
			return op_allows(op, (enum admin_role)role,
			    s->conn.domain[0] != '\0');
	}
	return op != NULL; /* a role that is not known here */
}

void
session_fini(struct session *s)
{
	unconfirmed_end(s);
	session_forget(s);
	conn_fini(&s->conn);
}

int
session_discard(struct session *s, struct err *e)
{
	struct reply reply;
	int r;

	if (s->set_discard == NULL)
		return err_set(e, ERR_UNKNOWN, "this server cannot discard");
	r = conn_call(&s->conn, s->set_discard->name, NULL, &reply);
	if (r == 0)
		s->dirty = s->resumed = false;
	else
		*e = reply.err;
	s->unwanted = r != 0 && s->dirty && s->conn.rpc == NULL;
	reply_fini(&reply);
	return r;
}

long
session_changes(struct session *s, struct reply *reply)
{
	memset(reply, 0, sizeof *reply);
	if (s->set_compare == NULL)
		return 0;
	if (conn_call(&s->conn, s->set_compare->name, NULL, reply) != 0)
		return -1;
	return (long)json_array_size(json_object_get(reply->result, "data"));
}

/* A commit that must be confirmed; one that need not leaves those before it as
 * they are. */
static void
session_committed(struct session *s, json_t *result)
{
	json_t *row = json_array_get(json_object_get(result, "data"), 0);
	const char *text = json_string_value(json_object_get(row, "until"));
	uint64_t until;

	if (text == NULL || !clock_parse(text, &until))
		return;
	s->until = until;
	s->unconfirmed = json_integer_value(json_object_get(row, "rev"));
	unconfirmed_watch(s);
}

void
session_ran(
    struct session *s, const struct op *op, json_t *args, json_t *result)
{
	if (op == s->set_commit)
		session_committed(s, result);
	else if (op == s->set_confirm || op == s->set_undo)
		s->until = 0;
	if (op == s->set_exclusive || op == s->set_private)
		s->exclusive = op == s->set_exclusive;
	if (op == s->set_resume && s->conn.rpc != NULL) {
		rpc_notify(s->conn.rpc, "keep", NULL);
		s->resumed = true;
	}
	if (op == s->set_commit && json_object_get(args, "layer") != NULL)
		s->dirty = true; /* other layers may be left */
	else if (op == s->set_commit)
		s->dirty = s->resumed = false;
	else if (op == s->set_discard &&
	    json_object_get(args, "session") == NULL)
		s->dirty = s->resumed = false;
	else if (op->kind == OP_CONFIG && op != s->set_check &&
	    op != s->set_compare && op != s->set_discard)
		s->dirty = true;
}
