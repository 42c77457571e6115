#!/bin/bash
# The gate of programs: HTTPS, tokens, scopes, rates, WebSocket, metrics, and
# what strangers do. That its operations are those of the console parity.sh
# says.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh
api=$((port + 560))
url=https://127.0.0.1:$api

t "the site comes up with its demo domain" site_up
[ -z "${t_failed:-}" ] || exit 1

secret=$(openssl rand -hex 32)
programs() {
	tandem -q -f - <<-END
		set server srv1 role ws
		set server srv1 listener api transport https instance ws/1 address 127.0.0.1 port $api certificate demo
		set token root secret $secret role site-admin scope [read configure act]
		set token eye secret $secret role operator
		set token slow secret $secret requests-per-second 2
		set token old secret $secret expires 2020-01-01
		set token off secret $secret state off
		set token anna secret $secret role domain-admin domain demo.test scope [read configure]
		commit comment "programs may come"
	END
}
t "programs are let in by a commit" programs
# as TOKEN ARGS...: the answer in $dir/answer, its head in $dir/head.
as() {
	local token=$1
	shift
	curl -sS --cacert "$state/demo.crt" --max-time 20 -D "$dir/head" \
	    -o "$dir/answer" -H "Authorization: Bearer $token.$secret" "$@"
}
# gives STATUS FILTER: of the last answer.
gives() {
	grep -q "^HTTP/1.1 $1 " "$dir/head" && jq -e "$2" "$dir/answer"
}
listens() {
	as root "$url/v1/show/version" && gives 200 .ok
}
t "its listener answers over TLS with its certificate" eventually listens

# ---- reading and configuring -------------------------------------------------

read_rows() {
	as eye "$url/v1/show/users?domain=demo.test&limit=2" &&
	    gives 200 '.ok and .op == "show users" and
	    ([.data[].user] == ["101", "102"])'
}
t "GET reads, arguments are the query" read_rows
paged() {
	local next='' all=''
	while as eye "$url/v1/show/numbers?domain=demo.test&limit=1$next"; do
		all="$all $(jq -r '.data[].number' "$dir/answer")"
		next="&after=$(jq -r '.next | @uri' "$dir/answer")"
		jq -e .next "$dir/answer" > "$dir/next" || break
	done
	[ "$all" = ' 101 102 103 600' ]
}
t "a long list comes in parts" paged
read_positional() {
	as eye "$url/v1/show/call/no%2Dsuch" &&
	    gives 404 '.code == "absent" and (.ok | not)'
}
t "positional arguments are the path" read_positional
patched() {
	as root -X PATCH -d '{"name": "Зоя", "password": "geheim"}' \
	    "$url/v1/config/domain/demo.test/user/120?comment=by+a+program" &&
	    gives 200 '.op == "commit" and .data[0].servers == "1/1"' &&
	    rows 'show revisions last 1' '.data[0] |
	    .operator == "token:root" and .comment == "by a program"'
}
t "PATCH makes an object and commits" patched
got() {
	as root "$url/v1/config/domain/demo.test/user/120" &&
	    gives 200 '.data == [{"path": "domain demo.test user 120",
	    "values": {"name": "Зоя", "password": "$SEALED$"}}]'
}
t "GET of a path gives its objects, secrets sealed" got
cleared() {
	as root -X PATCH -d '{"name": null}' \
	    "$url/v1/config/domain/demo.test/user/120" && gives 200 .ok &&
	    as root "$url/v1/config/domain/demo.test/user/120" &&
	    gives 200 '.data[0].values | has("name") | not'
}
t "null takes a value away" cleared
again() {
	as root -X PATCH -d '{"max-contacts": 4}' \
	    "$url/v1/config/domain/demo.test/user/120" &&
	    as root -X PATCH -d '{"max-contacts": 4}' \
		"$url/v1/config/domain/demo.test/user/120" &&
	    gives 200 '.warn == ["nothing to commit"] and .data == []'
}
t "the same twice commits nothing" again
at_a_time() {
	as anna -X PATCH -d '{"description": "of the night"}' \
	    "$url/v1/config/domain/demo.test/user/103?at=%2B1s" && gives 200 .ok &&
	    eventually rows 'show revisions last 1' \
		'.data[0].operator == "token:anna"'
}
t "a token's commit at a time has the token's rights" at_a_time
held_back() {
	as root -X PATCH -d '{}' "$url/v1/config/domain/demo.test?confirm=5" &&
	    gives 400 '.message | test("confirm: expected")'
}
t "a query that is not understood holds the commit back" held_back
confirmed() {
	as anna -X PATCH -d '{"max-contacts": 5}' \
	    "$url/v1/config/domain/demo.test/user/120?confirmed=5" &&
	    gives 200 '.data[0].until != null' &&
	    as anna -X POST "$url/v1/confirm" && gives 200 .ok
}
t "a commit may have to be confirmed, by another request" confirmed
deleted() {
	as root -X DELETE "$url/v1/config/domain/demo.test/user/120" &&
	    gives 200 .ok &&
	    as root "$url/v1/config/domain/demo.test/user/120" && gives 404 .code
}
t "DELETE takes an object away and commits" deleted
refused_value() {
	as root -X PATCH -d '{"max-contacts": 1000}' \
	    "$url/v1/config/domain/demo.test/user/101" &&
	    gives 400 '.code == "invalid" and (.message |
	    test("max-contacts.*1..100"))'
}
t "a wrong value is refused with what was expected" refused_value
posted() {
	as root -d '{"path": "domain demo.test", "values":
	    {"description": "of a program"}}' "$url/v1/set?commit" &&
	    gives 200 '.op == "commit"' &&
	    [ "$(tandem -c 'show configuration domain demo.test | match "of a program" | count')" = 1 ]
}
t "POST edits; with commit in the query it commits" posted
forgotten() {
	as root -d '{"path": "domain demo.test", "values":
	    {"description": "never"}}' "$url/v1/set" && gives 200 .ok &&
	    as root "$url/v1/compare" && gives 200 '.data == []' &&
	    eventually rows 'show candidates' '.data == []'
}
t "without it the candidate ends with the request" forgotten

