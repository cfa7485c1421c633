# Sourced after lib.sh: a second namespace, that of a process that sleeps, whose number is $there.
unshare --net sleep 600 &
there=$!
emulator=
server=
end() {
    for process in $emulator $server $there; do kill "$process" 2>/dev/null; done
    rm -rf "$work"
}
trap end EXIT
until [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done

# over COMMAND...: there.
over() {
    nsenter --net=/proc/$there/ns/net "$@"
}
over ip link set lo up
