#!/bin/sh
# socat on nod: as a client, as a server with a process for each connection, and as a relay.
. "$(dirname "$0")/lib.sh"
needs socat
inside 60

socat -t 20 TCP6-LISTEN:7000,ipv6only=0,reuseaddr,fork EXEC:cat 2>echo.log &
echo=$!
socat -t 20 TCP6-LISTEN:7001,ipv6only=0,reuseaddr,fork SYSTEM:"wc -c" 2>count.log &
count=$!
kernel_listening 7000
kernel_listening 7001

clients() {
    gives in "$1: echo" echoed socat -t 20 STDIO "TCP:$1:7000" <in
    gives size "$1: an answer after the end" counted socat -t 20 STDIO "TCP:$1:7001" <in
}

four() {
    for i in 1 2 3 4; do
        timeout 20 socat -t 20 STDIO "TCP:$1:7002" <in >copy$i 2>>peers.err &
        peers="${peers-} $!"
    done
    wait $peers
    peers=
    for i in 1 2 3 4; do check "$1: echo $i of four at once" same copy$i in; done
}

data in "$(volume 8000000)"
wc -c <in >size
clients $kernel4
clients "[$kernel6]"

data in "$(volume 4000000)"
serve server socat -t 20 TCP6-LISTEN:7002,ipv6only=0,reuseaddr,fork EXEC:cat
listening 7002
four $nod4
four "[$nod6]"
finish_server "the server"

# The program has the connection itself as its standard input and output.
serve inetd socat -t 20 TCP6-LISTEN:7004,ipv6only=0,reuseaddr,fork EXEC:cat,nofork
listening 7004
peer_gives in "a program in the connection's place" timeout 20 socat -t 20 STDIO \
    TCP:$nod4:7004 <in
finish_server "the program"

serve relay socat -t 20 TCP6-LISTEN:7003,ipv6only=0,reuseaddr,fork TCP:$kernel4:7000
listening 7003
peer_gives in "relayed" timeout 20 socat -t 20 STDIO "TCP:[$nod6]:7003" <in
finish_server "the relay"
stop $echo
stop $count
finish
