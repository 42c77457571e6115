#!/bin/bash
# What a server does not know yet is no empty list: while replicators and whole
# servers come back, lists of users and registrations are whole or an error.
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh
. tests/lib/phone.sh

t "two servers and a witness come up as one site" lab up 2 witness
[ -z "${t_failed:-}" ] || exit 1
t "gates listen on both, with a domain" gates_of_two 101 102
phone_at 1
phone_start alice 101 secret101 440 "answermode=auto"
t "a phone registers" phone_registered alice

asks=('show users domain demo.test' 'show registrations')
rows_of=(2 1)
all() { # SERVER
	local k
	for k in 0 1; do
		rows "$1" "${asks[$k]}" ".data | length == ${rows_of[$k]}" ||
			return 1
	done
}
both() {
	all 1 && all 2
}
t "both servers know them" eventually both
[ -z "${t_failed:-}" ] || exit 1

# An answer that says nothing of being short is not short. Asked until both
# servers know all again, and at least so often.
wrong=
honest() { # SERVER
	local k said
	for k in 0 1; do
		said=$(lab console "$1" --json -c "${asks[$k]}" 2> /dev/null)
		jq -e ".ok != true or (.data | length == ${rows_of[$k]})" \
		    <<< "$said" > /dev/null && continue
		wrong="server $1, ${asks[$k]}: $said"
		return 1
	done
}
honest_for() { # N
	local i
	for ((i = 0; i < $1; i++)); do
		honest 1 && honest 2 || { echo "$wrong"; return 1; }
	done
}
honest_until_whole() { # N
	local i end=$((SECONDS + 60))
	for ((i = 0; i < $1 || SECONDS < end; i++)); do
		honest 1 && honest 2 || { echo "$wrong"; return 1; }
		[ "$i" -lt "$1" ] || ! both > /dev/null 2>&1 || return 0
	done
	echo "they do not come back"
	return 1
}
# Right after a domain was made: nothing of it is in a file on disk yet.
fresh() { # DOMAIN
	lab console 1 -q -c "set domain $1" \
	    -c "set domain $1 user 101 password secret101" \
	    -c "set domain $1 user 102 password secret102" -c commit &&
	    asks[0]="show users domain $1"
}
replicator_of() { # SERVER
	rows "$1" 'show roles' ".data[] |
	    select(.instance == \"replicator/1@srv$1\") | .pid"
}
replicators_die() { # DOMAIN
	local pids
	pids="$(replicator_of 1) $(replicator_of 2)"
	fresh "$1" && eventually both && kill -9 $pids && honest_until_whole 10
}
for i in 1 2 3; do
	t "replicators of both die: no list is short ($i)" \
	    replicators_die "fresh$i.test"
done
servers_die() {
	fresh other.test && eventually both && lab kill 1 && lab kill 2 && lab start 1 nowait && lab start 2 nowait &&
	    honest_for 30
}
t "both servers die and come back: no list is short" servers_die
