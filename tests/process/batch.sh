#!/bin/bash
# Batch mode as tandem(1) promises it: every command of
# tests/data/batch/commands is run on one site, in their order, and each
# leaves with the exit status and gives the answer that stand below it there.
# Then the file itself is looked at: has it a command for every operation that
# the program names, for every exit status and every option of the manual?
#   tests/process/batch.sh [FILE]    the commands of another file, and no more
cd "$(dirname "$0")/../.." && . tests/lib/t.sh

bin=$(realpath "$bin")
file=${1:-tests/data/batch/commands}
export TANDEM_SOCKET=$state/control.sock

# ---- what the commands may use --------------------------------------------

# The console; its answers are JSON unless the command wants another form.
tandem() {
	"$bin/tandem" --json "$@"
}
# As another login of this machine; the site lets in those of group staff.
as() {
	local login=$1
	shift
	setpriv --reuid "$login" --regid "$login" --groups staff \
	    "$dir/bin/tandem" --json "$@"
}
# The console under its other name, which is that of a login shell.
tandem-shell() {
	"$dir/bin/tandem-shell" -s "$state/control.sock" "$@"
}
# N characters.
long() {
	printf "%$1s" '' | tr ' ' x
}
serves() {
	rows 'show roles' '[.data[] | select(.state != "ready")] == []' &&
	    rows 'show ownership' \
		'[.data[] | select(.state != "serving")] == []'
}
# Until all is as it was, behind what stops a process.
settled() {
	eventually serves
}

# A server that describes itself as the real one does, is silent when it is
# asked for its version, and fails at everything else in the middle.
describes='select(.id != null) | {jsonrpc: "2.0", id: .id} +
	if .method == "describe" then {result: $table[0]}
	elif .method == "show version" then empty
	else {error: {code: -32000, message: "decided, but not applied",
	    data: {code: "partial"}}} end'
stub_up() {
	stub=$dir/stub
	"$bin/tandemd" -x ops > "$dir/table" && mkfifo "$dir/replies" ||
	    return 1
	nc -lkU "$stub" < "$dir/replies" | tee -a "$dir/asked" |
	    jq --unbuffered -c --slurpfile table "$dir/table" "$describes" \
		> "$dir/replies" &
	eventually test -S "$stub"
}
asked() {
	grep -q "$1" "$dir/asked"
}
# Ctrl-C while the console waits for the stub.
interrupted() {
	local console
	: > "$dir/asked"
	"$bin/tandem" --json -s "$stub" "$@" &
	console=$!
	eventually asked 'show version' || return 1
	kill -INT $console
	wait $console
}

