/*
 * The class keys of DESIGN 13 in <state>/keys: a line "name hex" each,
 * readable by the supervisor alone. They are made at the first start and
 * must be kept with the state: without them no stored secret opens.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor.h"
#include "daemon/base/str.h"

#define KEYS_LINE 128

/* The place of a key by its name; NULL when there is none. */
static uint8_t *
keys_find(struct keys *k, const char *name)
{
	if (strcmp(name, "site") == 0)
		return k->site;
	if (strcmp(name, "auth") == 0)
		return k->auth;
	if (strcmp(name, "certificate") == 0)
		return k->certificate;
	return NULL;
}

static int
keys_read(struct keys *k, const char *path, FILE *f, struct err *e)
{
	char line[KEYS_LINE], name[16], hex[2 * CRYPT_KEY + 1];
	unsigned number = 0, found = 0;
	uint8_t *to;

	while (fgets(line, sizeof line, f) != NULL) {
		number++;
		if (sscanf(line, "%15s %64s", name, hex) != 2 ||
		    (to = keys_find(k, name)) == NULL ||
		    str_unhex(to, CRYPT_KEY, hex, strlen(hex)) != CRYPT_KEY)
			return err_set(e, ERR_CORRUPT,
			    "%s:%u: expected site, auth or certificate and "
			    "%d hexadecimal digits",
			    path, number, 2 * CRYPT_KEY);
		found++;
	}
	if (found != 3)
		return err_set(e, ERR_CORRUPT, "%s: expected 3 keys, found %u",
		    path, found);
	return 0;
}

/* Write new keys whole or not at all. */
static int
keys_make(struct keys *k, const char *path, struct err *e)
{
	char temp[310], text[512], site[65], auth[65], certificate[65];
	int fd, n;

	rand_bytes(k, sizeof *k);
	str_hex(site, k->site, CRYPT_KEY);
	str_hex(auth, k->auth, CRYPT_KEY);
	str_hex(certificate, k->certificate, CRYPT_KEY);
	n = snprintf(text, sizeof text, "site %s\nauth %s\ncertificate %s\n",
	    site, auth, certificate);
	snprintf(temp, sizeof temp, "%s.new", path);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, ERR_IO, "%s", temp);
	if (write(fd, text, (size_t)n) != n || fsync(fd) != 0 ||
	    rename(temp, path) != 0) {
		err_errno(e, ERR_IO, "%s", temp);
		close(fd);
		return -ERR_IO;
	}
	close(fd);
	return 0;
}

int
keys_load(struct keys *k, const char *state, struct err *e)
{
	char path[300];
	FILE *f;
	int r;

	snprintf(path, sizeof path, "%s/keys", state);
	if ((f = fopen(path, "re")) == NULL) {
		if (errno != ENOENT)
			return err_errno(e, ERR_IO, "%s", path);
		return keys_make(k, path, e);
	}
	r = keys_read(k, path, f, e);
	fclose(f);
	return r;
}
