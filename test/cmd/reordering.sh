#!/bin/sh
# Where nothing is lost nod sends nothing twice, however many packets are held back by up to half a
# round trip: nod run, the kernel as a router, nod netem, and the kernel as the peer. TCP_INFO says
# so, and the peer, which counts what came twice (RFC 2883), and tshark of nod's own capture.
set -u
. "$(dirname "$0")/lib/private.sh"
needs tshark mergecap nsenter
. "$(dirname "$0")/lib/lib.sh"
bulk=$(cd "$(dirname "$0")" && pwd)/lib/bulk.py
python=/usr/bin/python3
XDG_RUNTIME_DIR=$work/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR"
ip link set lo up
exec </dev/null

# The router is here, the peer in the namespace of a process that sleeps.
. "$(dirname "$0")/lib/there.sh"
if ! { echo 1 >/proc/sys/net/ipv4/ip_forward; } 2>"$work/err"; then
    echo "skipped: no router here: $(cat "$work/err")"
    exit 77
fi
# What the peer learnt from one transfer is nothing to the next.
over sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save'
nsenter --net=/proc/$there/ns/net "$python" "$bulk" serve "$work/served" &
server=$!

written() {
    for _ in $(seq 100); do
        [ -s "$1" ] && return
        sleep 0.05
    done
}
written "$work/served"

# begin OPTIONS...: 20 ms each way, and a queue that takes all. A peer's address is used once.
host=10
begin() {
    host=$((host + 1))
    rm -f "$work/said"
    "$NOD" netem --json --right-netns $there --left-addr 10.77.0.1/24 \
        --right-addr 10.77.0.$host/24 --delay 20ms --rate 200M --queue 100000p --seed 7 "$@" \
        ne-left ne-right >"$work/said" 2>"$work/out" &
    emulator=$!
    written "$work/said"
    for _ in $(seq 20); do
        over ip route replace default via 10.77.0.1 2>/dev/null && break
        sleep 0.05
    done
}

finish_it() {
    kill -INT $emulator
    wait $emulator
    emulator=
}

# How many segments the peer has been sent twice.
twice() {
    over awk '/^TcpExt:/ && !n { n = split($0, names) }
        /^TcpExt:/ { for (i = 1; i <= n; i++) if (names[i] ~ /^TCPDSACKO(ld|fo)Sent$/) sum += $i }
        END { print sum + 0 }' /proc/net/netstat
}

# So much is sent to the peer: sets $said and $told.
put() {
    before=$(twice)
    said=$(timeout 20 "$NOD" run --pcap "$work/try.pcap" "$python" "$bulk" put 10.77.0.$host \
        4000000 2>"$work/out")
    told=$(($(twice) - before))
}

# A busy machine may hold packets back for longer than was asked for: the best of three counts.
for share in 1% 5% 30%; do
    for late in 1ms 5ms 20ms; do
        for try in 1 2 3; do
            begin --to-right-reorder $share --to-right-reorder-delay $late
            put
            finish_it
            [ "${said%, reordered *} $told" = "whole, again 0, duplicates 0 0" ] && break
            echo "  once more: $said, twice at the peer $told"
            sed 's/^/    /' "$work/out"
        done
        expect "$share late by $late: nothing again" is "${said%, reordered *}" \
            "whole, again 0, duplicates 0"
        expect "  but out of order" [ "${said##* }" != 0 ]
        expect "  and nothing twice at the peer" is "$told" 0
        mv "$work/try.pcap" "$work/nod-$host.pcap"
    done
done

mergecap -w "$work/all.pcap" "$work"/nod-*.pcap
tshark -r "$work/all.pcap" -T fields -e tcp.stream -e tcp.len \
    -e tcp.analysis.retransmission >"$work/frames" 2>"$work/err"
expect "tshark saw it all" [ "$(awk '{ sum += $2 } END { print int(sum / 1e6) }' "$work/frames")" = 36 ]
expect "  in connections of their own" is "$(cut -f 1 "$work/frames" | sort -u | wc -l)" 9
expect "  and no retransmission of any kind" is "$(tshark -r "$work/all.pcap" -Y \
    'tcp.analysis.retransmission || tcp.analysis.fast_retransmission || tcp.analysis.spurious_retransmission' \
    2>>"$work/err" | wc -l)" 0

# The other way: what the kernel sends again is its own affair, but what nod tells it is right.
for late in 1ms 20ms; do
    begin --to-left-reorder 5% --to-left-reorder-delay $late
    said=$(timeout 20 "$NOD" run "$python" "$bulk" get 10.77.0.$host 4000000 2>"$work/out")
    finish_it
    expect "to nod, 5% late by $late" is "$said" whole
    sleep 0.1
    echo "  the kernel: $(tail -n 1 "$work/served")"
done
finish
