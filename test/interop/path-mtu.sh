#!/bin/sh
# The kernel as a router between nod and a peer, with a link behind it that takes only 1400 octets:
# nod hears of it by ICMP, or, where that is thrown away, finds out by itself.
# In the environment: NOD, the command; BUILD, the build tree.
set -u
work=$(mktemp -d)
router=
peer=
trap 'kill $router $peer 2>/dev/null; rm -rf "$work"' EXIT
passed=0
failed=0

if ! unshare -n true 2>"$work/err" || ! ip -V >/dev/null 2>&1; then
    echo "skipped: no private networks here: $(cat "$work/err")"
    exit 77
fi

unshare -n sleep 100 &
router=$!
unshare -n sleep 100 &
peer=$!
at_router() { nsenter -t "$router" -n "$@"; }
at_peer() { nsenter -t "$peer" -n "$@"; }
# Until both have networks of their own.
for i in 1 2 3 4 5 6 7 8 9 10; do
    here=$(readlink /proc/self/ns/net)
    [ "$(readlink "/proc/$router/ns/net")" != "$here" ] &&
        [ "$(readlink "/proc/$peer/ns/net")" != "$here" ] && break
    sleep 0.1
done

# The peer offers an MSS as if its own link took 1500, or there would be nothing to find out.
if ! {
    at_router ip link add mid mtu 1400 type veth peer name mid mtu 1400 netns "$peer" &&
        at_router ip link set mid up && at_peer ip link set mid up &&
        at_router ip addr add 10.9.0.1/24 dev mid && at_peer ip addr add 10.9.0.2/24 dev mid &&
        at_router ip addr add fd09::1/64 dev mid nodad &&
        at_peer ip addr add fd09::2/64 dev mid nodad &&
        at_peer ip route add default via 10.9.0.1 advmss 1460 &&
        at_peer ip -6 route add default via fd09::1 advmss 1440 &&
        at_router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' &&
        at_router sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
} 2>"$work/err"; then
    echo "skipped: no router here: $(cat "$work/err")"
    exit 77
fi

head -c 3000000 /dev/urandom >"$work/in"
echo "3000000 bytes" >"$work/right"

# through NAME FAMILY ADDRESS: three megabytes get to the peer, and it says how many came.
through() {
    at_peer "$BUILD/test/interop" serve count 8000 2>"$work/server" &
    server=$!
    sleep 0.3
    at_router timeout 30 "$NOD" connect -"$2" "$3" 8000 -v \
        <"$work/in" >"$work/out" 2>"$work/err"
    code=$?
    wait "$server"
    if [ $code = 0 ] && cmp "$work/out" "$work/right" >>"$work/err" 2>&1; then
        passed=$((passed + 1))
        echo "$1 over IPv$2: $(grep 'segments' "$work/err")"
    else
        failed=$((failed + 1))
        echo "WRONG: $1 over IPv$2: exit code $code"
        sed 's/^/    /' "$work/err"
    fi
}

through "with ICMP" 4 10.9.0.2
through "with ICMP" 6 fd09::2
if at_router ip rule add pref 1 to 10.110.111.2 ipproto icmp blackhole 2>"$work/err" &&
    at_router ip -6 rule add pref 1 to fd6e:6f64::2 ipproto ipv6-icmp blackhole 2>"$work/err"; then
    through "without ICMP" 4 10.9.0.2
    through "without ICMP" 6 fd09::2
else
    echo "not tested: a router without ICMP: $(cat "$work/err")"
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
