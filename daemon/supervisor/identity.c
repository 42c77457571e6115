/*
 * The identity of a server: its key and certificate, and the CA of the
 * cluster, which every server has whole, so that any of them can let others
 * join. Certificates are good for ten years and not renewed (ca.h).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"
#include "supervisor.h"
#include "daemon/base/buf.h"
#include "daemon/base/str.h"

#define IDENTITY_FILE 65536 /* bytes, more than any of ours has */
#define IDENTITY_PATH 400

static void
identity_path(char out[IDENTITY_PATH], const char *state, const char *file)
{
	snprintf(out, IDENTITY_PATH, "%.360s/%.24s", state, file);
}

/* A whole file as text, to be forgotten; NULL with errno in the error. */
static char *
identity_read(const char *state, const char *file, struct err *e)
{
	char path[IDENTITY_PATH], *text;
	FILE *f;
	size_t n;

	identity_path(path, state, file);
	if ((f = fopen(path, "re")) == NULL) {
		err_errno(e, errno == ENOENT ? ERR_ABSENT : ERR_IO, "%s", path);
		return NULL;
	}
	text = calloc(1, IDENTITY_FILE);
	n = text != NULL ? fread(text, 1, IDENTITY_FILE - 1, f) : 0;
	if (text == NULL || ferror(f) || strlen(text) != n) {
		err_set(e, ERR_IO, "%s: cannot be read", path);
		ca_forget(&text);
	}
	fclose(f);
	return text;
}

/* A directory's entry is on disk when the directory is. */
static int
identity_sync_dir(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0 || fsync(fd) != 0)
		r = err_errno(e, ERR_IO, "%s", path);
	if (fd >= 0)
		close(fd);
	return r;
}

int
identity_write(const char *path, const char *text, unsigned mode, struct err *e)
{
	char temp[IDENTITY_PATH + 8];
	size_t n = strlen(text);
	int fd;

	snprintf(temp, sizeof temp, "%s.new", path);
	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(e, ERR_IO, "%s", temp);
	if (fchmod(fd, mode) != 0 || write(fd, text, n) != (ssize_t)n ||
	    fsync(fd) != 0 || rename(temp, path) != 0) {
		err_errno(e, ERR_IO, "%s", temp);
		close(fd);
		unlink(temp);
		return -ERR_IO;
	}
	close(fd);
	str_ncopy(temp, sizeof temp, path, (size_t)(strrchr(path, '/') - path));
	return identity_sync_dir(temp, e);
}

static int
identity_mkdir(const char *path, struct err *e)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_errno(e, ERR_IO, "%s", path);
	return 0;
}

/* The key, the certificate and the CA as one file below a directory. */
static int
identity_store(const char *dir, const char *key, const char *certificate,
    const char *ca, const char *ca_key, struct err *e)
{
	char path[IDENTITY_PATH], *all;
	int r;

	if (asprintf(&all, "%s%s%s", key, certificate, ca) < 0)
		return err_set(e, ERR_NOMEM, "identity");
	identity_path(path, dir, "ca.key");
	if ((r = identity_write(path, ca_key, 0600, e)) == 0) {
		identity_path(path, dir, "identity.pem");
		r = identity_write(path, all, 0600, e);
	}
	ca_forget(&all);
	return r != 0 ? r : identity_sync_dir(dir, e);
}

/* A key of our own and a certificate for it. */
static int
identity_self(const char *server, const char *ca_key, const char *ca,
    char **key, char **certificate, struct err *e)
{
	uint8_t point[CA_POINT];
	int r;

	if ((r = ca_key_make(key, e)) != 0 ||
	    (r = ca_point(*key, point, e)) != 0)
		return r;
	return ca_sign(ca_key, ca, server, point, certificate, e);
}

/* A new cluster, in place at once or not at all. */
static int
identity_make(const char *state, const char *server, struct err *e)
{
	char *ca_key = NULL, *ca = NULL, *key = NULL, *certificate = NULL;
	char dir[IDENTITY_PATH], temp[IDENTITY_PATH], id[CA_ID];
	int r;

	identity_path(dir, state, "tls");
	identity_path(temp, state, "tls.new");
	if ((r = ca_make(id, &ca_key, &ca, e)) == 0 &&
	    (r = identity_self(server, ca_key, ca, &key, &certificate, e)) ==
		0 &&
	    (r = identity_mkdir(temp, e)) == 0)
		r = identity_store(temp, key, certificate, ca, ca_key, e);
	if (r == 0 && rename(temp, dir) != 0)
		r = err_errno(e, ERR_IO, "%s", dir);
	ca_forget(&ca_key);
	ca_forget(&key);
	free(ca);
	free(certificate);
	return r != 0 ? r : identity_sync_dir(state, e);
}

