#ifndef CONSOLE_SCREEN_SCREEN_H
#define CONSOLE_SCREEN_SCREEN_H

#include "console/console.h"

/*
 * The full screen of the console, over the session of the prompt: the same
 * connection, the same candidate. What can be listed, edited and done is
 * computed from the tables that the server described.
 */

/* Show it until it is left, for the prompt or, with s->quit, for good. What
 * was open is there again the next time. 0 or -the error's code. */
int screen_run(struct session *, struct err *);
/* Forget what was open. */
void screen_forget(struct session *);

#endif
