# Real phones (baresip) for scripts; sourced. Needs $dir (a scratch folder),
# $sip (the gate's UDP port) and tools in $bin/tests/tool. A phone and its gate
# are at $phone_host (127.0.0.1), run by the command in phone_in (none).
#
#   phone_start NAME USER PASSWORD HZ [PARAMS]  registers user@demo.test and
#                        plays a tone of HZ; PARAMS go behind the account
#   phone_registered NAME            wait for the answer to its REGISTER
#   phone_do NAME COMMAND [ARGS]     dial, accept, hangup, sndcode, ...
#   phone_await NAME TYPE [N]        wait for its N-th event of a type
#   phone_share NAME HZ              per cent of a tone in what it has heard
#   phone_stop NAME                  (all of them at the end of the script)
trap 'phone_stop_all; t_end' EXIT
phone_host=127.0.0.1
phone_in=()
phone_seconds=60 # of its tone: it hangs up at the end

phone_start() {
	local name=$1 user=$2 password=$3 hz=$4 params=$5 d=$dir/$1
	mkdir -p "$d/rec"
	"$bin/tests/tool/tone" make "$d/tone.wav" "$hz" "$phone_seconds"
	phone_port=$((${phone_port:-$((sip + 40))} + 2))
	echo $phone_port > "$d/port"
	cat > "$d/config" <<-END
		poll_method epoll
		sip_listen $phone_host:0
		net_interface $phone_host
		audio_player aubridge,nil
		audio_source aufile,$d/tone.wav
		audio_alert aubridge,nil
		audio_channels 1
		ausrc_srate 8000
		auplay_srate 8000
		rtp_ports $((phone_port * 2 % 10000 + 50000))-$((phone_port * 2 % 10000 + 50015))
		module_path /usr/lib/baresip/modules
		module g711.so
		module aufile.so
		module aubridge.so
		module sndfile.so
		module ctrl_tcp.so
		module_app account.so
		module_app menu.so
		snd_path $d/rec
		ctrl_tcp_listen $phone_host:$phone_port
	END
	echo "<sip:$user@demo.test>;auth_pass=$password;outbound=\"sip:$phone_host:$sip;transport=${phone_transport:-udp}\";regint=60;audio_codecs=PCMA/8000/1;$params" > "$d/accounts"
	touch "$d/contacts"
	# Its log, a time before each line: the ladder is drawn from it.
	"${phone_in[@]}" stdbuf -oL baresip -s -f "$d" > >(phone_stamp > "$d/log") 2>&1 \
	    < /dev/null &
	echo $! > "$d/pid"
	# One connection (it takes no more) for its events and our commands.
	for _ in $(seq 100); do
		"${phone_in[@]}" nc -z "$phone_host" "$phone_port" 2> /dev/null && break
		sleep 0.05
	done
	mkfifo "$d/commands"
	"${phone_in[@]}" nc "$phone_host" "$phone_port" <> "$d/commands" > "$d/events" \
	    2> /dev/null &
	echo $! > "$d/nc"
}

phone_stamp() {
	local line
	while IFS= read -r line; do
		printf '%s %s\n' "$EPOCHREALTIME" "$line"
	done
}

# Its registration was accepted (perhaps before it could tell us).
phone_registered() {
	phone_until grep -qa '200 OK.*\[[0-9]* binding' "$dir/$1/log" ||
	    { tail -n 30 "$dir/$1/log" >&2; return 1; }
}

phone_until() {
	for _ in $(seq 200); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}

phone_do() {
	local name=$1 command=$2 json
	shift 2
	json=$(printf '{"command":"%s","params":"%s","token":"t"}' \
	    "$command" "$*")
	printf '%d:%s,' ${#json} "$json" > "$dir/$name/commands"
}

# The events are netstrings of JSON without newlines between them.
phone_events() {
	[ "$(grep -aoE "\"type\":\"$2\"" "$dir/$1/events" | wc -l)" -ge "$3" ]
}

phone_await() {
	phone_until phone_events "$1" "$2" "${3:-1}" && return 0
	echo "phone $1: no event $2 (${3:-1}); last:" >&2
	tail -c 600 "$dir/$1/events" >&2
	return 1
}

# The newest recording of what the phone received.
phone_heard() {
	ls -t "$dir/$1"/rec/*dec.wav 2> /dev/null | head -1
}

phone_share() {
	local file
	file=$(phone_heard "$1")
	[ -n "$file" ] && "$bin/tests/tool/tone" share "$file" "$2"
}

phone_stop() {
	local d=$dir/$1
	[ -e "$d/nc" ] || return 0
	kill "$(cat "$d/nc")" 2> /dev/null
	kill "$(cat "$d/pid")" 2> /dev/null
	wait "$(cat "$d/pid")" "$(cat "$d/nc")" 2> /dev/null
	rm "$d/nc"
}

phone_stop_all() {
	local d
	for d in "$dir"/*/nc; do
		[ ! -e "$d" ] || phone_stop "$(basename "$(dirname "$d")")"
	done
}
