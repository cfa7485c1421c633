#!/bin/sh
# `nod ss` and `nod stat` find the stacks that run, and show them as ss(8) would.
set -u
. "$(dirname "$0")/lib/lib.sh"
command -v jq >/dev/null && command -v socat >/dev/null || {
    echo "skipped: jq or socat is missing"
    exit 77
}
"$NOD" connect --netns kernel 1 >"$work/out" 2>&1 </dev/null
[ $? = 3 ] && {
    echo "skipped: $(cat "$work/out")"
    exit 77
}

# A folder of our own; /tmp/nod-UID is looked at too, where others may be.
XDG_RUNTIME_DIR=$work
export XDG_RUNTIME_DIR
mkdir -m 700 "$work/nod"

await() {
    i=0
    until "$@" >"$work/out" 2>&1 && [ -s "$work/out" ] || [ $i -ge 100 ]; do
        sleep 0.1
        i=$((i + 1))
    done
}

# One that listens and is not asked, and one whose peer does not read.
"$NOD" listen -k --netns 7077 -- sleep 60 </dev/null >/dev/null 2>&1 &
listener=$!
"$NOD" connect --netns --delay 1ms kernel 7177 -- \
    socat TCP-LISTEN:7177,reuseaddr,rcvbuf=8192 SYSTEM:'sleep 60' </dev/zero >/dev/null 2>&1 &
sender=$!
trap 'kill $listener $sender 2>/dev/null; wait; rm -rf "$work"' EXIT

listens() {
    "$NOD" ss -H -l | grep ':7077 '
}
is_stuck() {
    "$NOD" ss -H -ti state established | grep -A 1 ':7177' | grep 'snd_wnd:0'
}
await listens
expect "a listener is found" has '^LISTEN 0 '
await is_stuck
expect "a connection whose peer does not read has no window" has 'snd_wnd:0'

"$NOD" ss -tinop >"$work/out"
expect "nod ss" is $? 0
expect "  its headings are those of ss" \
    has '^State *Recv-Q *Send-Q *Local Address:Port *Peer Address:Port *Process$'
expect "  no listener" lacks ':7077 '
expect "  a connection: state, queues, both ends" \
    has '^ESTAB *0 *[1-9][0-9]* *10\.110\.111\.2:[0-9]* *10\.110\.111\.1:7177 '
expect "  its stack and process" has ":7177 .*users:((\"nod connect\",pid=$sender))"
expect "  its timer: nothing moves but probes" has ':7177 .*timer:(persist,[0-9.]*m*s[ec]*,[0-9]*)'
expect "  what TCP knows, indented" \
    has '^	 ts sack cubic wscale:[0-9]*,[0-9]* rto:[0-9.]* .*rtt:[0-9.]*/[0-9.]* ato:40 mss:1448 pmtu:1500 .*cwnd:'
expect "  how fast the network took what it sent" has '	 .* delivery_rate [1-9][0-9]*bps '
"$NOD" ss >"$work/out"
expect "nod ss without -i and -o" lacks 'cwnd\|timer'
"$NOD" ss -ltn >"$work/out"
expect "nod ss -l: listeners" has '^LISTEN *0 *128 *\*:7077 *\*:\*'
expect "  and nothing else" lacks ESTAB
"$NOD" ss -a >"$work/out"
expect "nod ss -a: both, the listener" has ':7077 '
expect "  and the connection" has ':7177'
"$NOD" ss -H -a -6 >"$work/out"
expect "nod ss -6: no IPv4" lacks ':7177'
"$NOD" ss -H -a -4 >"$work/out"
expect "nod ss -4: IPv4" has ':7177'
expect "  without headings" lacks '^State'
"$NOD" ss -H exclude established exclude listening >"$work/out"
expect "exclude" lacks ':7[01]77'
"$NOD" ss -Hit -O state established state listening >"$work/out"
expect "state, twice" has ':7077 '
expect "  one line each" has ':7177.* mss:1448'

"$NOD" ss -a --json >"$work/json"
connection='.stacks[] | select(.pid == $pid) | .connections[]'
jq -r --argjson pid $sender "$connection"' | [.state, .local.address, .remote.port, .mss,
    .timer.kind, .congestion, (.send_queue > 0), .snd_wnd, .bytes_received,
    (.bytes_acked == .bytes_sent or .bytes_acked == .bytes_sent - 1)] | join(" ")' \
    <"$work/json" >"$work/out"
expect "--json is JSON, with the same" \
    has '^ESTABLISHED 10.110.111.2 7177 1448 persist cubic true 0 0 true$'
jq -r --argjson pid $listener "$connection"' | [.state, .local.port, .backlog] | join(" ")' \
    <"$work/json" >"$work/out"
expect "  the listener too" has '^LISTEN 7077 128$'

"$NOD" stat >"$work/out"
expect "nod stat" is $? 0
expect "  names the stack" has "^nod connect, process $sender:"
expect "  counts segments" has '^ *[1-9][0-9]*  segments sent$'
expect "  and what the bad network did" has 'packets into the bad network'
expect "  says nothing of what never happened" lacks ' 0  '
"$NOD" stat -a >"$work/out"
expect "nod stat -a: also that" has ' 0  RSTs sent'
expect "  and every reason of a drop" has ' 0  .*checksum'
"$NOD" stat --json | jq -r --argjson pid $sender '.stacks[] | select(.pid == $pid) |
    [.name, .stack.connections, .drops["tcp-checksum"], (.link.frames_out > 3),
     (.link.harm_out.in > 3), (.memory.in_use > 0)] | join(" ")' >"$work/out"
expect "nod stat --json" has '^nod connect 1 0 true true true$'

# One that does not answer holds nobody up for long, and is named.
kill -STOP $listener
"$NOD" ss -H state established >"$work/stdout" 2>"$work/out"
expect "a stack that does not answer: exit 1" is $? 1
expect "  it is named" has "process $listener does not answer"
expect "  the others are shown" grep -q ':7177' "$work/stdout"
kill -CONT $listener

# One that died leaves nothing, also when it could not clean up.
kill -KILL $sender
wait $sender 2>/dev/null
expect "a killed stack's socket is there" [ -S "$work/nod/$sender" ]
"$NOD" ss -H >"$work/out" 2>&1
expect "  nod ss goes on without it" is $? 0
expect "  and does not show it" lacks ':7177'
expect "  and removes it" [ ! -e "$work/nod/$sender" ]
kill $listener
wait $listener 2>/dev/null
expect "who ends in order takes its socket away" [ ! -e "$work/nod/$listener" ]

for wrong in "ss -x" "ss state nowhere" "ss state" "ss sport" "stat -x" "stat all"; do
    # shellcheck disable=SC2086
    "$NOD" $wrong >"$work/stdout" 2>"$work/out"
    expect "exit 2: nod $wrong" is $? 2
    expect "  with a hint" has 'help\|There are\|Filters'
    expect "  on standard error only" [ ! -s "$work/stdout" ]
done
"$NOD" ss >/dev/full 2>"$work/out"
expect "a full disk: exit 1" is $? 1
finish
