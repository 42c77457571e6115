/*
 * Laws of bindings, RFC 3261 10.3 steps 6 and 7, with the rows in a plain
 * SQLite database: what is asked, what is there afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/str.h"
#include "daemon/sr/sr.h"

#define NOW 1000000

/* One registrar's table. */
struct box {
	sqlite3 *db;
	struct sr_rows *rows;
	struct sr_request req;
	struct sr_set set;
	struct sr_refusal no;
	int64_t now;
	unsigned max;
};

static int
setup(void **state)
{
	struct box *x = calloc(1, sizeof *x);
	struct err err = {0};

	assert_int_equal(sqlite3_open(":memory:", &x->db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(x->db, sr_rows_schema, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sr_rows_open(&x->rows, x->db, &err), 0);
	x->now = NOW;
	x->max = 3;
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct box *x = *state;

	sr_rows_close(&x->rows);
	assert_int_equal(sqlite3_close(x->db), SQLITE_OK);
	free(x);
	return 0;
}

/* Begin a request. */
static void
ask(struct box *x, const char *call_id, uint32_t cseq)
{
	memset(&x->req, 0, sizeof x->req);
	str_copy(x->req.call_id, sizeof x->req.call_id, call_id);
	str_copy(x->req.path, sizeof x->req.path, "<sip:t@127.0.0.1;lr>");
	x->req.cseq = cseq;
}

/* Add a Contact to it. */
static struct sr_wish *
contact(struct box *x, const char *uri, uint32_t expires)
{
	struct sr_wish *w = &x->req.wish[x->req.count++];

	str_copy(w->contact, sizeof w->contact, uri);
	w->expires = expires;
	w->q = SR_Q_MAX;
	return w;
}

/* Carry it out; 0, or the status of the refusal, when nothing is written. */
static int
done(struct box *x)
{
	struct err err = {0};

	assert_int_equal(sr_rows_load(x->rows, "d1", "101", &x->set, &err), 0);
	if (sr_rules_apply(&x->set, &x->req, x->now, x->max, &x->no) != 0)
		return x->no.status;
	assert_int_equal(
	    sr_rows_write(x->rows, "d1", "101", &x->set, &x->req, x->now, &err),
	    0);
	return 0;
}

/* One Contact in one request. */
static int
one(struct box *x, const char *call_id, uint32_t cseq, const char *uri,
    uint32_t expires)
{
	ask(x, call_id, cseq);
	contact(x, uri, expires);
	return done(x);
}

/* Read the set from the database, past what x->rows remembers. */
static void
load_fresh(struct box *x)
{
	struct sr_rows *fresh;
	struct err err = {0};

	assert_int_equal(sr_rows_open(&fresh, x->db, &err), 0);
	assert_int_equal(sr_rows_load(fresh, "d1", "101", &x->set, &err), 0);
	sr_rows_close(&fresh);
}

/* What is there, "uri=seconds " for each, in the order it was added. */
static const char *
there(struct box *x)
{
	static char out[2048];
	size_t n = 0;
	unsigned i;

	out[0] = '\0';
	load_fresh(x);
	for (i = 0; i < x->set.count; i++) {
		if (!sr_rules_lives(&x->set.binding[i], x->now))
			continue;
		n += (size_t)snprintf(out + n, sizeof out - n, "%s=%d ",
		    x->set.binding[i].contact + 4,
		    (int)(x->set.binding[i].expires - x->now));
	}
	return out;
}

/* Rows of the table, dead ones too. */
static int
rows(struct box *x)
{
	load_fresh(x);
	return (int)x->set.count;
}

/* A new contact is added, a known one refreshed, one with 0 removed. */
static void
test_add_refresh_remove(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 1, "sip:a@h", 60), 0);
	assert_string_equal(there(x), "a@h=60 ");
	x->now += 50;
	assert_int_equal(one(x, "c", 2, "sip:a@h", 600), 0);
	assert_string_equal(there(x), "a@h=600 ");
	assert_int_equal(one(x, "c", 3, "sip:b@h", 60), 0);
	assert_string_equal(there(x), "a@h=600 b@h=60 ");
	assert_int_equal(one(x, "c", 4, "sip:a@h", 0), 0);
	assert_string_equal(there(x), "b@h=60 ");
	assert_int_equal(one(x, "c", 5, "sip:nobody@h", 0), 0);
	assert_string_equal(there(x), "b@h=60 ");
}

