--- What the names of a Lua file mean: one pass over its tokens that knows blocks, locals and table keys. It expects
--- text that Lua's own parser accepts. A local counts from its name on, so that nothing is called unknown that is
--- known.
local lexer = require "melody.lexer"

local M = {}

---@class author.Use
---@field name string
---@field at integer number of the token
---@field set boolean it is assigned

---@class author.Scopes
---@field tokens melody.Token[]
---@field globals author.Use[] names that are no locals
---@field unused { name: string, at: integer }[] locals that nothing reads

local OPENS = { ["do"] = true, ["then"] = true, ["repeat"] = true }

local function text(self, at)
  local token = self.tokens[at]
  return token and token.kind ~= "string" and token.text or nil
end

local function push(self, kind)
  self.stack[#self.stack + 1] = { kind = kind, names = {} }
end

local function pop(self)
  local top = table.remove(self.stack)
  for _, one in pairs(top and top.names or {}) do
    if one.watched and not one.used then self.unused[#self.unused + 1] = one end
  end
end

local function declare(self, at, watched)
  local top, name = self.stack[#self.stack], text(self, at)
  local before = top.names[name]
  if before and before.watched and not before.used then self.unused[#self.unused + 1] = before end
  top.names[name] = { name = name, at = at, watched = watched and name:sub(1, 1) ~= "_", used = false }
end

--- Declares the names of a list "a, b <const>, c" that starts at `at`; the token behind it.
local function names(self, at, watched)
  while true do
    if self.tokens[at].kind == "name" then declare(self, at, watched) end
    at = at + 1
    if text(self, at) == "<" then at = at + 3 end
    if text(self, at) ~= "," then return at end
    at = at + 1
  end
end

--- Behind the word `function`: its name, if any, then its parameters in a scope of its own.
local function fn(self, at, is_local)
  at = at + 1
  if is_local then
    declare(self, at, true)
    at = at + 1
  elseif self.tokens[at].kind == "name" then
    self:name(at, text(self, at + 1) == "(")
    while text(self, at) ~= "(" do at = at + 1 end
  end
  local method = text(self, at - 2) == ":"
  push(self, "function")
  if method then self.stack[#self.stack].names.self = { used = true } end
  at = at + 1
  if text(self, at) == ")" then return at + 1 end
  return names(self, at, false) + 1
end

local Scopes = {}
Scopes.__index = Scopes

--- A name where it is used: a local, or a global.
function Scopes:name(at, set)
  local name = text(self, at)
  for i = #self.stack, 1, -1 do
    local found = self.stack[i].names[name]
    if found then
      found.used = true
      return
    end
  end
  self.globals[#self.globals + 1] = { name = name, at = at, set = set }
end

local function is_key(self, at)
  local before = text(self, at - 1)
  return text(self, at + 1) == "=" and (before == "{" or before == "," or before == ";")
    and self.stack[#self.stack].kind == "{"
end

--- Whether the name begins or continues the left side of an assignment.
local function is_set(self, at)
  local behind, before = text(self, at + 1), self.tokens[at - 1]
  if behind ~= "=" then return false end
  return not before or before.line < self.tokens[at].line or before.text == ";" or before.kind == "keyword"
end

local function keyword(self, at, word)
  if word == "local" then
    if text(self, at + 1) == "function" then return fn(self, at + 1, true) end
    return names(self, at + 1, true)
  elseif word == "function" then
    return fn(self, at, false)
  elseif word == "for" then
    push(self, "for")
    return names(self, at + 1, false)
  elseif word == "do" and self.stack[#self.stack].kind == "for" and not self.stack[#self.stack].open then
    self.stack[#self.stack].open = true
  elseif OPENS[word] then
    push(self, word)
  elseif word == "else" then
    pop(self)
    push(self, word)
  elseif word == "until" then
    local names_of = self.stack[#self.stack].names
    pop(self)
    for name in pairs(names_of) do -- its condition sees them; they stay known, which only says less
      local outer = self.stack[#self.stack].names
      outer[name] = outer[name] or { name = name, used = true }
    end
  elseif word == "elseif" or word == "end" then
    pop(self)
  elseif word == "goto" then
    return at + 2
  end
  return at + 1
end

local function step(self, at)
  local token = self.tokens[at]
  if token.kind == "keyword" then return keyword(self, at, token.text) end
  if token.kind == "op" then
    if token.text == "{" or token.text == "(" or token.text == "[" then push(self, token.text) end
    if token.text == "}" or token.text == ")" or token.text == "]" then pop(self) end
    if token.text == "::" then return at + 3 end
  elseif token.kind == "name" then
    local before = text(self, at - 1)
    if before ~= "." and before ~= ":" and not is_key(self, at) then self:name(at, is_set(self, at)) end
  end
  return at + 1
end

--- Reads a file.
---@param source string
---@return author.Scopes?
function M.read(source)
  local tokens = lexer.tokens(source)
  if not tokens then return nil end
  local self = setmetatable({ tokens = tokens, stack = {}, globals = {}, unused = {} }, Scopes)
  push(self, "file")
  local at = 1
  while tokens[at].kind ~= "eof" do
    at = step(self, at)
    if #self.stack == 0 then return nil end
  end
  while #self.stack > 0 do pop(self) end
  table.sort(self.unused, function(a, b) return a.at < b.at end)
  return self
end

return M
