#!/bin/bash
# Two servers that prefer availability: either goes on alone when the other
# dies; cut off from each other both do, and when they meet one of them yields:
# what it had acknowledged meanwhile is kept for review. Needs root (network
# namespaces).
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh

t "two servers come up as one site" lab up 2
[ -z "${t_failed:-}" ] || exit 1
owned_by() { # SERVER MEMBERS, as server $3 sees it
	rows "$3" 'show ownership' "[.data[] | select(.key | . == \"sr\" or
	    . == \"st\" or . == \"mgc\") | select(.state == \"serving\" and
	    (.instance | endswith(\"@$1\")) and .members == \"$2\")] |
	    length == 3"
}
as_one() {
	rows 1 'show ownership' '[.data[] | select(.key | . == "sr" or
	    . == "st" or . == "mgc") | select(.state == "serving" and
	    .members == "srv1 srv2")] | length == 3'
}
has() { # SERVER DOMAIN..
	local i=$1 d
	shift
	for d in "$@"; do
		rows "$i" 'show domains' "[.data[].domain] | index(\"$d\") != null" ||
		    return
	done
}
lacks() {
	! has "$@"
}
makes() { # SERVER DOMAIN
	lab console "$1" -q -c "set domain $2" -c commit
}
t "both are members of everything" eventually as_one
warns() {
	lab console 1 -c 'set site default prefer availability' -c commit \
	    > "$dir/words" 2>&1 && grep -q 'may lose acknowledged' "$dir/words"
}
t "what may be lost is said to whoever prefers availability" warns
t "a domain is made" makes 1 before.test
t "and known to both" eventually has 2 before.test
# What the group has decided has to be known to both: only then it counts.
decided() {
	grep -q 'decided: prefer' "$TANDEM_LAB/srv2/tandemd.log"
}
t "both know what is preferred" eventually decided

lab kill 1
t "the one that does not decide goes on when the other dies" \
    eventually owned_by srv2 srv2 2
alone() {
	rows 2 'show alarms' '[.data[] | "\(.alarm) \(.subject)"] |
	    index("apart srv1") != null'
}
t "an alarm says that it is alone" eventually alone
t "it commits" makes 2 alone.test
lab kill 2
lab start 2 nowait
t "started again it still is" eventually owned_by srv2 srv2 2
t "with what it had" has 2 before.test alone.test
lab start 1 nowait
t "the other one comes back as a follower" eventually as_one
t "with what was committed without it" eventually has 1 before.test alone.test
none() { # SERVER
	rows "$1" 'show conflicts' '.data == []'
}
t "nothing was given up" none 1

# A server that was down while the other one went on knows nothing of that: it
# does not decide before it has heard.
lab kill 1
t "the one that is left commits" eventually makes 2 later.test
lab kill 2
lab start 1 nowait
waits() {
	rows 1 'show alarms' '[.data[] | "\(.alarm) \(.subject)"] |
	    index("waits quorum") != null'
}
t "the other one waits for it when it returns alone" eventually waits
refuses_1() {
	! timeout 5 tests/lab/lab console 1 -q -c 'set domain no.test' -c commit
}
t "and commits nothing" refuses_1
lab start 2 nowait
t "with both back all is there" eventually as_one
t "also what one had committed alone" eventually has 1 later.test
t "nothing was given up then" none 1

# Both go on, and both commit. What the one that yields makes first is a
# database that the other has not, of a domain that both have.
lab cut 1 2
t "cut off from the other, one goes on" eventually owned_by srv1 srv1 1
t "and so does the other" eventually owned_by srv2 srv2 2
t "one commits" makes 1 one.test
t "and so does the other" makes 2 two.test
for i in 1 2; do
	t "more of it at $i" lab console $i -q -c "set domain deep$i.test" \
	    -c "set domain deep$i.test user 1 name x" \
	    -c "set domain before.test user $i name y" -c commit
	t "and again" makes $i "last$i.test"
