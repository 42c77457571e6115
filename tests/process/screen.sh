#!/bin/bash
# The full screen, seen as a person sees it: a terminal of tmux, keys in,
# pictures out. Against a server that answers out of a file, at a clock that
# stands still, pictures are compared whole with tests/data/screen; then a
# user is edited and committed on a site.
#   UPDATE=1 tests/process/screen.sh    write the pictures anew; look at them
cd "$(dirname "$0")/../.." && . tests/lib/t.sh

bin=$(realpath "$bin")
rig=$bin/tests/tool/screen_rig
data=tests/data/screen
cat > "$dir/tmux.conf" <<-END
	set -g status off
	set -g escape-time 0
	set -g remain-on-exit on
	set -g default-terminal screen
	set -g history-limit 0
END
tm() {
	env -u TMUX LC_ALL=C.UTF-8 tmux -S "$dir/tmux" -f "$dir/tmux.conf" "$@"
}
# A session that stays: without one the server of tmux would end.
tm new-session -d -s stays cat
screen_end() {
	tm kill-server 2> /dev/null
	[ -n "${served:-}" ] && kill "$served" 2> /dev/null
	t_end
}
trap screen_end EXIT

serve() {
	RIG_LOG=$dir/asked "$rig" serve "$dir/rig.sock" "$data/site.json" &
	served=$!
	eventually test -S "$dir/rig.sock"
}
unserve() {
	kill "$served"
	wait "$served" 2> /dev/null
	rm -f "$dir/rig.sock"
}

# open WIDTH HEIGHT WORDS...: a terminal of that size that runs the words of a
# shell; the environment is the caller's.
open() {
	local width=$1 height=$2
	shift 2
	tm kill-session -t s 2> /dev/null
	tm new-session -d -s s -x "$width" -y "$height" "$*"
}
console="env TANDEM_HISTORY=$dir/history $rig console -s $dir/rig.sock"
picture() {
	tm capture-pane -p -t s
}
press() {
	tm send-keys -t s "$@"
}
has() {
	picture | grep -qF -- "$1"
}
ended() {
	[ "$(tm display-message -p -t s '#{pane_dead}')" = 1 ]
}

# The picture is the one that is kept; the last one seen is shown, not merely
# that another was wanted.
is_like() {
	picture | cmp -s - "$data/$1"
}
still() {
	local was
	was=$(picture)
	sleep 0.7
	[ "$was" = "$(picture)" ]
}
like() {
	if [ -n "${UPDATE:-}" ]; then
		eventually still && picture > "$data/$1"
		return
	fi
	eventually is_like "$1" > /dev/null || {
		picture | diff "$data/$1" -
		return 1
	}
}

serve

# Times without tmux: a terminal of python's, keys in, the first bytes that
# show the picture out.
measure() {
	python3 - "$rig" "$dir/rig.sock" <<-END
		import os, pty, sys, time
		pid, fd = pty.fork()
		if pid == 0:
		    os.environ.update(TERM="vt100", LINES="24", COLUMNS="80")
		    os.execv(sys.argv[1],
		        [sys.argv[1], "console", "-s", sys.argv[2], "--screen"])
		def until(what):
		    start, got = time.monotonic(), b""
		    while what not in got:
		        got += os.read(fd, 65536)
		    return (time.monotonic() - start) * 1000
		first = until(b"Who owns")
		time.sleep(0.3)
		times = []
		for key, what in [(b"c", b"DURATI"), (b"o", b"Who owns")] * 10:
		    os.write(fd, key)
		    times.append(until(what))
		times.sort()
		print("first picture after %.0f ms; a key's after %.1f ms, at most "
		      "%.1f" % (first, times[10], times[-1]))
		os.write(fd, b"oq")
	END
}
measure

# ---- pictures: sizes and terminals

first_picture() {
	open 80 24 "$console --screen"
	like overview-80x24
}
t "the overview at 80x24" first_picture

help() {
	press '?' && like help-80x24 && press Escape && like overview-80x24
}
t "a question mark shows the keys of the page" help

# ESC [ 3 ~ on a terminal whose description lacks it, and a key that none has.
unknown_keys() {
	open 80 24 "TERM=vt100 $console --screen"
	like overview-80x24 && press d && like domains-80x24 &&
	    press -l $'\033[3~' && like delete-80x24 && press Escape &&
	    like domains-80x24 && press -l $'\033[57;9D' && press Enter &&
	    like domain-80x24
}
t "a key that is unknown does nothing" unknown_keys

