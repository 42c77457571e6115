#!/bin/bash
# Two servers and a witness, which votes and holds no data: each of the three
# is killed and cut off in turn under a load of commits and registrations. Who
# is left serves on, and nothing that was acknowledged is lost. Needs root
# (network namespaces).
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh
patience=30
writers=
trap 'touch "$dir/end"; wait; t_end' EXIT

# ---- what a witness is ---------------------------------------------------

t "two servers and a witness come up as one site" lab up 2 witness
[ -z "${t_failed:-}" ] || exit 1

all_vote() {
	rows "$1" 'show quorum' '[.data[] | select(.vote == "voter")] |
	    length == 3'
}
knows_witness() {
	rows "$1" 'show servers' '[.data[] | select(.state == "up") |
	    [.server, .witness]] | sort == [["srv1", false], ["srv2", false],
	    ["srv3", true]]'
}
for i in 1 2 3; do
	t "server $i sees three voters" eventually all_vote $i
	t "server $i knows who is the witness" eventually knows_witness $i
done
runs_little() {
	rows 3 'show roles' '[.data[].instance | select(endswith("@srv3"))] |
	    sort == ["control/1@srv3", "quorum/1@srv3"]' &&
	    [ -z "$(ls "$TANDEM_LAB/srv3/streams" "$TANDEM_LAB/srv3/log" |
		grep -v :)" ]
}
t "the witness runs two processes and holds nothing" runs_little
no_follower() {
	rows 1 'show replication' '[.data[].follower] | index("srv3") == null'
}
t "nobody waits to ship to it" no_follower
refuses() {
	! lab console 1 -c 'set server srv3 role sr instances 1' -c commit \
	    2> "$dir/words" && grep -q 'srv3 is a witness' "$dir/words"
}
t "a role on it is refused at commit" refuses
holds_none() {
	! lab console 3 -c 'show domains' 2> "$dir/words" &&
	    grep -q 'srv3 is a witness and holds no data' "$dir/words"
}
t "it says that it holds no data" holds_none
other_kind() {
	sed 's/^witness yes//' "$TANDEM_LAB/srv3/tandem.conf" > "$dir/conf" &&
	    lab kill 3 && ! lab exec 3 "$bin/tandemd" -f "$dir/conf" \
	    2> "$dir/words" && grep -q 'joined as a witness' "$dir/words" &&
	    ! "$bin/tandemd" recover srv1 srv2 \
	    -f "$TANDEM_LAB/srv3/tandem.conf" 2> "$dir/words" &&
	    grep -q 'is a witness and holds no data' "$dir/words" &&
	    lab start 3
}
t "it is no other kind of server, and cannot be recovered" other_kind

# ---- faults under load -----------------------------------------------------

writer() {
	local i=$1 n
	for n in $(seq $((i * 10000)) $((i * 10000 + 9999))); do
		until lab console "$i" -q -T 10 \
		    -c "set domain lab.test user $n password secret$n" \
		    -c commit; do
			[ ! -e "$dir/end" ] || return 0
			sleep 0.1
		done > /dev/null 2>&1
		echo "$n" >> "$dir/users"
		lab exec "$i" "$bin/tests/bench/sip_load" register \
		    --target 127.0.0.1:5060 --domain lab.test --first "$n" \
		    --users 1 --count 1 --expires 3600 \
		    --password secret%u > "$dir/load.$i" 2>&1 &&
		    echo "$n" >> "$dir/phones"
		[ ! -e "$dir/end" ] || return 0
	done
}
whole() {
	rows "$1" 'show ownership' '[.data[] | select(.key == "sr" or
	    .key == "st" or .key == "mgc") | select(.state == "serving" and
	    (.members | split(" ") | length) == 2)] | length == 3'
}
# alone I: server I owns all and is the only member.
alone() {
	rows "$1" 'show ownership' '[.data[] | select(.key == "sr" or
	    .key == "st" or .key == "mgc") | select(.state == "serving" and
	    (.instance | endswith("@srv'"$1"'")) and
	    .members == "srv'"$1"'")] | length == 3'
}
# After a cut the connections need a while.
hears_all() {
	local i
	for i in 1 2 3; do
		rows $i 'show servers' '[.data[] | select(.state == "up")] |
		    length == 3' && rows $i 'show server links' \
		    '[.data[].state] == ["up", "up"]' || return 1
	done
}
# goes_on I: of the writer at server I more is acknowledged than before.
noted() {
	cat "$dir/$1" | grep -c "^$2[0-9][0-9][0-9][0-9]$"
}
goes_on() {
	local users phones
	users=$(noted users "$1") phones=$(noted phones "$1")
	more() {
		[ "$(noted users "$1")" -gt "$users" ] &&
		    [ "$(noted phones "$1")" -gt "$phones" ]
	}
	eventually more "$1"
}
# A cut takes two steps: the witness goes first, or the server that is to be
# cut off may have the other one removed in between, and be right.
take_away() {
	case $1 in
	kill) lab kill "$2" ;;
	cut) for j in 3 2 1; do
		[ "$j" = "$2" ] || lab cut "$2" "$j" || return 1
	done ;;
	esac
}
give_back() {
	lab heal
	[ "$1" = cut ] || lab start "$2"
}

touch "$dir/users" "$dir/phones"
{
	for i in 1 2; do
		echo "set server srv$i listener udp transport udp" \
		    "address 127.0.0.1 port 5060"
	done
	echo 'set domain lab.test'
	echo 'set gate default requests-per-second 100000'
	echo commit
} | lab console 1 -q -f - || exit 1
t "both servers hold all" eventually whole 1
for i in 1 2; do
	writer $i &
	writers="$writers $!"
done
for how in kill cut; do
	for i in 1 2; do
		t "both servers hold all" eventually whole $((3 - i))
		t "each hears the others" eventually hears_all
		t "$how server $i" take_away $how $i
		t "the other one owns all" eventually alone $((3 - i))
		t "it commits and registers" goes_on $((3 - i))
		t "server $i comes back" give_back $how $i
	done
	t "$how the witness" take_away $how 3
	t "server 1 commits and registers without it" goes_on 1
	t "server 2 commits and registers without it" goes_on 2
	t "the witness comes back" give_back $how 3
	t "three vote again" eventually all_vote 3
done
touch "$dir/end"
wait $writers

# missing NOTED COLUMN I OP: what was noted and server I does not know.
missing() {
	lab console "$3" --json -c "$4" | jq -r ".data[].$2" | sort -u |
	    comm -13 - <(sort -u "$dir/$1")
}
has_all() {
	local lost
	lost="$(missing users user "$1" 'show users domain lab.test')
$(missing phones user "$1" 'show registrations domain lab.test')"
	echo "lacks: $lost"
	[ -z "${lost//[[:space:]]/}" ]
}
echo "# $(wc -l < "$dir/users") commits, $(wc -l < "$dir/phones")" \
    "registrations were acknowledged"
for i in 1 2; do
	t "server $i has all that was acknowledged" has_all $i
done
