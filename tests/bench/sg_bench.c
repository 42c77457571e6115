/*
 * What the gate costs: CPU microseconds of its process for one message
 * passed on, over UDP on the loopback, with the gate saturated. A second
 * process plays phones (each with an address of its own in 127/8) and the
 * inside: it makes its messages beforehand (the gate keeps nothing for a
 * datagram, so a message may be sent again and again) and sends them in
 * batches, so that the gate's own time is what is measured.
 *
 *   sg_bench [phones] [seconds]     default 10000 phones, 2 seconds each
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/sg/sg.h"

extern const struct role sg_role;

#define WINDOW 512 /* messages under way */
#define BATCH 32
#define SLICES 20 /* of a measurement: others use the machine, too */

/* ---- the frame, as far as the gate uses it ----------------------------- */

void
role_ready(struct self *self)
{
	(void)self;
}

void
role_stopped(struct self *self)
{
	(void)self;
}

void
role_stats(struct self *self, const struct role_stat *stats)
{
	(void)self;
	(void)stats;
}

/* ---- messages made beforehand ------------------------------------------ */

struct set {
	const char *what;
	bool outside; /* sent by phones */
	unsigned n;
	struct message {
		unsigned who; /* phone whose address it has */
		size_t n;
		char *p;
	} * m;
};

struct world {
	int phone, inside; /* sockets; phone is bound to all of 127/8 */
	union addr gate_out, gate_in, self_in;
	uint16_t port;
	unsigned phones;
	struct sg *sg;
};

static void
set_add(struct set *s, unsigned who, const char *text)
{
	s->m = xrealloc(s->m, (s->n + 1) * sizeof *s->m);
	s->m[s->n].who = who;
	s->m[s->n].n = strlen(text);
	s->m[s->n++].p = xstrdup(text);
}

static void
phone_address(unsigned who, union addr *a, uint16_t port)
{
	addr_parse(a, "127.1.0.0", port);
	a->in4.sin_addr.s_addr = htonl(0x7f010000u + who);
}

/* A request of a phone; credentials names the header for them. */
static void
add_phone_request(struct world *w, struct set *s, unsigned who,
    const char *method, const char *uri, const char *credentials,
    const char *tag)
{
	char out[2048], nonce[SG_NONCE], auth[256] = "";
	union addr a;

	phone_address(who, &a, 0);
	sg_nonce_make(
	    &w->sg->keys, (uint32_t)(clock_real() / CLOCK_SEC), &a, nonce);
	if (credentials != NULL)
		snprintf(auth, sizeof auth,
		    "%s: Digest username=\"%u\", realm=\"demo.test\", nonce="
		    "\"%s\", uri=\"sip:demo.test\", response=\"0123456789abc"
		    "def0123456789abcdef\", algorithm=MD5\r\n",
		    credentials, who, nonce);
	snprintf(out, sizeof out,
	    "%s %s SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP 192.168.1.7:%u;branch=z9hG4bK%08x%c;rport\r\n"
	    "Max-Forwards: 70\r\nFrom: <sip:%u@demo.test>;tag=%08x\r\n"
	    "To: <sip:%u@demo.test>%s%s\r\nCall-ID: %08x@192.168.1.7\r\n"
	    "CSeq: %u %s\r\nContact: <sip:%u@192.168.1.7:%u>\r\n%s"
	    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n"
	    "Supported: replaces, path\r\nUser-Agent: bench phone 1.0\r\n"
	    "Expires: 300\r\nContent-Length: 0\r\n\r\n",
	    method, uri, w->port, who, method[0], who, who, who,
	    tag != NULL ? ";tag=" : "", tag != NULL ? tag : "", who,
	    method[0] == 'B' ? 2u : 1u, method, who, w->port, auth);
	set_add(s, who, out);
}

