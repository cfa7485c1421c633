#!/bin/sh
# The calls checked against the kernel's: one program, compiled once, prints what each call gives,
# on the kernel (two namespaces joined by a veth pair) and under `nod run`. The prints are equal,
# or the line is in expected-differences with its reason.
# In the environment: NOD, the command; BUILD, the build tree; SOURCE, the source tree. Parts may
# be named as arguments; KEEP=folder keeps the prints.
set -u
here=$SOURCE/test/calls
calls=$BUILD/test/calls
work=${KEEP:-$(mktemp -d)}
[ -n "${KEEP-}" ] || trap 'rm -rf "$work"' EXIT

# In a sanitized build only `nod run` itself is sanitized: a few parts are enough for it.
if [ $# -eq 0 ] && [ -n "${NOD_TEST_QUICK-}" ]; then
    set -- "receive, IPv6" "names, IPv6" "files, IPv6" streaming blocking signals edges forks
fi

if [ $# -eq 0 ]; then
    "$calls" list >"$work/parts"
    cp "$here/expected-differences" "$work/expected"
else
    printf '%s\n' "$@" >"$work/parts"
    # Of what is expected, a part shows little.
    : >"$work/expected"
fi
: >"$work/kernel"
: >"$work/nod"

timeout 20 "$calls" kernel "make sockets" >"$work/out"
if [ $? = 77 ]; then
    cat "$work/out"
    exit 77
fi

# Each part in a network of its own, so that none can spoil another.
while read -r part; do
    timeout 60 "$calls" kernel "$part" >"$work/out.kernel" 2>"$work/err.kernel" </dev/null &
    timeout 60 "$NOD" run --netns --congestion reno -- "$calls" private "$part" >"$work/out.nod" 2>"$work/err.nod" \
        </dev/null
    code=$?
    [ $code = 0 ] || echo "$part: (ended) = $code" >>"$work/out.nod"
    wait $!
    code=$?
    [ $code = 0 ] || echo "$part: (ended) = $code" >>"$work/out.kernel"
    sed 's/^/  /' "$work/err.kernel" "$work/err.nod"
    cat "$work/out.kernel" >>"$work/kernel"
    cat "$work/out.nod" >>"$work/nod"
done <"$work/parts"

awk -f "$here/compare.awk" file=1 "$work/expected" file=2 "$work/kernel" \
    file=3 "$work/nod"