/* Contacts of one request are all done, each its own way. */
static void
test_several(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 1, "sip:a@h", 60), 0);
	ask(x, "c", 2);
	contact(x, "sip:a@h", 0);
	contact(x, "sip:b@h", 100);
	contact(x, "sip:c@h", 200);
	assert_int_equal(done(x), 0);
	assert_string_equal(there(x), "b@h=100 c@h=200 ");
}

/* If one Contact of a request is refused, none is done. */
static void
test_atomic(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 7, "sip:a@h", 60), 0);
	ask(x, "c", 6);
	contact(x, "sip:new@h", 100);
	contact(x, "sip:a@h", 100);
	assert_int_equal(done(x), 500);
	assert_string_equal(there(x), "a@h=60 ");
}

/* Step 7: an older CSeq of the same Call-ID is refused, whatever it asks. */
static void
test_older(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 7, "sip:a@h", 60), 0);
	assert_int_equal(one(x, "c", 6, "sip:a@h", 600), 500);
	assert_int_equal(one(x, "c", 6, "sip:a@h", 0), 500);
	assert_string_equal(there(x), "a@h=60 ");
}

/* The same CSeq of the same Call-ID is a repetition: 200, nothing changes. */
static void
test_repeated(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 7, "sip:a@h", 60), 0);
	x->now += 10;
	assert_int_equal(one(x, "c", 7, "sip:a@h", 60), 0);
	assert_int_equal(sr_rows_count(&x->set), 0);
	assert_string_equal(there(x), "a@h=50 ");
	assert_int_equal(one(x, "c", 8, "sip:a@h", 0), 0);
	assert_int_equal(one(x, "c", 8, "sip:a@h", 0), 0);
	assert_string_equal(there(x), "");
}

/* Another Call-ID (a phone that was started again) has no order to keep. */
static void
test_other_call_id(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 7, "sip:a@h", 60), 0);
	assert_int_equal(one(x, "d", 1, "sip:a@h", 600), 0);
	assert_string_equal(there(x), "a@h=600 ");
	assert_int_equal(one(x, "c", 6, "sip:a@h", 700), 0);
	assert_string_equal(there(x), "a@h=700 ");
}

/* 19.1.4 decides which contacts are one, and the URI as last sent stays. */
static void
test_equivalent(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 1, "sip:a@HOST;x=1", 60), 0);
	assert_int_equal(one(x, "c", 2, "sip:%61@host", 90), 0);
	assert_string_equal(there(x), "%61@host=90 ");
	assert_int_equal(one(x, "c", 3, "sip:a@host:5060", 30), 0);
	assert_string_equal(there(x), "%61@host=90 a@host:5060=30 ");
}

/* RFC 5626 6: the same instance and reg-id replace the contact. */
static void
test_flow(void **state)
{
	struct box *x = *state;
	struct sr_wish *w;
	unsigned i;

	for (i = 1; i <= 2; i++) {
		ask(x, "c", i);
		w = contact(x, i == 1 ? "sip:a@h1" : "sip:a@h2", 60);
		str_copy(w->instance, sizeof w->instance, "<urn:x>");
		w->reg_id = 1;
		assert_int_equal(done(x), 0);
	}
	assert_string_equal(there(x), "a@h2=60 ");
	ask(x, "c", 3);
	w = contact(x, "sip:a@h3", 60);
	str_copy(w->instance, sizeof w->instance, "<urn:x>");
	w->reg_id = 2;
	assert_int_equal(done(x), 0);
	assert_string_equal(there(x), "a@h2=60 a@h3=60 ");
	ask(x, "c", 4);
	w = contact(x, "sip:a@h3", 60);
	str_copy(w->instance, sizeof w->instance, "<urn:x>");
	w->reg_id = 1;
	assert_int_equal(done(x), 0);
	assert_string_equal(there(x), "a@h3=60 ");
}

