/* Directories and files of tests. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"

static void
scratch_die(const char *what)
{
	perror(what);
	abort();
}

void
scratch_make(char path[64])
{
	const char *tmp = getenv("TMPDIR");

	if (tmp == NULL)
		tmp = "/tmp";
	if (snprintf(path, 64, "%s/tandem-test-XXXXXX", tmp) >= 64 ||
	    mkdtemp(path) == NULL)
		scratch_die(path);
}

static int
scratch_unlink(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
scratch_remove(const char *path)
{
	nftw(path, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

uint8_t *
scratch_read(const char *path, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *p;

	if (fd < 0 || fstat(fd, &st) != 0)
		scratch_die(path);
	*n = (size_t)st.st_size;
	if ((p = malloc(*n + 1)) == NULL || read(fd, p, *n) != (ssize_t)*n)
		scratch_die(path);
	close(fd);
	return p;
}

void
scratch_write(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		scratch_die(path);
	close(fd);
}
