#!/bin/bash
# Why a call went where it went, asked at another server than had it: of a call
# that was answered, and of one that was refused. A route that is tried out
# takes the steps that the call took; also asked of a witness, which routes
# nothing itself. Who may see what is in trace_rights.sh.
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh
. tests/lib/phone.sh

t "two servers and a witness come up as one site" lab up 2 witness
[ -z "${t_failed:-}" ] || exit 1
t "gates listen on both, with a domain" gates_of_two 101 102
configure() {
	{
		echo 'set domain other.test'
		echo 'set domain demo.test user 103 state off password secret103'
		echo commit
	} | lab console 1 -q -f -
}
t "and a user who is off, and another domain" configure
phones_of_two auto

# call TO CODE: the last call to a number, once it is over with that code: $id.
is_over() {
	id=$(rows 2 "trace calls number $1" "[.data[] | select(.to == \"$1\" and
	    .code == $2)][0].id // empty" | tr -d '"')
	[ -n "$id" ]
}
# why I OP: the steps as server I tells them, in $dir/why.
why() {
	lab console "$1" --json -c "$2" > "$dir/why"
}
of_why() {
	jq -e "$1" "$dir/why" > "$dir/jq" || {
		jq -r '.data[]? | "\(.step) \(.name) | \(.rule) | \(.result)"' \
		    "$dir/why"
		return 1
	}
}
# Name, rule and result of the steps that both have to have: from the
# configuration on, without stages, in which only a real call is.
routed='[.data[] | select(.name | IN("configuration", "domain", "caller",
    "host", "dialled", "exact", "user", "contacts", "contact", "refused",
    "owner")) | [.name, .rule, .result]]'
keep() {
	jq -c "$routed" "$dir/why" > "$dir/$1"
}
same_steps() {
	keep tried && [ "$(jq length "$dir/real")" -gt 4 ] &&
	    diff "$dir/real" "$dir/tried"
}

# ---- one that is answered ------------------------------------------------------

phone_do alice dial sip:102@demo.test
t "a call is answered" phone_await alice CALL_ESTABLISHED
phone_do alice hangup
t "and hung up" phone_await bob CALL_CLOSED
t "its end is recorded" eventually is_over 102 200
t "the other server says why" why 2 "show call why $id"
whole() {
	of_why '[.data[] | [.step, .name]] == [["1", "identity"],
	    ["2", "configuration"], ["3", "domain"], ["4", "caller"],
	    ["5", "host"], ["6", "dialled"], ["7", "exact"], ["7.1", "user"],
	    ["8", "stage"], ["8.1", "contacts"], ["8.2", "contact"],
	    ["8.3", "leg"], ["9", "end"]]' &&
	    of_why 'all(.data[]; .server == "srv1")' &&
	    of_why '.data[0].at == "+0.000" and .warn == []'
}
t "from who calls to who hung up, in order" whole
in_words() {
	of_why '[.data[] | select(.name | IN("exact", "leg", "end")) |
	    [.rule, .result]] == [["number 102", "user 102"],
	    ["leg b1", "answers"], ["by the caller", "200 normal clearing"]]' &&
	    of_why 'any(.data[]; .name == "configuration" and
		(.rule | test("^revision [0-9]+$")))'
}
t "in words, with the revision" in_words
keep real
for i in 1 2 3; do
	t "server $i tries the same route out" \
	    why $i 'test route from 101 to sip:102@demo.test domain demo.test'
	t "with the same steps" same_steps
done

# ---- those that are refused ------------------------------------------------------

n=1
refused() {
	local to=$1 code=$2 step=$3
	n=$((n + 1))
	phone_do alice dial "sip:$to@demo.test"
	t "a call to $to fails" phone_await alice CALL_CLOSED $n
	t "with $code" eventually is_over "$to" "$code"
	t "and there is a why" why 2 "show call why $id"
	t "$step" of_why "any(.data[]; .result == \"$step\") and
	    (.data[-1] | .name == \"end\" and
	    (.result | startswith(\"$code \")))"
	keep real
	t "to $to is tried out" why 2 \
	    "test route from 101 to sip:$to@demo.test domain demo.test"
	t "with the steps of the call to $to" same_steps
}
refused 999 404 "no such number"
refused 103 480 "the called user is switched off"
absent() {
	phone_stop bob
	rows 2 'show registrations' '[.data[].user] == ["101"]'
}
t "the second phone is gone" eventually absent
refused 102 480 "none, says the owner of registrations"

# ---- what is not committed ------------------------------------------------------

# Asked at either server: the store is on one of them.
candidate() {
	lab console "$1" --json -c 'set domain demo.test number 700 user 101' \
	    -c 'test route from 102 to 700 domain demo.test candidate' \
	    -c 'test route from 102 to 700 domain demo.test' |
		jq -cs '{data: .[1].data, then: .[2].data}' > "$dir/why"
	of_why '(.data[] | select(.name == "exact") | .result) == "user 101" and
	    .data[0].result == "candidate of this session" and
	    (.then[] | select(.name == "exact") | .result) == "no such number"'
}
for i in 1 2; do
	t "server $i tries a number out that is not committed" candidate $i
done

# ---- what is not there -----------------------------------------------------------

none() {
	! lab console 2 --json -c 'show call why 0123' > "$dir/why" &&
	    of_why '.code == "absent"'
}
t "of a call that nobody knows there is none" none
unknown() {
	! lab console 2 --json -c 'test route from 101 to 102' > "$dir/why" &&
	    of_why '.code == "invalid"'
}
t "a route is one of a domain" unknown
phone_stop alice
