/*
 * What a REGISTER refresh costs in SR: the room's own code, over a stream
 * whose ship log is synced on disk. Messages as SG forwards them are handed
 * over in groups of N; each carries a digest, and its 200 leaves
 * after the acknowledgement. Prints processor time of SR and of the
 * replicator for each, and the parts of it.
 *
 * usage: sr_bench [directory [seconds of each row [users]]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/obj/obj.h"
#include "daemon/sr/sr.h"

#define DOMAIN_ID "3f9a01c2"
#define CSEQ_FIRST 1000000
#define DEPTH 2 /* groups under way: one is synced, one fills */

static struct {
	struct loop *loop;
	struct self self;
	char root[300], log[300];
	pid_t replicator;
	unsigned users, seconds;
	int ready, serving;
	int sink; /* where the answers go; nobody reads them */
	union addr sink_at;
} bench = {.users = 20000, .seconds = 3};

/* ---- the frame of a process ------------------------------------------------
 */

void
role_ready(struct self *self)
{
	(void)self;
	bench.ready = 1;
	loop_stop(bench.loop);
}

void
role_serving(struct self *self, const char *key, uint64_t epoch)
{
	(void)self;
	(void)key;
	(void)epoch;
	bench.serving = 1;
	loop_stop(bench.loop);
}

void
role_stopped(struct self *self)
{
	(void)self;
}

bool
role_hears(struct self *self, const union addr *from)
{
	(void)self;
	(void)from;
	return true;
}

void
role_stats(struct self *self, const struct role_stat *s)
{
	(void)self;
	(void)s;
}

/* ---- the replicator, and what ST would have written -------------------------
 */

static void
die(const char *what, const struct err *e)
{
	fprintf(stderr, "sr_bench: %s: %s\n", what, e != NULL ? e->text : "");
	exit(1);
}