# ---- JSON-RPC ------------------------------------------------------------------

batch() {
	as root -d '[
	    {"jsonrpc": "2.0", "id": 1, "method": "set", "params":
		{"path": "domain demo.test user 131"}},
	    {"jsonrpc": "2.0", "id": "two", "method": "compare"},
	    {"jsonrpc": "2.0", "method": "check"},
	    {"jsonrpc": "2.0", "id": 4, "method": "commit"}]' "$url/v1/rpc" &&
	    gives 200 '[.[].id] == [1, "two", 4] and
	    (.[1].result.data | length) == 1 and .[2].result.data[0].rev > 1'
}
t "a batch is one session and one candidate" batch
broken() {
	as root -d '[
	    {"jsonrpc": "2.0", "id": 1, "method": "set", "params":
		{"path": "domain demo.test user 132"}},
	    {"jsonrpc": "2.0", "id": 2, "method": "set", "params":
		{"path": "domain demo.test user x y"}},
	    {"jsonrpc": "2.0", "id": 3, "method": "commit"}]' "$url/v1/rpc" &&
	    gives 200 '.[1].error.data.code == "unknown" and
	    (.[2].error.message | test("not done: set"))' &&
	    as root "$url/v1/config/domain/demo.test/user/132" && gives 404 .code
}
t "after an error of a batch nothing of it is committed" broken
not_rpc() {
	as root -d '{"method": "show version"}' "$url/v1/rpc" &&
	    gives 400 '.error.code == -32600 and .id == null' &&
	    as root -d '[]' "$url/v1/rpc" && gives 400 '.error.code == -32600' &&
	    as root -d '[1' "$url/v1/rpc" && gives 400 '.error.code == -32700'
}
t "what is no JSON-RPC is refused" not_rpc

