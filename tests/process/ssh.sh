#!/bin/bash
# Operators who come by SSH: a real sshd, real users, a real terminal. What
# each may do is what their administrator says; nobody gets further than the
# console; who came from where is seen and written down.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh

[ "$(id -u)" -eq 0 ] && [ -x /usr/sbin/sshd ] || {
	echo "ok ssh: skipped, it needs root and openssh-server"
	exit 0
}
group=tdm$$
anna=tda$$ boris=tdb$$ emil=tde$$ # domain-admin, viewer, none
sshport=$((port + 450))

ssh_end() {
	tmux -L "$group" kill-server 2> /dev/null
	[ -e "$dir/sshd.pid" ] && kill "$(cat "$dir/sshd.pid")"
	for u in $anna $boris $emil; do
		userdel "$u" 2> /dev/null
	done
	groupdel "$group" 2> /dev/null
	t_end
}
trap ssh_end EXIT

# ---- a server with users, and its sshd

users_up() {
	groupadd "$group" || return 1
	for u in $anna $boris $emil; do
		useradd --no-create-home --home-dir "$dir" --shell /bin/sh \
		    --groups "$group" --password '*' "$u" || return 1
	done
	# where they can read it
	mkdir "$dir/bin" "$dir/keys" && cp "$bin/tandem" "$dir/bin/" &&
	    ln -s tandem "$dir/bin/tandem-shell" &&
	    ssh-keygen -q -t ed25519 -N '' -f "$dir/key" &&
	    ssh-keygen -q -t ed25519 -N '' -f "$dir/host_key" || return 1
	for u in $anna $boris $emil; do
		cp "$dir/key.pub" "$dir/keys/$u"
	done
}
t "there are operators" users_up

sshd_up() {
	mkdir -p /run/sshd
	cat > "$dir/sshd_config" <<-END
		Port $sshport
		ListenAddress 127.0.0.1
		HostKey $dir/host_key
		PidFile $dir/sshd.pid
		AuthorizedKeysFile $dir/keys/%u
		StrictModes no
		UsePAM no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		Subsystem sftp internal-sftp
	END
	TANDEM_SHELL="$dir/bin/tandem-shell -s $state/control.sock" \
	    console/ssh-setup print "$group" >> "$dir/sshd_config" &&
	    /usr/sbin/sshd -t -f "$dir/sshd_config" &&
	    /usr/sbin/sshd -f "$dir/sshd_config" -E "$dir/sshd.log"
}
t "sshd takes what tandem-ssh-setup writes" sshd_up

setup() {
	export SSHD_CONFIG_D=$dir TANDEM_SHELL=$dir/bin/tandem-shell
	console/ssh-setup install "$group" &&
	    grep -q "^Match Group $group" "$dir/tandem.conf" &&
	    console/ssh-setup remove && [ ! -e "$dir/tandem.conf" ] &&
	    ! console/ssh-setup install && ! console/ssh-setup wombat
	local r=$?
	unset SSHD_CONFIG_D TANDEM_SHELL
	return $r
}
t "tandem-ssh-setup installs it and takes it away" setup

export TANDEM_CONTROL_GROUP=$group
t "the site comes up with its demo domain" site_up

as() {
	local user=$1
	shift
	ssh -F /dev/null -i "$dir/key" -p "$sshport" \
	    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
	    -o BatchMode=yes -o LogLevel=ERROR "$user@127.0.0.1" -- "$@" \
	    2> "$dir/words"
}

nobody_is_configured() {
	exits 0 as $emil show servers < /dev/null
}
t "without administrators the group may do everything" nobody_is_configured

administrators() {
	tandem -q -c 'set domain sub.demo.test' -c 'set domain other.test' \
	    -c 'set domain other.test user 1 name Other' \
	    -c "set administrator $anna role domain-admin domain demo.test" \
	    -c "set administrator $boris role viewer" \
	    -c 'commit comment administrators'
}
t "administrators are configured" administrators

stranger() {
	exits 5 as $emil show version < /dev/null &&
	    says "none is called $emil"
}
t "a member of the group without one is refused" stranger

# ---- what each may do

edits() {
	exits 0 as $anna 'set domain demo.test user 108 name "By SSH"
set domain new.demo.test
set domain new.demo.test user 1
commit comment "a colleague"' < /dev/null &&
	    rows 'show users domain demo.test' \
		'any(.data[]; .user == "108" and .name == "By SSH")' &&
	    rows 'show revisions last 1' ".data[0] |
		.operator == \"$anna\" and .from == \"ssh 127.0.0.1\""
}
t "a domain-admin edits and commits by a command" edits

