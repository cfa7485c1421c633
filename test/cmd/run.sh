#!/bin/sh
# nod run: what it refuses, how it ends, what it hands on, and that connections are nod's. The
# kernel at the other end of the TUN, in a private network that this test makes for itself.
set -u
. "$(dirname "$0")/lib/private.sh"
. "$(dirname "$0")/lib/lib.sh"
: "${BUILD:?the build tree}"
here=$(cd "$(dirname "$0")" && pwd)
object=$BUILD/libnod-preload.so
python=/usr/bin/python3
kernel=10.110.111.1
# Others' stacks are none of ours.
XDG_RUNTIME_DIR=$work/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR"
ip link set lo up
exec </dev/null

# run ARGUMENTS...: its exit code is $code, its output out and err.
run() {
    timeout -k 2 40 "$NOD" run "$@" >"$work/stdout" 2>"$work/out"
    code=$?
}

# ends CODE WHAT ARGUMENTS...
ends() {
    right=$1
    what=$2
    shift 2
    run "$@"
    expect "$what: exit $right" is $code "$right"
}

gives() {
    expect "$1" is "$(cat "$work/stdout")" "$2"
}

# What is shown to programs is named as in the C library, and nothing else is.
nm -D --defined-only "$object" | awk '{ print $3 }' | sort >"$work/ours"
libc=$(ldd /bin/sh | awk '/libc\.so/ { print $3 }')
nm -D --defined-only "$libc" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u >"$work/theirs"
expect "the object has names" [ -s "$work/ours" ]
expect "all of them the C library's" is "$(comm -23 "$work/ours" "$work/theirs")" ""

# Refusals.
ends 2 "no program" --
expect "  with a hint" has "nod run --help"
ends 2 "nonsense" --nothing true
ends 2 "a loss beyond all" --loss 200% true
ends 2 "a gateway that is none" --gateway nowhere true
ends 2 "a link that is none" --link ether true
ends 127 "a program that is not there" nothing-like-it
expect "  by its name" has "nothing-like-it"
ends 127 "a path that is not there" ./nothing-like-it
echo : >"$work/script"
ends 126 "what may not be executed" "$work/script"
expect "  and what would help" has "chmod"
ends 126 "a folder" /usr
# An ELF file without a loader is what a static program is.
cp "$object" "$work/static" && chmod +x "$work/static"
ends 126 "a static program" "$work/static"
expect "  and why" has "statically"
printf '#! %s -x\n' "$work/static" >"$work/script" && chmod +x "$work/script"
ends 126 "a script for one" "$work/script"
expect "  and why" has "static is linked statically"
cp /bin/true "$work/foreign" && printf '\377' | dd of="$work/foreign" bs=1 seek=18 conv=notrunc 2>/dev/null
ends 126 "a program for another machine" "$work/foreign"
expect "  and why" has "another kind of machine"
cp /bin/true "$work/privileged"
if chown 1 "$work/privileged" 2>/dev/null && chmod u+s "$work/privileged"; then
    ends 126 "a set-user-ID program" "$work/privileged"
    expect "  and why" has "set-user-ID"
fi
# A sanitizer wants to be the first that is preloaded.
sanitized=false
nm -D "$NOD" | grep -q __asan_init && sanitized=true
$sanitized || ends 2 "one within another" "$NOD" run true
NOD_PRELOAD=/nothing ends 3 "an object that is not there" true
NOD_NET='' LD_PRELOAD=$object sh -c true >"$work/out" 2>&1
expect "an object without a network: exit 3" is $? 3
expect "  says so" has "nod:"

# How it ends, and what it hands on.
ends 7 "a program's own status" sh -c 'exit 7'
ends 137 "a signal" sh -c 'kill -KILL $$'
echo hello >"$work/in"
timeout 20 "$NOD" run cat <"$work/in" >"$work/stdout"
gives "standard input and output" hello
run printf '%s.' --loss 'a b' -- --lang xx
gives "arguments that are not ours" "--loss.a b.--.--lang.xx."
run env -i env
expect "an empty environment has what is needed" grep -q '^NOD_NET=' "$work/stdout"
expect "  all of it" grep -q "^LD_PRELOAD=$object\$" "$work/stdout"
if ! $sanitized; then
    LD_PRELOAD=$libc run env
    expect "what was preloaded before is" grep -q "^LD_PRELOAD=$object:$libc\$" "$work/stdout"
