/*
 * Commands and snapshots of the ownership machine as bytes. Numbers are
 * little-endian; a text is its length (1 byte) and its bytes, of which every
 * one is a letter, a digit or one of . _ - (in keys also / and @) and the
 * first no dot. Epochs are below 2^62.
 *
 * A command:
 *   0   1  version, 1
 *   1   1  type
 *   2   -  the fields that its type has (code_fields), in this order:
 *	    server, key, role  texts
 *	    epoch, life, turn, report, id, log, floor  8 bytes each
 *	    inside  an address
 *	    flags  1 byte
 *	    since  8 numbers of 8 bytes, of the instances 1 to 8
 * An address: 1 byte 4 or 6, 2 bytes port, 4 or 16 bytes address.
 *
 * A snapshot:
 *   0   4  "TOS2"
 *   4   8  highest epoch
 *   12  8  changes
 *   20  1  flags (1 availability is preferred)
 *   21  1  number of roles, then their names, texts
 *   -   1  number of servers, then each, in rising order of slots:
 *	    slot 1, name text, id 8, address, life 8, report 8, log 8,
 *	    flags 1 (1 up, 2 witness, 4 drain, 8 apart, 16 back), number of
 *	    instances 1, then each: role 1, index 1 (both rising), since 8,
 *	    epoch 8
 *   -   2  number of keys, then each, in rising order of places:
 *	    place 2, server 1, index 1, state 1, flags 1 (1 lost), epoch 8,
 *	    members 4, turn 8
 * Places of keys: sr, st, mgc, then calls/b2bua-N@SERVER at
 * 3 + 8 * slot + N - 1. Nothing follows the last key.
 */
#include <string.h>

#include "ownership.h"
#include "ship_record.h"

enum {
	F_SERVER = 1 << 0,
	F_KEY = 1 << 1,
	F_ROLE = 1 << 2,
	F_EPOCH = 1 << 3,
	F_LIFE = 1 << 4,
	F_TURN = 1 << 5,
	F_REPORT = 1 << 6,
	F_ID = 1 << 7,
	F_LOG = 1 << 8,
	F_FLOOR = 1 << 9,
	F_INSIDE = 1 << 10,
	F_FLAGS = 1 << 11,
	F_SINCE = 1 << 12
};

static const struct {
	unsigned fields;
	uint8_t flags; /* the highest allowed */
} code_fields[OWNERSHIP_TYPES] = {
    [OWNERSHIP_SERVER_PUT] = {F_SERVER | F_ID | F_INSIDE | F_FLAGS, 1},
    [OWNERSHIP_SERVER_REMOVE] = {F_SERVER, 0},
    [OWNERSHIP_SERVER_UP] = {F_SERVER | F_LIFE, 0},
    [OWNERSHIP_SERVER_DOWN] = {F_SERVER | F_LIFE, 0},
    [OWNERSHIP_INSTANCES] = {F_SERVER | F_ROLE | F_LIFE | F_REPORT | F_LOG |
	    F_FLOOR | F_SINCE,
	0},
    [OWNERSHIP_SERVING] = {F_KEY | F_EPOCH, 0},
    [OWNERSHIP_MEMBER_ADD] = {F_SERVER | F_KEY | F_EPOCH | F_TURN, 0},
    [OWNERSHIP_MEMBER_REMOVE] = {F_SERVER | F_KEY | F_EPOCH | F_TURN, 0},
    [OWNERSHIP_MOVE] = {F_SERVER | F_KEY | F_EPOCH | F_FLAGS, OWNERSHIP_INDEX},
    [OWNERSHIP_DRAIN] = {F_SERVER, 0},
    [OWNERSHIP_UNDRAIN] = {F_SERVER, 0},
    [OWNERSHIP_RECOVER] = {F_SERVER | F_KEY | F_EPOCH, 0},
    [OWNERSHIP_PREFER] = {F_FLAGS, 1},
    [OWNERSHIP_PART] = {F_SERVER | F_FLOOR, 0},
};

