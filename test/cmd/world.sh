#!/bin/sh
# The options that change the world do, and a harsh world still comes to a true end.
set -u
. "$(dirname "$0")/lib/lib.sh"

watch open-close -6 >"$work/out"
expect "IPv6" has 'fd00:'
watch open-close --bytes 4000 --mtu 1000 >"$work/out"
expect "--mtu sets the segments' size" has 'segments up to 960 bytes'
expect "--bytes says more" has 'write 4000'
watch open-close --msl 2s >"$work/out"
expect "--msl shortens TIME-WAIT" has '^ *4.330 *2 MSL over'
watch open-close --delay 50ms >"$work/out"
expect "--delay" has 'SYN-RECEIVED *0.050'
watch refused --pcap "$work/x.pcapng" >/dev/null
expect "--pcap writes pcapng" is "$(head -c 4 "$work/x.pcapng" | od -An -tx1 | tr -d ' ')" 0a0d0d0a

lost=0
for seed in 1 2 3 4 5 6 7 8 9 10 11 12; do
    watch open-close --loss 25% --duplicate 0.1 --reorder 10% --damage 5% --jitter 5ms \
        --bytes 3000 --seed "$seed" >"$work/out"
    expect "a harsh world, seed $seed (nod watch --scenario open-close --loss 25% --duplicate 0.1 \
--reorder 10% --damage 5% --jitter 5ms --bytes 3000 --seed $seed)" is $? 0
    lost=$((lost + $(sed -n 's/.*lost on the way: \([0-9]*\).*/\1/p' "$work/out")))
done
expect "that really loses" [ "$lost" -gt 10 ]
watch open-close --loss 25% --seed 3 >"$work/a"
watch open-close --loss 25% --seed 3 >"$work/b"
expect "the same seed, the same world" cmp -s "$work/a" "$work/b"
finish
