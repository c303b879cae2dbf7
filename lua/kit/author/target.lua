--- What an author names: an extension by its name, or by its folder, also one that no project has.
local manifest = require "kit.manifest"
local paths = require "kit.paths"
local problem = require "kit.problem"
local registry = require "kit.registry"

local M = {}

--- The entry of a folder. Nothing of it was read but its manifest's text.
---@param dir string
---@return ExtensionEntry?, Problem?
function M.folder(dir)
  local real = paths.real(dir)
  local file = paths.join(dir == "." and "" or dir, "Symphony.toml")
  local text = real and paths.kind(paths.join(real, "Symphony.toml")) == "file"
    and paths.read(paths.join(real, "Symphony.toml"))
  if not text then
    return problem.fail("not_found", ("there is no Symphony.toml in %s"):format(dir),
      { hint = "symphony ext new NAME --type operator   makes an extension" })
  end
  local read, problems = manifest.read(text, file)
  if not read then return nil, problems[1] end
  return { name = read.extension.name, origin = "user", dir = real, shown = dir, file = file, text = text }
end

--- The entry that a word means: a folder, else a name.
---@param place Place
---@param word string
---@return ExtensionEntry?, Problem?
function M.find(place, word)
  if paths.kind(word) == "directory" then return M.folder(word) end
  for _, entry in ipairs(registry.new(place, { reading = true }):all()) do
    if entry.name == word then
      if entry.dir then
        local found, why = M.folder(entry.dir)
        if found then found.shown = entry.file:gsub("/?Symphony%.toml$", "") end
        return found, why
      end
      return problem.fail("not_found", ("%s is part of the program; its tests are not"):format(word),
        { hint = "give the folder of its sources" })
    end
  end
  return problem.fail("not_found", ("there is no folder and no extension `%s`"):format(word),
    { hint = "symphony ext ls   lists the extensions" })
end

return M
