#!/bin/bash
# Bytes of a database that change on a disk: a replica is made anew from a good
# one and told, an owner gives its key away first, and what is damaged goes
# nowhere, although its server owns everything afterwards.
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh

# After what the rest depends on.
or_end() {
	[ -z "${t_failed:-}" ] || exit 1
}

t "three servers come up as one site" lab up 3
or_end

users=400
configure() {
	{
		echo 'set domain quiet.test description "Nobody writes here"'
		for n in $(seq 1000 $((999 + users))); do
			echo "set domain quiet.test user $n password secret$n"
		done
		echo commit
	} | lab console 1 -q -f -
}
t "a domain has $users users" configure
or_end
id=$(rows 1 'show domains | columns domain,id' '.data[] |
    select(.domain == "quiet.test") | .id' | tr -d '"')
file() { # SERVER
	ls "$TANDEM_LAB/srv$1/streams/domain/$id"*.db | tail -n 1
}
written() { # SERVER...
	local i
	for i in "$@"; do
		[ "$(stat -c %s "$(file "$i")")" -gt 100000 ] || return 1
	done
}
t "all servers have it in its file" eventually written 1 2 3

# A bit of every page but the first changes.
rot() { # FILE
	python3 - "$1" <<- 'PY'
		import sys
		with open(sys.argv[1], "r+b") as f:
		    size = f.seek(0, 2)
		    for at in range(4096 + 1000, size, 4096):
		        f.seek(at)
		        byte = f.read(1)[0]
		        f.seek(at)
		        f.write(bytes([byte ^ 16]))
	PY
}
anew() { # SERVER OLD
	[ "$(file "$1")" != "$2" ] && [ ! -e "$2" ]
}
told() { # SERVER
	rows 1 'show alarms' ".data[] | select(.alarm == \"replica-lost\" and
	    .subject == \"domain/$id\" and .server == \"srv$1\") | .text" |
		grep -q 'was damaged or missing'
}
whole() {
	local i
	for i in 1 2 3; do
		[ "$(rows "$i" "show users domain quiet.test | count" \
		    '.data[].count // .data | tostring' | tr -d '"')" = \
		    "$users" ] || return 1
	done
	same_pages 1 2 3
}
in_sync() {
	rows 1 'show ownership' '.data[] | select(.key == "st") |
	    [.members | split(" ")[]] | length == 3'
}

owned() { # KEY SERVER
	[ "$(owner 1 "$1")" = "$2" ]
}
replicator_of() { # SERVER
	rows "$1" 'show roles' ".data[] |
	    select(.instance == \"replicator/1@srv$1\") | .pid"
}
# All of it is in the file of a server, on its disk; then the server dies, bytes
# of the file change, and it is started as after a reboot: no -wal mends it.
dies() { # SERVER
	eventually synced "$1" && lab kill "$1" && lab boot "$1" &&
	    rot "$(file "$1")" && lab start "$1"
}
synced() { # SERVER
	rows "$1" "show streams" ".data[] | select(.stream ==
	    \"domain/$id\" and .server == \"srv$1\") | .lsn == .checkpoint"
}
replica() {
	local old
	old=$(file 2)
	dies 2 && eventually anew 2 "$old" && eventually told 2 &&
	    eventually in_sync
}
t "a replica that was damaged while its server was down is made anew" replica
t "an alarm tells of it, and nothing is lost" eventually whole

# Whatever comes first: it is noticed by itself, or its owner meets it.
hand_over() {
	dies 3 &&
	    eventually lab console 1 -q -c 'request ownership move st srv3' &&
	    eventually lab console 2 -q \
		-c 'set domain quiet.test description "Moved"' -c commit
}
t "one that is given the key at once does no harm" hand_over
t "nothing is lost by that" eventually whole

owner_rots() {
	local old
	lab console 1 -q -c 'request ownership move st srv1'
	eventually owned st 1 && eventually in_sync && old=$(file 1) &&
	    rot "$old" && kill -9 "$(replicator_of 1)" &&
	    eventually anew 1 "$old" && eventually told 1 && ! owned st 1 &&
	    grep -q "shall go to server=.*domain/$id is damaged here" \
		"$TANDEM_LAB/srv1/tandemd.log" &&
	    eventually in_sync
}
t "an owner with damage gives its key away and is made anew" owner_rots
t "nothing is lost by that either" eventually whole
commits() {
	lab console 1 -q -c 'set domain quiet.test user 1000 password other' \
	    -c commit
}
t "and the site goes on" commits
