#!/bin/bash
# Every operation by the console, by a batch file, by REST and by JSON-RPC: the
# same data and the same refusals, whoever asks. A line for each operation and
# way stands in tests/data/parity/operations.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh
export TANDEM_CONTROL_GROUP=daemon
api=$((port + 560))

t "the site comes up with its demo domain" site_up
[ -z "${t_failed:-}" ] || exit 1

secret=$(openssl rand -hex 32)
programs() {
	tandem -q -f - <<-END
		set server srv1 role ws
		set server srv1 listener api transport https instance ws/1 address 127.0.0.1 port $api certificate demo
		set administrator daemon role viewer
		set site default prefer consistency
		set gate default ban-time 30m
		set token root secret $secret role site-admin scope [read configure act] requests-per-second 10000
		set token viewer secret $secret role viewer scope [read configure act] requests-per-second 10000
		set token narrow secret $secret role domain-admin domain demo.test scope [read configure act] requests-per-second 10000
		commit comment "programs may come"
	END
}
t "programs are let in" programs
answers() {
	curl -sk "https://127.0.0.1:$api/" > "$dir/root"
}
t "the listener answers" eventually answers

"$bin/tandemd" -x ops > "$dir/ops.json"

# Objects of every kind, sealed ones too: each on a line of export, in the
# same order as an object over HTTPS, and what is exported is what runs.
config() {
	curl -sk -H "Authorization: Bearer root.$secret" "$@" \
	    > "$dir/answer"
}
every_kind() {
	config "https://127.0.0.1:$api/v1/config" &&
	    jq -r '.data[].path' "$dir/answer" > "$dir/paths" &&
	    tandem -c export > "$dir/site.tandem" || return 1
	jq -r '.objs[].name' "$dir/ops.json" | while read -r kind; do
		grep -qE "(^| )$kind [^ ]+\$" "$dir/paths" || {
			echo "no object of kind $kind"
			return 1
		}
	done
}
t "the site has objects of every kind" every_kind
each_line() {
	test "$(wc -l < "$dir/paths")" -eq "$(wc -l < "$dir/site.tandem")" &&
	    paste -d '\t' "$dir/paths" "$dir/site.tandem" |
	    awk -F '\t' 'index($2 " ", "set " $1 " ") != 1 { print; bad = 1 }
		END { exit bad }'
}
t "each is a line of export and an object over HTTPS" each_line
same_again() {
	config "https://127.0.0.1:$api/v1/config/token/viewer" &&
	    jq -e '.data[0].values.secret == "$SEALED$"' "$dir/answer" &&
	    config -X PATCH -d "$(jq -c '.data[0].values' "$dir/answer")" \
		"https://127.0.0.1:$api/v1/config/token/viewer" &&
	    jq -e '.warn == ["nothing to commit"]' "$dir/answer"
}
t "a sealed object that was read can be written again" same_again
applied() {
	exits 0 tandem -c "apply $dir/site.tandem" 2> "$dir/words" &&
	    says 'nothing differs' &&
	    tandem -c 'show configuration token viewer | save '"$dir/token" &&
	    exits 0 tandem -n -f "$dir/token"
}
t "what is exported, secrets sealed, is what runs" applied
no_secret_to_keep() {
	exits 2 tandem -c 'set token nobody secret $SEALED$' 2> "$dir/words" &&
	    says 'no secret to keep'
}
t "where there is no secret the sealed word is refused" no_secret_to_keep
# parity WHO TOKEN CONSOLE...; more names of WHO behind the first.
parity() {
	local who=$1 token=$2
	shift 2
	python3 tests/lib/parity.py "$dir/ops.json" \
	    tests/data/parity/operations "https://127.0.0.1:$api" "$who" \
	    "$token.$secret" "$bin/tandem -s $state/control.sock" "$@" > "$dir/parity" 2>&1
	local status=$?
	cat "$dir/parity"
	! grep -q '^not ok' "$dir/parity" || t_failed=1
	t "the comparison for $who runs to its end" test $status -eq 0
}
parity "root root" root "$bin/tandem" -s "$state/control.sock"

# The console as somebody who is no more than an administrator: needs root.
if [ "$(id -u)" -eq 0 ]; then
	install -m 755 "$bin/tandem" "$dir/console"
	as=(setpriv --reuid=daemon --regid=daemon --clear-groups
	    "$dir/console" -s "$state/control.sock")
	t "an administrator is let in" "${as[@]}" -c 'show version'
	parity "viewer daemon" viewer "${as[@]}"
	narrowed() {
		tandem -q -c 'set administrator daemon role domain-admin domain demo.test' -c commit
	}
	t "the administrator has a part of the tree" narrowed
	parity "narrow daemon" narrow "${as[@]}"
fi
