/*
 * Faults of a lab, one after another, chosen at random: what is hit, when it
 * is made whole again, and since when who owned the key is served again. The
 * next fault does not wait for more than it needs: a key with an owner and
 * another member for a fault of one process, all servers up for one of a
 * server. Whatever the probes (lab_probe) were answered they write down
 * themselves; here is only waited until one was.
 *
 * usage: lab_faults LAB-PROGRAM LAB SERVERS WITNESSES COUNT SEED OUT BOARD
 * A witness (0 or 1) is the server behind the others: it owns nothing.
 * Lines of OUT, times of the machine's monotonic clock in us:
 *   N KIND KEY INSTANCE EPOCH BEGIN DONE     a fault that hits the key's owner
 *   N KIND - - 0 BEGIN DONE                  one that hits no owner
 *   N heal - - 0 BEGIN DONE                  made whole again
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "replication/replication.h"
#include "tests/tool/lab_probe.h"

#define LIMIT (60 * CLOCK_SEC) /* the site does not come back: a finding */
#define POLL (2 * CLOCK_MS)

struct server {
	struct owner_map *map;
	ino_t file;
	bool apart; /* its map is old: dead, stopped or cut off */
};

static struct drill {
	const char *lab;
	FILE *to_lab, *from_lab;
	unsigned servers, all; /* without and with the witness */
	unsigned n;
	FILE *out;
	struct probe_board *board;
	struct server server[PROBES + 1];
	bool cut; /* something is to be healed */
} self;

struct fault {
	const char *kind;
	unsigned key, server; /* 1..; of the owner */
	struct owner before[PROBE_KEYS];
	bool hit[PROBE_KEYS]; /* owned by the server, or the key itself */
	uint64_t begin, done;
};

static void drill_die(const char *, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

static void
drill_die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "lab_faults: fault %u: ", self.n);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	fflush(self.out);
	exit(1);
}

static unsigned
dice(unsigned n)
{
	return (unsigned)(lrand48() % n);
}

static void
pause_us(uint64_t us)
{
	usleep((useconds_t)us);
}

/* ---- what the servers say ------------------------------------------------ */