fi
run sh -c "'$work/static'; echo \$?"
expect "a static program within is said" has "statically.*its TCP is the kernel's"

# Signals: to the program, by us when somebody sends them.
"$NOD" run "$python" -c 'import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: print("usr1", flush=True))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("ready", flush=True)
while True: time.sleep(9)' >"$work/stdout" &
runner=$!
waits() { for _ in 1 2 3 4 5 6 7 8 9 10; do grep -q "$1" "$work/stdout" && return; sleep 0.3; done; }
waits ready
kill -USR1 $runner
waits usr1
kill -TERM $runner
wait $runner
expect "SIGTERM ends the program, and its status is ours" is $? 5
gives "SIGUSR1 is its own" "ready
usr1"

# The network goes on as long as anybody is there.
started=$(date +%s)
ends 4 "a program that leaves others behind" sh -c '(sleep 2.5; echo late) & exit 4'
expect "  is waited for with them" [ $(($(date +%s) - started)) -ge 2 ]
gives "  to their end" late
expect "  and it is said" has "go on"

# Connections. The peer is on the kernel; it tells what it hears, and answers.
"$python" "$here/lib/peer.py" 8000 "$work/heard" &
peer=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e "$work/heard" ] && break; sleep 0.2; done

run bash -c "exec 3<>/dev/tcp/$kernel/8000; echo echo >&3; echo over nod >&3; head -n 1 <&3"
gives "bash's sockets" "over nod"
expect "  come from nod's address" grep -q '^from 10.110.111.2$' "$work/heard"
run bash -c "{ echo echo; echo to and fro; sed -e s/^/heard:/ -e 1q >&2; } <>/dev/tcp/$kernel/8000 >&0"
expect "standard streams that are sockets" has "heard:to and fro"
run -6 bash -c "exec 3<>/dev/tcp/fd6e:6f64::1/8000; echo echo >&3; echo over IPv6 >&3; head -n 1 <&3"
gives "IPv6" "over IPv6"
run bash -c "exec 3<>/dev/tcp/127.0.0.1/8000; echo echo >&3; echo local >&3; head -n 1 <&3"
gives "127.0.0.1 is the kernel's" local
run bash -c "exec 3<>/dev/tcp/$kernel/9"
expect "refused" has "refused"

# What a program said before it ended is heard, however slowly.
run "$python" -c "import socket
s = socket.create_connection(('$kernel', 8000))
s.sendall(b'slow\n' + b'x' * 1000000)"
expect "a hasty program: exit 0" is $code 0
for _ in 1 2 3 4 5 6 7 8 9 10; do grep -q '^slow 1000000$' "$work/heard" && break; sleep 0.2; done
expect "  and a peer that heard all" grep -q '^slow 1000000$' "$work/heard"
# One that is killed gives its peer an end, as the kernel would.
run bash -c "exec 3<>/dev/tcp/$kernel/8000; echo slow >&3; kill -KILL \$\$"
for _ in 1 2 3 4 5 6 7 8 9 10; do grep -q '^slow 0$' "$work/heard" && break; sleep 0.2; done
expect "a program that is killed gives its peer an end" grep -q '^slow 0$' "$work/heard"

# Sockets that are handed on: by fork, by exec as 0 and 1, and never to a static program.
run "$python" -c "import os, socket, subprocess
s = socket.create_connection(('$kernel', 8000))
s.sendall(b'echo\n')
subprocess.run(['sh', '-c', 'echo from a child'], stdout=s)
if os.fork() == 0:
    s.sendall(b'and from another\n')
    s.shutdown(socket.SHUT_WR)
    os._exit(0)
os.wait()
print(s.makefile().read(), end='')
try:
    subprocess.run(['$work/static'], stdin=s)
except PermissionError:
    print('no static one')"
gives "children have sockets" "from a child
and from another
no static one"

