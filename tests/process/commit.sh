#!/bin/bash
# Configuration as transactions, on a whole site: what is edited at a prompt
# outlives the console, its server's processes and the store's owner; a commit
# that nobody confirms is taken back; files are applied, and twice is once.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh

t "the site comes up with its demo domain" site_up

# A console at a terminal of its own; lines go to it by say.
prompt() {
	rm -f "$dir/keys" && mkfifo "$dir/keys"
	script -qec "$bin/tandem -s $state/control.sock" /dev/null \
	    < "$dir/keys" > "$dir/screen" 2>&1 &
	prompt=$!
	exec {keys}> "$dir/keys"
}
say() {
	printf '%s\r' "$1" >&$keys
}
seen() {
	grep -q "$1" "$dir/screen"
}
prompt_ends() {
	exec {keys}>&-
	wait $prompt
}
candidates() {
	rows 'show candidates' "$1"
}
line_runs() {
	[ "$(tandem -c "show configuration $1 | match \"$2\" | count")" = 1 ]
}

killed_console() {
	prompt
	say 'set domain demo.test description "kept"'
	eventually candidates '.data | length == 1' || return 1
	kill -9 "$(pgrep -P $prompt)"
	prompt_ends
	eventually candidates '[.data[].state] == ["left"]'
}
t "a console that is killed leaves its candidate" killed_console

resumed() {
	prompt
	eventually seen 'you have left 1 candidate' || return 1
	say 'configure resume'
	eventually candidates '[.data[].state] == ["open"]' || return 1
	say 'commit comment "taken up"'
	eventually line_runs 'domain demo.test' 'description kept' &&
	    candidates '.data == []'
	local status=$?
	say quit
	prompt_ends
	return $status
}
t "the next one takes it up and commits it" resumed

counts_down() {
	prompt
	say 'set domain demo.test description "for a while"'
	say 'commit confirmed 5'
	eventually seen '(confirm: 4:5[0-9]) ' || return 1
	say confirm
	say 'show version'
	eventually seen 'srv1 *demo' && say quit
	prompt_ends
	# after it the prompt is as it was
	! tail -n 3 "$dir/screen" | grep -q '(confirm'
}
t "the prompt counts down to the confirmation" counts_down

# Undone by somebody else: the idle prompt says so.
told_undone() {
	prompt
	say 'set domain demo.test description "for a moment"'
	say 'commit confirmed 5'
	eventually seen '(confirm: 4:5[0-9]) ' || return 1
	tandem -q -c undo && eventually seen 'revision .* was undone at .* undo of'
	local status=$?
	say quit
	prompt_ends
	return $status
}
t "an idle prompt says that its commit was undone" told_undone

# Control dies, then the owner of the store: the prompt goes on with its own.
processes_die() {
	prompt
	say 'set domain demo.test description "outlives"'
	eventually candidates '[.data[].state] == ["open"]' || return 1
	kill -9 "$(pid_of control/1)"
	eventually candidates '[.data[].state] == ["left"]' || return 1
	say 'show version'
	eventually seen 'with your candidate' &&
	    eventually candidates '[.data[].state] == ["open"]' || return 1
	moves st
	eventually candidates '[.data[].state] == ["open"]' || return 1
	say 'commit'
	eventually line_runs 'domain demo.test' 'description outlives'
	local status=$?
	say quit
	prompt_ends
	return $status
}
t "it outlives control and the owner of the store" processes_die

# Control dies while a block that was pasted runs: what was done of it is not
# taken up again, but forgotten.
block_breaks_off() {
	prompt
	eventually seen 'srv1> ' || return 1
	printf '\033[200~%s\r%s\r%s\r\033[201~' \
	    'set domain demo.test description "half"' 'monitor roles' \
	    'set domain demo.test user 101 name "never"' >&$keys
	eventually seen '3 lines pasted' || return 1
	say ''
	eventually seen 'INSTANCE' || return 1
	kill -9 "$(pid_of control/1)"
	eventually seen 'the block ended at line 2; its changes are discarded' &&
	    eventually candidates '[.data[].state] == ["left"]' || return 1
	say 'show version'
	eventually seen 'connected again; what was half done was discarded' &&
	    candidates '.data == []'
	local status=$?
	say quit
	prompt_ends
	return $status
}
t "of a block that broke off nothing stays" block_breaks_off

# Who alone may commit is told that it is over; others may again.
lock_ends() {
	prompt
	say 'configure exclusive'
	eventually candidates '[.data[] | .exclusive] == [true]' || return 1
	kill -9 "$(pid_of control/1)"
	eventually tandem -q -c 'show version' &&
	    eventually candidates '.data == []' || return 1
	say 'show version'
	eventually seen 'configure exclusive ended with the connection'
	local status=$?
	say quit
	prompt_ends
	return $status
}
t "a lock that ends with control is told at the prompt" lock_ends

