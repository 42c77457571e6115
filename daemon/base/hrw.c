/* Weighted rendezvous hashing; pure. */
#include <math.h>

#include "hrw.h"

double
hrw_score(uint64_t hash, unsigned weight)
{
	/* 53 bits, and half a step so that neither 0 nor 1 comes out. */
	double u = ((double)(hash >> 11) + 0.5) * 0x1p-53;

	return -(double)weight / log(u);
}
