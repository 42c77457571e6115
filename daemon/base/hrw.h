#ifndef BASE_HRW_H
#define BASE_HRW_H

#include <stdint.h>

/*
 * Rendezvous hashing, highest random weight: Thaler and Ravishankar, "Using
 * name-based mappings to increase hit rates", IEEE/ACM Transactions on
 * Networking 6(1), 1998. Of several places one key goes to that with the
 * highest score, whoever computes it. With the score -w / ln(u), u uniform in
 * (0, 1), the shares are as the weights (the minimum of exponential variables
 * of rate w), and another weight of one place moves keys to it or from it
 * only.
 */
#define HRW_WEIGHT 100 /* of a place of which nobody says otherwise */

/* hash: of the key, keyed by the place. */
double hrw_score(uint64_t hash, unsigned weight);

#endif
