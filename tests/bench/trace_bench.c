/*
 * What tracing costs: nanoseconds of a gate for one message, off and on, for
 * messages of a call as phones send them; then the recorder, for as many
 * messages as are asked for: its CPU time a message, the bytes of its files,
 * and how long a search takes among them; between them what a fact of a call
 * costs the recorder with filters of those who follow calls.
 *
 *   trace_bench [messages]     default 1000000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/sip/tap.h"
#include "daemon/trace/follow.h"
#include "daemon/trace/recorder.h"

#define LOOP 20000 /* messages of a round: more than the ring holds */
#define ROUNDS 100 /* of which the best counts: others use the machine, too */

static const char sdp[] =
    "v=0\r\no=- 3935235400 750009333 IN IP4 192.0.2.10\r\ns=-\r\n"
    "c=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 55090 RTP/AVP 8 0 101\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"
    "a=ptime:20\r\n";

static struct message {
	const char *what;
	char text[2000];
	size_t n;
} messages[5];

/* A call's messages; call tells them apart. */
static void
make(unsigned long call)
{
	static const char fields[] =
	    "Via: SIP/2.0/UDP 192.0.2.10:34189;branch=z9hG4bK%016lx;rport\r\n"
	    "From: \"User %lu\" <sip:%lu@demo.test>;tag=c819ee09%08lx\r\n"
	    "To: <sip:%lu@demo.test>%s\r\n"
	    "Call-ID: 2b2bd263ed3487b0-%lx\r\nCSeq: 30079 %s\r\n";
	static const struct {
		const char *what, *start, *method, *more;
		bool tag, sdp;
	} kinds[5] = {
	    {"INVITE with credentials", "INVITE sip:102@demo.test SIP/2.0",
		"INVITE",
		"Max-Forwards: 70\r\nContact: <sip:101@192.0.2.10:34189>\r\n"
		"User-Agent: baresip v1.0.0 (x86_64/linux)\r\n"
		"Proxy-Authorization: Digest username=\"101\", "
		"realm=\"demo.test\", nonce=\"awqdMSEdYya1i4gU0F8svzOx\", "
		"uri=\"sip:102@demo.test\", "
		"response=\"0123456789abcdef0123456789abcdef\", "
		"cnonce=\"0123456789abcdef\", qop=auth, nc=00000001\r\n"
		"Allow: INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,INFO,MESSAGE\r\n",
		false, true},
	    {"180", "SIP/2.0 180 Ringing", "INVITE",
		"Contact: <sip:102@192.0.2.11:4000>\r\n", true, false},
	    {"200 with SDP", "SIP/2.0 200 OK", "INVITE",
		"Contact: <sip:102@192.0.2.11:4000>\r\n"
		"Allow: INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,INFO,MESSAGE\r\n",
		true, true},
	    {"ACK", "ACK sip:102@192.0.2.11:4000 SIP/2.0", "ACK",
		"Max-Forwards: 70\r\n", true, false},
	    {"BYE", "BYE sip:102@192.0.2.11:4000 SIP/2.0", "BYE",
		"Max-Forwards: 70\r\n", true, false}};
	char head[1200];
	size_t i;

	for (i = 0; i < 5; i++) {
		snprintf(head, sizeof head, fields, call * 7919 + i,
		    1000 + call % 997, 1000 + call % 997, call,
		    2000 + call % 991, kinds[i].tag ? ";tag=99" : "", call,
		    kinds[i].method);
		messages[i].what = kinds[i].what;
		messages[i].n = (size_t)snprintf(messages[i].text,
		    sizeof messages[i].text,
		    "%s\r\n%s%s%sContent-Length: %zu\r\n\r\n%s", kinds[i].start,
		    head, kinds[i].more,
		    kinds[i].sdp ? "Content-Type: application/sdp\r\n" : "",
		    kinds[i].sdp ? sizeof sdp - 1 : 0, kinds[i].sdp ? sdp : "");
	}
}

/* ---- the gate ------------------------------------------------------------ */