script_leaves_none() {
	tandem -q -c 'set domain demo.test description "dropped"' 2> /dev/null
	[ $? -eq 1 ] && candidates '.data == []'
}
t "a script leaves none" script_leaves_none

not_confirmed() {
	tandem -q --commit=confirmed:5 \
	    -c 'set domain demo.test description unsure' &&
	line_runs 'domain demo.test' 'description unsure' || return 1
	tandem -q --commit -c 'set domain demo.test description "mine"'
	[ $? -eq 4 ] || return 1
	tandem -q --commit -c 'set domain other.test' || return 1
	tandem -q -c undo && line_runs 'domain demo.test' 'description outlives' &&
	    line_runs 'domain other.test' 'set domain other.test' &&
	    { tandem -q -c confirm; [ $? -eq 3 ]; }
}
t "undo takes back an unconfirmed commit and nothing else" not_confirmed

confirmed() {
	tandem -q -c 'set domain demo.test description "stays"' \
	    -c 'commit confirmed 1' && tandem -q -c confirm &&
	    rows 'show revisions last 1' '.data[0].until == null'
}
t "confirm lets one stay" confirmed

later() {
	tandem -q -c 'set domain demo.test description "later"' \
	    -c 'commit at +2h comment "tonight"' &&
	candidates '[.data[] | .state, .comment] == ["waits", "tonight"]' &&
	tandem -q -c "discard session $(candidates '.data[0].session' |
	    tr -d '"')" && candidates '.data == []' || return 1
	tandem -q -c 'set domain demo.test description "x"' -c 'commit at -2h'
	[ $? -eq 2 ]
}
t "a commit waits for its time, or is taken back before" later

named() {
	local rev
	describe() {
		tandem -q -c "set domain demo.test description $1" \
		    -c 'commit txid abc1' 2> "$dir/words"
	}
	describe first && rev=$(rows 'show revisions last 1' '.data[0].rev') &&
	    describe first && exits 4 describe second && says 'use another' &&
	    line_runs 'domain demo.test' 'description first' &&
	    [ "$(rows 'show revisions last 1' '.data[0].rev')" = "$rev" ]
}
t "a txid is not used for another change" named

exported() {
	tandem -c 'export domain demo.test' > "$dir/demo.conf" &&
	revision=$(rows 'show revisions last 1' '.data[0].rev') &&
	tandem -q -c "apply $dir/demo.conf" &&
	tandem -q -c "apply prune domain demo.test from $dir/demo.conf" &&
	[ "$(rows 'show revisions last 1' '.data[0].rev')" = "$revision" ]
}
t "what was exported is applied without a commit" exported

applied() {
	{
		grep -v 'user 102' "$dir/demo.conf"
		echo 'set domain demo.test user 900 name Nine'
	} > "$dir/new.conf"
	tandem -n -c "apply $dir/new.conf"
	[ $? -eq 10 ] || return 1
	tandem -q -c "apply $dir/new.conf" &&
	    line_runs 'domain demo.test' 'user 900 name Nine' &&
	    line_runs 'domain demo.test' 'user 102' &&
	    tandem -q -c "apply prune domain demo.test from $dir/new.conf" &&
	    ! line_runs 'domain demo.test' 'user 102' &&
	    tandem -q -c "apply prune domain demo.test from $dir/new.conf" ||
	    return 1
	grep -v 'user 900' "$dir/new.conf" > "$dir/again.conf"
	tandem -q -c "apply prune domain demo.test from $dir/again.conf" &&
	    ! line_runs 'domain demo.test' 'user 900'
}
t "apply makes it so, prune deletes the rest" applied

# Without a path all becomes what the file says, and how much goes is said.
applied_whole() {
	tandem -c export > "$dir/site.conf" &&
	tandem -q --commit -c 'set domain extra.test description more' \
	    -c 'set domain extra.test user 1' -c 'set gate default ban-after 9' &&
	    tandem -c "apply prune from $dir/site.conf" 2> "$dir/words" &&
	    says 'not in the file: 2 objects to delete, 1 field ' &&
	    tandem -c export | cmp - "$dir/site.conf" &&
	    tandem -c "apply prune from $dir/site.conf" 2> "$dir/words" &&
	    says 'nothing differs' || return 1
	: > "$dir/empty.conf"
	exits 1 tandem -c "apply prune from $dir/empty.conf" 2> "$dir/words" &&
	    says 'the file says nothing'
}
t "apply prune without a path is about all that is exported" applied_whole
# Who applies a file does not delete themselves by it.
keeps_oneself() {
	tandem -q --commit -c "set administrator $(id -un) role site-admin" ||
	    return 1
	exits 1 tandem -c "apply prune from $dir/site.conf" 2> "$dir/words" &&
	    says 'the administrator who applies it' &&
	    tandem -c export > "$dir/self.conf" &&
	    exits 0 tandem -c "apply prune from $dir/self.conf" 2> "$dir/words" &&
	    tandem -q --commit -c "delete administrator $(id -un)"
}
t "apply prune does not delete who applies" keeps_oneself

