#!/bin/bash
# Lists that are watched: by a console, and by a program over a WebSocket.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh
export TANDEM_CONTROL_GROUP=daemon
api=$((port + 560))

t "the site comes up with its demo domain" site_up
[ -z "${t_failed:-}" ] || exit 1

# ---- a console ----------------------------------------------------------------

# begun COMMAND: a console that watches, with its answers in a file.
begun() {
	"$bin/tandem" -s "$state/control.sock" --json -c "$1" > "$dir/seen" &
	watcher=$!
	eventually test -s "$dir/seen"
}
# seen FILTER: of all rows so far.
seen() {
	jq -es "[.[].data[]] | $1" "$dir/seen" > "$dir/jq"
}
note() {
	tandem -q -c "set domain demo.test description \"$1\"" \
	    -c "commit comment \"$1\""
}
commits() {
	begun 'monitor revisions' || return 1
	note one && eventually seen 'any(.change == "new" and .comment == "one")' &&
	    note two && eventually seen \
		'[.[] | select(.change == "new") | .comment] == ["one", "two"]'
}
t "a commit is told to who watches the revisions" commits
stopped() {
	kill -INT "$watcher"
	wait "$watcher"
	[ $? -eq 130 ]
}
t "Ctrl-C ends it in order" stopped
again() {
	begun 'monitor roles | match mg/1' || return 1
	local before
	before=$(pid_of mg/1)
	kill -9 "$before"
	eventually seen "any(.change == \"gone\" and .pid == $before) and
	    any(.change == \"new\" and .state == \"ready\" and
	    .pid != $before)" && stopped
}
t "a process that dies goes, and comes with another pid" again
filtered() {
	seen 'all(.instance == "mg/1")'
}
t "what the filters of the line leave out is not told" filtered
ends() {
	local out
	out=$("$bin/tandem" -s "$state/control.sock" \
	    -c 'monitor servers for 1 | columns change,server') &&
	    [ "$out" = $'CHANGE  SERVER\nis      srv1' ]
}
t "it ends by itself after the time that was asked for" ends
# A list that begins empty has its heading with its first rows.
heading() {
	"$bin/tandem" -s "$state/control.sock" \
	    -c 'monitor revisions | match later | columns change,comment' \
	    > "$dir/seen" &
	watcher=$!
	watches() {
		rows 'show sessions' '[.data[] | select(.own | not)] | length == 1'
	}
	eventually watches && note 'a later one' &&
	    eventually grep -q 'later one' "$dir/seen" && note 'a later two' &&
	    eventually grep -q 'later two' "$dir/seen" && stopped &&
	    [ "$(tr -s ' ' < "$dir/seen")" = \
		$'CHANGE COMMENT\nnew a later one\nnew a later two' ]
}
t "what begins empty has its heading with the first rows" heading
# Who asks for one thing after another is not told anew: behind the news of
# another session all that was to be told of it was told.
quiet_sessions() {
	local busy other
	mkfifo "$dir/busy" "$dir/other"
	"$bin/tandem" -s "$state/control.sock" -f "$dir/busy" > "$dir/t" &
	busy=$!
	exec {line}> "$dir/busy"
	asked() {
		rows 'show sessions' "any(.data[]; .pid == $busy and
		    .operations >= $1)"
	}
	echo 'show version' >&$line
	eventually asked 1 && begun 'monitor sessions' || return 1
	printf 'show version\nshow version\n' >&$line
	eventually asked 3 || return 1
	"$bin/tandem" -s "$state/control.sock" -f "$dir/other" > "$dir/t" &
	other=$!
	exec {keep}> "$dir/other"
	eventually seen "any(.change == \"new\" and .pid == $other)" &&
	    stopped && seen "[.[] | select(.pid == $busy)] | length == 1"
	local status=$?
	exec {line}>&- {keep}>&-
	wait $busy $other
	return $status
}
t "who goes on asking is not told anew" quiet_sessions
dies() {
	begun 'monitor alarms' || return 1
	kill -9 "$(pid_of control/1)"
	wait "$watcher"
	[ $? -eq 7 ] && eventually tandem -q -c 'show version'
}
t "without its server it ends with an error" dies
piped() {
	tandem -c 'monitor roles' | head -n 2 > "$dir/two"
	[ "${PIPESTATUS[0]}" -ne 0 ] && [ "$(wc -l < "$dir/two")" -eq 2 ]
}
t "it ends with who reads it" piped

# ---- a program ----------------------------------------------------------------

