# Sourced by the tests of unmodified programs. A test makes ONE private network namespace and in
# it starts both sides: the program under test by `nod run`, with its TCP on nod (10.110.111.2,
# fd6e:6f64::2), and its peer on the kernel's TCP at the TUN's other end (10.110.111.1,
# fd6e:6f64::1). The namespace's loopback stays down: what went past nod by mistake would need
# it, and fails. Processes live in a namespace of their own too, and none outlives the test.
#
# In the environment: NOD, the command. By hand also
#   LINK=clean          one kind of link only; or harmful
#   RUN=kernel          the control: the program runs on the kernel's TCP, over a veth pair
#   NOD_TEST_VOLUME=20  so many times as much data
#   NOD_TEST_SEED=7     another order of harm, and other data
#   NOD_TEST_KEEP=1     logs stay, and their folder is told
set -u
: "${NOD:?the path of the command}"
NOD=$(realpath "$NOD")
export NOD
RUN=${RUN:-nod}
seed=${NOD_TEST_SEED:-1}
test_name=$(basename "$0" .sh)
here=$(cd "$(dirname "$0")" && pwd)
python=/usr/bin/python3
kernel4=10.110.111.1 kernel6=fd6e:6f64::1
nod4=10.110.111.2 nod6=fd6e:6f64::2
passed=0
failed=0

skip() {
    echo "skipped: $*"
    exit 77
}

# needs PROGRAM...: a test without its program is skipped, and says which is missing.
needs() {
    for program in "$@" unshare nsenter ip ss "$python"; do
        command -v "$program" >/dev/null ||
            skip "$program is not installed; scripts/install-deps test brings it"
    done
}

# Everything after this call happens in namespaces, for LIMIT seconds at most; and twice, at the same
# time: over a clean link and over one that does harm. A world is what belongs to one of them.
inside() {
    limit=$1
    user=
    [ "$(id -u)" = 0 ] || user="--user --map-root-user"
    if [ -n "${NOD_TEST_WORLD-}" ]; then
        prepare
        return
    fi
    # shellcheck disable=SC2086
    unshare $user --net --pid --fork --mount --mount-proc true 2>/dev/null ||
        skip "this user may not make private namespaces"
    all=$(mktemp -d)
    for world in ${LINK:-clean harmful}; do
        mkdir "$all/$world"
        chmod 755 "$all" "$all/$world"
        enter_world "$world" >"$all/$world.out" 2>&1 &
        worlds="${worlds-} $!"
    done
    status=0
    for world in $worlds; do wait "$world" || status=1; done
    cat "$all"/*.out
    sum_up "$all"/*.out
    if [ -n "${NOD_TEST_KEEP-}" ]; then echo "logs: $all"; else rm -rf "$all"; fi
    exit $status
}

enter_world() {
    work=$all/$1
    # shellcheck disable=SC2086
    NOD_TEST_WORLD=$work NOD_TEST_USER=$(id -u) timeout -k 5 "$limit" unshare $user --net --pid \
        --fork --kill-child --mount --mount-proc sh "$here/$test_name.sh"
    local code=$?
    [ $code = 124 ] && echo "WRONG: not done after $limit seconds" && show_logs
    return $code
}

sum_up() {
    awk '/^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3 }
        END { printf "%d passed, %d failed\n", passed, failed }' "$@"
}

prepare() {
    work=$NOD_TEST_WORLD
    link=
    [ "${work##*/}" = clean ] || link=$harm
    # Where every user can read it: some programs go on as another.
    cp "$(dirname "$NOD")/libnod-preload.so" "$work/" && chmod 755 "$work/libnod-preload.so"
    export NOD_PRELOAD="$work/libnod-preload.so"
    # `nod ss` finds the stacks of this world, and no other's: both folders where it looks are ours.
    export XDG_RUNTIME_DIR="$work/run"
    mkdir -m 700 "$XDG_RUNTIME_DIR"
    mkdir -p -m 700 "/tmp/nod-$NOD_TEST_USER"
    mount -t tmpfs -o mode=700 tmpfs "/tmp/nod-$NOD_TEST_USER"
    cd "$work" || exit 1
    exec </dev/null
    [ "$RUN" = nod ] || make_other
    started=$(now)
}

