--- Whether one grant lies within another: all that the inner one allows, the outer one allows as well. Where that
--- cannot be told from the two texts, the answer is no: an intersection may lose a little, and never gains.
local M = {}

--- What the core opens to no grant but one that has the name in it (core/kit/fsguard.h).
local CLOSED = {
  ["fs.read"] = { [".symphony"] = true },
  ["fs.write"] = { [".symphony"] = true, [".git"] = true, ["Symphony.toml"] = true, melodies = true,
    extensions = true },
}

local function names_of(path)
  local names = {}
  for name in path:gmatch "[^/]+" do names[#names + 1] = name end
  return names
end

--- "$PROJECT/a/*" → "$PROJECT", { "a", "*" }; a path without a start is one of the project.
local function split(glob)
  if glob:find("//", 1, true) then return nil end
  local start, rest = glob:match "^(%$%u+)/?(.*)$"
  if not start then start, rest = glob:match "^(/)(.*)$" end
  if not start then start, rest = "$PROJECT", glob end
  local names = names_of(rest)
  for _, name in ipairs(names) do
    if name == "." or name == ".." then return nil end
  end
  return start, names
end

local function name_within(outer, inner)
  if outer == inner or outer == "*" then return true end
  if inner:find "[*?%[]" or outer:find "[%[]" then return false end
  local pattern = outer:gsub("[%^%$%(%)%%%.%]%+%-]", "%%%0"):gsub("%*", ".*"):gsub("%?", "[^\128-\191][\128-\191]*")
  return utf8.len(inner) ~= nil and inner:match("^" .. pattern .. "$") ~= nil
end

local function names_within(outer, i, inner, k)
  if outer[i] == nil then return inner[k] == nil end
  if outer[i] == "**" then
    if names_within(outer, i + 1, inner, k) then return true end
    return inner[k] ~= nil and names_within(outer, i, inner, k + 1)
  end
  if inner[k] == nil or inner[k] == "**" then return false end
  return name_within(outer[i], inner[k]) and names_within(outer, i + 1, inner, k + 1)
end

--- Whether the inner one names what is closed and the outer one does not.
local function opens_more(closed, outer, inner)
  local named = {}
  for _, name in ipairs(outer) do named[name] = true end
  for _, name in ipairs(inner) do
    if closed[name] and not named[name] then return true end
  end
  return false
end

local MOST_NAMES = 64

local function path_within(kind, outer, inner)
  local start, names = split(outer)
  local inner_start, inner_names = split(inner)
  if not start or start ~= inner_start or #names + #inner_names > MOST_NAMES then return false end
  return names_within(names, 1, inner_names, 1) and not opens_more(CLOSED[kind], names, inner_names)
end

--- Whether a host is more than a name: it opens an address that is not public, or something that is no host.
local function is_special(host)
  local last = host:match "([^%.]*)%.?$"
  return host == "unix" or host:lower() == "localhost" or host:find "[:%[%]]" ~= nil or last:match "^%d" ~= nil
end

local function host_within(outer, inner)
  if outer:lower() == inner:lower() then return true end
  if is_special(inner) then return false end
  if outer == "*" then return true end
  local domain = outer:match "^%*(%..+)$"
  if not domain or inner == "*" then return false end
  local name = inner:match "^%*(%..+)$" or inner
  if name:sub(-#domain):lower() ~= domain:lower() then return false end
  return #name > #domain or inner:sub(1, 1) == "*"
end

local function net_within(outer, inner)
  local host, port = outer:match "^(.+):([%d%*]+)$"
  local inner_host, inner_port = inner:match "^(.+):([%d%*]+)$"
  if not host or not inner_host then return false end
  return (port == "*" or port == inner_port) and host_within(host, inner_host)
end

--- A name, or the beginning of one and `*`.
local function word_within(outer, inner)
  local start = outer:match "^(.*)%*$"
  return outer == inner or start ~= nil and inner:sub(1, #start) == start
end

--- Whether what `inner` allows is allowed by `outer`.
---@param kind string of a capability
---@param outer string
---@param inner string
---@return boolean
function M.one(kind, outer, inner)
  if outer == inner then return true end
  if CLOSED[kind] then return path_within(kind, outer, inner) end
  if kind == "net" then return net_within(outer, inner) end
  return word_within(outer, inner)
end

--- Whether one of the list allows all that `inner` does.
---@param kind string
---@param list string[]
---@param inner string
---@return boolean
function M.any(kind, list, inner)
  for _, outer in ipairs(list) do
    if M.one(kind, outer, inner) then return true end
  end
  return false
end

--- What both lists allow, as far as it can be told; in the order of the first.
---@param kind string
---@param a string[]
---@param b string[]
---@return string[]
function M.both(kind, a, b)
  local list, seen = {}, {}
  for _, pair in ipairs { { a, b }, { b, a } } do
    for _, one in ipairs(pair[1]) do
      if not seen[one] and M.any(kind, pair[2], one) then
        seen[one] = true
        list[#list + 1] = one
      end
    end
  end
  return list
end

return M
