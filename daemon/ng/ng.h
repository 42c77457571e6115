#ifndef NG_NG_H
#define NG_NG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/buf.h"
#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/sock.h"

/*
 * rtpengine's control protocol "ng": datagrams of a cookie, a space and a
 * dictionary in bencode or JSON. A dictionary is a json_t object here; the
 * strings of bencode must be UTF-8. B2BUA speaks it to MGC and MGC to MG or
 * to a real rtpengine. An inside protocol: it has no authentication but the
 * address of who asks (ng_hear).
 *
 * Keys of our own, which rtpengine ignores:
 *   tandem-epoch   of the controller that orders; a gate refuses an order with
 *                  a lower one than it has seen ("stale epoch"), and tells
 *                  the highest in the reply to list
 *   tandem-echo    in flags of offer: the gate answers itself and returns
 *                  the caller's media to him
 *   tandem-move    in flags of offer: the controller gives the call another
 *                  gate, after "media gate lost" or before
 *   tandem-brief   in flags of delete: of what was counted the reply tells
 *                  packets and lost of each RTP port, in their places
 *   tandem-after   in list: go on behind a reply's tandem-next
 *   tandem-open    in the reply to delete with via-branch: 1 = the call
 *                  goes on without that branch
 */
#define NG_MAX 65507
#define NG_COOKIE 256

/*
 * Pure, fuzzed. body is what follows the cookie and its space. What decodes
 * holds texts without NUL, whole numbers, lists and dictionaries (from JSON
 * also booleans), so it can always be encoded again, if not always within
 * NG_MAX.
 */
int ng_decode(const char *body, size_t n, json_t **, struct err *);
/* Bencode, keys sorted; -ERR_TOOBIG beyond NG_MAX, -ERR_INVALID for null and
 * fractions. */
int ng_encode(struct buf *, const json_t *);

struct ng;
struct ng_request;
/* A command came: answer with ng_reply, now or later, exactly once. */
typedef void ng_command_fn(void *arg, struct ng_request *, const char *command,
    json_t *dict, const union addr *from);
/*
 * The answer (borrowed), or NULL and the error. A result other than "ok" and
 * "pong" is an error too: ERR_REFUSED with the peer's error-reason as its
 * words; "load limit" is ERR_FULL with its message. Silence is ERR_TIMEOUT.
 */
typedef void ng_reply_fn(void *arg, json_t *dict, const struct err *);

/* Takes over the bound datagram socket. on_command may be NULL. */
struct ng *ng_open(struct loop *, int fd, ng_command_fn *, void *arg);
void ng_close(struct ng **);
/* Take commands only of whom fn lets be heard; without it, of everybody. */
typedef bool ng_hear_fn(void *arg, const union addr *from);
void ng_hear(struct ng *, ng_hear_fn *, void *arg);
/*
 * Ask; dict (taken) has its "command". Sent again after 200, 400 ms ... with
 * the same cookie until timeout (us). fn is called once, never from ng_call.
 */
void ng_call(struct ng *, const union addr *to, json_t *dict, uint64_t timeout,
    ng_reply_fn *, void *arg);
/* Forget: no fn with this arg will be called any more. */
void ng_forget(struct ng *, void *arg);
/*
 * Answer, in the format of the request. dict (taken) gets "result": "ok" when
 * it has no result. Replies are kept for 32 s and repeated, byte for byte,
 * for a repeated cookie of the same sender; a repetition that comes before
 * the answer is dropped. A request may be answered after ng_close: nothing
 * happens.
 */
void ng_reply(struct ng_request *, json_t *dict);
void ng_fail(struct ng_request *, const char *reason);
/* "load limit", as rtpengine refuses work that it has no room for. */
void ng_limit(struct ng_request *, const char *message);

/* Members of a dictionary, where another type counts as absent. */
const char *ng_str(const json_t *dict, const char *key); /* or NULL */
int64_t ng_int(const json_t *dict, const char *key, int64_t def);
/* A word in a list of texts, or as the text itself. ' ', '-' and '_' are
 * one, as rtpengine reads its flags. */
bool ng_flag(const json_t *dict, const char *key, const char *word);

#define NG_REPLY_KEPT (32 * UINT64_C(1000000)) /* us */

struct ng_stats {
	uint64_t requests;  /* taken to be answered */
	uint64_t repeated;  /* answered from the replies kept, or in work */
	uint64_t malformed; /* not understood */
	uint64_t refused;   /* no room for another request */
	uint64_t calls;	    /* asked by us */
	uint64_t resent;
	uint64_t timeouts;
};
const struct ng_stats *ng_stats(const struct ng *);
size_t ng_replies_kept(const struct ng *);

#endif
