#!/bin/sh
# nod netem between two network namespaces of its own: what it refuses, that times, rates, losses
# and marks are those that were asked for, and that it ends as it should. Kernel to kernel.
set -u
. "$(dirname "$0")/lib/private.sh"
needs ping iperf3 jq nsenter socat
. "$(dirname "$0")/lib/lib.sh"
ip link set lo up
exec </dev/null

# LEFT is here, RIGHT in the namespace of a process that sleeps.
. "$(dirname "$0")/lib/there.sh"

# refuses CODE WHAT PATTERN ARGUMENTS...
refuses() {
    right=$1
    what=$2
    pattern=$3
    shift 3
    timeout 10 "$NOD" netem --lang en --time 0.1s "$@" >"$work/stdout" 2>"$work/out"
    expect "$what: exit $right" is $? "$right"
    expect "  and a sentence" has "$pattern"
    expect "  before it is ready" [ ! -s "$work/stdout" ]
}

refuses 2 "one name" "two devices, LEFT and RIGHT" a
refuses 2 "one name twice" "need two names" a a
refuses 2 "a long name" "1 to 15 letters" a b0123456789012345
refuses 2 "a path for a name" "no name for a device" a/b c
refuses 2 "a pattern for a name" "no name for a device" a %d
refuses 2 "a namespace without a name" "the number of a process" --left-netns "" a b
refuses 2 "no such option" "no option '--nothing'" --nothing a b
refuses 2 "no value" "needs a value" a b --rate
refuses 2 "a loss beyond all" "--to-left-loss wants a probability" --to-left-loss 2 a b
refuses 2 "a rate of nothing" "--rate wants bits a second" --rate 0 a b
refuses 2 "a queue of nothing" "packets, such as 100p" --queue 0p a b
refuses 2 "a queue of another kind" "droptail, fq_codel" --queue-kind red a b
refuses 2 "a burst without an end" "two to four probabilities" --burst-loss 1% a b
refuses 2 "an address without a prefix" "and its prefix" --left-addr 10.0.0.1 a b
refuses 2 "IPv6 in small packets" "at least 1280" --mtu 1000 --left-addr fd00::1/64 a b
refuses 2 "a trace that is not there" "No such file" --trace "$work/none" a b
printf '1\n5\n3\n' >"$work/trace"
refuses 2 "a trace that goes back" "line 3" --trace "$work/trace" a b
printf '1\nx\n' >"$work/trace"
refuses 2 "a trace of words" "line 2" --trace "$work/trace" a b
printf '0\n' >"$work/trace"
refuses 2 "a trace of no time" "the last one above 0" --trace "$work/trace" a b
printf '1\n2\n' >"$work/trace"
refuses 2 "a rate and a trace" "give one of them" --trace "$work/trace" --rate 1M a b
refuses 3 "no such namespace" "no network namespace nowhere" --left-netns nowhere a b
refuses 3 "a namespace that is none" "is no network namespace" --left-netns /etc/passwd a b
refuses 3 "a device of another kind" "another kind" lo b

# begin OPTIONS...: the emulator, until finish_it, which leaves its report in $work/json.
begin() {
    rm -f "$work/json" "$work/said"
    "$NOD" netem --json --right-netns $there --left-addr 10.77.0.1/24 --right-addr 10.77.0.2/24 \
        --left-addr fd77::1/64 --right-addr fd77::2/64 --seed 7 "$@" ne-left ne-right \
        >"$work/said" 2>"$work/out" &
    emulator=$!
    for _ in $(seq 100); do
        [ -s "$work/said" ] && break
        sleep 0.05
    done
    expect "ready with $*" is "$(head -n 1 "$work/said")" ready
}

finish_it() {
    kill -INT $emulator
    wait $emulator
    expect "  it ends well when it is interrupted" is $? 0
    emulator=
    tail -n +2 "$work/said" >"$work/json"
    expect "  and reports its seed" is "$(jq -r .seed "$work/json")" 7
}

counted() {
    jq "$1" "$work/json"
}

within() {
    awk -v is="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(is >= low && is <= high) }' || {
        echo "  $1 is not from $2 to $3"
        return 1
    }
}

# The smallest round trip, in ms: others may be longer when the machine is busy.
round_trip() {
    ping -q -n -c 30 -i 0.02 "$1" | sed -n 's|^rtt [^=]*= \([0-9.]*\)/.*|\1|p'
}

begin
expect "  at once: below 1 ms" within "$(round_trip 10.77.0.2)" 0 1
expect "  IPv6 too" within "$(round_trip fd77::2)" 0 1
finish_it
expect "  60 there" is "$(counted .to_right.in)" 60
expect "  60 back" is "$(counted .to_left.out)" 60
expect "  84 or 104 octets each" is "$(counted .to_right.bytes_in)" $((30 * 84 + 30 * 104))

begin --to-right-delay 20ms --to-left-delay 5ms
expect "  a way of its own each: 25 ms" within "$(round_trip 10.77.0.2)" 25 26
finish_it

begin --delay 10ms --jitter 10ms
ping -q -n -c 200 -i 0.005 10.77.0.2 >"$work/ping"
mean=$(sed -n 's|^rtt [^=]*= [0-9.]*/\([0-9.]*\)/.*|\1|p' "$work/ping")
# Nobody overtakes, so that who comes after a late one is late too.
expect "  jitter: 30 ms and more on average" within "$mean" 28 38
finish_it
expect "  and nothing is lost" is "$(counted .to_right.out)" 200

begin --to-right-loss 20% --to-left-loss 50%
ping -q -n -c 1000 -i 0.002 10.77.0.2 >"$work/ping"
finish_it
expect "  a fifth is lost there" within "$(counted .to_right.lost)" 150 250
expect "  half of the rest is lost back" within "$(counted '.to_left.lost / .to_left.in')" 0.43 0.57
got=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$work/ping")
expect "  and ping knows" is "$got" "$(counted .to_left.out)"

