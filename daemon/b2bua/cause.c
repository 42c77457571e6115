/*
 * What a failure means: for the caller, for the books, for the next stage.
 * One table of SIP codes with their Q.850 causes (RFC 6432, Q.1912.5), and
 * the choice among several failures. Codes that only make sense between a
 * phone and its own server never reach the other side.
 */
#include "b2bua.h"

static const struct cause causes[] = {
    {200, 16, 0, "normal clearing"},
    {400, 127, PLAN_ON_FAULT, "bad request"},
    {403, 21, PLAN_ON_REFUSED, "call rejected"},
    {404, 1, PLAN_ON_REFUSED, "unallocated number"},
    {405, 79, PLAN_ON_REFUSED, "service not implemented"},
    {408, 18, PLAN_ON_ABSENT | PLAN_ON_NO_ANSWER, "no user responding"},
    {410, 22, PLAN_ON_REFUSED, "number changed"},
    {415, 65, PLAN_ON_FAULT, "bearer capability not implemented"},
    {416, 28, PLAN_ON_REFUSED, "invalid number format"},
    {420, 127, PLAN_ON_FAULT, "extension not supported"},
    {422, 127, PLAN_ON_FAULT, "session interval too small"},
    {480, 20, PLAN_ON_ABSENT | PLAN_ON_NO_ANSWER, "subscriber absent"},
    {482, 25, PLAN_ON_FAULT, "exchange routing error"},
    {483, 25, PLAN_ON_FAULT, "exchange routing error"},
    {484, 28, PLAN_ON_REFUSED, "invalid number format"},
    {486, 17, PLAN_ON_BUSY, "user busy"},
    {487, 16, 0, "cancelled"},
    {488, 88, PLAN_ON_FAULT, "incompatible destination"},
    {491, 41, PLAN_ON_FAULT, "request pending"},
    {500, 41, PLAN_ON_FAULT, "temporary failure"},
    {501, 79, PLAN_ON_FAULT, "service not implemented"},
    {503, 41, PLAN_ON_FAULT, "temporary failure"},
    {504, 102, PLAN_ON_FAULT, "recovery on timer expiry"},
    {600, 17, PLAN_ON_BUSY, "user busy"},
    {603, 21, PLAN_ON_REFUSED, "call rejected"},
    {604, 1, PLAN_ON_REFUSED, "unallocated number"},
    {606, 88, PLAN_ON_FAULT, "incompatible destination"},
    {0, 31, PLAN_ON_FAULT, "normal, unspecified"},
};

const struct cause *
cause_find(int code)
{
	const struct cause *c = causes;

	while (c->code != 0 && c->code != code)
		c++;
	return c;
}

int
cause_forward(int code)
{
	switch (code) {
	case 401: /* the phone's own demands */
	case 407:
	case 430: /* RFC 5626: its flow is gone */
	case 481:
	case 487: /* nobody here has cancelled */
	case 491:
	case 494:
		return 480;
	case 422: /* of the interval between us and the phone */
	case 503: /* RFC 3261 16.7: would blame the caller's next hop */
		return 500;
	}
	if (code < 400) /* a redirection: routing is not the phone's */
		return 480;
	if (code >= 700)
		return 500;
	return code;
}

/* Smaller is more worth telling: 6xx decide for all, then what says
 * something about the called, then faults, then silence. */
static int
cause_rank(int code)
{
	switch (code) {
	case 0:
		return 1000;
	case 486:
		return 10;
	case 403:
	case 404:
	case 410:
	case 415:
	case 420:
	case 484:
	case 488:
		return 20;
	case 480:
		return 40;
	case 408:
		return 60;
	}
	if (code >= 600)
		return 0;
	return code < 500 ? 30 : 50;
}

int
cause_best(int a, int b)
{
	return cause_rank(b) < cause_rank(a) ? b : a;
}
