#!/bin/bash
# The console from elsewhere: over the https listener, logged in by a
# certificate. What it prints is what it prints beside the server; whom it lets
# in, whom it believes to be the server, and what ends it.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh
api=$((port + 560))
export HOME=$dir/home
mkdir "$HOME"
known=$HOME/.tandem/known_servers

remote_end() {
	tmux -L "tandem$$" kill-server 2> /dev/null
	t_end
}
trap remote_end EXIT

t "the site comes up with its demo domain" site_up
[ -z "${t_failed:-}" ] || exit 1

# print FILE: its certificate's fingerprint, as openssl has it.
print() {
	openssl x509 -in "$1" -noout -fingerprint -sha256 | sed 's/.*=/sha256:/'
}
# small PRINT: its one spelling.
small() {
	echo "${1//:/}" | tr A-Z a-z | sed 's/^sha256/sha256:/'
}
# remote NAME ARGS...: the console with the key of NAME.
remote() {
	local name=$1
	shift
	"$bin/tandem" -H "127.0.0.1:$api" -i "$dir/$name.pem" "$@" \
	    2> "$dir/words"
}

# ---- who comes in ------------------------------------------------------------

made() {
	local file=$dir/new/anna.pem line
	line=$("$bin/tandem" --make-certificate "$file") &&
	    [ "$line" = "set administrator $(id -un) certificate $(small \
		"$(print "$file")")" ] &&
	    [ "$(stat -c %a "$file" "$dir/new" | tr '\n' ' ')" = '600 700 ' ] &&
	    openssl x509 -in "$file" -noout -checkend $((9 * 365 * 86400)) &&
	    cp "$file" "$dir/anna.pem"
}
t "a key is made, and what lets it in is printed" made
kept() {
	local before
	before=$(cat "$dir/anna.pem")
	exits 1 "$bin/tandem" --make-certificate "$dir/anna.pem" \
	    > "$dir/out" 2> "$dir/words" && says 'File exists' &&
	    [ ! -s "$dir/out" ] && [ "$before" = "$(cat "$dir/anna.pem")" ]
}
t "one that is there is never written over" kept

setup() {
	local name
	for name in boris dora emil twin; do
		"$bin/tandem" --make-certificate "$dir/$name.pem" || return 1
	done
	tandem -q -f - <<-END
		set server srv1 role ws
		set server srv1 listener api transport https instance ws/1 address 127.0.0.1 port $api certificate demo
		set administrator anna role site-admin certificate [$(print "$dir/anna.pem") $(print "$dir/twin.pem")]
		set administrator boris role viewer certificate $(print "$dir/boris.pem")
		set administrator dora role domain-admin domain demo.test certificate $(print "$dir/dora.pem")
		commit comment "consoles may come from elsewhere"
	END
}
t "administrators get certificates by a commit" setup
pin=$(print "$state/demo.crt")
comes_in() {
	remote anna --server "$pin" -c 'show version'
}
t "who has one comes in" eventually comes_in
spelt() {
	tandem -c 'show configuration administrator anna' > "$dir/out" &&
	    grep -q "certificate \[$(small "$(print "$dir/anna.pem")") sha256:" \
		"$dir/out" &&
	    exits 2 tandem -c 'set administrator anna certificate sha256:12' \
		2> "$dir/words" && says 'sha256: and 64 hexadecimal digits'
}
t "fingerprints have one spelling, and are checked" spelt
only_one() {
	exits 6 tandem -c "set administrator boris certificate $(print \
	    "$dir/anna.pem")" -c check 2> "$dir/words" &&
	    says 'is that of administrator anna'
}
t "a certificate is of one administrator" only_one

