#!/bin/sh
# Every text of the command is in the catalogue, and every one of them is translated.
set -u
. "$(dirname "$0")/lib/lib.sh"
: "${SOURCE:?the source tree}"
command -v xgettext >/dev/null || {
    echo "skipped: xgettext is missing (gettext)"
    exit 77
}

mkdir -p "$work/src" && cp -r "$SOURCE/src/cmd" "$work/src/" && cp -r "$SOURCE/po" "$work/"
expect "po/update runs" "$work/po/update"
expect "po/nod.pot is up to date (run po/update)" cmp "$work/po/nod.pot" "$SOURCE/po/nod.pot"
for po in "$work"/po/*.po; do
    LC_ALL=C msgfmt --check --statistics -o "$work/x.mo" "$po" 2>"$work/out"
    expect "$(basename "$po") is sound" is $? 0
    expect "  and whole: $(cat "$work/out")" lacks 'untranslated\|fuzzy'
done
finish
