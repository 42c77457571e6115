#!/bin/bash
# Calls that were answered, refused, given up and misdialled, over two servers,
# are found by what they were: each filter of trace calls finds its own and no
# others, whichever server is asked.
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh
. tests/lib/phone.sh

t "two servers come up as one site" lab up 2
[ -z "${t_failed:-}" ] || exit 1
t "gates listen on both, with a domain" gates_of_two 101 102
t "and another domain" eval "echo 'set domain other.test
commit' | lab console 1 -q -f -"
phones_of_two manual

# ---- the calls ------------------------------------------------------------------

closed() {
	phone_await alice CALL_CLOSED "$1"
}
phone_do alice dial sip:102@demo.test
t "a call rings" phone_await bob CALL_INCOMING
phone_do bob accept
t "and is answered" phone_await alice CALL_ESTABLISHED
goes_on() {
	rows 2 'trace calls answered yes' '[.data[] | .from, .to, .code,
	    (.ring != null), (.answer != null), .server] ==
	    ["101", "102", null, true, true, "srv1"]'
}
t "it is found as answered while it goes on" eventually goes_on
t "and is longer than nothing by now" eventually \
    rows 1 'trace calls duration >0s' '[.data[].to] == ["102"]'
t "not failed, nor with a code" rows 2 'trace calls code 2xx' '.data == []'
phone_do alice hangup
t "it ends" closed 1
phone_do alice dial sip:102@demo.test
t "another rings" phone_await bob CALL_INCOMING 2
phone_do bob hangup
t "and is refused" closed 2
phone_do alice dial sip:102@demo.test
t "another rings at the caller, too" phone_await alice CALL_RINGING 3
phone_do alice hangup
t "who gives up" closed 3
phone_do alice dial sip:999@demo.test
t "a wrong number is refused at once" closed 4
phone_at 2
phone_do bob dial sip:777@demo.test
t "and another at the other server" eventually \
    rows 1 'trace calls from 102' '[.data[].to] == ["777"]'

# ---- each filter ------------------------------------------------------------------

# found ARGS WANT: the codes and numbers dialled, the oldest call first, on
# either server.
found() {
	local i
	for i in 1 2; do
		rows "$i" "trace calls $1" "[.data | reverse[] |
		    \"\(.code) \(.to)\"] == $2" > "$dir/jq" || {
			lab console "$i" -c "trace calls $1"
			return 1
		}
	done
}
t "all are there" eventually found 'number 10*' \
    '["200 102", "486 102", "487 102", "404 999", "404 777"]'
t "by one code" found 'code 486' '["486 102"]'
t "by some codes" found 'code 486-487' '["486 102", "487 102"]'
t "by all of a kind" found 'code 4xx from 101' \
    '["486 102", "487 102", "404 999"]'
t "failed ones" found 'failed' \
    '["486 102", "487 102", "404 999", "404 777"]'
t "answered ones" found 'answered yes' '["200 102"]'
t "others" found 'answered no to 102' '["486 102", "487 102"]'
t "by caller" found 'from 102' '["404 777"]'
t "by the beginning of a number dialled" found 'to 9*' '["404 999"]'
t "by who was rung" found 'user 102 failed' \
    '["486 102", "487 102", "404 777"]'
t "by domain" found 'domain demo.test code 404' '["404 999", "404 777"]'
t "not of another" found 'domain other.test' '[]'
t "by the words of the end" found 'cause BUSY' '["486 102"]'
t "by the server that had it" found 'server srv2' '["404 777"]'
t "by the other one" found 'server srv1 code 404' '["404 999"]'
t "short ones" found 'duration <1h' '["200 102"]'
t "long ones" found 'duration >1h' '[]'
t "that rang soon" found 'pdd <1m' '["200 102", "486 102", "487 102"]'
t "that did not" found 'pdd >1m' '[]'
t "since a time" found 'since -1h code 2xx' '["200 102"]'
t "several at once" found 'from 101 to 102 answered no pdd <1m code 487' \
    '["487 102"]'
