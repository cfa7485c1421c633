#!/bin/sh
# nod watch against the Linux kernel; and where that cannot be, the simulator in its stead.
set -u
. "$(dirname "$0")/lib/lib.sh"

# Without the right to a network namespace the simulator steps in, says so, and all is well.
if unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_net_namespaces' 2>/dev/null; then
    unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$0" watch --lang en' \
        "$NOD" >"$work/out" 2>"$work/err"
    expect "without namespaces: exit 0" is $? 0
    expect "  says why" has 'cannot be the other end here'
    expect "  shows a whole connection" has '2 × MSL are over'
    expect "  complains of nothing" [ ! -s "$work/err" ]
fi

"$NOD" watch --lang en --msl 50ms --width 250 >"$work/out"
expect "nod watch: exit 0" is $? 0
if has 'cannot be the other end here'; then
    echo "skipped: no TUN here"
    [ "$failed" -eq 0 ] && exit 77
    finish
fi
expect "Linux is the other end" has 'Linux listens'
for state in LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED; do
    expect "Linux passes $state" has "│ $state\|│ *$state "
done
for state in SYN-SENT FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT; do
    expect "nod passes $state" has "$state │"
done
"$NOD" watch --lang en --msl 50ms --width 250 >"$work/again"
expect "the same twice" cmp "$work/out" "$work/again"

"$NOD" watch --lang en --msl 50ms -6 --bytes 5000 --svg "$work/x.svg" --pcap "$work/x.pcapng" \
    >"$work/out"
expect "over IPv6: exit 0" is $? 0
expect "  with IPv6's addresses" has 'fd77::'
expect "  all is acknowledged" has 'ack 5001'
expect "  --svg" grep -q '</svg>' "$work/x.svg"
expect "  --pcap" [ -s "$work/x.pcapng" ]

"$NOD" watch --lang en --pcap /nowhere/x.pcapng >"$work/stdout" 2>"$work/out"
expect "a capture that cannot be written: exit 1" is $? 1
expect "  and says so" has /nowhere/x.pcapng

for seed in 1 2 3; do
    "$NOD" watch --lang en --msl 50ms --loss 20% --bytes 4000 --seed $seed >"$work/out"
    expect "with loss, seed $seed: exit 0" is $? 0
    expect "  to the end" has '2 × MSL are over'
done
finish
