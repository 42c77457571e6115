/*
 * tandem.conf(5), the boot file: only what a server must know before it can
 * read its streams. One "key value" a line, '#' starts a comment. An error
 * names file, line and what was expected, and nothing is started.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "supervisor.h"
#include "daemon/base/buf.h"
#include "daemon/base/str.h"

#define CONF_MAX 65536

/* A word of lower-case letters, digits and '-', as servers and sites bear. */
static int
conf_name(char *out, size_t size, const char *value, struct err *e)
{
	size_t n = strlen(value);

	if (n == 0 || n >= size || value[0] == '-' ||
	    strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
		return err_set(e, ERR_INVALID,
		    "expected 1 to %zu lower-case letters, digits or '-', "
		    "got \"%s\"",
		    size - 1, value);
	str_copy(out, size, value);
	return 0;
}

static int
conf_path(char *out, size_t size, const char *value, struct err *e)
{
	if (value[0] != '/' || strlen(value) >= size)
		return err_set(e, ERR_INVALID,
		    "expected an absolute path of at most %zu bytes, "
		    "got \"%s\"",
		    size - 1, value);
	str_copy(out, size, value);
	return 0;
}

static int
conf_server(struct conf *c, const char *value, struct err *e)
{
	return conf_name(c->server, sizeof c->server, value, e);
}

static int
conf_site(struct conf *c, const char *value, struct err *e)
{
	return conf_name(c->site, sizeof c->site, value, e);
}

/* It need not be there yet, but a directory it must be. */
static int
conf_state(struct conf *c, const char *value, struct err *e)
{
	struct stat st;
	/* Streams lie below it, and their paths are bounded too. */
	int r = conf_path(c->state, sizeof c->state - 64, value, e);

	if (r == 0 &&
	    (stat(value, &st) == 0 ? !S_ISDIR(st.st_mode) : errno == ENOTDIR))
		r = err_set(
		    e, ERR_INVALID, "expected a directory, got \"%s\"", value);
	return r;
}

static int
conf_inside(struct conf *c, const char *value, struct err *e)
{
	if (!addr_parse(&c->inside, value, 0) || addr_is_any(&c->inside))
		return err_set(e, ERR_INVALID,
		    "expected an IPv4 or IPv6 address of this server, "
		    "got \"%s\"",
		    value);
	return 0;
}

static int
conf_port_base(struct conf *c, const char *value, struct err *e)
{
	int64_t port;

	if (!str_int(value, 1024, 65400, &port))
		return err_set(e, ERR_INVALID,
		    "expected a port from 1024 to 65400, got \"%s\"", value);
	c->port_base = (uint16_t)port;
	return 0;
}

static int
conf_control_socket(struct conf *c, const char *value, struct err *e)
{
	return conf_path(c->control_path, sizeof c->control_path, value, e);
}

static int
conf_control_group(struct conf *c, const char *value, struct err *e)
{
	if (!str_copy(c->control_group, sizeof c->control_group, value))
		return err_set(e, ERR_INVALID, "expected a group's name");
	if (getgrnam(value) == NULL)
		return err_set(
		    e, ERR_ABSENT, "there is no group \"%s\"", value);
	return 0;
}

static int
conf_user(struct conf *c, const char *value, struct err *e)
{
	if (!str_copy(c->user, sizeof c->user, value))
		return err_set(e, ERR_INVALID, "expected a user's name");
	if (getpwnam(value) == NULL)
		return err_set(e, ERR_ABSENT, "there is no user \"%s\"", value);
	return 0;
}

static int
conf_witness(struct conf *c, const char *value, struct err *e)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return err_set(
		    e, ERR_INVALID, "expected yes or no, got \"%s\"", value);
	c->witness = value[0] == 'y';
	return 0;
}

static int
conf_log(struct conf *c, const char *value, struct err *e)
{
	if (strcmp(value, "info") != 0 && strcmp(value, "debug") != 0)
		return err_set(e, ERR_INVALID,
		    "expected info or debug, got \"%s\"", value);
	c->debug = value[0] == 'd';
	return 0;
}

static int
conf_history(struct conf *c, const char *value, struct err *e)
{
	int64_t days;

	if (!str_int(value, 1, 3650, &days))
		return err_set(e, ERR_INVALID,
		    "expected days from 1 to 3650, got \"%s\"", value);
	c->history_days = (uint32_t)days;
	return 0;
}

static int
conf_history_size(struct conf *c, const char *value, struct err *e)
{
	int64_t mib;

	if (!str_int(value, 16, 1 << 20, &mib))
		return err_set(e, ERR_INVALID,
		    "expected MiB from 16 to 1048576, got \"%s\"", value);
	c->history_mib = (uint32_t)mib;
	return 0;
}

static int
conf_trace_size(struct conf *c, const char *value, struct err *e)
{
	int64_t mib;

	if (!str_int(value, 0, 1 << 20, &mib) || (mib > 0 && mib < 16))
		return err_set(e, ERR_INVALID,
		    "expected MiB from 16 to 1048576, or 0, got \"%s\"", value);
	c->trace_mib = (uint32_t)mib;
	return 0;
}

