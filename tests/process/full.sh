#!/bin/bash
# The disk of the server that owns everything is full: it says so, others take
# over, and nothing that was acknowledged is lost; with room again it comes back
# by itself. Then that of a follower. Needs root (network namespaces, tmpfs).
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh

# Server 2 has a small disk of its own.
small=$TANDEM_LAB/srv2
full_end() {
	[ -z "${t_failed:-}" ] || tail -n 40 "$small/tandemd.log"
	lab kill 2 # what it is told by is in there
	umount "$small"
	t_end
}
mkdir -p "$small" && mount -t tmpfs -o size=400m tandem-full "$small" || exit 2
trap full_end EXIT
# fill [BLOCKS]: so many of 4 KB are left.
fill() {
	local left=$(($(stat -f -c %a "$small") - ${1:-0}))
	head -c $((left * 4096)) /dev/zero > "$small/fill"
	[ "$(stat -f -c %a "$small")" -le "${1:-0}" ]
}
room() {
	rm "$small/fill"
}

t "three servers come up as one site" lab up 3
[ -z "${t_failed:-}" ] || exit 1
members() {
	rows 1 'show ownership' "[.data[] | select(.key | . == \"sr\" or
	    . == \"st\") | select(.state == \"serving\" and .members ==
	    \"$1\")] | length == 2"
}
t "all are in sync" eventually members "srv1 srv2 srv3"
{
	listens_at 1 2
	echo 'set domain demo.test'
	echo 'set gate default requests-per-second 100000'
	for u in $(seq 1000 1039); do
		echo "set domain demo.test user $u password secret$u"
	done
	echo commit
} | lab console 1 -q -f - || t_failed=1

owns_all() {
	[ "$(owner 1 sr) $(owner 1 st)" = "2 2" ]
}
for key in sr st; do
	[ "$(owner 1 $key)" = 2 ] ||
		lab console 1 -q -c "request ownership move $key srv2"
done
t "server 2 owns registrations and configuration" eventually owns_all

# Each commit that is acknowledged is noted.
: > "$dir/kept"
noted() {
	local name
	name=k$(wc -l < "$dir/kept").test
	lab console 1 -q -T 5 -c "set domain $name description \"$(
		head -c 190 /dev/zero | tr '\0' x)\"" -c commit \
	    2> "$dir/why" && echo "$name" >> "$dir/kept"
}
kept() {
	rows "$1" 'show domains limit 100000' '[.data[].domain]' > "$dir/there"
	jq -Rn --slurpfile there "$dir/there" '[inputs] - $there[0]' "$dir/kept" |
	    tee "$dir/lacks"
	[ "$(cat "$dir/lacks")" = "[]" ]
}
# registers WHAT: of some REGISTERs at server 1 none failed, or some did.
registers() {
	lab exec 1 "$bin/tests/bench/sip_load" register --target "127.0.0.1:$sip" \
	    --first 1000 --users 40 --password secret%u --duration 2 --json |
	    jq -e "$1"
}
all_do='.done > 0 and .failed == 0'
t "a commit is acknowledged" noted
t "phones register" registers "$all_do"
alarmed() {
	rows 1 'show alarms' "[.data[] | select(.alarm == \"${2:-disk}\" and
	    .server == \"srv2\")] | length == $1"
}
# What its gate hears and answers is more than the recorder keeps in memory.
printf '%s\r\n' "OPTIONS sip:10.77.0.2 SIP/2.0" \
    "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx" \
    "From: <sip:1000@demo.test>;tag=1" "To: <sip:10.77.0.2>" \
    "Call-ID: x" "CSeq: 1 OPTIONS" "Max-Forwards: 70" \
    "X-Long: $(head -c 1000 /dev/zero | tr '\0' x)" \
    "Content-Length: 0" "" > "$dir/options"
recorded() {
	lab exec 2 bash -c "for i in {1..400}; do
	    cat '$dir/options' > /dev/udp/127.0.0.1/5060; done"
	eventually alarmed "$1" trace
}
owned_by_others() {
	[ "$(owner 1 sr)" != 2 ] && [ "$(owner 1 st)" != 2 ] &&
	    [ -n "$(owner 1 sr)" ] && [ -n "$(owner 1 st)" ]
}
control_pid() {
	rows 2 'show roles' '.data[] | select(.instance | startswith("control/1")
	    and (endswith("@srv1") or endswith("@srv3") | not)) | .pid'
}

# ---- the owner's disk -------------------------------------------------------

control_pid > "$dir/control"
t "the disk of the owner is full" fill
t "other servers own what it owned" eventually owned_by_others
t "a commit is acknowledged" eventually noted
t "phones register" eventually registers "$all_do"
t "an alarm says that the disk is full" eventually alarmed 1
t "what passes its gate is not kept any more, and an alarm says so" recorded 1
t "the full server still answers its console" eval \
    '[ -s "$dir/control" ] && control_pid | cmp - "$dir/control"'
for i in 1 3; do
	t "server $i has every commit that was acknowledged" eventually kept $i
done
t "there is room again" room
t "all are in sync again" eventually members "srv1 srv2 srv3"
t "the alarm is over" eventually alarmed 0
t "that of the recorder with the next that it keeps" recorded 0
t "it has every commit, too" eventually kept 2

# ---- a follower's disk ------------------------------------------------------

t "the disk of a follower has less than the ship log may need" fill 10000
t "commits are acknowledged without it" eventually eval 'noted && noted'
t "phones register" eventually registers "$all_do"
t "an alarm says that its disk is full" eventually alarmed 1
t "there is room again" room
t "it is in sync again" eventually members "srv1 srv2 srv3"
for i in 1 2 3; do
	t "server $i has every commit that was acknowledged" eventually kept $i
done
t "it can own again" lab console 1 -q -c 'request ownership move st srv2'
t "a commit is acknowledged by it" eventually noted
