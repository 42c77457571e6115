# What every test of several servers begins with; sourced. It needs root for
# network namespaces, and says so. Gives $dir (scratch), $bin, $sip, t and
# eventually (ok.sh), and:
#   lab ARGS...        the lab of this test, see tandem-lab(7)
#   rows I OP FILTER   JSON of an operation asked on server I, through jq
#   owner I KEY        number of the server that owns a key, as I sees it
#   listens_at I...    lines that make the gates of servers listen to UDP, on
#                      loopback and on the wire, port $sip
#   gates_of_two USER...  servers 1 and 2 listen so, and demo.test has users
#                      with passwords secretUSER
#   pages I            of every domain's database on server I, its name and a
#                      digest of its pages, also of those only in the -wal
#   same_pages I...    the digests of these servers are the same
#   phone_at I         phones started from here on (phone.sh) are in the
#                      network of server I and register at its gate
#   phones_of_two MODE alice, 101, registers at server 1 and bob, 102, at server
#                      2 (gates_of_two), answermode MODE; both servers know
#   both_known I       server I knows both
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
if [ "$(id -u)" -ne 0 ]; then
	echo "ok skipped: the lab needs root"
	exit 0
fi
bin=${TANDEM_BIN:-$PWD/build}
sip=5060
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/tandem-test.XXXXXX")
chmod 755 "$dir"
export TANDEM_LAB=$dir/lab
. tests/lib/ok.sh

lab() {
	tests/lab/lab "$@"
}

t_end() {
	local log
	if [ -n "${t_failed:-}" ]; then
		for log in "$TANDEM_LAB"/srv*/tandemd.log; do
			echo "--- $log"
			tail -n 25 "$log"
		done
	fi
	[ ! -e "$TANDEM_LAB/servers" ] || lab down
	rm -rf "$dir"
}
trap t_end EXIT

rows() {
	lab console "$1" --json -c "$2" | jq -ec "$3"
}

owner() {
	lab console "$1" --json -c 'show ownership' | jq -r ".data[] |
	    select(.key == \"$2\" and .state == \"serving\") |
	    .instance | split(\"@srv\")[1]"
}

listens_at() {
	local i
	for i in "$@"; do
		echo "set server srv$i listener local transport udp" \
		    "address 127.0.0.1 port $sip"
		echo "set server srv$i listener wire transport udp" \
		    "address 10.77.0.$i port $sip"
	done
}

# The sums of pages count in the file only (page_sum.h), so they are left out.
pages() {
	local db name
	for db in "$TANDEM_LAB/srv$1"/streams/domain/*.db; do
		name=$(basename "$db" .db)
		rm -f "$dir"/copy*
		cp "$db" "$dir/copy" && cp "$db-wal" "$dir/copy-wal" 2> /dev/null
		sqlite3 "$dir/copy" 'PRAGMA wal_checkpoint(TRUNCATE)' > /dev/null
		echo "${name%~*} $(python3 -c 'import hashlib, sys
h = hashlib.sha256()
while page := sys.stdin.buffer.read(4096): h.update(page[:-8])
print(h.hexdigest())' < "$dir/copy")"
	done | sort
}

same_pages() {
	local i first
	first=$(pages "$1")
	for i in "${@:2}"; do
		[ "$(pages "$i")" = "$first" ] || return 1
	done
}

gates_of_two() {
	local user
	{
		listens_at 1 2
		echo 'set domain demo.test description "Two servers"'
		for user in "$@"; do
			echo "set domain demo.test user $user password secret$user"
		done
		echo commit
	} | lab console 2 -q -f -
}

phone_at() {
	phone_host=10.77.0.$1
	phone_in=(tests/lab/lab exec "$1")
}

both_known() {
	rows "$1" 'show registrations' '[.data[].user] | sort == ["101", "102"]'
}

phones_of_two() {
	phone_at 1
	phone_start alice 101 secret101 440 "answermode=$1"
	phone_at 2
	phone_start bob 102 secret102 620 "answermode=$1"
	t "the first registers at the first server" phone_registered alice
	t "the second registers at the second" phone_registered bob
	t "the first server knows both" eventually both_known 1
	t "the second server knows both" eventually both_known 2
	[ -z "${t_failed:-}" ] || exit 1
}
