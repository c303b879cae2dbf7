-- expect: memory
-- Contents of artifacts lie outside of the state, and are counted all the same.
local M = {}
function M.attack(_, ctx)
  local open, piece = {}, ("x"):rep(10 << 20)
  for i = 1, 1000 do
    open[i] = ctx.writer("text")
    open[i]:write(piece)
  end
end
return M