/* A process that serves the other ends of two links. */
static void
replicator_start(int st, int sr)
{
	struct replicator_config c = {
	    .root = bench.root, .log = bench.log, .log_keep = 64 << 20};
	struct loop *loop;
	struct replicator *r;
	struct err e = {0};

	if ((bench.replicator = fork()) != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	loop = loop_new();
	if (replicator_open(loop, &c, &r, &e) != 0)
		die("replicator", &e);
	replicator_serve(r, st, "st/1");
	replicator_serve(r, sr, "sr/1");
	loop_run(loop);
	_exit(0);
}

static void
on_ready(void *arg, struct stream *s, const struct err *e)
{
	(void)s;
	if (e != NULL)
		die("stream", e);
	loop_stop(arg);
}

static void
on_settled(void *arg, const struct err *e)
{
	if (e != NULL)
		die("settle", e);
	loop_stop(arg);
}

/* Open a stream with the tables of a place's objects. */
static struct stream *
st_open(struct repl *repl, struct loop *loop, const char *name,
    enum obj_place place)
{
	struct buf sql = BUF_INIT;
	struct stream_config c = {.name = name,
	    .epoch = 1,
	    .page_size = 4096,
	    .on_ready = on_ready,
	    .arg = loop};
	struct stream *s;
	struct err e = {0};

	obj_schema(obj_table, place, &sql);
	c.schema = sql.data;
	if (stream_open(repl, &c, &s, &e) != 0)
		die(name, &e);
	loop_run(loop);
	buf_fini(&sql);
	return s;
}

static void
st_exec(struct stream *s, const char *sql)
{
	if (sqlite3_exec(stream_db(s), sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(stream_db(s)), NULL);
}

/* Users 100000.. with the password "secret". */
static void
st_users(struct stream *s)
{
	char digests[98], md5[33], sha256[65], ad[64], user[16], hex[227];
	uint8_t key[CRYPT_KEY], sealed[113];
	struct crypt_seal *seal;
	unsigned i;
	char *sql;

	crypt_derive(key, bench.self.key_auth, "user password");
	seal = crypt_seal_new(key);
	for (i = 0; i < bench.users; i++) {
		snprintf(user, sizeof user, "%u", 100000 + i);
		sip_digest_ha1(md5, false, user, "demo.test", "secret");
		sip_digest_ha1(sha256, true, user, "demo.test", "secret");
		snprintf(digests, sizeof digests, "%s:%s", md5, sha256);
		snprintf(ad, sizeof ad, DOMAIN_ID "/%s", user);
		crypt_seal(
		    seal, sealed, sizeof sealed, digests, 97, ad, strlen(ad));
		str_hex(hex, sealed, sizeof sealed);
		sql = sqlite3_mprintf(
		    "INSERT INTO user(user, password) VALUES(%Q, x'%s')", user,
		    hex);
		st_exec(s, sql);
		sqlite3_free(sql);
	}
	crypt_seal_free(&seal);
}

/* A process that writes the configuration and ends. */
static void
st_run(int fd)
{
	struct loop *loop;
	struct repl *repl;
	struct stream *root, *domain;
	struct stream_ack ack = {.fn = on_settled};
	struct err e = {0};
	pid_t pid = fork();

	if (pid != 0) {
		waitpid(pid, NULL, 0);
		return;
	}
	ack.arg = loop = loop_new();
	repl = repl_new(loop, bench.root);
	repl_link(repl, fd);
	root = st_open(repl, loop, "domain/root", OBJ_ROOT);
	domain = st_open(repl, loop, "domain/" DOMAIN_ID, OBJ_DOMAIN);
	if (stream_join(root, &e) != 0 || stream_join(domain, &e) != 0)
		die("join", &e);
	st_exec(root,
	    "INSERT INTO domain(domain, id, realm, state) VALUES("
	    "'demo.test', '" DOMAIN_ID "', 'demo.test', 'on')");
	st_users(domain);
	if (stream_commit(root, &e) != 0 || stream_commit(domain, &e) != 0)
		die("commit", &e);
	stream_on_ack(root, &ack);
	loop_run(loop);
	stream_on_ack(domain, &ack);
	loop_run(loop);
	_exit(0);
}

/* ---- messages ----------------------------------------------------------- */

struct message {
	size_t n, at_cseq;
	char text[1200];
};

static struct message *messages;

/* One user's REGISTER, complete but for its CSeq. */
static void
message_make(struct message *m, unsigned user)
{
	char ha1[33], ha2[33], response[33], s[256], at[ADDR_TEXT], name[16];

	snprintf(name, sizeof name, "%u", 100000 + user);
	addr_text(at, &bench.sink_at);
	sip_digest_ha1(ha1, false, name, "demo.test", "secret");
	crypt_md5(ha2, "REGISTER:sip:demo.test", 22);
	snprintf(
	    s, sizeof s, "%s:n0nce0123456789:00000001:c:auth:%s", ha1, ha2);
	crypt_md5(response, s, strlen(s));
	m->n = (size_t)snprintf(m->text, sizeof m->text,
	    "REGISTER sip:demo.test SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP %s;branch=z9hG4bK5a0c1f0f3b5d4e6f\r\n"
	    "Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK776asdhds;"
	    "rport=5062;received=192.0.2.7\r\n"
	    "Max-Forwards: 69\r\n"
	    "From: <sip:%s@demo.test>;tag=a73kszlfl\r\n"
	    "To: <sip:%s@demo.test>\r\n"
	    "Call-ID: 1j9FpLxk3uxtm8tn@192.0.2.7\r\n"
	    "CSeq: %u REGISTER\r\n"
	    "Contact: <sip:%s@192.0.2.7:5062>\r\n"
	    "Path: <sip:dGhlIHRva2VuIG9mIGEgZmxvdw@127.0.0.1:5080;lr>\r\n"
	    "Authorization: Digest username=\"%s\", realm=\"demo.test\", "
	    "nonce=\"n0nce0123456789\", uri=\"sip:demo.test\", "
	    "response=\"%s\", algorithm=MD5, qop=auth, nc=00000001, "
	    "cnonce=\"c\"\r\n"
	    "User-Agent: Phone/1.0\r\nSupported: path\r\nExpires: 3600\r\n"
	    "X-Tandem-Source: 192.0.2.7:5062;transport=udp;listener=udp\r\n"
	    "Content-Length: 0\r\n\r\n",
	    at, name, name, CSEQ_FIRST, name, name, response);
	m->at_cseq = (size_t)(strstr(m->text, "CSeq: ") + 6 - m->text);
}

static void
messages_make(void)
{
	unsigned i;

	messages = xcalloc(bench.users, sizeof *messages);
	for (i = 0; i < bench.users; i++)
		message_make(&messages[i], i);
}

/* ---- the load ----------------------------------------------------------- */

static struct {
	unsigned group, open;
	struct stream_ack ack[DEPTH];
	uint64_t begin, end, given, limit;
	uint32_t cseq;
	struct loop_timer *timer;
	struct sr *sr;
} load;

/* Hand over one message as the socket would. */
static void
load_one(void)
{
	static char bytes[SIP_MAX + 1];
	/* Users come in no order, as phones do. */
	unsigned u = (unsigned)(load.given * 7919 % bench.users);
	struct message *m = &messages[u];
	char number[16];

	if (load.given % bench.users == 0)
		load.cseq++;
	memcpy(bytes, m->text, m->n);
	snprintf(number, sizeof number, "%u", load.cseq);
	memcpy(bytes + m->at_cseq, number, 7);
	sr_register_on_message(
	    load.sr, load.sr->udp, bytes, m->n, &bench.sink_at);
	load.given++;
}

/* A group, and the acknowledgement that lets the next one begin. */
static void
load_group(struct stream_ack *ack)
{
	unsigned i;

	if (clock_mono() >= load.end)
		load.limit = load.given;
	if (load.given == load.limit) {
		if (--load.open == 0)
			loop_stop(bench.loop);
		return;
	}
	for (i = 0; i < load.group && load.given < load.limit; i++)
		load_one();
	stream_on_ack(load.sr->stream, ack);
}

static void
load_on_ack(void *arg, const struct err *e)
{
	if (e != NULL)
		die("acknowledgement", e);
	load_group(arg);
}

/* Begin with all groups that are under way at a time. */
static void
load_on_begin(void *arg)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < DEPTH; i++) {
		load.ack[i].fn = load_on_ack;
		load.ack[i].arg = &load.ack[i];
		load_group(&load.ack[i]);
	}
}