sizes() {
	open 80 24 "$console --screen"
	like overview-80x24 && tm resize-window -t s -x 120 -y 40 &&
	    like overview-120x40 && press r && like registrations-120x40 &&
	    tm resize-window -t s -x 60 -y 15 && like registrations-60x15 &&
	    press o && like overview-60x15 &&
	    tm resize-window -t s -x 59 -y 14 && eventually has 60x15 &&
	    tm resize-window -t s -x 80 -y 24 && like overview-80x24
}
t "it follows the size of the terminal, down to 60x15" sizes

terminals() {
	open 80 24 "TERM=vt100 LC_ALL=C $console --screen"
	like overview-c && press d && like domains-c || return 1
	open 80 24 "TERM=vt100 LC_ALL=ru_RU.UTF-8 $console --screen"
	like overview-80x24 && press d && like domains-80x24
}
t "vt100, the C locale with lines of ASCII, a Russian one" terminals

# Colours of the foreground but the default one: SGR 30 to 37.
colours() {
	tm capture-pane -e -p -t s | grep -q $'\033\[[0-9;]*3[0-7]m'
}
no_colours() {
	open 80 24 "TERM=screen-256color $console --screen"
	like overview-80x24 && colours || return 1
	open 80 24 "TERM=screen-256color NO_COLOR=1 $console --screen"
	like overview-80x24 && ! colours
}
t "colours where there are some, none with NO_COLOR" no_colours

# ---- pictures: pages

lists() {
	open 80 24 "$console --screen"
	like overview-80x24 && press c && like calls-80x24 &&
	    press / && press -l 'иВ' && like calls-filter-80x24 &&
	    press Escape g && like calls-80x24 &&
	    press '>' && press '>' && press '>' && press '>' &&
	    eventually has 'sort: to' && press R && like calls-sorted-80x24 &&
	    press Enter && eventually has 'no message of it is recorded' &&
	    press q && press q && like overview-80x24
}
t "a list is filtered, sorted and opened" lists

# ---- pictures: calls that were recorded

# Numbers and domains are looked for by the server; Esc shows all again.
past() {
	open 80 24 "$console --screen"
	like overview-80x24 && press t && like past-80x24 && press '[' &&
	    eventually has '4 rows' && press / && press -l '7812*' &&
	    press Enter && like past-number-80x24 && press / && press C-u &&
	    press -l 'demo.test' && press Enter &&
	    eventually has 'Search: domain demo.test, last 1h00m' &&
	    eventually has '3 rows' && press Escape && eventually has '4 rows' &&
	    press / && press -l 'number' && press Enter &&
	    like past-wrong-80x24 && press Escape ']' && like past-80x24
}
t "calls of the past are looked for by the server" past

to_ladder() {
	open "$1" "$2" "$3 $console --screen"
	eventually has Overview && press t && eventually has '3 rows' &&
	    press Down Down Enter
}
ladder() {
	to_ladder 80 24 '' && like ladder-80x24 && press f &&
	    like ladder-hops-80x24 && press l && like ladder-leg-80x24 &&
	    press l && eventually has '[b1]' && press l f g &&
	    like ladder-80x24 && tm resize-window -t s -x 120 -y 40 &&
	    like ladder-120x40 && tm resize-window -t s -x 60 -y 15 &&
	    like ladder-60x15 && press Right && like ladder-right-60x15
}
t "a ladder: folded, hop by hop, one leg, scrolled sideways" ladder

ladder_plain() {
	to_ladder 80 24 'TERM=vt100 LC_ALL=C' && like ladder-c &&
	    press End Enter && like message-c
}
t "on a vt100 in the C locale, too" ladder_plain

message() {
	to_ladder 80 24 '' && like ladder-80x24 && press Enter &&
	    like message-80x24 && press 2 && like message-raw-80x24 && press 3 &&
	    like message-hex-80x24 && press 1 && press n n n &&
	    eventually has 'message 4/19' && press Tab Tab Tab &&
	    like message-diff-80x24 && press p && eventually has '3/19' &&
	    tm resize-window -t s -x 60 -y 15 && press Tab n &&
	    like message-60x15
}
t "a message: parsed, raw, in hexadecimal, beside its like" message

