/*
 * tandemd recover: an operator says that the servers he names are lost for
 * good and that this one shall go on without them. Nothing is done here but to
 * check that he knows them all and to leave a note for the next start; the rest
 * is quorum's (daemon/quorum/quorum_recover.c).
 */
#include <stdio.h>
#include <unistd.h>

#include "identity.h"
#include "supervisor.h"
#include "daemon/base/log.h"

static int
recover_run(const struct conf *conf, const char *const *lost, size_t n,
    recover_note_fn *note, struct err *e)
{
	char dir[300];
	int fd, r;

	if (conf->witness)
		return err_set(e, ERR_REFUSED,
		    "this server is a witness and holds no data: recover one "
		    "that does");
	snprintf(dir, sizeof dir, "%s/raft", conf->state);
	if (access(dir, F_OK) != 0)
		return err_errno(e, ERR_ABSENT, "%s", dir);
	supervisor_become(conf);
	if ((fd = supervisor_lock(conf->state, e)) < 0)
		return fd;
	r = note(dir, conf->server, lost, n, e);
	close(fd);
	return r;
}

int
recover_main(const char *const *lost, size_t n, const char *path, bool debug,
    recover_note_fn *note)
{
	struct conf conf = {0};
	struct err e = {0};

	log_init("tandemd recover", debug);
	if (conf_read(&conf, path, &e) != 0 ||
	    recover_run(&conf, lost, n, note, &e) != 0) {
		fprintf(stderr, "tandemd recover: %s\n", e.text);
		return e.code == ERR_SYNTAX ? 2 : 1;
	}
	printf("Server %s goes on without them from its next start on. Never "
	       "start them again\nwith the state they have: they must join "
	       "anew.\nStart this one now: tandemd -f %s\n",
	    conf.server, path);
	return 0;
}
