#!/bin/bash
# What the manual promises of the console, on a whole site: the lines of the
# README run, what is absent is exit status 3, a bad certificate is refused.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh

bin=$(realpath "$bin")

t "the site comes up with its demo domain" site_up

# "Use it" of the README, as it stands there, with a file of changes and with
# nobody at the terminal.
readme_runs() {
	mkdir -p "$dir/readme" && echo 'show version' > \
	    "$dir/readme/changes.tandem" &&
	    sed -n '/^## Use it/,/^## /s/^    //p' README.md \
		> "$dir/readme/lines" && grep -q commit "$dir/readme/lines" &&
	    (cd "$dir/readme" && PATH=$bin:$PATH \
		TANDEM_SOCKET=$state/control.sock bash -e lines < /dev/null)
}
t "the lines of the README run" readme_runs

# A number object that names the user of its name is that user's number.
same_number() {
	tandem -q --commit -c 'set domain demo.test number 101 user 101' &&
	    rows 'show numbers domain demo.test' \
		'[.data[] | select(.number == "101")] | length == 1' || return 1
	tandem -q --commit -c 'set domain demo.test number 102 service echo'
	[ $? -eq 6 ]
}
t "a number is its user's or nobody's" same_number

# Of a list that is longer than an answer filters see all.
whole() {
	{
		echo 'set domain big.test'
		seq 12001 14500 | sed 's/.*/set domain big.test user &/'
	} > "$dir/big" && tandem -q --commit -f "$dir/big" &&
	    [ "$(tandem -q -c 'show users domain big.test | count')" = 2500 ] &&
	    [ "$(tandem -c 'show users domain big.test | match 14321 | columns user' \
		2> "$dir/words")" = 14321 ] &&
	    [ ! -s "$dir/words" ] &&
	    rows 'show users domain big.test | last 1' \
		'.data[0].user == "14500" and .next == null' &&
	    [ "$(tandem -c 'show users domain big.test limit 9 | count' \
		2> "$dir/words")" = 9 ] && says 'only the first 9' &&
	    tandem -q --commit -c 'delete domain big.test'
}
t "a filter sees all of a long list" whole

absent() {
	local command
	while read -r command; do
		tandem -q -c "$command"
		[ $? -eq 3 ] || {
			echo "not 3: $command"
			return 1
		}
	done <<-END
		show configuration domain nope.test
		show configuration domain demo.test user 999
		show calls domain nope.test
		show registrations domain nope.test
		show registrations domain demo.test user 999
		show users domain nope.test
		show numbers domain nope.test
		show cdr domain nope.test
		show statistics instance mg/5
		show media-sessions gate mg/5
		show media call foo
		show call foo
		request call hangup foo
		request flow close 0123456789abcdef
		request unban 1.2.3.4
		request registration remove demo.test 101
		request registration remove demo.test 999
		request role restart mg/5
		delete domain nope.test
	END
}
t "what is named and absent is exit status 3" absent

empty() {
	tandem -q --commit -c 'set domain empty.test' &&
	[ -z "$(tandem -c 'show users domain empty.test' \
	    -c 'show numbers domain empty.test' \
	    -c 'show cdr domain empty.test' \
	    -c 'show calls domain empty.test' \
	    -c 'show registrations domain empty.test' || echo $?)" ] &&
	[ -z "$(tandem -c 'show calls domain demo.test' -c 'show bans' \
	    -c 'show registrations domain demo.test user 101' \
	    -c 'show media-sessions gate mg/1' \
	    -c 'show flows user 101' || echo $?)" ] || return 1
	tandem -q -c 'show registrations domain empty.test user 5'
	[ $? -eq 3 ]
}
t "an empty list is exit status 0 and no text" empty

