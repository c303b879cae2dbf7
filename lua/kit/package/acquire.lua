--- A package out of what the person typed: a folder, a Git checkout or address, a .sympkg file.
local from_archive = require "kit.package.from_archive"
local from_folder = require "kit.package.from_folder"
local from_git = require "kit.package.from_git"
local paths = require "kit.paths"
local problem = require "kit.problem"
local signature = require "kit.package.signature"

local M = {}

---@class Acquired
---@field content PackageContent
---@field origin "folder"|"git"|"file"
---@field from string
---@field revision string?
---@field signature table

local function git(from, shown)
  local content, revision = from_git.read(from)
  if not content then return nil, revision end
  return { content = content, origin = "git", from = shown, revision = revision, signature = { state = "none" } }
end

local function folder(dir)
  if from_git.is_checkout(dir) then return git(from_git.checkout(dir), dir) end
  local content, why = from_folder.read(dir)
  if not content then return nil, why end
  return { content = content, origin = "folder", from = dir, signature = { state = "none" } }
end

--- Reads a .sympkg file, after its signature.
---@param path string real path
---@param key? string
---@return Acquired?, Problem?
function M.file(path, key)
  local signed, why = signature.check(path, key)
  if not signed then return nil, why end
  local content, bad = from_archive.read(path)
  if not content then return nil, bad end
  return { content = content, origin = "file", from = path, signature = signed }
end

--- Reads a package.
---@param source string as typed, or as recorded
---@param options? { key: string? }
---@return Acquired?, Problem?
function M.read(source, options)
  local key = options and options.key
  local address = from_git.parse(source)
  if key and (address or paths.kind(source) == "directory") then
    return problem.fail("usage", "--key is for .sympkg files: only these are signed")
  end
  if address then return git(address, source) end
  local real = paths.real(source)
  if not real then
    return problem.fail("not_found", ("there is no folder and no file %s"):format(source),
      { hint = "a folder, a .sympkg file, git+file:///path or https://host/name.git#tag" })
  end
  if paths.kind(real) == "directory" then return folder(real) end
  return M.file(real, key)
end

return M