secret=$(openssl rand -hex 32)
programs() {
	tandem -q -f - <<-END
		set server srv1 role ws
		set server srv1 listener api transport https instance ws/1 address 127.0.0.1 port $api certificate demo
		set administrator daemon role viewer
		set token eye secret $secret role viewer scope read requests-per-second 1000
		commit comment "programs may come"
	END
}
t "programs are let in" programs
listens() {
	curl -sk "https://127.0.0.1:$api/" > "$dir/root"
}
t "the listener answers" eventually listens

# socket: lines of standard input are messages.
socket() {
	python3 tests/lib/websocket.py "$api" /v1/rpc "eye.$secret" > "$dir/ws"
}
call() {
	printf '{"jsonrpc": "2.0", "id": %s, "method": "%s", "params": %s}\n' "$@"
}
# got FILTER: of all messages so far.
got() {
	sed '1d; /^closed$/d' "$dir/ws" | jq -es "$1" > "$dir/jq"
}
sr_owner() {
	tandem --json -c 'show ownership' |
	    jq -r '.data[] | select(.key == "sr") | .instance | sub("@.*"; "")'
}
events() {
	{
		call 1 'monitor servers' '{}'
		call 2 'monitor ownership' '{"all": true}'
		echo '!wait 2'
		echo '!until "key":"sr",'
		call 3 monitor-stop '{"monitor": 1}'
		call 4 monitor-stop '{"monitor": 99}'
		call 5 monitor-stop '{}'
		echo '!until "id":5'
	} | socket &
	local pid=$!
	eventually got 'length >= 2' || return 1
	kill -9 "$(pid_of "$(sr_owner)")"
	wait $pid
	got '([.[] | select(.id != null and .result.monitor) |
	    .result.monitor] | sort) == [1, 1, 2] and
	    ([.[] | select(.method == "changes" and .params.over) |
	    .params.monitor] == [1]) and
	    any(.[]; .method == "changes" and .params.monitor == 2 and
	    any(.params.data[]; .key == "sr" and .change == "gone")) and
	    any(.[]; .id == 4 and .error.data.code == "absent") and
	    any(.[]; .id == 5 and .error.data.code == "invalid")'
}
t "a program is told what changes, by the monitor's number, until it stops it" events
many() {
	{
		for i in 1 2 3 4 5 6 7 8 9; do
			call $i 'monitor alarms' '{}'
		done
		echo '!wait 9'
	} | socket
	got '([.[] | select(.result.monitor)] | length) == 8 and
	    ([.[] | select(.error.data.code == "full")] | length) == 1'
}
t "eight of one session are the most" many
released() {
	call 1 'monitor alarms' '{"for": 1}' | { cat; echo '!wait 2'; } | socket
	got '.[0].result.monitor == 1 and .[1].params.over'
}
t "and end with it" released
rest() {
	local status
	status=$(curl -sk -o "$dir/answer" -w '%{http_code}' \
	    -H "Authorization: Bearer eye.$secret" \
	    "https://127.0.0.1:$api/v1/monitor/alarms")
	[ "$status" = 409 ] && jq -e '.code == "refused" and
	    (.message | test("WebSocket"))' "$dir/answer" > "$dir/jq"
}
t "a request alone cannot watch" rest
unlisted() {
	curl -sk -H "Authorization: Bearer eye.$secret" \
	    "https://127.0.0.1:$api/v1/openapi.json" > "$dir/openapi" &&
	    jq -e '.paths | has("/v1/show/alarms") and
		(has("/v1/monitor/alarms") | not)' "$dir/openapi" > "$dir/jq"
}
t "and OpenAPI does not say so" unlisted

# ---- rights -------------------------------------------------------------------

# As somebody who is no more than an administrator: needs root.
if [ "$(id -u)" -eq 0 ]; then
	install -m 755 "$bin/tandem" "$dir/console"
	losing() {
		setpriv --reuid=daemon --regid=daemon --clear-groups \
		    "$dir/console" -s "$state/control.sock" --json \
		    -c 'monitor ownership' > "$dir/seen" &
		watcher=$!
		eventually test -s "$dir/seen" || return 1
		tandem -q -c 'set administrator daemon role domain-admin domain demo.test' \
		    -c commit
		wait "$watcher"
		[ $? -eq 5 ] && tail -n 1 "$dir/seen" |
		    jq -e '.ok == false and .code == "permission"' > "$dir/jq"
	}
	t "who may not see it any more is told so, and no more" losing
fi
