/* tandemd(8): the supervisor, or with -r one of its processes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "table.h"
#include "daemon/base/buf.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/quorum/quorum.h"
#include "daemon/supervisor/identity.h"
#include "daemon/supervisor/supervisor.h"
#include "replication/ownership.h"

#define CONF_DEFAULT "/etc/tandem/tandem.conf"

static void
main_print_ops(void)
{
	json_t *table = op_table_encode(daemon_table());

	json_dumpf(table, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(table);
}

static void
main_print_roles(void)
{
	static const char *const modes[] = {"single", "active", "passive"};
	int id;

	for (id = 0; id < ROLE_MAX; id++)
		printf("%-11s %-8s %-12s %s\n", role_rows[id].name,
		    modes[role_rows[id].mode], role_rows[id].user,
		    role_rows[id].brief);
}

/* What each process may still do after its start. */
static void
main_print_sandbox(void)
{
	static const char *const rights[] = {
	    "dgram: socket, bind, connect of datagram sockets",
	    "stream: socket, bind, listen, connect of stream sockets",
	    "ring: io_uring_enter",
	    "aio: io_setup, io_submit, io_getevents, io_destroy"};
	unsigned id, r;

	for (id = 0; id < ROLE_MAX; id++) {
		printf("%s:", role_rows[id].name);
		for (r = 0; r < sizeof rights / sizeof rights[0]; r++) {
			if (daemon_roles[id]->rights & 1u << r)
				printf(" %.*s", (int)strcspn(rights[r], ":"),
				    rights[r]);
		}
		putchar('\n');
	}
	for (r = 0; r < sizeof rights / sizeof rights[0]; r++)
		printf("%s\n", rights[r]);
	printf("all:\n");
	role_sandbox_print(stdout);
}

/* What -x can print: the program is its own reference. */
static const struct {
	const char *name;
	void (*print)(void);
	const char *brief;
} main_prints[] = {
    {"ops", main_print_ops, "operations and objects as JSON"},
    {"roles", main_print_roles, "roles, their modes and users"},
    {"sandbox", main_print_sandbox, "rights and system calls of roles"},
};

#define MAIN_PRINTS (sizeof main_prints / sizeof main_prints[0])

static void
main_usage(FILE *to)
{
	size_t i;

	fprintf(to,
	    "usage: tandemd [-d] [-n] [-f FILE]\n"
	    "       tandemd join TOKEN [-d] [-f FILE]\n"
	    "       tandemd recover LOST-SERVER... [-d] [-f FILE]\n"
	    "       tandemd -x ops | roles | sandbox\n"
	    "       tandemd -V\n"
	    "  -f FILE  boot file (default " CONF_DEFAULT ")\n"
	    "  -n       check the boot file and end\n"
	    "  -d       log more\n"
	    "  -V       print the version\n"
	    "  join     make this server, which is blank, one of a site\n"
	    "  recover  go on without the others, which are lost for good\n"
	    "  -x WHAT  print, and end:\n");
	for (i = 0; i < MAIN_PRINTS; i++)
		fprintf(to, "           %-8s %s\n", main_prints[i].name,
		    main_prints[i].brief);
}

static int
main_print(const char *name)
{
	size_t i;

	for (i = 0; i < MAIN_PRINTS; i++) {
		if (strcmp(main_prints[i].name, name) == 0) {
			main_prints[i].print();
			return 0;
		}
	}
	fprintf(
	    stderr, "tandemd: -x %s: expected ops, roles or sandbox\n", name);
	return 2;
}

/* A command with words behind it, among which options may stand. */
struct main_words {
	const char *conf, **word;
	size_t n;
	bool debug;
};

static int
main_words(
    struct main_words *w, int argc, char **argv, size_t least, size_t most)
{
	int c;

	*w = (struct main_words){.conf = CONF_DEFAULT,
	    .word = xcalloc((size_t)argc, sizeof *w->word)};
	while ((c = getopt(argc, argv, "-df:")) != -1 && c != '?') {
		if (c == 'd')
			w->debug = true;
		else if (c == 'f')
			w->conf = optarg;
		else
			w->word[w->n++] = optarg;
	}
	if (c != '?' && w->n >= least && w->n <= most)
		return 0;
	main_usage(stderr);
	return 2;
}

static int
main_join(int argc, char **argv)
{
	struct main_words w;

	return main_words(&w, argc, argv, 1, 1) != 0
	    ? 2
	    : join_main(w.word[0], w.conf, w.debug);
}

static int
main_recover(int argc, char **argv)
{
	struct main_words w;

	return main_words(&w, argc, argv, 1, OWNERSHIP_SERVERS) != 0
	    ? 2
	    : recover_main(w.word, w.n, w.conf, w.debug, quorum_recover_note);
}

int
main(int argc, char **argv)
{
	const char *conf = CONF_DEFAULT;
	bool debug = false, check = false;
	int c;

	log_init("tandemd", false);
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		main_usage(stdout);
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "join") == 0)
		return main_join(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "recover") == 0)
		return main_recover(argc - 1, argv + 1);
	while ((c = getopt(argc, argv, "df:hnr:Vx:")) != -1) {
		switch (c) {
		case 'd':
			debug = true;
			break;
		case 'f':
			conf = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'r':
			return role_main(daemon_roles, daemon_table(), optarg);
		case 'V':
			puts("tandemd " TANDEM_VERSION);
			return 0;
		case 'x':
			return main_print(optarg);
		case 'h':
			main_usage(stdout);
			return 0;
		default:
			main_usage(stderr);
			return 2;
		}
	}
	if (optind != argc) {
		main_usage(stderr);
		return 2;
	}
	return check ? supervisor_check(conf) : supervisor_main(conf, debug);
}
