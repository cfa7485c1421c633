#!/bin/sh
# The README's program does what the README says, and is the one in examples/.
# In the environment: BUILD, the build tree; SOURCE, the source tree.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

check() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "WRONG: $1: \"$2\", not \"$3\""
    fi
}

for readme in README.md README.zh-CN.md; do
    awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$SOURCE/$readme" >"$work/code.c"
    cmp "$work/code.c" "$SOURCE/examples/echo.c"
    check "$readme shows examples/echo.c" "$?" 0
done

root=
[ "$(id -u)" = 0 ] || root=--map-root-user
if unshare $root --net true 2>/dev/null; then
    # Someone who says a megabyte, and keeps what comes back: more than one SEND takes at once.
    head -c 1000000 /dev/urandom >"$work/said"
    unshare $root --net sh -c '
        timeout 20 socat -t 5 - TCP-LISTEN:7,reuseaddr <"$1/said" >"$1/back" &
        server=$!
        sleep 0.3
        timeout 20 "$2/echo-example"
        echo $? >"$1/code"
        wait $server' sh "$work" "$BUILD"
    check "the exit code" "$(cat "$work/code")" 0
    cmp "$work/said" "$work/back"
    check "what came back is what was said" "$?" 0
else
    echo "skipped: no network namespace can be made here"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
