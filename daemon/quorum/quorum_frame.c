/*
 * Frames between two quorum processes, little-endian:
 *   0   1  type
 *   1   3  zero
 *   4   4  n, bytes that follow the head; 65536 at most
 *   8   8  number
 *   16  n  bytes
 * A type that is not known is passed over: servers of two releases may be of
 * one site. By type:
 *   1 HELLO    first of each side: number is the sender's id in the group,
 *	      bytes "TDQ1"
 *   2 BEAT     every 20 ms, no bytes; number is how much of the log a sender
 *	      that leads has applied, else 0
 *   3 STREAM   raft of the sender connects; number names the stream
 *   4 BYTES    of the stream
 *   5 END      the stream of that number ends; from either side
 *   6 PROPOSE  number is the sender's tag, bytes an entry of the log
 *   7 FAILED   number is the receiver's tag, bytes say why: nobody knows
 *	      whether the entry will be decided
 *   8 PART     number is the highest epoch decided by the sender; one byte: 0
 *	      it is part of the site, 1 it decides alone, 2 it has given up
 *	      what it decided (quorum_part.c)
 *   9 ECHO     number is the sender's clock, no bytes
 *   10 BACK    answers it at once with the same number
 *   11 SERVING number is an epoch, bytes the key that an instance of the sender
 *	      serves under it: told at once, ahead of the decision that says so
 */
#include <string.h>

#include "quorum.h"
#include "replication/ship_record.h"

void
frame_encode(struct buf *b, const struct frame *f)
{
	uint8_t head[FRAME_HEAD] = {(uint8_t)f->type};

	ship_put32(head + 4, (uint32_t)f->n);
	ship_put64(head + 8, f->number);
	buf_add(b, head, sizeof head);
	buf_add(b, f->bytes, f->n);
}

/* What each type may carry. */
static bool
frame_ok(const struct frame *f)
{
	switch (f->type) {
	case FRAME_HELLO:
		return f->n == 4 && memcmp(f->bytes, "TDQ1", 4) == 0 &&
		    f->number != 0;
	case FRAME_BEAT:
	case FRAME_ECHO:
	case FRAME_BACK:
	case FRAME_STREAM:
	case FRAME_END:
		return f->n == 0;
	case FRAME_PROPOSE:
		return f->n >= QUORUM_ENVELOPE &&
		    f->n <= QUORUM_ENVELOPE + OWNERSHIP_COMMAND_MAX;
	case FRAME_PART:
		return f->n == 1 && f->bytes[0] < PART_STATES;
	case FRAME_SERVING:
		return f->n > 0 && f->n < OWNER_KEY &&
		    memchr(f->bytes, '\0', f->n) == NULL;
	case FRAME_BYTES:
	case FRAME_FAILED:
		return true;
	default:
		return f->type >= FRAME_MAX;
	}
}

long
frame_decode(struct frame *f, const uint8_t *p, size_t n, struct err *e)
{
	size_t length;

	if (n < FRAME_HEAD)
		return 0;
	length = ship_get32(p + 4);
	f->type = p[0];
	if (p[0] == 0 || p[1] != 0 || p[2] != 0 || p[3] != 0 ||
	    length > FRAME_BYTES_MAX)
		return err_set(e, ERR_CORRUPT, "frame of type %u", p[0]);
	if (n < FRAME_HEAD + length)
		return 0;
	f->number = ship_get64(p + 8);
	f->bytes = p + FRAME_HEAD;
	f->n = length;
	if (!frame_ok(f))
		return err_set(
		    e, ERR_CORRUPT, "frame of type %u: damaged", p[0]);
	return (long)(FRAME_HEAD + length);
}

int
quorum_entry_decode(
    struct ownership_command *c, const uint8_t *p, size_t n, struct err *e)
{
	uint64_t length;

	if (n < QUORUM_ENVELOPE)
		return err_set(e, ERR_CORRUPT, "entry of %zu bytes", n);
	length = ship_get64(p + 16);
	if (length > n - QUORUM_ENVELOPE)
		return err_set(e, ERR_CORRUPT, "entry: its length");
	return ownership_decode(c, p + QUORUM_ENVELOPE, length, e);
}
