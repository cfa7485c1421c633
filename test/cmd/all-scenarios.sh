#!/bin/sh
# Every scenario, in both languages, plainly and as a story: ends well, is the same every time,
# leaves no sentence untranslated, fits its width, and draws SVG that is XML.
set -u
. "$(dirname "$0")/lib/lib.sh"
names=$("$NOD" watch --list --lang en | cut -d' ' -f1)
expect "there are 20" is "$(echo "$names" | wc -l)" 20

# Sentences end in a full stop; a Chinese picture may hold no English one.
translated() {
    ! grep -n "[a-z]\{3,\} [a-z]\{2,\} [a-z]" "$1"
}

plain() {
    ! grep -q "$(printf '\033')" "$1"
}

for name in $names; do
    for lang in en zh; do
        for story in "" --story; do
            out=$work/$name.$lang$story
            "$NOD" watch --scenario "$name" --lang "$lang" $story --svg "$out.svg" >"$out"
            expect "$name $lang $story ends well" is $? 0
            "$NOD" watch --scenario "$name" --lang "$lang" $story --svg "$out.svg2" >"$out.2"
            expect "the same twice" cmp -s "$out" "$out.2"
            expect "the same SVG twice" cmp -s "$out.svg" "$out.svg2"
            expect "no escape codes" plain "$out"
            if command -v xmllint >/dev/null; then
                expect "SVG is XML" xmllint --noout "$out.svg"
            fi
            [ "$lang" = en ] || expect "no English sentence" translated "$out"
            [ "$lang" = en ] || sed -n 's/.*<text[^>]*>//p' "$out.svg" >"$out.text"
            [ "$lang" = en ] || expect "none in the SVG" translated "$out.text"
        done
    done
done >"$work/log" 2>&1
for term in 三次握手 四次挥手 半打开 半关闭 累积确认 滑动窗口 超时重传 去重 乱序 最长报文寿命; do
    expect "the field's own term: $term" grep -q "$term" "$work"/*.zh
done >>"$work/log" 2>&1
sed -n '/NOT OK/p' "$work/log"
failed=$(grep -c 'NOT OK' "$work/log")
ok=$(grep -c '^ok' "$work/log")
echo "$ok checks"
least=360
command -v xmllint >/dev/null && least=440
expect "all were made" [ "$ok" -gt $least ]
finish