/* The owner map of a server is another file after its start. */
static struct owner_map *
server_map(unsigned i)
{
	struct server *s = &self.server[i];
	char path[200];
	struct stat st;
	struct err e;
	int fd;

	snprintf(path, sizeof path, "%s/srv%u/owners", self.lab, i);
	if (stat(path, &st) != 0 || (s->map != NULL && st.st_ino == s->file) ||
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return s->map;
	owner_map_close(&s->map);
	if (owner_map_attach(fd, &s->map, &e) == 0)
		s->file = st.st_ino;
	close(fd);
	return s->map;
}

/* An entry, as those servers see it that are not apart: the highest epoch. */
static bool
site_find(const char *key, struct owner *best)
{
	struct owner_map *map;
	struct owner o;
	unsigned i;

	memset(best, 0, sizeof *best);
	for (i = 1; i <= self.servers; i++) {
		if (self.server[i].apart || (map = server_map(i)) == NULL ||
		    !owner_map_find(map, key, &o))
			continue;
		if (o.epoch > best->epoch ||
		    (o.epoch == best->epoch && o.state > best->state))
			*best = o;
	}
	return best->epoch != 0;
}

static unsigned
server_of(const char *instance)
{
	const char *at = strstr(instance, "@srv");

	return at != NULL ? (unsigned)atoi(at + 4) : 0;
}

static unsigned
words(const char *s)
{
	unsigned n = *s != '\0';

	for (; *s != '\0'; s++)
		n += *s == ' ';
	return n;
}

/* It has an owner that serves, and so many members. */
static bool
key_ready(const char *key, unsigned members)
{
	struct owner o;

	return site_find(key, &o) && o.state == OWNER_SERVING &&
	    words(o.members) >= members;
}

static bool
keys_ready(unsigned members)
{
	unsigned k;

	for (k = 0; k < PROBE_KEYS; k++) {
		if (!key_ready(probe_keys[k], members))
			return false;
	}
	return true;
}

/* All servers see each other up. */
static bool
servers_up(void)
{
	struct owner_map *map;
	char key[OWNER_KEY];
	struct owner o;
	unsigned i, j;

	for (i = 1; i <= self.all; i++) {
		if (self.server[i].apart || (map = server_map(i)) == NULL)
			return false;
		for (j = 1; j <= self.all; j++) {
			snprintf(key, sizeof key, "server/srv%u", j);
			if (!owner_map_find(map, key, &o) ||
			    o.state != OWNER_SERVING)
				return false;
		}
	}
	return true;
}

/* The supervisor of a server, which leads the group of its processes. */
static pid_t
supervisor_of(unsigned i)
{
	char path[200];
	pid_t pid = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/srv%u/tandemd.pid", self.lab, i);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	if (fscanf(f, "%d", &pid) != 1 || pid <= 1)
		pid = 0;
	fclose(f);
	return pid;
}

/* The process of an instance, a child of its server's supervisor. */
static pid_t
pid_of(const char *instance)
{
	char path[200], line[200], word[OWNER_INSTANCE];
	unsigned server = server_of(instance), n;
	pid_t supervisor = 0, pid, found = 0;
	FILE *f, *p;

	snprintf(
	    word, sizeof word, "%.*s", (int)strcspn(instance, "@"), instance);
	snprintf(path, sizeof path, "%s/srv%u/tandemd.pid", self.lab, server);
	if ((f = fopen(path, "r")) != NULL) {
		if (fscanf(f, "%d", &supervisor) != 1)
			supervisor = 0;
		fclose(f);
	}
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", supervisor,
	    supervisor);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	while (found == 0 && fscanf(f, "%d", &pid) == 1) {
		snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
		if ((p = fopen(path, "r")) == NULL)
			continue;
		n = fread(line, 1, sizeof line - 1, p);
		line[n] = '\0';
		fclose(p);
		/* "tandemd", "-r", "sr/1" with a NUL between */
		if (n > 11 && strcmp(line + 8, "-r") == 0 &&
		    strcmp(line + 11, word) == 0)
			found = pid;
	}
	fclose(f);
	return found;
}

/* ---- what is done to them ------------------------------------------------ */

