--- The files of extensions and melodies wherever they lie: embedded in the program, or in folders.
local paths = require "kit.paths"
local problem = require "kit.problem"

local M = {}

local MAX_DEPTH = 8
local MAX_SOURCE_BYTES = 1 << 20

--- Embedded files under a prefix: relative path → bytes.
---@param prefix string such as "extensions/operators/git/"
---@return table<string, string>
function M.embedded(prefix)
  local files = {}
  for _, file in ipairs(require("sy.core").embedded(prefix)) do
    files[file.path:sub(#prefix + 1)] = file.data
  end
  return files
end

local function walk(dir, below, depth, files)
  for _, name in ipairs(paths.names(dir) or {}) do
    local path, relative = paths.join(dir, name), below .. name
    local st = paths.stat(path, false)
    if st and st.type == "directory" and name ~= "spec" and name:sub(1, 1) ~= "." and depth < MAX_DEPTH then
      local ok, why = walk(path, relative .. "/", depth + 1, files)
      if not ok then return nil, why end
    elseif st and st.type == "file" and name:match("%.lua$") then
      if st.size > MAX_SOURCE_BYTES then
        return problem.fail("manifest_invalid", ("%s is larger than 1 MiB"):format(relative), { file = path })
      end
      local bytes, message = paths.read(path)
      if not bytes then return problem.fail("io_error", message, { file = path }) end
      files[relative] = bytes
    end
  end
  return true
end

--- The Lua files below a folder: relative path → bytes. Links and `spec` folders are left out.
---@param dir string
---@return table<string, string>?, Problem?
function M.folder(dir)
  local files = {}
  local ok, why = walk(dir, "", 0, files)
  if not ok then return nil, why end
  return files
end

--- A hash over names and bytes of all files, the manifest among them.
---@param files table<string, string>
---@param manifest_text string
---@return string "sha256:…"
function M.hash(files, manifest_text)
  local names = {}
  for name in pairs(files) do names[#names + 1] = name end
  table.sort(names)
  local parts = { ("Symphony.toml\0%d\0"):format(#manifest_text), manifest_text }
  for _, name in ipairs(names) do
    parts[#parts + 1] = ("%s\0%d\0"):format(name, #files[name])
    parts[#parts + 1] = files[name]
  end
  return "sha256:" .. require("sy.hash").sha256(table.concat(parts))
end

return M
