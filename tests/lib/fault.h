#ifndef TESTS_FAULT_H
#define TESTS_FAULT_H

#include <stdbool.h>

/*
 * The failing allocator: after fault_alloc_at(n), the n-th allocation from
 * now (0 = the next) returns NULL, and all after it succeed again.
 * fault_alloc_off() switches it off; fault_alloc_hit() tells whether it
 * struck. A test runs its subject with n = 0, 1, 2 ... until it did not.
 */
void fault_alloc_at(long n);
void fault_alloc_off(void);
int fault_alloc_hit(void);

/* While true no file is given room (fallocate: ENOSPC), as on a full disk. */
void fault_disk_full(bool);

#endif