/* Step 6: `*` takes all away, but not what a later request has written. */
static void
test_star(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 5, "sip:a@h", 60), 0);
	assert_int_equal(one(x, "d", 9, "sip:b@h", 60), 0);
	ask(x, "d", 8);
	x->req.star = true;
	assert_int_equal(done(x), 500);
	assert_string_equal(there(x), "a@h=60 b@h=60 ");
	ask(x, "d", 10);
	x->req.star = true;
	assert_int_equal(done(x), 0);
	assert_string_equal(there(x), "");
	assert_int_equal(rows(x), 0);
}

/* A question changes nothing. */
static void
test_query(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 1, "sip:a@h", 60), 0);
	ask(x, "c", 1);
	assert_int_equal(done(x), 0);
	assert_string_equal(there(x), "a@h=60 ");
}

/* More contacts than the user may have are refused with 403, refreshes and
 * exchanges are not; a limit lowered later lets what is there be refreshed. */
static void
test_max(void **state)
{
	struct box *x = *state;

	ask(x, "c", 1);
	contact(x, "sip:a@h", 60);
	contact(x, "sip:b@h", 60);
	contact(x, "sip:c@h", 60);
	assert_int_equal(done(x), 0);
	assert_int_equal(one(x, "c", 2, "sip:d@h", 60), 403);
	ask(x, "c", 3);
	contact(x, "sip:d@h", 60);
	contact(x, "sip:a@h", 0);
	assert_int_equal(done(x), 0);
	assert_string_equal(there(x), "b@h=60 c@h=60 d@h=60 ");
	x->max = 1;
	assert_int_equal(one(x, "c", 4, "sip:b@h", 90), 0);
	assert_int_equal(one(x, "c", 5, "sip:e@h", 90), 403);
	assert_string_equal(there(x), "b@h=90 c@h=60 d@h=60 ");
}

/* One Contact of a phone without an instance, from an address. */
static int
one_from(struct box *x, const char *call_id, const char *uri, const char *from)
{
	ask(x, call_id, 1);
	snprintf(x->req.source, sizeof x->req.source,
	    "%s;transport=udp;listener=x", from);
	contact(x, uri, (uint32_t)x->now - NOW + 60);
	return done(x);
}

/* At the limit a phone that was started again on another port takes the place
 * of its own oldest contact; nobody else's is touched. */
static void
test_comes_back(void **state)
{
	struct box *x = *state;

	assert_int_equal(
	    one_from(x, "a", "sip:a@10.0.0.1:1001", "192.0.2.7:1"), 0);
	assert_int_equal(
	    one_from(x, "b", "sip:a@10.0.0.1:1002", "192.0.2.7:2"), 0);
	assert_int_equal(
	    one_from(x, "c", "sip:a@10.0.0.2:1003", "192.0.2.7:3"), 0);
	x->now++;
	/* another address, another place, another user part */
	assert_int_equal(
	    one_from(x, "d", "sip:a@10.0.0.1:1004", "192.0.2.70:1"), 403);
	assert_int_equal(
	    one_from(x, "d", "sip:a@10.0.0.3:1004", "192.0.2.7:4"), 403);
	assert_int_equal(
	    one_from(x, "d", "sip:b@10.0.0.1:1004", "192.0.2.7:4"), 403);
	assert_int_equal(
	    one_from(x, "d", "sip:a@10.0.0.1:1004", "192.0.2.7:4"), 0);
	assert_string_equal(there(x),
	    "a@10.0.0.1:1002=59 a@10.0.0.2:1003=59 a@10.0.0.1:1004=61 ");
}

/* By its instance a phone is known wherever it is; with several flows it
 * displaces none of them. */
