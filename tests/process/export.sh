#!/bin/bash
# A recorded call as a file that other programs read: Wireshark, SIPp, which
# plays it again, a collector of HEP3; and the audit knows who took it.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh
. tests/lib/phone.sh

t "the site comes up with its demo domain" site_up
phone_start alice 101 "$password" 440 "answermode=manual"
phone_start bob 102 "$password" 620 "answermode=auto"
t "one phone registers" phone_registered alice
t "and another" phone_registered bob
phone_do alice dial sip:102@demo.test
t "the call is answered" phone_await alice CALL_ESTABLISHED
phone_do alice hangup
t "and hung up" phone_await bob CALL_CLOSED
over() {
	id=$(rows 'trace calls number 102' \
	    '.data[0] | select(.code == 200 and .end != null) | .id' |
	    tr -d '"') && [ -n "$id" ]
}
t "its record is whole" eventually over
[ -z "${t_failed:-}" ] || exit 1
messages=$(rows "show call ladder $id" '.data[1:] | length')

# ---- formats ------------------------------------------------------------------

# saved NAME FORMAT...: into $dir/NAME
saved() {
	local name=$1
	shift
	tandem -c "export call $id format $* | save $dir/$name" \
	    2> "$dir/words" && says "[0-9]* bytes saved in $dir/$name"
}
t "a capture is saved" saved call.pcapng pcapng
t "and one of the older kind" saved call.pcap pcap
packets() {
	tshark -r "$dir/$1" -T fields -e sip.Method -e sip.Status-Code \
	    -e udp.checksum.status -o udp.check_checksum:TRUE \
	    -o ip.check_checksum:TRUE > "$dir/packets" 2> "$dir/words" &&
	    [ "$(wc -l < "$dir/packets")" -eq "$messages" ] &&
	    [ "$(grep -c '^BYE' "$dir/packets")" -ge 4 ] &&
	    ! tshark -r "$dir/$1" -o udp.check_checksum:TRUE \
		-o ip.check_checksum:TRUE -Y '_ws.malformed or
		udp.checksum.status == "Bad" or ip.checksum.status == "Bad"' \
		2> /dev/null | grep -q . || {
		cat "$dir/packets" "$dir/words"
		return 1
	}
}
t "Wireshark reads all messages of the one" packets call.pcapng
t "and of the other" packets call.pcap
to_output() {
	tandem -c "export call $id format pcap" 2> "$dir/words" |
	    cmp - "$dir/call.pcap"
}
t "behind no bar it goes to standard output, as it is" to_output
by_terminal() {
	exits 1 script -qec "'$bin/tandem' -s '$state/control.sock' \
	    -c 'export call $id format pcap'" /dev/null > "$dir/words" &&
	    says 'the file is no text'
}
t "but not to a terminal" by_terminal

t "lines of JSON are saved" saved call.json json
lines() {
	jq -es --argjson n "$messages" 'length == $n + 1 and
	    .[0].messages == $n and (.[0].masks | test("Credentials")) and
	    all(.[1:][]; .text | test("\r\n\r\n")) and
	    ([.[1:][] | .message] == [range(1; $n + 1)])' "$dir/call.json"
}
t "one for each message, with its text" lines
t "a text is saved" saved call.txt "text messages width 100 utf-8"
drawn() {
	grep -q '│─*INVITE─*→│' "$dir/call.txt" &&
	    grep -q '^m=audio ' "$dir/call.txt" &&
	    [ "$(grep -c '^BYE sip:' "$dir/call.txt")" -ge 4 ] &&
	    [ "$(grep '^ *[+-][0-9]' "$dir/call.txt" |
		LC_ALL=C.UTF-8 wc -L)" -le 100 ] || {
		cat "$dir/call.txt"
		return 1
	}
}
t "with its ladder as wide as was asked for" drawn
t "and a page for a ticket" saved call.md markdown
ticket() {
	local rev
	rev=$(rows 'show revisions last 1' '.data[0].rev')
	grep -qx "# Call $id" "$dir/call.md" &&
	    grep -qx '| domain | demo.test |' "$dir/call.md" &&
	    grep -qx '| caller | 101 |' "$dir/call.md" &&
	    grep -qE '^\| answered \| 20' "$dir/call.md" &&
	    grep -qE '^\| result \| 200 ' "$dir/call.md" &&
	    grep -qx "| configuration revision | $rev |" "$dir/call.md" &&
	    grep -q '^- Credentials, keys' "$dir/call.md" &&
	    grep -q '^ *+0.000 |-*INVITE-*>|' "$dir/call.md" &&
	    ! grep -q '^m=audio' "$dir/call.md" || {
		cat "$dir/call.md"
		return 1
	}
}
t "which says what is known of it, and under which configuration" ticket

# ---- SIPp ---------------------------------------------------------------------

