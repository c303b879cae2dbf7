-- tight.lua: loops that only compute, for tight_bench.c: run by an isolate as an extension, and by lua5.4 with dofile.
-- Each gives the seconds of CPU time that it took, by the one clock that both have.
local M = {}

local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end

local function timed(body)
  local start = os.clock()
  body()
  return os.clock() - start
end

-- Arithmetic alone.
function M.loop()
  return timed(function()
    local x = 0
    for i = 1, 30000000 do x = x + i % 7 end
    return x
  end)
end

-- Tables and strings, with garbage.
function M.tables()
  return timed(function()
    for round = 1, 30 do
      local t = {}
      for i = 1, 40000 do t[i] = { i, tostring(i) } end
      table.sort(t, function(a, b) return a[2] < b[2] end)
      if #t == round then return end
    end
  end)
end

-- Calls.
function M.fib33()
  return timed(function() return fib(33) end)
end

return M
