#ifndef SIP_SCAN_H
#define SIP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"

/*
 * A SIP message as offsets into its own text: what a border needs to know
 * of it, and an editor that copies it once with cuts and inserts. Nothing is
 * allocated; everything is pure and fuzzed (sip_scan_fuzz.c).
 */

struct scan_span {
	const char *p;
	size_t n;
};

enum scan_header {
	SCAN_OTHER, /* no row in scan.tbl */
#define HEADER(id, name, compact, flags) SCAN_##id,
#include "scan.tbl"
#undef HEADER
	SCAN_HEADERS
};

#define SCAN_IN 1u  /* may go inside */
#define SCAN_OUT 2u /* may go outside */
#define SCAN_ONE 4u /* stands at most once */
unsigned scan_header_flags(enum scan_header);
const char *scan_header_name(enum scan_header); /* "" for SCAN_OTHER */
enum scan_header scan_header_find(const char *name, size_t n);

/* ---- values (scan_value.c) --------------------------------------------- */

enum scan_scheme { SCAN_SIP, SCAN_SIPS, SCAN_TEL, SCAN_SCHEME_OTHER };

struct scan_uri {
	enum scan_scheme scheme;
	struct scan_span all;
	struct scan_span user;	 /* without the password; of tel: the number */
	struct scan_span host;	 /* IPv6 with its brackets */
	unsigned port;		 /* 0 = none given */
	struct scan_span params; /* from the first ';' */
	bool has_headers;	 /* a '?' part */
};
/* RFC 3261 19.1.1 and 25.1; false when it is no URI at all, or a sip: URI
 * whose host or port cannot be. */
bool scan_uri(struct scan_uri *, const char *p, size_t n);

/* One name-addr or addr-spec with its parameters. */
struct scan_address {
	struct scan_span display; /* as written, quotes kept */
	struct scan_uri uri;
	struct scan_span params; /* from the first ';' behind the URI */
	const char *end;	 /* the ',' behind it, or the end */
};
bool scan_address(struct scan_address *, const char *p, size_t n);

/*
 * The next parameter: *at moves; name and value without blanks, the value
 * with its quotes; value.p NULL when there is no '='. False at the end or
 * where it is no parameter; then *at tells: at the end or not.
 */
bool scan_param(const char **at, const char *end, struct scan_span *name,
    struct scan_span *value);
/* The value of one parameter of a list; false when it is not there. */
bool scan_param_find(
    struct scan_span params, const char *name, struct scan_span *value);

/* The next item of a comma-separated list; commas in quotes and <> do not
 * count. False at the end. */
bool scan_item(const char **at, const char *end, struct scan_span *item);

struct scan_via {
	struct scan_span transport; /* "UDP" */
	struct scan_span host;	    /* sent-by; IPv6 with its brackets */
	unsigned port;		    /* 0 = none given */
	struct scan_span params;    /* from the first ';' */
	struct scan_span branch;    /* empty when there is none */
	struct scan_span received; /* "received" with its value, from the ';' */
	struct scan_span rport;	   /* "rport" with its value, from the ';' */
	bool has_rport;
	const char *end; /* behind the value: a ',' or the end of the line */
};
bool scan_via(struct scan_via *, const char *p, size_t n);

/* One name="value" of a challenge or credentials; as scan_param, but the
 * quotes are taken off. *at begins behind the scheme. */
bool scan_auth(const char **at, const char *end, struct scan_span *name,
    struct scan_span *value);

bool scan_number(struct scan_span, uint64_t max, uint64_t *); /* digits only */
bool scan_span_is(struct scan_span, const char *); /* letters without case */
bool scan_span_equal(struct scan_span, struct scan_span); /* exactly */

/* ---- the message (scan.c, scan_pick.c) --------------------------------- */

#define SCAN_LINES 160 /* header fields of one message */

struct scan_line {
	uint32_t at;	/* its name */
	uint32_t value; /* first byte of its value, blanks left out */
	uint32_t end;	/* behind the value, blanks left out */
	uint32_t next;	/* the next line */
	uint8_t id;	/* enum scan_header */
};

enum scan_method {
	SCAN_UNKNOWN,
	SCAN_INVITE,
	SCAN_ACK,
	SCAN_CANCEL,
	SCAN_BYE,
	SCAN_REGISTER,
	SCAN_OPTIONS,
	SCAN_MESSAGE,
	SCAN_SUBSCRIBE,
	SCAN_NOTIFY,
	SCAN_PUBLISH,
	SCAN_INFO,
	SCAN_UPDATE,
	SCAN_PRACK,
	SCAN_REFER
};
enum scan_method scan_method_find(const char *, size_t n);
const char *scan_method_name(enum scan_method); /* "" for SCAN_UNKNOWN */

struct scan {
	char *text;
	size_t size; /* with the body; bytes beyond Content-Length left out */
	bool request;
	bool
	    odd; /* not the plain form: sofia's parser was, or must be, asked */
	unsigned status; /* of a reply */
	struct scan_span method_text;
	enum scan_method method; /* of a request: its own; of a reply: CSeq's */
	struct scan_uri uri;	 /* of a request */
	uint32_t body;		 /* first byte of the body */

	unsigned nlines;
	uint8_t first[SCAN_HEADERS]; /* line + 1, 0 = not there */
	struct scan_line line[SCAN_LINES];

	struct scan_via via; /* the top one */
	struct scan_address from, to;
	struct scan_span from_tag, to_tag; /* empty when there is none */
	struct scan_span call_id;
	uint32_t cseq;
	int max_forwards; /* -1 = not given */

	/* Why it is refused: status of the answer, words. */
	int refuse;
	struct err err;
};

/*
 * Read one whole message; text is writable (folded lines are joined in
 * place). What is unusual is judged by sofia's full parse as well.
 *   0: well-formed as far as a border must know;
 *   -ERR_SYNTAX: SIP, but wrong: refuse says with which status a request is
 *     to be answered; lines are there as far as they could be read;
 *   -ERR_UNKNOWN: no SIP message at all.
 */
int scan_message(struct scan *, char *text, size_t n);
/* Only the line scan: as above without the judge; sets odd. */
int scan_lazy(struct scan *, char *text, size_t n);

/* The value of the first line of a kind; empty when it is not there. */
struct scan_span scan_value(const struct scan *, enum scan_header);
struct scan_span scan_line_value(const struct scan *, const struct scan_line *);
/* Offset of a byte of the text. */
size_t scan_at(const struct scan *, const char *);

/* ---- one-pass editor (splice.c) ---------------------------------------- */

#define SPLICE_EDITS 224
#define SPLICE_NOTES 6144 /* bytes of all that is inserted */

struct splice_edit {
	uint32_t at;
	uint32_t cut;
	uint32_t note;
	uint32_t n;
};

struct splice {
	const char *text;
	size_t size;
	unsigned count;
	uint32_t used;
	bool failed; /* an edit did not fit: splice_out answers -1 */
	struct splice_edit edit[SPLICE_EDITS];
	char notes[SPLICE_NOTES];
};

void splice_init(struct splice *, const char *text, size_t n);
void splice_cut(struct splice *, size_t at, size_t n);
/* Insert in front of the byte at; inserts at one place keep their order. */
void splice_put(struct splice *, size_t at, const void *, size_t n);
void splice_fmt(struct splice *, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The edited text; bytes, or -1 when it does not fit or an edit failed. */
long splice_out(const struct splice *, char *out, size_t size);

#endif
