/*
 * Load for a media gate that speaks ng, ours or rtpengine: opens calls, sends
 * G.711-sized RTP both ways through it at a fixed rate, and tells what came
 * back, how late, and what it cost the processes named.
 *
 *   rtp_load -n 127.0.0.1:2223 [-c calls] [-r packets/s] [-t seconds]
 *	[-p pid,pid] [-l label] [-s] [-u cpu] [-b batch]
 *
 * -s searches for the highest rate with under 0.1 % loss and p99 under 5 ms.
 * Without -r the rate is that of 20 ms packets both ways: 100 a call.
 *
 * All callers share a few sockets, and all callees, so that this program's
 * own cost is small (sendmmsg, recvmmsg); the gate under test has a socket
 * for each stream all the same. Latency is from just before the send to the
 * kernel's own receive timestamp. Loopback only; at most 4,000 calls.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/ng/ng.h"

#define CALLS_MAX 4000
#define PAIRS 8 /* sockets of callers, and as many of callees */
#define BATCH_MAX 64
#define PACKET 172  /* G.711, 20 ms */
#define SLOTS 20000 /* of latency, one microsecond each */
#define PIDS 16
#define LOSS_MAX 0.001
#define LATE_MAX 5000 /* us, p99 */
#define RCVBUF (16 << 20)

struct stream {
	int socket;
	union addr to; /* the gate's port */
	uint32_t ssrc;
	uint32_t time;
	uint16_t seq;
};

struct result {
	double rate; /* wished */
	uint64_t sent, received;
	uint64_t slot[SLOTS + 1]; /* the last: later than all */
	uint64_t us;		  /* of sending */
	double cpu;		  /* seconds of the processes */
};

static struct load {
	union addr ng;
	unsigned calls, seconds, batch;
	double rate;
	const char *label;
	bool search;
	int cpu;
	pid_t pid[PIDS];
	unsigned npids;
	int socket[2][PAIRS];
	uint16_t port[2][PAIRS];
	struct stream *stream; /* two for each call */
	unsigned nstreams, next;
	struct result res;
	/* asking */
	struct loop *loop;
	struct ng *client;
	json_t *reply;
} self = {.calls = 1000, .seconds = 5, .batch = 8, .label = "gate", .cpu = -1};

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- calls --------------------------------------------------------------- */

static void
on_reply(void *arg, json_t *dict, const struct err *e)
{
	(void)arg;
	if (e != NULL)
		fatalx("%s", e->text);
	json_decref(self.reply);
	self.reply = json_incref(dict);
	loop_stop(self.loop);
}

static const json_t *
ask(json_t *dict)
{
	ng_call(self.client, &self.ng, dict, 5 * CLOCK_SEC, on_reply, &self);
	loop_run(self.loop);
	return self.reply;
}

static json_t *
command_new(const char *command, unsigned call)
{
	char id[40];

	snprintf(id, sizeof id, "load-%d-%u", (int)getpid(), call);
	return json_pack("{s:s, s:s, s:s, s:s}", "command", command, "call-id",
	    id, "from-tag", "a", "to-tag", "b");
}

/* Offer or answer; the port of the gate that it tells. */
static uint16_t
signal_call(const char *command, unsigned call, uint16_t port)
{
	json_t *v = command_new(command, call);
	const char *sdp, *m;
	char text[300];

	snprintf(text, sizeof text,
	    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
	    "t=0 0\r\nm=audio %u RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n",
	    port);
	json_object_set_new(v, "sdp", json_string(text));
	json_object_set_new(v, "ICE", json_string("remove"));
	json_object_set_new(
	    v, "replace", json_pack("[s, s]", "origin", "session-connection"));
	if (strcmp(command, "offer") == 0)
		json_object_del(v, "to-tag");
	sdp = ng_str(ask(v), "sdp");
	m = sdp != NULL ? strstr(sdp, "m=audio ") : NULL;
	if (m == NULL)
		fatalx("%s: no m=audio in the answer", command);
	return (uint16_t)strtoul(m + 8, NULL, 10);
}

