#!/bin/bash
# Phones over every transport at one server notice nothing when the owner of
# the registrar moves between two others, and when their servers die: every
# REGISTER is answered with 200, because the gate holds and repeats what came
# over a connection. Needs root (network namespaces).
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh

t "three servers come up as one site" lab up 3
[ -z "${t_failed:-}" ] || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -days 2 -subj /CN=demo.test -addext subjectAltName=DNS:demo.test \
    -keyout "$dir/key" -out "$dir/chain" 2> /dev/null
ports=(udp:5060 tcp:5060 tls:5061 ws:5080 wss:5081)
configure() {
	{
		echo "set certificate demo chain @file:$dir/chain" \
		    "key @file:$dir/key"
		for p in "${ports[@]}"; do
			echo "set server srv1 listener ${p%:*} transport" \
			    "${p%:*} address 127.0.0.1 port ${p#*:}" \
			    "$([[ $p == *s:* ]] && [[ $p != ws:* ]] &&
				echo certificate demo)"
		done
		echo 'set gate default requests-per-second 100000'
		echo 'set domain demo.test description "Every transport"'
		for n in {1000..1049}; do
			echo "set domain demo.test user $n password secret$n"
		done
		echo commit
	} | lab console 1 -q -f -
}
t "the gate of server 1 listens to all transports" configure
listens() {
	rows 1 'show listeners' '[.data[] | select(.error == null)] |
	    length == 5'
}
t "all are open" eventually listens
[ -z "${t_failed:-}" ] || exit 1

whole() {
	rows 1 'show ownership' '[.data[] | select(.key == "sr" and .state ==
	    "serving") | .members | split(" ") | length] == [3]'
}
moves_to() {
	[ "$(owner 1 sr)" = "$1" ] ||
	    lab console 1 -c "request ownership move sr srv$1" || return 1
	eventually owns "$1"
}
owns() {
	[ "$(owner 1 sr)" = "$1" ]
}
# sr is all that server 1 does not own itself.
t "all hold the registrations" eventually whole
t "the registrar's owner is on server 2" moves_to 2

loads=
first=1000
for p in "${ports[@]}"; do
	lab exec 1 "$bin/tests/tool/registrant" "${p%:*}" "127.0.0.1:${p#*:}" \
	    demo.test $first 10 "$dir/end" > "$dir/load.${p%:*}" 2>&1 &
	loads="$loads $!"
	first=$((first + 10))
done
registered() {
	rows 1 'show registrations' '[.data[].user] | unique | length == 50'
}
t "phones register over all of them" eventually registered

away() {
	local now
	now=$(owner 1 sr)
	[ -n "$now" ] && [ "$now" != "$1" ]
}
for n in 1 2 3; do
	t "all hold the registrations ($n)" eventually whole
	t "move $n to server 3" moves_to 3
	t "all hold the registrations ($n, again)" eventually whole
	t "move $n to server 2" moves_to 2
done
for n in 1 2; do
	t "all hold the registrations before death $n" eventually whole
	dead=$(owner 1 sr)
	[ "$dead" != 1 ] || { t "the owner is elsewhere" moves_to 2; dead=2; }
	t "death $n: server $dead dies" lab kill "$dead"
	t "death $n: another owns the registrar" eventually away "$dead"
	t "death $n: server $dead comes back" lab start "$dead"
done
touch "$dir/end"
wait $loads
none_failed() {
	cat "$dir/load.$1" >&2
	tail -n 1 "$dir/load.$1" | jq -e '.failed == 0 and .done > 0'
}
for p in "${ports[@]}"; do
	t "no REGISTER over ${p%:*} failed" none_failed "${p%:*}"
	tail -n 1 "$dir/load.${p%:*}"
done
counts() {
	rows 1 'show statistics instance sg/1' '[.data[] | select(.instance ==
	    "sg/1@srv1") | {(.counter): .value}] | add | .held > 0 and
	    .resent > 0 and .["holds-full"] == 0 and .holds == 0'
}
t "the gate held, sent again, and holds nothing any more" eventually counts
