/*
 * The owner map: one file of fixed size, written by one process and mapped
 * read-only by all others of the server.
 *
 * Layout, in the byte order of the machine (the file never leaves it):
 *   0   8  magic "TDMOWN4" and a NUL
 *   8   4  entries there is room for
 *   12  4  entries ever used: a walk ends there
 *   16  8  version, grows with every change
 *   64  -  entries of 512 bytes
 * Each entry is under a sequence lock: odd while it is being written, so a
 * reader copies, looks again and repeats when the number moved. The writer
 * never waits for a reader. What a reader copies is bounded and terminated by
 * the reader itself, whatever the file holds.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replication.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define OWNER_MAP_WORD "TDMOWN4"
#define OWNER_MAP_MAGIC 0x6f776e32u
/* A writer that died inside an entry must not hold its readers for ever. */
#define OWNER_MAP_TRIES 10000

struct owner_slot {
	_Atomic uint32_t seq;
	uint32_t used;
	uint64_t epoch;
	uint16_t state;
	uint16_t drain;
	char key[OWNER_KEY];
	char instance[OWNER_INSTANCE];
	union addr inside;
	char members[OWNER_MEMBERS];
	uint8_t witness, may_part, apart, mute;
	char room[60];
};
static_assert(sizeof(struct owner_slot) == 512, "entries of 512 bytes");

struct owner_file {
	char word[8];
	uint32_t room;
	_Atomic uint32_t count;
	_Atomic uint64_t version;
	char pad[40];
	struct owner_slot slot[OWNER_MAP_MAX];
};
static_assert(offsetof(struct owner_file, slot) == 64, "head of 64 bytes");

struct owner_map {
	unsigned magic;
	struct owner_file *file;
	int fd; /* read-only; -1 at a reader */
	bool writer;
};

/* A descriptor of the same file through which nothing can be written. */
static int
owner_map_read_only(int fd)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The file, new and of full size: in memory, or at the path. A map that
 * stood there before keeps its readers and is not touched. */
static int
owner_map_file(const char *path, struct err *e)
{
	char part[512];
	int fd;

	if (path == NULL) {
		fd = memfd_create("owners", MFD_CLOEXEC);
	} else {
		if (snprintf(part, sizeof part, "%s.part", path) >=
		    (int)sizeof part)
			return err_set(e, ERR_TOOBIG, "%s: path", path);
		unlink(part);
		fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	}
	if (fd < 0 || ftruncate(fd, sizeof(struct owner_file)) != 0 ||
	    (path != NULL && rename(part, path) != 0)) {
		err_errno(e, ERR_IO, "owner map %s", path != NULL ? path : "");
		if (fd >= 0)
			close(fd);
		return -ERR_IO;
	}
	return fd;
}