t "what the caller said is saved" saved uac.xml sipp-uac
t "and what the called heard" saved uas.xml "sipp-uas leg b1"
play() {
	local name=$1
	shift
	sipp -sf "$dir/$name.xml" -i 127.0.0.1 -m 1 -nostdin -timeout 60 \
	    -timeout_error -trace_err -error_file "$dir/$name.err" \
	    -trace_msg -message_file "$dir/$name.msg" "$@" \
	    > "$dir/$name.out" 2>&1
}
shows() {
	cat "$dir/$1.xml" "$dir/$1.msg" "$dir/$1.err"
	return 1
}
# Against the site, with the password that no record has; bob answers again.
again() {
	play uac "127.0.0.1:$sip" -p $((port + 580)) -au 101 -ap "$password" \
	    -auth_uri 102@demo.test ||
	    shows uac
}
t "SIPp makes the call again" again
twice() {
	[ "$(rows 'trace calls number 102' '[.data[] |
	    select(.code == 200 and .end != null and .answer != null)] |
	    length')" -eq 2 ]
}
t "and it is a call like the first" eventually twice
# Against each other: both sides of the leg of the called.
t "what the gate said to the called is saved" saved both.xml \
    "sipp-uac leg b1"
listens() {
	ss -Hlun "sport = :$((port + 581))" | grep -q .
}
each_other() {
	play uas -p $((port + 581)) &
	local server=$!
	eventually listens &&
	    { play both "127.0.0.1:$((port + 581))" -p $((port + 582)) ||
		shows both; } &&
	    { wait $server || shows uas; }
}
t "both sides of a leg play it with each other" each_other
t "there is no such leg" exits 3 tandem \
    -c "export call $id format sipp-uac leg b7" 2> "$dir/words"

# ---- HEP3 ---------------------------------------------------------------------

cat > "$dir/collector" <<- 'PY'
	# Takes HEP3 on a port, prints a line of JSON for each packet.
	import json, socket, struct, sys
	kind, port, want = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
	def packet(data):
	    assert data[:4] == b"HEP3" and struct.unpack(">H", data[4:6])[0] == len(data)
	    at, got = 6, {}
	    while at < len(data):
	        vendor, what, n = struct.unpack(">HHH", data[at:at + 6])
	        assert vendor == 0 and n >= 6 and at + n <= len(data)
	        got[what] = data[at + 6:at + n]
	        at += n
	    number = lambda k: int.from_bytes(got[k], "big")
	    print(json.dumps({"family": number(1), "protocol": number(2),
	        "from": socket.inet_ntop(socket.AF_INET, got[3]),
	        "to": socket.inet_ntop(socket.AF_INET, got[4]),
	        "ports": [number(7), number(8)],
	        "time": number(9) * 1000000 + number(10), "kind": number(11),
	        "agent": number(12), "secret": got.get(14, b"").decode(),
	        "text": got[15].decode(), "call": got[17].decode()}), flush=True)
	if kind == "udp":
	    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    s.bind(("127.0.0.1", port))
	    for _ in range(want):
	        packet(s.recv(65536))
	else:
	    s = socket.socket()
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	    s.bind(("127.0.0.1", port))
	    s.listen()
	    c, data = s.accept()[0], b""
	    while True:
	        more = c.recv(65536)
	        data += more
	        if not more:
	            break
	    while data:
	        n = struct.unpack(">H", data[4:6])[0]
	        packet(data[:n])
	        data = data[n:]
PY
# collected KIND: by a collector that is there
collected() {
	python3 "$dir/collector" "$1" $((port + 590)) "$messages" \
	    > "$dir/hep" &
	local collector=$!
	there() {
		ss -Hlntu "sport = :$((port + 590))" | grep -q "$1"
	}
	eventually there "$1" &&
	    rows "request call send $id address 127.0.0.1 \
		port $((port + 590)) transport $1 agent 7 secret s3cret" \
		".data[0] | .messages == $messages and
		.collector == \"127.0.0.1:$((port + 590))\"" &&
	    wait $collector || return 1
	jq -es --slurpfile all "$dir/call.json" --arg id "$id" '
	    [.[].text] == [$all[1:][].text] and all(.[]; .family == 2 and
	    .kind == 1 and .agent == 7 and .secret == "s3cret" and
	    .call == $id and .protocol == 17 and .from == "127.0.0.1") and
	    ([.[].time] | sort) == [.[].time]' "$dir/hep" > "$dir/jq" || {
		cat "$dir/hep"
		return 1
	}
}
t "a collector is sent every message by datagrams" collected udp
t "and by a connection" collected tcp
nobody() {
	exits 7 tandem -c "request call send $id address 127.0.0.1 \
	    port $((port + 591)) transport tcp" 2> "$dir/words" &&
	    says 'collector 127.0.0.1'
}
t "where nobody listens it is refused" nobody

# ---- the audit ----------------------------------------------------------------

audited() {
	rows 'show audit last 10000' 'any(.data[]; .op == "export call" and
	    .result == "done" and (.args | fromjson | .format == "pcapng" and
	    .id == "'"$id"'" )) and any(.data[]; .op == "request call send" and
	    (.args | test("s3cret") | not))'
}
t "the audit has who exported it, and in which format" audited
