#!/bin/bash
# A real call on the full screen: found by its number, its ladder, a message of
# it with what its description of media says, and beside its like; and that it
# comes to an end while somebody looks.
cd "$(dirname "$0")/../.." && . tests/lib/t.sh
. tests/lib/phone.sh

tm() {
	env -u TMUX LC_ALL=C.UTF-8 tmux -S "$dir/tmux" -f /dev/null "$@"
}
picture() {
	tm capture-pane -p -t s
}
press() {
	tm send-keys -t s "$@"
}
has() {
	picture | grep -qE -- "$1"
}
# sees PATTERN: it comes to be on the screen; else what is there is shown.
sees() {
	eventually has "$1" > /dev/null || {
		picture
		return 1
	}
}
screen_end() {
	tm kill-server 2> /dev/null
	phone_stop_all
	t_end
}
trap screen_end EXIT

t "the site comes up with its demo domain" site_up
phone_start alice 101 "$password" 440 "answermode=manual"
phone_start bob 102 "$password" 620 "answermode=manual"
t "one phone registers" phone_registered alice
t "and another" phone_registered bob
phone_do alice dial sip:102@demo.test
t "a call rings" phone_await alice CALL_RINGING
[ -z "${t_failed:-}" ] || exit 1

tm new-session -d -s s -x 120 -y 40 \
    "env TANDEM_HISTORY=$dir/history $bin/tandem -s $state/control.sock --screen"
tm set -g status off
found() {
	sees Overview && press t && sees 'trace calls' && press / &&
	    press -l '102' && press Enter && sees 'Search: number 102, last' &&
	    sees '1 row' && sees '101 +102 '
}
t "the call is found by its number" found
# Four hops of the INVITE, folded to two; nobody has answered.
rings() {
	press Enter && sees '102 *$' && sees 'INVITE.*2 hops folded' &&
	    sees '180 Ringing' && ! has '200 ' && press f &&
	    sees 'INVITE.*a udp' && ! has folded && press f
}
t "its ladder is there while it rings" rings
answers() {
	phone_do bob accept && phone_await alice CALL_ESTABLISHED &&
	    sees '200 ' && sees 'ACK'
}
t "and goes on by itself when it is answered" answers
opens() {
	press g Enter && sees '^ INVITE sip:102@demo.test' &&
	    sees '^ Via  ' && sees '^ Content-Type +application/sdp' &&
	    sees 'audio 127.0.0.1:[0-9]+ RTP/AVP' && sees '8 PCMA/8000' &&
	    sees 'message 1/' && ! has '^ !' && press 2 &&
	    sees '^ Content-Type: application/sdp' && sees '^ m=audio ' &&
	    press 3 && sees '^ 000000  49 4e 56 49 54 45 20 '
}
t "a message is opened: parsed, raw, in hexadecimal" opens
# The INVITE of the other leg has another Call-ID and other media.
differs() {
	press q && sees 'folded' && press Space && sees '^\*' &&
	    press l l && sees '\[b1\]' && press g Space &&
	    sees 'from message 1, 101 > sg/1' && sees '^ ~ Call-ID' &&
	    sees '^ ~ Via' && sees '^ - m=audio' && sees '^ \+ m=audio'
}
t "and compared with that of the other leg" differs
ends() {
	press q q && sees '1 row' && phone_do alice hangup &&
	    phone_await bob CALL_CLOSED && sees '101 +102 +200'
}
t "the list says how it ended" ends
