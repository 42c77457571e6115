/*
 * The load of a lab, at one of its servers: phones register through its SG,
 * consoles commit through its control, and offers go to MGC. What was answered
 * positively, and what reads saw, is written down with the times at which it
 * began and ended, for tests/lab/history.sql. A phone has one binding whose
 * URI tells the value that was written (";n=7"): values of a phone grow, one
 * operation of it goes after the other, and a value whose fate is not known is
 * written until it is acknowledged. Operations begin at a steady rate, whatever
 * became of those before.
 *
 * usage: lab_probe LAB SERVER FIRST OUT BOARD      in the server's network
 * Lines: w KEY ID VALUE BEGIN END   acknowledged
 *        r KEY ID VALUE BEGIN END   read at the owner; 0 = nothing there
 *        u KEY ID VALUE BEGIN END   fate unknown (END: given up)
 */
#include <fcntl.h>
#include <jansson.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Phones here need only a part of it. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "tests/bench/load_sip.h"
#include "tests/tool/lab_probe.h"

#include "daemon/base/loop.h"
#include "daemon/base/rpc.h"
#include "daemon/ng/ng.h"
#include "replication/replication.h"

#define PHONES 100
#define CONSOLES 2
#define OFFERS 64
#define TICK (5 * CLOCK_MS)
#define REGISTER_GAP (15 * CLOCK_MS)
#define COMMIT_GAP (150 * CLOCK_MS)
#define AGAIN_GAP (20 * CLOCK_MS) /* a console that was refused */
#define OFFER_GAP (50 * CLOCK_MS)
#define GIVE_UP CLOCK_SEC
#define COMMIT_GIVE_UP (3 * CLOCK_SEC)
#define DOMAIN "lab.test"

struct phone {
	bool open, reads;
	unsigned tries;
	uint32_t cseq;
	uint64_t value, acked, began;
	struct challenge www;
};

struct console {
	struct rpc *rpc;
	bool open;
	uint64_t user, began, next;
};

static struct probe {
	struct loop *loop;
	struct loop_timer *tick;
	const char *lab;
	unsigned server, first;
	FILE *out;
	struct probe_board *board;
	uint64_t flush;
	/* phones */
	int sip;
	union addr at, gate;
	char at_text[ADDR_TEXT];
	struct phone phone[PHONES];
	unsigned next_phone, ops;
	uint64_t next_register;
	/* consoles */
	struct console console[CONSOLES];
	uint64_t users;
	/* offers */
	int raw;
	struct owner_map *owners;
	ino_t owners_file;
	union addr b2bua;
	uint64_t offer[OFFERS], offers, next_offer;
} self;

/* ---- the history --------------------------------------------------------- */

static void
note(char op, enum probe_key key, uint64_t id, uint64_t value, uint64_t begin)
{
	fprintf(self.out,
	    "%c %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", op,
	    probe_keys[key], id, value, begin, clock_mono());
	if (op != 'u')
		atomic_store(&self.board->begun[self.server][key], begin);
}

/* ---- phones -------------------------------------------------------------- */

static unsigned
phone_number(const struct phone *p)
{
	return self.first + (unsigned)(p - self.phone);
}

/* The value that is to be there, and the one that was. */
static void
phone_contacts(const struct phone *p, struct text *t)
{
	put(t, "Contact: <sip:%u@%s;n=%" PRIu64 ">\r\n", phone_number(p),
	    self.at_text, p->value);
	if (p->acked != 0 && p->acked != p->value)
		put(t, "Contact: <sip:%u@%s;n=%" PRIu64 ">;expires=0\r\n",
		    phone_number(p), self.at_text, p->acked);
}

static void
phone_send(struct phone *p)
{
	struct text t = {.n = 0};
	char user[16];

	snprintf(user, sizeof user, "%u", phone_number(p));
	p->cseq++;
	put(&t,
	    "REGISTER sip:" DOMAIN " SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP %s;branch=z9hG4bK%04x%08x;rport\r\n"
	    "Max-Forwards: 70\r\nFrom: <sip:%s@" DOMAIN ">;tag=t%s\r\n"
	    "To: <sip:%s@" DOMAIN ">\r\nCall-ID: probe-%s\r\n"
	    "CSeq: %u REGISTER\r\n",
	    self.at_text, (unsigned)(p - self.phone), p->cseq, user, user, user,
	    user, p->cseq);
	if (!p->reads)
		phone_contacts(p, &t);
	if (p->www.known)
		challenge_put(&t, &p->www, user, "REGISTER", "sip:" DOMAIN);
	put(&t, "Expires: 7200\r\nContent-Length: 0\r\n\r\n");
	sendto(self.sip, t.data, t.n, MSG_DONTWAIT, &self.gate.sa,
	    addr_len(&self.gate));
}

