/*
 * Any bytes as a message to a running gate: of a phone by datagram (first
 * byte 'u') or stream ('t'), or of the inside ('i'). Words that nobody could
 * guess are put in where the input has $T (flow token), $I (instance token),
 * $B (branch that holds an inner Via), $F (flow of our own Via), $H (our
 * inside address), $N (nonce). Whatever comes out to a phone must not show
 * the inside.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/sg/sg.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

extern const struct role sg_role;

static struct self self;
static struct sg *sg;
static struct sip_flow udp, tcp;
static union addr inside;
static int phone_udp = -1, phone_tcp = -1;

void
role_ready(struct self *s)
{
	(void)s;
}

void
role_stopped(struct self *s)
{
	(void)s;
}

void
role_stats(struct self *s, const struct role_stat *stats)
{
	(void)s;
	(void)stats;
}

static void
on_turn(void *arg)
{
	loop_stop(arg);
}

/* One turn of the loop: what was queued leaves. */
static void
turn(void)
{
	static struct loop_timer *t;

	if (t == NULL)
		t = loop_timer_new(self.loop, on_turn, self.loop);
	loop_timer_set(t, 0);
	loop_run(self.loop);
}

static bool
holds(const char *p, size_t n, const char *word)
{
	return memmem(p, n, word, strlen(word)) != NULL;
}

/* What a phone was sent: no X-Tandem line, and our inside address only when
 * it said so itself. */
static void
look_through(int fd, const char *asked, size_t len, bool outside)
{
	static char got[65536];
	const char *end;
	size_t head;
	ssize_t n;

	while ((n = recv(fd, got, sizeof got, MSG_DONTWAIT)) > 0) {
		end = memmem(got, (size_t)n, "\r\n\r\n", 4);
		head = end != NULL ? (size_t)(end - got) : (size_t)n;
		if (holds(got, head, "\r\nX-Tandem"))
			abort();
		if (outside && holds(got, (size_t)n, sg->inside_text) &&
		    !holds(asked, len, sg->inside_text))
			abort();
	}
}

static void
own(const char *key)
{
	struct owner o = {.epoch = 1, .state = OWNER_SERVING, .inside = inside};

	str_copy(o.key, sizeof o.key, key);
	owner_map_put(self.owners, &o);
}

static void
feed(void)
{
	struct peer control = {.role = ROLE_CONTROL};
	json_t *params = json_pack(
	    "{s:[{s:s,s:s}],s:[{s:s,s:s,s:s,s:i},{s:s,s:s,s:s,s:i}],"
	    "s:{s:i,s:i}}",
	    "domains", "name", "demo.test", "realm", "demo.test", "listeners",
	    "name", "udp", "transport", "udp", "address", "127.0.0.1", "port",
	    0, "name", "tcp", "transport", "tcp", "address", "127.0.0.1",
	    "port", 0, "gate", "requests-per-second", 100000000, "ban-after",
	    0);

	sg_role.on_request(&self, &control, NULL, "feed", params);
	json_decref(params);
}

/* There is one of each. */
static struct sg_listener *
listener_of(enum sip_proto proto)
{
	struct sg_listener *l = NULL;

	while ((l = sg_listener_next(sg, l)) != NULL && l->proto != proto)
		;
	return l;
}

/* The connection of a phone, made again when the gate has closed it. */
static void
connect_phone(void)
{
	struct sip_flow_info info;
	const union addr *to;
	size_t at = 0;

	if (phone_tcp >= 0) {
		if (sip_flow_find(sg->transport, tcp.conn, &tcp))
			return;
		close(phone_tcp);
	}
	to = sip_listener_address(listener_of(SIP_TCP)->sip);
	phone_tcp = socket(AF_INET, SOCK_STREAM, 0);
	connect(phone_tcp, &to->sa, sizeof(struct sockaddr_in));
	do {
		turn();
		at = 0;
	} while (!sip_flow_next(sg->transport, &at, &info));
	tcp = info.flow;
}

static void
start(void)
{
	socklen_t len = sizeof udp.peer;
	struct err e;

	log_init("fuzz", false);
	log_fd(-1);
	self.loop = loop_new();
	self.id = ROLE_SG;
	str_copy(self.name, sizeof self.name, "sg/1");
	addr_parse(&self.inside, "127.0.0.2", 0);
	addr_parse(&inside, "127.0.0.2", 9);
	if (owner_map_create(NULL, &self.owners, &e) != 0 ||
	    sg_role.start(&self, &e) != 0)
		abort();
	sg = self.state_of_role;
	own("sr");
	own("calls/b2bua-1");
	own("b2bua/1");
	feed();
	udp.listener = listener_of(SIP_UDP)->sip;
	addr_parse(&udp.peer, "127.0.0.1", 0);
	phone_udp = sock_udp(&udp.peer, &e);
	if (phone_udp < 0 || getsockname(phone_udp, &udp.peer.sa, &len) != 0)
		abort();
}

/* The word for a letter behind '$'; NULL when it has none. */
static const char *
word(char letter, const struct sip_flow *f)
{
	static char text[SG_TOKEN];
	static const uint8_t inner[] = {4, 127, 0, 0, 2, 0, 9, 0, 0, 0, 0, 'i',
	    'n', 'n', 'e', 'r', 'b', 'r', 'a', 'n', 'c', 'h'};

	switch (letter) {
	case 'T':
		return sg_face_get(&sg->keys, f)->token;
	case 'F':
		return sg_face_get(&sg->keys, f)->flow;
	case 'I':
		sg_seal(&sg->keys, SG_INSTANCE, "b2bua-1", 7, text);
		return text;
	case 'B':
		sg_seal(&sg->keys, SG_BRANCH, inner, sizeof inner, text);
		return text;
	case 'N':
		sg_nonce_make(&sg->keys, (uint32_t)(clock_real() / CLOCK_SEC),
		    &f->peer, text);
		return text;
	case 'H':
		return sg->inside_text;
	default:
		return NULL;
	}
}

/* The input with its words put in; has a NUL behind it. */
static size_t
expand(const uint8_t *data, size_t n, const struct sip_flow *f, char *out,
    size_t size)
{
	size_t used = 0, i;
	const char *w;

	for (i = 0; i < n && used + SG_TOKEN < size; i++) {
		w = data[i] == '$' && i + 1 < n ? word((char)data[i + 1], f)
						: NULL;
		if (w == NULL) {
			out[used++] = (char)data[i];
			continue;
		}
		memcpy(out + used, w, strlen(w));
		used += strlen(w);
		i++;
	}
	out[used] = '\0';
	return used;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char text[70000], copy[70000];
	struct sip_flow *f = &udp;
	size_t len;

	if (n < 2)
		return 0;
	if (sg == NULL)
		start();
	connect_phone();
	if (data[0] != 'u' && data[0] != 'i')
		f = &tcp;
	len = expand(data + 1, n - 1, f, text, 65000);
	memcpy(copy, text, len);
	if (data[0] == 'i')
		sg_on_inside(sg, sg->inside, text, len, &inside);
	else
		sg_on_message(sg, f, text, len);
	turn();
	look_through(phone_udp, copy, len, data[0] != 'i');
	look_through(phone_tcp, copy, len, data[0] != 'i');
	sg_hold_fini(&sg->holds);
	memset(&sg->holds, 0, sizeof sg->holds);
	return 0;
}