int
owner_map_create(const char *path, struct owner_map **mp, struct err *e)
{
	struct owner_map *m;
	void *at;
	int fd;

	if ((m = calloc(1, sizeof *m)) == NULL)
		return err_set(e, ERR_NOMEM, "owner map");
	if ((fd = owner_map_file(path, e)) < 0) {
		free(m);
		return fd;
	}
	at = mmap(
	    NULL, sizeof *m->file, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	m->fd = owner_map_read_only(fd);
	if (at == MAP_FAILED || m->fd < 0) {
		err_errno(e, ERR_IO, "owner map");
		if (at != MAP_FAILED)
			munmap(at, sizeof *m->file);
		close(fd);
		free(m);
		return -ERR_IO;
	}
	close(fd);
	m->magic = OWNER_MAP_MAGIC;
	m->file = at;
	m->writer = true;
	memcpy(m->file->word, OWNER_MAP_WORD, sizeof m->file->word);
	m->file->room = OWNER_MAP_MAX;
	*mp = m;
	return 0;
}

int
owner_map_fd(const struct owner_map *m)
{
	return m->fd;
}

int
owner_map_attach(int fd, struct owner_map **mp, struct err *e)
{
	struct owner_map *m;
	struct stat st;
	void *at;

	if (fstat(fd, &st) != 0)
		return err_errno(e, ERR_IO, "owner map");
	if (st.st_size != (off_t)sizeof(struct owner_file))
		return err_set(e, ERR_CORRUPT, "owner map: %lld bytes, not %zu",
		    (long long)st.st_size, sizeof(struct owner_file));
	if ((m = calloc(1, sizeof *m)) == NULL)
		return err_set(e, ERR_NOMEM, "owner map");
	at = mmap(NULL, sizeof *m->file, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		free(m);
		return err_errno(e, ERR_IO, "owner map");
	}
	m->magic = OWNER_MAP_MAGIC;
	m->file = at;
	m->fd = -1;
	if (memcmp(m->file->word, OWNER_MAP_WORD, 8) != 0) {
		owner_map_close(&m);
		return err_set(e, ERR_CORRUPT, "owner map: no such file");
	}
	*mp = m;
	return 0;
}

void
owner_map_close(struct owner_map **mp)
{
	struct owner_map *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	munmap(m->file, sizeof *m->file);
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

/* Entries a walk looks at; never beyond the room, whatever the file says. */
static uint32_t
owner_map_count(const struct owner_map *m)
{
	uint32_t n = atomic_load_explicit(
	    &m->file->count, memory_order_acquire);

	return n < OWNER_MAP_MAX ? n : OWNER_MAP_MAX;
}

/* The writer's own look for a key, or for a free entry when key is NULL. */
static struct owner_slot *
owner_map_slot(struct owner_map *m, const char *key)
{
	uint32_t i, n = owner_map_count(m);

	for (i = 0; i < n; i++) {
		struct owner_slot *s = &m->file->slot[i];

		if (key == NULL ? !s->used : s->used && str_equal(s->key, key))
			return s;
	}
	return NULL;
}

/* Open an entry for writing: readers of it repeat until it is closed. */
static void
owner_map_begin(struct owner_slot *s)
{
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);

	atomic_store_explicit(&s->seq, seq | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void
owner_map_end(struct owner_map *m, struct owner_slot *s)
{
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);

	atomic_store_explicit(&s->seq, (seq | 1) + 1, memory_order_release);
	atomic_fetch_add_explicit(&m->file->version, 1, memory_order_release);
}

int
owner_map_put(struct owner_map *m, const struct owner *o)
{
	struct owner_slot *s;

	assert(m->writer && m->magic == OWNER_MAP_MAGIC);
	if ((s = owner_map_slot(m, o->key)) == NULL &&
	    (s = owner_map_slot(m, NULL)) == NULL) {
		uint32_t n = owner_map_count(m);

		if (n == OWNER_MAP_MAX)
			return -ERR_FULL;
		s = &m->file->slot[n];
		atomic_store_explicit(
		    &m->file->count, n + 1, memory_order_release);
	}
	owner_map_begin(s);
	str_copy(s->key, sizeof s->key, o->key);
	str_copy(s->instance, sizeof s->instance, o->instance);
	str_copy(s->members, sizeof s->members, o->members);
	s->epoch = o->epoch;
	s->inside = o->inside;
	s->state = (uint16_t)o->state;
	s->drain = o->drain;
	s->witness = o->witness;
	s->may_part = o->may_part;
	s->apart = o->apart;
	s->mute = o->mute;
	s->used = 1;
	owner_map_end(m, s);
	return 0;
}

void
owner_map_remove(struct owner_map *m, const char *key)
{
	struct owner_slot *s = owner_map_slot(m, key);

	assert(m->writer);
	if (s == NULL)
		return;
	owner_map_begin(s);
	s->used = 0;
	s->key[0] = '\0';
	owner_map_end(m, s);
}

/* A consistent copy of one entry; false when it is free. */
static bool
owner_map_copy(const struct owner_slot *s, struct owner *o)
{
	struct owner_slot copy;
	uint32_t before, after;
	int tries;

	for (tries = 0; tries < OWNER_MAP_TRIES; tries++) {
		before = atomic_load_explicit(&s->seq, memory_order_acquire);
		if (before & 1) {
			sched_yield();
			continue;
		}
		memcpy(&copy, s, sizeof copy);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&s->seq, memory_order_relaxed);
		if (before == after)
			break;
	}
	if (tries == OWNER_MAP_TRIES || !copy.used)
		return false;
	copy.key[sizeof copy.key - 1] = '\0';
	copy.instance[sizeof copy.instance - 1] = '\0';
	memset(o, 0, sizeof *o); /* so that two of them compare as bytes */
	str_copy(o->key, sizeof o->key, copy.key);
	str_copy(o->instance, sizeof o->instance, copy.instance);
	copy.members[sizeof copy.members - 1] = '\0';
	str_copy(o->members, sizeof o->members, copy.members);
	o->epoch = copy.epoch;
	o->inside = copy.inside;
	o->drain = copy.drain != 0;
	o->state = copy.state <= OWNER_SERVING ? copy.state : OWNER_DOWN;
	o->witness = copy.witness != 0;
	o->may_part = copy.may_part != 0;
	o->apart = copy.apart != 0;
	o->mute = copy.mute != 0;
	return true;
}

bool
owner_map_find(const struct owner_map *m, const char *key, struct owner *o)
{
	const struct owner_slot *s = m->file->slot;
	uint32_t i, n = owner_map_count(m);

	for (i = 0; i < n; i++) {
		/* A key stays in its slot as long as it is there: most slots
		 * need no copy to be passed over. */
		if (strncmp(s[i].key, key, sizeof s[i].key) == 0 &&
		    owner_map_copy(&s[i], o) && str_equal(o->key, key))
			return true;
	}
	memset(o, 0, sizeof *o);
	return false;
}

bool
owner_map_next(const struct owner_map *m, unsigned *at, struct owner *o)
{
	while (*at < owner_map_count(m)) {
		if (owner_map_copy(&m->file->slot[(*at)++], o))
			return true;
	}
	return false;
}

uint64_t
owner_map_version(const struct owner_map *m)
{
	return atomic_load_explicit(&m->file->version, memory_order_acquire);
}