script() {
	echo 'set domain demo.test user 108 ring-time 20' > "$dir/script"
	exits 0 as $anna --commit < "$dir/script" &&
	    [ "$(as $anna --json show users domain demo.test < /dev/null |
	    jq '.data[] | select(.user == "108") | ."ring-time"')" = 20 ]
}
t "... and by a script" script

refused() {
	local command n=0
	while read -r command; do
		exits 5 as $anna "$command" < /dev/null || return 1
		n=$((n + 1))
	done <<-END
		set domain other.test user 1 name Mine
		set domain demo.test state suspended
		set domain new.demo.test alias bank.test
		set administrator $anna role site-admin
		set server srv1 description mine
		delete domain other.test
		delete domain demo.test
		rollback 1
		restore domain other.test to -1s
		show users domain other.test
		show users domain nothere.test
		show cdr domain other.test
		show calls domain other.test
		show registrations domain other.test
		show configuration domain other.test
		show configuration server srv1
		show servers
		show roles
		show alarms
		show audit
		show flows
		show bans
		request role restart sg/1
		request server token
		request session close srv1.abcdef
	END
	[ $n -eq 25 ]
}
t "what lies elsewhere is exit status 5" refused

# Every example of every operation, about another's domain: nothing of it is
# seen, and nothing of it is another than before.
every_example() {
	local before after lines
	before=$(tandem -c 'show configuration domain other.test' \
	    -c 'show configuration server srv1')
	"$bin/tandemd" -x ops | jq -r '.ops[].example, .objs[].example' |
	    sed 's/demo\.test/other.test/' > "$dir/examples"
	setpriv --reuid "$anna" --regid "$(id -g $anna)" --init-groups \
	    "$dir/bin/tandem" -s "$state/control.sock" -e \
	    -f "$dir/examples" > "$dir/seen" 2> "$dir/words"
	lines=$(wc -l < "$dir/examples")
	after=$(tandem -c 'show configuration domain other.test' \
	    -c 'show configuration server srv1')
	[ "$lines" -gt 60 ] && [ "$before" = "$after" ] &&
	    [ -n "$before" ] && [ -s "$dir/seen" ] &&
	    ! sed 's/sip:[0-9]*@other\.test//' "$dir/seen" |
		grep -E 'Other|other\.test|srv1 role|media-ports'
}
t "no example of any operation reaches further" every_example

sees() {
	[ "$(as $anna --json show domains < /dev/null | jq -c \
	    '[.data[].domain]')" = \
	    '["demo.test","new.demo.test","sub.demo.test"]' ] &&
	    as $anna show configuration < /dev/null > "$dir/seen" &&
	    grep -q 'set domain demo.test user 108' "$dir/seen" &&
	    ! grep -qE 'other.test|server|administrator' "$dir/seen"
}
t "lists are those of the part" sees

viewer() {
	exits 0 as $boris show servers < /dev/null &&
	    exits 5 as $boris show configuration < /dev/null &&
	    exits 5 as $boris 'set domain demo.test user 1' < /dev/null &&
	    exits 5 as $boris commit < /dev/null
}
t "a viewer looks on and commits nothing" viewer

# ---- a terminal

typed() {
	# what is typed, a line when the one before was answered
	tmux -L "$group" -f /dev/null new-session -d -x 120 -y 40 \
	    "ssh -F /dev/null -i $dir/key -p $sshport \
	    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
	    -o LogLevel=ERROR -t $anna@127.0.0.1; echo left \$?; cat"
	eventually on_screen "$anna@srv1>" &&
	    type_in 'set domain demo.test user 109 name Typed' &&
	    eventually on_screen "$anna@srv1#" && type_in 'commit' &&
	    eventually on_screen "$anna@srv1>\$" &&
	    rows 'show users domain demo.test' \
		'any(.data[]; .user == "109" and .name == "Typed")'
}
type_in() {
	tmux -L "$group" send-keys -- "$1" Enter
}
on_screen() {
	tmux -L "$group" capture-pane -p | sed '/^$/d' > "$dir/screen"
	tail -n "${2:-40}" "$dir/screen" | grep -q -- "$1" || {
		cat "$dir/screen"
		return 1
	}
}
t "a domain-admin edits and commits at a terminal" typed

session() {
	rows 'show sessions' ".data[] | select(.operator == \"$1\") | .$2"
}
seen_session() {
	[ "$(session $anna from)" = '"ssh 127.0.0.1"' ] &&
	    [ "$(session $anna role)" = '"domain-admin"' ] &&
	    [ "$(session $anna domain)" = '"demo.test"' ]
}
t "the session shows who it is and from where" seen_session