static void
test_instance_comes_back(void **state)
{
	struct box *x = *state;
	struct sr_wish *w;

	x->max = 1;
	ask(x, "a", 1);
	w = contact(x, "sip:a@10.0.0.1", 60);
	str_copy(w->instance, sizeof w->instance, "<urn:uuid:1>");
	assert_int_equal(done(x), 0);
	ask(x, "b", 1);
	w = contact(x, "sip:x@10.9.9.9", 60);
	str_copy(w->instance, sizeof w->instance, "<urn:uuid:2>");
	assert_int_equal(done(x), 403);
	str_copy(w->instance, sizeof w->instance, "<urn:uuid:1>");
	w->reg_id = 1;
	assert_int_equal(done(x), 0);
	assert_string_equal(there(x), "x@10.9.9.9=60 ");
	ask(x, "c", 1);
	w = contact(x, "sip:y@10.9.9.9", 60);
	str_copy(w->instance, sizeof w->instance, "<urn:uuid:1>");
	w->reg_id = 2;
	assert_int_equal(done(x), 403);
	assert_string_equal(there(x), "x@10.9.9.9=60 ");
}

/* What has run out is not there: no order to keep, no place taken, its row
 * used again or gone with the next write. */
static void
test_expired(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 7, "sip:a@h", 60), 0);
	assert_int_equal(one(x, "c", 8, "sip:b@h", 90), 0);
	x->now += 60;
	assert_string_equal(there(x), "b@h=30 ");
	assert_int_equal(one(x, "c", 3, "sip:a@h", 30), 0);
	assert_string_equal(there(x), "a@h=30 b@h=30 ");
	x->now += 30;
	x->max = 1;
	assert_int_equal(one(x, "c", 9, "sip:new@h", 60), 0);
	assert_string_equal(there(x), "new@h=60 ");
	assert_int_equal(rows(x), 1);
}

/* The same contact twice in one request is one binding. */
static void
test_twice(void **state)
{
	struct box *x = *state;

	ask(x, "c", 1);
	contact(x, "sip:a@h", 60);
	contact(x, "sip:a@H", 90);
	assert_int_equal(done(x), 0);
	assert_string_equal(there(x), "a@h=60 ");
}

/* Bindings of another user or domain are never seen. */
static void
test_apart(void **state)
{
	struct box *x = *state;
	struct err err = {0};

	assert_int_equal(one(x, "c", 1, "sip:a@h", 60), 0);
	assert_int_equal(sr_rows_load(x->rows, "d2", "101", &x->set, &err), 0);
	assert_int_equal(x->set.count, 0);
	assert_int_equal(sr_rows_load(x->rows, "d1", "102", &x->set, &err), 0);
	assert_int_equal(x->set.count, 0);
}

/* The sweep sees every row once in a cycle, whatever its slices. */
static void
test_scan(void **state)
{
	struct box *x = *state;
	int64_t ids[7], at = 0;
	struct err err = {0};
	unsigned n, dead = 0, i;
	char uri[32];
	int seen = 0;

	x->max = 50;
	ask(x, "c", 1);
	for (i = 0; i < 30; i++) {
		snprintf(uri, sizeof uri, "sip:%u@h", i);
		contact(x, uri, i % 3 == 0 ? 40 : 80);
	}
	assert_int_equal(done(x), 0);
	do {
		seen += sr_rows_scan(x->rows, &at, 7, NOW + 40, ids, &n, &err);
		for (i = 0; i < n; i++)
			assert_int_equal(
			    sr_rows_delete(x->rows, ids[i], &err), 0);
		dead += n;
	} while (at != 0);
	assert_int_equal(seen, 30);
	assert_int_equal(dead, 10);
	assert_int_equal(rows(x), 20);
}

/* What a transaction that was undone had written is not remembered. */
static void
test_undone(void **state)
{
	struct box *x = *state;

	assert_int_equal(one(x, "c", 1, "sip:a@h", 60), 0);
	sqlite3_exec(x->db, "BEGIN", NULL, NULL, NULL);
	assert_int_equal(one(x, "c", 2, "sip:a@h", 90), 0);
	assert_int_equal(one(x, "c", 3, "sip:b@h", 90), 0);
	sqlite3_exec(x->db, "ROLLBACK", NULL, NULL, NULL);
	assert_int_equal(one(x, "c", 2, "sip:c@h", 90), 0);
	assert_string_equal(there(x), "a@h=60 c@h=90 ");
}

