#!/bin/bash
# Phones that refresh notice nothing of the deaths of the registrar's owner.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh

t "the site comes up with 500 phones" eval 'site_up && phones_up 500'

# The load goes on until the last death is over.
refresh() {
	"$bin/tests/bench/sip_load" register --target "127.0.0.1:$sip" \
	    --users 500 --password secret%u --duration "$1" --window 50 \
	    --rate 1000 --json > "$dir/load"
}
refresh 12 &
load=$!
for n in 1 2 3 4 5; do
	t "death $n of the owner of sr under load" moves sr
done
t "the load was on all the time" kill -0 $load
wait $load

none_failed() {
	tail -1 "$dir/load" | tee /dev/stderr |
	    jq -e '.failed == 0 and .done > 0'
}
t "no REGISTER failed" none_failed
