/*
 * CPU of one call in the B2BUA process: INVITE, 180, 200, ACK, BYE with SDP,
 * media by ng, record and CDR through real streams with a synced ship log.
 * Processes: the B2BUA, its replicator, and this one, which plays gate, phones
 * and MGC. Prints microseconds of CPU a call for each, and the rate.
 *
 * usage: b2bua_bench [calls [at once]]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/b2bua/b2bua.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define BENCH_SDP                                                    \
	"v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\n"                  \
	"c=IN IP4 10.1.1.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0\r\n" \
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"           \
	"a=sendrecv\r\n"

struct bench {
	struct loop *loop;
	char dir[64], root[80], log[80];
	int gate;
	union addr gate_addr, b2bua_addr, mgc_addr;
	char gate_text[ADDR_TEXT];
	struct owner_map *owners;
	char map[96];
	unsigned calls, at_once, begun, done, failed;
	uint64_t from, *started;
	uint64_t *took;
	pid_t b2bua, replicator;
};

static struct bench bench;

static void
bench_die(const char *what, const struct err *e)
{
	fprintf(
	    stderr, "b2bua_bench: %s: %s\n", what, e == NULL ? "" : e->text);
	exit(1);
}

/* ---- the role's frame, as far as the room asks for it ---- */

void
role_ready(struct self *self)
{
	(void)self;
}

void
role_serving(struct self *self, const char *key, uint64_t epoch)
{
	(void)self;
	(void)key;
	(void)epoch;
	if (write(3, "s", 1) != 1)
		exit(1);
}

void
role_stopped(struct self *self)
{
	loop_stop(self->loop);
}

void
role_stats(struct self *self, const struct role_stat *s)
{
	(void)self;
	(void)s;
}

struct peer *
role_peer_next(struct self *self, enum role_id id, unsigned *at)
{
	(void)self;
	(void)id;
	(void)at;
	return NULL;
}

struct peer *
role_way(struct self *self, const char *key)
{
	(void)self;
	(void)key;
	return NULL;
}

/* ---- processes ---- */

static void
bench_on_term(void *arg)
{
	loop_stop(arg);
}

static void
bench_run_replicator(int s, int s2)
{
	struct replicator_config c = {.root = bench.root, .log = bench.log};
	struct loop *loop = loop_new();
	struct replicator *r;
	struct err e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_init("replicator", false);
	if (replicator_open(loop, &c, &r, &e) != 0)
		bench_die("replicator", &e);
	replicator_serve(r, s, "b2bua/1");
	replicator_serve(r, s2, "bench/1");
	loop_signal_open(loop, SIGTERM, bench_on_term, loop);
	loop_run(loop);
	exit(0);
}

static void
bench_run_b2bua(int s)
{
	struct self *self = xcalloc(1, sizeof *self);
	struct op_table table = {.ops = b2bua_ops, .objs = obj_table};
	struct err e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_init("b2bua/1", getenv("BENCH_DEBUG") != NULL);
	self->loop = loop_new();
	self->id = ROLE_B2BUA;
	self->index = 1;
	str_copy(self->name, sizeof self->name, "b2bua/1");
	str_copy(self->full, sizeof self->full, "b2bua/1@bench");
	str_copy(self->server, sizeof self->server, "bench");
	self->inside = bench.b2bua_addr;
	self->owners = bench.owners;
	self->table = &table;
	self->repl = repl_new(self->loop, bench.root);
	repl_link(self->repl, s);
	if (b2bua_role.start(self, &e) != 0)
		bench_die("start", &e);
	b2bua_role.on_own(self, "calls/b2bua-1@bench", 1);
	loop_signal_open(self->loop, SIGTERM, bench_on_term, self->loop);
	loop_run(self->loop);
	exit(0);
}

/* ---- streams that others own ---- */

static unsigned bench_open_streams;

static void
bench_on_ready(void *arg, struct stream *s, const struct err *e)
{
	const char *sql = arg;
	struct err err;

	if (e != NULL)
		bench_die(stream_name(s), e);
	if (stream_join(s, &err) != 0 ||
	    sqlite3_exec(stream_db(s), sql, NULL, NULL, NULL) != SQLITE_OK ||
	    stream_commit(s, &err) != 0)
		bench_die(sql, NULL);
	if (--bench_open_streams == 0)
		loop_stop(bench.loop);
}

