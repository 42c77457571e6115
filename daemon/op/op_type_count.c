/*
 * Types whose values are counts: numbers, spans of time, sizes, ports, points
 * in time, and bounds of some of them. The canonical form of a span is its
 * seconds, of a size its bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "op_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

/* Write the number when it lies within the field's limits. */
static int
op_count_put(
    const struct op_field *f, int64_t v, char *out, size_t size, struct err *e)
{
	struct buf words = BUF_INIT;
	int r;

	if ((f->min == 0 && f->max == 0) || (v >= f->min && v <= f->max)) {
		snprintf(out, size, "%" PRId64, v);
		return 0;
	}
	op_describe(f, &words);
	r = err_set(e, ERR_INVALID, "expected %s",
	    words.data != NULL ? words.data : f->type->brief);
	buf_fini(&words);
	return r;
}

int
op_parse_int(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	int64_t v;

	if (!str_int(in, INT64_MIN + 1, INT64_MAX, &v))
		return err_set(e, ERR_INVALID, "expected a whole number");
	return op_count_put(f, v, out, size, e);
}

struct op_unit {
	char letter;
	int64_t times;
};

#define OP_COUNT_MAX (INT64_C(1) << 52) /* JSON keeps these exact */

/* Digits and the unit behind them: their product, or false. */
static bool
op_unit_take(const char **in, const struct op_unit *units, int64_t *v)
{
	size_t n = strspn(*in, "0123456789");
	char digits[20];

	if (!str_ncopy(digits, sizeof digits, *in, n) ||
	    !str_int(digits, 0, OP_COUNT_MAX, v))
		return false;
	*in += n;
	while (units->letter != **in && units->letter != '\0')
		units++;
	if (units->letter == '\0' || *v > OP_COUNT_MAX / units->times)
		return false;
	*v *= units->times;
	(*in)++;
	return true;
}

/* A bare number, or numbers that each have a unit ("1h30m"): the sum. */
static bool
op_units_sum(const char *in, const struct op_unit *units, int64_t *sum)
{
	int64_t v;

	if (str_int(in, 0, OP_COUNT_MAX, sum))
		return true;
	*sum = 0;
	do {
		if (!op_unit_take(&in, units, &v))
			return false;
		*sum += v;
	} while (*in != '\0' && *sum <= OP_COUNT_MAX);
	return *sum <= OP_COUNT_MAX;
}

