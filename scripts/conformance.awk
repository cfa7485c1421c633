# Joins the table of requirements (the input), the map to their tests, and the tests' results.
# Prints doc/conformance.md; what is wrong goes to stderr and into the exit status.

function complain(text)
{
    print "conformance: " text >"/dev/stderr"
    bad++
}

# The ids in the column "place".
function read_deviations(    line, column, n, i, word)
{
    while ((getline line <deviations) > 0) {
        split(line, column, "|")
        n = split(column[2], word, /[ ,;]+/)
        for (i = 1; i <= n; i++)
            if (word[i] ~ /^[0-9]+\/[A-Za-z0-9-]+$/)
                deviates[word[i]] = 1
    }
}

function read_results(    line, word)
{
    while ((getline line <results) > 0) {
        split(line, word, " ")
        if (!(word[2] in result) || word[1] != "pass")
            result[word[2]] = word[1]
    }
}

# states/*/EVENT is this event in each state.
function result_of(test,    part, name, found, all)
{
    if (test !~ /\*/)
        return (test in result) ? result[test] : "missing"
    split(test, part, "*")
    all = "missing"
    for (name in result) {
        found = index(name, part[1]) == 1 && length(name) > length(part[2]) && \
            substr(name, length(name) - length(part[2]) + 1) == part[2]
        if (found && all != "fail")
            all = result[name]
    }
    return all
}

function read_map(    line, column, at)
{
    while ((getline line <map) > 0) {
        at++
        if (line ~ /^#/ || line == "")
            continue
        if (split(line, column, "\t") < 2) {
            complain(map ":" at ": a line is an id, a tab and a test")
            continue
        }
        if (column[2] !~ /^(deviation|later|[a-z]+\/.+)$/)
            complain(map ":" at ": " column[2] " is no name of a test")
        if (!index("\t" tests[column[1]], "\t" column[2] "\t"))
            tests[column[1]] = tests[column[1]] column[2] "\t"
        mapped[column[1]] = at
    }
}

# Which requirement has how many mutants. Their tests must be among the requirement's.
function read_mutants(    line, word, n, i)
{
    while ((getline line <mutants) > 0) {
        n = split(line, word, /[ ,]+/)
        for (i = 3; i <= n; i++) {
            if (word[2] == "requirement") {
                if (word[1] != last)
                    ids = ""
                last = word[1]
                ids = ids " " word[i]
                broken[word[i]]++
            } else {
                check_test(word[1], ids, word[i])
            }
        }
    }
}

function check_test(mutant, ids, test,    id, n, i, any)
{
    any = test
    sub(/^states\/[^\/]*/, "states/*", any)
    n = split(ids, id, " ")
    for (i = 1; i <= n; i++)
        if (index("\t" tests[id[i]], "\t" test "\t") || index("\t" tests[id[i]], "\t" any "\t"))
            return
    complain("test/mutants/" mutant ": " test " is no test of" ids " in " map)
}

# What the tests of a requirement say together.
function judge(id, keyword,    n, i, test, one, good, wrong, rest)
{
    n = split(tests[id], test, "\t") - 1
    shown = ""
    for (i = 1; i <= n; i++) {
        if (test[i] == "deviation") {
            rest = "deviates"
            if (!(id in deviates))
                complain(id ": doc/deviations.md gives no reason")
            continue
        }
        if (test[i] == "later") {
            rest = "later"
            if (id !~ /^(2385|5925)\//)
                complain(id ": cannot wait")
            continue
        }
        shown = shown (shown == "" ? "" : ", ") "`" test[i] "`"
        one = result_of(test[i])
        if (one == "pass") {
            good++
        } else if (one == "skip") {
            rest = rest == "" ? "skipped" : rest
        } else {
            complain(id ": " test[i] (one == "fail" ? " failed" : " does not exist"))
            wrong++
        }
    }
    if (wrong)
        return "FAILED"
    if (good)
        return rest == "deviates" ? "passed, deviates" : rest == "later" ? "passed in part" : "passed"
    # For a MUST of RFC 9293 even a departure is shown by a test.
    if (rest == "" || (rest == "deviates" && id ~ /^9293\/MUST/)) {
        complain(id ": " keyword " without a passing test")
        return "none"
    }
    return rest
}

function kind(keyword)
{
    return keyword ~ /lower|no keyword|INFO/ ? "other" : keyword
}

BEGIN {
    FS = "\t"
    read_deviations()
    read_results()
    read_map()
    read_mutants()
    columns = split("MUST,MUST NOT,SHOULD,SHOULD NOT,RECOMMENDED,MAY,other", column, ",")
}

FNR == 1 { next }

{
    id = $1
    known[id] = 1
    rfc = id
    sub(/\/.*/, "", rfc)
    if (!(rfc in seen)) {
        seen[rfc] = 1
        order[++rfcs] = rfc
    }
    says = judge(id, $3)
    sum = says ~ /^passed/ ? "passed" : says
    rows[rfc, kind($3)]++
    count[rfc, kind($3), sum]++
    total[sum]++
    all++
    if (id ~ /^9293\/(MUST|U-)/ && $3 ~ /^MUST/ && !(id in broken))
        complain(id ": no mutant in test/mutants")
    text = $4
    gsub(/\|/, "\\|", text)
    gsub(/</, "\\&lt;", text)
    lines[rfc] = lines[rfc] sprintf("| %s | %s | %s | %s | %s | %s |\n", id, $3, text, shown, \
        says, id in broken ? broken[id] : "")
}

END {
    for (id in mapped)
        if (!(id in known))
            complain(map ":" mapped[id] ": " id " is not in the table")
    print "# Each requirement, its test, and the result\n"
    print "Written by `make conformance`, which runs the tests that are named here. The requirements"
    print "are in [requirements.tsv](../test/conform/requirements.tsv), which tests stand for them in"
    print "[requirements-tests.tsv](../test/conform/requirements-tests.tsv). *deviates*: the reason is in"
    print "[deviations.md](deviations.md). *later*: part of what authentication will bring. The last"
    print "column counts the mutants: changes of the code that break the requirement, and that its test"
    print "must catch (`make mutants`, [test/mutants](../test/mutants/README.md)).\n"
    printf "%d requirements: %d passed", all, total["passed"]
    split("deviates,later,skipped,none,FAILED", rest, ",")
    for (i = 1; i in rest; i++)
        if (total[rest[i]])
            printf ", %d %s", total[rest[i]], rest[i]
    print ".\n"
    print "Passed, of all, by RFC and keyword:\n"
    printf "| RFC |"
    for (c = 1; c <= columns; c++)
        printf " %s |", column[c]
    printf "\n|---|"
    for (c = 1; c <= columns; c++)
        printf "---|"
    print ""
    for (r = 1; r <= rfcs; r++) {
        printf "| [%s](#rfc-%s) |", order[r], order[r]
        for (c = 1; c <= columns; c++) {
            key = order[r] SUBSEP column[c]
            printf key in rows ? " %d of %d |" : " |", count[order[r], column[c], "passed"], rows[key]
        }
        print ""
    }
    for (r = 1; r <= rfcs; r++) {
        printf "\n## RFC %s\n\n", order[r]
        print "| id | keyword | requirement | test | result | mutants |\n|---|---|---|---|---|---|"
        printf "%s", lines[order[r]]
    }
    if (bad) {
        print bad " complaints" >"/dev/stderr"
        exit 1
    }
}
