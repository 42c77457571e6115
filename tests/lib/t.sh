# What every process test begins with; sourced. Gives $dir (scratch), $bin,
# $port (1,000 ports of loopback from there on are this test's own), $sip (the
# gate's port), t and eventually (ok.sh), and:
#   site_up              a site with the demo domain on these ports
#   tandem ARGS...       the console on this site
#   rows OP [FILTER]     JSON rows of an operation, through jq
#   pid_of INSTANCE      process id of sg/1 ...
#   phones_up N          N users of a load from 1000 on, passwords secret1000...
#   moves KEY            the owner of KEY is killed, and another one serves
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
bin=${TANDEM_BIN:-$PWD/build}
dir=$(mktemp -d "${TMPDIR:-/tmp}/tandem-test.XXXXXX")
chmod 755 "$dir"
. tests/lib/ok.sh

# Ports below the ephemeral ones, in blocks; a lock keeps two tests apart.
for port in $(seq 22000 1000 31000); do
	exec {lock}> "/tmp/tandem-ports-$port.lock"
	flock -n "$lock" && break
	exec {lock}>&-
done
sip=$((port + 500))
export TANDEM_PORT_BASE=$port TANDEM_SIP_PORT=$sip
export TANDEM_MEDIA_PORTS=$((port + 600))-$((port + 999))
state=$dir/state

t_end() {
	tests/lib/site stop "$state"
	if [ -n "${t_failed:-}" ]; then
		echo "--- log of the site"
		tail -n 40 "$state/tandemd.log"
	fi
	rm -rf "$dir"
}
trap t_end EXIT

tandem() {
	"$bin/tandem" -s "$state/control.sock" "$@"
}

rows() {
	tandem --json -c "$1" | jq -ec "${2:-.data[]}"
}

# exits STATUS COMMAND...: the words that it leaves in $dir/words are shown
# where it ends otherwise.
exits() {
	local want=$1 got
	shift
	"$@"
	got=$?
	[ $got -eq "$want" ] || {
		echo "exit status $got, not $want: $*"
		cat "$dir/words"
		return 1
	}
}
# says WORDS: they are among the words of the last command.
says() {
	grep -q -- "$1" "$dir/words" || {
		echo "no word of: $1"
		cat "$dir/words"
		return 1
	}
}
pid_of() {
	rows 'show roles' ".data[] | select(.instance == \"$1\") | .pid"
}

owner_of() {
	rows 'show ownership' \
	    ".data[] | select(.key == \"$1\" and .state == \"serving\") |
	    .instance" | tr -d '"' | cut -d@ -f1
}

site_up() {
	tests/lib/site start "$state" && tests/lib/site demo "$state" &&
	    password=$(cat "$state/password")
}

# Phones of a load, each with a password of its own, and no limit that a load
# from a few addresses would meet.
phones_up() {
	{
		echo 'set gate default requests-per-second 100000'
		seq 1000 $((999 + $1)) |
		    sed 's/.*/set domain demo.test user & password secret&/'
		echo 'commit comment "phones of the load"'
	} > "$dir/users"
	tandem -q -f "$dir/users"
}

all_ready() {
	rows 'show roles' '[.data[] | select(.state != "ready")] == []'
}
moves() {
	local old epoch
	eventually all_ready # or the same one takes it again
	old=$(owner_of "$1")
	epoch=$(rows 'show ownership' ".data[] | select(.key == \"$1\") | .epoch")
	kill -9 "$(pid_of "$old")"
	eventually moved "$1" "$old" "$epoch"
}
moved() {
	local now
	now=$(owner_of "$1") && [ "$now" != "$2" ] &&
	    [ "$(rows 'show ownership' ".data[] | select(.key == \"$1\") |
	    .epoch")" -gt "$3" ]
}