static void
phone_begin(struct phone *p, uint64_t now)
{
	p->open = true;
	p->tries = 0;
	p->began = now;
	p->reads = p->acked != 0 && ++self.ops % 4 == 0;
	if (!p->reads && p->value == p->acked)
		p->value++;
	phone_send(p);
}

/* The value that the bindings of a reply tell; 0 = there is none. More than
 * one binding is a value that nobody wrote. */
static uint64_t
phone_value(const char *msg)
{
	uint64_t value = 0;
	const char *at = msg;

	while ((at = strstr(at, ";n=")) != NULL) {
		at += 3;
		if (value != 0)
			return UINT32_MAX;
		value = strtoull(at, NULL, 10);
	}
	return value;
}

static void
phone_on_reply(struct phone *p, int status, const char *msg)
{
	char user[16], password[24];

	if (status == 401 && p->tries++ < 2) {
		snprintf(user, sizeof user, "%u", phone_number(p));
		snprintf(password, sizeof password, "secret%s", user);
		if (challenge_take(&p->www, msg, false, user, password))
			phone_send(p);
		return;
	}
	p->open = false;
	if (status != 200) {
		if (!p->reads)
			note(
			    'u', PROBE_SR, phone_number(p), p->value, p->began);
		return;
	}
	if (!p->reads)
		p->acked = p->value;
	if (!p->reads)
		note('w', PROBE_SR, phone_number(p), p->value, p->began);
	note('r', PROBE_SR, phone_number(p), phone_value(msg), p->began);
}

static void
phones_on_io(void *arg, int fd, int events)
{
	static char msg[8192];
	unsigned index, cseq;
	const char *branch;
	ssize_t n;

	(void)arg;
	(void)events;
	while ((n = recv(fd, msg, sizeof msg - 1, MSG_DONTWAIT)) > 0) {
		msg[n] = '\0';
		if (strncmp(msg, "SIP/2.0 ", 8) != 0 || atoi(msg + 8) < 200 ||
		    (branch = strstr(msg, "branch=z9hG4bK")) == NULL ||
		    sscanf(branch + 14, "%4x%8x", &index, &cseq) != 2 ||
		    index >= PHONES || !self.phone[index].open ||
		    self.phone[index].cseq != cseq)
			continue;
		phone_on_reply(&self.phone[index], atoi(msg + 8), msg);
	}
}

static void
phones_tick(uint64_t now)
{
	struct phone *p;
	unsigned i;

	for (p = self.phone; p < self.phone + PHONES; p++) {
		if (!p->open || now - p->began < GIVE_UP)
			continue;
		p->open = false;
		if (!p->reads)
			note(
			    'u', PROBE_SR, phone_number(p), p->value, p->began);
	}
	if (now < self.next_register)
		return;
	self.next_register = now + REGISTER_GAP;
	for (i = 0; i < PHONES; i++) {
		p = &self.phone[self.next_phone];
		self.next_phone = (self.next_phone + 1) % PHONES;
		if (!p->open) {
			phone_begin(p, now);
			return;
		}
	}
}

static void
phones_open(void)
{
	socklen_t len = sizeof self.at;
	struct err e;
	unsigned i;

	addr_parse(&self.at, "127.0.0.1", 0);
	addr_parse(&self.gate, "127.0.0.1", 5060);
	if ((self.sip = sock_udp(&self.at, &e)) < 0)
		die("%s", e.text);
	getsockname(self.sip, &self.at.sa, &len);
	addr_text(self.at_text, &self.at);
	for (i = 0; i < PHONES; i++)
		self.phone[i].cseq = 1000;
	loop_fd_open(self.loop, self.sip, LOOP_READ, phones_on_io, NULL);
}

/* ---- consoles ------------------------------------------------------------ */

