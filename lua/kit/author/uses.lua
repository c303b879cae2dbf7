--- Which capabilities the code of an extension uses, as far as its text tells: calls of fs, http and process, what they
--- are called with where that is written out, and ctx.editor.
local M = {}

local NEEDS = {
  read = { "fs.read" }, list = { "fs.read" }, stat = { "fs.read" }, exists = { "fs.read" }, glob = { "fs.read" },
  walk = { "fs.read" }, write = { "fs.write" }, append = { "fs.write" }, move = { "fs.write" }, rename = { "fs.write" },
  remove = { "fs.write" }, mkdir = { "fs.write" }, copy = { "fs.read", "fs.write" },
}

local VERBS = { buffer = "read", selection = "read", edit = "edit", diagnostics = "edit", open = "ui", pick = "ui",
  input = "ui", notify = "ui" }

---@class author.Found
---@field kind string "fs.read", "fs.write", "process", "net", "editor"
---@field what string? program, host:port, verb; nil: the text does not tell
---@field path string
---@field at integer number of the token

--- `require "x"` or `require("x")` at `at`: the module, and the token behind.
local function required(tokens, at)
  if tokens[at].text ~= "require" or tokens[at].kind ~= "name" then return nil end
  local next_at = tokens[at + 1].text == "(" and tokens[at + 1].kind == "op" and at + 2 or at + 1
  local token = tokens[next_at]
  if token and token.kind == "string" then return token.text, next_at + (next_at == at + 2 and 2 or 1) end
end

local function is_call(token)
  return token.kind == "string" or token.kind == "op" and token.text:find "^[%(%{%.%[:]$" ~= nil
end

--- The names that stand for modules: `local fs = require "fs"`, and `local read = fs.read`.
local function aliases(tokens)
  local modules, functions = {}, {}
  for at = 1, #tokens - 4 do
    if tokens[at].kind == "name" and tokens[at + 1].text == "=" then
      local module, behind = required(tokens, at + 2)
      if module and tokens[behind].text ~= "." then modules[tokens[at].text] = module end
      if module and tokens[behind].text == "." then functions[tokens[at].text] = { module, tokens[behind + 1].text } end
      local from = modules[tokens[at + 2].text]
      if from and tokens[at + 3].text == "." and tokens[at + 5] and not is_call(tokens[at + 5]) then
        functions[tokens[at].text] = { from, tokens[at + 4].text }
      end
    end
  end
  return modules, functions
end

--- What `name = { "text", …` or `name = "text"` gives a name, where all such in the file agree.
local function assigned(tokens, name)
  local value
  for at = 1, #tokens - 3 do
    if tokens[at].kind == "name" and tokens[at].text == name and tokens[at + 1].text == "=" then
      local first = tokens[at + 2].text == "{" and tokens[at + 2].kind == "op" and tokens[at + 3] or tokens[at + 2]
      if first.kind == "string" then
        if value and value ~= first.text then return nil end
        value = first.text
      elseif first.text ~= name then
        return nil
      end
    end
  end
  return value
end

--- The text that the field `name` of the table constructor behind `at` begins with: {url = "…"}, {argv = {"git", …}}.
local function field(tokens, at, name)
  local depth = 0
  for i = at, #tokens do
    local token = tokens[i]
    if token.kind == "op" and (token.text == "{" or token.text == "(") then depth = depth + 1 end
    if token.kind == "op" and (token.text == "}" or token.text == ")") then depth = depth - 1 end
    if depth <= 0 and i > at then return nil end
    if token.kind == "name" and token.text == name and tokens[i + 1].text == "=" and tokens[i + 1].kind == "op" then
      local value = tokens[i + 2].text == "{" and tokens[i + 2].kind == "op" and i + 3 or i + 2
      if tokens[value].kind == "name" and not is_call(tokens[value + 1]) then
        return assigned(tokens, tokens[value].text), tokens[value + 1]
      end
      return tokens[value].kind == "string" and tokens[value].text or nil, tokens[value + 1]
    end
  end
end

--- "https://api.example.com/v1" → "api.example.com:443"; nil where the host is not written out.
local function host_of(url, behind)
  local scheme, authority, rest = (url or ""):match "^(https?)://([^/?#]+)(.*)$"
  if not scheme or rest == "" and behind and behind.text == ".." then return nil end
  return authority:find(":%d+$") and authority or authority .. (scheme == "https" and ":443" or ":80")
end

local function call(found, path, tokens, module, name, at, behind)
  if module == "fs" then
    for _, kind in ipairs(NEEDS[name] or {}) do
      found[#found + 1] = { kind = kind, what = tokens[behind + 1].kind == "string" and tokens[behind + 1].text or nil,
        path = path, at = at }
    end
  elseif module == "process" and name == "run" then
    found[#found + 1] = { kind = "process", what = field(tokens, behind, "argv"), path = path, at = at }
  elseif module == "http" and name == "request" then
    found[#found + 1] = { kind = "net", what = host_of(field(tokens, behind, "url")), path = path, at = at }
  end
end

--- Adds what one file uses.
---@param path string
---@param tokens melody.Token[]
---@param found author.Found[]
local function of_file(path, tokens, found)
  local modules, functions = aliases(tokens)
  for at = 1, #tokens - 3 do
    local token, before = tokens[at], tokens[at - 1]
    local free = token.kind == "name" and not (before and before.kind == "op" and before.text:find "^[%.:]$")
    local module, behind = required(tokens, at)
    if module and tokens[behind].text == "." then
      call(found, path, tokens, module, tokens[behind + 1].text, at, behind + 2)
    elseif free and modules[token.text] and tokens[at + 1].text == "." then
      call(found, path, tokens, modules[token.text], tokens[at + 2].text, at, at + 3)
    elseif free and functions[token.text] and tokens[at + 1].text ~= "=" then
      call(found, path, tokens, functions[token.text][1], functions[token.text][2], at, at + 1)
    elseif token.text == "editor" and before and before.text == "." then
      local verb = tokens[at + 1].text == "." and tokens[at + 2].text
      found[#found + 1] = { kind = "editor", what = VERBS[verb or ""], path = path, at = at }
    end
  end
end

--- What the files of an extension use, in their order.
---@param reads table<string, author.Scopes>
---@return author.Found[]
function M.find(reads)
  local order, found = {}, {}
  for path in pairs(reads) do order[#order + 1] = path end
  table.sort(order)
  for _, path in ipairs(order) do of_file(path, reads[path].tokens, found) end
  return found
end

return M
