/*
 * Servers whose certificates were looked at once: lines "HOST:PORT
 * sha256:...", as known_hosts of ssh(1). Only a person adds to it, one server
 * at a time, which has that certificate from then on and no other: nobody
 * vouches for another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/str.h"

int
known_path(char *out, size_t size, struct err *e)
{
	return remote_path(out, size, "known_servers", e);
}

/* Is the line of this server? Its fingerprint then. */
static bool
known_line(char *line, const char *server, char fingerprint[OP_PRINT])
{
	static const struct op_field f = {
	    .name = "fingerprint", .type = &op_type_fingerprint};
	size_t n = strcspn(line, " \t");
	char *print = line + n + strspn(line + n, " \t");

	print[strcspn(print, " \t\r\n")] = '\0';
	return n == strlen(server) && strncasecmp(line, server, n) == 0 &&
	    op_parse(&f, print, fingerprint, OP_PRINT, NULL) == 0;
}

/* What others may have written says nothing. */
static int
known_check(FILE *f, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fileno(f), &st) != 0)
		return err_errno(e, ERR_CONNECT, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONNECT, "%s: is no regular file", path);
	if (st.st_mode & 022)
		return err_set(e, ERR_CONNECT,
		    "%s: others may write it: chmod 600 takes that away, look "
		    "first at what it says",
		    path);
	return 0;
}

int
known_find(const char *server, char fingerprint[OP_PRINT], struct err *e)
{
	char path[4096], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *f = NULL;
	int fd, r;

	fingerprint[0] = '\0';
	if ((r = known_path(path, sizeof path, e)) != 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd >= 0 && (f = fdopen(fd, "r")) == NULL)
		close(fd);
	if (f == NULL)
		return err_errno(e, ERR_CONNECT, "%s", path);
	if ((r = known_check(f, path, e)) == 0) {
		while (!found && getline(&line, &size, f) > 0)
			found = known_line(line, server, fingerprint);
		if (!found)
			fingerprint[0] = '\0';
	}
	free(line);
	fclose(f);
	return r;
}

int
known_add(const char *server, const char *fingerprint, struct err *e)
{
	char path[4096];
	FILE *f = NULL;
	bool good;
	int fd, r;

	if ((r = known_path(path, sizeof path, e)) != 0 ||
	    (r = remote_make_folder(path, e)) != 0)
		return r;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0 && (f = fdopen(fd, "a")) == NULL)
		close(fd);
	if (f == NULL)
		return err_errno(e, ERR_IO, "%s", path);
	good = fprintf(f, "%s %s\n", server, fingerprint) > 0;
	if (fclose(f) != 0 || !good)
		return err_errno(e, ERR_IO, "%s", path);
	return 0;
}

/* ---- a person --------------------------------------------------------------
 */

bool
known_ask(const char *server, const char *fingerprint)
{
	char *answer = NULL;
	bool yes = false;
	size_t size = 0;

	fprintf(stderr,
	    "tandem: the server %s is not known here, and nobody\n"
	    "whom this system trusts vouches for its certificate. Its "
	    "fingerprint is\n  %s\nCompare it with that of the certificate "
	    "at the server. Remember it, and go on\n(yes, no)? ",
	    server, fingerprint);
	fflush(stderr);
	/* nothing else is an answer: asked again, to the end of the input */
	while (getline(&answer, &size, stdin) > 0) {
		answer[strcspn(answer, "\r\n")] = '\0';
		yes = strcasecmp(answer, "yes") == 0;
		if (yes || strcasecmp(answer, "no") == 0)
			break;
		fprintf(stderr, "Please answer yes or no: ");
		fflush(stderr);
	}
	free(answer);
	return yes;
}
