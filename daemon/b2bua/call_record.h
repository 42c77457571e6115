#ifndef B2BUA_CALL_RECORD_H
#define B2BUA_CALL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/buf.h"
#include "daemon/base/err.h"

/*
 * The replicated state of one call: what another process needs to go on with
 * it. Pure; the decoder takes any bytes and is fuzzed.
 */

enum call_state {
	CALL_SETUP = 1, /* who, where and media are being found out */
	CALL_RINGING,	/* branches are out */
	CALL_ANSWERED,	/* 2xx to the caller, no ACK yet */
	CALL_UP,	/* both sides talk */
	CALL_ENDING	/* over; replies, BYEs or CANCELs are still owed */
};

enum call_side {
	CALL_SIDE_NONE,
	CALL_SIDE_CALLER,
	CALL_SIDE_CALLEE,
	CALL_SIDE_SYSTEM
};

enum record_branch {
	BRANCH_CALLING = 1, /* INVITE sent, or about to be */
	BRANCH_RINGING,	    /* a provisional reply came */
	BRANCH_CANCELLED,   /* not wanted any more, final reply missing */
	BRANCH_ANSWERED,    /* 2xx came */
	BRANCH_DONE
};

#define RECORD_LEG_UP 0x01 /* a 2xx made its dialog */
#define RECORD_LEG_ACKED 0x02
#define RECORD_LEG_OVER 0x04 /* no BYE is owed */
#define RECORD_LEG_TIMER 0x08
#define RECORD_LEG_REFRESHER 0x10 /* we refresh */
#define RECORD_LEG_UPDATE 0x20
#define RECORD_LEG_WINNER 0x40
#define RECORD_LEG_FLAGS 0x7f

#define RECORD_CALL_BOOKED 0x01
#define RECORD_CALL_MEDIA 0x02
#define RECORD_CALL_DELAYED 0x04 /* the INVITE had no offer */
#define RECORD_CALL_PRIVACY 0x08
#define RECORD_CALL_FLAGS 0x0f

struct record_text {
	const char *s; /* NUL-terminated; "" when absent */
	size_t n;
};

struct record_leg {
	unsigned flags;
	unsigned state;		  /* enum record_branch; 0: the caller's leg */
	struct record_text label; /* towards MGC */
	struct record_text call_id, local, local_tag, remote, remote_tag;
	struct record_text target, routes, source, destination;
	struct record_text via; /* branch of the INVITE sent */
	uint32_t invite_cseq, cseq_mark, rseq;
	uint32_t origin_id, origin_version;
	struct record_text sdp_sent, sdp_got;
	uint32_t interval, min_se;
};

#define RECORD_LEGS 33
#define RECORD_MAX (1024 * 1024)

struct call_record {
	enum call_state state;
	unsigned flags;
	struct record_text id; /* 32 hexadecimal digits */
	struct record_text domain, domain_id, user;
	struct record_text caller_number, caller_name;
	struct record_text called, destination, service;
	uint64_t start, ring, answer, end;
	uint64_t ring_until; /* when this stage has rung long enough */
	unsigned code;
	struct record_text reason;
	enum call_side ended_by;
	unsigned sent;		 /* highest status sent to the INVITE */
	struct record_text head; /* of the INVITE, while it may be needed */
	unsigned nlegs;		 /* the first is the caller's */
	struct record_leg legs[RECORD_LEGS];
};

void call_record_encode(struct buf *, const struct call_record *);
/* Texts borrow from the bytes. -ERR_CORRUPT says where. */
int call_record_decode(
    struct call_record *, const void *, size_t n, struct err *);

#endif