# An answer with a line more than its offer has, 100rel nobody supports, a
# length that lies.
mistakes() {
	to_ladder 80 24 '' && like ladder-80x24 && press f && press Enter &&
	    press n n n n n && eventually has '100rel is required' &&
	    press n n n n && like message-wrong-80x24 &&
	    press n n n n n n n n && eventually has 'Content-Length says 4'
}
t "what is wrong with a message is told, with the rule" mistakes

marked() {
	to_ladder 80 24 '' && like ladder-80x24 && press f && press Space &&
	    eventually has '*     +0.000' && press G Space &&
	    eventually has 'from message 1, 101 > sg/1@srv1' &&
	    eventually has '[4 Diff]' && press q Up Space &&
	    eventually has 'message 18/19'
}
t "two messages are marked and compared" marked

# A call that goes on is asked for again, one that is over once.
ladders_asked() {
	grep -c '^show call ladder' "$dir/asked"
}
asked_again() {
	[ "$(ladders_asked)" -gt $((was + 2)) ]
}
live_ladder() {
	: > "$dir/asked"
	to_ladder 80 24 '' && like ladder-80x24 && press q && press c &&
	    eventually has '4 rows' && [ "$(ladders_asked)" -eq 1 ] &&
	    was=1 && press Down Down t && eventually has '9 messages' &&
	    eventually asked_again && press Enter &&
	    eventually has 'not permitted to anna'
}
t "that of a live call goes on; messages may be refused" live_ladder

# What is not among the rows that came is found by the server, behind a part
# in which nothing was; what must not pass, only among those that are here.
asked_behind() {
	[ "$(grep -c '^show users' "$dir/asked")" -gt 6 ]
}
long_lists() {
	open 80 24 "$console --screen"
	like overview-80x24 && press : &&
	    press -l 'show users domain long.test' && press Enter &&
	    eventually has '2 rows, more: ]' && press / && press -l 'ИВ' &&
	    like users-match-80x24 && press Enter ']' &&
	    eventually asked_behind && has 'Иван Далёкий' && ! has 'part 2' &&
	    ! has 'more: ]' && press Escape &&
	    eventually has '2 rows, more: ]' &&
	    press / && press -l '!ин' && eventually has '1 of 2 rows, more: ]'
}
t "a list that goes on is filtered by the server" long_lists

marks() {
	open 80 24 "$console --screen"
	like overview-80x24 && press c && eventually has '> calls' && press Space Space x &&
	    like actions-80x24 &&
	    press -l hang && press Enter && like hangup-80x24 && press -l 'no' && press Enter &&
	    eventually has 'type hangup' && press Escape &&
	    eventually has '2 marked'
}
t "what acts on several rows wants a word typed" marks

domains() {
	open 80 24 "$console --screen"
	like overview-80x24 && press d && like domains-80x24 &&
	    press Enter && like domain-80x24 && press Tab &&
	    like numbers-80x24 && press q && like domains-80x24
}
t "domains, and the page of one" domains

forms() {
	open 80 24 "$console --screen"
	like overview-80x24 && press d && like domains-80x24 && press Enter &&
	    like domain-80x24 && press E && like form-80x24 &&
	    press Tab Tab Space && like form-choice-80x24 && press Escape &&
	    press BTab BTab && press C-u && press -l 'Пётр "П."' &&
	    like form-typed-80x24 && press Enter && like domain-changed-80x24 &&
	    press C && like compare-80x24 && press W && like commit-80x24 &&
	    press -l 'why not' && press Enter && like conflict-80x24
}
t "a form, the candidate, a conflict with both values" forms

deletes() {
	open 80 24 "$console --screen"
	like overview-80x24 && press d && like domains-80x24 && press DC &&
	    like delete-80x24 && press -l 'y' && press Enter &&
	    eventually has 'type demo.test' && press Escape &&
	    like domains-80x24
}
t "a domain is deleted only by its name" deletes

lines() {
	open 80 24 "$console --screen"
	like overview-80x24 && press : && press -l 'show ca' && press Tab &&
	    like line-80x24 && press -l s && press Enter &&
	    eventually has '> calls' &&
	    press : && press -l 'show cals' && press Enter &&
	    like line-wrong-80x24 && press Escape &&
	    press : && press -l 'show calls | count' && press Enter &&
	    eventually has 'show calls | count' && press q &&
	    press : && press Up && eventually has ':show calls | count' &&
	    press Escape && press C-p && press -l 'rgs' && like palette-80x24 &&
	    press Enter && eventually has '> registrations'
}
t "the command line completes, and the palette finds" lines