# A console of somebody else, that waits for its next line.
other_up() {
	mkfifo "$dir/other"
	"$bin/tandem" -f "$dir/other" > /dev/null 2> "$dir/other.words" &
	console=$!
	exec {keyboard}> "$dir/other"
	eventually other_is_there
}
other_is_there() {
	other=$(rows 'show sessions' ".data[] | select(.pid == $console) |
	    .session" | tr -d '"')
	export other
	[ -n "$other" ]
}
# Its exit status at its next line, and what it was told.
other_ends() {
	local status
	echo 'show version' >&$keyboard
	wait $console
	status=$?
	cat "$dir/other.words" >&2
	return $status
}

batch_end() {
	# What ends with the first of its pipe, and a console that still waits.
	kill $(jobs -p) 2> /dev/null
	t_end
}
trap batch_end EXIT

# ---- one command ----------------------------------------------------------
#
# What is expected is read into variables, and one jq looks at all that must
# hold of the answer: processes cost more here than what the console does.

# What holds of every answer (tandem(1), OUTPUT): a line each, the members,
# and the exit status is that of the first error.
answers='
def statuses: {refused: 1, io: 1, busy: 1, full: 1, noowner: 1, corrupt: 1,
    internal: 1, syntax: 2, unknown: 2, invalid: 2, toobig: 2, absent: 3,
    conflict: 4, permission: 5, check: 6, connect: 7, closed: 7, partial: 8,
    timeout: 9};
def has_all($names): . as $answer | all($names[]; in($answer));
def is_answer: .v == 1 and has_all(["op", "rev", "next"]) and
    ([.ok, .data, .warn | type] == ["boolean", "array", "array"]);
def is_error: is_answer and has_all(["path", "file", "line", "column"]) and
    ([.code, .message, .expected | type] == ["string", "string", "array"]);
def is_right($first):
    if $first == null then $status == (0, 10, 130) else $status == $first end;
rtrimstr("\n") / "\n" | map(fromjson) |
if all(.[]; if .ok then is_answer else is_error end) | not then
    error("not the shape of an answer") else . end |
if any(is_right(map(select(.ok | not) | statuses[.code])[0]); .) | not then
    error("the exit status is not that of the code") else . end |
. as $all | last |
'

# Nothing is expected yet.
forget() {
	want='' form='' text='' says='' told='' filter='' filters=()
}
# expect KIND VALUE: what stands in a line below a command.
expect() {
	case $1 in
	exit) want=$2 ;;
	silent) form=text ;;
	text) form=text text=$text$2$newline ;;
	says) form=says says=$says$2$newline ;;
	words) told=$told$2$newline ;;
	json)
		form=json
		filter="$filter (try ([$2] | last) catch false |
		    if . then empty else
		    \"does not hold: \" + \$ARGS.positional[${#filters[@]}] end),"
		filters+=("$2")
		;;
	keep)
		form=json
		filter="$filter \"keep ${2%% *}=\\(${2#* })\","
		;;
	*) want="no such expectation: $1" ;;
	esac
}

fail() {
	echo "$*"
	wrong=1
}
# Each line of the second text is somewhere in the first.
has() {
	local line
	while IFS= read -r line; do
		[ "${1#*"$line"}" != "$1" ] || fail "not said: $line"
	done <<< "${2%"$newline"}"
}
look_at_answers() {
	local line
	jq -Rsr --argjson status "$status" "$answers ($filter empty)" \
	    --args "${filters[@]}" < "$dir/out" > "$dir/found" ||
		fail "the answers are none"
	while IFS= read -r line; do
		case $line in
		'keep '*) export "${line#keep }" ;;
		*) fail "$line" ;;
		esac
	done < "$dir/found"
}
# The command does all that is expected, and says nothing else.
holds() {
	local out err
	wrong=
	eval "$command" < /dev/null > "$dir/out" 2> "$dir/err"
	status=$?
	IFS= read -rd '' out < "$dir/out"
	IFS= read -rd '' err < "$dir/err"
	[ "$status" = "$want" ] || fail "exit status $status"
	case $form in
	json) look_at_answers ;;
	text) [ "$out" = "$text" ] || fail "the text is another one" ;;
	says) has "$out" "$says" ;;
	*) fail "no answer is expected" ;;
	esac
	if [ -n "$told" ]; then
		has "$err" "$told"
	elif [ -n "$err" ]; then
		fail "there are words"
	fi
	[ -n "$wrong" ] || return 0
	echo "${out:0:2000}$err"
	return 1
}

# ---- the file -------------------------------------------------------------

newline='
'
# The command of which all was read.
run() {
	[ -n "$command" ] || return 0
	if [ "${command%% *}" = as ] && [ "$(id -u)" -ne 0 ]; then
		echo "ok line $at: skipped, it needs root: $command"
	else
		t "line $at: $command" holds
	fi
	echo "$command" >> "$dir/ran"
	echo "$want" >> "$dir/statuses"
	[ "$want" = 2 ] || echo "$command" >> "$dir/understood"
}
# line TEXT NUMBER: a line of the file, whole.
line() {
	case $1 in
	'#'* | '') ;;
	"	"*)
		set -- "${1#	}"
		expect "${1%% *}" "${1#* }"
		;;
	*)
		run
		forget
		command=$1 at=$2
		;;
	esac
}
run_file() {
	local part begun='' number=0 from
	command=
	while IFS= read -r part; do
		number=$((number + 1))
		if [ -n "$begun" ]; then
			part=$begun${part#"${part%%[!	]*}"}
		else
			from=$number
		fi
		case $part in
		*\\) begun=${part%\\} ;;
		*) begun='' && line "$part" "$from" ;;
		esac
	done < "$1"
	run
}

