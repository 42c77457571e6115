/*
 * Operation request call send: the messages of a recorded call to a collector
 * of HEP3. One connection for each call, or datagrams a few at a time: a
 * collector that is slow is not flooded, and the loop is not held.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "export.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define SEND_PATIENCE (10 * CLOCK_SEC) /* for a connection that is full */
#define SEND_BURST 16		       /* datagrams at once ... */
#define SEND_PAUSE (5 * CLOCK_MS)      /* ... and after that */

/* Packets on their way. */
struct sending {
	struct trace_show *show;
	struct control *control;
	union addr to;
	bool tcp;
	int fd; /* of the connection, or one of control's */
	struct loop_fd *io;
	struct loop_timer *timer; /* TCP: it takes too long; UDP: the next */
	struct buf packets;
	size_t at; /* bytes that are gone */
	size_t count;
};

static void
sending_end(struct sending *g, const struct err *e)
{
	struct trace_show *show = g->show;
	char text[ADDR_TEXT];

	if (e == NULL) {
		addr_text(text, &g->to);
		op_row(show->call);
		op_put(show->call, "collector", text);
		op_put_int(show->call, "messages", (int64_t)g->count);
	}
	loop_fd_close(&g->io);
	loop_timer_free(&g->timer);
	if (g->tcp && g->fd >= 0)
		close(g->fd);
	buf_fini(&g->packets);
	free(g);
	show_end(show, e);
}

static void
sending_fail(struct sending *g)
{
	char text[ADDR_TEXT];
	struct err e;

	addr_text(text, &g->to);
	err_errno(&e, ERR_CONNECT, "collector %s", text);
	sending_end(g, &e);
}

/* ---- TCP -------------------------------------------------------------------
 */

static void
sending_on_patience(void *arg)
{
	errno = ETIMEDOUT;
	sending_fail(arg);
}

/* The connection is there, or will never be; or it takes more. */
static void
sending_on_stream(void *arg, int fd, int events)
{
	struct sending *g = arg;
	socklen_t size = sizeof errno;
	ssize_t n;
	int error = 0;

	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
	    error != 0) {
		errno = error;
		sending_fail(g);
		return;
	}
	n = send(
	    fd, g->packets.data + g->at, g->packets.len - g->at, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		sending_fail(g);
		return;
	}
	g->at += n > 0 ? (size_t)n : 0;
	if (g->at == g->packets.len)
		sending_end(g, NULL);
	else if (n > 0)
		loop_timer_set(g->timer, SEND_PATIENCE);
}

static int
sending_connect(struct sending *g, struct err *e)
{
	g->fd = sock_tcp_connect(&g->to, e);
	if (g->fd < 0)
		return g->fd;
	g->timer = loop_timer_new(
	    g->control->self->loop, sending_on_patience, g);
	loop_timer_set(g->timer, SEND_PATIENCE);
	g->io = loop_fd_open(
	    g->control->self->loop, g->fd, LOOP_WRITE, sending_on_stream, g);
	return 0;
}

/* ---- UDP -------------------------------------------------------------------
 */

/* The length of the packet that begins at the bytes (export_hep.c). */
static size_t
sending_length(const struct sending *g)
{
	const uint8_t *p = (const uint8_t *)g->packets.data + g->at;

	return (size_t)p[4] << 8 | p[5];
}

static void
sending_on_pause(void *arg)
{
	struct sending *g = arg;
	unsigned i;
	ssize_t n;

	for (i = 0; i < SEND_BURST && g->at < g->packets.len; i++) {
		n = sendto(g->fd, g->packets.data + g->at, sending_length(g), 0,
		    &g->to.sa, addr_len(&g->to));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {
			sending_fail(g);
			return;
		}
		g->at += (size_t)n;
	}
	if (g->at == g->packets.len)
		sending_end(g, NULL);
	else
		loop_timer_set(g->timer, SEND_PAUSE);
}