static void
bench_stream(
    struct repl *r, const char *name, const char *schema, const char *sql)
{
	struct stream_config c = {.name = name,
	    .epoch = 1,
	    .page_size = 4096,
	    .schema = schema,
	    .on_ready = bench_on_ready,
	    .arg = (void *)(uintptr_t)sql};
	struct stream *s;
	struct err e;

	bench_open_streams++;
	if (stream_open(r, &c, &s, &e) != 0)
		bench_die(name, &e);
}

static void
bench_configure(int s)
{
	struct repl *r = repl_new(bench.loop, bench.root);
	struct buf root = BUF_INIT, domain = BUF_INIT;
	char binding[512];

	repl_link(r, s);
	obj_schema(obj_table, OBJ_ROOT, &root);
	obj_schema(obj_table, OBJ_DOMAIN, &domain);
	bench_stream(r, "domain/root", root.data,
	    "INSERT INTO domain (domain, id, realm)"
	    " VALUES ('demo.test', '0d0d0d0d', 'demo.test')");
	bench_stream(r, "domain/0d0d0d0d", domain.data,
	    "INSERT INTO user (user, name) VALUES"
	    " ('101', 'Anna'), ('102', 'Boris')");
	snprintf(binding, sizeof binding,
	    "INSERT INTO binding VALUES ('0d0d0d0d', '102',"
	    " 'sip:b@10.2.2.2:5062', 'c', 1, 9999999999, 1000,"
	    " '<sip:tok@%s;lr>', '203.0.113.9:5062;transport=udp', '', '',"
	    " 0, 0)",
	    bench.gate_text);
	bench_stream(r, "location",
	    "CREATE TABLE binding (domain TEXT, user TEXT, contact TEXT,"
	    " call_id TEXT, cseq INTEGER, expires INTEGER, q INTEGER,"
	    " path TEXT, source TEXT, user_agent TEXT, instance TEXT,"
	    " reg_id INTEGER, updated INTEGER);"
	    "CREATE INDEX binding_user ON binding (domain, user);",
	    binding);
	bench_stream(r, "commit",
	    "CREATE TABLE collected (stream TEXT PRIMARY KEY, seq INTEGER)",
	    "SELECT 1");
	loop_run(bench.loop);
	buf_fini(&root);
	buf_fini(&domain);
}

/* ---- phones and gate, as text ---- */

/* The line of a header, without its end; "" when there is none. */
static const char *
bench_line(const char *msg, const char *name, size_t *n)
{
	char key[32];
	const char *s;

	snprintf(key, sizeof key, "\r\n%s: ", name);
	if ((s = strstr(msg, key)) == NULL) {
		*n = 0;
		return "";
	}
	s += 2;
	*n = strcspn(s, "\r");
	return s;
}

static void
bench_send(const char *text, size_t n)
{
	sendto(bench.gate, text, n, 0, &bench.b2bua_addr.sa,
	    addr_len(&bench.b2bua_addr));
}

static void
bench_invite(void)
{
	unsigned i = bench.begun++;
	char text[2048];
	int n = snprintf(text, sizeof text,
	    "INVITE sip:102@demo.test SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP %s;branch=z9hG4bKi%u\r\n"
	    "Via: SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bKp%u\r\n"
	    "Record-Route: <sip:tok@%s;lr>\r\nMax-Forwards: 69\r\n"
	    "From: \"Anna\" <sip:101@demo.test>;tag=f%u\r\n"
	    "To: <sip:102@demo.test>\r\nCall-ID: %u@bench\r\n"
	    "CSeq: 1 INVITE\r\nContact: <sip:101@10.1.1.1:5060>\r\n"
	    "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n"
	    "X-Tandem-Domain: demo.test\r\n"
	    "X-Tandem-Target: demo.test\r\nX-Tandem-User: 101\r\n"
	    "X-Tandem-Source: 198.51.100.7:5060;transport=udp;listener=x\r\n"
	    "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
	    bench.gate_text, i, i, bench.gate_text, i, i, strlen(BENCH_SDP),
	    BENCH_SDP);

	bench.started[i] = clock_mono();
	bench_send(text, (size_t)n);
}

static void
bench_copy(struct buf *b, const char *msg, const char *name)
{
	size_t n;
	const char *s = bench_line(msg, name, &n);

	buf_add(b, s, n);
	if (n > 0)
		buf_str(b, "\r\n");
}