/* ---- pieces ------------------------------------------------------------- */

static void
put_u8(struct buf *b, unsigned v)
{
	buf_char(b, (char)v);
}

static void
put_u16(struct buf *b, unsigned v)
{
	put_u8(b, v & 0xff);
	put_u8(b, v >> 8);
}

static void
put_u32(struct buf *b, uint32_t v)
{
	uint8_t bytes[4];

	ship_put32(bytes, v);
	buf_add(b, bytes, sizeof bytes);
}

static void
put_u64(struct buf *b, uint64_t v)
{
	uint8_t bytes[8];

	ship_put64(bytes, v);
	buf_add(b, bytes, sizeof bytes);
}

static void
put_text(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	put_u8(b, (unsigned)n);
	buf_add(b, s, n);
}

static void
put_addr(struct buf *b, const union addr *a)
{
	bool six = a->sa.sa_family == AF_INET6;

	put_u8(b, six ? 6 : 4);
	put_u16(b, addr_port(a));
	if (six)
		buf_add(b, &a->in6.sin6_addr, 16);
	else
		buf_add(b, &a->in4.sin_addr, 4);
}

/* Reading: bad stays true once something was missing or not allowed. */
struct code_in {
	const uint8_t *p;
	size_t n;
	bool bad;
};

static const uint8_t *
get_bytes(struct code_in *in, size_t n)
{
	static const uint8_t zero[256];
	const uint8_t *p = in->p;

	if (in->bad || in->n < n) {
		in->bad = true;
		return zero;
	}
	in->p += n;
	in->n -= n;
	return p;
}

/* A number of at most max. */
static unsigned
get_u8(struct code_in *in, unsigned max)
{
	unsigned v = *get_bytes(in, 1);

	if (v > max)
		in->bad = true;
	return v > max ? 0 : v;
}

static unsigned
get_u16(struct code_in *in)
{
	const uint8_t *p = get_bytes(in, 2);

	return p[0] | (unsigned)p[1] << 8;
}

static uint32_t
get_u32(struct code_in *in)
{
	return ship_get32(get_bytes(in, 4));
}

static uint64_t
get_u64(struct code_in *in)
{
	return ship_get64(get_bytes(in, 8));
}

#define EPOCH_MAX (UINT64_C(1) << 62)

/* Only keys are as long as OWNER_KEY. */
static bool
text_ok(const char *s, size_t n, size_t size)
{
	size_t marks = size == OWNER_KEY ? 5 : 3;
	size_t i;

	if (n == 0 || n >= size || s[0] == '.')
		return false;
	for (i = 0; i < n; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') ||
			memchr("._-/@", c, marks) != NULL))
			return false;
	}
	return true;
}

static void
get_text(struct code_in *in, char *out, size_t size)
{
	size_t n = get_u8(in, 255);
	const char *s = (const char *)get_bytes(in, n);

	if (in->bad || !text_ok(s, n, size)) {
		in->bad = true;
		n = 0;
	}
	memset(out, 0, size);
	memcpy(out, s, n);
}

static void
get_addr(struct code_in *in, union addr *a)
{
	unsigned family = get_u8(in, 6);
	unsigned port = get_u16(in);

	memset(a, 0, sizeof *a);
	if (family == 6) {
		a->in6.sin6_family = AF_INET6;
		memcpy(&a->in6.sin6_addr, get_bytes(in, 16), 16);
	} else if (family == 4) {
		a->in4.sin_family = AF_INET;
		memcpy(&a->in4.sin_addr, get_bytes(in, 4), 4);
	} else {
		in->bad = true;
		return;
	}
	addr_set_port(a, (uint16_t)port);
}

/* ---- commands ----------------------------------------------------------- */

/* The texts and numbers of a command in the order of the format. */
#define CODE_TEXTS 3
#define CODE_NUMBERS 7

