/* The audit: entries are bound to each other, what was changed is found, and
 * a crash is no change. */
#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/control/audit.h"

static struct {
	struct loop *loop;
	struct loop_timer *limit;
	char dir[64], path[AUDIT_PATH];
	unsigned told, failed;
} w;

static void
on_limit(void *arg)
{
	(void)arg;
	fail_msg("nothing happened within the limit");
}

static int
setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof w);
	log_fd(open("/dev/null", O_WRONLY));
	strcpy(w.dir, "/tmp/audit-test-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	strcat(w.dir, "/audit");
	w.loop = loop_new();
	w.limit = loop_timer_new(w.loop, on_limit, NULL);
	audit_file_path(w.path, w.dir, 1, NULL);
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	loop_timer_free(&w.limit);
	loop_free(&w.loop);
	*strrchr(w.dir, '/') = '\0';
	snprintf(command, sizeof command, "rm -rf %s", w.dir);
	return system(command);
}

static void
on_told(void *arg, const struct err *e)
{
	(void)arg;
	w.told++;
	w.failed += e != NULL;
	loop_stop(w.loop);
}

/* n entries, and wait until they are told to be on disk. */
static void
add(struct audit *a, unsigned n)
{
	unsigned want = w.told + n, i;

	for (i = 0; i < n; i++)
		audit_add(a, json_pack("{s:i}", "i", (int)i), on_told, NULL);
	loop_timer_set(w.limit, 20 * CLOCK_SEC);
	while (w.told < want)
		loop_run(w.loop);
	loop_timer_cancel(w.limit);
}

/* Ten entries in a directory that nobody uses any more. */
static void
ten(void)
{
	struct audit *a = audit_open(w.loop, w.dir);

	add(a, 10);
	audit_close(&a);
	assert_int_equal(w.failed, 0);
}

/* What verification says; "" = all fits. head NULL: that of the disk. */
static const char *
check(const struct audit_head *head)
{
	static struct err e;
	struct audit_check c;
	struct audit_head disk;
	int r;

	memset(&e, 0, sizeof e);
	if (head == NULL && audit_file_head(w.dir, &disk, &e) != 0)
		memset(&disk, 0, sizeof disk);
	audit_check_begin(&c, w.dir, head != NULL ? head : &disk);
	while ((r = audit_check_step(&c, &e)) == 1)
		;
	audit_check_end(&c);
	return r == 0 ? "" : e.text;
}

static void
says(const char *words)
{
	const char *got = check(NULL);

	if (*words == '\0' ? *got != '\0' : strstr(got, words) == NULL)
		fail_msg("\"%s\", not \"%s\"", got, words);
}

/* The file as lines; change them, and write it again. */
static char *
slurp(size_t *n)
{
	char *text = audit_file_read(w.path, n, NULL);

	assert_non_null(text);
	return text;
}

static void
spill(const char *text, size_t n)
{
	int fd = open(w.path, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	close(fd);
}

/* The start of line i, from 0. */
static char *
line(char *text, unsigned i)
{
	while (i-- > 0)
		text = strchr(text, '\n') + 1;
	return text;
}

/* ---- tests ----------------------------------------------------------------
 */

/* Entries are told when they are on disk, in their order, and all fit. */
static void
entries_are_bound(void **state)
{
	struct audit_head head;

	(void)state;
	ten();
	says("");
	assert_int_equal(audit_file_head(w.dir, &head, NULL), 0);
	assert_int_equal(head.first, 1);
	assert_int_equal(head.last, 10);
	ten();
	says("");
	assert_int_equal(audit_file_head(w.dir, &head, NULL), 0);
	assert_int_equal(head.last, 20);
}

/* A bit of any byte of any line is noticed, by the entry it is in. */
static void
a_flipped_bit_is_noticed(void **state)
{
	size_t n, i;
	char *text;
	struct audit_line l;
	unsigned entry = 1;

	(void)state;
	ten();
	text = slurp(&n);
	for (i = 0; i < n; i++) {
		entry += i > 0 && text[i - 1] == '\n';
		text[i] ^= 1;
		spill(text, n);
		if (check(NULL)[0] == '\0')
			fail_msg("byte %zu of entry %u", i, entry);
		text[i] ^= 1;
	}
	line(text, 4)[150] ^= 2;
	spill(text, n);
	says("behind entry 4: entry 5 was changed");
	line(text, 4)[150] ^= 2;
	spill(text, n);
	says("");
	assert_int_equal(
	    audit_line_parse(&l, text, strcspn(text, "\n"), NULL), 0);
	assert_int_equal(l.number, 1);
	free(text);
}

/* A line that was taken out, doubled, moved or put in. */
static void
a_removed_line_is_noticed(void **state)
{
	size_t n;
	char *text, *at;
	char copy[AUDIT_LINE];
	size_t len;

	(void)state;
	ten();
	text = slurp(&n);
	at = line(text, 3);
	len = (size_t)(line(text, 4) - at);
	memcpy(copy, at, len);
	memmove(at, at + len, n - (size_t)(at - text) - len);
	spill(text, n - len);
	says("entry 4 is missing: 5 stands in its place");
	free(text);
	spill(copy, len);
	says("entry 1 is missing: 4 stands in its place");
}

/* A chain of one's own, well made, that does not follow. */
static void
a_forged_entry_is_noticed(void **state)
{
	char hash[AUDIT_HASH], *text;
	struct buf b = BUF_INIT;
	size_t n, keep;

	(void)state;
	ten();
	text = slurp(&n);
	keep = (size_t)(line(text, 9) - text);
	buf_add(&b, text, keep);
	audit_line_make(&b, 10, AUDIT_ZERO, "{}", hash);
	spill(b.data, b.len);
	says("entry 10 does not follow the one before it");
	/* and one that does: the head knows another */
	b.len = keep;
	memcpy(hash, line(text, 8), AUDIT_HASH - 1);
	hash[AUDIT_HASH - 1] = '\0';
	audit_line_make(&b, 10, hash, "{\"i\":7}", hash);
	spill(b.data, b.len);
	says("entry 10 is not the one that was written");
	buf_fini(&b);
	free(text);
}

/* The end is cut off between two lines: the head remembers. */
static void
a_cut_tail_is_noticed(void **state)
{
	struct audit_head head;
	struct audit *a;
	size_t n;
	char *text;

	(void)state;
	ten();
	text = slurp(&n);
	spill(text, (size_t)(line(text, 7) - text));
	says("entry 8 is missing: the end was cut off at 7 of 10");
	/* a server that starts then mends nothing: the gap stays */
	a = audit_open(w.loop, w.dir);
	add(a, 3);
	audit_tell(a, &head);
	assert_int_equal(head.last, 14);
	audit_close(&a);
	says("entry 8 is missing: 11 stands in its place");
	assert_int_equal(unlink(w.path), 0);
	says("entry 1 is missing: 11 stands in its place");
	free(text);
}

/* The head is gone, or everything is. */
static void
a_missing_head_is_noticed(void **state)
{
	struct audit_head head;
	char path[AUDIT_PATH];

	(void)state;
	ten();
	assert_int_equal(audit_file_head(w.dir, &head, NULL), 0);
	audit_file_path(path, w.dir, 0, "head");
	assert_int_equal(unlink(path), 0);
	assert_non_null(strstr(check(&head), "the head was changed"));
	ten();
	says("");
	assert_int_equal(unlink(w.path), 0);
	says("entry 1 is missing: the end was cut off");
}

/* A crash in the middle of a line: nobody was told of it, so it goes, and the
 * chain goes on. */
static void
a_torn_line_is_mended(void **state)
{
	struct audit_head head;
	struct audit *a;
	size_t n;
	int fd;

	(void)state;
	ten();
	fd = open(w.path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "0123456789abcdef", 16), 16);
	close(fd);
	says("behind entry 10: a line that has no end");
	a = audit_open(w.loop, w.dir);
	add(a, 2);
	audit_tell(a, &head);
	assert_int_equal(head.last, 13); /* one says what was mended */
	audit_close(&a);
	says("");
	free(audit_file_read(w.path, &n, NULL));
	assert_int_equal(w.failed, 0);
}