static void
bench_reply(const char *msg, const char *status, bool dialog, bool sdp)
{
	static struct buf b;

	buf_reset(&b);
	buf_fmt(&b, "SIP/2.0 %s\r\n", status);
	bench_copy(&b, msg, "Via");
	if (dialog)
		buf_fmt(
		    &b, "Record-Route: <sip:tok@%s;lr>\r\n", bench.gate_text);
	bench_copy(&b, msg, "From");
	bench_copy(&b, msg, "To");
	if (dialog) {
		b.len -= 2;
		buf_str(&b, ";tag=t\r\nContact: <sip:b@10.2.2.2:5062>\r\n");
	}
	bench_copy(&b, msg, "Call-ID");
	bench_copy(&b, msg, "CSeq");
	if (sdp)
		buf_fmt(&b,
		    "Content-Type: application/sdp\r\n"
		    "Content-Length: %zu\r\n\r\n%s",
		    strlen(BENCH_SDP), BENCH_SDP);
	else
		buf_str(&b, "Content-Length: 0\r\n\r\n");
	bench_send(b.data, b.len);
}

static void
bench_request(const char *ok, const char *method, unsigned cseq, unsigned i)
{
	static struct buf b;
	size_t n;
	const char *contact = bench_line(ok, "Contact", &n);

	buf_reset(&b);
	buf_fmt(&b, "%s %.*s SIP/2.0\r\n", method, (int)n - 11, contact + 10);
	buf_fmt(&b, "Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%u\r\n",
	    bench.gate_text, method, i);
	bench_copy(&b, ok, "From");
	bench_copy(&b, ok, "To");
	bench_copy(&b, ok, "Call-ID");
	buf_fmt(&b,
	    "CSeq: %u %s\r\nMax-Forwards: 69\r\nContent-Length: 0\r\n\r\n",
	    cseq, method);
	bench_send(b.data, b.len);
}

static unsigned
bench_call_of(const char *msg)
{
	size_t n;
	const char *s = bench_line(msg, "Call-ID", &n);

	return (unsigned)atoi(s + 9);
}

static void
bench_call_done(unsigned i)
{
	bench.took[bench.done++] = clock_mono() - bench.started[i];
	if (bench.begun < bench.calls)
		bench_invite();
	if (bench.done + bench.failed == bench.calls)
		loop_stop(bench.loop);
}

static void
bench_on_message(const char *msg)
{
	unsigned i;

	if (strncmp(msg, "INVITE", 6) == 0) {
		bench_reply(msg, "180 Ringing", true, false);
		bench_reply(msg, "200 OK", true, true);
	} else if (strncmp(msg, "BYE", 3) == 0)
		bench_reply(msg, "200 OK", false, false);
	else if (strncmp(msg, "SIP/2.0 200", 11) == 0) {
		i = bench_call_of(msg);
		if (strstr(msg, "CSeq: 1 INVITE") != NULL) {
			bench_request(msg, "ACK", 1, i);
			bench_request(msg, "BYE", 2, i);
		} else
			bench_call_done(i);
	} else if (strncmp(msg, "SIP/2.0 1", 9) != 0 &&
	    strncmp(msg, "ACK", 3) != 0) {
		bench.failed++;
		fprintf(stderr, "%.*s\n", (int)strcspn(msg, "\r"), msg);
	}
}

static void
bench_on_gate(void *arg, int fd, int events)
{
	char bytes[65536];
	ssize_t n;

	(void)arg;
	(void)events;
	while ((n = recv(fd, bytes, sizeof bytes - 1, MSG_DONTWAIT)) > 0) {
		bytes[n] = '\0';
		bench_on_message(bytes);
	}
}

static void
bench_on_ng(void *arg, struct ng_request *q, const char *command, json_t *dict,
    const union addr *from)
{
	(void)arg;
	(void)from;
	(void)command;
	if (json_object_get(dict, "sdp") == NULL)
		ng_reply(q, json_pack("{s:s}", "result", "ok"));
	else
		ng_reply(q,
		    json_pack("{s:s, s:s}", "result", "ok", "sdp", BENCH_SDP));
}

/* ---- the run ---- */

static int
bench_socket(union addr *a)
{
	socklen_t n = sizeof *a;
	struct err e;
	int fd;

	addr_parse(a, "127.0.0.1", 0);
	if ((fd = sock_udp(a, &e)) < 0)
		bench_die("socket", &e);
	getsockname(fd, &a->sa, &n);
	return fd;
}

