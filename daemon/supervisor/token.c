/*
 * Tokens for joining, in <state>/tls/tokens, a line each:
 *     HASH EXPIRES NAME BEGUN good|used
 * hash in hexadecimal, "-" for a name that is not set. The file is written
 * whole at every change and before the change is answered, so a token is used
 * at most once whatever crashes. Those that expired a day ago are dropped.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity.h"
#include "daemon/base/buf.h"
#include "daemon/base/crypt.h"
#include "daemon/base/str.h"

#define TOKEN_PATH 400
#define TOKEN_KEPT UINT64_C(86400) /* to be told "expired", not "unknown" */

struct tokens {
	struct token list[TOKENS_MAX];
	size_t n;
};

static void
token_path(char out[TOKEN_PATH], const char *state)
{
	snprintf(out, TOKEN_PATH, "%s/tls/tokens", state);
}

static bool
token_parse(const char *line, struct token *t)
{
	char hash[2 * TOKEN_HASH + 1], used[8];
	unsigned long long expires;

	memset(t, 0, sizeof *t);
	if (sscanf(line, "%64s %llu %32s %32s %7s", hash, &expires, t->name,
		t->begun, used) != 5 ||
	    str_unhex(t->hash, sizeof t->hash, hash, strlen(hash)) !=
		TOKEN_HASH)
		return false;
	t->expires = expires;
	t->used = strcmp(used, "used") == 0;
	if (strcmp(t->name, "-") == 0)
		t->name[0] = '\0';
	if (strcmp(t->begun, "-") == 0)
		t->begun[0] = '\0';
	return true;
}

/* All that are kept; a file that is absent holds none. */
static int
token_read(const char *state, struct tokens *all, uint64_t now, struct err *e)
{
	char path[TOKEN_PATH], line[256];
	struct token t;
	FILE *f;
	int r = 0;

	all->n = 0;
	token_path(path, state);
	if ((f = fopen(path, "re")) == NULL)
		return errno == ENOENT ? 0 : err_errno(e, ERR_IO, "%s", path);
	while (r == 0 && fgets(line, sizeof line, f) != NULL) {
		if (!token_parse(line, &t))
			r = err_set(e, ERR_CORRUPT, "%s", path);
		else if (t.expires + TOKEN_KEPT > now && all->n < TOKENS_MAX)
			all->list[all->n++] = t;
	}
	fclose(f);
	return r;
}

static int
token_write(const char *state, const struct tokens *all, struct err *e)
{
	char path[TOKEN_PATH], hash[2 * TOKEN_HASH + 1];
	struct buf b = BUF_INIT;
	const struct token *t;
	int r;

	for (t = all->list; t < all->list + all->n; t++) {
		str_hex(hash, t->hash, TOKEN_HASH);
		buf_fmt(&b, "%s %llu %s %s %s\n", hash,
		    (unsigned long long)t->expires,
		    t->name[0] != '\0' ? t->name : "-",
		    t->begun[0] != '\0' ? t->begun : "-",
		    t->used ? "used" : "good");
	}
	token_path(path, state);
	r = b.failed
	    ? err_set(e, ERR_NOMEM, "tokens")
	    : identity_write(path, b.data != NULL ? b.data : "", 0600, e);
	buf_fini(&b);
	return r;
}

/* The first that nobody will miss: used up, or expired; NULL = none. */
static struct token *
token_spare(struct tokens *all, uint64_t now)
{
	size_t i;

	for (i = 0; i < all->n; i++) {
		if (all->list[i].used || all->list[i].expires <= now)
			return &all->list[i];
	}
	return NULL;
}

int
token_add(const char *state, const uint8_t hash[TOKEN_HASH], const char *name,
    uint64_t expires, uint64_t now, struct err *e)
{
	struct tokens all;
	struct token *t;
	int r;

	if ((r = token_read(state, &all, now, e)) != 0)
		return r;
	if (all.n < TOKENS_MAX)
		t = &all.list[all.n++];
	else if ((t = token_spare(&all, now)) == NULL)
		return err_set(e, ERR_FULL,
		    "%d tokens are open; wait until one expires", TOKENS_MAX);
	memset(t, 0, sizeof *t);
	memcpy(t->hash, hash, TOKEN_HASH);
	str_copy(t->name, sizeof t->name, name);
	t->expires = expires;
	return token_write(state, &all, e);
}

/* The token of a hash that may still be used for the name. */
static int
token_find(struct tokens *all, const uint8_t hash[TOKEN_HASH], const char *name,
    uint64_t now, struct token **out, struct err *e)
{
	struct token *t = NULL;
	size_t i;

	for (i = 0; i < all->n; i++) {
		if (crypt_equal(all->list[i].hash, hash, TOKEN_HASH))
			t = &all->list[i];
	}
	if (t == NULL)
		return err_set(
		    e, ERR_PERMISSION, "this server does not know the token");
	if (t->used)
		return err_set(
		    e, ERR_PERMISSION, "the token has been used already");
	if (t->expires <= now)
		return err_set(e, ERR_PERMISSION, "the token has expired");
	if (t->name[0] != '\0' && strcmp(t->name, name) != 0)
		return err_set(e, ERR_PERMISSION,
		    "the token is for server %s, not %s", t->name, name);
	if (t->begun[0] != '\0' && strcmp(t->begun, name) != 0)
		return err_set(e, ERR_PERMISSION,
		    "server %s has begun to join with the token", t->begun);
	*out = t;
	return 0;
}

int
token_check(const char *state, const uint8_t hash[TOKEN_HASH], const char *name,
    uint64_t now, bool *again, bool *named, struct err *e)
{
	struct tokens all;
	struct token *t;
	int r;

	if ((r = token_read(state, &all, now, e)) != 0 ||
	    (r = token_find(&all, hash, name, now, &t, e)) != 0)
		return r;
	*again = t->begun[0] != '\0';
	*named = t->name[0] != '\0';
	return 0;
}

int
token_begin(const char *state, const uint8_t hash[TOKEN_HASH], const char *name,
    uint64_t now, struct err *e)
{
	struct tokens all;
	struct token *t;
	int r;

	if ((r = token_read(state, &all, now, e)) != 0 ||
	    (r = token_find(&all, hash, name, now, &t, e)) != 0)
		return r;
	if (t->begun[0] != '\0')
		return 0;
	str_copy(t->begun, sizeof t->begun, name);
	return token_write(state, &all, e);
}

int
token_use(const char *state, const uint8_t hash[TOKEN_HASH], const char *name,
    uint64_t now, struct err *e)
{
	struct tokens all;
	struct token *t;
	int r;

	if ((r = token_read(state, &all, now, e)) != 0 ||
	    (r = token_find(&all, hash, name, now, &t, e)) != 0)
		return r;
	t->used = true;
	return token_write(state, &all, e);
}
