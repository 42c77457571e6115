#!/bin/bash
# Every unit test once more, under AddressSanitizer and UBSan (build/asan).
for program in build/asan/tests/unit/*_test; do
	name=$(basename "$program")
	if ASAN_OPTIONS=detect_leaks=0 "$program" > "build/log/$name.asan" 2>&1
	then
		echo "ok $name under the sanitizers"
	else
		tail -30 "build/log/$name.asan"
		echo "not ok $name under the sanitizers"
	fi
done