done
alone_both() {
	rows 1 'show alarms' '[.data[] | "\(.alarm) \(.subject)"] |
	    index("apart srv2") != null' &&
		rows 2 'show alarms' '[.data[] | "\(.alarm) \(.subject)"] |
	    index("apart srv1") != null'
}
t "both say that they are alone" eventually alone_both
lab heal
t "when they meet they are one site again" eventually as_one
# The higher epoch stays; whose that is follows from what was moved.
if has 1 one.test > /dev/null; then stays=one gone=two; else stays=two gone=one; fi
t "both have what one of them had committed" eventually has 1 $stays.test
t "both, indeed" eventually has 2 $stays.test
t "and not what the other one had" lacks 1 $gone.test
t "neither of them" lacks 2 $gone.test
kept() {
	rows 1 'show conflicts' '([.data[] | select(.state == "kept") |
	    .conflict | sub("~.*"; "")] | sort) as $all |
	    ($all | index("commit")) != null and
	    ($all | index("domain/root")) != null'
}
t "that is kept" eventually kept
case $stays in one) winner=1 loser=2 ;; *) winner=2 loser=1 ;; esac
only_users() { # of before.test, as a server sees them
	rows "$1" 'show users domain before.test' \
	    "[.data[].user] == [\"$winner\"]"
}
t "users of a domain that both have are those of the one that stays" \
    eventually only_users $winner
t "also where others had been made" eventually only_users $loser
moves() {
	lab console 1 -q -c "request ownership move st srv$loser"
}
t "the store moves to where it had yielded" eventually moves
t "it commits there" makes $loser onward.test
t "which all have" eventually as_one
t "indeed" eventually has $winner onward.test
t "what was given up has not come back" only_users $loser
t "nowhere" only_users $winner
where=$(lab console 1 --json -c 'show conflicts' |
    jq -r '.data[] | select(.conflict | startswith("domain/root")) |
	"\(.server) \(.conflict)"')
server=${where% *} name=${where#* }
shows() {
	rows "${server#srv}" "show conflict $name" "([.data[] |
	    select(.table == \"domain\" and .where == \"given-up\") | .row] |
	    tostring | contains(\"$gone.test\")) and ([.data[] |
	    select(.table == \"domain\" and .where == \"site\") | .row] |
	    tostring | contains(\"$stays.test\"))"
}
t "and can be compared with what the site has" shows
told() {
	rows 1 'show alarms' '[.data[] | select(.alarm == "conflict")] | length > 0'
}
t "an alarm asks for it" eventually told
steps() {
	rows "${server#srv}" "show conflict commit~${name##*~}" "[.data[] |
	    select(.where == \"given-up\" and .table == \"change\") | .row |
	    select(contains(\"path=domain deep$loser.test user 1\") and
	    contains(\"new=x\"))] | length == 1"
}
t "its commits are told step by step" steps
t "done again it is there" makes 1 $gone.test
exits() {
	local want=$1
	shift
	"$@" > /dev/null 2>&1
	[ $? = "$want" ]
}
t "a conflict of another name is absent" \
    exits 3 lab console 1 -c "request conflict drop $server domain/root~99"
t "a path is no name" \
    exits 2 lab console 1 -c "request conflict drop $server ../../x~1"
lab console 1 --json -c 'show conflicts' |
    jq -r '.data[] | "request conflict drop \(.server) \(.conflict)"' |
    lab console 1 -f - > /dev/null
t "what was looked at is removed" eventually none 1

# Consistency again: alone the other one only shows.
t "consistency is preferred again" lab console 1 -q \
    -c 'set site default prefer consistency' -c commit
decider=$(lab console 1 --json -c 'show quorum' |
    jq -r '.data[] | select(.vote == "voter") | .server[3:]' | head -n 1)
other=$((3 - decider))
knows() {
	[ "$(grep -c 'decided: prefer' "$TANDEM_LAB/srv$other/tandemd.log")" -gt 1 ]
}
t "which both know" eventually knows
lab kill "$decider"
sees_no_one() {
	rows "$other" 'show alarms' "[.data[] | \"\(.alarm) \(.subject)\"] |
	    index(\"unreached srv$decider\") != null"
}
t "so the one that does not decide says that nobody decides" \
    eventually sees_no_one
refuses() {
	! timeout 20 tests/lab/lab console "$other" -q -c 'set domain no.test' \
	    -c commit
}
t "and commits nothing" refuses