# The recorded server never answers to show bans.
waits() {
	open 80 24 "$console --screen"
	like overview-80x24 && press : && press -l 'show bans' &&
	    press Enter && eventually has 'Ctrl-C ends the waiting' &&
	    press C-c && eventually has 'its answer is not awaited' &&
	    press b && eventually has 'no answer yet' && press o &&
	    like overview-80x24
}
t "a wait is told, and ended by Ctrl-C" waits

# The alarms of the title are asked each second: they count the time.
asked() {
	grep -cx "$1" "$dir/asked"
}
later() {
	[ "$(asked 'show alarms')" -ge "$since" ]
}
asks_once() {
	local bans servers since
	open 80 24 "$console --screen"
	like overview-80x24 && press b && eventually has 'no answer yet' ||
	    return 1
	bans=$(asked 'show bans') servers=$(asked 'show servers')
	since=$(($(asked 'show alarms') + 3))
	eventually later && [ "$(asked 'show bans')" -eq "$bans" ] &&
	    [ "$(asked 'show servers')" -eq "$servers" ] && press o &&
	    since=$(($(asked 'show alarms') + 3)) && eventually later &&
	    [ "$(asked 'show servers')" -gt $((servers + 1)) ]
}
t "what is in view is asked each second, never twice at once" asks_once

# ---- the prompt and the shell

leaves() {
	open 80 24 "$console --screen"
	like overview-80x24 && press : &&
	    press -l 'set domain demo.test state on' && press Enter &&
	    eventually has 'EDIT 5~' && press q &&
	    eventually has 'not committed' && press n &&
	    eventually has 'Who owns' && press q &&
	    eventually has 'not committed' && press y && eventually ended
}
t "leaving with changes is asked" leaves

# What is frozen stays, a column that is taken away goes.
frozen() {
	open 80 24 "$console --screen"
	like overview-80x24 && press c && like calls-80x24 && press z &&
	    eventually has 'FROZEN' && press z F && eventually has Columns &&
	    press Enter Escape && eventually lacks DOMAIN && ! has FROZEN
}
lacks() {
	! has "$1"
}
t "a list is frozen, and columns are chosen" frozen

to_and_fro() {
	open 80 24 "$console"
	eventually has 'anna@srv1>' && press -l 'show ver' && press C-o &&
	    like overview-80x24 && press c && eventually has '> calls' &&
	    press C-o && eventually has 'anna@srv1> show ver' && press -l 's' &&
	    press Enter && eventually has 0.9-41 && press C-o &&
	    eventually has '> calls' && press C-o && press C-d &&
	    eventually ended
}
t "Ctrl-O leads to the prompt and back, what was open stays" to_and_fro

suspends() {
	open 80 24 'PS1="shell " bash --norc --noprofile'
	eventually has shell && press "$console --screen" Enter &&
	    like overview-80x24 && press C-z && eventually has Stopped &&
	    press fg Enter && like overview-80x24 && press q &&
	    eventually has 'shell' && ! has Overview
}
t "it is suspended and comes back" suspends

# ---- what is hostile or gone

# The recorded phone calls itself by an escape sequence that names the window.
hostile() {
	open 80 24 "$console --screen"
	like overview-80x24 &&
	    tm pipe-pane -t s "cat > $dir/raw" && press r &&
	    eventually has '\x1b]0;' && press End && press Enter &&
	    eventually has '\x1b]0;pwned\x07 \xe2\x80\xae phone' && tm pipe-pane -t s &&
	    [ -s "$dir/raw" ] && ! grep -q $'\033]0;pwned' "$dir/raw" &&
	    ! grep -q $'\u202e' "$dir/raw"
}
t "no string of the server reaches the terminal raw" hostile

pastes() {
	open 80 24 "$console --screen"
	like overview-80x24 && tm set-buffer $'d\nDel\ny\n' &&
	    tm paste-buffer -p -t s && press '?' && like help-80x24 &&
	    press Escape && press : && tm paste-buffer -p -t s &&
	    eventually has ':d Del y' && press Escape && like overview-80x24
}
t "a paste presses no keys" pastes