/* The blocks of an identity; all NULL or all set. */
static int
identity_split(
    const char *pem, char **key, char **certificate, char **ca, struct err *e)
{
	const char *rest = "";

	*key = ca_block(pem, "PRIVATE KEY", NULL);
	*certificate = ca_block(pem, "CERTIFICATE", &rest);
	*ca = ca_block(rest, "CERTIFICATE", NULL);
	if (*key != NULL && *certificate != NULL && *ca != NULL)
		return 0;
	ca_forget(key);
	ca_forget(certificate);
	ca_forget(ca);
	return err_set(
	    e, ERR_CORRUPT, "expected a private key and two certificates");
}

/* Is it the first start of a server that never joined? One that has joined
 * and lost its identity must not found a cluster of its own. */
static int
identity_is_first(const char *state, struct err *e)
{
	char path[IDENTITY_PATH];

	identity_path(path, state, "servers");
	if (access(path, F_OK) != 0)
		return 0;
	return err_set(e, ERR_CORRUPT,
	    "%s/tls: absent, though this server has joined a site or begun "
	    "to; join again with a token in its name",
	    state);
}

/* What was read is whole and this server's. */
static int
identity_check(const char *pem, const char *ca_key, const char *server,
    char cluster[CA_ID], struct err *e)
{
	char *key, *certificate, *ca, name[CA_NAME];
	int r;

	if ((r = identity_split(pem, &key, &certificate, &ca, e)) != 0)
		return r;
	if ((r = ca_check(key, certificate, ca, e)) == 0 &&
	    (r = ca_check(ca_key, ca, ca, e)) == 0 &&
	    (r = ca_subject(ca, cluster, CA_ID, e)) == 0 &&
	    (r = ca_subject(certificate, name, sizeof name, e)) == 0 &&
	    strcmp(name, server) != 0)
		r = err_set(e, ERR_CORRUPT,
		    "it is server %s's, the boot file says %s", name, server);
	ca_forget(&key);
	free(certificate);
	free(ca);
	return r != 0 ? -ERR_CORRUPT : 0;
}

int
identity_load(
    const char *state, const char *server, struct identity *id, struct err *e)
{
	char dir[IDENTITY_PATH], *ca_key;
	int r;

	memset(id, 0, sizeof *id);
	identity_path(dir, state, "tls");
	if (access(dir, F_OK) != 0 &&
	    ((r = identity_is_first(state, e)) != 0 ||
		(r = identity_make(state, server, e)) != 0))
		return r;
	id->pem = identity_read(dir, "identity.pem", e);
	ca_key = id->pem != NULL ? identity_read(dir, "ca.key", e) : NULL;
	if (ca_key == NULL)
		r = -ERR_CORRUPT;
	else if ((r = identity_check(
		      id->pem, ca_key, server, id->cluster, e)) != 0)
		err_wrap(e, "%s", dir);
	ca_forget(&ca_key);
	if (r != 0)
		identity_fini(id);
	return r;
}

void
identity_fini(struct identity *id)
{
	ca_forget(&id->pem);
}

/* ---- giving ------------------------------------------------------------- */

int
identity_give(const char *state, const char *server,
    const uint8_t point[CA_POINT], struct identity_gift *g, struct err *e)
{
	char *pem = identity_read(state, "tls/identity.pem", e), *key, *own;
	int r = -ERR_CORRUPT;

	memset(g, 0, sizeof *g);
	if (pem != NULL &&
	    (r = identity_split(pem, &key, &own, &g->ca, e)) == 0) {
		ca_forget(&key);
		free(own);
	}
	ca_forget(&pem);
	if (r == 0 &&
	    ((g->ca_key = identity_read(state, "tls/ca.key", e)) == NULL ||
		(g->keys = identity_read(state, "keys", e)) == NULL))
		r = -ERR_CORRUPT;
	if (r == 0)
		r = ca_sign(
		    g->ca_key, g->ca, server, point, &g->certificate, e);
	if (r != 0)
		identity_gift_fini(g);
	return r;
}

void
identity_gift_fini(struct identity_gift *g)
{
	ca_forget(&g->certificate);
	ca_forget(&g->ca);
	ca_forget(&g->ca_key);
	ca_forget(&g->keys);
}

/* ---- taking ------------------------------------------------------------- */

/* Is anything in the directory, or is it no directory? */
static bool
identity_is_filled(const char *path)
{
	struct dirent *d;
	DIR *dir = opendir(path);
	bool filled = false;

	if (dir == NULL)
		return errno != ENOENT;
	while (!filled && (d = readdir(dir)) != NULL)
		filled = strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0;
	closedir(dir);
	return filled;
}

int
identity_blank(const char *state, struct err *e)
{
	static const char *const kept[] = {"tls", "streams", "log"};
	char path[IDENTITY_PATH];
	size_t i;

	for (i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		identity_path(path, state, kept[i]);
		if (identity_is_filled(path))
			return err_set(e, ERR_CONFLICT,
			    "%s: this server has state already; a server "
			    "joins with an empty state directory",
			    path);
	}
	return 0;
}

