#!/bin/bash
# A domain of several servers back to a point in time: asked of any of them,
# seen by all, and from the history of whoever owns the store. Needs root
# (network namespaces).
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh

t "two servers come up as one site" lab up 2
[ -z "${t_failed:-}" ] || exit 1

lab_users() {
	rows "$1" "show users domain lab.test" \
	    "[.data[] | \"\\(.user)=\\(.name)\"] | join(\" \") == \"$2\""
}
t "a domain is made" lab console 1 -c 'set domain lab.test' \
    -c 'set domain lab.test user 201 name Ann' -c commit
first=$(moment)
t "and changed on the other" lab console 2 \
    -c 'set domain lab.test user 201 name Eve' \
    -c 'set domain lab.test user 202 name Carl' -c commit
second=$(moment)
for i in 1 2; do
	t "server $i restores" lab console $i \
	    -c "restore domain lab.test to $first" -c commit
	for j in 1 2; do
		t "server $j sees it" eventually lab_users $j '201=Ann'
	done
	t "server $i restores forward" lab console $i \
	    -c "restore domain lab.test to $second" -c commit
done
# The store moves: the history of the other server is as good.
named() {
	rows 1 "show $1" '[.data[].server] | unique == ["srv1", "srv2"]'
}
for list in history replication streams ship-log; do
	t "show $list says which server tells" named $list
done
t "the other server's copy is in step" eventually rows 1 'show replication' \
    '[.data[] | select(.state == "behind" or .state == "copying")] == []'
owner=$(owner 1 st)
t "the store moves to the other server" eventually lab console 1 \
    -c "request ownership move st srv$((3 - owner))"
moved() {
	lab console "$owner" -c "restore domain lab.test to $first" -c commit
}
t "which restores from its own history" eventually moved
for j in 1 2; do
	t "server $j sees that" eventually lab_users $j '201=Ann'
done
