# Reads the table of runs that bench/recovery/run writes, prints medians and their ratios to
# Linux's, turned so that more is better, and ends with a summary. To the file `tsv` go the same:
# one line for each cell and what was measured in it.

function show(x)
{
    if (x == "") return "-"
    return sprintf(x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x)
}

function ratio(metric, own, linux)
{
    if (own == "" || linux == "" || own <= 0 || linux <= 0) return ""
    if (metric ~ /^fct/) return linux / own
    return own / linux
}

# What is compared, and by which of the columns.
function measured(kind)
{
    if (kind == "fetch") return "fct_10k_ms fct_100k_ms fct_1m_ms again dsacks"
    if (kind == "fair") return "jain nod_share late_mbit queue_p50_ms again"
    return "goodput_mbit queue_p50_ms queue_p95_ms again dsacks timeouts"
}

# What is also printed; the rest is in the files.
function shown_too(metric) { return metric ~ /^(queue_p50|jain|nod_share)/ }

function judged(metric) { return metric ~ /^(goodput|fct)/ }

# Where nothing is lost but by a full queue.
function lossless(cell) { return cell ~ /\/(0%|reorder[0-9]+ms|deep|shallow|varies|fq_codel)$/ }

# Worse than Linux by a tenth; not fair; or sent again in vain where nothing was lost.
function flag(metric, cell, p, x, r)
{
    if (p == 1) return ""
    if (judged(metric) && r != "" && r < 0.9) return pair[p] " " sprintf("%.2f", r)
    if (metric == "jain" && pair[p] ~ /^mixed/ && cell ~ /cubic/ && x != "" && x < 0.95)
        return pair[p] " unfair"
    if (metric == "dsacks" && lossless(cell) && x > 0) return pair[p] " " x " in vain"
    return ""
}

BEGIN {
    pairs = split("linux-linux nod-linux linux-nod nod-nod mixed-linux", pair, " ")
}

/^#/ { if (tsv) print >tsv; next }
!columns {
    columns = NF
    for (i = 1; i <= NF; i++) at[$i] = i
    next
}
{
    cell = $at["cell"]
    if (!(cell in kind)) {
        kind[cell] = $at["kind"]
        name[++cells] = cell
    }
    runs++
    key = cell SUBSEP $at["pair"]
    if ($at["status"] != "ok") {
        wrong++
        why[$at["status"]]++
        failed[key]++
        next
    }
    rounds[key]++
    drops += $at["bed_drops"]
    # The machine itself was the limit: it was full, or woke the probe late.
    if (($at["idle"] < 10 && $at["rate_mbit"] >= 500) || $at["late_ms"] > 5) busy[cell] = 1
    n = split(measured(kind[cell]), metric, " ")
    for (i = 1; i <= n; i++) {
        x = $at[metric[i]]
        if (x != "-") value[key SUBSEP metric[i], ++count[key SUBSEP metric[i]]] = x + 0
    }
}

function tell(cell, metric, again,    p, x, linux, out, ratios, shown, flags, f, r)
{
    linux = median(cell SUBSEP pair[1] SUBSEP metric)
    for (p = 1; p <= pairs; p++) {
        x = median(cell SUBSEP pair[p] SUBSEP metric)
        r = p > 1 && (judged(metric) || metric == "late_mbit") ? ratio(metric, x, linux) : ""
        out = out "\t" (x == "" ? "-" : x)
        if (p > 1) ratios = ratios "\t" (r == "" ? "-" : sprintf("%.3f", r))
        if (p < pairs || kind[cell] == "fair") shown = shown sprintf(" %8s", show(x))
        f = flag(metric, cell, p, x, r)
        if (f != "" && rounds[cell SUBSEP pair[p]] == 1) f = f " (one round)"
        if (f != "") flags = flags (flags == "" ? "" : ", ") f
        if (judged(metric) && r != "") judge(cell, metric, pair[p], r)
        if (p > 1 && p < pairs && judged(metric))
            shown = shown sprintf(" %5s", r == "" ? "" : sprintf("%.2f", r))
    }
    if (flags != "") flagged[cell] = 1
    if (tsv) print cell "\t" metric "\t" rounds[cell SUBSEP pair[1]] + 0 out ratios "\t" \
        (busy[cell] ? "busy" : "-") "\t" (flags == "" ? "-" : flags) >tsv
    if (!judged(metric) && !shown_too(metric) && flags == "") return
    printf "%-34s %-13s%s%s%s\n", again ? "" : cell, metric, shown, \
        (flags == "" ? "" : "  <- " flags), (busy[cell] && judged(metric) ? "  (busy)" : "")
}

function judge(cell, metric, who, r)
{
    judgements++
    at_least += r >= 0.995
    below += r < 0.9
    worst_ratio[judgements] = r
    worst_name[judgements] = cell " " who " " metric
}

END {
    if (tsv) print "cell\tmeasured\trounds\tlinux-linux\tnod-linux\tlinux-nod\tnod-nod\t" \
        "mixed-linux\tratio:nod-linux\tratio:linux-nod\tratio:nod-nod\tratio:mixed-linux\tbusy\tflag" >tsv
    print "Sender-receiver, medians; beside them the ratio to linux-linux, above 1 is better."
    printf "%-34s %-13s %8s %14s %14s %14s %14s\n", "cell", "", "linux-linux", "nod-linux", \
        "linux-nod", "nod-nod", "(mixed-linux)"
    for (c = 1; c <= cells; c++) {
        n = split(measured(kind[name[c]]), metric, " ")
        for (m = 1; m <= n; m++) tell(name[c], metric[m], m > 1)
    }
    summary()
}

function summary(    i, j, k, seen, status)
{
    for (i = 1; i <= cells; i++) k += name[i] in flagged
    printf "\n%d cells, %d runs, %d without a result, %d packets dropped by the bed itself.\n", \
        cells, runs, wrong, drops
    for (status in why) printf "    %d runs: %s\n", why[status], status
    printf "%d ratios to Linux: %d at least 1.0 (rounded), %d below 0.9; %d cells flagged.\n", \
        judgements, at_least, below, k
    if (judgements) print "The worst five:"
    for (i = 1; i <= 5 && i <= judgements; i++) {
        k = 0
        for (j = 1; j <= judgements; j++)
            if (!(j in seen) && (!k || worst_ratio[j] < worst_ratio[k])) k = j
        seen[k] = 1
        printf "    %.2f  %s\n", worst_ratio[k], worst_name[k]
    }
}
