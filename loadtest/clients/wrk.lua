-- Prints what wrk measured as one line of JSON, exactly: wrk's own text is rounded.
-- Arguments, after `--`: `close` asks for a connection per request, `pipeline=N` sends N requests at once.

local ffi = require("ffi")

-- wrk's own (stats.h). Its way to them from Lua, latency(i), searches from the start every time: with many different
-- latencies that takes seconds, and CPU time that would count as the load's.
ffi.cdef("typedef struct { uint64_t count, limit, min, max, data[]; } stats;")

-- What wrk.format returns is what wrk sends, without asking again. A function request() would be called for each one.
function init(args)
  local format = wrk.format
  for _, argument in ipairs(args) do
    local depth = tonumber(argument:match("^pipeline=(%d+)$"))
    if depth then
      wrk.format = function() return format():rep(depth) end
    elseif argument == "close" then
      wrk.headers["Connection"] = "close"
    else
      error("unknown argument " .. argument)
    end
  end
end

local function number(value)
  return string.format("%.0f", tonumber(value))
end

-- [microseconds,count],...
local function histogram(latency)
  local stats, filled = ffi.cast("stats **", latency)[0], {}
  if tonumber(stats.min) ~= latency.min or tonumber(stats.max) ~= latency.max then
    error("this wrk keeps its latencies in another way than 4.1.0")
  end
  if stats.count == 0 then return "" end
  for i = latency.min, latency.max do
    if stats.data[i] ~= 0 then
      filled[#filled + 1] = "[" .. i .. "," .. number(stats.data[i]) .. "]"
    end
  end
  return table.concat(filled, ",")
end

function done(summary, latency)
  local errors = {}
  for kind, count in pairs(summary.errors) do
    errors[#errors + 1] = string.format('"%s":%.0f', kind, count)
  end
  io.write(string.format('\n{"requests":%.0f,"bytes":%.0f,"duration_us":%.0f,"errors":{%s},"latency_us":[%s]}\n',
    summary.requests, summary.bytes, summary.duration, table.concat(errors, ","), histogram(latency)))
end