/* CPU time of this thread, ns. */
static uint64_t
spent(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ns of one message; NULL = of the loop alone. */
static double
once(struct ring *volatile *ring, const struct message *m)
{
	union addr a, b;
	const struct tap_way way = {TRACE_OUT, SIP_UDP, &a, &b};
	uint64_t from, took, best = UINT64_MAX;
	unsigned i, k;

	addr_parse(&a, "192.0.2.1", 5060);
	addr_parse(&b, "192.0.2.10", 34189);
	for (k = 0; k < ROUNDS; k++) {
		from = spent();
		for (i = 0; i < LOOP && m != NULL; i++)
			tap(*ring, &way, m->text, m->n);
		for (i = 0; i < LOOP && m == NULL; i++)
			(void)*ring;
		took = spent() - from;
		best = took < best ? took : best;
	}
	return (double)best / LOOP;
}

static void
bench_gate(const char *dir)
{
	struct ring *volatile none = NULL, *volatile ring;
	struct ring *opened;
	char path[300];
	double on, sum = 0, off;
	size_t i;

	make(1);
	snprintf(path, sizeof path, "%s/sg-1", dir);
	if ((opened = ring_open(path, 8u << 20, NULL)) == NULL)
		exit(1);
	ring = opened;
	off = once(&none, &messages[0]);
	printf("  %-26s %8s %10s\n", "one message", "bytes", "ns");
	printf("  %-26s %8s %10.2f\n", "off", "", off);
	printf("  %-26s %8s %10.2f\n", "an empty loop", "", once(&none, NULL));
	for (i = 0; i < 5; i++) {
		on = once(&ring, &messages[i]);
		sum += on;
		printf("  %-26s %8zu %10.1f\n", messages[i].what, messages[i].n,
		    on);
	}
	printf("  a call's five messages on: %.0f ns each; on / off: %.0f\n",
	    sum / 5, off > 0 ? sum / 5 / off : 0);
	ring_close(&opened);
	unlink(path);
}

/* ---- the recorder -------------------------------------------------------- */

static uint64_t
cpu(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * CLOCK_SEC +
	    (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

struct bench {
	struct ring *ring;
	struct ring_reader reader;
	struct segment_block block;
	struct shelf shelf;
	struct buf out;
	uint64_t raw, spent;
};

static void
bench_write(struct bench *b)
{
	buf_reset(&b->out);
	if (segment_block_put(&b->block, &b->out, NULL) != 0 ||
	    shelf_write(&b->shelf, b->out.data, b->out.len, NULL) != 0)
		exit(1);
	segment_block_reset(&b->block);
}

/* What the recorder's thread does. */
static void
bench_read(struct bench *b)
{
	uint64_t from = cpu();
	const uint8_t *p;
	size_t n;

	while (ring_next(&b->reader, &p, &n)) {
		b->raw += n;
		if (segment_block_add(&b->block, p, n, b->reader.number))
			continue;
		bench_write(b);
		segment_block_add(&b->block, p, n, b->reader.number);
	}
	b->spent += cpu() - from;
}

static void
bench_search(struct bench *b, const char *what, json_t *query)
{
	const struct segment_block *open = &b->block;
	uint64_t from = clock_mono(), took;
	json_t *r = query_run(&b->shelf, &open, 1, query, NULL);

	took = clock_mono() - from;
	printf("  %-40s %4zu rows in %6.1f ms\n", what,
	    json_array_size(json_object_get(r, "rows")), (double)took / 1000);
	json_decref(r);
	json_decref(query);
}

static void
bench_recorder(const char *dir, unsigned long count)
{
	static struct bench b;
	union addr a;
	const struct tap_way way = {0, SIP_UDP, &a, &a};
	unsigned long i;
	char path[300], id[60];
	size_t k;

	addr_parse(&a, "192.0.2.1", 5060);
	snprintf(path, sizeof path, "%s/sg-2", dir);
	b.ring = ring_open(path, 8u << 20, NULL);
	if (b.ring == NULL || ring_attach(&b.reader, path, NULL) != 0 ||
	    segment_block_init(&b.block, "sg/1") != 0)
		exit(1);
	snprintf(path, sizeof path, "%s/trace", dir);
	shelf_init(&b.shelf, path, "srv1", UINT64_C(16) << 30);
	for (i = 0; i < count / 5; i++) {
		make(i);
		for (k = 0; k < 5; k++)
			tap(b.ring, &way, messages[k].text, messages[k].n);
		if (i % 1000 == 999)
			bench_read(&b);
	}
	bench_read(&b);
	bench_write(&b);
	printf("  %lu messages: %.0f MB in the ring, %.1f MB in files (%.1f "
	       "times less), %.2f us of CPU each, %llu lost\n",
	    count, (double)b.raw / 1e6, (double)b.shelf.total / 1e6,
	    (double)b.raw / (double)b.shelf.total,
	    (double)b.spent / (double)count, (unsigned long long)b.reader.lost);
	snprintf(id, sizeof id, "2b2bd263ed3487b0-%lx", count / 10);
	bench_search(&b, "messages of one Call-ID",
	    json_pack("{s:s, s:[s]}", "want", "messages", "call-ids", id));
	bench_search(&b, "of a Call-ID that is not there",
	    json_pack("{s:s, s:[s]}", "want", "messages", "call-ids", "none"));
	ring_detach(&b.reader);
	ring_close(&b.ring);
	segment_block_fini(&b.block);
	shelf_fini(&b.shelf);
	buf_fini(&b.out);
}

/* ---- who follows --------------------------------------------------------- */

/* A fact of a call, as a B2BUA says it: the caller's leg, the called's, its
 * ringing, its answer, its end. */
static void
fact_of(struct trace_record *r, char *text, unsigned long call, unsigned step)
{
	char id[40], from[20], times[40];
	const char *keys[TRACE_KEYS] = {[TRACE_FROM] = from,
	    [TRACE_TO] = "+74951234567",
	    [TRACE_CALL] = id,
	    [TRACE_DOMAIN] = "demo.test",
	    [TRACE_PARTY] = step == 1 ? "102" : from,
	    [TRACE_REASON] = step == 4 ? "normal clearing" : "",
	    [TRACE_TIMES] = times};
	size_t i, n;

	snprintf(id, sizeof id, "%032lx", call);
	snprintf(from, sizeof from, "%lu", 1000 + call % 997);
	snprintf(times, sizeof times, "1 %d %d", step > 1, step > 2);
	*r = (struct trace_record){.kind = step == 4 ? TRACE_END : TRACE_LEG,
	    .status = step == 4 ? 200 : 0,
	    .time = 10,
	    .text = text};
	for (i = 0; i < TRACE_KEYS; i++) {
		n = keys[i] != NULL ? strlen(keys[i]) : 0;
		r->key[i] = (struct trace_span){(uint16_t)r->n, (uint16_t)n};
		memcpy(text + r->n, n > 0 ? keys[i] : "", n);
		r->n += (uint32_t)n;
	}
}

/* ns that a fact costs the recorder's thread with so many who follow what
 * never comes. */
static double
follow_once(unsigned n)
{
	struct follows *follows = follows_new();
	json_t *q = json_pack("{s:i, s:s, s:s, s:s, s:s}", "for", 3600,
	    "domain", "demo.test", "number", "+7812*", "code", "400-699",
	    "duration", "<10");
	uint64_t took = 0, from;
	struct trace_record r[5];
	unsigned long call;
	unsigned i, step;
	char key[20], text[5][500];

	for (i = 0; i < n; i++) {
		snprintf(key, sizeof key, "k%u", i);
		if (follow_open(follows, key, q, 0, 0, NULL) < 0)
			exit(1);
	}
	for (call = 0; call < LOOP; call++) {
		for (step = 0; step < 5; step++)
			fact_of(&r[step], text[step], call, step);
		from = spent();
		for (step = 0; step < 5; step++)
			follow_fact(follows, &r[step], 20, 1);
		took += spent() - from;
	}
	follows_free(&follows);
	json_decref(q);
	return (double)took / (LOOP * 5);
}

int
main(int argc, char **argv)
{
	char dir[] = "/var/tmp/trace-bench-XXXXXX", command[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	bench_gate(dir);
	printf("  a fact of a call, with 1 who follows: %.0f ns, with 16: %.0f "
	       "ns\n",
	    follow_once(1), follow_once(FOLLOWS));
	bench_recorder(dir, argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command) != 0;
}
