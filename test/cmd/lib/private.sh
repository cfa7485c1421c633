# Sourced first by the tests that need a network of their own: the test begins again in a namespace
# made for it, without root in a user namespace, or is skipped.
if [ -z "${NOD_TEST_INSIDE-}" ]; then
    user=
    [ "$(id -u)" = 0 ] || user="--user --map-root-user"
    # shellcheck disable=SC2086
    unshare $user --net true 2>/dev/null || {
        echo "skipped: this user may not make private namespaces"
        exit 77
    }
    # shellcheck disable=SC2086
    NOD_TEST_INSIDE=1 exec unshare $user --net sh "$0"
fi

# needs PROGRAM...
needs() {
    for program in "$@"; do
        command -v "$program" >/dev/null || {
            echo "skipped: $program is missing"
            exit 77
        }
    done
}