static void
console_end(struct console *c, bool ok)
{
	c->open = false;
	note(ok ? 'w' : 'u', PROBE_ST, c->user, 1, c->began);
	if (ok)
		c->user = 0;
	c->next = ok ? c->began + COMMIT_GAP : clock_mono() + AGAIN_GAP;
	if (!ok && c->rpc != NULL)
		rpc_close(&c->rpc); /* with whatever it still has under way */
}

static void
console_on_committed(void *arg, json_t *result, const struct err *e)
{
	(void)result;
	console_end(arg, e == NULL);
}

static void
console_on_set(void *arg, json_t *result, const struct err *e)
{
	struct console *c = arg;

	(void)result;
	if (e != NULL)
		console_end(c, false);
	else
		rpc_call(c->rpc, "commit", json_object(), COMMIT_GIVE_UP,
		    console_on_committed, c);
}

static void
console_on_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	struct console *c = arg;

	(void)rpc;
	(void)why;
	rpc_close(&c->rpc);
}

static bool
console_connect(struct console *c)
{
	struct rpc_handler h = {
	    .on_closed = console_on_closed, .arg = c, .max_in = 1 << 22};
	char path[200];
	struct err e;
	int fd;

	if (c->rpc != NULL)
		return true;
	snprintf(
	    path, sizeof path, "%s/srv%u/control.sock", self.lab, self.server);
	if ((fd = sock_unix_connect(path, &e)) < 0)
		return false;
	c->rpc = rpc_open(self.loop, fd, &h);
	return true;
}

static void
consoles_tick(uint64_t now)
{
	struct console *c;
	char path[64], password[32];

	for (c = self.console; c < self.console + CONSOLES; c++) {
		if (c->open || now < c->next)
			continue;
		c->next = now + AGAIN_GAP;
		if (!console_connect(c))
			continue;
		if (c->user == 0)
			c->user = self.first * UINT64_C(1000) + ++self.users;
		c->open = true;
		c->began = now;
		snprintf(path, sizeof path, "domain " DOMAIN " user %" PRIu64,
		    c->user);
		snprintf(password, sizeof password, "secret%" PRIu64, c->user);
		rpc_call(c->rpc, "set",
		    json_pack("{s:s, s:{s:s}}", "path", path, "values",
			"password", password),
		    COMMIT_GIVE_UP, console_on_set, c);
	}
}

/* ---- offers -------------------------------------------------------------- */