static void
stream_init(struct stream *s, int side, unsigned pair, uint16_t to)
{
	s->socket = self.socket[side][pair];
	addr_parse(&s->to, "127.0.0.1", to);
	rand_bytes(&s->ssrc, sizeof s->ssrc);
	rand_bytes(&s->seq, sizeof s->seq);
}

static void
open_calls(void)
{
	uint16_t to_callee, to_caller;
	unsigned i, pair;

	self.nstreams = 2 * self.calls;
	self.stream = xcalloc(self.nstreams, sizeof *self.stream);
	for (i = 0; i < self.calls; i++) {
		pair = i % PAIRS;
		to_callee = signal_call("offer", i, self.port[0][pair]);
		to_caller = signal_call("answer", i, self.port[1][pair]);
		/* Who calls sends to the port told to the caller. */
		stream_init(&self.stream[2 * i], 0, pair, to_caller);
		stream_init(&self.stream[2 * i + 1], 1, pair, to_callee);
	}
}

static void
close_calls(void)
{
	unsigned i;

	for (i = 0; i < self.calls; i++)
		ask(command_new("delete", i));
}

static void
open_sockets(void)
{
	int on = 1, size = RCVBUF, side, i;
	socklen_t len;
	union addr at;
	struct err e;

	for (side = 0; side < 2; side++) {
		for (i = 0; i < PAIRS; i++) {
			addr_parse(&at, "127.0.0.1", 0);
			self.socket[side][i] = sock_udp(&at, &e);
			if (self.socket[side][i] < 0)
				fatalx("%s", e.text);
			len = sizeof at;
			getsockname(self.socket[side][i], &at.sa, &len);
			self.port[side][i] = addr_port(&at);
			setsockopt(self.socket[side][i], SOL_SOCKET,
			    SO_TIMESTAMPNS, &on, sizeof on);
			if (setsockopt(self.socket[side][i], SOL_SOCKET,
				SO_RCVBUFFORCE, &size, sizeof size) != 0)
				setsockopt(self.socket[side][i], SOL_SOCKET,
				    SO_RCVBUF, &size, sizeof size);
		}
	}
}

/* ---- packets ------------------------------------------------------------- */

static void
packet_make(uint8_t *p, struct stream *s, uint64_t ns)
{
	p[0] = 0x80;
	p[1] = 8;
	p[2] = (uint8_t)(s->seq >> 8);
	p[3] = (uint8_t)s->seq;
	for (int i = 0; i < 4; i++) {
		p[4 + i] = (uint8_t)(s->time >> (24 - 8 * i));
		p[8 + i] = (uint8_t)(s->ssrc >> (24 - 8 * i));
	}
	memcpy(p + 12, &ns, sizeof ns);
	s->seq++;
	s->time += 160;
}

/* The next stream of the same socket: neighbours of the table belong to
 * different ones. False when the next belongs to another socket. */
static bool
next_stream(void)
{
	self.next += 2 * PAIRS;
	if (self.next < self.nstreams)
		return true;
	self.next = (self.next + 1) % (2 * PAIRS);
	if (self.next >= self.nstreams)
		self.next = 0;
	return false;
}

/* Send the next packets, all of one socket. */
static void
send_batch(unsigned count)
{
	static uint8_t data[BATCH_MAX][PACKET];
	static struct mmsghdr msg[BATCH_MAX];
	static struct iovec iov[BATCH_MAX];
	int s = self.stream[self.next].socket, n;
	uint64_t ns = now_ns();
	unsigned i = 0;

	do {
		struct stream *st = &self.stream[self.next];

		packet_make(data[i], st, ns);
		iov[i] = (struct iovec){data[i], PACKET};
		msg[i].msg_hdr = (struct msghdr){.msg_name = &st->to,
		    .msg_namelen = addr_len(&st->to),
		    .msg_iov = &iov[i],
		    .msg_iovlen = 1};
		i++;
	} while (next_stream() && i < count);
	n = sendmmsg(s, msg, i, 0);
	if (n > 0)
		self.res.sent += (uint64_t)n;
}

/* When the kernel got the packet. */
static uint64_t
received_ns(struct msghdr *h)
{
	struct cmsghdr *c;
	struct timespec ts;

	for (c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof ts);
		return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	}
	return now_ns();
}