limited() {
	lab console 1 --json -c 'trace calls limit 2' | jq -e '
	    [.data[].code] == [404, 404] and
	    .warn == ["only the first 2 are shown: see limit"]' > "$dir/jq"
}
t "no more than was asked for, and it says so" limited
enough() {
	lab console 1 --json -c 'trace calls limit 5' | jq -e '
	    (.data | length) == 5 and .warn == []' > "$dir/jq"
}
t "it is silent when that is all" enough
fits() {
	script -qec "stty columns 80; '$bin/tandem' \
	    -s '$TANDEM_LAB/srv1/control.sock' -c 'trace calls'" /dev/null |
	    tr -d '\r' > "$dir/table"
	[ "$(wc -l < "$dir/table")" -eq 6 ] &&
	    [ "$(awk 'length > 80' "$dir/table" | wc -l)" -eq 0 ] || {
		cat "$dir/table"
		return 1
	}
}
t "a row of each is a line of 80 columns" fits

# ---- calls as they come -----------------------------------------------------------

# follows I ARGS: a console that follows, its rows in a file.
follows() {
	rm -f "$dir/seen"
	"$bin/tandem" -s "$TANDEM_LAB/srv$1/control.sock" --json \
	    -c "monitor trace $2" > "$dir/seen" &
	watcher=$!
	eventually test -s "$dir/seen"
}
# told FILTER: of all rows so far but those of the past.
told() {
	jq -es "[.[].data[] | select(.change != \"is\")] | $1" "$dir/seen" \
	    > "$dir/jq"
}
follow_past() {
	follows 2 'failed to 102' && jq -e '[.data[] | .change, .code] |
	    sort == [486, 487, "is", "is"]' "$dir/seen" > "$dir/jq"
}
t "who follows sees the past first" follow_past
listed() {
	rows 1 'show trace sessions' '.data | length == 1 and
	    (.[0].filter | test("failed=yes")) and .[0].lost == 0 and
	    .[0].calls == 2'
}
t "they are listed, also by the other server" listed
phone_at 1
phone_do alice dial sip:102@demo.test
t "a call rings" phone_await bob CALL_INCOMING 4
phone_do bob hangup
t "and is refused" closed 5
t "it is told by its end alone, at the other server" eventually told \
    '[.[] | .change, .code, .to, (.ring != null), .server] ==
    ["ends", 486, "102", true, "srv1"]'
stopped() {
	kill -INT "$watcher"
	wait "$watcher"
	[ $? -eq 130 ] && rows 1 'show trace sessions' '.data == []'
}
t "Ctrl-C ends it, and nobody follows any more" stopped
t "another follows all" follows 2 'from 101 to 102'
phone_do alice dial sip:102@demo.test
t "a call rings" phone_await bob CALL_INCOMING 5
phone_do bob accept
t "is answered" phone_await alice CALL_ESTABLISHED 2
t "which is told" eventually told '[.[].change] ==
    ["begins", "rings", "answered"]'
# Its server's control dies with all it has told: what comes is told again.
control_dies() {
	local pid
	pid=$(rows 1 'show roles' '.data[] |
	    select(.instance == "control/1@srv1") | .pid')
	kill -9 "$pid"
	eventually warned
}
warned() {
	jq -es '[.[].warn[]] | any(test("^srv1: the link ended"))' "$dir/seen" \
	    > "$dir/jq"
}
t "the other server's control is killed, which is said" control_dies
back() {
	rows 2 'show server links' 'all(.data[]; .state != "down")' &&
	    rows 1 'trace calls limit 1' '.data | length == 1'
}
t "it is back" eventually back
phone_do alice hangup
t "the call ends" closed 6
t "and that is told, and nothing twice" eventually told '[.[].change] ==
    ["begins", "rings", "answered", "ends"] and
    ([.[].id] | unique | length == 1) and .[3].talk != null'
t "it stops" stopped
ends() {
	"$bin/tandem" -s "$TANDEM_LAB/srv1/control.sock" --json \
	    -c 'monitor trace code 599 for 1' > "$dir/seen" &&
	    jq -es '[.[].data[]] == []' "$dir/seen" > "$dir/jq"
}
t "it ends by itself after the time that was asked for" ends