/* The owner map is another file after a start of the server. */
static void
owners_look(void)
{
	char path[200];
	struct stat st;
	struct err e;
	int fd;

	snprintf(path, sizeof path, "%s/srv%u/owners", self.lab, self.server);
	if (stat(path, &st) != 0 ||
	    (self.owners != NULL && st.st_ino == self.owners_file) ||
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	owner_map_close(&self.owners);
	if (owner_map_attach(fd, &self.owners, &e) == 0)
		self.owners_file = st.st_ino;
	close(fd);
}

/* MGC takes orders from a B2BUA only, so they bear its address; that one gets
 * the replies too, and drops them. */
static void
offer_send(const char *command, const char *cookie, uint64_t id)
{
	static const char sdp[] =
	    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
	    "t=0 0\r\nm=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";
	struct owner mgc, b2bua;
	struct buf b = BUF_INIT;
	struct udphdr udp = {0};
	char key[OWNER_KEY], text[64];
	json_t *order;

	snprintf(key, sizeof key, "b2bua/1@srv%u", self.server);
	if (self.owners == NULL || !owner_map_find(self.owners, "mgc", &mgc) ||
	    !owner_map_find(self.owners, key, &b2bua))
		return;
	self.b2bua = b2bua.inside;
	snprintf(text, sizeof text, "probe-%u-%" PRIu64, self.server, id);
	order = json_pack("{s:s, s:s, s:s, s:s}", "command", command, "call-id",
	    text, "from-tag", "a", "sdp", sdp);
	buf_add(&b, &udp, sizeof udp);
	buf_fmt(&b, "%s ", cookie);
	ng_encode(&b, order);
	json_decref(order);
	udp = (struct udphdr){.source = b2bua.inside.in4.sin_port,
	    .dest = mgc.inside.in4.sin_port,
	    .len = htons((uint16_t)b.len)};
	memcpy(b.data, &udp, sizeof udp);
	mgc.inside.in4.sin_port = 0;
	sendto(self.raw, b.data, b.len, MSG_DONTWAIT, &mgc.inside.sa,
	    addr_len(&mgc.inside));
	buf_fini(&b);
}

/* The session is ended as soon as it has been acknowledged. */
static void
offer_on_reply(uint64_t id, const char *body)
{
	char cookie[40];

	if (self.offer[id % OFFERS] == 0 || id + OFFERS <= self.offers ||
	    strstr(body, "6:result2:ok") == NULL)
		return;
	note('w', PROBE_MGC, self.server * UINT64_C(10000000) + id, 1,
	    self.offer[id % OFFERS]);
	self.offer[id % OFFERS] = 0;
	snprintf(cookie, sizeof cookie, "ended%u-%" PRIu64, self.server, id);
	offer_send("delete", cookie, id);
}

static void
offers_on_io(void *arg, int fd, int events)
{
	static char packet[65536];
	const struct udphdr *udp;
	unsigned server;
	uint64_t id;
	size_t head;
	ssize_t n;

	(void)arg;
	(void)events;
	while ((n = recv(fd, packet, sizeof packet - 1, MSG_DONTWAIT)) > 0) {
		packet[n] = '\0';
		head = (size_t)(packet[0] & 15) * 4;
		udp = (const struct udphdr *)(packet + head);
		if ((size_t)n < head + sizeof *udp ||
		    udp->dest != self.b2bua.in4.sin_port ||
		    sscanf(packet + head + sizeof *udp, "probe%u-%" SCNu64,
			&server, &id) != 2 ||
		    server != self.server)
			continue;
		offer_on_reply(id, packet + head + sizeof *udp);
	}
}

static void
offers_tick(uint64_t now)
{
	char cookie[40];

	if (now < self.next_offer)
		return;
	self.next_offer = now + OFFER_GAP;
	owners_look();
	self.offer[++self.offers % OFFERS] = now;
	snprintf(cookie, sizeof cookie, "probe%u-%" PRIu64, self.server,
	    self.offers);
	offer_send("offer", cookie, self.offers);
}

static void
offers_open(void)
{
	self.raw = socket(
	    AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	if (self.raw < 0)
		die("raw socket: %s", strerror(errno));
	loop_fd_open(self.loop, self.raw, LOOP_READ, offers_on_io, NULL);
}

/* ---- all ----------------------------------------------------------------- */

static void
on_tick(void *arg)
{
	uint64_t now = clock_mono();

	(void)arg;
	loop_timer_set(self.tick, TICK);
	phones_tick(now);
	consoles_tick(now);
	offers_tick(now);
	if (now >= self.flush) {
		fflush(self.out);
		self.flush = now + 100 * CLOCK_MS;
	}
}

/* Nobody will know what becomes of what is under way. */
static void
on_term(void *arg)
{
	struct phone *p;

	(void)arg;
	for (p = self.phone; p < self.phone + PHONES; p++) {
		if (p->open && !p->reads)
			note(
			    'u', PROBE_SR, phone_number(p), p->value, p->began);
	}
	loop_stop(self.loop);
}

static void
board_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, sizeof *self.board) != 0)
		die("%s: %s", path, strerror(errno));
	self.board = mmap(NULL, sizeof *self.board, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (self.board == MAP_FAILED)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

int
main(int argc, char **argv)
{
	if (argc != 6 || (self.server = (unsigned)atoi(argv[2])) == 0 ||
	    self.server >= PROBES)
		die("usage: lab_probe LAB SERVER FIRST OUT BOARD");
	signal(SIGPIPE, SIG_IGN);
	self.lab = argv[1];
	self.first = (unsigned)atoi(argv[3]);
	if ((self.out = fopen(argv[4], "a")) == NULL)
		die("%s: %s", argv[4], strerror(errno));
	board_open(argv[5]);
	self.loop = loop_new();
	loop_signal_open(self.loop, SIGTERM, on_term, NULL);
	phones_open();
	offers_open();
	self.tick = loop_timer_new(self.loop, on_tick, NULL);
	loop_timer_set(self.tick, 0);
	loop_run(self.loop);
	fclose(self.out);
	return 0;
}
