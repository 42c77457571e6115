#ifndef NG_NG_H
#define NG_NG_H

#include <jansson.h>
#include <stdint.h>

#include "daemon/base/buf.h"
#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/sock.h"

/*
 * rtpengine's control protocol "ng": datagrams of a cookie, a space and a
 * dictionary in bencode or JSON. A dictionary is a json_t object here; the
 * strings of bencode must be UTF-8. B2BUA speaks it to MGC and MGC to MG or
 * to a real rtpengine. An inside protocol: it has no authentication.
 */
#define NG_MAX 65507
#define NG_COOKIE 256

/* Pure, fuzzed. body is what follows the cookie and its space. */
int ng_decode(const char *body, size_t n, json_t **, struct err *);
int ng_encode(struct buf *, const json_t *); /* bencode, keys sorted */

struct ng;
struct ng_request;
/* A command came: answer with ng_reply, now or later, exactly once. */
typedef void ng_command_fn(void *arg, struct ng_request *, const char *command,
    json_t *dict, const union addr *from);
/* The answer (borrowed), or NULL and the error. result != "ok" is an error
 * too, with the peer's error-reason as its words. */
typedef void ng_reply_fn(void *arg, json_t *dict, const struct err *);

/* Takes over the bound datagram socket. on_command may be NULL. */
struct ng *ng_open(struct loop *, int fd, ng_command_fn *, void *arg);
void ng_close(struct ng **);
/*
 * Ask; dict (taken) has its "command". Sent again after 200, 400 ms ... with
 * the same cookie until timeout (us). fn is called once, never from ng_call.
 */
void ng_call(struct ng *, const union addr *to, json_t *dict, uint64_t timeout,
    ng_reply_fn *, void *arg);
/* Forget: no fn with this arg will be called any more. */
void ng_forget(struct ng *, void *arg);
/* Replies are kept for 32 s and repeated for a repeated cookie. */
void ng_reply(struct ng_request *, json_t *dict); /* dict is taken */
void ng_fail(struct ng_request *, const char *reason);

#endif