static void
count_packet(struct msghdr *h, const uint8_t *p)
{
	uint64_t sent, at = received_ns(h), us;

	memcpy(&sent, p + 12, sizeof sent);
	us = at > sent ? (at - sent) / 1000 : 0;
	self.res.received++;
	self.res.slot[us < SLOTS ? us : SLOTS]++;
}

static void
drain_socket(int s)
{
	static uint8_t data[BATCH_MAX][PACKET + 8];
	static char control[BATCH_MAX][64];
	static struct mmsghdr msg[BATCH_MAX];
	static struct iovec iov[BATCH_MAX];
	int i, n;

	do {
		for (i = 0; i < BATCH_MAX; i++) {
			iov[i] = (struct iovec){data[i], sizeof data[i]};
			msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
			    .msg_iovlen = 1,
			    .msg_control = control[i],
			    .msg_controllen = sizeof control[i]};
		}
		n = recvmmsg(s, msg, BATCH_MAX, MSG_DONTWAIT, NULL);
		for (i = 0; i < n; i++) {
			if (msg[i].msg_len == PACKET)
				count_packet(&msg[i].msg_hdr, data[i]);
		}
	} while (n == BATCH_MAX);
}

static void
drain_all(void)
{
	int i;

	for (i = 0; i < PAIRS; i++) {
		drain_socket(self.socket[0][i]);
		drain_socket(self.socket[1][i]);
	}
}

static double
cpu_of_pids(void)
{
	unsigned long user, sys;
	double sum = 0;
	char path[40];
	unsigned i;
	FILE *f;

	for (i = 0; i < self.npids; i++) {
		snprintf(path, sizeof path, "/proc/%d/stat", (int)self.pid[i]);
		if ((f = fopen(path, "re")) == NULL)
			fatal("%s", path);
		if (fscanf(f,
			"%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
			"%*u %lu %lu",
			&user, &sys) == 2)
			sum += (double)(user + sys) /
			    (double)sysconf(_SC_CLK_TCK);
		fclose(f);
	}
	return sum;
}

/* Send at the rate for some seconds, receive meanwhile and a little longer. */
static void
run_rate(double rate, double seconds)
{
	struct result *r = &self.res;
	uint64_t start, now, end, due;
	double cpu;

	memset(r, 0, sizeof *r);
	r->rate = rate;
	cpu = cpu_of_pids();
	start = clock_mono();
	end = start + (uint64_t)(seconds * 1e6);
	while ((now = clock_mono()) < end) {
		due = (uint64_t)((double)(now - start) * rate / 1e6);
		if (due > r->sent + rate / 100)
			start +=
			    (uint64_t)(((double)(due - r->sent) - rate / 100) *
				1e6 /
				rate); /* hopelessly late: skip, do not burst */
		while (r->sent < due)
			send_batch(self.batch);
		drain_all();
		usleep(50);
	}
	r->us = (uint64_t)(seconds * 1e6);
	for (due = 0; due < 30; due++) {
		usleep(10000);
		drain_all();
	}
	r->cpu = cpu_of_pids() - cpu;
}

static unsigned
percentile(const struct result *r, double part)
{
	uint64_t want = (uint64_t)((double)r->received * part), sum = 0;
	unsigned i;

	for (i = 0; i < SLOTS; i++) {
		sum += r->slot[i];
		if (sum > want)
			return i;
	}
	return SLOTS;
}

static double
loss(const struct result *r)
{
	return r->sent == 0 ? 1 : 1 - (double)r->received / (double)r->sent;
}

static bool
is_good(const struct result *r)
{
	return loss(r) < LOSS_MAX && percentile(r, 0.99) < LATE_MAX;
}

/* Did this program itself keep the pace? */
static bool
is_paced(const struct result *r)
{
	return (double)r->sent * 1e6 / (double)r->us > r->rate * 0.97;
}

static void
print_result(const struct result *r, const char *what)
{
	double per_second = (double)r->sent * 1e6 / (double)r->us;

	printf("%s %s calls=%u sent=%.0f/s loss=%.3f%% p50=%uus p99=%uus",
	    self.label, what, self.calls, per_second, 100 * loss(r),
	    percentile(r, 0.5), percentile(r, 0.99));
	if (self.npids != 0)
		printf(" cpu=%.2fus/packet cores=%.2f",
		    r->cpu * 1e6 / (double)(r->sent + !r->sent),
		    r->cpu * 1e6 / (double)r->us);
	printf("%s\n", is_paced(r) ? "" : " (the generator was the limit)");
	fflush(stdout);
}

