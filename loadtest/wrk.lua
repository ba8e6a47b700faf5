-- Prints what wrk measured as one line of JSON, exactly: wrk's own text is rounded.
done = function(summary, latency)
  local errors = {}
  for kind, count in pairs(summary.errors) do
    errors[#errors + 1] = string.format('"%s":%.0f', kind, count)
  end
  -- latency(i) is 1-based and searches from the start: bound the work for a very wide distribution
  local distinct, histogram = #latency, {}
  if distinct * latency.max < 2e9 then
    for i = 1, distinct do
      local microseconds, count = latency(i)
      histogram[i] = string.format("[%.0f,%.0f]", microseconds, count)
    end
  end
  io.write(string.format('\n{"requests":%.0f,"duration_us":%.0f,"errors":{%s},"latency_us":[%s]}\n', summary.requests,
    summary.duration, table.concat(errors, ","), table.concat(histogram, ",")))
end
