#!/bin/sh
# iperf3 on nod, as a client and as a server: one way, the other, both, and eight streams. What it
# says of both ends must fit; its content is noise that it does not look at.
. "$(dirname "$0")/lib.sh"
needs iperf3
inside 100
resets=$link # it goes when the time is over, whatever is on its way

# What iperf3 says in run.json must fit: no error, every stream moved, and no more was received than
# was sent. Only the sums can be compared: the server numbers streams as it accepts them, and over
# the harmful link a handshake may overtake another.
moved() {
    "$python" - <<'END'
import json
import sys
said = json.load(open("run.json"))
if "error" in said:
    sys.exit(said["error"])
streams = said["end"]["streams"]
sent = [s["sender"]["bytes"] for s in streams]
received = [s["receiver"]["bytes"] for s in streams]
if not received or min(received) == 0 or sum(received) > sum(sent):
    sys.exit("sent %s, received %s" % (sent, received))
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

# iperf3 ends without waiting until what it sent has come, and its server may then have seen nothing
# of it. So over the harmful link streams get a time, not an amount; and many, of one family only.
many() {
    if [ -z "$link" ]; then
        run "$1" "$2" -t 1 --bidir
        run "$1" "$2" $amount -l 16K -P 8
        run "$1" "$2" $amount -l 16K -P 8 -R
    elif [ "$3" = both ]; then
        run "$1" "$2" -t 2 --bidir
        run "$1" "$2" -t 2 -P 8
        run "$1" "$2" -t 2 -P 8 -R
    fi
}

runs() {
    run "$1" "$2" $amount
    run "$1" "$2" $amount -R
    many "$@"
}

on_kernel() {
    "$@"
}

amount="-n $(volume 32000000)"
[ -z "$link" ] || amount="-t 1"
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