/* A row that another hand took away is noticed, not written past. */
static void
test_row_gone(void **state)
{
	struct box *x = *state;
	struct err err = {0};

	assert_int_equal(one(x, "c", 1, "sip:a@h", 60), 0);
	sqlite3_exec(x->db, "DELETE FROM binding", NULL, NULL, NULL);
	ask(x, "c", 2);
	contact(x, "sip:a@h", 60);
	assert_int_equal(sr_rows_load(x->rows, "d1", "101", &x->set, &err), 0);
	assert_int_equal(
	    sr_rules_apply(&x->set, &x->req, x->now, x->max, &x->no), 0);
	assert_int_equal(
	    sr_rows_write(x->rows, "d1", "101", &x->set, &x->req, x->now, &err),
	    -ERR_CORRUPT);
	assert_int_equal(done(x), 0);
	assert_string_equal(there(x), "a@h=60 ");
}

/* The sweep's deletions are seen by the next request. */
static void
test_swept(void **state)
{
	struct box *x = *state;
	int64_t ids[8], at = 0;
	struct err err = {0};
	unsigned n;

	assert_int_equal(one(x, "c", 9, "sip:a@h", 60), 0);
	x->now += 60;
	assert_int_equal(
	    sr_rows_scan(x->rows, &at, 8, x->now, ids, &n, &err), 1);
	assert_int_equal(n, 1);
	assert_int_equal(sr_rows_delete(x->rows, ids[0], &err), 0);
	assert_int_equal(one(x, "c", 1, "sip:a@h", 60), 0);
	assert_string_equal(there(x), "a@h=60 ");
}

/* The memory keeps the users asked for last, and no more than it may. */
static void
test_memory_bounded(void **state)
{
	struct sr_memory *m = sr_memory_new();
	struct box *x = *state;
	char user[16];
	unsigned i;

	x->set.count = 0;
	for (i = 0; i < 70000; i++) {
		snprintf(user, sizeof user, "%u", i);
		sr_memory_keep(m, "d1", user, &x->set);
		assert_true(sr_memory_load(m, "d1", "0", &x->set));
	}
	assert_false(sr_memory_load(m, "d1", "1", &x->set));
	assert_true(sr_memory_load(m, "d1", "69999", &x->set));
	assert_false(sr_memory_load(m, "d2", "69999", &x->set));
	sr_memory_free(&m);
}

/* locate tells the living, the best q first, with what a call needs. */
static void
test_locate(void **state)
{
	struct box *x = *state;
	struct err err = {0};
	json_t *list;
	char *text;

	ask(x, "c", 1);
	str_copy(x->req.source, sizeof x->req.source, "192.0.2.7:5060");
	contact(x, "sip:a@h", 60)->q = 100;
	contact(x, "sip:b@h", 90);
	contact(x, "sip:c@h", 40);
	assert_int_equal(done(x), 0);
	list = sr_rows_locate(x->rows, "d1", "101", NOW + 50, &err);
	text = json_dumps(list, JSON_COMPACT);
	assert_string_equal(text,
	    "[{\"contact\":\"sip:b@h\",\"path\":\"<sip:t@127.0.0.1;lr>\","
	    "\"source\":\"192.0.2.7:5060\",\"q\":1000,\"expires\":1000090},"
	    "{\"contact\":\"sip:a@h\",\"path\":\"<sip:t@127.0.0.1;lr>\","
	    "\"source\":\"192.0.2.7:5060\",\"q\":100,\"expires\":1000060}]");
	free(text);
	json_decref(list);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_add_refresh_remove),
	    T(test_several),
	    T(test_atomic),
	    T(test_older),
	    T(test_repeated),
	    T(test_other_call_id),
	    T(test_equivalent),
	    T(test_flow),
	    T(test_star),
	    T(test_query),
	    T(test_max),
	    T(test_comes_back),
	    T(test_instance_comes_back),
	    T(test_expired),
	    T(test_twice),
	    T(test_apart),
	    T(test_scan),
	    T(test_undone),
	    T(test_row_gone),
	    T(test_swept),
	    T(test_memory_bounded),
	    T(test_locate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
