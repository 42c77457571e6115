/*
 * A SIP load generator for one thread: phones that register (`register`) and
 * phones that call each other (`call`), over UDP on loopback, against our SG,
 * Kamailio or OpenSIPS alike. Decides what a phone says by RFC 3261 and
 * retransmits by its timers; knows nothing of what it measures. It refuses
 * targets that are not loopback, and every run ends by count or by time.
 */
#include <getopt.h>

#include "tests/bench/load_sip.h"

#define USERS_MAX 1000000
#define SOURCES_MAX 4096
#define COUNT_MAX 100000000u
#define SECONDS_MAX 3600

#define SDP                                                                  \
	"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"   \
	"t=0 0\r\nm=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n" \
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"      \
	"a=sendrecv\r\n"

/* ---- what was asked for ------------------------------------------------- */

static struct {
	bool call, spread;
	const char *domain, *password, *until;
	union addr target;
	unsigned users, first, sources, window, rate, seconds, expires, hold;
	uint64_t count;
} opt = {
    .domain = "demo.test",
    .password = "secret%u",
    .users = 1000,
    .first = 1000,
    .sources = 16,
    .window = 256,
    .expires = 3600,
};

/* ---- the load: how much may begin --------------------------------------- */

static uint64_t limit;	   /* operations to begin in this phase */
static uint64_t phase_end; /* monotonic; 0 = by count only */
static uint64_t outstanding;

/* Whether another operation may begin now. */
static bool
may_begin(uint64_t now)
{
	if (outstanding >= opt.window || got.started >= limit ||
	    (phase_end != 0 && now >= phase_end))
		return false;
	return opt.rate == 0 ||
	    got.started < (now - got.begin) * opt.rate / CLOCK_SEC + 1;
}

/* ---- phones that register ----------------------------------------------- */

struct user {
	struct tx tx;
	char name[16], password[64];
	struct source *source;
	uint32_t cseq;
	unsigned tries; /* challenges in a row */
	uint64_t began;
	struct challenge www, proxy;
	bool built; /* tx.msg is a REGISTER that only has to be patched */
	size_t at_branch, at_cseq, at_nc, at_response; /* 0 = none */
};

static struct user *users;
static unsigned next_user;

/* So many that its digits stay seven, and places in a message stay. */
#define CSEQ_FIRST 1000000

/* The password of a user: opt.password with %u replaced by the name. */
static void
user_password(struct user *u)
{
	const char *at = strstr(opt.password, "%u");

	if (at == NULL)
		snprintf(u->password, sizeof u->password, "%s", opt.password);
	else
		snprintf(u->password, sizeof u->password, "%.*s%s%s",
		    (int)(at - opt.password), opt.password, u->name, at + 2);
}

static void user_on_timeout(struct tx *);

static void
users_make(void)
{
	struct user *u;
	unsigned i;

	users = xcalloc(opt.users, sizeof *users);
	for (i = 0; i < opt.users; i++) {
		u = &users[i];
		snprintf(u->name, sizeof u->name, "%u", opt.first + i);
		user_password(u);
		u->cseq = CSEQ_FIRST;
		u->source = u->tx.source = &sources[i % opt.sources];
		u->tx.on_timeout = user_on_timeout;
	}
}

/* Where a word ends in the message, 0 when it is not there. */
static size_t
place_behind(const struct text *t, const char *word)
{
	const char *p = strstr(t->data, word);

	return p != NULL ? (size_t)(p - t->data) + strlen(word) : 0;
}

