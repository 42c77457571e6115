#!/bin/bash
# A call that was made over two servers, one of them with a clock that is off,
# is found afterwards with all its messages: a phone on TLS in clear, no
# credentials, and what a gate heard last before it was killed. Who may see what
# is in trace_rights.sh.
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh
. tests/lib/phone.sh

t "two servers and a witness come up as one site" lab up 2 witness
[ -z "${t_failed:-}" ] || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -days 2 -subj /CN=demo.test -addext subjectAltName=DNS:demo.test \
    -keyout "$dir/key" -out "$dir/chain" 2> /dev/null
configure() {
	{
		echo "set certificate demo chain @file:$dir/chain" \
		    "key @file:$dir/key"
		echo "set server srv1 listener tls transport tls" \
		    "address 10.77.0.1 port 5061 certificate demo"
		echo 'set domain other.test'
		echo commit
	} | lab console 1 -q -f -
}
t "gates listen on both, with a domain" gates_of_two 101 102
t "and one of them to TLS" configure
t "the clock of the second is three seconds behind" lab clock 2 -3
listens() {
	rows 1 'show listeners' '[.data[] | select(.listener == "tls" and
	    .error == null)] | length == 1'
}
t "it listens" eventually listens

phone_at 1
sip=5061 phone_transport=tls phone_start alice 101 secret101 440 \
    "answermode=auto"
phone_at 2
phone_start bob 102 secret102 620 "answermode=manual"
t "the first registers over TLS" phone_registered alice
t "the second registers at the second server" phone_registered bob
t "the first server knows both" eventually both_known 1
[ -z "${t_failed:-}" ] || exit 1

# ---- one call, over both ------------------------------------------------------

phone_do alice dial sip:102@demo.test
t "a call rings" phone_await alice CALL_RINGING
phone_do bob accept
t "the call is answered" phone_await alice CALL_ESTABLISHED
goes_on() {
	id=$(rows 2 'trace calls number 101' '.data[0] | select(.from == "101"
	    and .to == "102" and .code == null) | .id' | tr -d '"')
	[ -n "$id" ]
}
t "it is traced while it goes on, asked at the other server" goes_on
phone_do alice hangup
t "hung up" phone_await bob CALL_CLOSED
is_over() {
	rows 2 'trace calls number 102 last 5m' '[.data[] | select(.id ==
	    "'"$id"'" and .code == 200 and .end != null and .answer != null)] |
	    length == 1'
}
t "and when it is over" eventually is_over
found() {
	rows 1 "trace calls $1" "[.data[].id] == $2"
}
t "it is found by the beginning of a number" found 'number 10*' "[\"$id\"]"
t "and by its domain" found 'domain demo.test' "[\"$id\"]"
whole_answer() {
	lab console 1 --json -c 'trace calls' | jq -e '.warn == []'
}
t "no server is missing from the answer, a witness has none" whole_answer
t "not by another" found 'domain other.test' '[]'
t "nor by a number of nobody" found 'number 10' '[]'

ladder() {
	lab console "$1" --json -c "show call ladder $id" > "$dir/ladder"
}
t "its ladder is there" ladder 1
# of_ladder FILTER: of the rows of messages.
of_ladder() {
	jq -e ".data[1:] | $1" "$dir/ladder" > "$dir/jq" || {
		jq -r '.data[] | "\(.at) \(.ladder)"' "$dir/ladder"
		return 1
	}
}
# Each end is said once by each gate; bob's INVITE has no credentials to show.
whole() {
	of_ladder '[.[] | select(.message == "INVITE") | [.source, .target]] == [
	    ["101", "sg/1@srv1"], ["sg/1@srv1", "b2bua/1@srv1"],
	    ["b2bua/1@srv1", "sg/1@srv2"], ["sg/1@srv2", "102"]]' &&
	    of_ladder '[.[] | select(.message == "BYE")] | length == 4'
}
t "with every hop of both legs, over both servers" whole
by_tls() {
	of_ladder 'all(.[] | select(.source == "101" or .target == "101");
	    .transport == "tls" and .leg == "a")'
}
t "the first phone's part is TLS" by_tls
# The second server's clock is behind: by time its INVITE would come first.
ordered() {
	of_ladder '[.[].message] | index("INVITE") == 0' &&
	    of_ladder '[.[] | select(.message | test("^(INVITE|180|200)")) |
		.leg + .message[0:3]] | .[0:4] == ["aINV", "aINV", "b1INV",
		"b1INV"] and index("a180") > index("b1180") and
		index("a200") > index("b1200")' &&
	    of_ladder '[.[] | .message] | index("BYE") >
		(index("200 OK") // index("200 Answering"))'
}
t "and cause stands before effect, whatever the clocks say" ordered
clock_told() {
	jq -e '.warn | length == 1 and (.[0] |
	    test("^srv2: its clock is (29|30)[0-9][0-9] ms behind"))' \
	    "$dir/ladder" > "$dir/jq" || { jq .warn "$dir/ladder"; return 1; }
}
t "and it says how wrong that clock is" clock_told
drawn() {
	jq -re '.data[].ladder' "$dir/ladder" > "$dir/picture" &&
	    grep -q '^101 *sg/1@srv1 *b2bua/1@srv1 *sg/1@srv2 *102$' \
	    "$dir/picture" &&
	    grep -q '^|---INVITE--->|  *|  *|  *|$' "$dir/picture" &&
	    grep -q '^|  *|  *|  *|---INVITE--->|$' "$dir/picture"
}
t "drawn as a picture" drawn

