#!/bin/bash
# Format, floors, sizes, static analysis and manual pages.
cd "$(dirname "$0")/../.." || exit 2
try() {
	words=$1
	shift
	if output=$("$@" 2>&1); then
		echo "ok $words"
	else
		echo "$output" | tail -40
		echo "not ok $words"
	fi
}
sources() {
	git ls-files '*.c' '*.h'
}
format() {
	sources | xargs clang-format --dry-run -Werror
}
analysis() {
	sources | grep '\.c$' | grep -v '^tests/' | xargs cppcheck --quiet \
	    --std=c11 --enable=warning,portability --inline-suppr \
	    --suppress=missingInclude --include=tests/lint/macros.h \
	    -I. -D_GNU_SOURCE -DTANDEM_VERSION='""' --error-exitcode=1 -j2
}
functions() {
	tests/lint/functions
}
pages() {
	make -s man
}
# Every page of ours that a page, the README or a source names is there.
references() {
	make -s build/man/.made || return 1
	for page in $({
		sed -n 's/^\.Xr \(tandem[a-z.-]*\) \([0-9]\).*/\1.\2/p' \
		    build/man/man?/*
		git grep -ohE '\btandem[a-z.-]*\([1-8]\)' -- README.md daemon \
		    console replication plan tests | tr '()' '. ' | tr -d ' '
	} | sort -u); do
		[ -e "build/man/man${page##*.}/$page" ] || {
			echo "$page is named and absent"
			bad=1
		}
	done
	[ -z "${bad:-}" ]
}
# Of two functions of one name in the libraries, the linker takes either.
names() {
	make -s build/libtandem.a build/libconsole.a &&
	    [ -z "$(nm -g --defined-only build/lib{tandem,console}.a \
	    2> /dev/null | awk 'NF == 3 { print $3 }' |
	    sort | uniq -d | tee /dev/stderr)" ]
}
shells() {
	for f in tests/run tests/lint/*.sh tests/lint/f* tests/demo/* tests/lib/site \
	    tests/lab/lab tests/lab/faults \
	    tests/lib/*.sh tests/process/*.sh \
	    console/ssh-setup .ci/run; do
		bash -n "$f" || return 1
	done
}
try "clang-format has nothing to change" format
try "no file includes what stands above it" tests/lint/floors
try "no function over 120 lines" functions
try "cppcheck has nothing to say" analysis
try "mandoc has nothing to say" pages
try "manual pages that are named are there" references
try "no name is defined twice" names
try "scripts parse" shells
tests/lint/functions