/* The whole REGISTER; kind 'r' and the number of the user are in the branch. */
static void
user_build(struct user *u)
{
	struct text *t = &u->tx.msg;
	char uri[300];

	t->n = 0;
	snprintf(uri, sizeof uri, "sip:%s", opt.domain);
	put(t,
	    "REGISTER %s SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP %s;branch=z9hG4bKr%08x%08x;rport\r\n"
	    "Max-Forwards: 70\r\n"
	    "From: <sip:%s@%s>;tag=t%s\r\nTo: <sip:%s@%s>\r\n"
	    "Call-ID: r%s-%u@load\r\nCSeq: %u REGISTER\r\n"
	    "Contact: <sip:%s@%s>\r\nExpires: %u\r\n",
	    uri, u->source->text, (unsigned)(u - users), u->cseq, u->name,
	    opt.domain, u->name, u->name, opt.domain, u->name,
	    (unsigned)getpid(), u->cseq, u->name, u->source->text, opt.expires);
	if (u->www.known)
		challenge_put(t, &u->www, u->name, "REGISTER", uri);
	put(t, "User-Agent: load\r\nContent-Length: 0\r\n\r\n");
	u->at_branch = place_behind(t, "z9hG4bKr") + 8;
	u->at_cseq = place_behind(t, "CSeq: ");
	u->at_nc = place_behind(t, ", nc=");
	u->at_response = place_behind(t, "response=\"");
	u->built = u->www.known;
}

/* Eight hexadecimal digits. */
static void
put_hex(char *out, uint32_t n)
{
	int i;

	for (i = 7; i >= 0; i--, n >>= 4)
		out[i] = "0123456789abcdef"[n & 15];
}

/* The same REGISTER with the next numbers and the digest for them. */
static void
user_patch(struct user *u)
{
	static char ha2[33];
	char *msg = u->tx.msg.data, response[33], number[16], s[300];

	if (ha2[0] == '\0') {
		snprintf(s, sizeof s, "REGISTER:sip:%s", opt.domain);
		md5(ha2, s, strlen(s));
	}
	put_hex(msg + u->at_branch, u->cseq);
	snprintf(number, sizeof number, "%u", u->cseq);
	memcpy(msg + u->at_cseq, number, 7);
	challenge_respond(&u->www, response, ha2);
	memcpy(msg + u->at_response, response, 32);
	if (u->at_nc != 0)
		put_hex(msg + u->at_nc, u->www.nc);
}

static void
user_register(struct user *u)
{
	u->cseq++;
	if (u->built)
		user_patch(u);
	else
		user_build(u);
	tx_start(&u->tx, &opt.target);
}

static void
user_done(struct user *u, int status)
{
	outstanding--;
	measure(status, clock_mono() - u->began);
}

static void
user_on_timeout(struct tx *t)
{
	user_done((struct user *)t, 0);
}

/* The reply to a REGISTER: a challenge is answered, twice at most. */
static void
user_on_reply(struct user *u, int status, const char *msg)
{
	if (status < 200)
		return;
	tx_end(&u->tx);
	if ((status == 401 || status == 407) && u->tries++ < 2 &&
	    challenge_take(&u->www, msg, status == 407, u->name, u->password)) {
		got.challenges++;
		u->built = false;
		user_register(u);
		return;
	}
	user_done(u, status);
}

static void
users_begin(uint64_t now)
{
	struct user *u;
	unsigned tried;

	for (tried = 0; tried < opt.users && may_begin(now); tried++) {
		u = &users[next_user];
		next_user = (next_user + 1) % opt.users;
		if (u->tx.open)
			continue;
		u->tries = 0;
		u->began = now;
		got.started++;
		outstanding++;
		user_register(u);
	}
}

/* ---- callers ------------------------------------------------------------ */

/* Contact and route set of the other side, as it has told them. */
struct dialog {
	char to[512], contact[512];
	struct text routes;
};

struct call {
	struct tx tx;
	enum { CALL_FREE, CALL_INVITE, CALL_TALK, CALL_BYE } state;
	struct user *from, *to;
	uint32_t id, cseq, invite_cseq;
	unsigned tries;
	uint64_t began, hang_up;
	struct dialog d;
	struct text ack; /* of the 2xx, said again when that comes again */
	TAILQ_ENTRY(call) entry; /* of those who talk, by hang_up */
};

static struct call *calls;
static uint32_t call_ids;
static TAILQ_HEAD(, call) talking = TAILQ_HEAD_INITIALIZER(talking);

