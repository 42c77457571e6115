#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Time in microseconds. The monotonic clock measures spans; the real clock
 * (Unix epoch, UTC) is for what people and databases see. Tests own both.
 */
uint64_t clock_mono(void);
uint64_t clock_real(void);
/* Add an offset to the real clock of this process (fault tests). */
void clock_step(int64_t us);
/* RFC 3339 in UTC with milliseconds, 25 bytes with the NUL. */
#define CLOCK_TEXT 25
void clock_text(char out[CLOCK_TEXT], uint64_t real_us);
/* Back from that form alone; false when it is none. */
bool clock_parse(const char *text, uint64_t *real_us);

#define CLOCK_MS UINT64_C(1000)
#define CLOCK_SEC UINT64_C(1000000)

#endif