/* The file "servers": a line "site NAME", of a witness a line "witness", then
 * "server NAME ADDRESS PORT" for each. */
static int
identity_write_servers(
    const char *dir, const struct identity_site *s, struct err *e)
{
	struct buf b = BUF_INIT;
	char path[IDENTITY_PATH], host[ADDR_TEXT];
	size_t i;
	int r;

	buf_fmt(&b, "site %s\n%s", s->name, s->witness ? "witness\n" : "");
	for (i = 0; i < s->n; i++) {
		addr_host(host, &s->servers[i].inside);
		buf_fmt(&b, "server %s %s %u\n", s->servers[i].name, host,
		    addr_port(&s->servers[i].inside));
	}
	identity_path(path, dir, "servers");
	r = b.failed ? err_set(e, ERR_NOMEM, "servers")
		     : identity_write(path, b.data, 0640, e);
	buf_fini(&b);
	return r;
}

/* Everything beside its place, as a state directory of its own, and checked
 * as one. */
static int
identity_stage(const char *stage, const char *server, const char *key,
    const struct identity_gift *g, const struct identity_site *s, struct err *e)
{
	char path[IDENTITY_PATH];
	struct identity id;
	struct keys keys;
	int r;

	identity_path(path, stage, "tls");
	if ((r = identity_mkdir(stage, e)) != 0 ||
	    (r = identity_mkdir(path, e)) != 0 ||
	    (r = identity_store(
		 path, key, g->certificate, g->ca, g->ca_key, e)) != 0 ||
	    (r = identity_write_servers(stage, s, e)) != 0)
		return r;
	identity_path(path, stage, "keys");
	if ((r = identity_write(path, g->keys, 0600, e)) != 0 ||
	    (r = keys_load(&keys, stage, e)) != 0 ||
	    (r = identity_load(stage, server, &id, e)) != 0)
		return r;
	memset(&keys, 0, sizeof keys);
	identity_fini(&id);
	return identity_sync_dir(stage, e);
}

int
identity_take(const char *state, const char *server, const char *key,
    const struct identity_gift *g, const struct identity_site *s, struct err *e)
{
	/* The identity is the last: it tells that the rest is there. */
	static const char *const parts[] = {"servers", "keys", "tls"};
	char stage[IDENTITY_PATH], from[IDENTITY_PATH + 16], to[IDENTITY_PATH];
	size_t i;
	int r;

	identity_path(stage, state, "join.new");
	if ((r = identity_stage(stage, server, key, g, s, e)) != 0)
		return r;
	for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		snprintf(from, sizeof from, "%s/%s", stage, parts[i]);
		identity_path(to, state, parts[i]);
		/* "tls" may be there, empty. */
		if (rename(from, to) != 0)
			return err_errno(e, ERR_IO, "%s", to);
		if ((r = identity_sync_dir(state, e)) != 0)
			return r;
	}
	rmdir(stage);
	return 0;
}

/* One line of "servers"; false when it is none of a server. */
static bool
identity_parse_server(const char *line, struct mesh_server *s)
{
	char name[CA_NAME], host[ADDR_TEXT];
	unsigned port;

	if (sscanf(line, "server %32s %55s %u", name, host, &port) != 3 ||
	    port > 65535 || !ca_name_good(name, strlen(name)))
		return false;
	memset(s, 0, sizeof *s);
	str_copy(s->name, sizeof s->name, name);
	return addr_parse(&s->inside, host, (uint16_t)port);
}

size_t
identity_servers(const char *state, struct mesh_server *out, size_t room)
{
	char path[IDENTITY_PATH], line[256];
	size_t n = 0;
	FILE *f;

	identity_path(path, state, "servers");
	if ((f = fopen(path, "re")) == NULL)
		return 0;
	while (n < room && fgets(line, sizeof line, f) != NULL)
		n += identity_parse_server(line, &out[n]);
	fclose(f);
	return n;
}

int
identity_check_witness(const char *state, bool witness, struct err *e)
{
	char path[IDENTITY_PATH], line[256];
	bool joined = false, was = false;
	FILE *f;

	identity_path(path, state, "servers");
	if ((f = fopen(path, "re")) != NULL) {
		joined = true;
		while (!was && fgets(line, sizeof line, f) != NULL)
			was = strcmp(line, "witness\n") == 0;
		fclose(f);
	}
	if (was == witness)
		return 0;
	if (!joined)
		return err_set(e, ERR_CONFLICT,
		    "witness yes: this server is of no site yet; a witness "
		    "joins one, see tandemd(8)");
	return err_set(e, ERR_CONFLICT,
	    "witness %s: this server has joined as %s; take it out of the "
	    "site and let it join anew",
	    witness ? "yes" : "no", was ? "a witness" : "one with data");
}