static const struct conf_key {
	const char *name;
	int (*set)(struct conf *, const char *value, struct err *);
	bool required;
} conf_keys[] = {
    {"server", conf_server, true},
    {"site", conf_site, true},
    {"state", conf_state, true},
    {"inside", conf_inside, false},
    {"port-base", conf_port_base, false},
    {"control-socket", conf_control_socket, false},
    {"control-group", conf_control_group, false},
    {"user", conf_user, false},
    {"witness", conf_witness, false},
    {"history", conf_history, false},
    {"history-size", conf_history_size, false},
    {"trace-size", conf_trace_size, false},
    {"log", conf_log, false},
};

#define CONF_KEYS (sizeof conf_keys / sizeof conf_keys[0])

/* What may stand at the start of a line, for an error's words. */
static void
conf_list_keys(struct buf *b)
{
	size_t i;

	for (i = 0; i < CONF_KEYS; i++)
		buf_fmt(b, "%s%s", i > 0 ? ", " : "", conf_keys[i].name);
}

/* Cut a line into its key and value in place; false when it is empty. */
static bool
conf_split(char *line, char **key, char **value)
{
	char *end;

	line[strcspn(line, "#")] = '\0';
	*key = line + strspn(line, " \t\r");
	end = *key + strlen(*key);
	while (end > *key && strchr(" \t\r", end[-1]) != NULL)
		*--end = '\0';
	if (**key == '\0')
		return false;
	end = *key + strcspn(*key, " \t");
	*value = end + strspn(end, " \t");
	*end = '\0';
	return true;
}

static int
conf_line(struct conf *c, char *line, bool seen[CONF_KEYS], struct err *e)
{
	struct buf names = BUF_INIT;
	char *key, *value;
	size_t i;

	if (!conf_split(line, &key, &value))
		return 0;
	for (i = 0; i < CONF_KEYS; i++) {
		if (strcmp(conf_keys[i].name, key) == 0)
			break;
	}
	if (i == CONF_KEYS) {
		conf_list_keys(&names);
		err_set(e, ERR_UNKNOWN, "\"%s\": expected one of: %s", key,
		    names.failed ? "" : names.data);
		buf_fini(&names);
		return -ERR_UNKNOWN;
	}
	if (seen[i])
		return err_set(e, ERR_INVALID, "%s: given twice", key);
	seen[i] = true;
	if (value[strcspn(value, " \t")] != '\0')
		return err_set(e, ERR_INVALID,
		    "%s: expected one word behind it, got \"%s\"", key, value);
	if (conf_keys[i].set(c, value, e) != 0)
		return err_wrap(e, "%s", key);
	return 0;
}

/* Every required key is there; the others get what follows from them. */
static int
conf_finish(
    struct conf *c, const char *name, const bool seen[CONF_KEYS], struct err *e)
{
	size_t i;

	for (i = 0; i < CONF_KEYS; i++) {
		if (conf_keys[i].required && !seen[i])
			return err_set(e, ERR_INVALID,
			    "%s: expected a line \"%s ...\"", name,
			    conf_keys[i].name);
	}
	if (c->control_path[0] == '\0' &&
	    snprintf(c->control_path, sizeof c->control_path, "%s/control.sock",
		c->state) >= (int)sizeof c->control_path)
		return err_set(e, ERR_INVALID,
		    "%s: state: too long for a socket in it; give "
		    "control-socket",
		    name);
	return 0;
}

int
conf_parse(struct conf *c, const char *name, const char *text, struct err *e)
{
	bool seen[CONF_KEYS] = {false};
	char line[1024];
	unsigned number = 0;
	size_t n;

	memset(c, 0, sizeof *c);
	addr_parse(&c->inside, "127.0.0.1", 0);
	c->port_base = 20000;
	c->history_days = 7;
	c->history_mib = 1024;
	c->trace_mib = 1024;
	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		number++;
		if (n >= sizeof line)
			return err_set(e, ERR_TOOBIG,
			    "%s:%u: a line has at most %zu bytes", name, number,
			    sizeof line - 1);
		str_ncopy(line, sizeof line, text, n);
		if (conf_line(c, line, seen, e) != 0)
			return err_wrap(e, "%s:%u", name, number);
	}
	return conf_finish(c, name, seen, e);
}

int
conf_read(struct conf *c, const char *path, struct err *e)
{
	char *text;
	FILE *f = fopen(path, "re");
	size_t n;
	int r;

	if (f == NULL)
		return err_errno(e, ERR_IO, "%s", path);
	text = calloc(1, CONF_MAX + 1);
	n = text != NULL ? fread(text, 1, CONF_MAX, f) : 0;
	if (text == NULL || ferror(f))
		r = err_errno(e, ERR_IO, "%s", path);
	else if (n == CONF_MAX || strlen(text) != n)
		r = err_set(e, ERR_INVALID,
		    "%s: expected text of at most %d bytes", path,
		    CONF_MAX - 1);
	else
		r = conf_parse(c, path, text, e);
	free(text);
	fclose(f);
	return r;
}
