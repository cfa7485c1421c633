#!/bin/sh
# The arithmetic of `make bench-recovery`: what is listed, Jain's index, medians, ratios, flags.
set -u
. "$(dirname "$0")/lib/lib.sh"
bench=$SOURCE/bench/recovery

LONG=1 "$bench/run" --list >"$work/out"
expect "the cells are listed" is $? 0
names=$(awk 'NR > 1 { print $1 }' "$work/out")
expect "each once" [ -z "$(echo "$names" | sort | uniq -d)" ]
for cell in flow/cubic/10M/1ms/5% flow/bbr/1000M/100ms/1% fetch/cubic/100M/300ms/2% \
    fair4/cubic/20M/20ms/0% flow/cubic/50M/40ms/reorder20ms flow/cubic/trace/40ms/varies; do
    expect "the matrix has $cell" has "^$cell "
done
expect "but not what says nothing" [ "$(grep -c '^flow/cubic/1000M/100ms/1%' "$work/out")" = 0 ]
"$bench/run" --list 'flow/cubic/10M/*/1%' >"$work/out"
expect "a pattern chooses" is "$(wc -l <"$work/out")" 6

# refuses CODE PATTERN SETTING ARGUMENTS...: before anything is run, or an old table overwritten.
refuses() {
    right=$1
    pattern=$2
    setting=$3
    shift 3
    env OUT="$work/bench" "$setting" "$bench/run" "$@" >"$work/stdout" 2>"$work/out"
    expect "$setting $*: exit $right" is $? "$right"
    expect "  and a sentence" has "$pattern"
    expect "  and nothing else" [ ! -e "$work/bench" ]
}
refuses 3 "ROUNDS wants a whole number" ROUNDS=x
refuses 3 "ROUNDS wants a whole number" ROUNDS=0
refuses 3 "no pair 'nod-bsd'" PAIRS="nod-nod nod-bsd"
refuses 2 "wants a table of runs" LONG= --table
refuses 2 "wants a table of runs" LONG= --table "$work/none"
refuses 2 "tell more" LONG= --nothing

cd "$work" || exit
# result.awk: three flows, and what their senders say.
touch base loaded
printf 'bed_drops\t0\nidle\t50\nleft.TCPTimeouts\t3\n' >facts
printf 'probe\t10.5\t11\t10\t5\t5\n' >base
printf 'probe\t30\t40\t10\t50\t50\t0.2\n' >loaded
printf 'flow\t%s\t%s\n' 5 4 7 6 3 2 >flows
sent='sent\tcubic\t1\t1\t%s\t0\t%s\t0\t10\t0\t20\t10\t2\t1\t0\t100\t1448\n'
# shellcheck disable=SC2059
printf "$sent" 4 1 6 0 0 0 >sent
awk -F '\t' -v pair=linux-linux -v kind=fair -v congestion=cubic -f "$bench/result.awk" \
    facts base loaded flows sent | tr '\t' '\n' >out
# 12 and (4 + 6 + 2)^2 / (3 * (16 + 36 + 4)) = 0.857
expect "goodput, later goodput, Jain's index" is "$(sed -n 1,3p out | xargs)" "15.000 12.000 0.857"
expect "base, queue" is "$(sed -n 8,10p out | xargs)" "10 20.0 30.0"
expect "segments, again, DSACKs, timeouts" is "$(sed -n '11,13p;15p' out | xargs)" "300 10 1 3"
expect "limited by the window, by the buffer" is "$(sed -n 18,19p out | xargs)" "0.50 0.00"
expect "it went well" is "$(sed -n 23p out)" ok

# table.awk: rounds of 8, 10 and 12 beside 5, 9 and 8; and one that failed.
runs() {
    echo "# a comment"
    echo cell kind pair round goodput_mbit queue_p50_ms idle late_ms bed_drops rate_mbit status |
        tr ' ' '\t'
    for run in linux-linux:8 linux-linux:12 linux-linux:10 nod-linux:5 nod-linux:9 nod-linux:8 \
        nod-nod:11; do
        printf 'flow/x\tflow\t%s\t1\t%s\t1\t80\t0\t0\t10\tok\n' ${run%:*} ${run#*:}
    done
    printf 'flow/x\tflow\tlinux-nod\t1\t-\t-\t80\t0\t0\t10\tno bbr\n'
}
runs >runs.tsv
awk -F '\t' -v tsv=table.tsv -f "$bench/../median.awk" -f "$bench/table.awk" runs.tsv >out
expect "medians, ratios, a flag" is "$(grep goodput table.tsv | cut -f 3- | xargs)" \
    "3 10 8 - 11 - 0.800 - 1.100 - - nod-linux 0.80"
expect "failures are counted" has "1 runs: no bbr"
expect "the summary" has "2 ratios to Linux: 1 at least 1.0 (rounded), 1 below 0.9; 1 cells flagged"
expect "the worst" has " 0.80  flow/x nod-linux goodput_mbit"
finish
