-- What wrk prints at its end, for programs: requests a second, p50 and p99 in microseconds.
function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    print(string.format("result %.0f %d %d %d", summary.requests * 1e6 / summary.duration,
        latency:percentile(50), latency:percentile(99), failed))
end