static void
command_parts(struct ownership_command *c, char *text[CODE_TEXTS],
    size_t size[CODE_TEXTS], uint64_t *number[CODE_NUMBERS])
{
	text[0] = c->server;
	size[0] = sizeof c->server;
	text[1] = c->key;
	size[1] = sizeof c->key;
	text[2] = c->role;
	size[2] = sizeof c->role;
	number[0] = &c->epoch;
	number[1] = &c->life;
	number[2] = &c->turn;
	number[3] = &c->report;
	number[4] = &c->id;
	number[5] = &c->log;
	number[6] = &c->floor;
}

long
ownership_encode(const struct ownership_command *command,
    uint8_t out[OWNERSHIP_COMMAND_MAX], struct err *e)
{
	struct ownership_command copy = *command, *c = &copy;
	struct buf b = BUF_INIT;
	char *text[CODE_TEXTS];
	size_t size[CODE_TEXTS], n;
	uint64_t *number[CODE_NUMBERS];
	unsigned f, i;

	if (c->type == 0 || c->type >= OWNERSHIP_TYPES ||
	    c->flags > code_fields[c->type].flags || c->floor >= EPOCH_MAX)
		return err_set(e, ERR_INVALID, "command %d", c->type);
	f = code_fields[c->type].fields;
	command_parts(c, text, size, number);
	put_u8(&b, 1);
	put_u8(&b, c->type);
	for (i = 0; i < CODE_TEXTS; i++) {
		if (!(f & 1u << i))
			continue;
		if (!text_ok(text[i], strlen(text[i]), size[i])) {
			buf_fini(&b);
			return err_set(
			    e, ERR_INVALID, "%s: not a name", text[i]);
		}
		put_text(&b, text[i]);
	}
	for (i = 0; i < CODE_NUMBERS; i++) {
		if (f & F_EPOCH << i)
			put_u64(&b, *number[i]);
	}
	if (f & F_INSIDE)
		put_addr(&b, &c->inside);
	if (f & F_FLAGS)
		put_u8(&b, c->flags);
	for (i = 0; (f & F_SINCE) && i < OWNERSHIP_INDEX; i++)
		put_u64(&b, c->since[i]);
	n = b.len;
	if (b.failed || n > OWNERSHIP_COMMAND_MAX) {
		buf_fini(&b);
		return err_set(e, ERR_NOMEM, "command");
	}
	memcpy(out, b.data, n);
	buf_fini(&b);
	return (long)n;
}

int
ownership_decode(
    struct ownership_command *c, const uint8_t *p, size_t n, struct err *e)
{
	struct code_in in = {p, n, false};
	char *text[CODE_TEXTS];
	size_t size[CODE_TEXTS];
	uint64_t *number[CODE_NUMBERS];
	unsigned f, i;

	memset(c, 0, sizeof *c);
	if (get_u8(&in, 1) != 1)
		return err_set(e, ERR_CORRUPT, "command: another version");
	c->type = get_u8(&in, OWNERSHIP_TYPES - 1);
	f = code_fields[c->type].fields;
	command_parts(c, text, size, number);
	for (i = 0; i < CODE_TEXTS; i++) {
		if (f & 1u << i)
			get_text(&in, text[i], size[i]);
	}
	for (i = 0; i < CODE_NUMBERS; i++) {
		if (f & F_EPOCH << i)
			*number[i] = get_u64(&in);
	}
	if (f & F_INSIDE)
		get_addr(&in, &c->inside);
	if (f & F_FLAGS)
		c->flags = (uint8_t)get_u8(&in, code_fields[c->type].flags);
	for (i = 0; (f & F_SINCE) && i < OWNERSHIP_INDEX; i++)
		c->since[i] = get_u64(&in);
	if (in.bad || in.n != 0 || c->type == 0 || c->floor >= EPOCH_MAX)
		return err_set(e, ERR_CORRUPT, "command %d: damaged", c->type);
	return 0;
}

/* ---- snapshots ---------------------------------------------------------- */

static bool
instance_there(const struct ownership_instance *n)
{
	return n->since != 0 || n->epoch != 0;
}

