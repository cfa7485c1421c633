#!/bin/sh
# What the command says to wrong arguments: exit 2, and a hint that helps.
set -u
. "$(dirname "$0")/lib/lib.sh"

# refuses HINT ARGUMENTS...
refuses() {
    hint=$1
    shift
    "$NOD" "$@" >"$work/stdout" 2>"$work/out"
    expect "exit 2: nod $*" is $? 2
    expect "  with a hint" has "$hint"
    expect "  on standard error only" [ ! -s "$work/stdout" ]
}

refuses "nod watch"
refuses "watch, listen, connect" wach
refuses "There are: en" --lang xx watch
refuses "en or zh" watch --lang
refuses "lost-last-ack" watch --scenario nothing
refuses "nod watch --help" watch --nothing
refuses "needs a value" watch --seed
refuses "\-\-scenario open-close" watch open-close
refuses "0 to 1" watch --loss lots
refuses "0 to 1" watch --loss 1.5
refuses "0 to 1" watch --reorder 120%
refuses "such as 20ms" watch --delay soon
refuses "such as 20ms" watch --msl -1s
refuses "above 0" watch --msl 0
refuses "at least 1000" watch --rate 3
refuses "576 to 65535" watch --mtu 68
refuses "at least 1280" watch -6 --mtu 1000
refuses "a number from" watch --bytes 0
refuses "a number from" watch --seed 1x
refuses "auto, always, never" watch --color blue
refuses "0.01 to 1000" watch --speed 0

"$NOD" --help >"$work/out"
expect "--help" is $? 0
expect "names the commands" has watch
"$NOD" watch --help >"$work/out"
expect "watch --help" is $? 0
for option in scenario list ipv6 bytes msl loss duplicate reorder damage delay jitter rate mtu \
    seed story lang svg pcap speed no-wait color; do
    expect "watch --help tells of --$option" has "\-\-$option"
done
expect "--version" "$NOD" --version >/dev/null

"$NOD" watch --lang zh --help >"$work/out"
expect "help in Chinese" has '最长报文寿命'
LC_ALL=C.UTF-8 LANG= LANGUAGE=zh "$NOD" --help >"$work/out"
expect "LANGUAGE is enough, without any locale" has '用户空间'
env -i LANG=zh_CN.UTF-8 "$NOD" --help >"$work/out"
expect "so is LANG" has '用户空间'
env -i "$NOD" --help >"$work/out"
expect "English without any" has 'user space'

"$NOD" watch --scenario refused --svg /nowhere/x.svg >/dev/null 2>"$work/out"
expect "a file that cannot be written: exit 1" is $? 1
expect "  with its name" has /nowhere/x.svg
"$NOD" watch --scenario refused --pcap /nowhere/x.pcap >/dev/null 2>"$work/out"
expect "a capture that cannot be written: exit 1" is $? 1
"$NOD" watch --scenario refused >/dev/full 2>"$work/out"
expect "a full disk: exit 1" is $? 1

watch open-close --color always >"$work/out"
expect "--color always" has "$(printf '\033')"
finish
