#!/bin/bash
# Every unit test once more, under AddressSanitizer and UBSan (build/asan),
# as many at a time as there are cores.
make -s asan-build || exit 1
one() {
	name=$(basename "$1")
	if "$1" > "build/log/$name.asan" 2>&1; then
		echo "ok $name under the sanitizers"
	else
		printf '%s\nnot ok %s under the sanitizers\n' \
		    "$(tail -30 "build/log/$name.asan")" "$name"
	fi
}
export -f one
export ASAN_OPTIONS=detect_leaks=0
printf '%s\0' build/asan/tests/unit/*_test |
	xargs -0 -n 1 -P "$(nproc)" bash -c 'one "$0"'
