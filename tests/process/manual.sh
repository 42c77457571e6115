#!/bin/bash
# The manual as it is installed: apropos(1) finds every page, nothing is left
# behind, and what the pages give as examples runs on a site.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh

bin=$(realpath "$bin")
root=$dir/root man=$dir/root/usr/local/share/man
PATH=$PATH:/usr/sbin # makewhatis

installed() {
	make -s install DESTDIR="$root" && [ -s "$man/man1/tandem-show.1" ]
}
t "the pages are installed" installed

# Names and sections of all pages, as apropos says them and as they lie there;
# a page may have further names. One without a description is shown with its
# name for one.
found() {
	makewhatis "$man" && mapropos -M "$man" tandem > "$dir/found" &&
	    ! grep '^\(tandem[a-z.-]*\).* - \1$' "$dir/found" || return 1
	sed 's/ - .*//; s/^\([^,(]*\).*(\(.\))$/\1.\2/' "$dir/found" | sort \
	    > "$dir/names"
	(cd "$man" && printf '%s\n' man?/*) | sed 's/.*\///' | sort |
	    diff - "$dir/names" && [ "$(wc -l < "$dir/names")" -gt 30 ]
}
t "apropos finds every page" found

removed() {
	make -s uninstall DESTDIR="$root" && [ "$(cd "$root" &&
	    find . -type f ! -name mandoc.db)" = ./etc/tandem/tandem.conf ]
}

# The examples of the pages, a file for each, as they are typed.
examples_of() {
	awk -v out="$1/" '
		/^Example:$/ { getline; n++; file = out n; next }
		/^\.Ed$/ { file = "" }
		file != "" {
			gsub(/\\&/, "")
			gsub(/\\-/, "-")
			gsub(/\\\(dq/, "\"")
			gsub(/\\e/, "\\")
			print > file
		}' "${@:2}"
}

# Each is a session of its own on the demo domain as it was; what it leaves in
# its candidate is dropped. Calls, servers and sessions that examples name are
# not there, and the screen needs a terminal.
examples_run() (
	mkdir -p "$dir/examples" "$dir/run/tests/data"
	examples_of "$dir/examples" "$man"/man?/tandem-*
	openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=demo.test \
	    -keyout "$dir/run/tests/data/key.pem" \
	    -out "$dir/run/tests/data/cert.pem" 2> /dev/null
	cd "$dir/run" && tandem -c 'export domain demo.test | save demo.tandem' \
	    -c 'export domain demo.test | save before' \
	    -c 'export | save site.tandem' || return 1
	n=0 bad=0
	for file in "$dir"/examples/*; do
		{
			cat "$file"
			echo discard
		} > session
		tandem -q -c 'apply prune domain demo.test from before' || return 1
		tandem -q -f session > shown 2> words < /dev/null
		case "$? $(head -1 "$file")" in
		0\ * | '3 request '* | '3 show call '* | '3 export call '* | \
		    '3 show conflict '* | '1 screen') ;;
		*)
			cat "$file" words
			bad=1
			;;
		esac
		n=$((n + 1))
	done
	[ $n -gt 80 ] && [ $bad -eq 0 ]
)
t "the site comes up with its demo domain" site_up
t "the examples run" examples_run
# Those of the grammar are one candidate that could be committed.
grammar_runs() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' man/tandem-grammar.7 |
	    grep -v '^\.' > "$dir/grammar" &&
	    grep -q ^insert "$dir/grammar" && grep -q ^delete "$dir/grammar" &&
	    exits 10 tandem -n -f "$dir/grammar" 2> "$dir/words"
}
t "the examples of the grammar could be committed" grammar_runs
t "what was installed is removed again" removed
