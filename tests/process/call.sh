#!/bin/bash
# The spine: two phones register, call, hear each other; the call shows, and
# leaves a record.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh
. tests/lib/phone.sh

t "the site comes up with its demo domain" site_up

phone_start alice 101 "$password" 440 "answermode=manual"
phone_start bob 102 "$password" 620 "answermode=auto"
t "the first phone registers" phone_registered alice
t "the second phone registers" phone_registered bob

registered() {
	[ "$(rows 'show registrations' '[.data[].user] | sort')" = \
	    '["101","102"]' ]
}
t "show registrations shows both" registered

phone_do alice dial sip:102@demo.test
t "the call is answered" phone_await alice CALL_ESTABLISHED
media_flows() {
	[ "$(stat -c %s "$(phone_heard alice)")" -gt 40000 ] &&
	    [ "$(stat -c %s "$(phone_heard bob)")" -gt 40000 ]
}
t "media flows both ways" eventually media_flows

call_shows() {
	rows 'show calls' '[.data[] | select(.from == "101" and .to == "102") |
	    .state] == ["up"]'
}
t "show calls shows it while it lasts" call_shows

phone_do alice sndcode 5
t "DTMF passes" phone_await bob CALL_DTMF_START

phone_do alice hangup
t "hanging up reaches the other phone" phone_await bob CALL_CLOSED
call_is_gone() {
	rows 'show calls' '.data == []'
}
t "show calls forgets it" eventually call_is_gone

tone_is() {
	[ "$(phone_share "$1" "$2")" -gt 80 ]
}
t "the first phone heard the tone of the second" tone_is alice 620
t "the second phone heard the tone of the first" tone_is bob 440

one_cdr() {
	rows 'show cdr domain demo.test' '[.data[] | select(.caller == "101" and
	    .called == "102" and .code == 200 and .["ended-by"] == "caller")] |
	    length == 1'
}
t "one call record is kept" eventually one_cdr

# The host of what is dialled must be the caller's own domain.
foreign_cdr() {
	rows 'show cdr domain demo.test' '[.data[] | select(.called ==
	    "sip:102@evil.example" and .code == 404 and
	    .reason == "no such host here")] | length == 1'
}
phone_do alice dial sip:102@evil.example
t "a foreign host is no place here, and that is booked" eventually foreign_cdr

phone_start eve 103 wrong 500 "answermode=manual"
failure_shows() {
	rows 'show auth-failures domain demo.test' '[.data[] | select(.user ==
	    "103" and .cause == "wrong password" and .count > 0 and
	    .source == "127.0.0.1")] | length == 1'
}
t "a wrong password shows with its cause" eventually failure_shows

phone_do alice dial sip:600@demo.test
t "the echo answers" phone_await alice CALL_ESTABLISHED 2
echo_is_heard() {
	[ "$(stat -c %s "$(phone_heard alice)")" -gt 40000 ]
}
t "the echo returns audio" eventually echo_is_heard
phone_do alice hangup
phone_await alice CALL_CLOSED 3
t "the echo returns the caller's own tone" tone_is alice 440

phone_do alice dial sip:999@demo.test
t "an unknown number is refused" phone_await alice CALL_CLOSED 4
not_found() {
	rows 'show cdr domain demo.test' '[.data[] | select(.called == "999" and
	    .code == 404)] | length == 1'
}
t "the refusal has a record too" eventually not_found

phone_stop alice
phone_stop bob
phone_stop eve
unregistered() {
	rows 'show registrations' '.data == []'
}
t "phones that leave are forgotten" eventually unregistered