int
op_parse_duration(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	static const struct op_unit units[] = {
	    {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {0}};
	int64_t v;

	if (!op_units_sum(in, units, &v))
		return err_set(e, ERR_INVALID,
		    "expected a time such as 90, 90s, 5m, 2h or 1d");
	return op_count_put(f, v, out, size, e);
}

/* '<' or '>' and a duration, which stays in front of its seconds. */
int
op_parse_span(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	char seconds[32];

	if ((in[0] != '<' && in[0] != '>') ||
	    op_parse_duration(f, in + 1, seconds, sizeof seconds, NULL) != 0 ||
	    (size_t)snprintf(out, size, "%c%s", in[0], seconds) >= size)
		return err_set(e, ERR_INVALID,
		    "expected a bound of time such as <10s or >1h");
	return 0;
}

#define OP_CODE_FIRST 100 /* RFC 3261 21 */
#define OP_CODE_LAST 699

/* "503", or "5xx" for all that begin so; of n bytes. */
static bool
op_code_take(const char *in, size_t n, int64_t *low, int64_t *high)
{
	char digits[4];

	if (n != 3 || !str_ncopy(digits, sizeof digits, in, n))
		return false;
	*high = 0;
	if ((digits[1] | 0x20) == 'x' && (digits[2] | 0x20) == 'x') {
		digits[1] = digits[2] = '0';
		*high = 99;
	}
	if (!str_int(digits, OP_CODE_FIRST, OP_CODE_LAST, low))
		return false;
	*high += *low;
	return true;
}

/* One status, or the first and the last: "400-699" of "4xx-6xx". */
int
op_parse_codes(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	size_t n = strcspn(in, "-");
	int64_t low, high, none;

	(void)f;
	if (!op_code_take(in, n, &low, &high) ||
	    (in[n] == '-' &&
		!op_code_take(in + n + 1, strlen(in + n + 1), &none, &high)) ||
	    high < low)
		return err_set(e, ERR_INVALID,
		    "expected a status such as 503, or 4xx, or some such as "
		    "4xx-6xx, the lower first");
	if (low == high)
		snprintf(out, size, "%" PRId64, low);
	else
		snprintf(out, size, "%" PRId64 "-%" PRId64, low, high);
	return 0;
}

int
op_parse_bytes(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	static const struct op_unit units[] = {{'k', 1 << 10}, {'m', 1 << 20},
	    {'g', 1 << 30}, {'t', INT64_C(1) << 40}, {0}};
	int64_t v;

	if (!op_units_sum(in, units, &v))
		return err_set(
		    e, ERR_INVALID, "expected a size such as 512, 64k or 10m");
	return op_count_put(f, v, out, size, e);
}

int
op_parse_port(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	int64_t v;

	if (!str_int(in, 1, 65535, &v))
		return err_set(e, ERR_INVALID, "expected a port, 1..65535");
	return op_count_put(f, v, out, size, e);
}

/* "30000-39999"; one port alone is a range of one. */
int
op_parse_ports(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	int64_t lo, hi;
	bool one = str_int(in, 1, 65535, &lo);

	(void)f;
	if (one)
		hi = lo;
	else if (!str_ports(in, 1, &lo, &hi))
		return err_set(e, ERR_INVALID,
		    "expected a range of ports such as 30000-39999");
	if (lo > hi)
		return err_set(e, ERR_INVALID,
		    "expected the lower port first, such as 30000-39999");
	snprintf(out, size, "%" PRId64 "-%" PRId64, lo, hi);
	return 0;
}

/* Exactly n digits lo..hi at *s, which moves behind them. */
static bool
op_time_take(const char **s, size_t n, int lo, int hi, int *v)
{
	char text[8];
	int64_t number;

	if (strspn(*s, "0123456789") < n || !str_ncopy(text, n + 1, *s, n) ||
	    !str_int(text, lo, hi, &number))
		return false;
	*s += n;
	*v = (int)number;
	return true;
}

/* One of the marks at *s, which moves behind it. */
static bool
op_time_mark(const char **s, const char *marks)
{
	if (**s == '\0' || strchr(marks, **s) == NULL)
		return false;
	(*s)++;
	return true;
}

/* RFC 3339 5.6 full-date, with the year of a four-digit calendar. */
static bool
op_time_date(const char **s, struct tm *tm)
{
	if (!op_time_take(s, 4, 1970, 9999, &tm->tm_year) ||
	    !op_time_mark(s, "-") || !op_time_take(s, 2, 1, 12, &tm->tm_mon) ||
	    !op_time_mark(s, "-") || !op_time_take(s, 2, 1, 31, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return true;
}

/* partial-time; seconds and their fraction may be left out. */
static bool
op_time_clock(const char **s, struct tm *tm, int *ms)
{
	int n, digit;

	if (!op_time_take(s, 2, 0, 23, &tm->tm_hour) || !op_time_mark(s, ":") ||
	    !op_time_take(s, 2, 0, 59, &tm->tm_min))
		return false;
	if (!op_time_mark(s, ":"))
		return true;
	if (!op_time_take(s, 2, 0, 59, &tm->tm_sec))
		return false;
	if (!op_time_mark(s, "."))
		return true;
	for (n = 0; n < 3; n++) {
		if (!op_time_take(s, 1, 0, 9, &digit))
			return n > 0;
		*ms += digit * (n == 0 ? 100 : n == 1 ? 10 : 1);
	}
	*s += strspn(*s, "0123456789"); /* finer than milliseconds */
	return true;
}

/* time-offset in seconds east of UTC; nothing means UTC. */
static bool
op_time_offset(const char **s, int *offset)
{
	int sign = **s == '-' ? -1 : 1, h, m;

	*offset = 0;
	if (**s == '\0' || op_time_mark(s, "Zz"))
		return true;
	if (!op_time_mark(s, "+-") || !op_time_take(s, 2, 0, 23, &h) ||
	    !op_time_mark(s, ":") || !op_time_take(s, 2, 0, 59, &m))
		return false;
	*offset = sign * (h * 3600 + m * 60);
	return true;
}

/* RFC 3339; a date alone is its midnight. The canonical form is UTC. */
int
op_parse_time(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	struct tm tm = {0};
	char text[CLOCK_TEXT];
	int ms = 0, offset = 0, day;
	time_t at;

	(void)f;
	if (!op_time_date(&in, &tm) ||
	    (*in != '\0' &&
		(!op_time_mark(&in, "Tt ") || !op_time_clock(&in, &tm, &ms) ||
		    !op_time_offset(&in, &offset))) ||
	    *in != '\0')
		return err_set(e, ERR_INVALID,
		    "expected a time such as 2027-03-01T08:30:00Z");
	day = tm.tm_mday;
	at = timegm(&tm); /* 30 February becomes a day in March */
	if (tm.tm_mday != day || at < offset)
		return err_set(e, ERR_INVALID, "expected a day that exists");
	clock_text(text,
	    (uint64_t)(at - offset) * CLOCK_SEC + (uint64_t)ms * CLOCK_MS);
	return op_copy(out, size, text, e);
}

/* A time, or how long ago or from now; that stays a span until it is used. */
int
op_parse_moment(const struct op_field *f, const char *in, char *out,
    size_t size, struct err *e)
{
	char seconds[32];
	int r;

	if (in[0] != '-' && in[0] != '+')
		r = op_parse_time(f, in, out, size, e);
	else if ((r = op_parse_duration(
		      f, in + 1, seconds, sizeof seconds, e)) == 0)
		r = (size_t)snprintf(out, size, "%c%s", in[0], seconds) <
			    size &&
			strcmp(seconds, "0") != 0
		    ? 0
		    : -ERR_INVALID;
	if (r != 0)
		return err_set(e, ERR_INVALID,
		    "expected a time such as 2027-03-01T08:30:00Z, -10m for "
		    "ten minutes ago, or +2h for in two hours");
	return 0;
}
