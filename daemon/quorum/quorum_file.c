/*
 * What a quorum process must know before raft can tell it anything: its own
 * id in the group, and where the other servers are. In the directory of the
 * raft log, which passes over files that are not its own:
 *   id       the id in decimal
 *   servers  a line "NAME ADDRESS PORT-BASE" for each, this one too
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quorum.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "replication/disk.h"

#define FILE_MAX 8192

/* A whole small file as text; its length, -1 when it is absent. */
static ssize_t
file_read(const char *dir, const char *name, char out[FILE_MAX])
{
	char path[400];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return -1;
	n = read(fd, out, FILE_MAX - 1);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n;
}

/* Written beside and put in place, so that it is whole or the old one. */
int
file_write(const char *dir, const char *name, const char *text, size_t n,
    struct err *e)
{
	char path[400], part[410];
	int fd, r;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	snprintf(part, sizeof part, "%s.part", path);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, ERR_IO, "%s", part);
	r = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
	close(fd);
	if (!r || rename(part, path) != 0 || disk_sync(dir) != 0)
		return err_errno(e, ERR_IO, "%s", path);
	return 0;
}

bool
file_there(const char *dir, const char *name)
{
	char path[400];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

bool
file_remove(const char *dir, const char *name)
{
	char path[400];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (unlink(path) == 0)
		return true;
	log_warn("%s", path);
	return false;
}

bool
file_number(const char *dir, const char *name, uint64_t *out)
{
	char text[FILE_MAX];
	int64_t n;

	if (file_read(dir, name, text) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	*out = str_int(text, 0, INT64_MAX, &n) ? (uint64_t)n : 0;
	return true;
}

int
file_id(const char *dir, uint64_t *id, struct err *e)
{
	char text[FILE_MAX];
	int64_t n;

	if (file_read(dir, "id", text) >= 0) {
		text[strcspn(text, "\n")] = '\0';
		if (!str_int(text, 1, INT64_MAX, &n))
			return err_set(
			    e, ERR_CORRUPT, "%s/id: \"%.40s\"", dir, text);
		*id = (uint64_t)n;
		return 0;
	}
	rand_bytes(id, sizeof *id);
	*id = (*id >> 1) | 1;
	snprintf(text, sizeof text, "%llu\n", (unsigned long long)*id);
	return file_write(dir, "id", text, strlen(text), e);
}

size_t
file_servers(const char *dir, struct mesh_server *out, size_t room)
{
	char text[FILE_MAX], name[MESH_NAME], host[ADDR_TEXT];
	char *line, *rest = NULL;
	unsigned port;
	size_t n = 0;

	if (file_read(dir, "servers", text) < 0)
		return 0;
	for (line = strtok_r(text, "\n", &rest); line != NULL && n < room;
	     line = strtok_r(NULL, "\n", &rest)) {
		memset(&out[n], 0, sizeof out[n]);
		if (sscanf(line, "%32s %55s %u", name, host, &port) != 3 ||
		    port > UINT16_MAX ||
		    !addr_parse(&out[n].inside, host, (uint16_t)port))
			continue;
		str_copy(out[n++].name, MESH_NAME, name);
	}
	return n;
}

int
file_servers_write(
    const char *dir, const struct mesh_server *s, size_t n, struct err *e)
{
	struct buf b = BUF_INIT;
	char host[ADDR_TEXT];
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		addr_host(host, &s[i].inside);
		buf_fmt(
		    &b, "%s %s %u\n", s[i].name, host, addr_port(&s[i].inside));
	}
	r = b.failed ? err_set(e, ERR_NOMEM, "servers")
		     : file_write(dir, "servers", b.data, b.len, e);
	buf_fini(&b);
	return r;
}
