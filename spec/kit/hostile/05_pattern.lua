-- expect: timeout
-- Three lazy stars: minutes inside one call.
local M = {}
function M.attack()
  local subject = ("a"):rep(1000)
  pcall(string.find, subject, ".-.-.-b")
  pcall(string.gsub, subject, ".-.-.-b", "")
  for _ in subject:gmatch(".-.-.-b") do return end
end
return M