/* What all requests of a call begin with; kind is 'i' or 'b'. */
static void
call_head(struct call *c, struct text *t, const char *method, char kind,
    const char *uri)
{
	t->n = 0;
	put(t,
	    "%s %s SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP %s;branch=z9hG4bK%c%08x%08x;rport\r\n"
	    "Max-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=f%x\r\n"
	    "To: %s\r\nCall-ID: c%x-%u@load\r\nCSeq: %u %s\r\n",
	    method, uri, c->from->source->text, kind, (unsigned)(c - calls),
	    c->cseq, c->from->name, opt.domain, c->id, c->d.to, c->id,
	    (unsigned)getpid(), c->cseq, method);
}

static void
call_invite(struct call *c)
{
	struct challenge *ch = &c->from->proxy;
	struct text *t = &c->tx.msg;
	char uri[300];

	snprintf(uri, sizeof uri, "sip:%s@%s", c->to->name, opt.domain);
	snprintf(c->d.to, sizeof c->d.to, "<%s>", uri);
	c->invite_cseq = ++c->cseq;
	c->state = CALL_INVITE;
	call_head(c, t, "INVITE", 'i', uri);
	if (ch->known)
		challenge_put(t, ch, c->from->name, "INVITE", uri);
	put(t,
	    "Contact: <sip:%s@%s>\r\nAllow: INVITE, ACK, BYE, CANCEL\r\n"
	    "User-Agent: load\r\nContent-Type: application/sdp\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    c->from->name, c->from->source->text, strlen(SDP), SDP);
	tx_start(&c->tx, &opt.target);
}

/* RFC 3261 17.1.1.3: the ACK of a refusal bears the INVITE's branch. */
static void
call_ack_refusal(struct call *c)
{
	struct text ack;
	char uri[300];

	snprintf(uri, sizeof uri, "sip:%s@%s", c->to->name, opt.domain);
	call_head(c, &ack, "ACK", 'i', uri);
	put(&ack, "Content-Length: 0\r\n\r\n");
	source_send(c->from->source, &opt.target, ack.data, ack.n);
}

/* RFC 3261 13.2.2.4: the ACK of a 2xx, along the route set. */
static void
call_ack(struct call *c)
{
	call_head(c, &c->ack, "ACK", 'a', c->d.contact);
	put(&c->ack, "%.*sContent-Length: 0\r\n\r\n", (int)c->d.routes.n,
	    c->d.routes.data);
	source_send(c->from->source, &opt.target, c->ack.data, c->ack.n);
}

static void
call_bye(struct call *c)
{
	TAILQ_REMOVE(&talking, c, entry);
	c->state = CALL_BYE;
	c->cseq++;
	call_head(c, &c->tx.msg, "BYE", 'b', c->d.contact);
	put(&c->tx.msg, "%.*sContent-Length: 0\r\n\r\n", (int)c->d.routes.n,
	    c->d.routes.data);
	tx_start(&c->tx, &opt.target);
}

static void
call_done(struct call *c, int status)
{
	c->state = CALL_FREE;
	outstanding--;
	measure(status, clock_mono() - c->began);
}

static void
call_on_timeout(struct tx *t)
{
	call_done((struct call *)t, 0);
}

/* The URI in <> of a header's value. */
static void
uri_of(struct part v, char *out, size_t size)
{
	const char *p = memchr(v.p, '<', v.n), *end;

	if (p != NULL && (end = memchr(p, '>', v.n)) != NULL)
		v = (struct part){p + 1, (size_t)(end - p - 1)};
	if (!str_ncopy(out, size, v.p, v.n))
		die("a Contact of more than %zu bytes", size);
}

/* RFC 3261 12.1.2: target, tag and route set (in reverse) out of the 2xx.
 * Record-Route values are taken one a line, or several with commas. */
static void
call_dialog(struct call *c, const char *msg)
{
	struct part v, routes[16];
	const char *at = msg, *comma;
	unsigned n = 0;

	if (!header(msg, "To", 't', &v) ||
	    !str_ncopy(c->d.to, sizeof c->d.to, v.p, v.n))
		die("a To of more than %zu bytes", sizeof c->d.to);
	if (header(msg, "Contact", 'm', &v))
		uri_of(v, c->d.contact, sizeof c->d.contact);
	while (header_next(&at, "Record-Route", '\0', &v)) {
		while (n < 16 && (comma = memmem(v.p, v.n, ">,", 2)) != NULL) {
			routes[n++] = (struct part){
			    v.p, (size_t)(comma + 1 - v.p)};
			v.n -= (size_t)(comma + 2 - v.p);
			v.p = comma + 2;
		}
		if (n < 16)
			routes[n++] = v;
	}
	c->d.routes.n = 0;
	while (n-- > 0)
		put(&c->d.routes, "Route: %.*s\r\n", (int)routes[n].n,
		    routes[n].p);
}

/* The call is up. */
static void
call_answered(struct call *c, const char *msg)
{
	tx_end(&c->tx);
	call_dialog(c, msg);
	call_ack(c);
	c->state = CALL_TALK;
	c->hang_up = clock_mono() + opt.hold * CLOCK_MS;
	TAILQ_INSERT_TAIL(&talking, c, entry);
	if (opt.hold == 0)
		call_bye(c);
}

/* A reply to INVITE. */
static void
call_on_invite_reply(struct call *c, int status, const char *msg)
{
	struct part v;

	if (c->state != CALL_INVITE) {
		if (status / 100 == 2 && c->state != CALL_FREE)
			source_send(c->from->source, &opt.target, c->ack.data,
			    c->ack.n);
		return;
	}
	if (status < 200) {
		c->tx.quiet = true;
		return;
	}
	if (status / 100 == 2) {
		call_answered(c, msg);
		return;
	}
	tx_end(&c->tx);
	if (header(msg, "To", 't', &v))
		str_ncopy(c->d.to, sizeof c->d.to, v.p, v.n);
	call_ack_refusal(c);
	if ((status == 401 || status == 407) && c->tries++ < 2 &&
	    challenge_take(&c->from->proxy, msg, status == 407, c->from->name,
		c->from->password)) {
		got.challenges++;
		call_invite(c);
		return;
	}
	call_done(c, status);
}

/* A reply to what the branch says. */
static void
call_on_reply(
    struct call *c, char kind, uint32_t cseq, int status, const char *msg)
{
	if (kind == 'i' && cseq == c->invite_cseq)
		call_on_invite_reply(c, status, msg);
	else if (kind == 'b' && cseq == c->cseq && c->state == CALL_BYE &&
	    status >= 200) {
		tx_end(&c->tx);
		call_done(c, status);
	}
}

static void
calls_begin(uint64_t now)
{
	static unsigned at, pair;
	struct call *c;
	unsigned tried;

	for (tried = 0; tried < opt.window && may_begin(now); tried++) {
		c = &calls[at];
		at = (at + 1) % opt.window;
		if (c->state != CALL_FREE)
			continue;
		c->from = &users[2 * pair];
		c->to = &users[2 * pair + 1];
		pair = (pair + 1) % (opt.users / 2);
		c->id = ++call_ids;
		c->tries = 0;
		c->began = now;
		c->tx.source = c->from->source;
		c->tx.on_timeout = call_on_timeout;
		got.started++;
		outstanding++;
		call_invite(c);
	}
	while ((c = TAILQ_FIRST(&talking)) != NULL && c->hang_up <= now)
		call_bye(c);
}

/* ---- callees: each reply is made of its request alone ------------------- */

/* A 200 that waits for its ACK. */
struct answer {
	struct tx tx;
	uint64_t hash; /* of the Call-ID */
};
#define ANSWERS 65536 /* a power of two */
static struct answer *answers;

/* The place of a Call-ID: its own, or a free one if add. */
static struct answer *
answer_find(struct part id, bool add)
{
	uint64_t hash = str_hash(id.p, id.n) | 1;
	struct answer *a;
	unsigned i;

	for (i = 0; i < 32; i++) {
		a = &answers[(hash + i) & (ANSWERS - 1)];
		if (a->tx.open ? a->hash == hash : add) {
			a->hash = hash;
			return a;
		}
	}
	return NULL;
}

static void
answer_on_timeout(struct tx *t)
{
	(void)t;
}

/* Copy all lines of a header. */
static void
copy_lines(struct text *t, const char *msg, const char *name, char compact)
{
	struct part v;

	while (header_next(&msg, name, compact, &v))
		put(t, "%s: %.*s\r\n", name, (int)v.n, v.p);
}

/* RFC 3261 8.2.6: the head of a reply. */
static void
reply_head(struct text *t, const char *msg, int status, const char *phrase)
{
	struct part to;

	t->n = 0;
	put(t, "SIP/2.0 %d %s\r\n", status, phrase);
	copy_lines(t, msg, "Via", 'v');
	copy_lines(t, msg, "Record-Route", '\0');
	copy_lines(t, msg, "From", 'f');
	if (header(msg, "To", 't', &to))
		put(t, "To: %.*s%s\r\n", (int)to.n, to.p,
		    memmem(to.p, to.n, ";tag=", 5) != NULL ? "" : ";tag=uas");
	copy_lines(t, msg, "Call-ID", 'i');
	copy_lines(t, msg, "CSeq", '\0');
}

/* Rings and answers at once; a 200 is said again until its ACK. */
static void
callee_on_invite(struct source *s, const char *msg, const union addr *from)
{
	struct answer *a;
	struct part id;
	struct text t;

	if (!header(msg, "Call-ID", 'i', &id) ||
	    (a = answer_find(id, true)) == NULL)
		return;
	reply_head(&t, msg, 180, "Ringing");
	put(&t, "Contact: <sip:uas@%s>\r\nContent-Length: 0\r\n\r\n", s->text);
	source_send(s, from, t.data, t.n);
	tx_end(&a->tx);
	a->tx.source = s;
	a->tx.on_timeout = answer_on_timeout;
	reply_head(&a->tx.msg, msg, 200, "OK");
	put(&a->tx.msg,
	    "Contact: <sip:uas@%s>\r\nContent-Type: application/sdp\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    s->text, strlen(SDP), SDP);
	tx_start(&a->tx, from);
}

static void
on_request(struct source *s, const char *msg, const union addr *from)
{
	struct answer *a;
	struct part id;
	struct text t;

	if (strncmp(msg, "INVITE ", 7) == 0) {
		callee_on_invite(s, msg, from);
	} else if (strncmp(msg, "ACK ", 4) == 0) {
		if (header(msg, "Call-ID", 'i', &id) &&
		    (a = answer_find(id, false)) != NULL)
			tx_end(&a->tx);
	} else {
		reply_head(&t, msg, 200, "OK");
		put(&t, "Content-Length: 0\r\n\r\n");
		source_send(s, from, t.data, t.n);
	}
}

/* ---- what comes --------------------------------------------------------- */

/* Eight hexadecimal digits. */
static bool
take_hex(const char *s, uint32_t *out)
{
	int i;

	for (*out = 0, i = 0; i < 8; i++) {
		if (s[i] >= '0' && s[i] <= '9')
			*out = *out << 4 | (uint32_t)(s[i] - '0');
		else if (s[i] >= 'a' && s[i] <= 'f')
			*out = *out << 4 | (uint32_t)(s[i] - 'a' + 10);
		else
			return false;
	}
	return true;
}

/* A reply belongs to what its branch, made by user_register or call_head,
 * names; anything else is dropped. */
static void
on_reply(int status, const char *msg)
{
	const char *p = strstr(msg, "branch=z9hG4bK");
	uint32_t index, cseq;
	char kind;

	if (p == NULL || !take_hex(p + 15, &index) || !take_hex(p + 23, &cseq))
		return;
	kind = p[14];
	if (kind == 'r') {
		if (index < opt.users && users[index].tx.open &&
		    users[index].cseq == cseq)
			user_on_reply(&users[index], status, msg);
	} else if (calls != NULL && index < opt.window)
		call_on_reply(&calls[index], kind, cseq, status, msg);
}

static void
on_message(struct source *s, const char *msg, const union addr *from)
{
	if (strncmp(msg, "SIP/2.0 ", 8) == 0)
		on_reply(atoi(msg + 8), msg);
	else
		on_request(s, msg, from);
}

/* All that waits at one socket. */
static void
source_receive(struct source *s)
{
	static char bytes[BATCH][8192];
	static union addr from[BATCH];
	struct mmsghdr in[BATCH];
	struct iovec iov[BATCH];
	int i, n;

	do {
		memset(in, 0, sizeof in);
		for (i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){bytes[i], sizeof bytes[i] - 1};
			in[i].msg_hdr.msg_name = &from[i];
			in[i].msg_hdr.msg_namelen = sizeof from[i];
			in[i].msg_hdr.msg_iov = &iov[i];
			in[i].msg_hdr.msg_iovlen = 1;
		}
		n = recvmmsg(s->fd, in, BATCH, MSG_DONTWAIT, NULL);
		for (i = 0; i < n; i++) {
			bytes[i][in[i].msg_len] = '\0';
			on_message(s, bytes[i], &from[i]);
		}
	} while (n == BATCH);
}

/* Run until everything that may begin has begun and ended. */
static void
run_phase(void (*begin)(uint64_t), uint64_t count, unsigned seconds)
{
	struct epoll_event ev[BATCH];
	uint64_t now;
	unsigned k;
	int i, n;

	measure_begin();
	limit = count;
	phase_end = seconds != 0 ? got.begin + seconds * CLOCK_SEC : 0;
	do {
		now = clock_mono();
		if (opt.until != NULL && seconds != 0 &&
		    access(opt.until, F_OK) == 0)
			phase_end = now;
		begin(now);
		for (k = 0; k < opt.sources; k++) {
			if (sources[k].n != 0)
				source_flush(&sources[k]);
		}
		n = epoll_wait(poll_fd, ev, BATCH, 1);
		for (i = 0; i < n; i++)
			source_receive(&sources[ev[i].data.u32]);
		tx_timers(clock_mono());
	} while (outstanding != 0 ||
	    (got.started < limit && (phase_end == 0 || now < phase_end)));
	got.end = clock_mono();
}

/* ---- the command line --------------------------------------------------- */

static const char usage[] =
    "usage: sip_load register|call --target ADDRESS:PORT [options]\n"
    "  --domain D --users N --first NUMBER --password P (%u = user)\n"
    "  --count N | --duration SECONDS   how much is measured\n"
    "  --until FILE   and no more once it is there\n"
    "  --window N     operations at a time\n"
    "  --rate N       begun per second, at most\n"
    "  --sources N    sockets; --spread: each on an address of its own\n"
    "  --expires S    of REGISTER\n"
    "  --hold MS      of a call\n"
    "  --pids P,P     processes whose CPU time is told per operation\n"
    "  --others P,P   other processes whose CPU time is told apart\n"
    "  --json         one object for each phase\n";

/* A number between bounds, or the end. */
static unsigned
number(const char *name, const char *s, unsigned lo, unsigned hi)
{
	int64_t n;

	if (!str_int(s, lo, hi, &n))
		die("--%s: expected %u..%u, not %s", name, lo, hi, s);
	return (unsigned)n;
}

static void
take_target(const char *s)
{
	const char *colon = strrchr(s, ':');

	if (colon == NULL ||
	    !addr_nparse(&opt.target, s, (size_t)(colon - s),
		(uint16_t)number("target", colon + 1, 1, 65535)))
		die("--target: expected ADDRESS:PORT, not %s", s);
	if (!addr_is_loopback(&opt.target))
		die("--target: only loopback may be loaded, not %s", s);
}

/* The options that are numbers. */
static const struct {
	const char *name;
	unsigned *to;
	unsigned lo, hi;
} numbers[] = {
    {"users", &opt.users, 1, USERS_MAX},
    {"first", &opt.first, 0, 1000000000},
    {"sources", &opt.sources, 1, SOURCES_MAX},
    {"window", &opt.window, 1, 65536},
    {"rate", &opt.rate, 1, 1000000},
    {"duration", &opt.seconds, 1, SECONDS_MAX},
    {"expires", &opt.expires, 0, 86400},
    {"hold", &opt.hold, 0, 600000},
};

static void
take_option(const char *name, const char *value)
{
	size_t i;

	if (strcmp(name, "target") == 0)
		take_target(value);
	else if (strcmp(name, "domain") == 0)
		opt.domain = value;
	else if (strcmp(name, "password") == 0)
		opt.password = value;
	else if (strcmp(name, "until") == 0)
		opt.until = value;
	else if (strcmp(name, "pids") == 0)
		take_pids(&load_pids, value);
	else if (strcmp(name, "others") == 0)
		take_pids(&load_others, value);
	else if (strcmp(name, "count") == 0)
		opt.count = number(name, value, 1, COUNT_MAX);
	else if (strcmp(name, "json") == 0)
		load_json = true;
	else if (strcmp(name, "spread") == 0)
		opt.spread = true;
	for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		if (strcmp(name, numbers[i].name) == 0)
			*numbers[i].to = number(
			    name, value, numbers[i].lo, numbers[i].hi);
	}
}

