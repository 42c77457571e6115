/* Times as people say them: 2027-03-01T08:30:00Z, -10m, +2h. */
#include "st.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

/* A span in microseconds. */
static int
moment_span(const char *text, uint64_t *us, struct err *e)
{
	static const struct op_field field = {
	    .name = "to", .type = &op_type_duration};
	char out[32];
	int64_t seconds;

	if (op_parse(&field, text, out, sizeof out, e) != 0 ||
	    !str_int(out, 1, INT32_MAX, &seconds))
		return -ERR_INVALID;
	*us = (uint64_t)seconds * CLOCK_SEC;
	return 0;
}

/* To the end of its millisecond. */
static int
moment_date(const char *text, uint64_t *time, struct err *e)
{
	static const struct op_field field = {
	    .name = "to", .type = &op_type_time};
	char out[CLOCK_TEXT];

	if (op_parse(&field, text, out, sizeof out, e) != 0 ||
	    !clock_parse(out, time))
		return -ERR_INVALID;
	*time += CLOCK_MS - 1;
	return 0;
}

int
st_moment(const char *text, uint64_t now, uint64_t *time, struct err *e)
{
	uint64_t span = 0;
	int r;

	if (text[0] != '-' && text[0] != '+')
		r = moment_date(text, time, e);
	else if ((r = moment_span(text + 1, &span, e)) == 0 && text[0] == '-' &&
	    span > now)
		r = -ERR_INVALID;
	else
		*time = text[0] == '-' ? now - span : now + span;
	if (r == 0)
		return 0;
	return err_set(e, ERR_INVALID,
	    "expected a time such as 2027-03-01T08:30:00Z, -10m for ten "
	    "minutes ago, or +2h for in two hours");
}