static void
bench_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		pair) != 0)
		bench_die("socketpair", NULL);
}

static void
bench_start(void)
{
	int ours[2], theirs[2], ready[2];
	struct owner o = {.key = "mgc", .epoch = 1, .state = OWNER_SERVING};
	struct err e;
	char c;

	bench_pair(ours);
	bench_pair(theirs);
	if (pipe(ready) != 0)
		bench_die("pipe", NULL);
	if (owner_map_create(bench.map, &bench.owners, &e) != 0)
		bench_die("owner map", &e);
	o.inside = bench.mgc_addr;
	owner_map_put(bench.owners, &o);
	str_copy(o.key, sizeof o.key, "sg/1");
	o.inside = bench.gate_addr;
	owner_map_put(bench.owners, &o);
	if ((bench.replicator = fork()) == 0)
		bench_run_replicator(theirs[1], ours[1]);
	bench_configure(ours[0]);
	if ((bench.b2bua = fork()) == 0) {
		dup2(ready[1], 3);
		bench_run_b2bua(theirs[0]);
	}
	if (read(ready[0], &c, 1) != 1)
		bench_die("b2bua does not start", NULL);
}

/* End a process; its CPU, of which *sys in the kernel, in us. */
static double
bench_end(pid_t pid, double *sys)
{
	struct rusage u;
	int status;

	kill(pid, SIGTERM);
	if (wait4(pid, &status, 0, &u) != pid)
		return 0;
	*sys = (double)u.ru_stime.tv_sec * 1e6 + (double)u.ru_stime.tv_usec;
	return (double)u.ru_utime.tv_sec * 1e6 + (double)u.ru_utime.tv_usec +
	    *sys;
}

static int
bench_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
bench_print(double span)
{
	double n = bench.done == 0 ? 1 : bench.done, sys = 0;
	double cpu = bench_end(bench.b2bua, &sys) / n;

	qsort(bench.took, bench.done, sizeof *bench.took, bench_compare);
	printf("%u calls, %u at once, %u failed, ship log synced\n",
	    bench.calls, bench.at_once, bench.failed);
	printf("rate        %8.0f calls/s\n", n * 1e6 / span);
	printf("b2bua       %8.1f us CPU a call, %.1f in the kernel\n", cpu,
	    sys / n);
	cpu = bench_end(bench.replicator, &sys) / n;
	printf("replicator  %8.1f us CPU a call, %.1f in the kernel\n", cpu,
	    sys / n);
	printf("whole call  %8.1f ms p50, %.1f ms p99\n",
	    (double)bench.took[bench.done / 2] / 1e3,
	    (double)bench.took[bench.done * 99 / 100] / 1e3);
}

int
main(int argc, char **argv)
{
	struct ng *ng;
	uint64_t from;

	bench.calls = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
	bench.at_once = argc > 2 ? (unsigned)atoi(argv[2]) : 100;
	bench.started = xcalloc(bench.calls, sizeof *bench.started);
	bench.took = xcalloc(bench.calls + 1, sizeof *bench.took);
	snprintf(bench.dir, sizeof bench.dir, "/tmp/b2bua_bench.XXXXXX");
	if (mkdtemp(bench.dir) == NULL)
		bench_die("directory", NULL);
	snprintf(bench.root, sizeof bench.root, "%s/streams", bench.dir);
	snprintf(bench.log, sizeof bench.log, "%s/log", bench.dir);
	snprintf(bench.map, sizeof bench.map, "%s/owners", bench.dir);
	mkdir(bench.root, 0700);
	mkdir(bench.log, 0700);
	signal(SIGPIPE, SIG_IGN);
	bench.loop = loop_new();
	bench.gate = bench_socket(&bench.gate_addr);
	addr_text(bench.gate_text, &bench.gate_addr);
	close(bench_socket(&bench.b2bua_addr));
	ng = ng_open(
	    bench.loop, bench_socket(&bench.mgc_addr), bench_on_ng, NULL);
	loop_fd_open(bench.loop, bench.gate, LOOP_READ, bench_on_gate, NULL);
	bench_start();
	from = clock_mono();
	while (bench.begun < bench.at_once && bench.begun < bench.calls)
		bench_invite();
	loop_run(bench.loop);
	bench_print((double)(clock_mono() - from));
	ng_close(&ng);
	return bench.failed != 0;
}
