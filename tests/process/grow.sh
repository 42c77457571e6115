#!/bin/bash
# A fourth server joins a site under load, is given roles and ownerships, is
# drained and leaves again: no REGISTER and no call fails, calls that are up
# stay up, and no domain's database is touched by it.
cd "$(dirname "$0")/../.." && . tests/lib/lab.sh
. tests/lib/phone.sh
phone_seconds=900

# After what the rest depends on.
or_end() {
	[ -z "${t_failed:-}" ] || exit 1
}

t "three servers come up as one site" lab up 3
or_end
configure() {
	{
		listens_at 1 2 3
		echo 'set gate default requests-per-second 100000'
		echo 'set domain quiet.test description "Nobody calls here"'
		echo 'set domain quiet.test user 201 password secret201'
		echo 'set domain demo.test description "Load"'
		for n in {101..106} {1000..1039} {2000..2039} {3000..3009} \
		    {4000..4039} {4100..4109}; do
			echo "set domain demo.test user $n password secret$n"
		done
		echo commit
	} | lab console 3 -q -f -
}
t "gates listen on all, with two domains" configure
or_end

# ---- the databases ----------------------------------------------------------

t "all domains are the same on three servers" eventually same_pages 1 2 3
# The records of calls are written to the domain that calls.
busy=$(sqlite3 "$TANDEM_LAB/srv1/streams/domain/root.db" \
    "SELECT id FROM domain WHERE domain = 'demo.test'")
pages 1 | grep -v "^$busy " > "$dir/before"
untouched() {
	[ "$(wc -l < "$dir/before")" -ge 2 ] &&
	    pages "$1" | grep -v "^$busy " | cmp - "$dir/before"
}

# ---- the load ---------------------------------------------------------------

# load KIND I FIRST USERS ...: until the file end.I is there.
load() {
	local kind=$1 i=$2 first=$3 users=$4
	shift 4
	lab exec "$i" "$bin/tests/bench/sip_load" "$kind" \
	    --target "127.0.0.1:$sip" --first "$first" --users "$users" \
	    --password secret%u --duration 3600 --until "$dir/end.$i" --json \
	    "$@" > "$dir/load.$kind.$i" 2>> "$dir/load.err"
}
loads=
load_start() {
	load "$@" &
	loads="$loads $!"
}
t_leave() {
	touch "$dir"/end.{1,2,3,4}
	[ -z "$loads" ] || wait $loads # of nothing would be of all phones
}
trap 't_leave; phone_stop_all; t_end' EXIT
# none_failed FILE: something was done, and nothing of it failed.
none_failed() {
	[ ! -s "$dir/load.err" ] || { cat "$dir/load.err"; return 1; }
	jq -es '([.[].done] | add) as $done | ([.[].failed] | add) as $failed |
	    "\($done) done, \($failed) failed", ($done > 0 and $failed == 0)' \
	    "$dir/load.$1" | tee /dev/stderr
}

phone_at 1
phone_start alice 101 secret101 440 "answermode=auto"
phone_start eve 105 secret105 400 "answermode=auto"
phone_at 2
phone_start bob 102 secret102 620 "answermode=auto"
phone_at 3
phone_start dave 104 secret104 620 "answermode=auto"
phone_start fay 106 secret106 500 "answermode=auto"
for name in alice eve bob dave fay; do
	t "$name registers" phone_registered $name
done
or_end

load_start register 1 1000 40 --rate 50 --window 40
load_start register 2 2000 40 --rate 50 --window 40
load_start call 1 3000 10 --rate 5 --window 5 --hold 300

calls=0
eve_calls_fay() {
	calls=$((calls + 1))
	phone_do eve dial sip:106@demo.test
	phone_await eve CALL_ESTABLISHED $calls || {
		rows 1 'show cdr domain demo.test last 10000' '.data[] |
		    select(.caller == "105") | [.code, .reason, .instance]'
		return 1
	}
	phone_do "$1" hangup
	phone_await eve CALL_CLOSED $calls && phone_await fay CALL_CLOSED $calls
}
phone_do alice dial sip:102@demo.test
t "a call from server 1 to server 2 is up" phone_await alice CALL_ESTABLISHED
t "a new call succeeds, hung up by its caller" eve_calls_fay eve

# ---- it joins ---------------------------------------------------------------

processes() {
	rows 1 'show roles' '[.data[] | select(.instance | endswith("@srv4") |
	    not) | [.instance, .pid]] | sort'
}
t "all processes of three servers run" eventually eval \
    '[ "$(processes | jq length)" = 36 ]'
processes > "$dir/processes"
# An owner that gives its key away is started again, warm: others are not.
workers() {
	jq -c '[.[] | select(.[0] | test("^(sr|st|mgc)/") | not)]'
}
t "a fourth server joins" lab add
or_end
place() {
	{
		listens_at 4
		echo 'set server srv4 role b2bua instances 2'
		echo 'set server srv4 role mg instances 2'
		echo commit
	} | lab console 2 -q -f -
}
t "a commit places roles on it" place
placed() {
	rows 1 'show roles' '[.data[] | select(.state == "ready") |
	    .instance] | contains(["b2bua/2@srv4", "mg/2@srv4", "sg/1@srv4"])'
}
t "they run there" eventually placed
restarted() {
	processes | diff - "$dir/processes"
}
t "no other process was started again for it" eventually restarted

