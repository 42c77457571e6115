#!/bin/bash
# Every fuzz target from its seeds for FUZZ_TIME seconds (default 10).
for program in build/fuzz/tests/fuzz/*_fuzz; do
	name=$(basename "$program" _fuzz)
	corpus=build/fuzz/corpus/$name
	mkdir -p "$corpus"
	if "$program" -max_total_time="${FUZZ_TIME:-10}" -timeout=10 \
	    -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix="build/fuzz/$name-" "$corpus" \
	    $([ -d "tests/fuzz/seed/$name" ] && echo "tests/fuzz/seed/$name") \
	    > "build/log/$name.fuzz" 2>&1
	then
		echo "ok fuzz $name:" $(awk '/number_of_executed_units/ \
		    { print $2, "runs" }' "build/log/$name.fuzz")
	else
		tail -40 "build/log/$name.fuzz"
		echo "not ok fuzz $name"
	fi
done
