#!/bin/sh
# Each scenario shows what it promises: its segments, its states, its reasons.
set -u
. "$(dirname "$0")/lib/lib.sh"

# play NAME OPTIONS...: its picture in $work/out, in lines that a sentence does not break.
play() {
    watch "$@" --width 250 >"$work/out"
    expect "$1 ends well" is $? 0
}

play open-close
expect "three segments open" is "$(arrows '── SYN ──')$(arrows '── SYN,ACK ──')" 11
expect "four close: two FINs" is "$(arrows ' FIN,ACK ')" 2
expect "and never three" lacks 'three segments'
for state in SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 CLOSE-WAIT FIN-WAIT-2 LAST-ACK \
    TIME-WAIT CLOSED; do
    expect "open-close passes $state" has "$state"
done
expect "TIME-WAIT lasts four minutes" has '240 s later'

play three-segment-close
expect "exactly three segments close" is "$(sed -n '/CLOSE-WAIT/,$p' "$work/out" | grep -c '[▶◀]')" 3
expect "no FIN-WAIT-2" is "$(grep -c '^[^│]*FIN-WAIT-2' "$work/out")" 0

play half-close
expect "data after the FIN" is "$(sed -n '/FIN-WAIT-2/,$p' "$work/out" | grep -c '◀.*bytes')" 2

play simultaneous-open
expect "two SYNs" is "$(arrows ' SYN ─')" 3 # one of them in two rows
expect "both in SYN-RECEIVED" is "$(grep -o SYN-RECEIVED "$work/out" | wc -l)" 2
expect "they crossed" has 'simultaneous open'

play simultaneous-close
expect "both in CLOSING" is "$(grep -o '\<CLOSING\>' "$work/out" | wc -l)" 2
expect "both wait" is "$(grep -c '2 × MSL are over' "$work/out")" 2

play lost-syn
expect "one loss" has 'sent again: 1; lost on the way: 1'
expect "repaired by the timer" has 'timeout.*SYN (again)'

play lost-data
expect "two losses, two repairs" has 'sent again: 2; lost on the way: 2'
expect "once by three ACKs" has 'fast retransmit'
expect "once by a probe" has 'tail loss probe'

play path-mtu
expect "all of the first flight is too big" has 'sent again: 4; lost on the way: 3'
expect "a router says so" has 'MTU 1400 .*by ICMP'
expect "and what was too big goes again" is "$(arrows '1348 bytes (again)')" 3

play black-hole
expect "nobody says so" has 'MTU 1064 .*black hole'
expect "and it arrives in pieces" has 'ack 1449'

play lost-ack
expect "nothing is sent again" has 'sent again: 0; lost on the way: 1'
expect "the next ACK says it all" has 'says all that the lost one said'

play duplicate
expect "a second copy comes" has '(copy)'
expect "and is dropped" has 'has had these bytes already'
expect "the application reads once" is "$(grep -o 'read 1000' "$work/out" | wc -l)" 1

play reorder
expect "nothing is lost or sent again" has 'sent again: 0; lost on the way: 0'
expect "two come out of order" is "$(grep -c 'out of order' "$work/out")" 2
expect "all is read at once" has 'read 4344'

play batch-ack
expect "eight segments with data" is "$(arrows 'ACK · 1448 bytes')" 8
expect "one ACK for them" has '◀.* ACK .*One ACK for 8 segments'
expect "no other" is "$(sed -n '/1448 bytes/,/close/p' "$work/out" | grep -c '◀')" 1

play slow-reader
expect "the window closes" has 'window 0'
expect "is probed" has 'zero-window probe'
expect "opens again" has 'opens the window'
expect "and everything arrives" has 'ack 6001'

play lost-last-ack
expect "the FIN comes again" has 'FIN,ACK (again)'
expect "TIME-WAIT answers it and starts over" has 'begins its 2 × MSL anew'
expect "so it lasts longer" has '^ *240.400 *2 MSL over'

play stray-segment
expect "TIME-WAIT catches the stray" has 'TIME-WAIT catches it'
expect "and goes on unchanged" has '^ *240.5[0-9]* *2 MSL over'

play port-held
expect "the port is held" has 'connect ✗'
expect "and freed" is "$(arrows ' SYN ─')" 2

play refused
expect "two segments" has 'Segments: 2;'
expect "connection refused" has 'connection refused'

play reset
expect "a RST" has ' RST'
expect "the client hears of it" has 'reset'

play stale-half-open
expect "half-open" has 'half-open'
expect "challenge ACK" has 'challenge ACK'
expect "then a new connection" is "$(grep -o ESTABLISHED "$work/out" | wc -l)" 4

finish
