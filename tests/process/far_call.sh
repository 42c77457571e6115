#!/bin/bash
# Two phones at the gates of two servers call each other: both ways, with
# hold, hung up by either, and every call leaves a record on both servers.
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh
. tests/lib/phone.sh

t "two servers come up as one site" lab up 2
[ -z "${t_failed:-}" ] || exit 1

t "gates listen on both, with a domain" gates_of_two 101 102

phones_of_two auto

size() {
	stat -c %s "$(phone_heard "$1")"
}
media_flows() {
	[ "$(size alice)" -gt 20000 ] && [ "$(size bob)" -gt 20000 ]
}
# Packets that the media gate has sent to each of the two, as "[N,M]": after
# a hold a phone of this kind records nothing any more.
sent() {
	local id
	id=$(rows 1 'show calls' '[.data[] | select(.state == "up")][0].id')
	rows 1 "show media call ${id//\"/}" '[.data[].sent]'
}
more_than() {
	jq -en "$1 as [\$a, \$b] | $(sent) as [\$c, \$d] |
	    \$c > \$a and \$d > \$b"
}
flows() {
	eventually more_than "$(sent)"
}
# That nothing comes only time can tell.
rests() {
	local before
	before=$(sent)
	sleep 0.3
	[ "$(sent)" = "$before" ]
}
at_server() {
	rows 1 'show calls' '[.data[] | select(.state == "up") | .instance] ==
	    ["b2bua/1@srv'"$1"'"]'
}
calls_gone() {
	rows 2 'show calls' '[.data[] | select(.state != "ending")] == []'
}

# call N FROM TO NUMBER SERVER ENDER: the N-th call of both.
call() {
	local n=$1 from=$2 to=$3 number=$4 server=$5 ender=$6
	phone_do "$from" dial "sip:$number@demo.test"
	t "call $n: $from is answered by $to" \
	    phone_await "$from" CALL_ESTABLISHED "$n"
	t "call $n is at the server of its caller" eventually at_server "$server"
	t "call $n has media both ways" eventually media_flows
	phone_do "$from" hold
	t "call $n: held, nothing is heard" eventually rests
	phone_do "$from" resume
	t "call $n: resumed, it goes on" flows
	phone_do "$ender" hangup
	t "call $n: $from knows of its end" phone_await "$from" CALL_CLOSED "$n"
	t "call $n: $to knows of its end" phone_await "$to" CALL_CLOSED "$n"
	t "call $n is over" eventually calls_gone
	t "$to heard the tone of $from" tone_is "$to" "$([ "$from" = alice ] &&
	    echo 440 || echo 620)"
	t "$from heard the tone of $to" tone_is "$from" "$([ "$to" = alice ] &&
	    echo 440 || echo 620)"
}
tone_is() {
	[ "$(phone_share "$1" "$2")" -gt 80 ]
}

call 1 alice bob 102 1 alice
call 2 bob alice 101 2 alice

# booked I CALLER CALLED ENDER: one such record, as server I knows it.
booked() {
	rows "$1" 'show cdr domain demo.test' '[.data[] | select(.caller ==
	    "'"$2"'" and .called == "'"$3"'" and .code == 200 and
	    .["ended-by"] == "'"$4"'")] | length == 1'
}
for i in 1 2; do
	t "server $i has the record of call 1" eventually booked $i 101 102 caller
	t "server $i has the record of call 2" eventually booked $i 102 101 callee
done
