--- All that can be found wrong with an extension without running it.
local beyond = require "kit.manifest_beyond"
local excerpt = require "kit.author.excerpt"
local lint = require "kit.author.lint"
local manifest = require "kit.manifest"
local modules = require "kit.author.modules"
local paths = require "kit.paths"
local permits = require "kit.author.permits"
local problem = require "kit.problem"
local sources = require "kit.sources"

local M = {}

--- Compiles Lua files; none of them runs. Whether all are Lua.
local function compile(files, shown, problems)
  local names, fine = {}, true
  for name in pairs(files) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local ok, failure = load(files[name], "=f", "t", {})
    local line, said = tostring(failure):match("^f:(%d+): (.*)$")
    if not ok then
      fine = false
      local why = problem.new("extension_error", said or tostring(failure),
        { file = shown(name), line = math.tointeger(tonumber(line)) })
      problems[#problems + 1] = excerpt.fill(why, files, name)
    end
  end
  return fine
end

--- Operations that the entry's code does not seem to have.
local function check_operations(made, files, reads, shown, problems)
  local entry, names = made.extension.entry, {}
  for _, token in ipairs(reads[entry] and reads[entry].tokens or {}) do names[token.text] = true end
  if not files[entry] or not reads[entry] then return end
  for name in pairs(made.operation) do
    if not names[name] and not files[entry]:find("require", 1, true) then
      problems[#problems + 1] = problem.new("manifest_invalid",
        ("its code has no function `%s`"):format(name), { file = shown(entry), severity = "warning" })
    end
  end
end

local function lines_of(text)
  local list = {}
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do list[#list + 1] = line end
  return list
end

local function check_code(made, bytes, file, problems)
  local dir = paths.parent(file)
  local function shown(path) return paths.join(dir == "." and "" or dir, path) end
  if next(made.operation) and not paths.stat(paths.join(dir, made.extension.entry)) then
    problems[#problems + 1] = problem.new("manifest_invalid",
      ("its entry %s is not there"):format(made.extension.entry), { file = file })
  end
  local files, why = sources.folder(dir)
  if not files then
    problems[#problems + 1] = why
    return
  end
  local fine = compile(modules.specs(dir), shown, problems)
  if not compile(files, shown, problems) or not fine then return end
  local reads = lint.check(files, shown, problems)
  local _, lines = require("sy.toml").decode(bytes)
  permits.check { files = files, reads = reads, shown = shown, capabilities = made.capabilities, lines = lines or {},
    manifest_file = file, manifest_lines = lines_of(bytes), out = problems }
  check_operations(made, files, reads, shown, problems)
end

--- Whether nothing but warnings and notes was found.
---@param problems Problem[]
---@return boolean
function M.is_fine(problems)
  for _, one in ipairs(problems) do
    if one.severity ~= "warning" and one.severity ~= "note" then return false end
  end
  return true
end

--- Checks the text of a manifest, and the code beside its file where that is one on the disk.
---@param bytes string
---@param file string
---@param view? PackageView the packages there are; nil: dependencies are not looked for
---@return table? manifest
---@return Problem[] problems
function M.check(bytes, file, view)
  local made, problems = manifest.read(bytes, file)
  problems = problems or {}
  if not made then return nil, problems end
  local more = beyond.check(made, bytes, file, view)
  table.move(more, 1, #more, #problems + 1, problems)
  if paths.kind(file) == "file" then check_code(made, bytes, file, problems) end
  return made, problems
end

return M
