-- expect: any
local M = {}
local function by_gsub(s) return (s:gsub(".", by_gsub)) end
local function by_sort() table.sort({ 1, 2, 3 }, by_sort) end
local function by_pcall() return pcall(by_pcall) end
local function by_tostring() return tostring(setmetatable({}, { __tostring = by_tostring })) end
local function by_load() return load(function() return by_load() end) end
function M.attack()
  pcall(by_gsub, "x")
  pcall(by_sort)
  by_pcall()
  pcall(by_tostring)
  pcall(by_load)
  pcall(load, "return " .. ("("):rep(100000))
  pcall(load, ("do "):rep(100000))
  pcall(string.find, ("a"):rep(100000), ("(a"):rep(31) .. ("a?"):rep(10000))
  local t = {}
  for _ = 1, 100000 do t = setmetatable({}, { __index = t, __eq = function(a, b) return a == b end }) end
  return t.x == nil
end
return M
