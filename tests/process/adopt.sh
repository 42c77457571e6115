#!/bin/bash
# The promise: calls survive kill -9 of their B2BUA, with full control.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh
. tests/lib/phone.sh

t "the site comes up with its demo domain" site_up
phone_start alice 101 "$password" 440 "answermode=manual"
phone_start bob 102 "$password" 620 "answermode=manual"
t "the first phone registers" phone_registered alice
t "the second phone registers" phone_registered bob

# Kill the B2BUA, and wait until another process has its calls.
adopted() {
	local n
	n=$(grep -c 'calls adopted' "$state/tandemd.log")
	[ "$n" -ge "$deaths" ] && rows 'show roles' '[.data[] |
	    select(.instance == "b2bua/1" and .state == "ready")] != []'
}
deaths=0
death() {
	deaths=$((deaths + 1))
	kill -9 "$(pid_of b2bua/1)"
	t "call $call is adopted $1" eventually adopted
}

for call in 1 2 3 4; do
	phone_do alice dial sip:102@demo.test
	t "call $call rings" phone_await bob CALL_INCOMING $call
	[ $call -gt 2 ] && death "while it rings"
	phone_do bob accept
	t "call $call is answered" phone_await alice CALL_ESTABLISHED $call
	[ $call -ne 3 ] && death "while it lasts"
	phone_do alice sndcode 5
	t "digits pass in call $call" phone_await bob CALL_DTMF_START $call
	if [ $((call % 2)) = 0 ]; then
		phone_do alice hangup
		t "its caller ends call $call" phone_await bob CALL_CLOSED $call
	else
		phone_do bob hangup
		t "the called ends call $call" \
		    phone_await alice CALL_CLOSED $call
	fi
	booked() {
		rows 'show cdr domain demo.test' "[.data[] | select(
		    .code == 200 and .reason == \"normal clearing\")] |
		    length == $call"
	}
	t "call $call has one record" eventually booked
done
none() {
	rows 'show calls' '.data == []'
}
t "no call is left" eventually none
phone_stop alice
phone_stop bob