static void
save_instances(const struct ownership_server *s, struct buf *b)
{
	const struct ownership_instance *all = s->instance[0];
	unsigned i, n = 0;

	for (i = 0; i < OWNERSHIP_ROLES * OWNERSHIP_INDEX; i++)
		n += instance_there(&all[i]);
	put_u8(b, n);
	for (i = 0; i < OWNERSHIP_ROLES * OWNERSHIP_INDEX; i++) {
		if (!instance_there(&all[i]))
			continue;
		put_u8(b, i / OWNERSHIP_INDEX);
		put_u8(b, i % OWNERSHIP_INDEX);
		put_u64(b, all[i].since);
		put_u64(b, all[i].epoch);
	}
}

static void
save_server(const struct ownership_server *s, unsigned slot, struct buf *b)
{
	put_u8(b, slot);
	put_text(b, s->name);
	put_u64(b, s->id);
	put_addr(b, &s->inside);
	put_u64(b, s->life);
	put_u64(b, s->report);
	put_u64(b, s->log);
	put_u8(b,
	    (unsigned)s->up | (unsigned)s->witness << 1 |
		(unsigned)s->drain << 2 | (unsigned)s->parted << 3);
	save_instances(s, b);
}

static void
save_key(const struct ownership_key *k, unsigned place, struct buf *b)
{
	put_u16(b, place);
	put_u8(b, k->server);
	put_u8(b, k->index);
	put_u8(b, k->state);
	put_u8(b, k->lost);
	put_u64(b, k->epoch);
	put_u32(b, k->members);
	put_u64(b, k->turn);
}

void
ownership_save(const struct ownership_machine *m, struct buf *b)
{
	unsigned i, n;

	buf_add(b, "TOS2", 4);
	put_u64(b, m->highest);
	put_u64(b, m->changes);
	put_u8(b, m->availability);
	for (n = 0; n < OWNERSHIP_ROLES && m->role[n][0] != '\0'; n++)
		;
	put_u8(b, n);
	for (i = 0; i < n; i++)
		put_text(b, m->role[i]);
	for (i = n = 0; i < OWNERSHIP_SERVERS; i++)
		n += m->server[i].name[0] != '\0';
	put_u8(b, n);
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (m->server[i].name[0] != '\0')
			save_server(&m->server[i], i, b);
	}
	for (i = n = 0; i < OWNERSHIP_KEYS; i++)
		n += m->key[i].name[0] != '\0';
	put_u16(b, n);
	for (i = 0; i < OWNERSHIP_KEYS; i++) {
		if (m->key[i].name[0] != '\0')
			save_key(&m->key[i], i, b);
	}
}

static void
load_instances(struct ownership_server *s, struct code_in *in)
{
	unsigned n = get_u8(in, OWNERSHIP_ROLES * OWNERSHIP_INDEX), at;
	int last = -1;

	for (; n > 0 && !in->bad; n--) {
		struct ownership_instance *i;

		at = get_u8(in, OWNERSHIP_ROLES - 1) * OWNERSHIP_INDEX;
		at += get_u8(in, OWNERSHIP_INDEX - 1);
		if ((int)at <= last)
			in->bad = true;
		last = (int)at;
		i = &s->instance[at / OWNERSHIP_INDEX][at % OWNERSHIP_INDEX];
		i->since = get_u64(in);
		i->epoch = get_u64(in);
		if (!instance_there(i))
			in->bad = true;
	}
}

