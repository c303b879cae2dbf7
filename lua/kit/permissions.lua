--- What an extension may do, in plain words, from its checked capabilities.
local M = {}

local function join(list)
  return table.concat(list, ", ")
end

local function paths(list)
  local words = {}
  for i, glob in ipairs(list) do
    local inside = glob:match("^%$PROJECT/(.*)$")
    if inside == "**" or glob == "$PROJECT" then
      words[i] = "the project"
    elseif inside then
      words[i] = inside .. " in the project"
    else
      words[i] = glob
    end
  end
  return join(words)
end

--- In the order in which they are listed.
local SENTENCES = {
  { "fs.read", "reads files: %s", paths },
  { "fs.write", "writes files: %s", paths },
  { "process", "starts programs: %s", join },
  { "net", "talks to: %s", join },
  { "env", "reads environment variables: %s", join },
  { "secrets", "uses secrets: %s", join },
  { "editor", "in an editor: %s", join },
}

--- One sentence for each thing it may touch, and one for its limits.
---@param capabilities table normalised, as kit.manifest gives them
---@return string[]
function M.words(capabilities)
  local list = {}
  for _, entry in ipairs(SENTENCES) do
    local granted = capabilities[entry[1]]
    if granted and #granted > 0 then list[#list + 1] = entry[2]:format(entry[3](granted)) end
  end
  if #list == 0 then list[1] = "touches nothing outside itself" end
  return list
end

--- The limits of one call, in words.
---@param capabilities table
---@return string
function M.limits(capabilities)
  return ("%s of memory, %s of computing, %s in all"):format(capabilities.memory, capabilities.cpu,
    capabilities.timeout)
end

return M
