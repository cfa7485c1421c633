# Reads the output of `ctest --verbose` and counts real test cases: cmocka's own counts where
# a test prints them, and one for each other test. Shows what failed and what was skipped.
# Its last line is "count PASSED FAILED SKIPPED".

function number(line)
{
    return match(line, /^[0-9]+: /) ? substr(line, 1, RLENGTH - 2) + 0 : 0
}

{
    n = number($0)
    if (n) {
        text = substr($0, length(n "") + 3)
        # Of a test that fails, what passed is left out: it is in the log.
        if (text !~ /^(ok |\[ +(OK|RUN) +\]|Test command|Working Directory|Environment variables|Test timeout|     *(NOD_TEST_QUICK|CC|BUILD)=|ctest)/)
            output[n] = output[n] "    " text "\n"
        if (match(text, /\[  PASSED  \] [0-9]+ test/))
            passed[n] += substr(text, RSTART + 13) + 0
        else if (match(text, /\[  FAILED  \] [0-9]+ test/))
            failed[n] += substr(text, RSTART + 13) + 0
        else if (match(text, /\[  SKIPPED \] [0-9]+ test/))
            skipped[n] += substr(text, RSTART + 13) + 0
        if (text ~ /^ *skipped: /)
            reason[n] = text
        next
    }
}

/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
    line = $0
    sub(/^ *[0-9]+\/[0-9]+ Test +#/, "", line)
    n = line + 0
    name = line
    sub(/^[0-9]+: /, "", name)
    sub(/ .*/, "", name)
    seen++
    if (line ~ / Passed +[0-9.]+ sec/) {
        total_passed += passed[n] + 0 > 0 ? passed[n] : 1
        total_skipped += skipped[n]
        if (skipped[n])
            printf "skipped in %s: %s, cases: %d%s\n", preset, name, skipped[n], \
                reason[n] ? ": " substr(reason[n], index(reason[n], ":") + 2) : ""
    } else if (line ~ /\*\*\*Skipped/) {
        total_skipped++
        sub(/^ *skipped: */, "", reason[n])
        printf "skipped in %s: %s: %s\n", preset, name, reason[n] ? reason[n] : "no reason given"
    } else {
        # A crash fails a test although no case of it says so.
        total_passed += passed[n]
        total_failed += failed[n] + 0 > 0 ? failed[n] : 1
        printf "FAILED in %s: %s\n%s", preset, name, output[n]
    }
}

END {
    if (!seen) {
        printf "FAILED in %s: no test ran\n", preset
        total_failed++
    }
    printf "count %d %d %d\n", total_passed, total_failed, total_skipped
}
