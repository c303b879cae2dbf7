--- A package out of a .sympkg file: a tar archive under zstd, its manifest first. Nothing of it is believed:
--- core/io/pack.c refuses links, devices, odd names, duplicates and bombs, kit.package.content what is left.
local content = require "kit.package.content"
local manifest = require "kit.manifest"
local pack = require "sy.pack"
local paths = require "kit.paths"
local problem = require "kit.problem"
local rules = require "kit.package.rules"

local M = {}

--- The problem of the reader, with the file's name.
local function failed(path, message, code)
  return problem.fail(code, ("%s: %s"):format(path, message), { hint = "nothing was changed; get the file once more" })
end

local function open(path)
  local file, message, code = pack.open(path, rules.LIMITS)
  if not file then return failed(path, message, code) end
  return file
end

local function read_all(file, path)
  local into = content.new(path)
  while true do
    local name, size, code = file:next()
    if name == nil then return failed(path, size, code) end
    if name == false then return into:finish() end
    if #into.names == 0 and name ~= rules.MANIFEST then
      return rules.refuse(path, "it is no package: Symphony.toml is not its first file")
    end
    local bytes, message, bad = file:read()
    if not bytes then return failed(path, message, bad) end
    local ok, why = into:add(name, bytes)
    if not ok then return nil, why end
  end
end

--- The file's name must say what is in it.
local function check_name(path, name, version)
  local wanted = rules.file_name(name, version)
  if paths.name(path) == wanted then return true end
  return rules.refuse(path, ("it holds %s %s, so its name must be %s"):format(name, version, wanted))
end

--- Reads a file.
---@param path string
---@return PackageContent?, Problem?
function M.read(path)
  local file, why = open(path)
  if not file then return nil, why end
  local read, bad = read_all(file, path)
  file:close()
  if not read then return nil, bad end
  local ok, misnamed = check_name(path, read.name, read.version)
  if not ok then return nil, misnamed end
  return read
end

--- Reads only the manifest.
---@param path string
---@return table? manifest
---@return Problem?
function M.manifest(path)
  local file, why = open(path)
  if not file then return nil, why end
  local name, message, code = file:next()
  local text
  if name == rules.MANIFEST then text, message, code = file:read() end
  file:close()
  if name == nil or name == rules.MANIFEST and not text then return failed(path, message, code) end
  if not text then return rules.refuse(path, "it is no package: Symphony.toml is not its first file") end
  local read, problems = manifest.read(text, path .. "/Symphony.toml")
  if not read then return nil, problems[1] end
  local ok, misnamed = check_name(path, read.extension.name, read.extension.version)
  if not ok then return nil, misnamed end
  return read
end

--- Writes a content as a file that must not be there yet: the manifest first, the rest by name.
---@param path string
---@param from PackageContent
---@return boolean?, Problem?
function M.write(path, from)
  local file, message, code = pack.create(path)
  if not file then return nil, problem.from(message, code) end
  local names = { rules.MANIFEST }
  for _, name in ipairs(from.names) do
    if name ~= rules.MANIFEST then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do
    local ok, why, bad = file:add(name, from.files[name])
    if not ok then return nil, problem.from(why, bad) end
  end
  local ok, why, bad = file:close()
  if not ok then return nil, problem.from(why, bad) end
  return true
end

return M
