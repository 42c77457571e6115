#!/bin/bash
# Addresses that are not to be had: a port that somebody else has, an address
# that the server has not. The log and show alarms name the setting as long as
# it lasts, and no longer.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh

t "the site comes up with its demo domain" site_up

# A stranger has the UDP port.
takes() {
	nc -4 -u -l 127.0.0.1 "$1" < /dev/null > /dev/null 2>&1 &
	taker=$!
	eventually taken "$1"
}
taken() {
	ss -Hnul "sport = :$1" | grep -q .
}
lets_go() {
	kill "$taker"
	wait "$taker" 2> /dev/null
	true
}

alarm() { # ALARM SUBJECT WORDS
	rows 'show alarms' ".data[] | select(.alarm == \"$1\" and
	    .subject == \"$2\" and .server == \"srv1\" and .since != null) |
	    .text" | grep -q "$3"
}
quiet() {
	rows 'show alarms' '.data == []'
}

t "nothing is wrong at first" eventually quiet

port_of_a_process() {
	takes $((port + 22)) &&
	    tandem -q -c 'set server srv1 role sg instances 2' -c commit &&
	    eventually alarm start sg/2 "in use; it follows from .*port-base $port" &&
	    grep -q "role=sg/2\|sg/2\[.*fatal: .*port-base $port" \
		"$state/tandemd.log" &&
	    grep -q 'alarm=start subject=sg/2 bind' "$state/tandemd.log"
}
t "a taken port of a process names port-base" port_of_a_process
lets_go
t "the alarm ends when the process has its port" eventually quiet
over() {
	grep -q 'alarm=start subject=sg/2 is over' "$state/tandemd.log" &&
	    rows 'show roles' '[.data[] | select(.instance == "sg/2") |
	    .state] == ["ready"]'
}
t "and the process runs" over

port_of_a_listener() {
	takes $((port + 504)) &&
	    tandem -q -c "set server srv1 listener busy transport udp \
		address 127.0.0.1 port $((port + 504)) instance sg/1" \
		-c commit &&
	    eventually alarm listener 'server srv1 listener busy' 'in use'
}
t "a taken port of a listener is an alarm" port_of_a_listener
lets_go
t "the alarm ends when the listener listens" eventually quiet

foreign_address() {
	tandem -q -c "set server srv1 listener away transport udp \
	    address 192.0.2.1 port $((port + 505)) instance sg/1" -c commit &&
	    eventually alarm listener 'server srv1 listener away' \
		'Cannot assign requested address'
}
t "an address that the server has not is an alarm" foreign_address
forgotten() {
	tandem -q -c 'delete server srv1 listener away' -c commit &&
	    eventually quiet
}
t "the alarm goes with the listener" forgotten
