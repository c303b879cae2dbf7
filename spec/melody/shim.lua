--- Lets the specs of lua/melody run under a plain `lua5.4 busted`: stands in for sy.json and sy.hash, and evaluates
--- melodies in this state. Does nothing inside the built host, where the real ones exist.
local M = {}

local null = _G.NULL or setmetatable({}, { __tostring = function() return "null" end })
local array_mark = { __name = "array" }
local json = { null = null }

local function quote(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return ({ ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t" })[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

function json.array(t)
  return setmetatable(t, array_mark)
end

function json.encode(v)
  if v == null then return "null" end
  if type(v) == "string" then return quote(v) end
  if type(v) ~= "table" then return tostring(v) end
  local parts, list = {}, #v > 0 or getmetatable(v) == array_mark
  if list then
    for i, item in ipairs(v) do parts[i] = json.encode(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local keys = {}
  for key in pairs(v) do keys[#keys + 1] = assert(type(key) == "string" and key) end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = quote(key) .. ":" .. json.encode(v[key]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

local read
local WORDS = { ["true"] = true, ["false"] = false, null = null }

local function fail(text, at, what)
  local _, line = text:sub(1, at):gsub("\n", "")
  error({ ("line %d: %s"):format(line + 1, what) }, 0)
end

local function skip(text, at)
  return text:match("^%s*()", at)
end

local function read_string(text, at)
  local stop = at
  repeat
    stop = text:find('["\\]', stop + 1) or fail(text, at, "unfinished string")
    local escaped = text:sub(stop, stop) == "\\"
    if escaped then stop = stop + 1 end
  until not escaped
  local raw = text:sub(at + 1, stop - 1):gsub("\\u(%x%x%x%x)", function(h) return utf8.char(tonumber(h, 16)) end)
  return raw:gsub("\\(.)", function(c) return ({ n = "\n", t = "\t", r = "\r" })[c] or c end), stop + 1
end

local function read_items(text, at, close, item)
  at = skip(text, at + 1)
  if text:sub(at, at) == close then return at + 1 end
  while true do
    at = skip(text, item(at))
    local c = text:sub(at, at)
    if c == close then return at + 1 end
    if c ~= "," then fail(text, at, "',' or '" .. close .. "' expected") end
    at = skip(text, at + 1)
  end
end

function read(text, at)
  at = skip(text, at)
  local c = text:sub(at, at)
  if c == '"' then return read_string(text, at) end
  if c == "{" then
    local out = {}
    return out, read_items(text, at, "}", function(from)
      local key, after = read_string(text, from)
      after = skip(text, after)
      if text:sub(after, after) ~= ":" then fail(text, after, "':' expected") end
      out[key], after = read(text, after + 1)
      return after
    end)
  elseif c == "[" then
    local out = json.array({})
    return out, read_items(text, at, "]", function(from)
      out[#out + 1], from = read(text, from)
      return from
    end)
  end
  local word = text:match("^%a+", at)
  if WORDS[word] ~= nil then return WORDS[word], at + #word end
  local number = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at)
  if not number then fail(text, at, "a value expected") end
  return math.tointeger(tonumber(number)) or tonumber(number), at + #number
end

function json.decode(text)
  local ok, value, at = pcall(read, text, 1)
  if not ok then return nil, value[1], "invalid_value" end
  if skip(text, at) <= #text then return nil, "line 1: more than one value" end
  return value
end

local function sha256(text)
  local pipe = assert(io.popen("printf %s '" .. text:gsub("'", "'\\''") .. "' | sha256sum", "r"))
  local hex = pipe:read("a"):match("^%x+")
  pipe:close()
  return hex
end

--- The author's module `melody`, fresh, with what it is made of.
local function builder()
  local made = {}
  local function require_part(name)
    if name == "json" then return json end
    if made[name] == nil then
      local path = name == "melody" and "lua/melody/builder.lua" or "lua/" .. name:gsub("%.", "/") .. ".lua"
      local env = setmetatable({ require = require_part }, { __index = _G })
      made[name] = assert(loadfile(path, "t", env))(name)
    end
    return made[name]
  end
  return require_part
end

--- A copy by raw access, as values leave an isolate.
local function cross(value)
  if type(value) ~= "table" or value == null then return value end
  local copy = {}
  for key, item in next, value do copy[key] = cross(item) end
  return getmetatable(value) == array_mark and json.array(copy) or copy
end

local isolate = {}

--- As sy.isolate.evaluate: source, chunk name → the definition the builder made, or nil and an error.
function isolate.evaluate(options)
  local require_part = builder()
  local env = setmetatable({}, { __index = function(_, name)
    if name == "io" or name == "debug" or name == "load" then return nil end
    return rawget(_G, name)
  end })
  env.os = { clock = os.clock, time = os.time, date = os.date, difftime = os.difftime }
  function env.require(name)
    local text, chunk = options.module(name)
    if name:find("^melody") or name == "json" then return require_part(name) end
    if not text then error(("module '%s' not found"):format(name), 2) end
    return assert(load(text, "@" .. chunk, "t", env))(name)
  end
  local chunk, message = load(options.source, "@" .. options.chunk, "t", env)
  if not chunk then return nil, { code = "extension_error", message = message } end
  local ok, value = pcall(chunk)
  if not ok then return nil, { code = "extension_error", message = tostring(value) } end
  return cross(value)
end

local ok = pcall(require, "sy.json")
M.plain = not ok
if M.plain then
  package.path = "lua/?.lua;lua/?/init.lua;stdlib/?.lua;" .. package.path
  package.loaded["sy.json"], package.loaded["sy.hash"] = json, { sha256 = sha256 }
  package.loaded["sy.isolate"] = isolate
end

return M
