#ifndef TESTS_LAB_PROBE_H
#define TESTS_LAB_PROBE_H

#include <stdatomic.h>
#include <stdint.h>

/* What the load of a lab and who makes its faults share: a file that both
 * map. begun[probe][key] is when the operation began that was answered last
 * (monotonic clock of the machine, us). */

#define PROBES 10
enum probe_key { PROBE_SR, PROBE_ST, PROBE_MGC, PROBE_KEYS };
static const char *const probe_keys[PROBE_KEYS] = {"sr", "st", "mgc"};

struct probe_board {
	_Atomic uint64_t begun[PROBES][PROBE_KEYS];
};

#endif
