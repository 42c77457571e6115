/*
 * The law of taking over: whatever moment the owner is killed at, every
 * binding whose REGISTER was answered with 200 is there under the next owner,
 * and every request is answered in the end. Two SR processes, one stream;
 * phones that keep a window of requests open and repeat what is not answered.
 * TAKEOVERS=n kills n times instead of 12.
 */
#include <fcntl.h>
#include <sys/wait.h>

#include "daemon/base/log.h"
#include "tests/unit/sr_fixture.h"

#define PHONES 200
#define REPEAT (50 * CLOCK_MS) /* of an unanswered request */

/* One SR process. */
struct instance {
	pid_t pid;
	int told; /* socket on which it is told to own, and says that it does */
	union addr at;
};

static struct instance instance[2];
static unsigned owner; /* index */
static uint64_t epoch;

static struct {
	char user[8];
	unsigned sent, acked; /* CSeq */
	uint64_t due;
} phone[PHONES];

static struct loop_timer *repeat;
static struct reader *reader;
static int reader_there, wrong;
static unsigned kills;
static uint64_t killed_at, worst;

/* ---- the SR processes ---------------------------------------------------- */

/* The parent says "own" with an epoch; serving is answered. */
static void
child_on_told(void *arg, int fd, int events)
{
	uint64_t e;

	(void)arg;
	(void)events;
	if (read(fd, &e, sizeof e) != sizeof e)
		_exit(0);
	sr_role.on_own(&town->self, "sr", e);
}

/*
 * A process of its own, until it is killed: control socket, the parent's
 * socket, root of the streams, port.
 */
static void
child_main(char **argv)
{
	int control = atoi(argv[2]), told = atoi(argv[3]);
	struct err err = {0};

	town = calloc(1, sizeof *town);
	log_init("sr", false);
	if (getenv("TEST_LOG") == NULL)
		log_fd(open("/dev/null", O_WRONLY));
	town->loop = loop_new();
	town->repl = repl_new(town->loop, argv[4]);
	repl_link(town->repl, world_link_by(control, "sr/1"));
	memset(town->self.key_auth, 7, CRYPT_KEY);
	town->self.id = ROLE_SR;
	addr_parse(&town->self.inside, "127.0.0.1", (uint16_t)atoi(argv[5]));
	town->self.loop = town->loop;
	town->self.repl = town->repl;
	if (sr_role.start(&town->self, &err) != 0)
		_exit(1);
	world_run(town->loop, &town->ready);
	if (write(told, "r", 1) != 1)
		_exit(1);
	loop_fd_open(town->loop, told, LOOP_READ, child_on_told, NULL);
	for (;;) {
		world_run(town->loop, &town->serving);
		town->serving = 0;
		if (write(told, "s", 1) != 1)
			_exit(1);
		loop_run(town->loop);
	}
}

/* In the child: as a fresh program, for SQLite keeps in memory which locks a
 * process holds, and a fork does not hold them. */
static void
child_exec(int control, int told, const union addr *at)
{
	char fd1[12], fd2[12], port[12];

	fcntl(control, F_SETFD, 0);
	fcntl(told, F_SETFD, 0);
	snprintf(fd1, sizeof fd1, "%d", control);
	snprintf(fd2, sizeof fd2, "%d", told);
	snprintf(port, sizeof port, "%u", addr_port(at));
	execl("/proc/self/exe", "sr", "instance", fd1, fd2, town->world.root,
	    port, (char *)NULL);
	_exit(1);
}