# A sandbox that allows itself no more descriptors; a library that closes by the call's number.
run "$python" -c "import ctypes, os, resource, socket
s = socket.create_connection(('$kernel', 8000))
s.sendall(b'echo\nin a box')
s.shutdown(socket.SHUT_WR)
copy = s.fileno()
resource.setrlimit(resource.RLIMIT_NOFILE, (copy + 1, copy + 1))
print(s.recv(100, socket.MSG_WAITALL).decode())
number = {'x86_64': 3, 'aarch64': 57, 'riscv64': 57}.get(os.uname().machine)
if number: ctypes.CDLL(None).syscall(number, copy)
else: s.close()
with open('/proc/self/status') as f: print(f.fileno() == copy, f.read(5))
s.detach()"
gives "a sandbox without descriptors, a close by number" "in a box
True Name:"

# A thread that waits for an epoll instance hears of a socket that another puts into it.
run "$python" -c "import os, select, socket, threading, time
poll = select.epoll()
ends = os.pipe()
poll.register(ends[0], select.EPOLLIN)
heard = []
waiting = threading.Thread(target=lambda: heard.extend(poll.poll(5)))
waiting.start()
time.sleep(0.3)
s = socket.create_connection(('$kernel', 8000))
poll.register(s, select.EPOLLIN)
s.sendall(b'echo\nback')
waiting.join()
print([fd == s.fileno() for fd, _ in heard])"
gives "a socket in an instance that is waited for" "[True]"

# A bad network, and the capture of it.
run -v --loss 3% --reorder 3% --damage 1% --delay 1ms --seed 5 --pcap "$work/x.pcapng" \
    "$python" -c "import socket
s = socket.create_connection(('$kernel', 8000))
s.sendall(b'echo\n' + b'y' * 300000)
s.shutdown(socket.SHUT_WR)
print(len(s.makefile().read()))"
gives "a bad network" 300000
expect "  the seed is said" has "\-\-seed 5"
expect "  and what was lost" has "of [0-9]* packets [1-9][0-9]* lost"
expect "  the capture is there" [ -s "$work/x.pcapng" ]
if command -v tshark >/dev/null; then
    tshark -r "$work/x.pcapng" -T fields -e ip.src >"$work/sources" 2>/dev/null
    expect "  with what was sent" grep -q 10.110.111.2 "$work/sources"
    expect "  and what came" grep -q $kernel "$work/sources"
fi
ends 3 "a capture that cannot be" --pcap /nonexistent/x true

# A device that is down for a while breaks nothing; one that is gone is an error, and no wait.
cat >"$work/three.py" <<END
import os, socket, threading
def one(n):
    s = socket.create_connection(('$kernel', 8000))
    s.sendall(b'echo\\n.')
    s.recv(1)
    os.write(1, b'waits\\n')
    try:
        s.recv(1)
    except OSError as error:
        os.write(1, error.strerror.encode() + b'\\n')
    s.close()
for n in range(3):
    threading.Thread(target=one, args=(n,)).start()
END
"$NOD" run --tun lost timeout 20 "$python" "$work/three.py" >"$work/stdout" &
runner=$!
waits waits
ip link set lost down
sleep 0.3
ip link set lost up
sleep 1
expect "a device that was down breaks nothing" is "$(grep -c down "$work/stdout")" 0
ip link del lost
wait $runner
expect "one that is gone ends every wait" is "$(grep -c 'Network is down' "$work/stdout")" 3
"$NOD" run --loss 0% timeout 20 "$python" "$work/three.py" >"$work/stdout" &
runner=$!
waits waits
sleep 0.5
kill -KILL $runner
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ "$(grep -c 'Network is down' "$work/stdout")" = 3 ] && break
    sleep 0.2
done
expect "so does a nod run that was killed" is "$(grep -c 'Network is down' "$work/stdout")" 3

# A device and addresses of one's own.
run --link tun:mine --address 10.7.0.9/24 -4 bash -c "ip -o -4 addr show dev mine >&2
    exec 3<>/dev/tcp/10.7.0.1/8000; echo echo >&3; echo elsewhere >&3; head -n 1 <&3"
gives "an address of one's own" elsewhere
expect "  and a device" has "10.7.0.1/24"
expect "  from where it comes" grep -q '^from 10.7.0.9$' "$work/heard"
kill $peer
finish
