/* Writing to files; the law is in disk.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "disk.h"
#include "page_sum.h"
#include "ship_log.h"
#include "daemon/base/clock.h"

#define GIVE_BACK_PIECE (1u << 20)
#define LOW_PART 20
#define LOW_LEAST (2 * SHIP_SEGMENT)
#define LOW_MOST (UINT64_C(4) << 30)

int
disk_write(int fd, const void *bytes, size_t n, uint64_t off)
{
	const uint8_t *p = bytes;

	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)off);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		p += done;
		n -= (size_t)done;
		off += (uint64_t)done;
	}
	return 0;
}

int
disk_write_pages(int fd, const struct ship_record *r)
{
	bool sums = page_sum_marked(fd);
	const uint8_t *page = r->pages;
	uint32_t i, has = 0;

	for (i = 0; i < r->npages; i++, page += r->page_size) {
		uint32_t number = ship_record_page(r, i);

		if (number == 1)
			sums = page_sum_has(page);
		if (page_write(fd, &has, number, page, r->page_size, sums) != 0)
			return -1;
	}
	return 0;
}

int
disk_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

void
disk_yield(uint64_t since)
{
	uint64_t took = clock_mono() - since;
	struct timespec pause = {.tv_sec = (time_t)(took / CLOCK_SEC),
	    .tv_nsec = (long)(took % CLOCK_SEC) * 1000};

	nanosleep(&pause, NULL);
}

int
disk_unlink(const char *path, int *fd)
{
	*fd = open(path, O_RDWR | O_CLOEXEC);
	if (unlink(path) == 0)
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return -1;
}

/* A descriptor that is closed with blocks still there gives back all at once:
 * so does a failure here. */
void
disk_give_back(int fd)
{
	uint64_t size, begun;
	struct stat st;

	for (size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0; size > 0;) {
		size -= size < GIVE_BACK_PIECE ? size : GIVE_BACK_PIECE;
		begun = clock_mono();
		if (ftruncate(fd, (off_t)size) != 0)
			break;
		disk_yield(begun);
	}
	close(fd);
}

int
disk_remove(const char *path)
{
	int fd, r = disk_unlink(path, &fd);

	if (fd >= 0)
		disk_give_back(fd);
	return r;
}

uint64_t
disk_low(uint64_t all)
{
	uint64_t part = all / LOW_PART;

	if (part < LOW_LEAST)
		return LOW_LEAST;
	return part < LOW_MOST ? part : LOW_MOST;
}

enum err_code
disk_code(void)
{
	return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}
