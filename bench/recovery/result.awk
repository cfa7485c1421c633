# One run's line, from what its programs have said: files of lines whose first field tells what
# the line is (see traffic.c), and `facts`. A field that does not apply is "-".

function median(list, n,    i, j, x, sorted)
{
    for (i = 1; i <= n; i++) {
        x = list[i]
        for (j = i - 1; j > 0 && sorted[j] > x; j--) sorted[j + 1] = sorted[j]
        sorted[j + 1] = x
    }
    if (n == 0) return "-"
    return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

function put(name, value)
{
    line = line (line == "" ? "" : "\t") (value == "" ? "-" : value)
}

function number(value, form) { return value == "-" || value == "" ? "-" : sprintf(form, value) }

FILENAME == "facts" { fact[$1] = $2; next }
FILENAME == "base" { base = $4; next }
FILENAME == "loaded" { p50 = $2; p95 = $3; late_ms = $7; if ($4 > 0 && $4 < base) base = $4; next }
$1 == "fetched" {
    if ($3 < 0) failures++
    else fetched[$2, ++fetches[$2]] = $3
    next
}
$1 == "flow" || $1 == "linux" || $1 == "nod" {
    n++
    goodput += $2
    late += $3
    squares += $3 * $3
    of[$1] += $3
    next
}
$1 == "sent" {
    flows++
    if ($2 != congestion) fact["status"] = "congestion control was " $2
    again += $5
    dsacks += $7
    reorderings += $8
    segments += $16
    cwnd = $9
    srtt = $11
    busy += $13
    window += $14
    buffer += $15
    next
}

function fetch_median(size,    i, list)
{
    for (i = 1; i <= fetches[size]; i++) list[i] = fetched[size, i]
    return median(list, fetches[size])
}

END {
    status = fact["status"]
    if (status == "" && kind == "fetch" && (failures || !flows))
        status = failures + 0 " fetches failed"
    if (status == "" && kind != "fetch" && !(goodput > 0)) status = "nothing arrived"
    if (status == "") status = "ok"
    put("goodput_mbit", n ? sprintf("%.3f", goodput) : "")
    put("late_mbit", n ? sprintf("%.3f", late) : "")
    put("jain", kind == "fair" && squares > 0 ? sprintf("%.3f", late * late / (n * squares)) : "")
    put("nod_share", of["nod"] + of["linux"] > 0 ? \
        sprintf("%.3f", of["nod"] / (of["nod"] + of["linux"])) : "")
    put("fct_10k_ms", number(fetch_median(10000), "%.1f"))
    put("fct_100k_ms", number(fetch_median(100000), "%.1f"))
    put("fct_1m_ms", number(fetch_median(1000000), "%.1f"))
    put("base_ms", base)
    put("queue_p50_ms", p50 > 0 ? sprintf("%.1f", p50 - base) : "")
    put("queue_p95_ms", p95 > 0 ? sprintf("%.1f", p95 - base) : "")
    put("segments", segments)
    put("again", flows ? again + 0 : "")
    put("dsacks", flows ? dsacks + 0 : "")
    put("reorderings", flows ? reorderings + 0 : "")
    put("timeouts", pair ~ /^linux-/ ? fact["left.TCPTimeouts"] + 0 : "")
    put("cwnd", cwnd)
    put("srtt_ms", srtt)
    put("window_limited", busy > 0 ? sprintf("%.2f", window / busy) : "")
    put("buffer_limited", busy > 0 ? sprintf("%.2f", buffer / busy) : "")
    put("bed_drops", fact["bed_drops"])
    put("idle", fact["idle"])
    put("late_ms", late_ms)
    put("status", status)
    print line
}