/* A call of the inside to a phone, by its flow's token. */
static void
add_inside_request(struct world *w, struct set *s, unsigned who)
{
	struct sip_flow flow = {.listener = sg_listener_next(w->sg, NULL)->sip};
	uint8_t bytes[SG_FLOW_BYTES];
	char out[2048], token[SG_TOKEN], self[ADDR_TEXT];

	phone_address(who, &flow.peer, w->port);
	sg_seal(
	    &w->sg->keys, SG_FLOW, bytes, sg_flow_encode(&flow, bytes), token);
	addr_text(self, &w->self_in);
	snprintf(out, sizeof out,
	    "INVITE sip:%u@192.168.1.7:%u SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP %s;branch=z9hG4bK%08xabcdefgh\r\n"
	    "Route: <sip:%s@%s;lr>\r\nMax-Forwards: 70\r\n"
	    "From: <sip:1@demo.test>;tag=%08x\r\nTo: <sip:%u@demo.test>\r\n"
	    "Call-ID: %08x\r\nCSeq: 1 INVITE\r\n"
	    "Contact: <sip:b2bua-1@%s>\r\nAllow: INVITE, ACK, BYE\r\n"
	    "Supported: timer, replaces\r\nContent-Length: 0\r\n\r\n",
	    who, w->port, self, who, token, w->sg->inside_text, who, who, who,
	    self);
	set_add(s, who, out);
}

/* The reply to a request that came out of the gate, from its own lines. */
static void
add_reply(struct world *w, struct set *s, unsigned who, char *msg, int status)
{
	static const char *const keep[] = {
	    "Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"};
	char out[4096], host[ADDR_TEXT], *p = strstr(msg, "\r\n"), *eol, *tag;
	size_t n = (size_t)sprintf(out, "SIP/2.0 %d OK\r\n", status), i;

	for (p += 2; (eol = strstr(p, "\r\n")) != NULL && eol > p;
	     p = eol + 2) {
		for (i = 0; i < 5; i++) {
			if (strncmp(p, keep[i], strlen(keep[i])) == 0)
				n += (size_t)sprintf(
				    out + n, "%.*s", (int)(eol + 2 - p), p);
		}
		if (strncmp(p, "To:", 3) != 0)
			continue;
		tag = strstr(p, ";tag=");
		n += (size_t)sprintf(out + n, "%.*s%s\r\n", (int)(eol - p), p,
		    tag != NULL && tag < eol ? "" : ";tag=other");
	}
	addr_text(host, &w->self_in);
	snprintf(out + n, sizeof out - n,
	    "Contact: <sip:b2bua-1@%s>;expires=300\r\nAllow: INVITE, ACK, "
	    "BYE\r\nContent-Length: 0\r\n\r\n",
	    host);
	set_add(s, who, out);
}

/* ---- the other process: sends and throws away -------------------------- */

static void
send_batch(struct world *w, const struct set *s, unsigned at, unsigned count)
{
	static union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control[BATCH];
	struct mmsghdr mm[BATCH] = {0};
	struct iovec iov[BATCH];
	struct in_pktinfo info = {0};
	struct cmsghdr *c;
	unsigned i;

	for (i = 0; i < count; i++) {
		struct message *m = &s->m[(at + i) % s->n];
		struct msghdr *h = &mm[i].msg_hdr;

		iov[i] = (struct iovec){m->p, m->n};
		h->msg_iov = &iov[i];
		h->msg_iovlen = 1;
		h->msg_name = s->outside ? &w->gate_out : &w->gate_in;
		h->msg_namelen = sizeof(struct sockaddr_in);
		if (!s->outside)
			continue;
		h->msg_control = control[i].bytes;
		h->msg_controllen = sizeof control[i].bytes;
		c = CMSG_FIRSTHDR(h);
		info.ipi_spec_dst.s_addr = htonl(0x7f010000u + m->who);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof info);
		memcpy(CMSG_DATA(c), &info, sizeof info);
	}
	sendmmsg(s->outside ? w->phone : w->inside, mm, count, 0);
}