begin --burst-loss 5%,25%
ping -q -n -c 1000 -i 0.002 10.77.0.2 >"$work/ping"
finish_it
expect "  a sixth is lost in bursts" within "$(counted '.to_right.lost / .to_right.in')" 0.1 0.24

begin --duplicate 100% --to-right-reorder 10% --to-right-reorder-delay 30ms --damage 0
ping -q -n -c 100 -i 0.005 10.77.0.2 >"$work/ping"
sleep 0.5 # for second copies of what ping has seen already
finish_it
expect "  all come twice" is "$(counted .to_right.duplicated)" 100
expect "  and back four times" is "$(counted .to_left.out)" 400
expect "  a tenth is held back" within "$(counted .to_right.reordered)" 2 22

# goodput SECONDS IPERF-OPTIONS...: from LEFT to RIGHT, in Mbit/s as TCP's payload at the receiver.
goodput() {
    seconds=$1
    shift
    over iperf3 -s -1 >/dev/null 2>&1 &
    server=$!
    for _ in $(seq 50); do
        over ss -Hltn | grep -q :5201 && break
        sleep 0.05
    done
    timeout 60 iperf3 -J -O 1 -t "$seconds" -c 10.77.0.2 "$@" >"$work/iperf"
    wait $server
    server=
    jq '.end.sum_received.bits_per_second / 1e6' "$work/iperf"
}

# Of 1500 octets 1448 are TCP's payload. A busy machine may keep the ends from sending so much, so
# the best of three counts.
best() {
    for _ in 1 2 3; do
        rate=$(goodput "$@")
        within "$rate" 93.6 99.5 >/dev/null && break
    done
    echo "$rate"
}
begin --to-right-rate 100M --delay 5ms
expect "  100 Mbit/s, less headers, within 3%" within "$(best 2)" 93.6 99.5
finish_it
expect "  the other way is free" within "$(counted .to_left.queue_full)" 0 0

begin --to-left-rate 20M --queue 30p
expect "  20 Mbit/s the other way" within "$(goodput 2 -R)" 18.2 19.9
finish_it
expect "  its queue drops" within "$(counted .to_left.queue_full)" 1 100000

begin --to-right-rate 50M --queue-kind fq_codel --delay 5ms
(
    sleep 1.5
    round_trip 10.77.0.2 >"$work/rtt"
) &
pinging=$!
rate=$(goodput 3)
wait $pinging
expect "  FQ-CoDel: 50 Mbit/s" within "$rate" 46 49.7
expect "  and who sends little does not wait" within "$(cat "$work/rtt")" 10 12
finish_it
expect "  CoDel drops" within "$(counted .to_right.codel)" 1 100000
expect "  and the queue is not full" is "$(counted .to_right.queue_full)" 0

# One opportunity a millisecond: 12.032 Mbit/s, of which 1448/1504 are payload.
printf '1\n' >"$work/trace"
begin --to-right-trace "$work/trace"
expect "  a trace" within "$(goodput 2)" 11 11.7
finish_it

# ECN: what asks for it is marked and loses nothing.
sysctl -qw net.ipv4.tcp_ecn=1
begin --to-right-rate 20M --to-right-queue 1000p --to-right-mark-queue 30000 --delay 5ms
rate=$(goodput 2)
finish_it
expect "  marks" within "$(counted .to_right.marked)" 3 100000
expect "  instead of drops" is "$(counted .to_right.queue_full)" 0
expect "  and the rate is used" within "$rate" 17.5 19.9

# Damage never comes to a program, and what is cut and joined again is the same.
begin --damage 0.2% --loss 0.1% --duplicate 1% --reorder 1% --reorder-delay 1ms
head -c 20000000 /dev/urandom >"$work/sent"
over socat -u TCP-LISTEN:9000 "OPEN:$work/came,creat" 2>/dev/null &
listener=$!
for _ in $(seq 50); do
    over ss -Hltn | grep -q :9000 && break
    sleep 0.05
done
timeout 60 socat -u "OPEN:$work/sent" TCP:10.77.0.2:9000
wait $listener
expect "  every byte through the storm" cmp "$work/sent" "$work/came"
finish_it
expect "  of which some were damaged" within "$(counted .to_right.damaged)" 3 1000

"$NOD" netem --lang en --quiet --time 0.2s a b >"$work/said" 2>&1
expect "--time ends it" is $? 0
expect "--quiet says one word" is "$(cat "$work/said")" ready
"$NOD" netem --lang en --time 0.2s --seed 12345 a b >"$work/out" 2>&1
expect "the report has the seed" has "seed 12345"
expect "  and both ways" is "$(grep -c 'packets in' "$work/out")" 2

quietly() {
    rm -f "$work/said"
    "$NOD" netem --quiet "$@" >"$work/said" 2>"$work/out" &
    emulator=$!
    for _ in $(seq 100); do
        [ -s "$work/said" ] && break
        sleep 0.05
    done
}
quietly --left-netns $there a b
expect "the right one here" ip link show dev b >/dev/null
expect "  the left one there" over ip link show dev a >/dev/null
kill -TERM $emulator
wait $emulator
expect "  ended by SIGTERM" is $? 0
quietly --left-netns /proc/$there/ns/net --right-netns $there a b
expect "both there, by a path too" over ip link show dev b >/dev/null
kill -TERM $emulator
wait $emulator
quietly a b
ip link set dev a down
ip link set dev a up
expect "a device may be down for a while" kill -0 $emulator
ip link del dev a
wait $emulator
expect "a device that is taken away ends it" is $? 3
emulator=
finish