bad_file() {
	printf 'set domain demo.test\nset domain demo.test usr 1\n' \
	    > "$dir/bad.conf"
	tandem -c "apply $dir/bad.conf" 2> "$dir/words"
	[ $? -eq 2 ] && grep -q 'bad.conf, line 2' "$dir/words" || return 1
	echo 'delete domain demo.test' > "$dir/bad.conf"
	tandem -c "apply $dir/bad.conf" 2> "$dir/words"
	[ $? -eq 2 ] && grep -q 'set lines only' "$dir/words" || return 1
	tandem -c "apply $dir/none.conf" 2> "$dir/words"
	[ $? -eq 2 ] && rows 'show domains' \
	    '[.data[] | select(.domain == "demo.test")] | length == 1' &&
	    tandem -c compare | cmp - /dev/null
}
t "a file that is wrong changes nothing and says where" bad_file

careful() {
	: > "$dir/empty.conf"
	tandem -q -c "apply prune domain demo.test from $dir/empty.conf"
	[ $? -eq 1 ] || return 1
	echo 'set domain demo.test user 101 name Alone' > "$dir/part.conf"
	tandem -c "export domain demo.test" | grep -v "user 10[0-9]" \
	    >> "$dir/part.conf"
	printf 'apply prune domain demo.test from -\n' | tandem -q
	[ $? -eq 1 ] || return 1
	tandem -n -c 'set domain demo.test alias demo.test' \
	    -c "apply $dir/part.conf"
	[ $? -eq 1 ] || return 1
	tandem -e -q -c bogus -c "apply $dir/part.conf"
	[ $? -eq 2 ] && ! line_runs 'domain demo.test' 'name Alone' || return 1
	echo 'set domain demo.test user 101 name Alone' > "$dir/part.conf"
	tandem -q -c "apply prune domain demo.test from $dir/part.conf" &&
	    line_runs 'domain demo.test' 'name Alone' &&
	    line_runs 'domain demo.test' 'description ' &&
	    ! line_runs 'domain demo.test' 'number 600'
}
t "apply deletes nothing by mistake, and nothing after an error" careful

looked_at() {
	tandem -q -c 'set domain demo.test description "tonight"' \
	    -c 'commit at +2h' &&
	local name
	name=$(candidates '.data[0].session' | tr -d '"')
	tandem -n -q -c 'configure resume' -c "discard session $name"
	candidates '[.data[].state] == ["waits"]' || return 1
	tandem -q -c 'configure resume' -c compare
	[ $? -eq 1 ] && eventually candidates '[.data[].state] == ["left"]' &&
	    tandem -q -c "discard session $(candidates '.data[0].session' |
		tr -d '"')"
}
t "what was left outlives being looked at" looked_at

copied() {
	tandem -q -c 'copy domain demo.test user 101 to 700' -c commit &&
	    tandem -q -c 'rename domain demo.test user 700 to 701' -c commit &&
	    line_runs 'domain demo.test' 'user 701 ' &&
	    ! line_runs 'domain demo.test' 'user 700 ' || return 1
	tandem -q --commit -c 'rename domain demo.test to new.test'
	[ $? -eq 1 ]
}
t "objects are copied and renamed" copied

# Two rename one object, the second while the first waits for its commit: it is
# one object afterwards, and the first is told by whom.
renamed_twice() {
	mkfifo "$dir/lines" || return 1
	tandem -q -o table -f - < "$dir/lines" > "$dir/words" 2>&1 &
	local first=$! lines
	exec {lines}> "$dir/lines"
	echo 'rename domain demo.test user 701 to 702' >&"$lines"
	echo compare >&"$lines"
	eventually grep -q 'user 702' "$dir/words" &&
	    tandem -q -c 'rename domain demo.test user 701 to 703' -c commit
	echo commit >&"$lines"
	exec {lines}>&-
	exits 4 wait $first &&
	    says 'domain demo.test user 701: was deleted by .*revision' &&
	    says 'yours: renamed to domain demo.test user 702' &&
	    line_runs 'domain demo.test' 'user 703 ' &&
	    ! line_runs 'domain demo.test' 'user 702 '
}
t "of two renames of one object the second is a conflict" renamed_twice