member() {
	rows 1 'show ownership' '[.data[] | select(.key == "'"$1"'") |
	    .members | split(" ") | index("srv4")] != [null]'
}
owns() {
	[ "$(owner 1 "$2")" = "$1" ]
}
for key in sr st mgc; do
	t "it is in sync for $key" eventually member $key
	t "$key moves there" lab console 3 -c "request ownership move $key srv4"
	t "it owns $key" eventually owns 4 $key
done
t "a new call succeeds, hung up by who was called" eve_calls_fay fay
for i in 1 2 3 4; do
	t "domains without calls are untouched on server $i" eventually untouched $i
done

# ---- it works ---------------------------------------------------------------

phone_at 4
phone_start carol 103 secret103 440 "answermode=auto"
t "a phone registers at its gate" phone_registered carol
or_end
load_start register 4 4000 40 --rate 50 --window 40
load_start call 4 4100 10 --rate 5 --window 5 --hold 300
phone_do carol dial sip:104@demo.test
t "it calls one of server 3" phone_await carol CALL_ESTABLISHED
carols_call() {
	rows 1 'show calls' '[.data[] | select(.from == "103" and
	    .state == "up") | .instance | endswith("@srv4")] == [true]'
}
t "that call is at server 4" eventually carols_call
# Calls that server 4 has ever taken, and those of the others.
attempts() {
	rows 1 'show statistics' '[.data[] | select(.counter == "attempts" and
	    (.instance | endswith("@srv4"))) | .value] | add'
}
attempts_not() {
	rows 1 'show statistics' '[.data[] | select(.counter == "attempts" and
	    (.instance | endswith("@srv4") | not)) | .value] | add'
}
has_calls() {
	[ "$(attempts)" -gt 5 ]
}
t "so are those of the load there" eventually has_calls

# ---- it leaves --------------------------------------------------------------

refused_now() {
	lab console 2 -c 'request server remove srv4' 2>&1 |
	    tee /dev/stderr | grep -q "$1"
}
t "while it works it is not removed" eventually refused_now 'drain it'
drains() {
	rows 2 'request server drain srv4' '.data[0] | .server == "srv4" and
	    .drained == false and .calls >= 1 and .media >= 1'
}
t "drain tells of the calls that are left" eventually drains
for key in sr st mgc; do
	t "another server owns $key" eventually eval \
	    "[ -n \"\$(owner 1 $key)\" ] && ! owns 4 $key"
done
kept=$(attempts)
before=$(attempts_not)
more_load() {
	[ "$(attempts_not)" -gt $((before + 20)) ]
}
t "calls of phones at its gate go on elsewhere" eventually more_load
t "none of them is at server 4" eval '[ "$(attempts)" = "$kept" ]'
t "a new call succeeds while it drains" eve_calls_fay eve
t "the call that was up is still there" eventually carols_call
or_end
t "with it the server is not removed" eventually refused_now 'has 1 calls'

touch "$dir/end.4"
phone_do dave hangup
t "who was called hangs up, the caller knows" phone_await carol CALL_CLOSED
drained() {
	rows 2 'request server drain srv4' '.data[0].drained'
}
t "nothing is left there" eval 'for _ in 1 2 3; do eventually drained &&
    break; done'
tone_is() {
	[ "$(phone_share "$1" "$2")" -gt 80 ]
}
t "carol heard the tone of dave" tone_is carol 620
t "dave heard the tone of carol" tone_is dave 440
phone_stop carol
# booked CALLER CALLED ENDER INSTANCE: one such record.
booked() {
	rows 1 'show cdr domain demo.test last 10000' '[.data[] | select(.caller ==
	    "'"$1"'" and .called == "'"$2"'" and .code == 200 and
	    .["ended-by"] == "'"$3"'" and (.instance |
	    test("@'"$4"'$")))] | length == 1'
}
t "the record of its call was collected" booked 103 104 callee srv4
t "it is removed" lab console 2 -c 'request server remove srv4'
gone() {
	rows "$1" 'show ownership' '[.data[] | select((.instance | endswith(
	    "@srv4")) or (.members | contains("srv4")))] == []'
}
for i in 1 2 3; do
	t "server $i knows nothing of it" eventually gone $i
done
lab kill 4
outside() {
	rows 1 'show servers' '([.data[] | select(.server == "srv4") | .state] ==
	    ["outside"]) and (.warn | tostring | contains(
	    "delete server srv4"))'
}
t "show servers says that it is outside, and how to forget it" \
    eventually outside
removed_again() {
	lab console 1 -c 'request server remove srv4' 2> "$dir/words"
	[ $? -eq 3 ] && grep -q 'srv4 is not of the site' "$dir/words"
}
t "to remove it again is refused in plain words" removed_again
forget() {
	lab console 1 -q -c 'delete server srv4' -c commit
}
t "a commit forgets it" forget
t "a new call succeeds after that" eve_calls_fay fay
t "no other process but owners was started again" eval \
    '[ "$(processes | workers)" = "$(workers < "$dir/processes")" ]'

# ---- what was lost ----------------------------------------------------------

phone_do bob hangup
t "the first call ends by who was called" phone_await alice CALL_CLOSED
t "and has its record" eventually booked 101 102 callee srv1
touch "$dir"/end.{1,2,3}
wait $loads
loads=
for name in register.1 register.2 register.4 call.1 call.4; do
	t "no ${name%.*} at server ${name#*.} failed" none_failed $name
done
t "all domains are the same on three servers" eventually same_pages 1 2 3
for i in 1 2 3; do
	t "domains without calls are untouched on server $i" untouched $i
done
