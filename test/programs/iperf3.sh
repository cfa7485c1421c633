#!/bin/sh
# iperf3 on nod, as a client and as a server: one way, the other, both, and eight streams. What it
# says of both ends must fit; its content is noise that it does not look at.
. "$(dirname "$0")/lib.sh"
needs iperf3
inside 100

# What iperf3 says in run.json must fit: no error, every stream moved, and no receiver has more
# than was sent.
moved() {
    "$python" - <<'END'
import json
import sys
said = json.load(open("run.json"))
if "error" in said:
    sys.exit(said["error"])
streams = said["end"]["streams"]
counts = [(s["sender"]["bytes"], s["receiver"]["bytes"]) for s in streams]
if not counts or not all(0 < received <= sent for sent, received in counts):
    sys.exit("sent and received: %s" % counts)
END
}

# run WHERE HOST OPTIONS...: the client is run by the command WHERE.
run() {
    local where=$1 host=$2
    shift 2
    # A server that has not heard yet that the last test is over is busy for a moment.
    for try in 1 2 3 4 5 6 7 8; do
        "$where" timeout 20 iperf3 -c "$host" "$@" -J >run.json 2>run.err
        grep -q "busy running a test" run.json || break
        sleep 0.5
    done
    check "$where: $host $*" moved
}

# iperf3 ends without waiting until what it sent has come. So that each of many streams moves over
# the harmful link they get time there; and one family is enough.
many() {
    if [ -z "$link" ]; then
        run "$1" "$2" -t 1 --bidir
        run "$1" "$2" -n "$amount" -l 16K -P 8
        run "$1" "$2" -n "$amount" -l 16K -P 8 -R
    elif [ "$3" = both ]; then
        run "$1" "$2" -t 2 --bidir
        run "$1" "$2" -t 2 -P 8
        run "$1" "$2" -t 2 -P 8 -R
    fi
}

runs() {
    run "$1" "$2" -n "$amount"
    run "$1" "$2" -n "$amount" -R
    many "$@"
}

on_kernel() {
    "$@"
}

amount=$(volume 32000000)
iperf3 -s >peer.log 2>&1 &
peer=$!
kernel_listening 5201
runs on_nod $kernel4 both
runs on_nod $kernel6 clean
stop $peer
serve server iperf3 -s
listening 5201
runs on_kernel $nod4 clean
runs on_kernel $nod6 both
finish_server "the server"
finish
