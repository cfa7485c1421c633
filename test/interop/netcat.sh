#!/bin/sh
# `nod listen` and `nod connect` as people use them, with the kernel at the other end: what
# goes in comes out, each direction ends by itself, and exit codes mean something.
# In the environment: NOD, the command; BUILD, the build tree.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
serve="$BUILD/test/interop serve"
passed=0
failed=0

ok() {
    passed=$((passed + 1))
}

wrong() {
    failed=$((failed + 1))
    echo "WRONG: $*"
    sed 's/^/    /' "$work/err"
}

# expect NAME CODE: the last command's exit code is in $code, its standard error in err.
expect() {
    if [ "$code" = "$2" ]; then ok; else wrong "$1: exit code $code, not $2"; fi
}

says() {
    if grep -q "$2" "$work/err"; then ok; else wrong "$1 does not say \"$2\""; fi
}

same() {
    if cmp "$2" "$3" >>"$work/err" 2>&1; then ok; else wrong "$1: $2 and $3 differ"; fi
}

# Who cannot have a private network has nothing to test here.
"$NOD" connect --netns --timeout 100ms kernel 9 </dev/null >/dev/null 2>"$work/err"
if [ $? = 3 ]; then
    echo "skipped: $(cat "$work/err")"
    exit 77
fi

head -c 3000000 /dev/urandom >"$work/in"

for family in 4 6; do
    "$NOD" connect -$family --netns kernel 8000 -- $serve echo 8000 \
        <"$work/in" >"$work/out" 2>"$work/err"
    code=$?
    expect "echo over IPv$family" 0
    same "echo over IPv$family" "$work/in" "$work/out"

    # The answer comes only after our end of the stream: a half-close that works.
    cat "$work/in" | "$NOD" connect -$family --netns kernel 8000 -- $serve count 8000 \
        >"$work/out" 2>"$work/err"
    code=$?
    expect "count over IPv$family" 0
    echo "3000000 bytes" >"$work/right"
    same "count over IPv$family" "$work/out" "$work/right"

    # And the other way: the peer closes at once, and still gets everything; whoever reads our
    # output sees its end before we have ended.
    mkfifo "$work/fifo"
    { cat "$work/fifo" >/dev/null; [ -e "$work/ended" ] || : >"$work/early"; } &
    { cat "$work/in"; sleep 0.5; } |
        "$NOD" connect -$family --netns kernel 8000 -- $serve shut 8000 >"$work/fifo" 2>"$work/err"
    code=$?
    : >"$work/ended"
    wait
    expect "the peer closes first over IPv$family" 0
    says "the peer closes first over IPv$family" "^3000000 bytes"
    if [ -e "$work/early" ]; then ok; else wrong "standard output was not closed early"; fi
    rm -f "$work/early" "$work/ended" "$work/fifo"
done

"$NOD" listen --netns 7777 -- bash -c "cat $work/in >/dev/tcp/10.110.111.2/7777" \
    </dev/null >"$work/out" 2>"$work/err"
code=$?
expect "listen" 0
same "listen" "$work/in" "$work/out"

"$NOD" listen --netns -k 7777 -- bash -c 'for i in 1 2 3; do
    echo $i >/dev/tcp/10.110.111.2/7777; done' </dev/null >"$work/out" 2>"$work/err"
code=$?
expect "listen -k" 0
printf '1\n2\n3\n' >"$work/right"
same "listen -k" "$work/out" "$work/right"

head -c 300000 "$work/in" >"$work/small"
"$NOD" connect -v --netns --loss 5% --duplicate 2% --reorder 5% --damage 1% --seed 7 \
    --delay 1ms --pcap "$work/x.pcapng" kernel 8000 -- $serve echo 8000 \
    <"$work/small" >"$work/out" 2>"$work/err"
code=$?
expect "a bad network" 0
same "a bad network" "$work/small" "$work/out"
says "-v" "SYN-SENT -> ESTABLISHED"
says "-v" "outward: of [0-9]* packets"
if command -v tshark >/dev/null; then
    tshark -r "$work/x.pcapng" -T fields -e frame.comment >"$work/comments" 2>>"$work/err"
    for comment in "SYN-SENT: open" "ESTABLISHED: " "becomes FIN-WAIT-2"; do
        if grep -q "$comment" "$work/comments"; then ok; else wrong "no comment: $comment"; fi
    done
fi

"$NOD" connect --netns kernel 9 </dev/null >/dev/null 2>"$work/err"
code=$?
expect "nobody listens" 1
says "nobody listens" "refused"

"$NOD" connect --netns --timeout 300ms 10.110.111.77 9 </dev/null >/dev/null 2>"$work/err"
code=$?
expect "nobody answers" 1
says "nobody answers" "does not answer"

"$NOD" connect --netns kernel 8000 -- $serve echo 8000 <"$work/in" 2>"$work/err" | head -c 10 >/dev/null
says "a reader that goes away" "takes no more"

"$NOD" listen --netns 7777 </dev/null >/dev/null 2>"$work/err" &
sleep 0.5
kill -TERM $!
wait $!
code=$?
expect "interrupted" 1

"$NOD" connect --netns kernel 8000 -- false </dev/null >/dev/null 2>"$work/err"
code=$?
expect "a command that ends" 1
"$NOD" connect --netns kernel 8000 -- /nonexistent </dev/null >/dev/null 2>"$work/err"
code=$?
expect "a command that is not there" 3
"$NOD" listen --netns --pcap /nonexistent/x 7777 </dev/null >/dev/null 2>"$work/err"
code=$?
expect "a capture that cannot be" 3

for words in "connect" "connect kernel" "connect kernel 70000" "connect -4 -6 kernel 1" \
    "connect --loss 200% kernel 1" "connect --nonsense kernel 1" "listen" "listen 1 2" \
    "listen --addr 10.0.0.1/24 --host 10.0.0.1 1" "connect -k kernel 1" "listen --mtu 3 1"; do
    "$NOD" $words </dev/null >/dev/null 2>"$work/err"
    code=$?
    expect "nod $words" 2
    says "nod $words" "help"
done
for command in listen connect; do
    "$NOD" $command --help >"$work/err" 2>&1
    code=$?
    expect "$command --help" 0
    says "$command --help" "^Usage: nod $command"
done

echo "$passed checks passed, $failed failed"
[ $failed = 0 ]
