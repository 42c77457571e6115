#!/bin/bash
# How the media of a call goes, as the media gate counts it and as the phones
# report it: over a wire that loses packets, while the call goes on and after
# it, asked at the server that has no part in it.
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh
. tests/lib/phone.sh

t "two servers and a witness come up as one site" lab up 2 witness
[ -z "${t_failed:-}" ] || exit 1
t "gates listen on both, with a domain" gates_of_two 101 102

phones_of_two auto

phone_do alice dial sip:102@demo.test
t "the call is answered" phone_await alice CALL_ESTABLISHED
id=$(rows 1 'trace calls' '.data[0].id' | tr -d '"')
gate=$(rows 1 'show media-sessions' '.data[0].gate' | tr -d '"')
t "its media is at the first server" [ "$gate" = mg/1@srv1 ]
t "between the servers packets come late, and some never" \
    lab slow 1 2 30 10 3

# media I FILTER [summary]: of the rows of the call, asked at server I.
media() {
	lab console "$1" --json -c "show call media $id ${3:-}" > "$dir/media" &&
	    jq -e "$2" "$dir/media" > "$dir/jq" || {
		cat "$dir/media"
		return 1
	}
}

both_come() {
	media 2 '([.data[] | select(.received > 100) | .leg] | unique ==
	    ["a", "b1"]) and all(.data[]; .codec == "PCMA" and
	    .gate == "mg/1@srv1" and .held == false)'
}
t "while it goes on both directions are told, at the other server" \
    eventually both_come
loses() {
	media 2 'any(.data[]; .leg == "b1" and .received > 100 and
	    .lost > 0 and (.loss | tonumber) > 0 and
	    (.jitter | tonumber) > 1 and (.mos | tonumber) < 4.4)'
}
t "the one that crosses the wire loses packets, and sounds worse" \
    eventually loses
clean() {
	media 1 'all(.data[] | select(.leg == "a"); .lost == 0) and
	    any(.data[]; .leg == "a" and .mos == "4.41")'
}
t "the other one does not" eventually clean
way() {
	media 2 'any(.data[]; .leg == "b1" and .rtt != null and
	    (.rtt | tonumber) > 30 and (.rtt | tonumber) < 2000) and
	    any(.data[]; .leg == "a" and .rtt != null and
	    (.rtt | tonumber) < 30)'
}
t "the way to each phone is measured by their reports" eventually way
reported() {
	media 2 'any(.data[]; .leg == "a" and .["far-loss"] != null and
	    (.["far-loss"] | tonumber) > 0 and
	    (.["far-mos"] | tonumber) < 4.4)'
}
t "who hears what crossed the wire reports the loss" eventually reported

lab heal
healed=$(moment)
loses_no_more() {
	media 1 'any(.data[]; .leg == "b1" and .time > "'"$healed"'" and
	    .received > 200 and .lost == 0)'
}
t "with the wire as it was nothing is lost any more" eventually loses_no_more
phone_do alice hangup
t "hung up" phone_await bob CALL_CLOSED
over() {
	rows 2 "trace calls" "any(.data[]; .id == \"$id\" and .code == 200 and
	    (.mos | tonumber) < 4.4 and (.mos | tonumber) >= 1)"
}
t "the call that is over knows its worst stream" eventually over
for i in 1 2; do
	t "its intervals are still there, asked at server $i" media $i \
	    '([.data[] | select(.received > 100) | .leg] | unique ==
		["a", "b1"]) and ([.data[] | .time] | . == sort)'
	cp "$dir/media" "$dir/intervals"
	t "and each stream as a whole" media $i '[.data[].leg] == ["a", "b1"]' \
	    summary
done
adds_up() {
	jq -es '(.[0].data | map({leg, received, lost, twice})) as $all |
	    all(.[1].data[]; . as $whole | [$all[] | select(.leg ==
		$whole.leg)] | (map(.received) | add) == $whole.received and
		(map(.twice) | add) == $whole.twice and
		(map(.lost) | add) >= $whole.lost)' \
	    "$dir/intervals" "$dir/media"
}
t "which is the sum of its intervals" adds_up
mean() {
	media 1 'all(.data[]; (.["least-mos"] | tonumber) <=
	    (.mos | tonumber)) and any(.data[]; .leg == "b1" and
	    (.["least-mos"] | tonumber) < 4.4 and .gap > 0)' summary
}
t "with the worst beside the mean" mean

# ---- for whose eyes -----------------------------------------------------------

table() {
	lab console 1 -c "show call media $id" > "$dir/table" &&
	    [ "$(awk 'length > m { m = length } END { print m }' \
		"$dir/table")" -le 80 ] || { cat "$dir/table"; return 1; }
}
t "a table of it fits 80 columns" table
nobody() {
	lab console 1 --json -c 'show call media no-such-call' \
	    > "$dir/media" 2> /dev/null
	[ $? -eq 3 ] && jq -e '.code == "absent"' "$dir/media" > "$dir/jq"
}
t "of a call that nobody knows there is none" nobody
