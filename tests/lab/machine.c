/*
 * What a server of a lab takes for its machine, loaded in front of the C
 * library (LD_PRELOAD): the time of day is off by the seconds that the file
 * $TANDEM_LAB_MACHINE/clock holds, looked at again by every call, and the id
 * of the boot is what stands in $TANDEM_LAB_MACHINE/boot. Time that counts
 * from the boot is left alone.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char *machine_offset; /* text; zeros follow it in the page */

__attribute__((constructor)) static void
machine_init(void)
{
	const char *dir = getenv("TANDEM_LAB_MACHINE");
	char path[300];
	void *at;
	long fd;

	if (dir == NULL)
		return;
	snprintf(path, sizeof path, "%s/clock", dir);
	fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	at = mmap(NULL, 1, PROT_READ, MAP_SHARED, (int)fd, 0);
	if (at != MAP_FAILED)
		machine_offset = at;
	close((int)fd);
}

static long
machine_seconds(void)
{
	return machine_offset != NULL ? strtol(machine_offset, NULL, 10) : 0;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int r;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	r = real(id, ts);
	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += machine_seconds();
	return r;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

int
open(const char *path, int flags, ...)
{
	const char *dir = getenv("TANDEM_LAB_MACHINE");
	char boot[300];
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, int) : 0;
	va_end(ap);
	if (dir != NULL &&
	    strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) {
		snprintf(boot, sizeof boot, "%s/boot", dir);
		path = boot;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