unknown() {
	exits 5 remote emil --server "$pin" -c 'show version' &&
	    says "refused by 127.0.0.1:$api" && ! says 'cannot connect' &&
	    says "no administrator has the certificate $(small \
		"$(print "$dir/emil.pem")")" &&
	    rows 'show audit last 20' '[.data[] | select(.op == "login" and
	    .result == "permission" and .from == "https 127.0.0.1" and
	    (.words | test("no administrator has the certificate")))] |
	    length == 1'
}
t "a certificate of nobody is refused, and the audit has it" unknown
old() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
	    -nodes -subj /CN=old -keyout "$dir/old.key" \
	    -out "$dir/old.csr" 2> "$dir/words" &&
	    openssl x509 -req -in "$dir/old.csr" -signkey "$dir/old.key" \
		-days -1 -out "$dir/old.crt" 2> "$dir/words" || return 1
	cat "$dir/old.key" "$dir/old.crt" > "$dir/old.pem"
	chmod 600 "$dir/old.pem"
	tandem -q -c "set administrator old role site-admin certificate $(print \
	    "$dir/old.crt")" -c commit &&
	    eventually exits 5 remote old --server "$pin" -c 'show version' &&
	    says 'has expired'
}
t "one that has expired is refused" old
unusable() {
	exits 7 remote nobody --server "$pin" -c 'show version' &&
	    says 'tandem --make-certificate' || return 1
	cp "$dir/anna.pem" "$dir/open.pem" && chmod 644 "$dir/open.pem"
	exits 7 remote open --server "$pin" -c 'show version' &&
	    says 'others may read this key' || return 1
	rm -f "$dir/pipe.pem" && mkfifo "$dir/pipe.pem" &&
	    chmod 600 "$dir/pipe.pem" &&
	    exits 7 timeout 20 "$bin/tandem" -H "127.0.0.1:$api" \
		-i "$dir/pipe.pem" --server "$pin" -c 'show version' \
		2> "$dir/words" && says 'no regular file'
}
t "without a key, or with one that others read, nothing is asked" unusable
words_only() {
	exits 2 remote anna -s /tmp/x -c 'show version' &&
	    exits 2 "$bin/tandem" --server "$pin" -c 'show version' \
		2> "$dir/words" && says 'want -H' &&
	    exits 2 "$bin/tandem" -H 'a:b:c' -c 'show version' \
		2> "$dir/words" &&
	    exits 2 "$bin/tandem" --make-certificate "$dir/made.pem" -c bogus \
		2> "$dir/words" && says 'excludes' && [ ! -e "$dir/made.pem" ] &&
	    exits 2 "$bin/tandem" -H x --server sha256:0 -c 'show version' \
		2> "$dir/words" && says 'hexadecimal'
}
t "options that do not fit are wrong usage" words_only

# ---- what it is then -----------------------------------------------------------

