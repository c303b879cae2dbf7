--- What an extension may do, in plain words, from its checked capabilities.
local plain = require "kit.plain"

local M = {}

local function path_words(glob)
  local inside = glob:match("^%$PROJECT/(.*)$")
  if not inside and not glob:match "^[/$]" then inside = glob end
  if inside == "**" or glob == "$PROJECT" then return "the project" end
  return inside and inside .. " in the project" or glob
end

local function net_words(host)
  if host == "*:*" or host == "unix:*" then return host == "*:*" and "any host" or "services of this machine" end
  return (host:gsub("^%*:", "any host, port "):gsub(":%*$", ", any port"))
end

local function same(word)
  return word
end

--- In the order in which they are listed: what it does, and what it does not do.
local SENTENCES = {
  { "fs.read", "reads files: %s", "read files", path_words },
  { "fs.write", "writes files: %s", "write files", path_words },
  { "process", "starts programs: %s", "start programs", same },
  { "net", "talks to: %s", "use the network", net_words },
  { "env", "reads environment variables: %s", "read environment variables", same },
  { "secrets", "uses secrets: %s", "use secrets", same },
  { "editor", "in an editor: %s", "act in an editor", same },
}

local BY_KIND = {}
for _, entry in ipairs(SENTENCES) do BY_KIND[entry[1]] = entry end

--- One grant in words.
---@param kind string
---@param one string
---@return string
function M.word(kind, one)
  return plain.clean(BY_KIND[kind][4](one))
end

local function sentence(entry, list)
  local words = {}
  for i, one in ipairs(list) do words[i] = M.word(entry[1], one) end
  return entry[2]:format(table.concat(words, ", "))
end

--- A sentence for each capability of a map that has any, without more.
---@param map table<string, string[]>
---@return string[]
function M.sentences(map)
  local list = {}
  for _, entry in ipairs(SENTENCES) do
    local granted = map[entry[1]]
    if granted and #granted > 0 then list[#list + 1] = sentence(entry, granted) end
  end
  return list
end

--- One sentence for each thing it may touch.
---@param capabilities table normalised, as kit.manifest gives them
---@return string[]
function M.words(capabilities)
  local list = M.sentences(capabilities)
  if #list == 0 then list[1] = "touches nothing outside itself" end
  return list
end

--- What it may not, in one sentence; nil: there is nothing that it may not.
---@param capabilities table
---@return string?
function M.never(capabilities)
  local list = {}
  for _, entry in ipairs(SENTENCES) do
    if #(capabilities[entry[1]] or {}) == 0 then list[#list + 1] = entry[3] end
  end
  return #list > 0 and "does not: " .. table.concat(list, ", ") or nil
end

--- The limits of one call, in words.
---@param capabilities table
---@return string
function M.limits(capabilities)
  return ("%s of memory, %s of computing, %s in all"):format(capabilities.memory, capabilities.cpu,
    capabilities.timeout)
end

local LIMIT_WORDS = { memory = "%s of memory for a call", cpu = "%s of computing for a call",
  timeout = "%s in all for a call" }

local function differ(list, sign, map)
  for _, words in ipairs(M.sentences(map)) do list[#list + 1] = sign .. " " .. words end
  for _, key in ipairs { "memory", "cpu", "timeout" } do
    if map[key] then list[#list + 1] = sign .. " " .. LIMIT_WORDS[key]:format(plain.clean(map[key])) end
  end
end

--- What has changed, in words: new, wider, gone.
---@param difference Difference
---@return string[]
function M.changes(difference)
  local list = {}
  differ(list, "new:   ", difference.new)
  differ(list, "wider: ", difference.widened)
  differ(list, "gone:  ", difference.gone)
  return list
end

return M
