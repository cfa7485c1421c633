#!/bin/sh
# redis on nod: the server under redis-benchmark, with a copy of its data on the kernel's side that
# must come out equal; and redis-benchmark and redis-cli on nod.
. "$(dirname "$0")/lib.sh"
needs redis-server redis-cli redis-benchmark
inside 60

options="--port 6379 --protected-mode no --save '' --enable-debug-command yes --dir $work \
    --repl-diskless-sync-delay 0"
# Commands of all sizes as redis-cli --pipe takes them.
pairs() {
    "$python" -c 'import random, sys
random.seed(sys.argv[1])
out = sys.stdout.buffer
for n in range(int(sys.argv[2])):
    words = [b"SET", b"key:%d" % n, random.randbytes(random.choice((3, 90, 2000)))]
    out.write(b"*3\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))' "$seed" "$1"
}

cli() {
    timeout 20 redis-cli "$@"
}


# benchmark HOST: every kind of request answered, none with an error.
benchmark() {
    timeout 30 redis-benchmark -h "$1" -c 20 -n "$requests" -t set,get,incr,lpush,lrange_100 -r 1000 \
        --csv >bench.out 2>bench.err &&
        timeout 30 redis-benchmark -h "$1" -c 20 -n "$requests" -t set,get -P 16 -d 2000 --csv \
            >>bench.out 2>>bench.err &&
        [ ! -s bench.err ] && [ "$(grep -c '^"[A-Z]' bench.out)" = 8 ]
}

linked() {
    cli -s replica.sock info replication | grep -q '^master_link_status:up'
}

equal_copy() {
    cli -h $nod4 debug digest >here
    cli -s replica.sock debug digest >there
    same here there
}

requests=$(volume 10000)
pairs "$(volume 20000)" >pairs
head -c "$(volume 8000000)" /dev/zero | tr '\0' 'x' >value

# The server on nod. Its replica on the kernel gets a snapshot (by a child of the server) and
# then what comes later.
eval "serve server redis-server $options --bind '* -::*'"
listening 6379
for host in $nod4 $nod6; do
    check "$host: pairs" sh -c "timeout 20 redis-cli -h $host --pipe <pairs >pipe.log 2>&1"
    check "$host: a large value" sh -c "timeout 20 redis-cli -h $host -x set large <value >>pipe.log"
    cli -h $host get large | head -c -1 >large
    check "$host: and back" same large value
    check "$host: benchmark" benchmark $host
done
redis-server --port 6380 --save '' --enable-debug-command yes --dir "$work" \
    --dbfilename replica.rdb --unixsocket replica.sock --replicaof $nod4 6379 --repl-diskless-load \
    swapdb >replica.log 2>&1 &
replica=$!
kernel_listening 6380
until_true 10 linked || wrong "the copy is not there"
cli -h $nod6 set last word >>pipe.log
cli -h $nod4 wait 1 5000 >>pipe.log
check "the copy is equal" until_true 5 equal_copy
stop $replica
finish_server "redis-server"

# The clients on nod.
eval "redis-server $options --bind '* -::*' >kernel.log 2>&1 &"
peer=$!
kernel_listening 6379
for host in $kernel4 $kernel6; do
    ends 0 "$host: pairs" pipe redis-cli -h $host --pipe <pairs
    ends 0 "$host: benchmark" bench redis-benchmark -h $host -c 20 -n "$requests" -t set,get \
        -P 4 --csv
    ends 0 "$host: a large value" large redis-cli -h $host -x set large <value
    { cat value; echo; } >line
    gives line "$host: and back" back redis-cli -h $host get large
done
stop $peer
finish