# Everything but the times that pass, between this and that.
same() {
	local command
	while read -r command; do
		tandem --json -c "$command" > "$dir/here" 2> "$dir/here.err"
		echo $? >> "$dir/here"
		remote anna --server "$pin" --json -c "$command" > "$dir/there"
		echo $? >> "$dir/there"
		cmp "$dir/here" "$dir/there" && cmp "$dir/here.err" "$dir/words" &&
		    [ "$(wc -c < "$dir/here")" -gt 20 ] || return 1
	done <<-END
		show version
		show users domain demo.test
		show users domain demo.test limit 1
		show configuration
		show revisions
		show rights
		show users domain nope.test
		show nonsense
		show numbers domain demo.test | count
		set domain demo.test user 101 max-contacts 1000
		request role restart nope/1
	END
}
t "what it prints is what it prints beside the server" same
help_is_there() {
	remote anna --server "$pin" -c 'help show users' > "$dir/there" &&
	    tandem -c 'help show users' > "$dir/here" &&
	    cmp "$dir/here" "$dir/there" && grep -q domain "$dir/there"
}
t "help comes from there" help_is_there
edits() {
	remote anna --server "$pin" -c 'set domain demo.test user 108 name "Зоя"' \
	    -c 'commit comment "from elsewhere"' &&
	    rows 'show revisions last 1' '.data[0] | .operator == "anna" and
	    .from == "https 127.0.0.1" and .comment == "from elsewhere"' &&
	    rows 'show audit last 50 operator anna' '[.data[] |
	    select(.from == "https 127.0.0.1") | .op] | contains(["login",
	    "set", "commit", "logout"])'
}
t "it edits and commits in its own name" edits
many() {
	seq 20000 22999 | sed 's/.*/set domain demo.test user & name "User &"/' \
	    > "$dir/many"
	remote anna --server "$pin" -q --commit -f "$dir/many" &&
	    remote anna --server "$pin" --json -c \
		'show configuration domain demo.test' > "$dir/there" &&
	    tandem --json -c 'show configuration domain demo.test' \
		> "$dir/here" && cmp "$dir/here" "$dir/there" &&
	    [ "$(jq '.data | length' "$dir/there")" -gt 3000 ]
}
t "thousands of lines go ahead of their answers" many
viewer() {
	remote boris --server "$pin" -c 'show servers' &&
	    exits 5 remote boris --server "$pin" -c 'show configuration' &&
	    exits 5 remote boris --server "$pin" \
		-c 'set domain demo.test user 1' &&
	    exits 5 remote boris --server "$pin" -c commit
}
t "a viewer stays a viewer" viewer
part() {
	tandem -q -c 'set domain other.test' -c commit &&
	    [ "$(remote dora --server "$pin" --json -c 'show domains' |
	    jq -c '[.data[].domain]')" = '["demo.test"]' ] &&
	    exits 5 remote dora --server "$pin" -c 'show users domain other.test'
}
t "who has a part of the tree has it from there too" part
interrupted() {
	local pid status
	# SIGINT is ignored by what a script puts into the background.
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$bin/tandem" -H "127.0.0.1:$api" \
	    -i "$dir/anna.pem" --server "$pin" --json -c \
	    'request drill role sr fault kill times 1000 maintenance' \
	    > "$dir/row" 2> "$dir/words" &
	pid=$!
	eventually grep -q 'drill: trial=1 ' "$state/tandemd.log"
	kill -INT $pid
	wait $pid
	status=$?
	[ $status -eq 130 ] && jq -e '.data[0] | .trials > 0 and
	    .trials < 1000 and .lost == 0' "$dir/row"
}
t "Ctrl-C ends a long operation in order" interrupted

watches() {
	remote anna --server "$pin" --json -c 'monitor servers for 1' \
	    > "$dir/row" &&
	    head -n 1 "$dir/row" | jq -e '.data[0].server == "srv1"' &&
	    [ ! -s "$dir/words" ]
}
t "a list is watched from there too" watches

# One who opens all the sessions that there are for them.
full() {
	local i pids=()
	mkfifo "$dir/held"
	for i in $(seq 16); do
		"$bin/tandem" -H "127.0.0.1:$api" -i "$dir/boris.pem" \
		    --server "$pin" < "$dir/held" > /dev/null 2>&1 &
		pids+=($!)
	done
	exec 8> "$dir/held"
	eventually rows 'show sessions' '[.data[] |
	    select(.operator == "boris")] | length == 16' &&
	    exits 7 remote boris --server "$pin" -c 'show version' &&
	    says 'too many sessions' &&
	    remote anna --server "$pin" -c 'show version'
	local status=$?
	exec 8>&-
	wait "${pids[@]}"
	return $status
}
t "one has so many sessions and no more, others find room" full

# ---- who the server is ------------------------------------------------------------