# ---- who may -----------------------------------------------------------------

without() {
	curl -sk -D "$dir/head" -o "$dir/answer" "$url/v1/show/version" &&
	    gives 401 '.code == "permission"' &&
	    grep -qi '^WWW-Authenticate: Bearer' "$dir/head"
}
t "without a token nothing is told" without
scopes() {
	as eye -d '{}' "$url/v1/commit" &&
	    gives 403 '.message | test("no scope configure")' &&
	    as anna -d '{"flow": "sg/1.1"}' "$url/v1/request/flow/close" &&
	    gives 403 '.message | test("no scope act")' &&
	    rows 'show audit last 20' '[.data[] | select(.operator ==
	    "token:eye" and .result == "permission")] | length == 1'
}
t "a scope takes rights away, and the audit has it" scopes
part() {
	as anna "$url/v1/show/users?domain=demo.test" && gives 200 .ok &&
	    as anna -X PATCH -d '{}' "$url/v1/config/server/srv1/role/sg" &&
	    gives 403 .code &&
	    as anna "$url/v1/config/token" && gives 403 .code
}
t "a token of a domain has that part of the tree" part
ended() {
	as old "$url/v1/show/version" && gives 401 '.message | test("expired")' &&
	    as off "$url/v1/show/version" && gives 401 '.message | test("is off")'
}
t "a token that expired or is off is refused" ended
not_stored() {
	! grep -rqF "$secret" "$state/streams" "$state/log" "$state/audit" &&
	    ! tandem -c 'show configuration token' | grep -qF "$secret" &&
	    tandem -c 'show configuration token' |
	    grep -qF 'secret $SEALED$'
}
t "the secret of a token is stored and shown nowhere" not_stored
rated() {
	local i
	for i in 1 2 3 4 5; do
		as slow "$url/v1/show/version" || return 1
		gives 429 '.code == "busy"' && grep -qi '^Retry-After: 1' \
		    "$dir/head" && return 0
	done
	return 1
}
t "a token above its rate is told when to come again" rated

# ---- WebSocket ------------------------------------------------------------------

