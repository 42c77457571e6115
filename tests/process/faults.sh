#!/bin/bash
# Owners and servers of a site die and are cut off under load, and nothing
# that was acknowledged is lost. Needs root (network namespaces).
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh

if tests/lab/faults "${FAULTS:-12}" "${SEED:-$RANDOM}"; then
	echo "ok faults under load lose nothing"
else
	echo "not ok faults under load lose nothing"
fi
