#!/bin/bash
# Every fuzz target from its seeds for FUZZ_TIME seconds (default 10), as many
# at a time as there are cores.
make -s fuzz-build || exit 1
one() {
	name=$(basename "$1" _fuzz)
	corpus=build/fuzz/corpus/$name log=build/log/$name.fuzz
	seed=tests/fuzz/seed/$name
	[ -d "$seed" ] || seed=
	mkdir -p "$corpus"
	if "$1" -max_total_time="${FUZZ_TIME:-10}" -timeout=10 \
	    -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix="build/fuzz/$name-" "$corpus" $seed \
	    > "$log" 2>&1
	then
		echo "ok fuzz $name: $(awk '/number_of_executed_units/ \
		    { print $2 }' "$log") runs"
	else
		printf '%s\nnot ok fuzz %s\n' "$(tail -40 "$log")" "$name"
	fi
}
export -f one
printf '%s\0' build/fuzz/tests/fuzz/*_fuzz |
	xargs -0 -n 1 -P "$(nproc)" bash -c 'one "$0"'