/* Take what came out on the other side; how many. */
static unsigned
drain(struct world *w, bool outside)
{
	static struct mmsghdr mm[256];
	static struct iovec iov[256];
	static char waste[16];
	unsigned i;
	int n;

	for (i = 0; i < 256; i++) {
		iov[i] = (struct iovec){waste, sizeof waste};
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(
	    outside ? w->inside : w->phone, mm, 256, MSG_DONTWAIT, NULL);
	return n > 0 ? (unsigned)n : 0;
}

static void
blast(struct world *w, const struct set *s)
{
	struct pollfd fd = {s->outside ? w->inside : w->phone, POLLIN, 0};
	unsigned at = 0, open = 0, got;

	for (;;) {
		while (open + BATCH <= WINDOW) {
			send_batch(w, s, at, BATCH);
			at += BATCH;
			open += BATCH;
		}
		got = drain(w, s->outside);
		open -= got < open ? got : open;
		if (got == 0 && poll(&fd, 1, 100) == 0)
			open = 0; /* some were lost */
	}
}

/* ---- the gate ---------------------------------------------------------- */

static double
cpu_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static void
on_end(void *arg)
{
	loop_stop(arg);
}

static void
gate_run(struct self *self, double seconds)
{
	struct loop_timer *t = loop_timer_new(self->loop, on_end, self->loop);

	loop_timer_set(t, (uint64_t)(seconds * 1e6));
	loop_run(self->loop);
	loop_timer_free(&t);
}

static int
udp_socket(const char *host, union addr *at)
{
	socklen_t len = sizeof *at;
	int fd, size = 8 << 20;

	addr_parse(at, host, 0);
	fd = sock_udp(at, NULL);
	if (fd < 0 || getsockname(fd, &at->sa, &len) != 0)
		fatal("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	return fd;
}

static void
gate_own(struct self *self, const char *key, const union addr *a)
{
	struct owner o = {.epoch = 1, .state = OWNER_SERVING, .inside = *a};

	str_copy(o.key, sizeof o.key, key);
	owner_map_put(self->owners, &o);
}

static void
gate_start(struct self *self, const union addr *inside)
{
	struct peer control = {.role = ROLE_CONTROL};
	struct err e;
	json_t *feed;

	memset(self, 0, sizeof *self);
	self->loop = loop_new();
	self->id = ROLE_SG;
	str_copy(self->name, sizeof self->name, "sg/1");
	memset(self->key_site, 7, CRYPT_KEY);
	addr_parse(&self->inside, "127.0.0.1", 0);
	if (owner_map_create(NULL, &self->owners, &e) != 0 ||
	    sg_role.start(self, &e) != 0)
		fatalx("%s", e.text);
	gate_own(self, "sr", inside);
	gate_own(self, "calls/b2bua-1", inside);
	gate_own(self, "b2bua/1", inside);
	feed = json_pack("{s:[{s:s,s:s}],s:[{s:s,s:s,s:s,s:i}],s:{s:i,s:i}}",
	    "domains", "name", "demo.test", "realm", "demo.test", "listeners",
	    "name", "udp", "transport", "udp", "address", "127.0.0.1", "port",
	    0, "gate", "requests-per-second", 100000000, "ban-after", 0);
	sg_role.on_request(self, &control, NULL, "feed", feed);
	json_decref(feed);
}

/* Send each message of a set once through the gate, a few at a time; what
 * comes out makes the set of replies. */
static void
capture(struct world *w, struct self *self, const struct set *s,
    struct set *replies, int status)
{
	int fd = s->outside ? w->inside : w->phone;
	unsigned at, count, got, tries;
	char msg[65536];
	ssize_t n;

	replies->outside = !s->outside;
	for (at = 0; at < s->n; at += count) {
		count = s->n - at < BATCH ? s->n - at : BATCH;
		send_batch(w, s, at, count);
		for (got = tries = 0; got < count && tries < 100; tries++) {
			gate_run(self, 0.0003);
			while ((n = recv(fd, msg, sizeof msg - 1,
				    MSG_DONTWAIT)) > 0) {
				msg[n] = '\0';
				/* Left over: an INVITE was refused, for a
				 * machine this busy is overload. */
				if (strncmp(msg, "SIP/2.0", 7) == 0)
					continue;
				if (strncmp(msg, "ACK", 3) != 0)
					add_reply(w, replies,
					    s->m[at + got].who, msg, status);
				got++;
			}
		}
	}
}

static int
compare_cost(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
bench(struct world *w, struct self *self, const struct set *s, double seconds)
{
	const struct sg_count *c = &w->sg->count;
	uint64_t before, messages, other, all = 0;
	double cpu, cost[SLICES];
	unsigned i;
	pid_t pid;

	if ((pid = fork()) == 0)
		blast(w, s);
	gate_run(self, 0.3);
	other = c->challenges + c->answered + c->strays + c->flow_gone;
	for (i = 0; i < SLICES; i++) {
		before = c->forwarded;
		cpu = cpu_us();
		gate_run(self, seconds / SLICES);
		messages = c->forwarded - before;
		cost[i] = messages > 0 ? (cpu_us() - cpu) / (double)messages
				       : 1e9;
		all += messages;
	}
	other = c->challenges + c->answered + c->strays + c->flow_gone - other;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	gate_run(self, 0.1);
	qsort(cost, SLICES, sizeof cost[0], compare_cost);
	printf("%-28s %6.2f best %6.2f median us CPU a message %8.0f/s%s\n",
	    s->what, cost[0], cost[SLICES / 2], (double)all / seconds,
	    other > 0 ? " (some refused: overload)" : "");
	fflush(stdout);
	while (drain(w, true) + drain(w, false) > 0)
		;
}

static void
bench_all(unsigned phones, double seconds)
{
	struct set reg = {"REGISTER in", true, 0, NULL};
	struct set reg_ok = {"200 to REGISTER out", false, 0, NULL};
	struct set call = {"INVITE, ACK, BYE in", true, 0, NULL};
	struct set call_ok = {"200 to INVITE and BYE out", false, 0, NULL};
	struct set ring = {"INVITE out", false, 0, NULL};
	struct set ring_ok = {"180 to INVITE in", true, 0, NULL};
	struct world w = {.phones = phones};
	struct self self;
	char token[SG_TOKEN], uri[SG_TOKEN + 32];
	union addr at;
	unsigned i;
	int on = 1;

	w.inside = udp_socket("127.0.0.1", &w.self_in);
	w.phone = udp_socket("0.0.0.0", &at);
	setsockopt(w.phone, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
	w.port = addr_port(&at);
	gate_start(&self, &w.self_in);
	w.sg = self.state_of_role;
	w.gate_out = *sip_listener_address(sg_listener_next(w.sg, NULL)->sip);
	addr_parse(&w.gate_in, "127.0.0.1",
	    (uint16_t)atoi(strchr(w.sg->inside_text, ':') + 1));
	sg_seal(&w.sg->keys, SG_INSTANCE, "b2bua-1", 7, token);
	snprintf(uri, sizeof uri, "sip:%s@127.0.0.1", token);
	for (i = 0; i < phones; i++) {
		add_phone_request(&w, &reg, i, "REGISTER", "sip:demo.test",
		    "Authorization", NULL);
		add_phone_request(&w, &call, i, "INVITE", "sip:1@demo.test",
		    "Proxy-Authorization", NULL);
		add_phone_request(&w, &call, i, "ACK", uri, NULL, "t");
		add_phone_request(&w, &call, i, "BYE", uri, NULL, "t");
		add_inside_request(&w, &ring, i);
	}
	capture(&w, &self, &reg, &reg_ok, 200);
	capture(&w, &self, &call, &call_ok, 200);
	capture(&w, &self, &ring, &ring_ok, 180);
	bench(&w, &self, &reg, seconds);
	bench(&w, &self, &reg_ok, seconds);
	bench(&w, &self, &call, seconds);
	bench(&w, &self, &call_ok, seconds);
	bench(&w, &self, &ring, seconds);
	bench(&w, &self, &ring_ok, seconds);
}

/* The scanner alone, on a REGISTER as above. */
static void
bench_scan(void)
{
	static const char text[] =
	    "REGISTER sip:demo.test SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP 192.168.1.7:5060;branch=z9hG4bK00000001R;rport"
	    "\r\nMax-Forwards: 70\r\nFrom: <sip:101@demo.test>;tag=00000001\r\n"
	    "To: <sip:101@demo.test>\r\nCall-ID: 00000001@192.168.1.7\r\n"
	    "CSeq: 1 REGISTER\r\nContact: <sip:101@192.168.1.7:5060>\r\n"
	    "Authorization: Digest username=\"101\", realm=\"demo.test\", "
	    "nonce=\"awOFrDalP4bDkDzvoUmaB-c1\", uri=\"sip:demo.test\", "
	    "response=\"0123456789abcdef0123456789abcdef\"\r\n"
	    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n"
	    "Supported: replaces, path\r\nUser-Agent: bench phone 1.0\r\n"
	    "Expires: 300\r\nContent-Length: 0\r\n\r\n";
	static struct scan s;
	char copy[sizeof text];
	unsigned i, n = 500000, good = 0;
	double cpu = cpu_us();

	for (i = 0; i < n; i++) {
		memcpy(copy, text, sizeof text);
		good += scan_message(&s, copy, sizeof text - 1) == 0;
	}
	printf("%-10s %7.2f us CPU a message  (%zu bytes, %u good)\n", "scan",
	    (cpu_us() - cpu) / n, sizeof text - 1, good);
}

int
main(int argc, char **argv)
{
	unsigned phones = argc > 1 ? (unsigned)atoi(argv[1]) : 10000;
	double seconds = argc > 2 ? atof(argv[2]) : 2;

	if (phones == 0 || phones > 60000)
		phones = 10000;
	log_init("sg_bench", false);
	bench_scan();
	bench_all(phones, seconds);
	return 0;
}
