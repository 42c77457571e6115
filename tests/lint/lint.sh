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
shells() {
	for f in tests/run tests/lint/*.sh tests/lint/f* tests/demo/* tests/lib/site \
	    tests/lib/*.sh tests/process/*.sh \
	    .ci/run; do
		bash -n "$f" || return 1
	done
}
try "clang-format has nothing to change" format
try "no file includes what stands above it" tests/lint/floors
try "no function over 120 lines" functions
try "cppcheck has nothing to say" analysis
try "mandoc has nothing to say" pages
try "scripts parse" shells
tests/lint/functions
