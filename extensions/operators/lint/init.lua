--- The lint operator: it chooses tools by the kind of file and what the machine has, and reads what they say.

local fs = require "fs"
local json = require "json"
local process = require "process"

local kind = require "kind"
local tools = require "tools"

local M = {}

local MAX_FINDINGS = 200
local MAX_BYTES = 5 << 20
local TOOL_SECONDS = 60
local COMPILE_COMMANDS = {".", "build", "build/dev", "build/debug", "build/release", "out", "cmake-build-debug"}
local ESLINT = {
  "eslint.config.js", "eslint.config.mjs", "eslint.config.cjs", ".eslintrc.json", ".eslintrc.js", ".eslintrc.cjs",
  ".eslintrc.yml", ".eslintrc.yaml", ".eslintrc",
}

local function has(list, item)
  for _, one in ipairs(list) do
    if one == item then return true end
  end
  return false
end

--- What the project has that a tool needs.
local function look_around()
  local found = {}
  for _, folder in ipairs(COMPILE_COMMANDS) do
    if not found.compile_commands and fs.stat(folder
      .. "/compile_commands.json") then found.compile_commands = folder end
  end
  for _, name in ipairs(ESLINT) do found.eslint = found.eslint or fs.stat(name) ~= nil end
  return found
end

--- Whether one of the tools that this one stands in for has looked at the file.
local function replaced(tool, used)
  local instead = type(tool.instead) == "table" and tool.instead or {tool.instead}
  for _, name in ipairs(instead) do
    if has(used, name) then return true end
  end
  return false
end

--- Runs one tool: findings, or nil and the reason why not.
local function run_tool(tool, path, content, trusted, project)
  if tool.trusted and not trusted then return nil, "not trusted" end
  if not process.which(tool.name) then return nil, "not installed" end
  local argv, why = tool.argv("./" .. path, trusted, project)
  if not argv then return nil, why end
  local r, message, code = process.run {
    argv = argv, stdin = tool.stdin and content or nil, timeout = TOOL_SECONDS, max_output = 4 << 20,
    reads = tool.reads and tool.reads(path, content, trusted) or false,
  }
  if not r then return nil, code == "timeout" and ("took longer than %d s"):format(TOOL_SECONDS) or message end
  local findings = tool.read(r.stdout, r.stderr, json)
  if r.signal or (r.exit_code > tool.ok and #findings == 0) then
    return nil, ("failed: %s"):format(r.stderr:match "[^\n]+" or "exit code " .. r.exit_code)
  end
  return findings
end

--- JSON and TOML need no program.
local function own_check(what, content)
  if what == "json" then
    local value, message = json.decode(content)
    if value ~= nil then return {} end
    return {{line = math.tointeger(tonumber(tostring(message):match "line (%d+)")) or 1, severity = "error",
      message = tostring(message)}}
  end
end

local function in_ranges(line, ranges)
  for _, range in ipairs(ranges or {}) do
    if line >= range[1] and line <= range[2] then return true end
  end
  return false
end

--- Adds a tool's findings to the output, at most MAX_FINDINGS, each once.
local function add(out, seen, tool, path, findings, ranges)
  for _, finding in ipairs(findings) do
    local key = ("%d\0%s"):format(finding.line, finding.message)
    if #out.findings >= MAX_FINDINGS then
      out.truncated = true
    elseif not seen[key] then
      seen[key] = true
      finding.path, finding.tool = path, tool
      if ranges then finding.new = in_ranges(finding.line, ranges) end
      out.findings[#out.findings + 1] = finding
    end
  end
  out.tools[#out.tools + 1] = tool
end

local function by_line(a, b)
  if a.line ~= b.line then return a.line < b.line end
  return a.message < b.message
end

local function summarise(out)
  if #out.tools == 0 then return "no linter for this file" end
  local n = #out.findings
  local found = n == 0 and "nothing found" or ("%d finding%s"):format(n, n == 1 and "" or "s")
  return ("%s (%s)"):format(found, table.concat(out.tools, ", "))
end

local function check_with_tools(out, input, what, content, trusted)
  local project, seen = look_around(), {}
  local own = own_check(what, content)
  if own then add(out, seen, "symphony", input.path, own, input.ranges) end
  for _, tool in ipairs(tools) do
    if has(tool.kinds, what) and not replaced(tool, out.tools) then
      local findings, reason = run_tool(tool, input.path, content, trusted, project)
      if findings then
        add(out, seen, tool.name, input.path, findings, input.ranges)
      else
        out.skipped[#out.skipped + 1] = {tool = tool.name, reason = reason}
      end
    end
  end
end

function M.check(input, ctx)
  local out = {findings = {}, tools = {}, skipped = {}, truncated = false}
  local stat, message, code = fs.stat(input.path)
  if not stat then return nil, message, code end
  local content
  if stat.type == "file" and stat.size > 0 and stat.size <= MAX_BYTES then
    content, message, code = fs.read(input.path)
    if not content then return nil, message, code end
  end
  local what = content and not content:sub(1, 8192):find("\0", 1, true) and kind.of(input.path, content:match "^[^\n]*")
  if what then check_with_tools(out, input, what, content, ctx.trusted == true) end
  table.sort(out.findings, by_line)
  out.summary = summarise(out)
  return out
end

return M