messages() {
	lab console 2 --json -c "show call messages $1" > "$dir/messages"
}
t "its messages are there" messages "$id"
in_clear() {
	jq -e 'any(.data[]; .line == "From: <sip:101@demo.test>" or
	    (.line | test("^From: .*sip:101@demo.test"))) and
	    any(.data[]; .line | test("^m=audio "))' "$dir/messages" \
	    > "$dir/jq"
}
t "in clear, down to the media" in_clear

# The same as bytes: a row for each message, their lines are those of before.
as_bytes() {
	lab console 2 --json -c "show call messages $id bytes" |
	    jq -r '.data[].bytes' | python3 -c 'import base64, sys
for text in sys.stdin:
    text = text.strip()
    sys.stdout.buffer.write(
        base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))' \
	    > "$dir/bytes"
	tr -d '\r' < "$dir/bytes" | cmp - <(jq -r '.data[].line' \
	    "$dir/messages")
}
t "as bytes they are the same" as_bytes

# ---- for Wireshark --------------------------------------------------------------

captured() {
	lab console 1 -q -c \
	    "export call $id format pcapng | save $dir/call.pcapng"
	tshark -r "$dir/call.pcapng" -T fields -e sip.Method \
	    -e sip.Status-Code -e frame.comment > "$dir/packets" 2> "$dir/words" &&
	    [ "$(grep -c '^INVITE' "$dir/packets")" -eq 4 ] &&
	    grep -q "^INVITE.*call $id leg a, received sg/1@srv1 by tls" \
		"$dir/packets" &&
	    [ "$(grep -c '^BYE' "$dir/packets")" -eq 4 ] &&
	    ! tshark -r "$dir/call.pcapng" -Y _ws.malformed 2> /dev/null |
		grep -q . || {
		cat "$dir/packets" "$dir/words"
		return 1
	}
}
t "it can be saved, and Wireshark reads it" captured

# ---- credentials --------------------------------------------------------------

register=$(grep -aoE 'Call-ID: [^ ]+' "$dir/alice/log" | head -n 1 |
    cut -d' ' -f2 | tr -d '\r')
t "what never became a call is found by its Call-ID" messages "$register"
masked() {
	jq -e '[.data[] | select(.line | test("^Authorization: "))] |
	    length > 0 and all(.[]; (.line | test("response=\"[*]{32}\"")) and
	    (.line | test("nonce=\"[*]+\"")) and
	    (.line | test("username=\"101\"")))' "$dir/messages" > "$dir/jq" &&
	    jq -e 'any(.data[]; .masked == true and .transport == "tls")' \
	    "$dir/messages" > "$dir/jq"
}
t "TLS shows in clear, but for the credentials" masked

# ---- who is killed has said it ------------------------------------------------

say() {
	printf '%s\r\n' "OPTIONS sip:10.77.0.1 SIP/2.0" \
	    "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK$1" \
	    "From: <sip:101@demo.test>;tag=1" "To: <sip:10.77.0.1>" \
	    "Call-ID: $1" "CSeq: 1 OPTIONS" "Max-Forwards: 70" \
	    "Content-Length: 0" "" > "$dir/options"
	lab exec 1 bash -c "cat '$dir/options' > /dev/udp/127.0.0.1/5060"
}
pid() {
	rows 1 'show roles' ".data[] | select(.instance == \"$1@srv1\") | .pid"
}
heard() {
	messages "$1" && jq -e '[.data[] | select(.at != null) | .source] |
	    length >= 1' "$dir/messages" > "$dir/jq"
}
# The ring is looked at by nobody: gate and recorder are killed at once.
die_together() {
	local gate recorder
	gate=$(pid sg/1) recorder=$(pid control/1)
	say last-words
	for _ in $(seq 200); do
		grep -qa last-words \
		    "$TANDEM_LAB/srv1/control.sock.rings/sg-1" && break
	done
	kill -9 "$gate" "$recorder"
	gone() {
		! kill -0 "$gate" 2> /dev/null &&
		    ! kill -0 "$recorder" 2> /dev/null
	}
	eventually gone
}
t "a gate and the recorder of its server are killed" die_together
t "what the gate heard last is found" eventually heard last-words
# By UDP, to a gate that may not listen yet: said until it was heard.
hears() {
	say "$1"
	heard "$1"
}
t "and what it hears now" eventually hears first-words
t "the call of before is still whole" ladder 2
t "on both servers" whole