/* Without its directory nothing is written, and everybody hears so; with it
 * everything goes on, and nothing is lost. */
static void
a_broken_audit_says_so(void **state)
{
	struct audit *a;
	uint64_t since;
	int fd;

	(void)state;
	fd = open(w.dir, O_WRONLY | O_CREAT, 0600);
	close(fd);
	a = audit_open(w.loop, w.dir);
	assert_null(audit_alarm(a, &since));
	add(a, 2);
	assert_int_equal(w.failed, 2);
	assert_non_null(audit_alarm(a, &since));
	assert_non_null(audit_broken(a));
	assert_int_equal(unlink(w.dir), 0);
	assert_int_equal(mkdir(w.dir, 0700), 0);
	add(a, 1);
	assert_int_equal(w.failed, 2);
	assert_null(audit_broken(a));
	assert_null(audit_alarm(a, &since));
	audit_close(&a);
}

/* Files are of a size, the chain goes through them, the oldest go. */
static void
files_are_rotated(void **state)
{
	struct audit *a = audit_open(w.loop, w.dir);
	struct audit_head head;
	char *text = malloc(9001);
	uint64_t *files;
	unsigned i, want;
	size_t n;

	(void)state;
	memset(text, 'x', 9000);
	text[9000] = '\0';
	for (i = 0; i < 12; i++) {
		want = w.told + 100;
		for (n = 0; n < 100; n++)
			audit_add(
			    a, json_pack("{s:s}", "t", text), on_told, NULL);
		loop_timer_set(w.limit, 20 * CLOCK_SEC);
		while (w.told < want)
			loop_run(w.loop);
	}
	loop_timer_cancel(w.limit);
	audit_close(&a);
	n = audit_file_list(w.dir, &files);
	assert_int_equal(n, 3);
	free(files);
	says("");
	assert_int_equal(audit_file_head(w.dir, &head, NULL), 0);
	assert_int_equal(head.last, 1200);
	free(text);
}

static int
take(void *arg, const struct audit_line *l)
{
	char *at = arg;

	snprintf(at + strlen(at), 64, "%d ", (int)l->number);
	return strlen(at) > 12;
}

/* The last entries first; what is damaged is passed over. */
static void
the_last_are_read_first(void **state)
{
	char got[128] = "", *text;
	size_t n;

	(void)state;
	ten();
	text = slurp(&n);
	line(text, 8)[150] ^= 1;
	spill(text, n);
	audit_each_back(w.dir, take, got);
	assert_string_equal(got, "10 8 7 6 5 4 ");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	    T(entries_are_bound),
	    T(a_flipped_bit_is_noticed),
	    T(a_removed_line_is_noticed),
	    T(a_forged_entry_is_noticed),
	    T(a_cut_tail_is_noticed),
	    T(a_missing_head_is_noticed),
	    T(a_torn_line_is_mended),
	    T(a_broken_audit_says_so),
	    T(files_are_rotated),
	    T(the_last_are_read_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