# The control's other namespace, where the programs under test run.
make_other() {
    unshare --net sleep 600 &
    other=$!
    until_true 5 differs /proc/self/ns/net "/proc/$other/ns/net"
    ip link add veth0 type veth peer name veth1 netns "$other"
    ip addr add "$kernel4/24" dev veth0
    ip addr add "$kernel6/64" dev veth0 nodad
    ip link set veth0 up
    in_other sh -c "ip addr add $nod4/24 dev veth1; ip addr add $nod6/64 dev veth1 nodad
        ip link set veth1 up"
}

differs() {
    [ "$(readlink "$1")" != "$(readlink "$2")" ]
}

in_other() {
    nsenter --net="/proc/$other/ns/net" "$@"
}

# Milliseconds.
now() {
    read -r uptime _ </proc/uptime
    echo "${uptime%.*}${uptime#*.}0"
}

# until_true SECONDS COMMAND...
until_true() {
    local tries=$(($1 * 20))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.05
    done
}

# A program that closes while there is something to read resets the connection. Nobody sends a RST
# again, so where the link loses it the other end stays in FIN-WAIT-2 for a minute. A test of such a
# program says resets=$link.
resets=

# What the link does; `link` holds the options of this world.
harm="--loss 2% --duplicate 1% --reorder 2% --damage 0.5% --seed $seed"
link=

# volume COUNT: as many, or more by hand; a fiftieth over the harmful link, where much is waited for.
volume() {
    bytes=$(($1 * ${NOD_TEST_VOLUME:-1}))
    [ -z "$link" ] || bytes=$(((bytes + 49) / 50))
    echo $bytes
}

# data FILE BYTES: noise, the same for the same seed.
data() {
    "$python" -c 'import random, sys
random.seed(sys.argv[1])
left = int(sys.argv[3])
with open(sys.argv[2], "wb") as f:
    while left:
        left -= f.write(random.randbytes(min(left, 1 << 20)))' "$seed" "$1" "$2"
}

# on_nod PROGRAM ARGS...: the program with its TCP on nod. In the foreground, or with `&`, after
# which $! is the process to end.
on_nod() {
    if [ "$RUN" = kernel ]; then
        nsenter --net="/proc/$other/ns/net" "$@"
    else
        # shellcheck disable=SC2086
        "$NOD" run $link -- "$@"
    fi
}

# serve NAME PROGRAM ARGS...: a server on nod in the background, with its log in NAME.log; its
# process is $server.
serve() {
    local name=$1
    shift
    if [ "$RUN" = kernel ]; then
        nsenter --net="/proc/$other/ns/net" "$@" >>"$name.log" 2>&1 &
    else
        # shellcheck disable=SC2086
        "$NOD" run $link -- "$@" >>"$name.log" 2>&1 &
    fi
    server=$!
}

# listening PORT: the server on nod is there, within ten seconds.
listening() {
    until_true 10 nod_listens "$1" && return
    wrong "nobody on nod listens on port $1"
    return 1
}

nod_listens() {
    nod_ss | grep -q "^LISTEN .*:$1 "
}

# What `nod ss` says, or in the control the kernel's ss.
nod_ss() {
    if [ "$RUN" = kernel ]; then
        in_other ss -Htan
    else
        "$NOD" ss -Htan
    fi
}

# The same for servers on the kernel.
kernel_listening() {
    until_true 10 kernel_listens "$1" && return
    wrong "nobody on the kernel listens on port $1"
    return 1
}

kernel_listens() {
    [ -n "$(ss -Hltn "sport = :$1")" ]
}

# client NAME PROGRAM ARGS...: a client on nod, then no connection of its is left. Its output is
# NAME.out, its log NAME.err; its exit code is $code, too.
client() {
    name=$1
    shift
    on_nod sh "$here/client.sh" "$name.left" "$@" >"$name.out" 2>"$name.err"
    code=$?
    if [ -s "$name.left" ]; then
        wrong "$name: a connection is left: $(cat "$name.left")"
    fi
    return $code
}

