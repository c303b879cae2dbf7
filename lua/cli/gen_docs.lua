--- docs/guide/cli.md out of the command table, the settings and the error codes. A spec checks that it is current
--- and writes it anew when SYMPHONY_UPDATE is set.
local args = require "cli.args"
local command = require "cli.command"
local config = require "kit.config"
local error_help = require "cli.error_help"
local settings = require "kit.settings"

local M = {}

local INTRO = [[
# The command line

This page is generated from the program's own tables; `symphony help` shows the same.

`symphony COMMAND …`. Options stand anywhere, `--` ends them. With `--json`, stdout carries exactly one JSON document
(with `events` and `logs` one a line) and nothing else; `docs/json/` has a schema for each. A command that fails without
its document prints `{"error":{…}}`.

RUN is a number (`7`), `last`, `last:review`, a full id or a unique ending of at least 6 characters; left out, it is the
last run that makes sense. TASK is a key such as `diff` or `checks/1`, or a glob such as `checks/*`.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or an invalid melody or manifest,
  3 permission denied or not trusted,
4 not found, 5 waits for an answer, 130 interrupted and can be resumed.
]]

local function escape(text)
  return (text:gsub("|", "\\|"):gsub("\n", " "))
end

local function label(option)
  local text = "--" .. option.name .. (option.argument and " " .. option.argument or "")
  return option.short and ("-%s, %s"):format(option.short, text) or text
end

local function add_options(lines, options)
  if #options == 0 then return end
  lines[#lines + 1] = "| option | meaning |"
  lines[#lines + 1] = "|---|---|"
  for _, option in ipairs(options) do
    local default = option.default and (" (%s)"):format(option.default) or ""
    lines[#lines + 1] = ("| `%s` | %s%s |"):format(label(option), escape(option.doc), default)
  end
  lines[#lines + 1] = ""
end

local function add_entry(lines, entry, level)
  lines[#lines + 1] = ("%s `symphony %s`"):format(("#"):rep(level), entry.usage)
  lines[#lines + 1] = ""
  lines[#lines + 1] = entry.summary:sub(1, 1):upper() .. entry.summary:sub(2) .. "."
  lines[#lines + 1] = ""
  add_options(lines, entry.options or {})
  if not entry.subcommands then
    lines[#lines + 1] = ("Example: `%s`"):format(entry.example)
    lines[#lines + 1] = ""
  end
  for _, sub in ipairs(entry.subcommands or {}) do add_entry(lines, sub, level + 1) end
end

local function add_settings(lines)
  lines[#lines + 1] = "## Settings"
  lines[#lines + 1] = ""
  lines[#lines + 1] = "A flag wins over the environment, that over the project's `.symphony/config.toml` (where it is"
  lines[#lines + 1] = "trusted), that over yours, that over the default. `symphony config get KEY --why` says which."
  lines[#lines + 1] = ""
  lines[#lines + 1] = "| key | default | unit | variable | meaning |"
  lines[#lines + 1] = "|---|---|---|---|---|"
  for _, setting in ipairs(settings) do
    lines[#lines + 1] = ("| `%s` | %s | %s | %s | %s |"):format(setting.key, tostring(setting.default),
      setting.unit or "", setting.named and "" or ("`%s`"):format(config.variable(setting.key)), escape(setting.doc))
  end
  lines[#lines + 1] = ""
end

local function add_errors(lines)
  lines[#lines + 1] = "## Error codes"
  lines[#lines + 1] = ""
  lines[#lines + 1] = "| code | exit | meaning | what to do |"
  lines[#lines + 1] = "|---|---|---|---|"
  for _, entry in ipairs(error_help) do
    lines[#lines + 1] = ("| `%s` | %d | %s | %s |"):format(entry.code, entry.exit, escape(entry.meaning),
      escape(entry.action))
  end
end

--- The page.
---@return string
function M.text()
  local lines = { INTRO, "## With every command", "" }
  add_options(lines, args.GLOBAL)
  lines[#lines + 1] = "## Commands"
  lines[#lines + 1] = ""
  for _, entry in ipairs(command.all()) do add_entry(lines, entry, 3) end
  add_settings(lines)
  add_errors(lines)
  return table.concat(lines, "\n") .. "\n"
end

return M