comes_back() {
	open 80 24 "$console --screen"
	like overview-80x24 && press c && like calls-80x24 && unserve || return 1
	eventually has 'tried again'
	picture > "$dir/away"
	serve
	eventually has 'connected again' && press o && like overview-80x24 &&
	    grep -q 'NO SERVER' "$dir/away" && grep -q Иван "$dir/away"
}
t "a lost server is told, and connected to again" comes_back

# Without its terminal: within a second, which is said and not asserted.
vanishes() {
	local pid from
	open 80 24 "echo \$\$ > $dir/pid; exec $console --screen"
	like overview-80x24 && pid=$(cat "$dir/pid") && kill -0 "$pid" &&
	    from=$(date +%s%N) && tm kill-session -t s || return 1
	gone() { ! kill -0 "$pid" 2> /dev/null; }
	eventually gone || return 1
	end=$((($(date +%s%N) - from) / 1000000))
}
t "it ends with its terminal" vanishes
echo "ended ${end:-?} ms after its terminal"

# The same where no signal tells it: it is no leader of its terminal's session.
vanishes_unheard() {
	python3 - "$rig" "$dir/rig.sock" <<-END
		import os, pty, subprocess, sys
		master, tty = pty.openpty()
		p = subprocess.Popen(
		    [sys.argv[1], "console", "-s", sys.argv[2], "--screen"],
		    stdin=tty, stdout=tty, stderr=tty, start_new_session=True,
		    env={"TERM": "vt100"})
		os.close(tty)
		got = b""
		while b"Who owns" not in got:
		    got += os.read(master, 65536)
		os.close(master)
		try:
		    p.wait(20)
		finally:
		    p.kill()
	END
}
t "it ends with its terminal also where nobody tells it" vanishes_unheard

no_terminal() {
	"$rig" console -s "$dir/rig.sock" --screen < /dev/null
	[ $? -eq 2 ] || return 1
	open 80 24 "TERM=nonsense $console --screen"
	eventually has 'no full screen'
}
t "without a terminal, or an unknown one, it says so" no_terminal

# ---- roles that may less

# as ROLE DOMAIN: the server says that this is what we may do.
as() {
	unserve
	jq --arg role "$1" --arg domain "$2" '.describe += {$role, $domain}' \
	    "$data/site.json" > "$dir/site.json"
	RIG_LOG=$dir/asked "$rig" serve "$dir/rig.sock" "$dir/site.json" &
	served=$!
	eventually test -S "$dir/rig.sock"
	open 80 24 "$console --screen"
}
viewer() {
	: > "$dir/asked"
	as viewer '' && eventually has Overview && press d &&
	    eventually has demo.test && press Enter &&
	    eventually has '[1 Users]' && eventually has 'Alice' &&
	    press N && eventually has 'not permitted to viewer' &&
	    ! grep -q 'show configuration' "$dir/asked"
}
t "a viewer sees what is permitted, and no form" viewer
domain_admin() {
	as domain-admin demo.test && eventually has '[1 Users]' &&
	    has 'demo.test' && press o && eventually has '[1 Users]'
}
t "who has a domain begins with it" domain_admin
unserve
serve

# ---- a site

t "a site comes up" site_up
edits() {
	open 80 24 "$bin/tandem -s $state/control.sock --screen"
	eventually has Overview && press d && eventually has demo.test &&
	    press Enter && eventually has 'Alice Example' && press E &&
	    eventually has 'password' && press C-u &&
	    press -l 'Алиса в стране' && press Enter &&
	    eventually has 'EDIT 1~' && press W && eventually has Comment &&
	    press -l 'by the screen' && press Enter &&
	    eventually has 'Commit: good' || { picture; return 1; }
	rows 'show users domain demo.test' '[.data[].name] |
	    index("Алиса в стране")' && rows 'show revisions last 1' \
	    '.data[0].comment == "by the screen"'
}
t "a user of a site is edited and committed" edits

# Of a secret a list has the word for one; the row is there all the same.
tokens() {
	tandem -q -c 'set token eye secret 0123456789abcdef0123456789abcdef role auditor' \
	    -c commit || return 1
	open 80 24 "$bin/tandem -s $state/control.sock --screen"
	eventually has Overview && press s && eventually has '[1 Servers]' && press 7 &&
	    eventually has '[7 Tokens]' && eventually has auditor &&
	    has '1 row' && has eye || { picture; return 1; }
}
t "sealed objects are in the lists of the site" tokens
