#!/bin/bash
# Owners and servers of a site die and are cut off under load, and nothing
# that was acknowledged is lost. Needs root (network namespaces).
cd "$(dirname "$0")/../.." || exit 2
if [ "$(id -u)" -ne 0 ]; then
	echo "ok skipped: the lab needs root"
	exit 0
fi
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/tandem-test.XXXXXX")
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
if TANDEM_LAB=$dir/lab tests/lab/faults "${FAULTS:-12}" "${SEED:-$RANDOM}"; then
	echo "ok faults under load lose nothing"
else
	echo "not ok faults under load lose nothing"
fi
