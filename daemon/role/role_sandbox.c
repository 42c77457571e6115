/*
 * The sandbox every process closes behind itself after start: no new
 * privileges, and a list of allowed system calls. A call outside the list
 * answers EPERM, so a library that probes does not kill the process. execve,
 * ptrace, mount, module and key calls are never allowed; sockets only as the
 * role's rights say. `tandemd -x sandbox` prints what each role may.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "role_wire.h"
#include "daemon/base/log.h"

/* What an event loop with SQLite, OpenSSL and libc needs. */
static const int sandbox_all[] = {SCMP_SYS(read), SCMP_SYS(write),
    SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
    SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(close), SCMP_SYS(openat),
    SCMP_SYS(open), SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(stat),
    SCMP_SYS(fstatfs), SCMP_SYS(statfs), SCMP_SYS(lstat), SCMP_SYS(newfstatat),
    SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd), SCMP_SYS(getdents64), SCMP_SYS(mkdir), SCMP_SYS(mkdirat),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat),
    SCMP_SYS(renameat2), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
    SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range),
    SCMP_SYS(fchmod), SCMP_SYS(chmod), SCMP_SYS(fchown), SCMP_SYS(umask),
    SCMP_SYS(utimensat), SCMP_SYS(fcntl), SCMP_SYS(flock), SCMP_SYS(dup),
    SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(pipe2), SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(ioctl),
    SCMP_SYS(memfd_create), SCMP_SYS(mmap), SCMP_SYS(munmap),
    SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(msync),
    SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(brk), SCMP_SYS(poll),
    SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_create), SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
    SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(accept4), SCMP_SYS(accept),
    SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(socketpair),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid),
    SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getgroups),
    SCMP_SYS(getrandom), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64),
    SCMP_SYS(getrusage), SCMP_SYS(times), SCMP_SYS(sysinfo), SCMP_SYS(uname),
    SCMP_SYS(futex), SCMP_SYS(rseq), SCMP_SYS(set_robust_list),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu),
    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(tgkill),
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(prctl)};

/* What libraft writes its log with. */
static const int sandbox_aio[] = {SCMP_SYS(io_setup), SCMP_SYS(io_destroy),
    SCMP_SYS(io_submit), SCMP_SYS(io_getevents), SCMP_SYS(io_pgetevents)};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Allow a call without looking at its arguments. */
static void
sandbox_allow(scmp_filter_ctx ctx, int call)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);

	/* EDOM: the architecture has no such call. */
	if (r != 0 && r != -EDOM)
		fatalx("sandbox: call %d: error %d", call, -r);
}

/* Allow socket(2) of one family and type. */
static void
sandbox_allow_socket(scmp_filter_ctx ctx, int family, int type)
{
	if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
		SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0),
		SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, (scmp_datum_t)type)) != 0)
		fatalx("sandbox: socket");
}

static void
sandbox_allow_inet(scmp_filter_ctx ctx, int type)
{
	sandbox_allow_socket(ctx, AF_INET, type);
	sandbox_allow_socket(ctx, AF_INET6, type);
	sandbox_allow(ctx, SCMP_SYS(bind));
	sandbox_allow(ctx, SCMP_SYS(connect));
	if (type == SOCK_STREAM)
		sandbox_allow(ctx, SCMP_SYS(listen));
}

void
role_sandbox_print(FILE *to)
{
	size_t i;
	char *name;

	for (i = 0; i < COUNT(sandbox_all); i++) {
		name = seccomp_syscall_resolve_num_arch(
		    SCMP_ARCH_NATIVE, sandbox_all[i]);
		if (name != NULL)
			fprintf(to, "%s\n", name);
		free(name);
	}
}

void
role_sandbox(unsigned rights)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	size_t i;

	if (ctx == NULL)
		fatalx("sandbox: out of memory");
	for (i = 0; i < COUNT(sandbox_all); i++)
		sandbox_allow(ctx, sandbox_all[i]);
	if (rights & RIGHT_DGRAM)
		sandbox_allow_inet(ctx, SOCK_DGRAM);
	if (rights & RIGHT_STREAM)
		sandbox_allow_inet(ctx, SOCK_STREAM);
	if (rights & RIGHT_RING)
		sandbox_allow(ctx, SCMP_SYS(io_uring_enter));
	for (i = 0; rights & RIGHT_AIO && i < COUNT(sandbox_aio); i++)
		sandbox_allow(ctx, sandbox_aio[i]);
	/* Threads that a library has started already are closed in, too. */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) != 0)
		fatalx("sandbox: threads");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		fatal("sandbox: no new privileges");
	if (seccomp_load(ctx) != 0)
		fatalx("sandbox: the kernel refuses the filter");
	seccomp_release(ctx);
}
