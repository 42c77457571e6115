#!/bin/bash
# request drill on a site of three servers: each kind of fault, a few trials;
# nothing that was acknowledged is lost, the site is whole afterwards and
# nothing of the drill is left. Prints the times, asserts none. Needs root.
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh

# epoch KEY: of its ownership, as server 1 sees it.
epoch() {
	lab console 1 --json -c 'show ownership' |
	    jq ".data[] | select(.key == \"$1\") | .epoch"
}
whole() {
	lab console 1 --json -c 'show ownership' |
		jq -e --arg key "${1:-sr}" '["sr", "st", $key] as $keys |
		[.data[] | select(.key | IN($keys[])) |
		select(.state == "serving" and .members == "srv1 srv2 srv3")] |
		length == ($keys | unique | length)'
}

# drill I WORDS...: by server I; its row in $dir/row, times on a line.
drill() {
	local i=$1
	shift
	lab console "$i" --json -c "request drill $* maintenance" > "$dir/row" ||
	    { cat "$dir/row"; return 1; }
	jq -r '.data[0] | "\(.of) \(.fault): \(.trials) trials, p50 \(.["p50-us"]) us, p99 \(.["p99-us"]) us, max \(.["max-us"]) us"' \
	    "$dir/row" >> "$dir/times"
	jq -e --argjson n "$trials" '.data[0] | .trials == $n and .lost == 0 and
	    .acknowledged > 0 and .["p50-us"] > 0 and .["p50-us"] <= .["p99-us"] and
	    .["p99-us"] <= .["max-us"]' "$dir/row" && jq -e '.warn | all(test("not checked") |
	    not)' "$dir/row"
}
# switches KEY I WORDS...: and each trial was a change of its owner.
switches() {
	local key=$1 before
	before=$(epoch "$key")
	shift
	drill "$@" && [ "$(epoch "$key")" -ge $((before + trials)) ] &&
	    whole "$key"
}

t "three servers come up as one site" lab up 3
[ -z "${t_failed:-}" ] || exit 1

trials=3
t "the registrar's owner is killed" \
    switches sr 1 role sr fault kill times 3 pause 100
t "another server drills it" switches sr 2 role sr fault kill times 3 pause 100
t "the store's owner is killed" \
    switches st 1 role st fault kill times 3 pause 100
t "the registrar is moved" switches sr 3 role sr fault move times 3 pause 100
t "the store is moved" switches st 1 role st fault move times 3 pause 100
t "the media controller's owner is killed" \
    switches mgc 1 role mgc fault kill times 3 pause 100
t "the media controller is moved" \
    switches mgc 2 role mgc fault move times 3 pause 100
t "the registrar hangs and goes on" \
    drill 1 role sr fault stop times 3 pause 100 lasts 200
trials=2
t "a registrar that hangs too long is replaced" \
    switches sr 1 role sr fault stop times 2 pause 100 lasts 5000
t "a server is drained" switches sr 1 server srv2 fault drain times 2 pause 100
t "a server loses all its processes" \
    switches st 1 server srv3 fault kill times 2 pause 100

t "a server is cut off until another one serves" \
    switches sr 1 server srv2 fault cut times 2 pause 100 lasts 4000
t "a short cut is waited out" \
    drill 1 server srv3 fault cut times 2 pause 100 lasts 100

undrained() {
	lab console 1 -c "request ownership move sr srv2" && whole
}
t "a server that was drained may own again" undrained

# What is refused, and how: exit status, words.
refused() {
	local status=$1 words=$2
	shift 2
	lab console 1 -c "$*" > "$dir/words" 2>&1
	[ $? -eq "$status" ] && grep -q "$words" "$dir/words"
}
t "without the word maintenance nothing is done" \
    refused 2 maintenance request drill role sr fault kill
t "a server does not drill itself" \
    refused 1 'ask another server' \
    request drill server srv1 fault kill maintenance
t "a server that is not there cannot be drilled" \
    refused 3 'no server srv9' \
    request drill server srv9 fault drain maintenance

# An interrupted drill reports what it did, with status 130; whoever started
# it being gone, it ends by itself. Both leave the way free for the next.
begun() {
	tail -n +1 -F "$TANDEM_LAB/srv1/tandemd.log" 2> /dev/null |
	    awk -v n="$1" '/drill: begins/ { n-- } n == 0 && /drill: trial=1 / \
		{ exit }'
}
count=$(grep -c 'drill: begins' "$TANDEM_LAB/srv1/tandemd.log")
interrupted() {
	# SIGINT is ignored by what a script puts into the background.
	setsid python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$bin/tandem" \
	    -s "$TANDEM_LAB/srv1/control.sock" --json -c \
	    'request drill role sr fault kill times 1000 maintenance' \
	    > "$dir/row" &
	local pid=$! status
	begun $((++count))
	kill -"$1" $pid
	wait $pid
	status=$?
	[ "$1" = KILL ] || { [ $status -eq 130 ] && jq -e \
	    '.data[0] | .trials > 0 and .trials < 1000 and .lost == 0' \
	    "$dir/row"; }
}
t "Ctrl-C ends a drill in order" interrupted INT
t "a drill whose console dies ends by itself" interrupted KILL
free() {
	until drill 1 role sr fault kill times 1 pause 0; do
		grep -q 'another drill' "$dir/row" || return 1
	done
}
trials=1
t "then there may be another" free

# No row of any drill is left on any server. A copy is read, so that nothing
# of ours is in the way of who writes.
nothing_left() {
	local i db file
	for i in 1 2 3; do
		for db in location commit media; do
			# One that was made anew has a number: commit~1.db.
			file=$(ls -t "$TANDEM_LAB/srv$i/streams/$db"*.db |
			    head -n 1)
			rm -f "$dir"/copy* && cp "$file" "$dir/copy" &&
			    { cp "$file-wal" "$dir/copy-wal" || :; } \
				2> /dev/null &&
			    sqlite3 "$dir/copy" .dump > "$dir/dump" &&
			    grep -q 'CREATE TABLE' "$dir/dump" &&
			    ! grep 'drill' "$dir/dump" || return 1
		done
	done
}
t "nothing of the drills is left" eventually nothing_left
sed 's/^/# /' "$dir/times"
