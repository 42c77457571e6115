#!/bin/bash
# What recorders know of a call, for whose eyes: an administrator of another
# domain finds nothing, support sees no numbers. Needs root, for a console of
# somebody else.
cd "$(dirname "$0")/../.." || exit 2
if [ "$(id -u)" -ne 0 ]; then
	echo "ok skipped: the console of somebody else needs root"
	exit 0
fi
export TANDEM_CONTROL_GROUP=daemon
. tests/lib/t.sh
. tests/lib/phone.sh

t "the site comes up with its demo domain" site_up
t "and another one" tandem -q -c 'set domain other.test' -c commit
phone_start alice 101 "$password" 440 "answermode=manual"
phone_start bob 102 "$password" 620 "answermode=auto"
t "one phone registers" phone_registered alice
t "and another" phone_registered bob
phone_do alice dial sip:102@demo.test
t "the call is answered" phone_await alice CALL_ESTABLISHED
id=$(rows 'trace calls' '.data[0].id' | tr -d '"')
register=$(grep -aoE 'Call-ID: [^ ]+' "$dir/alice/log" | head -n 1 |
    cut -d' ' -f2 | tr -d '\r')

install -m 755 "$bin/tandem" "$dir/console"
may() {
	tandem -q -c "set administrator daemon role $*" -c commit
}
as_daemon() {
	setpriv --reuid=daemon --regid=daemon --clear-groups \
	    "$dir/console" -s "$state/control.sock" --json \
	    -c "$1" > "$dir/seen" 2> "$dir/words"
}
sees() {
	as_daemon "$1"
	[ $? -eq "$2" ] && jq -e "$3" "$dir/seen" > "$dir/jq" || {
		cat "$dir/seen" "$dir/words"
		return 1
	}
}
t "somebody is administrator of another domain" \
    may domain-admin domain other.test
t "who lists no call of this one" sees 'trace calls' 0 '.data == []'
t "is refused when asking for it" \
    sees 'trace calls domain demo.test' 5 '.code == "permission"'
t "and the call is not there" sees "show call ladder $id" 3 \
    '.code == "absent"'
t "nor are its messages" sees "show call messages $id" 3 '.code == "absent"'
t "nor what is no call" sees "show call messages $register" 3 \
    '.code == "absent"'
t "of its own domain" may domain-admin domain demo.test
t "they see it" sees "show call ladder $id" 0 '.data | length > 10'
tandem -q -c 'delete administrator daemon domain' \
    -c 'set administrator daemon role support' -c commit
t "support lists it, numbers masked" sees 'trace calls' 0 \
    '[.data[] | .from, .to] | unique == ["********"]'
t "may not look for a number" sees 'trace calls number 101' 5 \
    '.code == "permission"'
t "sees the ladder without them" sees "show call ladder $id" 0 \
    '[.data[1:][] | .source, .target] | unique | index("101") == null and
    index("leg a") != null'
t "and the messages too" sees "show call messages $id" 0 \
    'any(.data[]; .line | test("^From:.*sip:[*]{3}@demo.test")) and
    all(.data[]; .line | test("sip:10[12]@") | not)'
capture_masked() {
	as_daemon "show call capture $id" &&
	    jq -r '.data[].piece' "$dir/seen" | base64 -d > "$dir/call.pcapng" &&
	    grep -qa 'INVITE sip:[*]*@demo.test' "$dir/call.pcapng" &&
	    grep -qa 'persons are masked' "$dir/call.pcapng" &&
	    ! grep -qa 'sip:10[12]@' "$dir/call.pcapng"
}
t "nor does a capture have them, and it says so" capture_masked
