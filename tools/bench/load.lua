-- The request that wrk sends, and what it reports. Arguments (after `--`):
--   1. a file with the request's head, cut by NUL bytes where the running number goes (in the target and in a header)
--   2. a file with the body, or "-"
--   3. the number before the first one
-- Every request has a number of its own, so that no server can answer from a memory of whole heads. Requests with a body
-- are made beforehand and repeat, because joining a large body anew for each costs wrk more than sending it.

local PREPARED = 32

local before, between, after
local number
local prepared

local function contents(name)
   local file = assert(io.open(name, "rb"))
   local text = file:read("*a")
   file:close()
   return text
end

function init(arguments)
   before, between, after = contents(arguments[1]):match("^(%Z*)%z(%Z*)%z(%Z*)$")
   number = tonumber(arguments[3])
   if arguments[2] ~= "-" then
      after = after .. contents(arguments[2])
      prepared = {}
      for index = 1, PREPARED do
         prepared[index] = fill()
      end
   end
end

function fill()
   number = number + 1
   return before .. number .. between .. number .. after
end

function request()
   if prepared then
      number = number + 1
      return prepared[number % PREPARED + 1]
   end
   return fill()
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\nREPORT {"microseconds": %d, "requests": %d, "bytes": %d, "p50": %d, "p99": %d, '
         .. '"errors": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}\n',
      summary.duration, summary.requests, summary.bytes, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout
   ))
end
