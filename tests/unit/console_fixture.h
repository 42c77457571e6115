#ifndef CONSOLE_FIXTURE_H
#define CONSOLE_FIXTURE_H

/* A server out of tests/lib and what the console said to it: for tests that
 * run the program by its options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/console.h"
#include "tests/lib/console_server.h"

static struct console_server server;
static struct console_result got;

static inline int
start(void **state)
{
	(void)state;
	memset(&got, 0, sizeof got);
	console_server_start(&server);
	return 0;
}

static inline int
stop(void **state)
{
	(void)state;
	console_result_fini(&got);
	memset(&got, 0, sizeof got);
	console_server_stop(&server);
	return 0;
}

static inline void
err_has(const char *want)
{
	if (strstr(got.err, want) == NULL)
		fail_msg("not in standard error: %s\n%s", want, got.err);
}

#endif
