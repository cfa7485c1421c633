#!/bin/sh
# client.sh LEFT PROGRAM ARGS...: runs a client inside `nod run`, and then writes into the file LEFT
# what connections are still there, TIME-WAIT apart. Its exit code is the client's.
left=$1
shift
"$@"
code=$?
unset LD_PRELOAD
tries=100
while :; do
    if [ "$RUN" = kernel ]; then ss -Htan; else "$NOD" ss -Htan; fi |
        grep -E -v '^(LISTEN|TIME-WAIT) ' >"$left"
    tries=$((tries - 1))
    { [ -s "$left" ] && [ $tries -gt 0 ]; } || break
    sleep 0.05
done
exit $code