no_pin() {
	exits 7 remote anna -c 'show version' &&
	    says "whose fingerprint is $(small "$pin")" && says '--server' &&
	    exits 7 remote anna --json -c 'show version' > "$dir/row" &&
	    jq -e '.code == "connect" and (.ok | not)' "$dir/row" &&
	    [ ! -e "$known" ]
}
t "a server that nobody vouches for is refused to a script" no_pin
wrong_pin() {
	exits 7 remote anna --server "$(print "$dir/anna.pem")" \
	    -c 'show version' && says 'not that of --server' || return 1
	SSL_CERT_FILE=$state/demo.crt exits 7 remote anna \
	    --server "$(print "$dir/anna.pem")" -c 'show version'
}
t "with --server only that certificate counts" wrong_pin
vouched() {
	local SSL_CERT_FILE=$state/demo.crt
	export SSL_CERT_FILE
	remote anna -c 'show version' && [ ! -e "$known" ] &&
	    "$bin/tandem" -H "localhost:$api" -i "$dir/anna.pem" \
		-c 'show version' &&
	    exits 7 "$bin/tandem" -H "127.0.0.2:$api" -i "$dir/anna.pem" \
		-c 'show version' 2> "$dir/words"
}
t "one that the system vouches for by its name needs no more" vouched
type_in() {
	tmux -L "tandem$$" send-keys -- "$1" Enter
}
on_screen() {
	tmux -L "tandem$$" capture-pane -pJ | sed '/^$/d' > "$dir/screen"
	grep -q -- "$1" "$dir/screen" || {
		cat "$dir/screen"
		return 1
	}
}
asked() {
	tmux -L "tandem$$" -f /dev/null new-session -d -x 120 -y 40 \
	    "$bin/tandem -H 127.0.0.1:$api -i $dir/anna.pem; echo left \$?; cat"
	eventually on_screen '(yes, no)?' && on_screen "$(small "$pin")" &&
	    type_in y && eventually on_screen 'yes or no' && type_in no && eventually on_screen 'left 7' && [ ! -e "$known" ] &&
	    tmux -L "tandem$$" respawn-pane -k &&
	    eventually on_screen '(yes, no)?' && type_in yes &&
	    eventually on_screen 'anna@srv1>' &&
	    [ "$(cat "$known")" = "127.0.0.1:$api $(small "$pin")" ]
}
t "at a terminal it is asked for once" asked
remembered() {
	remote anna -c 'show version' &&
	    cp "$dir/anna.pem" "$HOME/.tandem/console.pem" &&
	    "$bin/tandem" -H "127.0.0.1:$api" -c 'show version'
}
t "and remembered then, for scripts too; the key has a usual place" remembered

writable() {
	chmod 666 "$known" && exits 7 remote anna -c 'show version' &&
	    says 'others may write it'
	local status=$?
	chmod 600 "$known"
	return $status
}
t "what others may have written into it is not believed" writable
homeless() {
	local here=$dir/elsewhere
	mkdir -p "$here/.tandem" && cp "$known" "$here/.tandem" &&
	    cp "$dir/anna.pem" "$here/.tandem/console.pem" && cd "$here" || return 1
	env -u HOME "$bin/tandem" -H "127.0.0.1:$api" -i "$dir/anna.pem" \
	    -c 'show version' > "$dir/out" 2> "$dir/words"
	local status=$?
	cd "$OLDPWD" || return 1
	[ $status -eq 7 ] && says 'is not known here'
}
t "without HOME the current directory is not home" homeless

# ---- a terminal ---------------------------------------------------------------------

offered() {
	type_in 'show version' && eventually on_screen 'VERSION' &&
	    tmux -L "tandem$$" send-keys 'show users domain demo.t' Tab &&
	    eventually on_screen 'domain demo.test' &&
	    tmux -L "tandem$$" send-keys C-c &&
	    type_in 'show users domain demo.test | count' &&
	    eventually on_screen '^[0-9]\{4\}$'
}
t "Tab completes what is there" offered
message() {
	local id
	id=$(rows 'show sessions' '.data[] | select(.operator == "anna" and
	    .from == "https 127.0.0.1") | .session' | tr -d '"')
	tandem -c "request session message $id \"lunch at noon\"" &&
	    eventually on_screen 'message of .*: lunch at noon'
}
t "another operator's words arrive" message
resumed() {
	type_in 'set domain demo.test user 109 name Typed' &&
	    eventually on_screen 'anna@srv1#' || return 1
	kill -9 "$(pid_of ws/1)"
	eventually comes_in && type_in compare &&
	    eventually on_screen 'connected again, with your candidate' &&
	    eventually on_screen 'Typed' && type_in commit &&
	    eventually rows 'show users domain demo.test limit 100' \
		'any(.data[]; .user == "109" and .name == "Typed")'
}
t "the connection is lost, its candidate is not" resumed

