-- expect: timeout
-- Every name is looked for among the locals of all functions around it, inside the parser.
local M = {}
function M.attack()
  local names = {}
  for i = 1, 190 do names[i] = "v" .. i end
  local head = "local " .. table.concat(names, ",") .. " "
  local depth = 60
  local source = (head .. "return function() "):rep(depth) .. ("x=y "):rep(200000)
  load(source)
  while true do pcall(load, source) end
end
return M
