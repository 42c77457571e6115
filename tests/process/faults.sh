#!/bin/bash
# Owners and servers of a site die, lose power and are cut off under load, and
# nothing that was acknowledged is lost: on three servers, and on two with a
# witness. Needs root (network namespaces).
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh

survives() {
	local words=$1
	shift
	if tests/lab/faults "${FAULTS:-25}" "${SEED:-$RANDOM}" "$@"; then
		echo "ok faults under load lose nothing on $words"
	else
		echo "not ok faults under load lose nothing on $words"
	fi
}
survives "three servers"
survives "two servers and a witness" 2 witness