static void
load_servers(struct ownership_machine *m, struct code_in *in)
{
	unsigned n = get_u8(in, OWNERSHIP_SERVERS), slot, flags;
	char name[OWNERSHIP_SERVER_NAME];
	int last = -1;

	for (; n > 0 && !in->bad; n--) {
		struct ownership_server *s;

		slot = get_u8(in, OWNERSHIP_SERVERS - 1);
		get_text(in, name, sizeof name);
		if ((int)slot <= last || ownership_server_find(m, name) != NULL)
			in->bad = true;
		last = (int)slot;
		s = &m->server[slot];
		memcpy(s->name, name, sizeof name);
		s->id = get_u64(in);
		get_addr(in, &s->inside);
		s->life = get_u64(in);
		s->report = get_u64(in);
		s->log = get_u64(in);
		flags = get_u8(in, 7 | OWNERSHIP_BACK << 3);
		s->up = flags & 1;
		s->witness = flags & 2;
		s->drain = flags & 4;
		s->parted = flags >> 3;
		load_instances(s, in);
	}
}

/* The key of a place: fixed, or of the calls of a server's instance. */
static struct ownership_key *
load_place(struct ownership_machine *m, unsigned place, struct code_in *in)
{
	unsigned server = 0, index = 0;

	if (place >= OWNERSHIP_FIXED) {
		server = (place - OWNERSHIP_FIXED) / OWNERSHIP_INDEX;
		index = (place - OWNERSHIP_FIXED) % OWNERSHIP_INDEX;
	}
	if (place >= OWNERSHIP_KEYS ||
	    (place >= OWNERSHIP_FIXED && m->server[server].name[0] == '\0')) {
		in->bad = true;
		return &m->key[0];
	}
	if (place >= OWNERSHIP_FIXED)
		ownership_calls_key(m, server, index);
	return &m->key[place];
}

static void
load_keys(struct ownership_machine *m, struct code_in *in)
{
	unsigned n = get_u16(in), place;
	int last = -1;

	if (n < OWNERSHIP_FIXED)
		in->bad = true;
	for (; n > 0 && !in->bad; n--) {
		struct ownership_key *k;

		place = get_u16(in);
		if ((int)place <= last ||
		    (last < OWNERSHIP_FIXED - 1 && (int)place != last + 1))
			in->bad = true;
		last = (int)place;
		k = load_place(m, place, in);
		k->server = (uint8_t)get_u8(in, OWNERSHIP_NONE);
		k->index = (uint8_t)get_u8(in, OWNERSHIP_INDEX - 1);
		k->state = get_u8(in, OWNER_SERVING);
		k->lost = get_u8(in, 1) != 0;
		k->epoch = get_u64(in);
		k->members = get_u32(in);
		k->turn = get_u64(in);
	}
}

/* The names of the roles; the first ones are always the same. */
static void
load_roles(struct ownership_machine *m, struct code_in *in)
{
	unsigned n = get_u8(in, OWNERSHIP_ROLES), i, j;
	char name[OWNERSHIP_ROLE_NAME];

	if (n <= OWNERSHIP_FIXED)
		in->bad = true;
	for (i = 0; i < n && !in->bad; i++) {
		get_text(in, name, sizeof name);
		if (i <= OWNERSHIP_FIXED && strcmp(name, m->role[i]) != 0)
			in->bad = true;
		for (j = 0; j < i; j++) {
			if (strcmp(name, m->role[j]) == 0)
				in->bad = true;
		}
		memcpy(m->role[i], name, sizeof name);
	}
}

int
ownership_load(
    struct ownership_machine *m, const uint8_t *p, size_t n, struct err *e)
{
	struct code_in in = {p, n, false};
	const char *law = NULL;

	ownership_init(m);
	if (memcmp(get_bytes(&in, 4), "TOS2", 4) != 0)
		return err_set(e, ERR_CORRUPT, "snapshot: not one");
	m->highest = get_u64(&in);
	m->changes = get_u64(&in);
	m->availability = get_u8(&in, 1) != 0;
	if (m->highest >= EPOCH_MAX)
		in.bad = true;
	load_roles(m, &in);
	load_servers(m, &in);
	load_keys(m, &in);
	if (!in.bad && in.n == 0 && (law = ownership_check(m)) == NULL)
		return 0;
	ownership_init(m);
	return err_set(
	    e, ERR_CORRUPT, "snapshot: %s", law != NULL ? law : "damaged");
}
