# How a test in shell says what holds; sourced. Needs $dir, a scratch folder.
#   t WORDS COMMAND...     one test: the command succeeds
#   eventually COMMAND...  true within $patience (20) s, asked every 50 ms;
#                          for states that have no event a script could wait
#                          for. At the end it is asked once more, to be seen.
#   moment                 now, as the console says times
patience=20

t() {
	local words=$1
	shift
	if "$@" > "$dir/t.out" 2>&1; then
		echo "ok $words"
	else
		echo "exit status $? of: $*"
		tail -n 20 "$dir/t.out"
		echo "not ok $words"
		t_failed=1
	fi
}

eventually() {
	local end=$((SECONDS + patience))
	until "$@" > /dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { "$@"; return 1; }
		sleep 0.05
	done
}

moment() {
	date -u +%Y-%m-%dT%H:%M:%S.%3NZ
}
