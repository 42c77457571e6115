#!/bin/bash
# A server whose copies are behind: that it knows no contact, or no such
# number, is confirmed at the owner on the other server before a caller is told,
# so the phone rings and the number answers.
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh
. tests/lib/phone.sh

t "two servers come up as one site" lab up 2
[ -z "${t_failed:-}" ] || exit 1
t "gates listen on both, with a domain" gates_of_two 101 102 103
phone_at 1
phone_start alice 101 secret101 440 "answermode=auto"
t "the caller registers at server 1" phone_registered alice

member() {
	rows 1 'show ownership' '[.data[] | select(.key == "sr") | .members |
	    split(" ") | index("srv2")] != [null]'
}
t "server 2 is in sync" eventually member
owns() {
	[ "$(owner 1 "$1")" = 2 ]
}
away() {
	owns "$1" || lab console 1 -c "request ownership move $1 srv2"
}
for key in sr st; do
	t "the owner of $key is on server 2" away $key
	t "server 1 knows it" eventually owns $key
done

# Only what replicators say to each other is lost, on port base + 2.
for chain in "OUTPUT --dport" "INPUT --sport"; do
	lab exec 1 iptables -A ${chain% *} -p tcp ${chain#* } 20002 -j DROP
done
phone_at 2
phone_start bob 102 secret102 620 "answermode=auto"
t "a phone registers at server 2 meanwhile" phone_registered bob
knows() {
	"$bin/tandem" -s "$TANDEM_LAB/srv$1/control.sock" --json \
	    -c 'show registrations' | jq -e \
	    '[.data[] | select(.user == "102")] | length == 1'
}
t "server 2 knows its contact" eventually knows 2
t "server 1 does not" eval '! knows 1'
phone_do alice dial sip:102@demo.test
t "called from server 1 it answers" phone_await alice CALL_ESTABLISHED
phone_do alice hangup
t "and hears of the end" phone_await bob CALL_CLOSED

counted() {
	rows 1 'show statistics' "[.data[] | select(.counter == \"$1\") |
	    .value] | add"
}
before=$(counted located)
phone_do alice dial sip:103@demo.test
t "one who is nowhere is told so" phone_await alice CALL_CLOSED 2
t "after the owner was asked" eval '[ "$(counted located)" -gt "$before" ]'

member_st() {
	rows 2 'show ownership' '[.data[] | select(.key == "st") | .members |
	    split(" ") | index("srv1")] == [null]'
}
t "server 1 is no member of the store's streams" eventually member_st
t "a number is made there" lab console 2 -q \
    -c 'set domain demo.test number 700 user 102' -c commit
t "server 1 calls it and is answered" phone_do alice dial sip:700@demo.test
t "by the phone at server 2" phone_await alice CALL_ESTABLISHED 2
phone_do alice hangup
t "and it hears of the end" phone_await bob CALL_CLOSED 2
before=$(counted st-numbers)
phone_do alice dial sip:999@demo.test
t "who calls a number that is none is told so" phone_await alice CALL_CLOSED 4
t "after the store was asked" eval \
    '[ "$(counted st-numbers)" -gt "$before" ]'
