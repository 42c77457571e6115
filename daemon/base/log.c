/*
 * The log: one write(2) per line, so that lines of several processes on one
 * descriptor do not mix. The time stands in front in UTC; journald and files
 * are fed alike.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "str.h"

#define LOG_LINE_MAX 2048

static char log_name[64] = "tandem";
static bool log_is_verbose;
static int log_to = STDERR_FILENO;

void
log_init(const char *name, bool debug)
{
	str_copy(log_name, sizeof log_name, name);
	log_is_verbose = debug;
}

void
log_fd(int fd)
{
	log_to = fd;
}

void
log_verbose(bool debug)
{
	log_is_verbose = debug;
}

/* Write one line; errnum 0 means that no errno belongs to it. */
static void __attribute__((format(printf, 3, 0)))
log_line(const char *level, int errnum, const char *fmt, va_list ap)
{
	char words[LOG_LINE_MAX], safe[LOG_LINE_MAX], line[2 * LOG_LINE_MAX];
	struct timespec now;
	struct tm tm;
	int n;

	vsnprintf(words, sizeof words, fmt, ap);
	str_escape(safe, sizeof safe, words, strlen(words));
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = snprintf(line, sizeof line,
	    "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s[%d] %s: %s%s%s\n",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, now.tv_nsec / 1000000, log_name, (int)getpid(), level,
	    safe, errnum != 0 ? ": " : "", errnum != 0 ? strerror(errnum) : "");
	while (write(log_to, line, (size_t)n) < 0 && errno == EINTR)
		;
}

#define LOG_BODY(level, errnum)                      \
	do {                                         \
		int log_errno = (errnum);            \
		va_list ap;                          \
		va_start(ap, fmt);                   \
		log_line(level, log_errno, fmt, ap); \
		va_end(ap);                          \
	} while (0)

void
log_warn(const char *fmt, ...)
{
	LOG_BODY("warn", errno);
}

void
log_warnx(const char *fmt, ...)
{
	LOG_BODY("warn", 0);
}

void
log_info(const char *fmt, ...)
{
	LOG_BODY("info", 0);
}

void
log_debug(const char *fmt, ...)
{
	if (log_is_verbose)
		LOG_BODY("debug", 0);
}

void
fatal(const char *fmt, ...)
{
	LOG_BODY("fatal", errno);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	LOG_BODY("fatal", 0);
	exit(1);
}
