# The median of value[key, 1..count[key]], with the extremes in low and high; "" for none.
function median(key,    n, i, j, x, sorted)
{
    n = count[key]
    for (i = 1; i <= n; i++) {
        x = value[key, i]
        for (j = i - 1; j > 0 && sorted[j] > x; j--) sorted[j + 1] = sorted[j]
        sorted[j + 1] = x
    }
    low = sorted[1]
    high = sorted[n]
    if (n == 0) return ""
    return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}
