#!/bin/bash
# A server whose copy of the registrations is behind: that it knows no contact
# is confirmed at the registrar's owner on the other server before a caller is
# told, so the phone rings.
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
	[ "$(owner 1 sr)" = "$1" ]
}
away() {
	owns 2 || lab console 1 -c 'request ownership move sr srv2'
}
t "the registrar's owner is on server 2" away
t "server 1 knows it" eventually owns 2

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

located() {
	rows 1 'show statistics' '[.data[] | select(.counter == "located") |
	    .value] | add'
}
before=$(located)
phone_do alice dial sip:103@demo.test
t "one who is nowhere is told so" phone_await alice CALL_CLOSED 2
t "after the owner was asked" eval '[ "$(located)" -gt "$before" ]'
