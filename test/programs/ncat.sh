#!/bin/sh
# ncat on nod: as a client, as a server with a program behind each connection, as a broker.
. "$(dirname "$0")/lib.sh"
needs ncat cat sh
inside 60

# ncat's -c forgets the answer when it hears the end (on every TCP), so the end is not said, and the
# program behind it knows how much there is.
ncat -l -k 7000 -c 'head -c "$(cat size)" | sha256sum' 2>digest.log &
digests=$!
kernel_listening 7000

clients() {
    gives digest "$1: a program answers" asked ncat --no-shutdown "$1" 7000 <in
    ncat -l "$2" --recv-only 7001 >taken 2>sink.log &
    sink=$!
    kernel_listening 7001
    ends 0 "$1: only out" sent ncat --send-only "$1" 7001 <in
    wait $sink
    check "$1: all of it" same taken in
    ncat -l "$2" --send-only 7002 <in 2>source.log &
    source=$!
    kernel_listening 7002
    gives in "$1: only in" received ncat --recv-only "$1" 7002
    wait $source
}

data in "$(volume 8000000)"
wc -c <in >size
sha256sum <in >digest
clients $kernel4 -4
clients $kernel6 -6

serve server ncat -l -k 7003 -c 'head -c "$(cat size)" | sha256sum'
listening 7003
peer_gives digest "a program behind ncat over IPv4" timeout 20 ncat --no-shutdown $nod4 7003 <in
peer_gives digest "a program behind ncat over IPv6" timeout 20 ncat --no-shutdown $nod6 7003 <in
finish_server "the server"
# ncat forgets what a SEND that its child's end interrupts has not taken, on the kernel too when the
# send buffer is small: the child ends late.
serve source ncat -l -k 7005 -c 'cat in; sleep 0.5'
listening 7005
peer_gives in "a file behind ncat over IPv4" timeout 20 ncat --recv-only $nod4 7005
peer_gives in "a file behind ncat over IPv6" timeout 20 ncat --recv-only $nod6 7005
finish_server "the source"

# What one says, the others hear.
serve broker ncat -l --broker 7004
listening 7004
timeout 20 ncat --recv-only $nod4 7004 >heard 2>listener.err &
listener=$!
until_true 5 connected 7004
timeout 20 ncat --send-only $nod6 7004 <in 2>speaker.err
until_true 10 same heard in
check "the broker" same heard in
stop $listener
finish_server "the broker"
stop $digests
finish
