# Reads lines of SIDE, METRIC, VALUE and prints a table of medians and of the ratio nod/kernel,
# turned so that more is better; the same goes to the file `tsv`, with the extremes.

function unit(metric)
{
    if (metric ~ /^iperf3/) return "Gbit/s"
    if (metric ~ /p[0-9]+$/) return "us"
    return "1/s"
}

function show(x)
{
    if (x == "") return "-"
    return sprintf(x < 100 ? "%.2f" : "%.0f", x)
}

{
    if (!($2 in seen)) {
        seen[$2] = 1
        order[++metrics] = $2
    }
    if ($3 == "failed") failures[$1 SUBSEP $2]++
    else value[$1 SUBSEP $2, ++count[$1 SUBSEP $2]] = $3 + 0
}

END {
    form = "%-24s %-7s %12s %12s %8s  %s\n"
    printf form, "", "", "kernel", "nod", "ratio", ""
    print "test\tunit\tkernel\tkernel_low\tkernel_high\tnod\tnod_low\tnod_high\tratio" >tsv
    for (m = 1; m <= metrics; m++) {
        metric = order[m]
        kernel = median("kernel" SUBSEP metric)
        range = low "\t" high
        nod = median("nod" SUBSEP metric)
        ratio = ""
        if (kernel > 0 && nod > 0) ratio = unit(metric) == "us" ? kernel / nod : nod / kernel
        lost = failures["kernel" SUBSEP metric] + failures["nod" SUBSEP metric]
        printf form, metric, unit(metric), show(kernel), show(nod), \
            ratio == "" ? "-" : sprintf("%.2f", ratio), lost ? lost " failed" : ""
        print metric "\t" unit(metric) "\t" kernel "\t" range "\t" nod "\t" low "\t" high "\t" \
            ratio >tsv
    }
}