/* The lab's program, which takes commands from us. */
static void
lab_open(const char *program)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0 ||
	    (pid = fork()) < 0)
		drill_die("%s", strerror(errno));
	if (pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		execl(program, program, "batch", (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	self.to_lab = fdopen(to[1], "w");
	self.from_lab = fdopen(from[0], "r");
}

/* A command, done when it returns. */
static void
lab(const char *fmt, ...)
{
	char line[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	fprintf(self.to_lab, "%s\n", line);
	fflush(self.to_lab);
	if (fgets(line, sizeof line, self.from_lab) == NULL ||
	    strcmp(line, "ok\n") != 0)
		drill_die("lab: fails");
}

static void
signal_server(unsigned i, int signo)
{
	pid_t pid = supervisor_of(i);

	if (pid == 0)
		drill_die("server %u has not been started", i);
	if (kill(-pid, signo) != 0)
		drill_die("server %u, process group %d: %s", i, (int)pid,
		    strerror(errno));
}

/* One that was killed is gone, and then started again; it leads its process
 * group when this returns, so that the next fault can hit it. */
static void
start_server(unsigned i)
{
	pid_t pid = supervisor_of(i);

	while (kill(pid, 0) == 0)
		pause_us(POLL);
	lab("start %u nowait", i);
	pid = supervisor_of(i);
	while (getpgid(pid) != pid && kill(pid, 0) == 0)
		pause_us(POLL);
}

static void
write_row(const struct fault *f, const char *key, const struct owner *o)
{
	fprintf(self.out, "%u %s %s %s %llu %llu %llu\n", self.n, f->kind, key,
	    o != NULL ? o->instance : "-",
	    o != NULL ? (unsigned long long)o->epoch : 0,
	    (unsigned long long)f->begin, (unsigned long long)f->done);
}

static void
write_fault(const struct fault *f)
{
	unsigned k, hits = 0;

	for (k = 0; k < PROBE_KEYS; k++) {
		if (!f->hit[k])
			continue;
		write_row(f, probe_keys[k], &f->before[k]);
		hits++;
	}
	if (hits == 0)
		write_row(f, "-", NULL);
	fflush(self.out);
}

static void
write_heal(uint64_t begin)
{
	struct fault f = {.kind = "heal", .begin = begin, .done = clock_mono()};

	write_row(&f, "-", NULL);
}

/* ---- waiting ------------------------------------------------------------- */

/* Another owns it and serves; or nobody can before the server is back, since
 * the others had just been found late and were members no more. */
static bool
other_serves(const struct fault *f, unsigned key)
{
	char name[16];
	struct owner o;

	snprintf(name, sizeof name, "srv%u", f->server);
	return site_find(probe_keys[key], &o) &&
	    ((o.epoch > f->before[key].epoch && o.state == OWNER_SERVING) ||
		strcmp(o.members, name) == 0);
}

static bool
others_serve(const struct fault *f)
{
	unsigned k;

	for (k = 0; k < PROBE_KEYS; k++) {
		if (f->hit[k] && !other_serves(f, k))
			return false;
	}
	return true;
}

/* The end, with who owned and owns what was hit. */
static void
fault_die(const struct fault *f, const char *words_of_it)
{
	struct owner o;
	unsigned k;

	for (k = 0; k < PROBE_KEYS; k++) {
		if (!f->hit[k])
			continue;
		site_find(probe_keys[k], &o);
		fprintf(stderr,
		    "key=%s before: %s epoch=%llu, now: %s epoch=%llu "
		    "state=%d members=%s\n",
		    probe_keys[k], f->before[k].instance,
		    (unsigned long long)f->before[k].epoch, o.instance,
		    (unsigned long long)o.epoch, o.state, o.members);
	}
	drill_die("%s of server %u: %s", f->kind, f->server, words_of_it);
}

static void
await_others(const struct fault *f, uint64_t most)
{
	uint64_t end = clock_mono() + most;

	while (!others_serve(f)) {
		if (clock_mono() >= end) {
			if (most == LIMIT)
				fault_die(f, "no other owner");
			return;
		}
		pause_us(POLL);
	}
}

/* Somebody was answered for each key that was hit, by what began after it. */
static bool
answered(const struct fault *f)
{
	unsigned k, i;
	bool yes;

	for (k = 0; k < PROBE_KEYS; k++) {
		for (i = 1, yes = !f->hit[k]; i <= self.servers && !yes; i++)
			yes = atomic_load(&self.board->begun[i][k]) > f->done;
		if (!yes)
			return false;
	}
	return true;
}

static void
await_answers(const struct fault *f)
{
	uint64_t end = clock_mono() + LIMIT;

	while (!answered(f)) {
		if (clock_mono() >= end)
			fault_die(f, "nobody is served");
		pause_us(POLL);
	}
}

static void
await(bool (*what)(void), const char *words_of_it)
{
	uint64_t end = clock_mono() + LIMIT;

	while (!what()) {
		if (clock_mono() >= end)
			drill_die("%s", words_of_it);
		pause_us(POLL);
	}
}

static bool
site_whole(void)
{
	return servers_up() && keys_ready(self.servers);
}

static bool
site_fit(void)
{
	return servers_up() && keys_ready(2);
}

/* ---- faults -------------------------------------------------------------- */

static void
strike_begin(struct fault *f)
{
	f->begin = clock_mono();
}

static void
strike_end(struct fault *f)
{
	f->done = clock_mono();
	write_fault(f);
}

static void
signal_owner(const struct fault *f, int signo)
{
	pid_t pid = pid_of(f->before[f->key].instance);

	if (pid != 0)
		kill(pid, signo);
}

static void
do_process(struct fault *f)
{
	signal_owner(f, SIGKILL);
	strike_end(f);
}

/* It goes on when another has taken over, or after a while. */
static void
do_stop(struct fault *f)
{
	pid_t pid = pid_of(f->before[f->key].instance);

	if (pid != 0)
		kill(pid, SIGSTOP);
	strike_end(f);
	await_others(f, 3 * CLOCK_SEC);
	pause_us(dice(100) * CLOCK_MS);
	if (pid != 0)
		kill(pid, SIGCONT);
}

/* The owner's server is gone until another has taken over, and comes back;
 * power: with the loss of what it had not synced. */
static void
be_gone(struct fault *f, int signo, bool power)
{
	signal_server(f->server, signo);
	self.server[f->server].apart = true;
	strike_end(f);
	if (power)
		lab("power %u", f->server);
	await_others(f, LIMIT);
	pause_us(dice(200) * CLOCK_MS);
	if (signo == SIGSTOP)
		signal_server(f->server, SIGCONT);
	else
		start_server(f->server);
	self.server[f->server].apart = false;
}

static void
do_server(struct fault *f)
{
	be_gone(f, SIGKILL, false);
}

static void
do_power(struct fault *f)
{
	be_gone(f, SIGKILL, true);
}

static void
do_freeze(struct fault *f)
{
	be_gone(f, SIGSTOP, false);
}

static void
cut_off(struct fault *f, const char *word)
{
	unsigned i;

	for (i = 1; i <= self.all; i++) {
		if (i != f->server)
			lab("cut %u %u%s", f->server, i, word);
	}
	self.cut = true;
}

static void
heal(void)
{
	uint64_t begin = clock_mono();

	lab("heal");
	self.cut = false;
	write_heal(begin);
}

/* word: "" for both ways, " oneway" for what the owner's server says; then it
 * hears all others. */
static void
be_apart(struct fault *f, const char *word)
{
	cut_off(f, word);
	self.server[f->server].apart = true;
	strike_end(f);
	await_others(f, LIMIT);
	pause_us(dice(200) * CLOCK_MS);
	heal();
	self.server[f->server].apart = false;
}

static void
do_cut(struct fault *f)
{
	be_apart(f, "");
}

static void
do_oneway(struct fault *f)
{
	be_apart(f, " oneway");
}

/* Late and lossy, between the owner's server and one other. */
static void
do_slow(struct fault *f)
{
	unsigned other = f->server % self.servers + 1;

	lab("slow %u %u %u %u %u", f->server, other, dice(60), dice(20),
	    dice(5));
	strike_end(f);
	await_answers(f);
	pause_us(300 * CLOCK_MS);
	heal();
}

/* Whoever owns the key dies as soon as it does. */
static void
do_storm(struct fault *f)
{
	struct fault next = *f;
	unsigned i;

	for (i = 0; i < 4; i++) {
		signal_owner(&next, SIGKILL);
		await_others(&next, LIMIT);
		site_find(probe_keys[f->key], &next.before[f->key]);
	}
	signal_owner(&next, SIGKILL);
	f->before[f->key] = next.before[f->key];
	f->begin = clock_mono();
	strike_end(f);
}

/* The owner's server's time of day steps; nobody may notice. */
static void
do_clock(struct fault *f)
{
	lab("clock %u %d", f->server, (int)dice(7200) - 3600);
	strike_end(f);
}

/* Nothing passes between the owner's server and one other, while both hear
 * the third: one of the two must give way. */
static void
do_link(struct fault *f)
{
	lab("cut %u %u", f->server, f->server % self.servers + 1);
	strike_end(f);
	await_answers(f);
	pause_us((500 + dice(1000)) * CLOCK_MS);
	heal();
}

/* The witness dies, and nobody may notice. */
static void
do_witness(struct fault *f)
{
	signal_server(self.all, SIGKILL);
	self.server[self.all].apart = true;
	strike_end(f);
	await_answers(f);
	pause_us((500 + dice(1000)) * CLOCK_MS);
	start_server(self.all);
	self.server[self.all].apart = false;
}

/* All servers lose power at once. */
static void
do_site(struct fault *f)
{
	unsigned i;

	for (i = 1; i <= self.all; i++)
		signal_server(i, SIGKILL);
	strike_end(f);
	for (i = 1; i <= self.all; i++)
		lab("power %u", i);
	for (i = 1; i <= self.all; i++)
		start_server(i);
}

/* All servers up before; all keys are hit; with a witness only. */
enum { WIDE = 1, ALL = 2, WITNESS = 4 };

static const struct kind {
	const char *name;
	void (*strike)(struct fault *);
	unsigned weight, flags;
} kinds[] = {
    {"process", do_process, 26, 0},
    {"stop", do_stop, 8, 0},
    {"server", do_server, 12, WIDE},
    {"power", do_power, 8, WIDE},
    {"freeze", do_freeze, 8, WIDE},
    {"cut", do_cut, 14, WIDE},
    {"oneway", do_oneway, 8, WIDE},
    {"link", do_link, 6, WIDE},
    {"slow", do_slow, 6, WIDE},
    {"storm", do_storm, 4, 0},
    {"clock", do_clock, 4, 0},
    {"witness", do_witness, 6, WIDE | WITNESS},
    {"site", do_site, 2, WIDE | ALL},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

static unsigned
kind_weight(unsigned i)
{
	return kinds[i].flags & WITNESS && self.all == self.servers
	    ? 0
	    : kinds[i].weight;
}

static const struct kind *
kind_choose(void)
{
	unsigned i, sum = 0, at;

	for (i = 0; i < KINDS; i++)
		sum += kind_weight(i);
	at = dice(sum);
	for (i = 0; at >= kind_weight(i); i++)
		at -= kind_weight(i);
	return &kinds[i];
}

/* Whom it hits. */
static void
fault_aim(struct fault *f, const struct kind *kind)
{
	unsigned k;

	*f = (struct fault){.kind = kind->name, .key = dice(PROBE_KEYS)};
	for (k = 0; k < PROBE_KEYS; k++)
		site_find(probe_keys[k], &f->before[k]);
	f->server = server_of(f->before[f->key].instance);
	for (k = 0; k < PROBE_KEYS; k++)
		f->hit[k] = !(kind->flags & WITNESS) &&
		    (kind->flags & ALL || k == f->key ||
			(kind->flags & WIDE &&
			    server_of(f->before[k].instance) == f->server));
}

static void
fault_run(void)
{
	const struct kind *kind = kind_choose();
	struct fault f;

	await(kind->flags & WIDE ? site_fit : servers_up, "servers stay away");
	for (;;) {
		fault_aim(&f, kind);
		if (key_ready(probe_keys[f.key], 2))
			break;
		pause_us(POLL);
	}
	strike_begin(&f);
	kind->strike(&f);
	await_answers(&f);
	printf("%u %s %s\n", self.n, f.kind, f.before[f.key].instance);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	unsigned count;
	int fd;

	if (argc != 9) {
		fprintf(stderr,
		    "usage: lab_faults LAB-PROGRAM LAB SERVERS WITNESSES "
		    "COUNT SEED OUT BOARD\n");
		return 2;
	}
	self.lab = argv[2];
	self.servers = (unsigned)atoi(argv[3]);
	self.all = self.servers + (unsigned)atoi(argv[4]);
	count = (unsigned)atoi(argv[5]);
	srand48(atol(argv[6]));
	if (self.servers < 2 || self.servers >= PROBES ||
	    self.all > self.servers + 1 ||
	    (self.out = fopen(argv[7], "a")) == NULL ||
	    (fd = open(argv[8], O_RDWR | O_CREAT, 0600)) < 0 ||
	    ftruncate(fd, sizeof *self.board) != 0)
		drill_die("%s", strerror(errno));
	self.board = mmap(
	    NULL, sizeof *self.board, PROT_READ, MAP_SHARED, fd, 0);
	if (self.board == MAP_FAILED)
		drill_die("%s", strerror(errno));
	lab_open(argv[1]);
	for (self.n = 1; self.n <= count; self.n++)
		fault_run();
	await(site_whole, "the site does not become whole again");
	fclose(self.out);
	fclose(self.to_lab);
	return 0;
}
