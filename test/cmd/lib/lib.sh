# Sourced by the tests of the command. NOD is its path.
: "${NOD:?the path of the command}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect WHAT COMMAND...: the command must succeed.
expect() {
    what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        echo "NOT OK: $what"
        failed=$((failed + 1))
    fi
}

# A scenario's picture, wide enough that no sentence beside it is broken oddly.
watch() {
    scenario=$1
    shift
    "$NOD" watch --lang en --scenario "$scenario" "$@"
}

# How many arrows' lines match a pattern.
arrows() {
    grep -c -- "$1" "$work/out" || true
}

has() {
    grep -q -- "$1" "$work/out"
}

lacks() {
    ! grep -q -- "$1" "$work/out"
}

is() {
    [ "$1" = "$2" ] || {
        echo "  got '$1', expected '$2'"
        return 1
    }
}

finish() {
    [ "$failed" -eq 0 ] || {
        echo "$failed failed"
        exit 1
    }
}
