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
t "and follows none" sees 'monitor trace for 1' 0 '.data == []'
"$bin/tandem" -s "$state/control.sock" --json -c 'monitor trace number 101' \
    > "$dir/followed" &
watcher=$!
t "while somebody of the site follows" eventually test -s "$dir/followed"
t "which they do not see" sees 'show trace sessions' 0 '.data == []'
t "and the site does" \
    eval "rows 'show trace sessions' '.data[].filter | test(\"number=101\")'"
kill -INT "$watcher"
wait "$watcher"
t "is refused when asking for it" \
    sees 'trace calls domain demo.test' 5 '.code == "permission"'
t "and the call is not there" sees "show call ladder $id" 3 \
    '.code == "absent"'
t "nor can it be exported" sees "export call $id format json" 3 \
    '.code == "absent"'
t "nor is why it went so" sees "show call why $id" 3 '.code == "absent"'
t "nor may its route be tried out" \
    sees 'test route from 101 to 102 domain demo.test' 5 '.code == "permission"'
t "nor are its messages" sees "show call messages $id" 3 '.code == "absent"'
t "nor how its media went" sees "show call media $id" 3 '.code == "absent"'
t "nor what is no call" sees "show call messages $register" 3 \
    '.code == "absent"'
t "of its own domain" may domain-admin domain demo.test
t "they see it" sees "show call ladder $id" 0 '.data | length > 10'
t "and how its media goes" sees "show call media $id" 0 '.code == null'

t "and why it went so" sees "show call why $id" 0 \
    'any(.data[]; .name == "exact" and .rule == "number 102" and
    .result == "user 102")'
t "a route of their domain is tried out unless it is said otherwise" \
    sees 'test route from 101 to 102' 0 \
    'any(.data[]; .rule == "domain demo.test" and .result == "on")'

# A caller of the other domain uses the Call-ID of the first call's leg.
leg=$(tandem --json -c "show call messages $id" | jq -r '[.data[].line |
    select(test("^Call-ID:"))][0] | split(" ")[1]')
reuses() {
	tandem -q -c 'set domain other.test user 201 password secret201x' \
	    -c commit && python3 - "$sip" "$leg" <<- 'PY'
		import hashlib, re, socket, sys
		port, leg = int(sys.argv[1]), sys.argv[2]
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.settimeout(10)
		s.connect(("127.0.0.1", port))
		me = "127.0.0.1:%d" % s.getsockname()[1]
		md5 = lambda t: hashlib.md5(t.encode()).hexdigest()
		uri = "sip:999@other.test"
		def say(n, method, more=""):
		    s.send(("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKr%d"
		        "\r\nMax-Forwards: 70\r\nFrom: <sip:201@other.test>;tag=r\r\n"
		        "To: <%s>\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: "
		        "<sip:201@%s>\r\n%sContent-Length: 0\r\n\r\n" % (method, uri,
		        me, n, uri, leg, n, method, me, more)).encode())
		def final():
		    while True:
		        got = s.recv(9000).decode()
		        code = int(got.split()[1])
		        if code >= 200:
		            return code, got
		say(1, "INVITE")
		code, got = final()
		say(1, "ACK")
		realm = re.search('realm="([^"]*)"', got).group(1)
		nonce = re.search('nonce="([^"]*)"', got).group(1)
		ha = md5("201:%s:secret201x" % realm)
		r = md5("%s:%s:00000001:c:auth:%s" % (ha, nonce, md5("INVITE:" + uri)))
		name = "Proxy-Authorization" if code == 407 else "Authorization"
		say(2, "INVITE", '%s: Digest username="201", realm="%s", nonce="%s", '
		    'uri="%s", qop=auth, nc=00000001, cnonce="c", response="%s"\r\n'
		    % (name, realm, nonce, uri, r))
		code, got = final()
		say(2, "ACK")
		print(code)
	PY
}
t "a caller of the other domain uses its Call-ID again" reuses
other() {
	[ "$(rows 'trace calls domain other.test' '.data | length')" -ge 1 ]
}
t "which is a call of that domain" eventually other
theirs=$(rows 'trace calls domain other.test' '.data[0].id' | tr -d '"')
t "somebody is administrator of that one" may domain-admin domain other.test
for what in "show call messages" "show call ladder" "export call"; do
	t "whose $what has nothing of the first call" sees "$what $theirs" 5 \
	    '.code == "permission" and (.message | test("those of others"))'
done
t "who may see both is told" eval "rows 'show call messages $theirs' \
    'any(.warn[]; test(\"has the same Call-ID\"))'"
t "and the first one's administrator" may domain-admin domain demo.test
t "sees no message of the other" sees "show call messages $id" 0 \
    'all(.data[]; .line | test("201@other.test") | not)'
tandem -q -c 'delete administrator daemon domain' \
    -c 'set administrator daemon role support' -c commit
t "support lists it, numbers masked" sees 'trace calls' 0 \
    '[.data[] | .from, .to] | unique == ["********"]'
t "may not look for a number" sees 'trace calls number 101' 5 \
    '.code == "permission"'
for what in 'from 101' 'to 10*' 'user 102'; do
	t "nor by trace calls $what" sees "trace calls $what" 5 \
	    '.code == "permission"'
done
t "nor by following" sees 'monitor trace number 101 for 1' 5 \
    '.code == "permission"'
t "who follows sees no number" sees 'monitor trace for 1' 0 \
    '[.data[] | .from, .to] | unique == ["********"]'
t "but for how a call went" sees 'trace calls answered yes' 0 \
    '.data | length == 1'
t "sees the ladder without them" sees "show call ladder $id" 0 \
    '[.data[1:][] | .source, .target] | unique | index("101") == null and
    index("leg a") != null'
t "and the messages too" sees "show call messages $id" 0 \
    'any(.data[]; .line | test("^From:.*sip:[*]{3}@demo.test")) and
    all(.data[]; .line | test("sip:10[12]@") | not)'
bytes_masked() {
	as_daemon "show call messages $id bytes" &&
	    jq -r '.data[].bytes' "$dir/seen" | while read -r text; do
		base64 -d <<< "$(tr -- -_ +/ <<< "$text")" 2> /dev/null
	    done > "$dir/bytes"
	grep -qa 'INVITE sip:[*]*@demo.test' "$dir/bytes" &&
	    ! grep -qa 'sip:10[12]@' "$dir/bytes"
}
t "nor have they as bytes" bytes_masked
t "and why it went so, numbers masked" sees "show call why $id" 0 \
    'any(.data[]; .name == "exact" and .rule == "number ********" and
    .result == "user ********") and
    all(.data[]; .rule + .result | test("10[12]") | not)'
t "no route is tried out by who sees no numbers" \
    sees 'test route from 101 to 102 domain demo.test' 5 \
    '.code == "permission"'
capture_masked() {
	as_daemon "export call $id format pcapng" &&
	    jq -r '.data[].piece' "$dir/seen" | base64 -d > "$dir/call.pcapng" &&
	    grep -qa 'INVITE sip:[*]*@demo.test' "$dir/call.pcapng" &&
	    grep -qa 'Persons are masked: daemon does not' "$dir/call.pcapng" &&
	    ! grep -qa 'sip:10[12]@' "$dir/call.pcapng"
}
t "nor does a capture have them, and it says so" capture_masked