# ---- what the file must have ----------------------------------------------

two_hundred() {
	[ "$(sort -u "$dir/ran" | wc -l)" -ge 200 ]
}
# What stands behind each -c of the commands that were understood.
understood() {
	grep -oE -- "-c ('[^']*'|\"([^\"\\]|\\\\.)*\"|[a-z]+)" "$dir/understood" |
	    sed "s/^-c //; s/^['\"]\(.*\).\$/\1/"
}
# Each line of standard input, a pattern, has a command that begins so.
each_begins() {
	understood > "$dir/begins"
	awk 'NR == FNR { begins[n++] = $0; next }
	    { for (i = 0; i < n; i++)
		if (begins[i] ~ "^" $0 "( |$)")
			next
	      print "no command for: " $0
	      bad = 1 }
	    END { exit bad || NR == FNR }' "$dir/begins" -
}
# Names behind a heading of help, in two columns.
named() {
	"$bin/tandem" -c help |
	    sed -n "/^$1/,/^\$/s/^  \([^ ]*\( [^ ]\+\)*\)  .*/\1/p"
}
operations() {
	named Operations > "$dir/operations"
	echo "what help does not name:"
	! jq -r '.ops[].name' "$dir/table" | grep -vxFf "$dir/operations" &&
	    each_begins < "$dir/operations"
}
objects() {
	local verb
	named Objects > "$dir/objects"
	[ -s "$dir/objects" ] || return 1
	for verb in set delete copy rename 'show configuration'; do
		sed "s/.*/$verb (.* )?&/" "$dir/objects"
	done | each_begins
}
# Of lines of standard input, those that the manual has and the file has not.
all_of() {
	sort -u > "$dir/manual"
	sort -u "$1" | comm -23 "$dir/manual" - | grep . && return 1
	[ -s "$dir/manual" ]
}
exit_statuses() {
	sed -n '/^\.Sh EXIT STATUS/,/^\.El/s/^\.It //p' man/tandem.1 |
	    all_of "$dir/statuses"
}
options() {
	grep -oE -- ' --?[a-zA-Z][a-zA-Z-]*(=[a-z]+)?' "$dir/ran" | tr -d ' ' |
	    sed 'p; s/=.*//' > "$dir/options"
	sed -n '/^The options are/,/^\.El/s/^\.It Fl \([a-zA-Z-]*\).*/-\1/p' \
	    man/tandem.1 | all_of "$dir/options" &&
	    grep -qx -- --commit=confirmed "$dir/options"
}

# ---- all of it ------------------------------------------------------------

# Where another login can reach it.
mkdir "$dir/bin" && cp "$bin/tandem" "$dir/bin/" &&
    ln -s tandem "$dir/bin/tandem-shell"
if [ "$(id -u)" -eq 0 ]; then
	export TANDEM_CONTROL_GROUP=staff
fi
quiet() {
	rows 'show alarms' '.data == []'
}
t "the site comes up with its demo domain" site_up
t "nothing is wrong with it" eventually quiet
t "there is a server that describes itself and fails" stub_up
t "somebody else has a console" other_up
run_file "$file"
[ $# -eq 0 ] || exit
t "there are two hundred commands" two_hundred
t "every operation has one" operations
t "every kind of object has its own" objects
t "every exit status is met" exit_statuses
t "every option is used" options
