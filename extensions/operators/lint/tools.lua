--- The linters, in the order they are tried: an ordered list, one entry a tool. Adding one is adding an entry.
---
---   name      the program
---   kinds     of files
---   trusted   "needed": it runs code of the project
---   instead   not used when this other tool looked at the file
---   argv      (path, trusted, project) → the argument vector, or nil and why not
---   stdin     the file goes in there
---   read      (stdout, stderr, json) → findings
---   ok        exit codes that are no failure of the tool, at most
---   reads     (path, content, trusted) → what it reads besides the file, or false: more than can be named, so that its
---             findings are not kept. Absent: false

local fs = require "fs"

local includes = require "includes"
local parse = require "parse"

local PYTHON = [[
import ast, sys
try:
    ast.parse(sys.stdin.buffer.read(), "-")
except (SyntaxError, ValueError) as e:
    print("%d:%s" % (getattr(e, "lineno", 1) or 1, getattr(e, "msg", None) or e))
]]

--- Nothing but the file.
local function nothing() return {} end

--- Its configuration is Lua: taken at its word only where it calls for nothing else.
local function luacheck_reads(_, _, trusted)
  if not trusted then return {} end
  local content = fs.read ".luacheckrc"
  if not content then return false end -- one of a folder above the project, or of the person
  for _, word in ipairs {"require", "dofile", "loadfile", "load", "io", "os", "package"} do
    if content:find("%f[%w_]" .. word .. "%f[^%w_]") then return false end
  end
  return {".luacheckrc"}
end

local function decoded(json, text)
  local value = json.decode(text)
  return type(value) == "table" and value or {}
end

return {
  {
    name = "clang-tidy", kinds = {"c", "cpp"}, ok = 1,
    argv = function (path, _, project)
      local folder = project.compile_commands
      if not folder then return nil, "no compile_commands.json" end
      return {"clang-tidy", "--quiet", "-p", folder, path}
    end,
    read = function (out) return parse.gcc(out) end,
  },
  {
    name = "cppcheck", kinds = {"c", "cpp", "header"}, ok = 0,
    reads = includes.of,
    argv = function (path)
      return {"cppcheck", "--quiet", "--inline-suppr", "--enable=warning,performance,portability",
        "--suppress=missingInclude",
              "--suppress=missingIncludeSystem", "--suppress=toomanyconfigs", "--max-configs=4",
              "--template={line}\\t{column}\\t{severity}\\t{id}\\t{message}", path}
    end,
    read = function (_, err) return parse.cppcheck(err) end,
  },
  {
    name = "luacheck", kinds = {"lua"}, ok = 2,
    reads = luacheck_reads,
    argv = function (path, trusted)
      local argv = {"luacheck", "--formatter", "plain", "--codes", "--no-color", "--no-cache"}
      if not trusted then argv[#argv + 1] = "--no-config" end -- a .luacheckrc is Lua
      argv[#argv + 1] = path
      return argv
    end,
    read = function (out) return parse.luacheck(out) end,
  },
  {
    name = "luac5.4", kinds = {"lua"}, instead = "luacheck", ok = 1,
    reads = nothing,
    argv = function (path) return {"luac5.4", "-p", path} end,
    read = function (_, err) return parse.plain(err:gsub("luac5%.4: ", ""), "error") end,
  },
  {
    name = "eslint", kinds = {"javascript", "typescript"}, trusted = "needed", ok = 1,
    argv = function (path, _, project)
      if not project.eslint then return nil, "no eslint configuration" end
      return {"eslint", "--format", "json", "--no-color", path}
    end,
    read = function (out, _, json) return parse.eslint(decoded(json, out)) end,
  },
  {
    name = "node", kinds = {"javascript"}, instead = "eslint", ok = 1,
    argv = function (path) return {"node", "--check", path} end,
    read = function (_, err) return parse.node(err) end,
  },
  {
    name = "shellcheck", kinds = {"shell"}, ok = 1,
    reads = nothing,
    argv = function (path) return {"shellcheck", "--norc", "--format=gcc", "--color=never", path} end,
    read = function (out) return parse.gcc(out) end,
  },
  {
    name = "ruff", kinds = {"python"}, ok = 1,
    argv = function (path) return {"ruff", "check", "--no-cache", "--quiet", "--output-format=json", path} end,
    read = function (out, _, json) return parse.ruff(decoded(json, out)) end,
  },
  {
    name = "pyflakes3", kinds = {"python"}, instead = "ruff", ok = 1,
    reads = nothing,
    argv = function (path) return {"pyflakes3", path} end,
    read = function (out, err) return parse.plain(out .. err, "warning") end,
  },
  {
    name = "python3", kinds = {"python"}, instead = {"ruff", "pyflakes3"}, ok = 0, stdin = true,
    reads = nothing,
    argv = function () return {"python3", "-I", "-S", "-B", "-c", PYTHON} end,
    read = function (out) return parse.syntax(out) end,
  },
  {
    name = "yamllint", kinds = {"yaml"}, ok = 2,
    reads = nothing,
    argv = function (path) return {"yamllint", "-d", "relaxed", "-f", "parsable", path} end,
    read = function (out) return parse.yamllint(out) end,
  },
  {
    name = "xmllint", kinds = {"xml"}, ok = 1,
    reads = nothing,
    argv = function (path) return {"xmllint", "--noout", "--nonet", path} end,
    read = function (_, err) return parse.syntax(err) end,
  },
  {
    name = "gofmt", kinds = {"go"}, ok = 2,
    reads = nothing,
    argv = function (path) return {"gofmt", "-e", "-l", path} end,
    read = function (_, err) return parse.plain(err, "error") end,
  },
  {
    name = "php", kinds = {"php"}, ok = 255,
    reads = nothing,
    argv = function (path) return {"php", "-n", "-l", path} end,
    read = function (out, err) return parse.syntax(out .. "\n" .. err) end,
  },
  {
    name = "ruby", kinds = {"ruby"}, ok = 1, stdin = true,
    reads = nothing,
    argv = function () return {"ruby", "--disable=all", "-c"} end,
    read = function (_, err) return parse.syntax(err) end,
  },
}
