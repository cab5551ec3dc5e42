-- For wrk: sends the bodies of a file, one a line, in turn, and prints what came of it as JSON.
--
--   wrk ... -s load.lua URL -- FILE FIRST
--
-- Each `@` in a body becomes a number that no other request has, from FIRST on. An answer with errors or a refusal counts as failed:
-- GraphQL sends these with status 200 too.

local bodies = {}
local sent = 0
local number
failed = 0 -- read by `done` from each thread

local headers = { ["content-type"] = "application/json" }
local workers = {}

function setup(thread)
  table.insert(workers, thread)
end

function init(arguments)
  for line in io.lines(arguments[1]) do
    table.insert(bodies, line)
  end
  number = tonumber(arguments[2])
end

function request()
  local body = bodies[sent % #bodies + 1]
  sent = sent + 1
  if body:find("@", 1, true) then
    body = body:gsub("@", function()
      number = number + 1
      return string.format("%d", number)
    end)
  end
  return wrk.format("POST", wrk.path, headers, body)
end

function response(status, _, body)
  if status ~= 200 or body:find('"errors"', 1, true) or body:find('"Refusal"', 1, true) then
    failed = failed + 1
    if failed == 1 then
      io.stderr:write(body:sub(1, 500), "\n")
    end
  end
end

function done(summary, latency)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  for _, worker in ipairs(workers) do
    errors = errors + worker:get("failed")
  end
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"failed":%d,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, errors, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  ))
end
