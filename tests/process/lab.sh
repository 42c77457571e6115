#!/bin/bash
# A site of three servers: they join, are run from any of their consoles, die,
# are missed and replaced, and come back. Needs root (network namespaces).
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh

t "three servers come up as one site" lab up 3
[ -z "${t_failed:-}" ] || exit 1

all_up() {
	rows "$1" 'show servers' '[.data[] | select(.state == "up") | .server] |
	    sort == ["srv1", "srv2", "srv3"]' &&
	    rows "$1" 'show server links' '[.data[] | .state] ==
	    ["up", "up"]'
}
for i in 1 2 3; do
	t "server $i sees all of them" eventually all_up $i
done

all_roles() {
	rows "$1" 'show roles' '[.data[] | select(.state == "ready")] |
	    length == 36 and ([.[].instance | split("@")[1]] | unique) ==
	    ["srv1", "srv2", "srv3"]'
}
t "show roles lists every instance of the site" eventually all_roles 3

commits() {
	lab console 3 -c "set domain lab.test description $1" -c commit
}
knows() {
	rows "$1" 'show domains' '[.data[] | select(.domain == "lab.test" and
	    .description == "'"$2"'")] | length == 1'
}
t "the console of server 3 commits, wherever the store is" commits first
for i in 1 2 3; do
	t "server $i knows what was committed" eventually knows $i first
done

restarts() {
	rows 1 'request role restart mg/1@srv2' '.data[0].instance ==
	    "mg/1@srv2"' &&
	    eventually rows 1 'show roles' '.data[] | select(.instance ==
	    "mg/1@srv2") | .restarts == 1 and .state == "ready"'
}
t "an instance of another server is restarted by its name" restarts

weighs() {
	rows 1 'show roles' '[.data[] | select(.role == "b2bua") |
	    "\(.instance) \(.weight) \(.restarts)"] | sort ==
	    ["b2bua/1@srv1 100 0", "b2bua/1@srv2 300 0", "b2bua/1@srv3 100 0"]'
}
t "a server is given another weight" lab console 3 -q \
    -c 'set server srv2 role b2bua weight 300' -c commit
t "which is shown, and restarts nothing" eventually weighs

# A cut is noticed, and after it is healed all three services of a server are
# connected anew.
link_is() {
	rows 1 'show server links' ".data[] | select(.server == \"srv3\") |
	    .state $1 \"up\""
}
said() {
	grep -c "service=$1 server=srv3 $2" "$TANDEM_LAB/srv1/tandemd.log"
}
ended() {
	local service
	for service in 1 2 3; do
		[ "$(said $service 'disconnected: its machine is silent')" = 1 ] ||
		    return 1
	done
}
again() {
	local service
	for service in 1 2 3; do
		[ "$(said $service connected)" -gt "${met[$service]}" ] || return 1
	done
}
for service in 1 2 3; do
	met[service]=$(said $service connected)
done
lab cut 1 3
lab cut 2 3
t "connections to a server that was cut off end" eventually ended
t "which is shown" eventually link_is '!='
lab heal
healed=${EPOCHREALTIME/./}
t "healed, each is there again" eventually again
echo "# $(((${EPOCHREALTIME/./} - healed) / 1000)) ms after the network"
t "and the server is up" eventually all_up 1

# 60 ms each way to server 3: a round trip of 120 ms or more, and all go on.
paced() {
	rows "$1" 'show quorum' "[.data[] | .[\"election-ms\"] $2] | length == 3 and all"
}
for i in 1 2; do
	lab slow $i 3 60 0 0
done
t "timers of all follow the round trip when the wire is slow" \
    eventually paced 1 '>= 1200'
t "and nobody is thought dead" all_up 1
t "it commits" commits slowly
lab heal
t "they are short again later" eventually paced 1 '< 1200'

away() {
	local now
	now=$(owner "$1" "$2")
	[ -n "$now" ] && [ "$now" != "$3" ]
}

# Death with and without a word: the owner of the store, then of the registrar.
for key in st sr; do
	dead=$(owner 1 $key)
	seen=$((dead % 3 + 1))
	third=$((seen % 3 + 1))
	if [ $key = sr ]; then
		lab cut "$dead" $seen
		lab cut "$dead" $third
	fi
	lab kill "$dead"
	t "another server owns $key when its owner's dies" \
	    eventually away $seen $key "$dead"
	named() {
		rows $seen 'show roles' ".data != [] and
		    (.warn | any(startswith(\"srv$dead:\")))"
	}
	t "a list names the server that does not answer" named
	commits_there() {
		lab console $third -c "set domain lab.test description $key" \
		    -c commit
	}
	t "the two that are left go on committing" eventually commits_there
	alarms_told() {
		rows $seen 'show alarms' '[.data[] | "\(.alarm) \(.subject)"] |
		    sort == ["degraded mgc", "degraded sr", "degraded st",
		    "server-down srv'"$dead"'"]'
	}
	t "alarms name the dead server and what it holds no more" \
	    eventually alarms_told
	lab heal
	t "it comes back and serves" lab start "$dead"
	t "it knows what was committed without it" \
	    eventually knows "$dead" $key
	quiet() {
		rows 1 'show alarms' '.data == []'
	}
	t "no alarm is left" eventually quiet
	switched() {
		rows $seen 'show switches' 'any(.data[]; .key == "'$key'" and
		    (.from | endswith("@srv'"$dead"'")) and
		    .cause == "server-down" and .["decided-us"] > 0 and
		    .["serving-us"] > .["decided-us"])'
	}
	t "the switch is told with its phases" eventually switched
done

# A role that is placed no more: its server owns it no more and is no member,
# also when it was the only one and the next begins with the same commit.
places() {
	lab console 1 -c "set server srv1 role sr instances $1" \
	    -c "set server srv2 role sr instances $2" \
	    -c "set server srv3 role sr instances $3" -c commit
}
held_by() {
	rows 1 'show ownership' '.data[] | select(.key == "sr") |
	    .state == "serving" and .members == "'"$1"'" and
	    (.instance | split("@")[1] as $s | "'"$1"'" | contains($s))'
}
runs_only_on() {
	rows 1 'show roles' '[.data[] | select(.role == "sr") | .instance |
	    split("@")[1]] | unique == ["'"$1"'"]'
}
t "two servers run the registrar no more" places 0 2 0
t "the one that is left owns it alone" eventually held_by srv2
t "the others run none" eventually runs_only_on srv2
t "it moves to another server in one commit" places 2 0 0
t "that one owns it alone" eventually held_by srv1
t "nobody else runs one" eventually runs_only_on srv1
t "all of them run it again" places 2 2 2
t "all of them hold it again" eventually held_by "srv1 srv2 srv3"

nothing_left() {
	lab down && [ ! -e "$TANDEM_LAB" ] &&
	    ! ip netns list | grep -q "^tl$(printf %s "$TANDEM_LAB" | cksum |
		cut -d' ' -f1)-"
}
t "the lab leaves nothing behind" nothing_left