/* Upwards until it fails, then halve the step. */
static void
search_rate(void)
{
	double rate = self.rate, good = 0, step = 1.25;
	struct result best = {0};
	unsigned tries;

	for (tries = 0; tries < 24 && step > 1.02; tries++) {
		run_rate(rate, self.seconds);
		if (is_good(&self.res) && is_paced(&self.res)) {
			good = rate;
			best = self.res;
		} else {
			rate = good != 0 ? good : rate / step;
			step = 1 + (step - 1) / 2;
			if (!is_paced(&self.res))
				print_result(&self.res, "stopped-at");
		}
		rate = good != 0 ? good * step : rate / step;
	}
	print_result(&best, "most");
}

/* ---- words of the command line ------------------------------------------- */

static void
usage(void)
{
	fprintf(stderr,
	    "usage: rtp_load -n host:port [-c calls] [-r packets/s] "
	    "[-t seconds]\n\t[-p pid,pid] [-l label] [-s] [-u cpu] "
	    "[-b batch]\n");
	exit(2);
}

static int64_t
number(const char *s, int64_t low, int64_t high)
{
	int64_t v;

	if (!str_int(s, low, high, &v))
		usage();
	return v;
}

static void
read_ng(const char *s)
{
	const char *colon = strrchr(s, ':');

	if (colon == NULL ||
	    !addr_nparse(&self.ng, s, (size_t)(colon - s),
		(uint16_t)number(colon + 1, 1, 65535)) ||
	    !addr_is_loopback(&self.ng))
		usage();
}

static void
read_pids(char *s)
{
	char *word;

	while ((word = strsep(&s, ",")) != NULL && self.npids < PIDS)
		self.pid[self.npids++] = (pid_t)number(word, 1, 1 << 30);
}

static void
read_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "n:c:r:t:p:l:su:b:")) != -1) {
		switch (c) {
		case 'n':
			read_ng(optarg);
			break;
		case 'c':
			self.calls = (unsigned)number(optarg, 1, CALLS_MAX);
			break;
		case 'r':
			self.rate = (double)number(optarg, 1, 10000000);
			break;
		case 't':
			self.seconds = (unsigned)number(optarg, 1, 600);
			break;
		case 'p':
			read_pids(optarg);
			break;
		case 'l':
			self.label = optarg;
			break;
		case 's':
			self.search = true;
			break;
		case 'u':
			self.cpu = (int)number(optarg, 0, 1023);
			break;
		case 'b':
			self.batch = (unsigned)number(optarg, 1, BATCH_MAX);
			break;
		default:
			usage();
		}
	}
	if (self.ng.sa.sa_family == AF_UNSPEC || optind != argc)
		usage();
	if (self.rate == 0)
		self.rate = 100.0 * self.calls;
}

int
main(int argc, char **argv)
{
	union addr any;
	struct err e;
	cpu_set_t set;
	int s;

	log_init("rtp_load", false);
	read_options(argc, argv);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* pace finely */
	if (self.cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET((unsigned)self.cpu, &set);
		if (sched_setaffinity(0, sizeof set, &set) != 0)
			fatal("cpu %d", self.cpu);
	}
	self.loop = loop_new();
	addr_parse(&any, "127.0.0.1", 0);
	if ((s = sock_udp(&any, &e)) < 0)
		fatalx("%s", e.text);
	self.client = ng_open(self.loop, s, NULL, NULL);
	open_sockets();
	open_calls();
	run_rate(self.rate < 50000 ? self.rate : 50000, 0.5); /* warm up */
	if (self.search) {
		search_rate();
	} else {
		run_rate(self.rate, self.seconds);
		print_result(&self.res, "fixed");
	}
	close_calls();
	ng_close(&self.client);
	loop_free(&self.loop);
	json_decref(self.reply);
	free(self.stream);
	return 0;
}
