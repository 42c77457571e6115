/* Writing to files; the law is in disk.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "disk.h"

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
	uint32_t i;

	for (i = 0; i < r->npages; i++) {
		if (disk_write(fd, r->pages + (size_t)i * r->page_size,
			r->page_size,
			(uint64_t)(ship_record_page(r, i) - 1) *
			    r->page_size) != 0)
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

enum err_code
disk_code(void)
{
	return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}
