/*
 * Servers whose certificates were looked at once: lines "HOST:PORT
 * sha256:...", as known_hosts of ssh(1). Only what the system's own
 * authorities do not vouch for is looked up here, and only a person adds to
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/str.h"

void
known_path(char *out, size_t size)
{
	remote_path(out, size, "known_servers");
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

bool
known_find(const char *server, char fingerprint[OP_PRINT])
{
	char path[4096], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *f;

	known_path(path, sizeof path);
	if ((f = fopen(path, "re")) == NULL)
		return false;
	while (!found && getline(&line, &size, f) > 0)
		found = known_line(line, server, fingerprint);
	free(line);
	fclose(f);
	return found;
}

int
known_add(const char *server, const char *fingerprint, struct err *e)
{
	char path[4096];
	FILE *f = NULL;
	bool good;
	int fd, r;

	known_path(path, sizeof path);
	if ((r = remote_make_folder(path, e)) != 0)
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
	char answer[16] = "";

	fprintf(stderr,
	    "tandem: the server %s is not known here, and nobody\n"
	    "whom this system trusts vouches for its certificate. Its "
	    "fingerprint is\n  %s\nCompare it with that of the certificate "
	    "at the server. Remember it, and go on\n(yes, no)? ",
	    server, fingerprint);
	fflush(stderr);
	if (fgets(answer, sizeof answer, stdin) == NULL)
		return false;
	answer[strcspn(answer, "\r\n")] = '\0';
	return strcasecmp(answer, "yes") == 0;
}