static int
sending_datagrams(struct sending *g, struct err *e)
{
	g->fd = g->control->datagrams[g->to.sa.sa_family == AF_INET6];
	if (g->fd < 0)
		return err_set(e, ERR_ADDRESS,
		    "this server has no such addresses: %s",
		    op_arg(g->show->call, "address"));
	g->timer = loop_timer_new(g->control->self->loop, sending_on_pause, g);
	loop_timer_set(g->timer, 0);
	return 0;
}

void
send_open(struct control *c)
{
	static const int families[2] = {AF_INET, AF_INET6};
	int i;

	for (i = 0; i < 2; i++)
		c->datagrams[i] = socket(
		    families[i], SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

void
send_close(struct control *c)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (c->datagrams[i] >= 0)
			close(c->datagrams[i]);
	}
}

/* ---- the operation ------------------------------------------------------ */

static void
sending_add(struct sending *g, json_t *row)
{
	struct op_call *call = g->show->call;
	struct hep h = {.time = op_row_int(row, "corrected"),
	    .proto = (enum sip_proto)(op_row_int(row, "proto") % SIP_PROTOS),
	    .agent = (uint32_t)op_arg_int(call, "agent", 0),
	    .secret = op_arg(call, "secret"),
	    .call = op_arg(call, "id")};

	show_addresses(row, &h.from, &h.to);
	h.text = show_text(row, &h.n);
	hep_packet(&g->packets, &h);
	g->count++;
}

static void
send_put(struct trace_show *s, json_t *rows)
{
	struct sending *g = xcalloc(1, sizeof *g);
	struct op_call *call = s->call;
	json_t *row;
	size_t i;
	int r;

	g->show = s;
	g->control = control_of(call);
	g->tcp = str_equal(op_arg(call, "transport"), "tcp");
	addr_parse(&g->to, op_arg(call, "address"),
	    (uint16_t)op_arg_int(call, "port", 0));
	json_array_foreach (rows, i, row)
		sending_add(g, row);
	r = g->tcp ? sending_connect(g, &s->failed)
		   : sending_datagrams(g, &s->failed);
	s->held = r == 0;
	if (r != 0) {
		buf_fini(&g->packets);
		free(g);
	}
}

static void
send_run(struct op_call *call)
{
	show_start(call, send_put, true);
}

static const char *const send_transports[] = {"udp", "tcp", NULL};

static const struct op_field send_args[] = {
    SHOW_ARG_ID,
    {.name = "address",
	.type = &op_type_address,
	.flags = OP_REQUIRED,
	.brief = "of the collector"},
    {.name = "port",
	.type = &op_type_port,
	.def = "9060",
	.brief = "of the collector"},
    {.name = "transport",
	.type = &op_type_choice,
	.choices = send_transports,
	.def = "udp",
	.brief = "to the collector"},
    {.name = "agent",
	.type = &op_type_int,
	.min = 0,
	.max = UINT32_MAX,
	.def = "2001",
	.brief = "by which the collector knows who captured"},
    {.name = "secret",
	.type = &op_type_secret,
	.min = 1,
	.max = 255,
	.brief = "that the collector wants"},
    {0},
};

static const struct op_field send_cols[] = {
    {.name = "collector", .type = &op_type_text, .brief = "that was sent to"},
    {.name = "messages", .type = &op_type_int, .brief = "that were sent"},
    {0},
};

const struct op control_op_call_send = {
    .name = "request call send",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_CONTROL,
    .brief = "the messages of one call to a collector of HEP3",
    .about =
	"To homer and the like, each message with its addresses, its time and "
	"the identifier of the call, by which the collector joins the legs. "
	"By TCP it is refused when nobody listens; of datagrams nobody says "
	"whether they came. What is masked in show call messages is masked "
	"here. Not for who has a part of the tree of domains: it speaks to "
	"any address that this server reaches.",
    .example = "request call send 00000000000000000000000000000000 address "
	       "192.0.2.9 port 9060 transport tcp",
    .args = send_args,
    .cols = send_cols,
    .run = send_run,
};