/* Processor time of a process of ours, us. */
static uint64_t
cpu_self(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * CLOCK_SEC +
	    (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static uint64_t
cpu_replicator(void)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	snprintf(
	    path, sizeof path, "/proc/%d/schedstat", (int)bench.replicator);
	if ((f = fopen(path, "r")) != NULL) {
		if (fscanf(f, "%llu", &ns) != 1)
			ns = 0;
		fclose(f);
	}
	return ns / 1000;
}

/* Run until so many or so long; print a row when it has a name. */
static void
load_run(const char *name, unsigned group, uint64_t limit)
{
	uint64_t own, other, n, groups;

	load.group = group;
	load.open = DEPTH;
	load.given = 0;
	load.limit = limit;
	load.begin = clock_mono();
	load.end = load.begin + bench.seconds * CLOCK_SEC;
	own = cpu_self();
	other = cpu_replicator();
	n = load.sr->count.registers;
	groups = load.sr->count.groups;
	loop_timer_set(load.timer, 0);
	loop_run(bench.loop);
	own = cpu_self() - own;
	other = cpu_replicator() - other;
	n = load.sr->count.registers - n;
	groups = load.sr->count.groups - groups;
	if (name == NULL || n == 0)
		return;
	printf("%-24s %8.0f/s  %6.2f us in SR  %6.2f us in replicator  "
	       "%5.1f a commit\n",
	    name, (double)n * 1e6 / (double)(clock_mono() - load.begin),
	    (double)own / (double)n, (double)other / (double)n,
	    (double)n / (double)(groups != 0 ? groups : 1));
}

/* ---- the parts ---------------------------------------------------------- */

/* Time of one part of the work, repeated on one parsed message. */
#define PART(name, times, work)                                   \
	do {                                                      \
		uint64_t t_ = cpu_self();                         \
		unsigned i_;                                      \
		for (i_ = 0; i_ < (times); i_++) {                \
			work;                                     \
		}                                                 \
		printf("  %-30s %5.2f us\n", name,                \
		    (double)(cpu_self() - t_) / (double)(times)); \
	} while (0)

static void
parts_run(void)
{
	static char bytes[SIP_MAX + 1];
	struct message *m = &messages[0];
	struct sr *sr = load.sr;
	struct sip_digest d;
	struct sr_refusal no;
	struct sip_parsed p;
	struct buf b = BUF_INIT;
	struct err e = {0};
	struct sr_user u;
	char user[SR_USER];
	struct sr_domain *domain = sr_directory_find(sr, "demo.test");

	printf("parts:\n");
	PART("parse", 100000, {
		memcpy(bytes, m->text, m->n);
		sip_parse(&p, bytes, m->n, &e);
		sip_parsed_fini(&p);
	});
	memcpy(bytes, m->text, m->n);
	sip_parse(&p, bytes, m->n, &e);
	PART("credentials", 100000, {
		sip_digest_take(&d, p.sip->sip_authorization, &e);
		sr_auth_check(sr, domain, &d, "REGISTER", user, &u);
	});
	PART("request", 100000, sr_request_read(sr->request, p.sip, &no));
	PART("rows read", 100000,
	    sr_rows_load(sr->rows, DOMAIN_ID, user, sr->set, &e));
	PART("reply", 100000, {
		buf_reset(&b);
		sr_reply_ok(sr, &b, p.sip, sr->set,
		    (int64_t)(clock_real() / CLOCK_SEC));
	});
	buf_fini(&b);
	sip_parsed_fini(&p);
}

/* ---- all of it ---------------------------------------------------------- */

static void
bench_directories(const char *dir)
{
	snprintf(bench.root, sizeof bench.root, "%s/streams", dir);
	snprintf(bench.log, sizeof bench.log, "%s/log", dir);
	if (mkdir(dir, 0770) != 0 || mkdir(bench.root, 0770) != 0) {
		fprintf(stderr, "sr_bench: %s: must not exist\n", dir);
		exit(1);
	}
}

/* SR, as its process would start it, owner of the bindings. */
static void
bench_start(int link)
{
	socklen_t len = sizeof bench.sink_at;
	struct err e = {0};

	bench.loop = loop_new();
	bench.self.loop = bench.loop;
	bench.self.repl = repl_new(bench.loop, bench.root);
	repl_link(bench.self.repl, link);
	addr_parse(&bench.sink_at, "127.0.0.1", 0);
	bench.sink = sock_udp(&bench.sink_at, &e);
	getsockname(bench.sink, &bench.sink_at.sa, &len);
	addr_parse(&bench.self.inside, "127.0.0.1", 0);
	if (sr_role.start(&bench.self, &e) != 0)
		die("start", &e);
	loop_run(bench.loop);
	sr_role.on_own(&bench.self, "sr", 1);
	loop_run(bench.loop);
	load.sr = bench.self.state_of_role;
	load.timer = loop_timer_new(bench.loop, load_on_begin, NULL);
	load.cseq = CSEQ_FIRST;
}

int
main(int argc, char **argv)
{
	static const unsigned groups[] = {1, 4, 16, 64};
	char dir[256] = "/tmp/sr_bench.XXXXXX", name[32], remove[300];
	bool own = argc < 2;
	int st[2], sr[2];
	size_t i;

	if (own && (mkdtemp(dir) == NULL || rmdir(dir) != 0))
		return 1;
	if (!own)
		str_copy(dir, sizeof dir, argv[1]);
	if (argc > 2)
		bench.seconds = (unsigned)atoi(argv[2]);
	if (argc > 3)
		bench.users = (unsigned)atoi(argv[3]);
	log_init("sr_bench", false);
	bench_directories(dir);
	memset(bench.self.key_auth, 7, CRYPT_KEY);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, st) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sr) != 0)
		return 1;
	replicator_start(st[1], sr[1]);
	st_run(st[0]);
	close(st[0]);
	close(st[1]);
	close(sr[1]);
	bench_start(sr[0]);
	messages_make();
	printf("%u users, pages of 1024, ship log synced before each answer\n",
	    bench.users);
	load_run("first registration", 64, bench.users);
	for (i = 0; i < sizeof groups / sizeof groups[0]; i++) {
		snprintf(name, sizeof name, "refresh, groups of %u", groups[i]);
		load_run(name, groups[i], UINT64_MAX);
	}
	parts_run();
	kill(bench.replicator, SIGKILL);
	waitpid(bench.replicator, NULL, 0);
	snprintf(remove, sizeof remove, "rm -rf '%s'", dir);
	return own ? system(remove) != 0 : 0;
}