static void
take_options(int argc, char **argv)
{
	static const struct option options[] = {
	    {"target", required_argument, NULL, 0},
	    {"domain", required_argument, NULL, 0},
	    {"users", required_argument, NULL, 0},
	    {"first", required_argument, NULL, 0},
	    {"password", required_argument, NULL, 0},
	    {"sources", required_argument, NULL, 0},
	    {"window", required_argument, NULL, 0},
	    {"rate", required_argument, NULL, 0},
	    {"duration", required_argument, NULL, 0},
	    {"count", required_argument, NULL, 0},
	    {"expires", required_argument, NULL, 0},
	    {"hold", required_argument, NULL, 0},
	    {"pids", required_argument, NULL, 0},
	    {"until", required_argument, NULL, 0},
	    {"others", required_argument, NULL, 0},
	    {"spread", no_argument, NULL, 0},
	    {"json", no_argument, NULL, 0},
	    {NULL, 0, NULL, 0},
	};
	int c, at;

	while ((c = getopt_long(argc, argv, "", options, &at)) != -1) {
		if (c != 0) {
			fputs(usage, stderr);
			exit(2);
		}
		take_option(options[at].name, optarg);
	}
	if (optind + 1 != argc || addr_port(&opt.target) == 0 ||
	    (strcmp(argv[optind], "register") != 0 &&
		strcmp(argv[optind], "call") != 0)) {
		fputs(usage, stderr);
		exit(2);
	}
	opt.call = strcmp(argv[optind], "call") == 0;
	if (opt.count == 0 && opt.seconds == 0)
		opt.seconds = 10;
	if (opt.call && opt.users < 2)
		die("--users: two are needed for a call");
}

int
main(int argc, char **argv)
{
	uint64_t count;
	unsigned i;

	take_options(argc, argv);
	for (i = 0; i < STEPS; i++)
		TAILQ_INIT(&tx_waiting[i]);
	sources_open(opt.sources, opt.spread);
	users_make();
	/* Somebody may call as soon as they are registered. */
	calls = xcalloc(opt.window, sizeof *calls);
	answers = xcalloc(ANSWERS, sizeof *answers);
	run_phase(users_begin, opt.users, 0);
	report("first registration");
	if (got.failed != 0)
		return 1;
	count = opt.count != 0 ? opt.count : COUNT_MAX;
	if (!opt.call) {
		run_phase(users_begin, count, opt.seconds);
		report("refresh");
		return got.failed != 0;
	}
	run_phase(calls_begin, count, opt.seconds);
	report("call");
	return got.failed != 0;
}
