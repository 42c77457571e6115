/* Sums of pages at rest; the law is in page_sum.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "page_sum.h"
#include "ship_record.h"

#define PAGE_RESERVED 20 /* byte of page 1: bytes kept free in each page */
#define PAGE_TRIES 8
#define PAGE_WAIT 1000000 /* ns between them */

bool
page_sum_has(const uint8_t *page1)
{
	return page1[PAGE_RESERVED] == PAGE_SUM;
}

/* The number is summed too: a page at another's place is damage. */
void
page_sum_put(
    uint8_t sum[PAGE_SUM], uint32_t number, const uint8_t *page, size_t size)
{
	ship_put64(sum, ship_sum(number, page, size - PAGE_SUM));
}

static bool
page_sum_fits(uint32_t number, const uint8_t *page, size_t size)
{
	uint8_t sum[PAGE_SUM];

	page_sum_put(sum, number, page, size);
	return memcmp(sum, page + size - PAGE_SUM, PAGE_SUM) == 0;
}

/* Without its mark the sum still says whether only the mark was lost. */
static bool
page_sum_fits_first(const uint8_t *page, size_t size)
{
	uint8_t sum[PAGE_SUM], *marked;

	if (memcmp(page, "SQLite format 3", 16) != 0)
		return false;
	if (page_sum_has(page))
		return page_sum_fits(1, page, size);
	if ((marked = malloc(size)) == NULL)
		return true;
	memcpy(marked, page, size);
	marked[PAGE_RESERVED] = PAGE_SUM;
	page_sum_put(sum, 1, marked, size);
	free(marked);
	return memcmp(sum, page + size - PAGE_SUM, PAGE_SUM) != 0;
}

bool
page_is_good(uint32_t number, const uint8_t *page, size_t size, bool sums)
{
	if (number == 1)
		return page_sum_fits_first(page, size);
	return !sums || page_sum_fits(number, page, size);
}

void
page_unused(uint8_t *page, uint32_t number, size_t size)
{
	memset(page, 0, size);
	page_sum_put(page + size - PAGE_SUM, number, page, size);
}

/* ---- files --------------------------------------------------------------- */

/* What would be a hole up to the page, of which nobody could tell a page that
 * was lost. */
static int
page_fill(int fd, uint32_t *has, uint32_t number, size_t size)
{
	uint8_t *page;
	struct stat st;
	uint32_t next;
	int r = 0;

	if (*has + 1 >= number)
		return 0;
	if (fstat(fd, &st) != 0)
		return -1;
	*has = (uint32_t)((uint64_t)st.st_size / size);
	next = *has + 1;
	if (next >= number)
		return 0;
	if ((page = malloc(size)) == NULL)
		return -1;
	for (; r == 0 && next < number; next++) {
		page_unused(page, next, size);
		if (pwrite(fd, page, size, (off_t)(next - 1) * size) !=
		    (ssize_t)size)
			r = -1;
	}
	free(page);
	return r;
}

int
page_truncate(int fd, uint32_t pages, size_t size, bool sums)
{
	uint32_t has = 0;

	if (sums && page_fill(fd, &has, pages + 1, size) != 0)
		return -1;
	return ftruncate(fd, (off_t)pages * (off_t)size);
}

/* With one call, so that a process that is killed leaves a page whole. */
int
page_write(int fd, uint32_t *has, uint32_t number, const uint8_t *page,
    size_t size, bool sums)
{
	uint8_t sum[PAGE_SUM];
	struct iovec iov[2] = {
	    {(void *)(uintptr_t)page, size - (sums ? PAGE_SUM : 0)},
	    {sum, PAGE_SUM},
	};
	ssize_t n;

	if (sums && page_fill(fd, has, number, size) != 0)
		return -1;
	if (sums)
		page_sum_put(sum, number, page, size);
	do
		n = pwritev(fd, iov, sums ? 2 : 1, (off_t)(number - 1) * size);
	while (n < 0 && errno == EINTR);
	if (n >= 0 && n != (ssize_t)size)
		errno = ENOSPC; /* what a short write means */
	if (n != (ssize_t)size)
		return -1;
	if (number > *has)
		*has = number;
	return 0;
}

/* Does it fit when it is read again? */
static bool
page_again(int fd, uint32_t number, uint8_t *page, size_t size, bool sums)
{
	struct timespec wait = {0, PAGE_WAIT};
	int i;

	for (i = 0; i < PAGE_TRIES; i++) {
		nanosleep(&wait, NULL);
		if (pread(fd, page, size, (off_t)(number - 1) * size) !=
		    (ssize_t)size)
			return true; /* the file has become shorter */
		if (page_is_good(number, page, size, sums))
			return true;
	}
	return false;
}

long
page_read(int fd, uint32_t first, uint32_t n, uint8_t *out, size_t size,
    bool sums, uint32_t *bad)
{
	ssize_t got = pread(fd, out, n * size, (off_t)(first - 1) * size);
	uint32_t i, whole;

	*bad = 0;
	if (got < 0)
		return -1;
	whole = (uint32_t)((size_t)got / size);
	for (i = 0; i < whole && *bad == 0; i++) {
		uint8_t *page = out + i * size;

		if (!page_is_good(first + i, page, size, sums) &&
		    !page_again(fd, first + i, page, size, sums))
			*bad = first + i;
	}
	return whole;
}

bool
page_sum_marked(int fd)
{
	uint8_t room;

	return pread(fd, &room, 1, PAGE_RESERVED) == 1 && room == PAGE_SUM;
}
