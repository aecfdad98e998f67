-- wrk: requests in batches of args[1] to a write, and the figures as one line of JSON.
init = function(args)
   local count = tonumber(args[1] or "1")
   if count > 1 then
      local all = string.rep(wrk.format("GET"), count)
      request = function() return all end
   end
end

done = function(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      '{"requests":%d,"seconds":%.6f,"bytes":%d,"connect_errors":%d,"errors":%d,' ..
      '"p50":%d,"p90":%d,"p99":%d,"p999":%d,"max":%d,"mean":%.1f}\n',
      summary.requests, summary.duration / 1e6, summary.bytes, e.connect,
      e.read + e.write + e.status + e.timeout,
      latency:percentile(50), latency:percentile(90), latency:percentile(99),
      latency:percentile(99.9), latency.max, latency.mean))
end
