# Prints a source with one change: -v mutant=FILE names the mutant, the input is its source.
# Fails when the old text is not found exactly once.

BEGIN {
    while ((getline line <mutant) > 0) {
        if (line == "--- old" || line == "--- new") {
            part = line
            lines[part] = 0
        } else if (part) {
            text[part] = text[part] (lines[part]++ ? "\n" : "") line
        }
    }
}

{ source = source $0 "\n" }

END {
    old = text["--- old"]
    at = index(source, old)
    rest = at ? substr(source, at + length(old)) : ""
    if (old == "" || !at || index(rest, old)) {
        print "its old text is " (at && old != "" ? "found more than once" : "not found") \
            >"/dev/stderr"
        exit 1
    }
    printf "%s%s%s", substr(source, 1, at - 1), text["--- new"], rest
}
