--- Packages for specs: folders of extensions, tar archives with anything in them, and a person of one's own.
---
---   local scene = packages.scene()                     -- {dir, env}: a project with .symphony, a HOME of its own
---   scene:extension("acme/base", {version = "1.2.0", needs = {["acme/x"] = "^1"}, code = "return {…}"})  -- its folder
---   scene:pack("acme/base", {…})                      -- the same, packed: the path of the .sympkg
---   scene:run("ext", "install", path)                 -- {code, out, err}; scene:fine(…): raises unless the code is 0
---   packages.tar({ {name = "../a", type = "0", data = "…", link = "", size = nil} })   -- bytes
---   packages.zstd(path, bytes)                         -- writes them packed
local paths = require "kit.paths"
local support = require "support"

local M = {}

local Scene = {}
Scene.__index = Scene

--- The text of a manifest.
---@param name string
---@param options table
---@return string
function M.manifest(name, options)
  local lines = { "[extension]", ('name = "%s"'):format(name), ('version = "%s"'):format(options.version or "1.0.0"),
    'type = "operator"', ('description = "%s"'):format(options.description or "For a spec."),
    options.symphony and ('symphony = "%s"'):format(options.symphony) or "", "[operator]", 'operator_type = "text"',
    "[operation.say]", 'doc = "Says something."', 'effects = "none"', "[capabilities]", options.capabilities or "",
    "[dependencies]" }
  for other, range in pairs(options.needs or {}) do lines[#lines + 1] = ('"%s" = "%s"'):format(other, range) end
  return table.concat(lines, "\n") .. "\n"
end

--- A project of its own with a person of its own.
function M.scene()
  local root = paths.real(support.tmpdir())
  support.sh("mkdir -m 700 home project project/.symphony packages tmp", { cwd = root })
  local env = { HOME = root .. "/home", TMPDIR = root .. "/tmp", NO_COLOR = "1" }
  for _, name in ipairs { "CONFIG_HOME", "DATA_HOME", "CACHE_HOME", "STATE_HOME" } do env["XDG_" .. name] = false end
  return setmetatable({ root = root, dir = root .. "/project", env = env, packages = root .. "/packages",
    store = root .. "/home/.local/share/symphony/extensions/.packages" }, Scene)
end

--- Runs the program in the project.
function Scene:run(...)
  return support.symphony({ ... }, { cwd = self.dir, env = self.env })
end

function Scene:fine(...)
  local r = self:run(...)
  assert(r.code == 0, table.concat({ ... }, " ") .. "\n" .. r.out .. r.err)
  return r
end

--- Runs something that must be refused, with this exit code and words.
function Scene:refused(exit, pattern, ...)
  local r = self:run(...)
  assert(r.code == exit, ("%s ended with %s\n%s"):format(table.concat({ ... }, " "), r.code, r.out .. r.err))
  assert(r.err:find(pattern), ("`%s` is not in\n%s"):format(pattern, r.err))
  return r
end

local CODE = "return { say = function() return { said = %q } end }\n"

--- The folder of an extension.
function Scene:extension(name, options)
  options = options or {}
  local dir = ("%s/sources/%s"):format(self.root, options.folder or name:gsub("/", "-"))
  support.write_file(dir .. "/Symphony.toml", M.manifest(name, options))
  support.write_file(dir .. "/init.lua", options.code or CODE:format(options.says or options.version or "1.0.0"))
  for path, text in pairs(options.files or {}) do support.write_file(dir .. "/" .. path, text) end
  return dir
end

--- The file of a package, in the folder `packages`.
function Scene:pack(name, options)
  local dir = self:extension(name, options)
  self:fine("ext", "pack", dir, "-o", self.packages)
  return ("%s/%s-%s.sympkg"):format(self.packages, name:gsub("/", "-"), options and options.version or "1.0.0")
end

--- All paths below the folder of what is installed, one a line; "" when there is none.
function Scene:installed()
  local line = "cd \"$1\" 2>/dev/null && find . -mindepth 1 ! -name lock | sort"
  return support.run({ "sh", "-c", line, "sh", self.store }).out
end

local function field(text, size)
  return text .. ("\0"):rep(size - #text)
end

local function header(one, size)
  local mode = ("%07o\0"):format(tonumber("644", 8))
  local parts = { field(one.name:sub(1, 100), 100), mode, "0000000\0", "0000000\0", ("%011o\0"):format(size),
    "00000000000\0", "        ", one.type or "0", field(one.link or "", 100), "ustar\00000", field("", 247) }
  local text = field(table.concat(parts), 512):sub(1, 512)
  local sum = 0
  for i = 1, 512 do sum = sum + text:byte(i) end
  return text:sub(1, 148) .. ("%06o\0 "):format(sum) .. text:sub(157)
end

--- A tar archive of entries {name, type, link, data, size}.
function M.tar(entries)
  local parts = {}
  for _, one in ipairs(entries) do
    local data = one.data or ""
    parts[#parts + 1] = header(one, one.size or #data)
    parts[#parts + 1] = data .. ("\0"):rep(-#data % 512)
  end
  parts[#parts + 1] = ("\0"):rep(1024)
  return table.concat(parts)
end

--- Writes bytes packed with zstd.
function M.zstd(path, bytes)
  support.write_file(path .. ".tar", bytes)
  local r = support.run { "zstd", "-q", "-f", "--rm", path .. ".tar", "-o", path }
  assert(r.code == 0, r.err)
  return path
end

return M
