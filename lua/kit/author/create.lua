--- A new extension: a small folder that passes its check and its tests at once.
local paths = require "kit.paths"
local problem = require "kit.problem"
local rules = require "kit.package.rules"
local types = require "kit.author.types"

local M = {}

M.TYPES = { "operator", "instrument", "motif" }

local README = [[
# @NAME@

@DESCRIPTION@

```sh
symphony ext check @DIR@   # its manifest, code and permissions
symphony ext test @DIR@    # its tests
symphony ext dev @DIR@     # both, after each change
symphony call @NAME@.@EXAMPLE@
```

| file | |
|---|---|
| `Symphony.toml` | its operations, their schemas, and what it asks to be allowed |
| `init.lua` | its code: a function for each operation |
| `spec/` | its tests, in the words of busted |
]]

local function fill(text, values)
  return (text:gsub("@(%u+)@", values))
end

--- The files of a new extension: path → text.
---@param name string
---@param kind "operator"|"instrument"|"motif"
---@param shown string its folder, for the README
---@return table<string, string>
function M.files(name, kind, shown)
  local template = require("kit.author.templates." .. kind)
  local values = { NAME = name, LAST = name:match "[^/]+$", DIR = shown, EXAMPLE = template.example }
  values.DESCRIPTION = template["Symphony.toml"]:match '\ndescription = "([^"]*)"'
  local files = { ["README.md"] = fill(README, values), [".luarc.json"] = types.luarc() }
  for path, text in pairs(template) do
    if path ~= "example" then files[fill(path, values)] = fill(text, values) end
  end
  return files
end

local function sorted(files)
  local names = {}
  for name in pairs(files) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- Makes the folder. What is there is never overwritten.
---@param name string
---@param kind string
---@param dir string
---@return string[]? files
---@return Problem?
function M.make(name, kind, dir)
  if not rules.is_name(name) then
    return problem.fail("usage", ("`%s` is no name of an extension"):format(name),
      { hint = "lower case letters, digits, _ and -, beginning with a letter; publisher/name once it is published" })
  end
  if paths.stat(dir, false) then
    return problem.fail("usage", ("%s is there already"):format(dir), { hint = "--dir DIR   makes it elsewhere" })
  end
  local ok, why = types.write()
  if not ok then return nil, why end
  local files = M.files(name, kind, dir)
  local names = sorted(files)
  for _, file in ipairs(names) do
    local path = paths.join(dir, file)
    local made, message = paths.make(paths.parent(path))
    if made then made, message = paths.write(path, files[file]) end
    if not made then return problem.fail("io_error", ("%s cannot be written: %s"):format(path, message)) end
  end
  return names
end

return M