# gives FILE WHAT NAME PROGRAM ARGS...: a client on nod that succeeds, and its output is FILE's.
gives() {
    local file=$1 what=$2
    shift 2
    if ! client "$@"; then
        wrong "$what: exit code $code"
    elif ! cmp "$file" "$name.out" >cmp.err 2>&1; then
        wrong "$what: not what was sent"
    else
        ok "$what"
    fi
}

# ends CODE WHAT NAME PROGRAM ARGS...: a client on nod that ends with this exit code.
ends() {
    local right=$1 what=$2
    shift 2
    client "$@"
    if [ $code = "$right" ]; then ok "$what"; else wrong "$what: exit code $code, not $right"; fi
}

# peer_gives FILE WHAT PROGRAM ARGS...: the same for a client on the kernel.
peer_gives() {
    local file=$1 what=$2
    shift 2
    "$@" >peer.out 2>peer.err
    code=$?
    if [ $code != 0 ]; then
        wrong "$what: exit code $code"
    elif ! cmp "$file" peer.out >cmp.err 2>&1; then
        wrong "$what: not what was sent"
    else
        ok "$what"
    fi
}

# finish_server NAME: nothing is left but listeners and TIME-WAIT, and it ends when it is told so.
finish_server() {
    if until_true 8 nothing_left; then
        ok "$1: no connection is left"
    else
        wrong "$1: a connection is left: $(left)"
    fi
    stop "$server"
}

# stop PROCESS: it is told to end, and does. `nod run` waits for the peers of connections that are
# not over, until it is told a second time.
stop() {
    kill -TERM "$1"
    [ -z "$resets" ] || until_true 5 gone "$1" || kill -TERM "$1"
    if until_true 10 gone "$1"; then
        wait "$1" 2>>ends.txt
        return 0
    fi
    wrong "process $1 does not end: $(tr '\0' ' ' <"/proc/$1/cmdline")"
    kill -KILL "$1"
}

gone() {
    [ ! -e "/proc/$1/fd/0" ]
}

left() {
    nod_ss | grep -E -v "^(LISTEN|TIME-WAIT${resets:+|FIN-WAIT-2}) "
}

nothing_left() {
    [ -z "$(left)" ]
}

# ok/wrong WHAT; check WHAT COMMAND...
ok() {
    passed=$((passed + 1))
    finished=$(now)
    echo "ok $((finished - started)) ms: $*${link:+ (harmful link)}"
    started=$finished
}

wrong() {
    failed=$((failed + 1))
    echo "WRONG: $*${link:+ (harmful link, seed $seed)}"
    show_logs
}

# The end of what each program said since the last time.
show_logs() {
    for log in "$work"/*.log "$work"/*.err; do
        [ -s "$log" ] && [ ! "$log" -ot "$work/shown" ] || continue
        echo "  $(basename "$log"):"
        tail -n 8 "$log" | cut -c 1-200 | sed 's/^/    /'
    done
    : >"$work/shown"
}

check() {
    local what=$1
    shift
    if "$@"; then ok "$what"; else wrong "$what: exit code $?"; fi
}

same() {
    cmp "$1" "$2" >cmp.err 2>&1
}

# Nothing is left on the kernel's side either: every connection was closed from both ends. Then
# the count, by which the test passes or fails.
finish() {
    if until_true 5 kernel_nothing_left; then
        ok "the kernel's side has no connection left"
    else
        wrong "the kernel's side still has: $(kernel_left)"
    fi
    if [ $failed != 0 ]; then
        echo "again: NOD_TEST_SEED=$seed LINK=${work##*/} RUN=$RUN NOD=$NOD sh" \
            "test/programs/$test_name.sh"
    fi
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
    exit
}

kernel_left() {
    # shellcheck disable=SC2086
    ss -Htan state connected exclude time-wait ${resets:+exclude fin-wait-2}
}

kernel_nothing_left() {
    [ -z "$(kernel_left)" ]
}

# connected PORT: somebody is connected to the server on nod.
connected() {
    nod_ss | grep -q "^ESTAB.*:$1 "
}
