#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

/*
 * One line is one event: keys before prose ("sg/1 call=6f3 refused 403").
 * Every byte outside printable UTF-8 is escaped, so nothing that a peer sent
 * can forge a line or reach a terminal raw. The x forms do not add errno.
 *   warn: a human must look; info: once per life cycle; debug: free.
 */
void log_init(const char *name, bool debug); /* name is copied */
void log_fd(int fd); /* where lines go; standard error at first */
void log_verbose(bool debug);
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fatal(const char *fmt, ...)
    __attribute__((noreturn, format(printf, 1, 2)));
void fatalx(const char *fmt, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

#endif
