/*
 * The slow wires of a lab (tests/lab/lab slow): frames that come to a TAP
 * device of the lab's bridge are given back after a delay, or never. Who sends
 * to a server over a slow wire addresses 02:74:6c:01:FROM:TO; the frame comes
 * out to TO's own address, 02:74:6c:00:00:TO, from one of ours, so that the
 * bridge learns no server's place here. Frames that jitter would let overtake
 * do: IP may reorder.
 *
 * usage: lab_wire TAP FILE
 * FILE has a line for each direction: FROM TO DELAY JITTER LOSS, milliseconds,
 * milliseconds, percent. SIGHUP: read it again. Runs until SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/base/clock.h"

#define SERVERS 10
#define FRAME 2048
#define HELD 8192 /* frames on their way; what comes more is lost */

struct frame {
	uint64_t due, order;
	size_t n;
	uint8_t bytes[FRAME];
};

static struct way {
	double delay, jitter, loss;
} way[SERVERS][SERVERS];
static struct frame *heap[HELD]; /* the next to go first */
static unsigned held;
static uint64_t order;
static volatile sig_atomic_t again, ended;

static void
wire_die(const char *what)
{
	fprintf(stderr, "lab_wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
on_signal(int signo)
{
	*(signo == SIGHUP ? &again : &ended) = 1;
}

static void
wire_read(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned from, to;
	struct way w;

	if (f == NULL)
		wire_die(path);
	memset(way, 0, sizeof way);
	while (fscanf(f, "%u %u %lf %lf %lf", &from, &to, &w.delay, &w.jitter,
		   &w.loss) == 5) {
		if (from < SERVERS && to < SERVERS)
			way[from][to] = w;
	}
	fclose(f);
}

static int
wire_open(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		wire_die("/dev/net/tun");
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	if (ioctl(fd, TUNSETIFF, &r) != 0)
		wire_die(name);
	return fd;
}

/* ---- frames on their way, in a heap -------------------------------------- */

static bool
before(const struct frame *a, const struct frame *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void
heap_put(struct frame *f)
{
	unsigned i = held++;

	for (; i > 0 && before(f, heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = f;
}

static struct frame *
heap_take(void)
{
	struct frame *first = heap[0], *last = heap[--held];
	unsigned i = 0, child;

	for (; (child = 2 * i + 1) < held; i = child) {
		if (child + 1 < held && before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], last))
			break;
		heap[i] = heap[child];
	}
	heap[i] = last;
	return first;
}

static double
dice(void)
{
	return drand48();
}

/* A frame that came: 02:74:6c:01:FROM:TO is its destination. */
static void
wire_take(const uint8_t *bytes, size_t n)
{
	static const uint8_t ours[4] = {0x02, 0x74, 0x6c, 0x01};
	const struct way *w;
	struct frame *f;
	double ms;

	if (n < 14 || memcmp(bytes, ours, 4) != 0 || bytes[4] >= SERVERS ||
	    bytes[5] >= SERVERS || held == HELD)
		return;
	w = &way[bytes[4]][bytes[5]];
	if (dice() * 100 < w->loss || (f = malloc(sizeof *f)) == NULL)
		return;
	ms = w->delay + w->jitter * (2 * dice() - 1);
	memcpy(f->bytes, bytes, n);
	f->bytes[3] = f->bytes[4] = 0;
	memset(f->bytes + 6, 0, 6);
	memcpy(f->bytes + 6, ours, 4);
	f->n = n;
	f->order = order++;
	f->due = clock_mono() + (ms > 0 ? (uint64_t)(ms * 1000) : 0);
	heap_put(f);
}

/* Give what is due; how long the next has time. */
static int
wire_give(int fd)
{
	uint64_t now = clock_mono();
	struct frame *f;

	while (held > 0 && heap[0]->due <= now) {
		f = heap_take();
		if (write(fd, f->bytes, f->n) < 0 && errno != EAGAIN &&
		    errno != EIO)
			wire_die("write");
		free(f);
	}
	return held > 0 ? (int)((heap[0]->due - now + 999) / 1000) : -1;
}

int
main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct pollfd p = {.events = POLLIN};
	uint8_t bytes[FRAME];
	ssize_t n;

	if (argc != 3) {
		fprintf(stderr, "usage: lab_wire TAP FILE\n");
		return 2;
	}
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	p.fd = wire_open(argv[1]);
	wire_read(argv[2]);
	while (!ended) {
		if (again) {
			again = 0;
			wire_read(argv[2]);
		}
		poll(&p, 1, wire_give(p.fd));
		while ((n = read(p.fd, bytes, sizeof bytes)) > 0)
			wire_take(bytes, (size_t)n);
	}
	return 0;
}
