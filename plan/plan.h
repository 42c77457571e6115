#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"

/*
 * What a dialled string means in one domain. A pure library: no file, no
 * socket, no clock, no global. A domain is compiled once into an immutable
 * plan; plan_route then answers which legs to ring, in which order, and the
 * steps that led there. Real calls, `test route` and explanations of old
 * calls all come from this one function.
 */

/* ---- numbers (number.c) ------------------------------------------------ */

/* Bytes of a number with the NUL: 1..32 of 0-9 * # + A-Z a-z . _ -
 * (SEMANTICS D3). Canonical: lower case, separators gone. */
#define PLAN_NUMBER 33
/* Bytes of a dialled string that are looked at; longer ones are refused. */
#define PLAN_DIALLED 512

/* -ERR_INVALID with words when the text is no number. */
int plan_number_parse(
    char out[PLAN_NUMBER], const char *text, size_t n, struct err *);
/*
 * The number in what was dialled: plain text, or a sip:, sips: or tel: URI
 * (escapes undone; parameters, phone-context among them, play no part, and
 * of the host plan_call.host says what it means). -ERR_UNKNOWN when the
 * scheme is another one.
 */
int plan_dialled_parse(
    char out[PLAN_NUMBER], const char *text, size_t n, struct err *);

/* ---- compiling a domain (plan.c) --------------------------------------- */

struct plan; /* immutable; may be read by any number of callers */
struct plan_builder;

struct plan_domain {
	const char *id; /* of its stream */
	const char *name;
	bool suspended;
	int64_t rev;	    /* of its configuration; 0 = not known */
	const char *origin; /* whose rows they are, in words; NULL = not said */
};

struct plan_user {
	const char *key;  /* within the domain */
	const char *name; /* as people read it; NULL or "" = none */
	bool off;
	unsigned max_contacts; /* rung at once */
	unsigned ring_time;    /* s */
};

/* One more number. Exactly one of user and service is set. */
struct plan_number {
	const char *number;  /* canonical */
	const char *user;    /* key of a user */
	const char *service; /* "echo" */
};

/* Texts are copied. After an error only plan_builder_free is left to do. */
int plan_builder_new(
    const struct plan_domain *, struct plan_builder **, struct err *);
void plan_builder_free(struct plan_builder **);
int plan_builder_user(
    struct plan_builder *, const struct plan_user *, struct err *);
int plan_builder_number(
    struct plan_builder *, const struct plan_number *, struct err *);
/* Takes the builder, also when it fails. A number whose user is missing
 * stays known, so that a call to it says so. */
int plan_build(struct plan_builder **, struct plan **, struct err *);
void plan_free(struct plan **);
size_t plan_bytes(const struct plan *); /* of memory */
const char *plan_domain_id(const struct plan *);
const char *plan_domain_name(const struct plan *);

/* ---- a question and its answer (route.c) ------------------------------- */

enum plan_what { PLAN_CALL, PLAN_MESSAGE };

struct plan_call {
	enum plan_what what;
	const char *from_user; /* key; who asks was proven before */
	const char *to;	       /* as dialled: text or URI, foreign bytes */
	size_t to_len;
	int64_t when;  /* real clock, s: for rules with times */
	unsigned hops; /* domains passed before; 0 = this is the first */
	/* The domain that the host of a URI means: NULL = the caller's own,
	 * "" = none that is known here. */
	const char *host;
};

enum plan_leg_kind {
	PLAN_LEG_USER,	 /* every contact of the user */
	PLAN_LEG_SERVICE /* something the exchange answers itself */
};

/* Failures after which the next stage is tried (plan_leg.next_on). */
#define PLAN_ON_BUSY 0x01      /* 486, 600 */
#define PLAN_ON_NO_ANSWER 0x02 /* ring time over, 408 after ringing, 480 */
#define PLAN_ON_ABSENT 0x04    /* no contact, none reachable */
#define PLAN_ON_REFUSED 0x08   /* 403, 603 and their like */
#define PLAN_ON_FAULT 0x10     /* 5xx, no media */

/*
 * One party to ring. Legs of one stage ring together; stages follow one
 * another, each only after a failure that the one before names.
 */
struct plan_leg {
	enum plan_leg_kind kind;
	unsigned stage;	    /* from 0, never falling */
	const char *target; /* key of the user, name of the service */
	const char *called; /* number as this party is to see it */
	const char *called_name;
	const char *caller; /* number shown to this party */
	const char *caller_name;
	unsigned ring_time; /* s */
	unsigned max_contacts;
	unsigned next_on; /* PLAN_ON_x: goes on to the next stage after these */
};

/*
 * What a step says: words that tell of nobody, and behind them, apart, so that
 * it can be hidden from who sees no persons, a user, a number or what was
 * dialled. NULL is "".
 */
struct plan_text {
	const char *words;
	const char *person;
};

/* One decision: its name, what it looked at, what came out. */
struct plan_step {
	const char *name;
	struct plan_text rule, result;
	bool part; /* of the last step that is no part */
};

#define PLAN_LEGS 32
#define PLAN_STEPS 64
#define PLAN_TEXT 8192

/*
 * The answer; storage is the caller's, and nothing in it points into the
 * plan. It must not be copied or moved: its texts lie in itself. code 0:
 * nlegs > 0. Otherwise the call is refused with that SIP code.
 */
struct plan_result {
	int code;
	/* Refused because this copy of the domain lacks a row of the number:
	 * one that is not behind may have it. */
	bool unknown;
	const char *reason;  /* words of the refusal */
	const char *dialled; /* as it was written, safe to show */
	const char *number;  /* of that, canonical; "" if no number */
	const char *caller;  /* number of the caller in this domain */
	const char *caller_name;
	unsigned nlegs, nsteps;
	struct plan_leg legs[PLAN_LEGS];
	struct plan_step steps[PLAN_STEPS];
	size_t used;
	char text[PLAN_TEXT];
};

void plan_route(
    const struct plan *, const struct plan_call *, struct plan_result *);
/* One more step behind the others, of who knows more than the plan: texts are
 * copied. One that has no room is left out. */
void plan_note(struct plan_result *, const struct plan_step *);

#endif