/* Start an instance; it says when it is warm. */
static void
instance_start(struct instance *in)
{
	int s[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	if ((in->pid = world_fork(town->world.control, s[1])) == 0)
		child_exec(town->world.control, s[1], &in->at);
	close(s[1]);
	in->told = s[0];
}

/* Wait for the word of an instance. */
static void
instance_wait(struct instance *in, char word)
{
	char got;

	do
		assert_int_equal(read(in->told, &got, 1), 1);
	while (got != word);
}

/* ---- phones -------------------------------------------------------------- */

/* Send the request of a phone that is open now. */
static void
phone_say(unsigned i)
{
	char text[4096];
	struct ask a = {.user = phone[i].user,
	    .password = "secret",
	    .call_id = phone[i].user,
	    .cseq = phone[i].sent,
	    .lines = "Contact: <sip:x@192.0.2.7:5062>\r\n"};
	size_t n = ask_text(&a, text, sizeof text);

	phone[i].due = clock_mono() + REPEAT;
	(void)!sendto(town->phone, text, n, 0, &instance[owner].at.sa,
	    addr_len(&instance[owner].at));
}

/* A 200 is the acknowledgement of its CSeq; the next request follows. */
static void
phones_on_readable(void *arg, int fd, int events)
{
	const char *user, *seq;
	unsigned i, cseq;
	ssize_t n;

	(void)arg;
	(void)events;
	while ((n = recv(fd, town->reply, SIP_MAX, MSG_DONTWAIT)) > 0) {
		town->reply[n] = '\0';
		user = strstr(town->reply, "Call-ID: ");
		seq = strstr(town->reply, "CSeq: ");
		i = user != NULL ? (unsigned)atoi(user + 9) - 1000 : PHONES;
		cseq = seq != NULL ? (unsigned)atoi(seq + 6) : 0;
		if (strncmp(town->reply, "SIP/2.0 200", 11) != 0 ||
		    i >= PHONES) {
			wrong = 1;
			continue;
		}
		if (cseq != phone[i].sent)
			continue; /* to a repetition */
		phone[i].acked = cseq;
		town->replies++;
		if (killed_at != 0) {
			if (clock_mono() - killed_at > worst)
				worst = clock_mono() - killed_at;
			killed_at = 0;
		}
		phone[i].sent++;
		phone_say(i);
	}
}

static void
phones_on_repeat(void *arg)
{
	uint64_t now = clock_mono();
	unsigned i;

	(void)arg;
	for (i = 0; i < PHONES; i++) {
		if (phone[i].due <= now)
			phone_say(i);
	}
	loop_timer_set(repeat, REPEAT / 2);
}

/* ---- the town --------------------------------------------------------------
 */

static void
on_reader(void *arg, struct reader *r, enum reader_event event)
{
	(void)arg;
	(void)r;
	reader_there = event != READER_ABSENT;
}

static int
setup(void **state)
{
	unsigned i;

	(void)state;
	town = calloc(1, sizeof *town);
	world_make(&town->world);
	world_start(&town->world);
	town->loop = loop_new();
	town->st_repl = repl_new(town->loop, town->world.root);
	repl_link(town->st_repl, world_link(&town->world, "st/1"));
	memset(town->self.key_auth, 7, CRYPT_KEY);
	town_domains();
	for (i = 0; i < PHONES; i++) {
		snprintf(phone[i].user, sizeof phone[i].user, "%u", 1000 + i);
		town_user(town->domain, DOMAIN_ID, "demo.test", phone[i].user,
		    "secret");
		phone[i].sent = 1;
	}
	town_phone();
	loop_fd_close(&town->phone_io);
	town->phone_io = loop_fd_open(
	    town->loop, town->phone, LOOP_READ, phones_on_readable, NULL);
	repeat = loop_timer_new(town->loop, phones_on_repeat, NULL);
	for (i = 0; i < 2; i++) {
		town_port(&instance[i].at);
		instance_start(&instance[i]);
		instance_wait(&instance[i], 'r');
	}
	return 0;
}

static int
teardown(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		kill(instance[i].pid, SIGKILL);
		waitpid(instance[i].pid, NULL, 0);
		close(instance[i].told);
	}
	reader_close(&reader);
	loop_timer_free(&repeat);
	stream_close(&town->root);
	stream_close(&town->domain);
	stream_close(&town->other);
	repl_free(&town->st_repl);
	loop_fd_close(&town->phone_io);
	close(town->phone);
	loop_free(&town->loop);
	world_remove(&town->world);
	free(town);
	return 0;
}

/* The other instance becomes the owner. */
static void
take_over(unsigned index)
{
	owner = index;
	epoch++;
	assert_int_equal(
	    write(instance[index].told, &epoch, sizeof epoch), sizeof epoch);
	instance_wait(&instance[index], 's');
}

/* Kill the owner as the supervisor would see it: reaped, then replaced. */
static void
kill_owner(void)
{
	struct instance *dead = &instance[owner];

	killed_at = clock_mono();
	kill(dead->pid, SIGKILL);
	waitpid(dead->pid, NULL, 0);
	close(dead->told);
	take_over(!owner);
	instance_start(dead);
	kills++;
}

/* Every acknowledged CSeq, or a later one that was sent, is in the table. */
static void
check_all(void)
{
	sqlite3_stmt *st;
	unsigned i, cseq;

	assert_int_equal(
	    sqlite3_prepare_v2(reader_db(reader),
		"SELECT cseq FROM binding WHERE domain = '" DOMAIN_ID
		"' AND user = ?1",
		-1, &st, NULL),
	    SQLITE_OK);
	for (i = 0; i < PHONES; i++) {
		sqlite3_bind_text(st, 1, phone[i].user, -1, SQLITE_STATIC);
		cseq = sqlite3_step(st) == SQLITE_ROW
		    ? (unsigned)sqlite3_column_int(st, 0)
		    : 0;
		if (cseq < phone[i].acked || cseq > phone[i].sent)
			fail_msg("phone %u: CSeq %u is there, %u was "
				 "acknowledged, %u sent",
			    i, cseq, phone[i].acked, phone[i].sent);
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
}

static bool
enough(void *arg)
{
	const unsigned *n = arg;

	return town->replies >= *n;
}

/* Kill after kill at different moments of a running load. */
static void
test_kills(void **state)
{
	const char *times = getenv("TAKEOVERS");
	unsigned n = times != NULL ? (unsigned)atoi(times) : 12, i, want;
	struct err err = {0};

	(void)state;
	take_over(0);
	assert_int_equal(reader_open(town->st_repl, "location", on_reader, NULL,
			     &reader, &err),
	    0);
	world_run(town->loop, &reader_there);
	loop_timer_set(repeat, 0);
	for (i = 0; i < n; i++) {
		/* Somewhere within a group, a commit, a batch of answers. */
		want = town->replies + 300 + (unsigned)(clock_mono() % 700);
		town_until(enough, &want);
		kill_owner();
		check_all();
		instance_wait(&instance[!owner], 'r');
	}
	want = town->replies + 2 * PHONES;
	town_until(enough, &want);
	check_all();
	assert_int_equal(wrong, 0);
	print_message("%u kills, %u acknowledged, none lost; kill to the next "
		      "200: %u us at most\n",
	    kills, town->replies, (unsigned)worst);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_kills, setup, teardown),
	};

	if (argc == 6)
		child_main(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
