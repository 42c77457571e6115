#!/bin/bash
# Ports that somebody else has: the log and show alarms name the setting as
# long as it lasts, and no longer.
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

