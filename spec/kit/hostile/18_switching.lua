-- expect: timeout
--
-- Coroutines that change places all the time: a hook set on one of them is soon on the wrong one.
local M = {}
function M.attack()
  local function endless(below)
    return coroutine.wrap(function()
      while true do
        pcall(coroutine.yield, below and below())
      end
    end)
  end
  local chain = endless(nil)
  for _ = 1, 8 do chain = endless(chain) end
  while true do pcall(chain) end
end
return M