stopped() {
	tmux -L "$group" send-keys C-z
	tmux -L "$group" send-keys 'C-\'
	type_in '!sh'
	eventually on_screen 'unknown word' &&
	    type_in 'show version | save /tmp/tandem-escape' &&
	    eventually on_screen 'a login shell writes no files' &&
	    [ ! -e /tmp/tandem-escape ] && type_in 'show domains | count' &&
	    eventually on_screen '^3$'
}
t "a terminal has no way out either" stopped

hears() {
	local id
	id=$(session $anna session | tr -d '"')
	tandem -c "request session message $id \"lunch at noon\"" &&
	    eventually on_screen 'message of root: lunch at noon' &&
	    tandem -c "request session close $id" &&
	    eventually on_screen 'this session was closed by root' &&
	    tmux -L "$group" send-keys C-d &&
	    eventually on_screen 'left 0'
}
t "another operator's words arrive, and a session is closed" hears

taken_away() {
	local line
	mkfifo "$dir/slow"
	as $boris < "$dir/slow" &
	exec {line}> "$dir/slow"
	eventually session $boris session &&
	    tandem -q -c "delete administrator $boris" -c commit &&
	    eventually no_session $boris
	exec {line}>&-
	wait
	exits 5 as $boris show version < /dev/null
}
no_session() {
	[ -z "$(session "$1" session 2> /dev/null)" ]
}
t "rights that are taken away end the session" taken_away

# ---- no way out

escapes() {
	local command
	while read -r command; do
		exits 2 as $anna "$command" < /dev/null || return 1
		grep -q root: "$dir/words" && return 1
	done <<-'END'
		!id
		sh -c id
		/bin/sh
		$(id)
		`id`
		show version; id
		show version > /tmp/tandem-escape
		show version | !id
		-f /etc/passwd
		-s /tmp/x show version
	END
	exits 5 as $anna 'show version | save /tmp/tandem-escape' < /dev/null &&
	    exits 5 as $anna \
		'set domain demo.test user 1 password @file:/etc/shadow' \
		< /dev/null && [ ! -e /tmp/tandem-escape ]
}
t "no command leads out of the console" escapes

files() {
	local by=(-F /dev/null -i "$dir/key" -o StrictHostKeyChecking=no
	    -o UserKnownHostsFile=/dev/null -o BatchMode=yes
	    -o LogLevel=ERROR -P "$sshport")
	! scp "${by[@]}" "$anna@127.0.0.1:/etc/hostname" "$dir/got" &&
	    ! scp "${by[@]}" -O "$anna@127.0.0.1:/etc/hostname" "$dir/got" &&
	    ! echo 'get /etc/hostname '"$dir/got" |
	    sftp "${by[@]}" -b - "$anna@127.0.0.1" && [ ! -e "$dir/got" ]
}
t "no file goes in or out" files

forwards() {
	! timeout 10 ssh -F /dev/null -i "$dir/key" -p "$sshport" \
	    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
	    -o BatchMode=yes -o ExitOnForwardFailure=yes -N \
	    -R "$((port + 451)):127.0.0.1:22" "$anna@127.0.0.1" \
	    2> "$dir/words" && says 'remote port forwarding failed'
}
t "nothing is forwarded" forwards

# ---- the audit

written() {
	rows "show audit last 1000 operator $anna" '.data | any(.[];
	    .op == "commit" and .result == "done" and
	    .from == "ssh 127.0.0.1" and .role == "domain-admin" and
	    .rev > 0) and any(.[]; .op == "set" and
	    .result == "permission" and
	    ((.args // "") | test("other.test"))) and
	    any(.[]; .op == "login") and any(.[]; .op == "logout")' &&
	    rows "show audit last 1000 operator $emil" '.data | any(.[];
	    .op == "login" and .result == "permission")' &&
	    rows 'show audit last 1000' '[.data[].args | select(. != null) |
	    select(test("swordfish"))] == []'
}
t "the audit has who, from where, what and what came of it" written

whole() {
	rows 'show audit verify' 'all(.data[]; .state == "whole")'
}
t "the audit is whole" whole

killed() {
	kill -9 "$(pid_of control/1)"
	eventually whole &&
	    tandem -q --commit -c 'set domain demo.test user 110' && whole
}
t "... after the death of the process that writes it too" killed

tampered() {
	local file
	file=$(ls "$state"/audit/[0-9]* | head -n 1)
	sed -i '3s/"done"/"none"/' "$file"
	rows 'show audit verify' '.data[0] | .state == "damaged" and
	    .last == 2 and (.words | test("entry 3 was changed"))'
}
t "... and says which entry was changed" tampered
