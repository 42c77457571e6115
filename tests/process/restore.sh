#!/bin/bash
# One domain back to a point in time while the others stay as they are;
# restore_site.sh has several servers.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh

t "the site comes up with its demo domain" site_up
[ -z "${t_failed:-}" ] || exit 1

# The users of a domain with their names, as one line.
users() {
	rows "show users domain $1" '[.data[] | "\(.user)=\(.name)"] | join(" ")'
}
are() {
	[ "$(users "$1")" = "\"$2\"" ]
}
# What the streams of the other domains hold, call records and all.
bytes_of() {
	local id
	id=$(rows 'show domains' ".data[] | select(.domain == \"$1\") | .id" |
	    tr -d '"')
	sqlite3 "$state/streams/domain/$id.db" .dump | sha256sum
}

begin=$(moment)
t "two domains are made" tandem -c 'set domain one.test' \
    -c 'set domain one.test user 201 name Ann password secret201' \
    -c 'set domain two.test' -c 'set domain two.test user 301 name Bob' \
    -c commit
first=$(moment)
t "one of them changes" tandem \
    -c 'set domain one.test user 201 name Anna password other' \
    -c 'set domain one.test user 202 name Carl' \
    -c 'set domain one.test number 5 user 201' -c commit
second=$(moment)
t "and is spoiled" tandem -c 'delete domain one.test user 201' \
    -c 'delete domain one.test number 5' \
    -c 'set domain one.test user 202 name Nobody' \
    -c 'set domain one.test description spoiled' -c commit
other=$(bytes_of two.test)

sealed() {
	local id
	id=$(rows 'show domains' '.data[] | select(.domain == "one.test") | .id' |
	    tr -d '"')
	sqlite3 "$state/streams/domain/$id.db" \
	    'SELECT hex(password) FROM user WHERE user = 201'
}
told() {
	tandem --json -c "restore domain one.test to $second" -c discard |
	    jq -es '.[0].data[0] | .domain == "one.test" and .changes > 3 and
	    .rev > 1'
}
t "restore says what it found" told
one_session() {
	tandem -c "restore domain one.test to $second" -c compare -c commit
}
compared() {
	tandem -c "restore domain one.test to $second" -c compare -c discard |
	    grep -q 'domain one.test user 201' &&
	    are one.test '202=Nobody'
}
t "compare shows it before anything runs" compared
t "it is committed" one_session
t "the users are what they were" eventually are one.test '201=Anna 202=Carl'
described() {
	rows 'show domains' '.data[] | select(.domain == "one.test") |
	    .description == null'
}
t "so is the domain's own row" eventually described
kept=$(sealed)
t "back to the first commit" tandem \
    -c "restore domain one.test to $first" -c commit
t "its users are back" eventually are one.test '201=Ann'
password_differs() {
	[ -n "$kept" ] && [ "$(sealed)" != "$kept" ]
}
t "with the password of that time" eventually password_differs
t "forward again: what was restored from is history too" tandem \
    -c "restore domain one.test to $second" -c commit
password_is() {
	[ "$(sealed)" = "$kept" ]
}
t "with the other password, as it was sealed" eventually password_is
two_is() {
	[ "$(bytes_of two.test)" = "$other" ]
}
t "the other domain has not moved" two_is

t "the domain is deleted" tandem -c 'delete domain one.test' -c commit
t "a deleted domain is restored" tandem \
    -c "restore domain one.test to $second" -c commit
t "with its users" eventually are one.test '201=Anna 202=Carl'

# refuse STATUS WORDS LINE: the console's exit status and what it says.
refuse() {
	local status=$1 words=$2 out
	shift 2
	out=$(tandem -c "$1" 2>&1)
	[ $? -eq "$status" ] && grep -q -- "$words" <<< "$out" && return
	echo "$out"
	return 1
}
t "a domain that was not there yet" refuse 3 'there was no domain one.test' \
    "restore domain one.test to $begin"
t "a domain that never was" refuse 3 'there was no domain six.test' \
    "restore domain six.test to $second"
t "a time before all history" refuse 3 'begins at' \
    'restore domain one.test to 2001-01-01T00:00:00Z'
t "a time to come" refuse 2 'still to come' \
    'restore domain one.test to 2999-01-01T00:00:00Z'
t "no time at all" refuse 2 'column 28: to: expected a time' \
    'restore domain one.test to noon'
dirty() {
	local out
	out=$(tandem -c 'set domain one.test description x' \
	    -c "restore domain one.test to $second" 2>&1)
	grep -q 'commit or discard them first' <<< "$out"
}
t "a candidate with changes is left alone" dirty
listed() {
	rows 'show history' '[.data[] | select(.stream == "domain/root" and
	    .from != null)] | length == 1'
}
t "show history says how far back" listed

# The replicator dies: its log says the same.
kill -9 "$(pid_of replicator/1)"
later() {
	tandem -c "restore domain one.test to $first" -c commit
}
t "the replicator is killed, and restores" eventually later
t "what was first" eventually are one.test '201=Ann'
