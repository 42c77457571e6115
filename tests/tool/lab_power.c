/*
 * The loss of power of a lab's server, all of whose processes are dead: of the
 * writes that nobody synced (tests/lab/power.c) some did not reach the disk.
 * Of a quarter of the files nothing is lost, of another all of it, of the rest
 * each sector, and the new size, by chance.
 *
 * usage: lab_power STATE SEED      prints what was lost
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lab/power.h"

#define SECTOR 512

struct entry {
	struct power_entry head;
	const uint8_t *old;
};

/* A file and what was written to it since its last sync. */
struct file {
	char key[POWER_KEY];
	struct entry *entry;
	size_t n;
	uint64_t synced; /* when the last sync began that was done */
};

static struct power {
	const char *state;
	struct file *file;
	size_t n;
	unsigned files, sectors;
} self;

static void
die(const char *what)
{
	fprintf(stderr, "lab_power: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *
more(void *list, size_t n, size_t size)
{
	if ((list = realloc(list, (n + 1) * size)) == NULL)
		die("memory");
	return list;
}

/* ---- journals ----------------------------------------------------------- */

static struct file *
file_of(const char *key)
{
	struct file *f;
	size_t i;

	for (i = 0; i < self.n; i++) {
		if (strcmp(self.file[i].key, key) == 0)
			return &self.file[i];
	}
	self.file = more(self.file, self.n, sizeof *self.file);
	f = &self.file[self.n++];
	memset(f, 0, sizeof *f);
	snprintf(f->key, sizeof f->key, "%s", key);
	return f;
}

/* Its bytes stay in memory. The last entry may be cut short: then what it is
 * about was not written. */
static void
journal_read(const char *path, struct file *f)
{
	FILE *in = fopen(path, "r");
	struct stat st;
	uint8_t *bytes;
	size_t at = 0, n;
	struct entry e;

	if (in == NULL || fstat(fileno(in), &st) != 0)
		die(path);
	n = (size_t)st.st_size;
	bytes = more(NULL, n, 1);
	if (fread(bytes, 1, n, in) != n)
		die(path);
	fclose(in);
	while (n - at >= sizeof e.head) {
		memcpy(&e.head, bytes + at, sizeof e.head);
		at += sizeof e.head;
		if (e.head.magic != POWER_MAGIC || n - at < e.head.old_len)
			break;
		e.old = bytes + at;
		at += e.head.old_len;
		f->entry = more(f->entry, f->n, sizeof *f->entry);
		f->entry[f->n++] = e;
	}
}

static void
synced_read(const char *path, struct file *f)
{
	FILE *in = fopen(path, "r");
	uint64_t at;

	if (in == NULL)
		die(path);
	while (fread(&at, sizeof at, 1, in) == 1) {
		if (at > f->synced)
			f->synced = at;
	}
	fclose(in);
}

static int
entry_order(const void *a, const void *b)
{
	uint64_t x = ((const struct entry *)a)->head.at,
		 y = ((const struct entry *)b)->head.at;

	return (x > y) - (x < y);
}

/* What is on disk is not lost; the rest in the order in which it was written.
 */
static void
file_sort(struct file *f)
{
	size_t i, n = 0;

	for (i = 0; i < f->n; i++) {
		if (f->entry[i].head.at >= f->synced)
			f->entry[n++] = f->entry[i];
	}
	f->n = n;
	if (n != 0)
		qsort(f->entry, n, sizeof *f->entry, entry_order);
}

static void
journals_read(void)
{
	char path[600], key[POWER_KEY];
	struct dirent *d;
	struct file *f;
	size_t i;
	DIR *dir;

	snprintf(path, sizeof path, "%s/power", self.state);
	if ((dir = opendir(path)) == NULL)
		die(path);
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(key, sizeof key, "%.*s", (int)strcspn(d->d_name, "."),
		    d->d_name);
		snprintf(
		    path, sizeof path, "%s/power/%s", self.state, d->d_name);
		f = file_of(key);
		if (strstr(d->d_name, POWER_SYNCED) != NULL)
			synced_read(path, f);
		else
			journal_read(path, f);
		unlink(path);
	}
	closedir(dir);
	for (i = 0; i < self.n; i++)
		file_sort(&self.file[i]);
}

/* ---- losses ------------------------------------------------------------- */

enum fate { FATE_NOTHING, FATE_ALL, FATE_CHANCE };

/* The same for every write to the same sector. */
static bool
sector_lost(enum fate fate, uint64_t salt, uint64_t sector)
{
	uint64_t x = (salt ^ sector) * 0x9e3779b97f4a7c15u;

	return fate == FATE_ALL || (fate == FATE_CHANCE && (x >> 40) % 2 != 0);
}

/* Put back what stood in the sectors of a write that were lost. */
static void
entry_undo(int fd, const struct entry *e, enum fate fate, uint64_t salt)
{
	static const uint8_t zeros[SECTOR];
	uint64_t at = e->head.off, end = e->head.off + e->head.len, next, old;

	for (; at < end; at = next) {
		next = (at / SECTOR + 1) * SECTOR;
		if (next > end)
			next = end;
		if (!sector_lost(fate, salt, at / SECTOR))
			continue;
		self.sectors++;
		old = e->head.off + e->head.old_len;
		old = old <= at ? 0 : old >= next ? next - at : old - at;
		if ((old != 0 &&
			pwrite(fd, e->old + (at - e->head.off), old,
			    (off_t)at) < 0) ||
		    (old < next - at &&
			pwrite(fd, zeros, next - at - old, (off_t)(at + old)) <
			    0))
			die("undo");
	}
}

static void
file_lose(const char *path, const struct file *f)
{
	static const enum fate fates[] = {
	    FATE_NOTHING, FATE_ALL, FATE_CHANCE, FATE_CHANCE};
	enum fate fate = fates[lrand48() % 4];
	uint64_t salt = (uint64_t)lrand48() << 20 ^ (uint64_t)lrand48();
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	size_t i;

	if (fd < 0 || fstat(fd, &st) != 0)
		die(path);
	if (fate == FATE_ALL || (fate == FATE_CHANCE && lrand48() % 2 != 0))
		st.st_size = (off_t)f->entry[0].head.old_size;
	for (i = f->n; i-- > 0 && fate != FATE_NOTHING;)
		entry_undo(fd, &f->entry[i], fate, salt);
	if (ftruncate(fd, st.st_size) != 0)
		die(path);
	close(fd);
	self.files++;
}

static int
walk(const char *path, const struct stat *st, int type)
{
	char key[POWER_KEY];
	struct statx sx;
	size_t i;

	(void)st;
	if (type != FTW_F ||
	    statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME,
		&sx) != 0)
		return 0;
	power_key(key, &sx);
	for (i = 0; i < self.n; i++) {
		if (strcmp(self.file[i].key, key) == 0 && self.file[i].n != 0)
			file_lose(path, &self.file[i]);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static const char *const parts[] = {"streams", "log", "history"};
	char path[600];
	size_t i;

	if (argc != 3) {
		fprintf(stderr, "usage: lab_power STATE SEED\n");
		return 2;
	}
	self.state = argv[1];
	srand48(atol(argv[2]));
	journals_read();
	for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", self.state, parts[i]);
		if (access(path, F_OK) == 0 && ftw(path, walk, 16) != 0)
			die(path);
	}
	printf("%u files with unsynced writes, %u sectors lost\n", self.files,
	    self.sectors);
	return 0;
}
