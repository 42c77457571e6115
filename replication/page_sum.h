#ifndef PAGE_SUM_H
#define PAGE_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a page at rest must be. The last PAGE_SUM bytes of each page in a
 * database file, which SQLite keeps free for us (fileformat2.html 1.3.4,
 * "reserved space"), hold a sum of the page and its number, put there by
 * whoever writes the file and checked by whoever reads it. In a -wal and in
 * records they mean nothing: those have sums of their own. So files of one
 * stream are the same bytes on every server.
 *
 * A database that was made without the room has no sums and is not checked.
 */

#define PAGE_SUM 8

/* Have the pages of this database room for it? Of page 1, from 100 bytes on. */
bool page_sum_has(const uint8_t *page1);
/* The sum of a page; its last PAGE_SUM bytes do not count. */
void page_sum_put(
    uint8_t sum[PAGE_SUM], uint32_t number, const uint8_t *page, size_t size);
/*
 * Is a page of a database, with sums or without, what was written? Page 1 says
 * itself whether there are sums, and is not good when only that was damaged.
 */
bool page_is_good(uint32_t number, const uint8_t *page, size_t size, bool sums);
/* A page that SQLite never wrote, since it was never used: zeros and the sum.
 */
void page_unused(uint8_t *page, uint32_t number, size_t size);

/*
 * Write a page to where it belongs; sums: of a database that has them. Pages
 * between the end of the file and it are written as unused. has: pages that the
 * file is known to have, 0 = not known; kept up by who writes many, as to ask
 * for a file's size between two writes makes the second one dear. 0, or -1 with
 * errno.
 */
int page_write(int fd, uint32_t *has, uint32_t number, const uint8_t *page,
    size_t size, bool sums);
/* Make the file so many pages long, likewise. */
int page_truncate(int fd, uint32_t pages, size_t size, bool sums);
/*
 * Read up to n pages, from page first on, of a file that others may write
 * meanwhile: a page whose sum does not fit is read again, since it may be half
 * written. Returns how many whole pages there were, or -1 with errno; *bad is
 * the first one whose sum does not fit, 0 = none. May sleep for some ms when
 * one does not fit.
 */
long page_read(int fd, uint32_t first, uint32_t n, uint8_t *out, size_t size,
    bool sums, uint32_t *bad);
/* Has the database whose file is open sums? False while it has no page. */
bool page_sum_marked(int fd);

#endif