# ---- what ends it --------------------------------------------------------------------

session_of() {
	rows 'show sessions' ".data[] | select(.operator == \"$1\")"
}
no_session_of() {
	! session_of "$1"
}
taken_away() {
	local line pid
	mkfifo "$dir/slow"
	remote boris --server "$pin" < "$dir/slow" &
	pid=$!
	exec {line}> "$dir/slow"
	eventually session_of boris &&
	    tandem -q -c 'delete administrator boris certificate' -c commit &&
	    eventually no_session_of boris
	echo 'show version' >&$line
	exec {line}>&-
	exits 7 wait $pid && says 'no administrator has the certificate' &&
	    exits 5 remote boris --server "$pin" -c 'show version'
}
t "a fingerprint that is taken away ends the session" taken_away
demoted() {
	tandem -q -c 'set administrator anna role viewer' -c commit &&
	    type_in 'show configuration' &&
	    eventually on_screen 'not permitted' &&
	    tandem -q -c 'set administrator anna role site-admin' -c commit
}
t "another role is for sessions that are open too" demoted

# ---- what a certificate is not good for ------------------------------------------------

# asks ARGS...: as who has anna's certificate, but no console.
asks() {
	curl -sk --max-time 3 -o "$dir/answer" -w '%{http_code}' \
	    --cert "$dir/anna.pem" --key "$dir/anna.pem" "$@"
}
hello=(-H 'Connection: Upgrade' -H 'Upgrade: websocket'
    -H 'Sec-WebSocket-Version: 13'
    -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' --http1.1)
no_console() {
	local url=https://127.0.0.1:$api
	[ "$(asks "$url/v1/show/version")" = 401 ] &&
	    [ "$(asks "${hello[@]}" "$url/v1/show/version")" = 401 ] &&
	    [ "$(asks "${hello[@]}" -H 'Origin: https://evil.test' \
		"$url/v1/rpc")" = 401 ] &&
	    [ "$(asks "${hello[@]}" -H 'Authorization: Bearer a.b' \
		"$url/v1/rpc")" = 401 ] &&
	    [ "$(asks "${hello[@]}" "$url/v1/rpc")" = 101 ]
}
t "no browser and no request of HTTP comes in by a certificate" no_console

# Last, for the server is another then.
changed() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
	    -nodes -days 365 -subj /CN=demo.test \
	    -addext subjectAltName=IP:127.0.0.1 -keyout "$dir/other.key" \
	    -out "$dir/other.crt" 2> "$dir/words" || return 1
	tandem -q -c "set certificate demo chain @file:$dir/other.crt key @file:$dir/other.key" \
	    -c commit && eventually is_changed && says 'fingerprint' &&
	    [ "$(cat "$known")" = "127.0.0.1:$api $(small "$pin")" ]
}
is_changed() {
	exits 7 remote anna -c 'show version' && says 'HAS CHANGED'
}
t "a server whose certificate has changed is refused loudly" changed
still_changed() {
	local SSL_CERT_FILE=$dir/other.crt
	export SSL_CERT_FILE
	is_changed && remote anna --server "$(print "$dir/other.crt")" \
	    -c 'show version' && mv "$known" "$dir/known" &&
	    remote anna -c 'show version'
}
t "also when somebody vouches for the other one" still_changed
ends_at_once() {
	# One that hangs up on whoever comes.
	python3 -c 'import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(8)
print("up", flush=True)
while True:
    c = s.accept()[0]
    c.recv(10)
    c.shutdown(socket.SHUT_WR)
    while c.recv(1000):
        pass
    c.close()' $((api + 1)) > "$dir/up" &
	local pid=$!
	eventually grep -q up "$dir/up" &&
	    exits 7 "$bin/tandem" -H "127.0.0.1:$((api + 1))" \
		-i "$dir/anna.pem" -c 'show version' 2> "$dir/words" &&
	    says 'ended the connection at once' && says 'too many'
	local status=$?
	kill $pid
	wait $pid 2> /dev/null
	return $status
}
t "that a server hangs up is told in words" ends_at_once
