#!/bin/bash
# Processes: all are there, each comes back when it dies, ownership moves,
# an orderly stop leaves nothing behind.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh

# A boot file that is wrong names file, line and what was expected.
bad_boot_file() {
	echo 'sever srv1' > "$dir/bad.conf"
	! "$bin/tandemd" -n -f "$dir/bad.conf" 2> "$dir/words" &&
	    grep -q 'bad.conf:1: "sever": expected one of: server' "$dir/words"
}
t "a bad boot file names file, line and expectation" bad_boot_file

no_such_user() {
	printf 'server srv1\nuser nosuch\n' > "$dir/bad.conf"
	! "$bin/tandemd" -n -f "$dir/bad.conf" 2> "$dir/words" &&
	    grep -q 'bad.conf:2: user: there is no user "nosuch"' "$dir/words"
}
t "a boot file's user must exist" no_such_user

t "the site comes up with its demo domain" site_up

all_roles() {
	[ "$(rows 'show roles' '[.data[].instance] | sort | join(" ")')" = \
	    '"b2bua/1 control/1 mg/1 mgc/1 mgc/2 quorum/1 replicator/1 sg/1 sr/1 sr/2 st/1 st/2"' ]
}
t "every role runs, two instances of each passive one" all_roles

has_columns() {
	rows 'show roles' '[.data[] | has("pid") and has("state") and
	    has("uptime")] | all'
}
t "show roles lists pid, state and uptime" has_columns

# Nothing runs as root, with new privileges or outside its filter.
confined() {
	local pid
	for pid in $(rows 'show roles' '.data[].pid'); do
		grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status" &&
		    grep -q '^Seccomp:[[:space:]]*2' "/proc/$pid/status" ||
			return 1
		[ "$(id -u)" -ne 0 ] || ! grep -q '^Uid:[[:space:]]*0' \
		    "/proc/$pid/status" || return 1
	done
}
t "every process is confined and none is root" confined

# "hg" among the flags of a heap: large pages were asked for.
large_heap() {
	awk '/\[heap\]/ { heap = 1 } heap && /^VmFlags:/ { print; exit }' \
	    "/proc/$(pid_of b2bua/1)/smaps" | grep -qw hg
}
! grep -q '\[madvise\]' /sys/kernel/mm/transparent_hugepage/enabled ||
	t "the heap of a role asks for large pages" large_heap

# What anybody on the machine sends to the inside is counted and no more.
counts_strangers() {
	rows 'show statistics' "[.data[] | select(.instance == \"$1\" and
	    .counter == \"strangers\") | .value] == [1]"
}
stranger_is_not_heard() {
	printf '1 d7:command4:pinge' > "/dev/udp/127.0.0.1/$(($port + $2))" &&
	    eventually counts_strangers "$1"
}
t "a stranger is not heard by mg" stranger_is_not_heard mg/1 71
t "a stranger is not heard by mgc" stranger_is_not_heard mgc/1 61
t "a stranger is not heard by sg" stranger_is_not_heard sg/1 21
t "a stranger is not heard by sr" stranger_is_not_heard sr/1 11

one_supervisor() {
	! timeout 10 "$bin/tandemd" -f "$state/tandem.conf" 2> "$dir/words" &&
	    grep -q 'tandemd runs on this state' "$dir/words"
}
t "a second supervisor on the same state is refused" one_supervisor

# A killed process is back under another pid and serves.
comes_back() {
	local old
	old=$(pid_of "$1")
	kill -9 "$old" || return 1
	eventually is_back "$1" "$old" && eventually all_serve
}
is_back() {
	local now
	now=$(rows 'show roles' ".data[] | select(.instance == \"$1\" and
	    .state == \"ready\") | .pid") && [ "$now" != "$2" ]
}
all_serve() {
	rows 'show ownership' '[.data[] | select(.state != "serving")] == []'
}
for instance in replicator/1 quorum/1 control/1 st/1 st/2 sr/1 sr/2 mgc/1 mgc/2 \
    b2bua/1 mg/1 sg/1; do
	t "$instance comes back after kill -9" comes_back $instance
done

for key in sr st mgc; do
	t "ownership of $key moves to the passive instance" moves $key
done

# Moved to where it is owned already, it goes to the other instance, and the
# answer says so.
moves_within() {
	local old
	old=$(owner_of sr)
	rows 'request ownership move sr srv1' ".data[0].owner == \"$old@srv1\"
	    and (.data[0].to | test(\"^sr/[12]@srv1$\")) and
	    .data[0].to != .data[0].owner and
	    (.warn[0] | contains(\"owned sr already\"))" &&
	    eventually all_serve && [ "$(owner_of sr)" != "$old" ]
}
t "a move within a server says what it did" moves_within

# One that hangs is as good as dead.
hangs() {
	local old
	old=$(pid_of "$1")
	kill -STOP "$old" || return 1
	eventually is_back "$1" "$old" && eventually all_serve
}
for instance in sr/1 quorum/1 replicator/1 sg/1; do
	t "$instance is replaced when it hangs" hangs $instance
done
hung_is_said() {
	grep -q 'role=sg/1 .*no sign of life.*state T.*killed' \
	    "$state/tandemd.log"
}
t "the log says which process hung" hung_is_said

placement() {
	tandem -c 'set server srv1 role sg instances 2' -c commit &&
	    eventually pid_of sg/2 &&
	    tandem -c 'set server srv1 role sg instances 1' -c commit &&
	    eventually sh -c "! '$bin/tandem' -s '$state/control.sock' \
	    --json -c 'show roles' | grep -q 'sg/2.*ready'"
}
t "a commit places and removes an instance without restarting others" \
    placement

leaves_nothing() {
	local pids pid
	pids=$(rows 'show roles' '.data[].pid')
	tests/lib/site stop "$state"
	for pid in $pids; do
		[ ! -d "/proc/$pid" ] || return 1
	done
	tail -1 "$state/tandemd.log" | grep -q stopped
}
t "an orderly stop leaves no process" leaves_nothing