# socket TOKEN: lines of standard input are messages.
socket() {
	python3 tests/lib/websocket.py "$api" /v1/rpc "$1.$secret" > "$dir/ws"
}
talks() {
	socket root <<-END
		{"jsonrpc": "2.0", "id": 1, "method": "show version"}
		!wait 1
		{"jsonrpc": "2.0", "id": 2, "method": "set", "params": {"path": "domain demo.test", "values": {"description": "by socket"}}}
		!wait 1
		{"jsonrpc": "2.0", "id": 3, "method": "compare"}
		!wait 1
		nonsense
		!wait 1
	END
	[ "$(head -n 1 "$dir/ws")" = "HTTP/1.1 101 Switching Protocols" ] &&
	    sed 1d "$dir/ws" | jq -es '.[0].result.data[0].server == "srv1" and
	    (.[2].result.data | length) == 1 and .[3].error.code and
	    .[3].id == null'
}
t "a WebSocket is a session with a candidate" talks
left() {
	eventually rows 'show candidates' '.data == []' &&
	    ! rows 'show sessions' '.data[] | select(.operator == "token:root")'
}
t "and both end with it" left
told() {
	: > "$dir/ws"
	printf '%s\n' '{"jsonrpc": "2.0", "id": 1, "method": "show sessions"}' \
	    '!wait 1' '!closed' | socket root &
	local pid=$! session
	eventually grep -q '"own":true' "$dir/ws" || return 1
	session=$(sed -n 2p "$dir/ws" |
	    jq -r '.result.data[] | select(.own) | .session')
	tandem -q -c "request session message $session \"good evening\"" &&
	    tandem -q -c "request session close $session" &&
	    wait $pid && grep -q '"method":"message".*good evening' "$dir/ws" &&
	    [ "$(tail -n 1 "$dir/ws")" = closed ]
}
t "it is told what a console is told, and can be closed" told
revoked() {
	: > "$dir/ws"
	printf '%s\n' '{"jsonrpc": "2.0", "id": 1, "method": "show version"}' \
	    '!wait 1' '!closed' | socket eye &
	local pid=$!
	eventually grep -q '"id":1' "$dir/ws" || return 1
	tandem -q -c 'set token eye state off' -c commit && wait $pid &&
	    [ "$(tail -n 1 "$dir/ws")" = closed ] &&
	    tandem -q -c 'set token eye state on' -c commit
}
t "a token that is switched off ends its sockets" revoked
# ends COMMANDS: a socket of token eye is there, and the commit ends it.
ends() {
	: > "$dir/ws"
	printf '%s\n' '{"jsonrpc": "2.0", "id": 1, "method": "show version"}' \
	    '!wait 1' '!closed' | socket eye &
	local pid=$!
	eventually grep -q '"id":1' "$dir/ws" || return 1
	printf '%s\n' "$@" commit | tandem -q -f - && wait $pid &&
	    [ "$(tail -n 1 "$dir/ws")" = closed ]
}
expires() {
	ends "set token eye expires $(date -u -d '+2 seconds' +%FT%TZ)" &&
	    tandem -q -c 'delete token eye expires' -c commit
}
t "a token that expires ends its sockets, nobody else needed" expires
rotated() {
	ends "set token eye secret $(openssl rand -hex 32)" &&
	    tandem -q -c "set token eye secret $secret" -c commit
}
t "another secret ends those of the one before" rotated
control_dies() {
	: > "$dir/ws"
	printf '%s\n' '{"jsonrpc": "2.0", "id": 1, "method": "show version"}' \
	    '!wait 1' '!closed' | socket eye &
	local pid=$! before
	before=$(pid_of ws/1)
	eventually grep -q '"id":1' "$dir/ws" || return 1
	kill -9 "$(pid_of control/1)"
	wait $pid && [ "$(tail -n 1 "$dir/ws")" = closed ] &&
	    eventually listens && [ "$(pid_of ws/1)" = "$before" ]
}
t "control dies: sockets end, the gate goes on with the next" control_dies
badly() {
	# A frame without a mask breaks the protocol (RFC 6455 5.1).
	printf '%s\n' '!raw 810568656c6c6f' '!closed' | socket root
	[ "$(tail -n 1 "$dir/ws")" = closed ] &&
	    as root "$url/v1/show/version" && gives 200 .ok
}
t "a broken frame ends the socket and nothing else" badly

# ---- metrics, OpenAPI ---------------------------------------------------------------

metrics() {
	as eye "$url/metrics" && grep -q '^HTTP/1.1 200' "$dir/head" &&
	    awk '/^# (HELP|TYPE) tandem_[a-z0-9_]+ ./ { next }
	    /^tandem_[a-z0-9_]+\{[^{}]*\} -?[0-9]+$/ { n++; next }
	    { print "not of Prometheus: " $0; bad = 1 }
	    END { exit bad || n < 50 }' "$dir/answer" &&
	    grep -q '^tandem_requests{process="ws/1"}' "$dir/answer"
}
t "metrics are text of Prometheus" metrics
openapi() {
	as eye "$url/v1/openapi.json" && gives 200 '.openapi == "3.1.0"' &&
	    jq -e --slurpfile t <("$bin/tandemd" -x ops) '[.paths[] | .get, .post |
	    select(.) | .operationId] as $there | [$t[0].ops[].name |
	    select(startswith("monitor ") | not)] - $there == []' \
		"$dir/answer" &&
	    jq -e '.paths["/v1/config/domain/{domain}/user/{user}"].patch.requestBody
	    .content["application/json"].schema.properties["max-contacts"] |
	    .maximum == 100' "$dir/answer" &&
	    jq -e '[.. | .["$ref"]? // empty | ltrimstr("#/") / "/"] as $refs |
	    . as $doc | all($refs[]; . as $p | $doc | getpath($p) != null)' \
		"$dir/answer"
}
t "OpenAPI has every operation and object" openapi

