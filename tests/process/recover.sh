#!/bin/bash
# Two servers, of which one decides; that one is lost for good. An operator
# makes the other go on alone, with all that was acknowledged, and a new server
# joins in place of the lost one. Needs root (network namespaces).
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh

t "two servers come up as one site" lab up 2
[ -z "${t_failed:-}" ] || exit 1
conf=$TANDEM_LAB/srv2/tandem.conf
recover() {
	lab exec 2 "$bin/tandemd" recover -f "$conf" "$@" > "$dir/words" 2>&1
}
says() {
	local words=$1
	shift
	! recover "$@" && grep -q "$words" "$dir/words"
}
all_members() {
	rows 2 'show ownership' '[.data[] | select(.key | . == "sr" or . == "st"
	    or . == "mgc") | select(.members == "srv1 srv2")] | length == 3'
}
t "both are members of everything" eventually all_members
{
	echo 'set domain kept.test description "before the loss"'
	echo commit
} | lab console 2 -q -f - || t_failed=1

t "a server that runs is not recovered" says 'tandemd runs on this state' srv1
lab kill 1
tells() {
	rows 2 'show alarms' '[.data[] | "\(.alarm) \(.subject)"] |
	    index("unreached srv1") != null'
}
t "that nobody decides any more is told" eventually tells
unheard() {
	rows 2 'show servers' '[.data[] | select(.server == "srv1") | .state] ==
	    ["unheard"]' && rows 2 'show ownership' '.warn | tostring |
	    contains("may be old")' && rows 2 'show quorum' '.warn | tostring |
	    contains("hears no leader")'
}
t "the other is not called up, and lists warn that they may be old" \
    eventually unheard
lab kill 2
t "a name that is unknown is refused" says 'srv3 is not of this site' srv1 srv3
t "its own name is refused" says 'srv2 is this server' srv1 srv2
t "a name may not come twice" says 'srv1 is named twice' srv1 srv1
t "somebody else's state is not there" says 'No such file' srv1 \
    -f "$dir/absent"
t "without names the usage is shown" says 'usage: tandemd'

# Without recovery the one that is left cannot serve: it only shows.
lab start 2 nowait
shows_down() {
	rows 2 'show ownership' '[.data[] | select(.key == "st" and
	    .state == "serving")] | length == 0'
}
t "alone it does not serve" eventually shows_down
lab kill 2
t "the lost one is named" eventually recover srv1
lab start 2
serves_alone() {
	rows 2 'show ownership' '[.data[] | select(.key | . == "sr" or . == "st"
	    or . == "mgc") | select(.state == "serving" and
	    (.instance | endswith("@srv2")) and .members == "srv2")] |
	    length == 3'
}
t "after recovery it owns everything" eventually serves_alone
gone() {
	rows 2 'show quorum' '.data | length == 1 and .[0].down == null and
	    .[0].up == "srv2"'
}
t "the lost one is not of the site any more" eventually gone
kept() {
	rows 2 'show domains' '[.data[].domain] | index("kept.test") != null'
}
t "what was acknowledged is there" kept
commits() {
	lab console 2 -q -c 'set domain new.test' -c commit
}
t "it commits again" eventually commits
lab kill 2
lab start 2
t "a second start needs no recovery" eventually serves_alone
t "and has what was committed since" rows 2 'show domains' \
    '[.data[].domain] | index("new.test") != null'

# The lost one was not lost, and comes back with its old state.
lab start 1 nowait
refused() {
	rows 2 'show server links' '[.data[].reason] | tostring |
	    contains("not of this site")'
}
t "the lost one is turned away when it comes back" eventually refused
t "and the site goes on as it was" serves_alone
lab kill 1
outside() {
	rows 2 'show servers' '[.data[] | select(.server == "srv1") | .state] ==
	    ["outside"]'
}
t "it is shown as outside the site" eventually outside

t "a new server joins" lab add
joined() {
	rows 2 'show ownership' '[.data[] | select(.key | . == "sr" or . == "st"
	    or . == "mgc") | select(.members | split(" ") | sort ==
	    ["srv2", "srv3"])] | length == 3'
}
t "and becomes a member" eventually joined
