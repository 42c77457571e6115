/*
 * The file that a console logs in with from elsewhere: a private key and the
 * certificate that it signs itself, PEM, readable by nobody else. Whose it is
 * the site says, by the fingerprint of the certificate.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/ca.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define KEYFILE_MAX 65536
#define KEYFILE_NAME 64 /* of a certificate: X.520, ub-common-name */

/* Where we are at home: the environment may not say so, but the current
 * directory, which may be anybody's, never is. */
int
remote_path(char *out, size_t size, const char *name, struct err *e)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home == NULL || home[0] != '/') {
		pw = getpwuid(geteuid());
		home = pw != NULL ? pw->pw_dir : NULL;
	}
	if (home == NULL || home[0] != '/')
		return err_set(e, ERR_CONNECT,
		    "there is no home directory, where .tandem/%s would be: "
		    "HOME says none, and passwd(5) neither",
		    name);
	snprintf(out, size, "%s/.tandem/%s", home, name);
	return 0;
}

int
remote_make_folder(const char *file, struct err *e)
{
	const char *slash = strrchr(file, '/');
	char *folder;
	int r = 0;

	if (slash == NULL || slash == file)
		return 0;
	folder = xstrndup(file, (size_t)(slash - file));
	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		r = err_errno(e, ERR_IO, "%s", folder);
	free(folder);
	return r;
}

void
remote_fingerprint(char out[OP_PRINT], const uint8_t print[CA_PRINT])
{
	str_copy(out, OP_PRINT, "sha256:");
	str_hex(out + strlen("sha256:"), print, CA_PRINT);
}

/* ---- making one ------------------------------------------------------------
 */

/* The words of a certificate for people: who, at which machine. */
static void
keyfile_name(char out[KEYFILE_NAME])
{
	struct passwd *pw = getpwuid(getuid());
	char host[KEYFILE_NAME] = "console";

	if (gethostname(host, sizeof host) == 0)
		host[sizeof host - 1] = '\0';
	snprintf(out, KEYFILE_NAME, "%.30s@%.30s",
	    pw != NULL ? pw->pw_name : "operator", host);
}

/* A new file; what is there already is never written over. */
static int
keyfile_write(
    const char *path, const char *key, const char *certificate, struct err *e)
{
	int fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t nkey = strlen(key), ncert = strlen(certificate);
	bool good;

	if (fd < 0)
		return err_errno(e, ERR_IO, "%s", path);
	good = write(fd, key, nkey) == (ssize_t)nkey &&
	    write(fd, certificate, ncert) == (ssize_t)ncert && fsync(fd) == 0;
	if (!good)
		err_errno(e, ERR_IO, "%s", path);
	if (close(fd) != 0 && good) {
		err_errno(e, ERR_IO, "%s", path);
		good = false;
	}
	if (!good)
		unlink(path);
	return good ? 0 : -ERR_IO;
}

int
keyfile_make(const char *path, char fingerprint[OP_PRINT], struct err *e)
{
	char name[KEYFILE_NAME], *key, *certificate;
	uint8_t print[CA_PRINT];
	int r;

	keyfile_name(name);
	if ((r = ca_make_console(name, &key, &certificate, e)) != 0)
		return r;
	if ((r = ca_print(certificate, print, e)) == 0 &&
	    (r = remote_make_folder(path, e)) == 0)
		r = keyfile_write(path, key, certificate, e);
	remote_fingerprint(fingerprint, print);
	ca_forget(&key);
	free(certificate);
	return r;
}

/* ---- reading it ------------------------------------------------------------
 */

/* The whole of a file that is nobody else's; NULL with the reason. */
static char *
keyfile_text(int fd, struct err *e)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) != 0) {
		err_errno(e, ERR_IO, "cannot be read");
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_REFUSED, "is no regular file");
		return NULL;
	}
	if (st.st_mode & 077) {
		err_set(e, ERR_REFUSED,
		    "others may read this key: chmod 600 takes that away");
		return NULL;
	}
	text = xcalloc(1, KEYFILE_MAX);
	n = read(fd, text, KEYFILE_MAX - 1);
	if (n >= 0)
		return text;
	err_errno(e, ERR_IO, "cannot be read");
	free(text);
	return NULL;
}

int
keyfile_open(const char *path, struct tls_id **id, struct err *e)
{
	/* what is no file must not make us wait for it */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;
	char *text;

	*id = NULL;
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_CONNECT,
		    "%s: there is no such file; tandem --make-certificate %s "
		    "makes one",
		    path, path);
	if (fd < 0)
		return err_errno(e, ERR_CONNECT, "%s", path);
	text = keyfile_text(fd, e);
	close(fd);
	r = text != NULL ? tls_id_console(text, id, e) : -ERR_CONNECT;
	ca_forget(&text);
	if (r != 0) {
		err_wrap(e, "%s", path);
		e->code = ERR_CONNECT;
	}
	return r != 0 ? -ERR_CONNECT : 0;
}