# ---- strangers ---------------------------------------------------------------------

taken_away() {
	: > "$dir/ws"
	printf '%s\n' '{"jsonrpc": "2.0", "id": 1, "method": "show version"}' \
	    '!wait 1' '!closed' | socket eye &
	local pid=$!
	eventually grep -q '"id":1' "$dir/ws" || return 1
	tandem -q -c 'delete server srv1 listener api' -c commit &&
	    wait $pid && [ "$(tail -n 1 "$dir/ws")" = closed ] &&
	    tandem -q -c "set server srv1 listener api transport https instance ws/1 address 127.0.0.1 port $api certificate demo" -c commit &&
	    eventually listens
}
t "a listener that is taken away ends what came by it" taken_away
status() {
	[ "$(curl -sk -o "$dir/answer" -w '%{http_code}' \
	    -H "Authorization: Bearer root.$secret" "${@:2}")" = "$1" ]
}
strange() {
	status 404 "$url/" && status 404 "$url/v1/show/nothing" &&
	    status 404 "$url/v1/show/version/more" &&
	    status 404 --path-as-is "$url/v1/../../etc/passwd" &&
	    status 405 "$url/v1/commit" && status 405 -X PUT "$url/v1/config/x" &&
	    status 405 -d '{}' "$url/v1/show/version" &&
	    status 400 -d x=y "$url/v1/commit" &&
	    status 405 "$url/v1/rpc" &&
	    status 400 "$url/v1/show/call/a%00b" &&
	    status 400 "$url/v1/show/call/a%ffb" &&
	    status 400 "$url/v1/show/version?colour=red" &&
	    status 400 -d '{"a": 1, "a": 2}' "$url/v1/commit" &&
	    status 400 -d '{' "$url/v1/commit" &&
	    status 413 --data-binary @<(head -c 2000000 /dev/zero) \
		"$url/v1/commit"
}
t "what makes no sense is refused with a reason" strange
plain() {
	! curl -s --max-time 5 -o /dev/null "http://127.0.0.1:$api/v1/show/version"
}
t "nothing is served without TLS" plain
garbage() {
	local i
	for i in 1 2 3 4 5; do
		head -c 5000 /dev/urandom | timeout 5 openssl s_client -quiet \
		    -connect "127.0.0.1:$api" > /dev/null 2>&1
		head -c 5000 /dev/urandom | timeout 5 nc -N 127.0.0.1 "$api" \
		    > /dev/null 2>&1
	done
	as root "$url/v1/show/version" && gives 200 .ok
}
t "garbage does no harm" garbage
# Users enough for lists that are long.
crowded() {
	{
		echo 'set domain big.test'
		seq -f 'set domain big.test user %.0f name "Somebody of a crowd"' \
		    10001 12500
		echo 'commit'
	} | tandem -q -f - &&
	    tandem -q -c 'set token viv secret '"$secret"' role viewer requests-per-second 1000' \
		-c commit
}
t "a domain is large" crowded
size() {
	awk -v what="^$2:" '$0 ~ what { print $2 }' "/proc/$(pid_of "$1")/status"
}
# Nobody takes the answers of a program that does not read.
unread() {
	local before after
	before=$(size control/1 VmRSS)
	mkfifo "$dir/go"
	python3 tests/lib/flood.py "$api" "viv.$secret" 16 6 'show users' \
	    '{"domain": "big.test", "limit": 2500}' \
	    < "$dir/go" > "$dir/flood" 2> "$dir/trouble" &
	local pid=$!
	exec 7> "$dir/go"
	eventually grep -q asked "$dir/flood" &&
	    as root "$url/v1/show/users?domain=big.test&limit=2500" &&
	    gives 200 '(.data | length) == 2500' &&
	    rows 'show roles' 'all(.data[]; .state == "ready")' || return 1
	after=$(size control/1 VmHWM)
	echo "control/1: $before kB, $after at most, ws/1: $(size ws/1 VmHWM)"
	[ "$after" -lt $((before + 60000)) ] &&
	    [ "$(size ws/1 VmHWM)" -lt 160000 ] || return 1
	echo go >&7
	exec 7>&-
	wait $pid && grep -qx "good 96" "$dir/flood"
}
t "who asks much and reads nothing costs little, and gets it all later" unread
given_back() {
	[ "$(size control/1 VmRSS)" -lt 60000 ] &&
	    [ "$(size ws/1 VmRSS)" -lt 60000 ]
}
t "memory is given back" eventually given_back
# limit PID SOFT: descriptors, as its own user.
limit() {
	local uid gid as=()
	uid=$(awk '/^Uid:/ { print $2 }' "/proc/$1/status")
	gid=$(awk '/^Gid:/ { print $2 }' "/proc/$1/status")
	[ "$(id -u)" -ne 0 ] ||
		as=(setpriv --reuid="$uid" --regid="$gid" --clear-groups)
	"${as[@]}" prlimit --pid "$1" --nofile="$2":
}
starved() {
	local pid soft
	pid=$(pid_of ws/1)
	soft=$(awk '/^Max open files/ { print $4 }' "/proc/$pid/limits")
	limit "$pid" 12 || return 1
	eventually grep -q 'ws/1.*warn: accept' "$state/tandemd.log" &
	local seen=$!
	timeout 3 nc 127.0.0.1 "$api" < /dev/null > "$dir/starved" 2>&1 &
	local one=$!
	timeout 3 nc 127.0.0.1 "$api" < /dev/null > "$dir/starved" 2>&1
	wait $one
	wait $seen && limit "$pid" "$soft" &&
	    eventually listens && [ "$(pid_of ws/1)" = "$pid" ]
}
t "a gate that ran out of descriptors listens again" starved
many() {
	local i pids=() before
	before=$(pid_of ws/1)
	# They say nothing: what they would send never comes.
	mkfifo "$dir/nothing"
	for i in $(seq 100); do
		nc 127.0.0.1 "$api" <> "$dir/nothing" > /dev/null 2>&1 &
		pids+=($!)
	done
	eventually rows 'show statistics instance ws/1' '[.data[] |
	    select(.counter == "refused" and .value > 0)] | length == 1' &&
	    as root "$url/v1/show/version" && gives 200 .ok
	local status=$?
	kill "${pids[@]}" 2> /dev/null
	wait "${pids[@]}" 2> /dev/null
	[ $status -eq 0 ] && [ "$(pid_of ws/1)" = "$before" ] &&
	    eventually listens
}
t "one address has a bounded number of connections, of which idle ones make room" many
guesses() {
	local i
	for i in $(seq 25); do
		status 429 -H 'Authorization: Bearer root.guess' \
		    "$url/v1/show/version"
		curl -sk -o "$dir/answer" -D "$dir/head" \
		    -H 'Authorization: Bearer root.guess' "$url/v1/show/version"
	done
	gives 429 '.message | test("address")'
}
t "who guesses secrets is not heard" guesses

endless() {
	# A chunk whose length never ends: libevent alone would read on.
	{
		printf 'POST /v1/commit HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer root.%s\r\nTransfer-Encoding: chunked\r\n\r\n' "$secret"
		head -c 30000000 /dev/zero | tr '\0' 1
	} | timeout 20 openssl s_client -quiet -connect "127.0.0.1:$api" \
	    > "$dir/endless" 2>&1
	[ "$(awk '/^VmHWM/ { print $2 }' "/proc/$(pid_of ws/1)/status")" \
	    -lt 100000 ] && ! as root "$url/v1/show/version"
}
t "who floods is cut off, let in no more for a while, and costs little" endless

killed() {
	kill -9 "$(pid_of ws/1)"
	eventually listens # a new process has forgotten the guesses
}
t "a gate that dies is started again" killed
t "no process of the site was lost but these two" rows 'show roles' \
    '[.data[] | select(.restarts > 0) | .instance] == ["control/1", "ws/1"]'
