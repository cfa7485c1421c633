# Compares two prints of `calls`:
#   awk -f compare.awk file=1 expected-differences file=2 KERNEL file=3 NOD
# A line is known by what stands before " = ", and by how often that has come; one without " = "
# by where it stands. A difference must be expected ("PATTERN | reason", where * is anything), and
# whatever is expected must be there.

function pattern(text)
{
    gsub(/[][\\.^$+?(){}|]/, "\\\\&", text)
    gsub(/\*/, ".*", text)
    return "^" text "$"
}

# The line's name; unique in its print.
function name(line, seen,    at, key)
{
    at = index(line, " = ")
    if (at) key = substr(line, 1, at - 1)
    else key = match(line, /: /) ? substr(line, 1, RSTART) " line" : line
    return ++seen[key] > 1 ? key " #" seen[key] : key
}

function expected(key,    i)
{
    for (i = 1; i <= patterns; i++)
        if (key ~ regex[i]) {
            used[i]++
            return 1
        }
    return 0
}

file == 1 {
    if (/^#/ || !NF) next
    at = index($0, " | ")
    if (!at) {
        print "expected-differences: no reason is given: " $0
        wrong++
        next
    }
    patterns++
    shown[patterns] = $0
    regex[patterns] = pattern(substr($0, 1, at - 1))
    next
}

file == 2 {
    key = name($0, seen_kernel)
    kernel[key] = $0
    order[++lines] = key
    next
}

{
    key = name($0, seen_nod)
    nod[key] = $0
    if (!(key in kernel)) {
        order[++lines] = key
        kernel[key] = "(nothing)"
    }
}

END {
    for (i = 1; i <= lines; i++) {
        key = order[i]
        theirs = kernel[key]
        ours = key in nod ? nod[key] : "(nothing)"
        if (theirs == ours || expected(key)) {
            passed++
            continue
        }
        failed++
        printf "%s\n  kernel: %s\n  nod:    %s\n", key, theirs, ours
    }
    for (i = 1; i <= patterns; i++)
        if (!used[i]) {
            print "expected-differences: this difference is not there any more: " shown[i]
            wrong++
        }
    if (!lines) wrong++
    printf "[  PASSED  ] %d test(s).\n", passed
    if (failed + wrong) printf "[  FAILED  ] %d test(s).\n", failed + wrong
    exit failed + wrong > 0
}