bad_certificate() {
	tandem -q --commit -c 'set certificate demo chain junk key junk' \
	    2> "$dir/words"
	[ $? -eq 6 ] && grep -q 'expected certificates in PEM' "$dir/words" &&
	    rows 'show listeners' '[.data[] | select(.error != null)] == []'
}
t "a certificate that cannot serve is refused" bad_certificate

# A script that waits for its next line keeps none back: what another operator
# commits meanwhile is a conflict and not lost.
sent() {
	rows 'show sessions' '[.data[] | select(.pid == '$writer') |
	    .operations] == [2]'
}
slow_script() {
	local line writer
	mkfifo "$dir/slow"
	"$bin/tandem" -s "$state/control.sock" -f "$dir/slow" 2> "$dir/words" &
	writer=$!
	exec {line}> "$dir/slow"
	echo 'set domain demo.test description mine' >&$line
	eventually sent
	tandem -q -c 'set domain demo.test description theirs' -c commit
	echo commit >&$line
	exec {line}>&-
	wait $writer
	[ $? -eq 4 ] && grep -q 'is now theirs .*yours: mine' "$dir/words"
}
t "a script that waits overwrites nobody" slow_script

warned() {
	tandem -n -c 'set server srv1 role sr instances 0' 2> "$dir/words"
	[ $? -eq 10 ] && grep -q 'phones cannot register' "$dir/words"
}
t "a dry run warns of a duty that nobody does" warned

ports() {
	rows 'show ownership all' '[.data[] | select(.key | test(
	    "^(replicator|control|st)")) | .inside] | unique == [null]' &&
	    rows 'show ownership all' '[.data[] | select(.key == "sr") |
	    .inside] != [null]'
}
t "only roles with an inside port show one" ports

# The store does not answer, nor is there a supervisor that would replace it:
# the console gives up once.
silent() {
	local st supervisor status
	st=$(pid_of "$(owner_of st)")
	supervisor=$(ps -o ppid= -p "$st")
	kill -STOP $supervisor "$st"
	tandem -q -T 1 --commit -c 'set domain demo.test state on'
	status=$?
	kill -CONT "$st" $supervisor
	[ $status -eq 9 ]
}
t "a silent server is exit status 9" silent

# ---- terminals that show no UTF-8 -----------------------------------------------

# at_terminal LOCALE ARGS...: the bytes that a terminal gets are in $dir/bytes.
at_terminal() {
	local locale=$1
	shift
	LC_ALL=$locale TANDEM_HISTORY=$dir/history python3 -c 'import os, pty, sys
with open(sys.argv[1], "wb") as f:
    def keep(fd):
        data = os.read(fd, 65536)
        f.write(data)
        return data
    pty.spawn(sys.argv[2:], keep)' "$dir/bytes" "$bin/tandem" \
	    -s "$state/control.sock" "$@" < /dev/null > "$dir/out" 2>&1
}
# Not a byte beyond ASCII.
ascii() {
	! LC_ALL=C grep -q '[^ -~[:space:]]' <(tr -d '\033' < "$dir/bytes")
}
c1() {
	local name='Л31mRED Н0;pwnedМ'
	tandem -q -c "set domain demo.test user 177 name \"$name\"" -c commit &&
	    at_terminal C -c 'show users domain demo.test match 177' && ascii &&
	    grep -qF '\xd0\x9b31mRED \xd0\x9d0;pwned\xd0\x9c' "$dir/bytes" &&
	    at_terminal C --json -c 'show users domain demo.test match 177' &&
	    ascii || return 1
	at_terminal C -c "show users domain \"$name\""
	ascii && grep -qF '\xd0\x9b31mRED' "$dir/bytes" &&
	    at_terminal C.UTF-8 -c 'show users domain demo.test match 177' &&
	    grep -qF "$name" "$dir/bytes" &&
	    LC_ALL=C tandem -c 'show users domain demo.test match 177' |
	    grep -qF "$name"
}
t "what a terminal without UTF-8 could obey is shown in hexadecimal; files get it all" c1
