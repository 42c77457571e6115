/*
 * A media gate without the exchange around it, for measuring:
 *   mg_alone <ng host:port> <media address> <port range>
 * Runs until it is told to end. Prints "ready" when it serves.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "daemon/mg/mg.h"

static void
on_end(void *arg)
{
	loop_stop(arg);
}

int
main(int argc, char **argv)
{
	struct loop *loop = loop_new();
	struct loop_signal *end;
	char *colon;
	union addr at;
	struct err e;
	struct mg *mg;
	int64_t port;
	int fd;

	log_init("mg_alone", false);
	colon = argc == 4 ? strrchr(argv[1], ':') : NULL;
	if (colon == NULL || !str_int(colon + 1, 1, 65535, &port) ||
	    !addr_nparse(
		&at, argv[1], (size_t)(colon - argv[1]), (uint16_t)port))
		fatalx("usage: mg_alone <host:port> <media address> <ports>");
	if ((fd = sock_udp(&at, &e)) < 0)
		fatalx("%s", e.text);
	mg = mg_gate_open(loop, fd);
	if (mg_ports_feed(&mg->ports, argv[2], argv[3], &e) != 0)
		fatalx("%s", e.text);
	end = loop_signal_open(loop, SIGTERM, on_end, loop);
	printf("ready\n");
	fflush(stdout);
	loop_run(loop);
	mg_gate_close(&mg);
	loop_signal_close(&end);
	loop_free(&loop);
	return 0;
}
