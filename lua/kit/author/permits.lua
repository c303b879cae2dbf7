--- What the manifest asks for beside what the code uses: asked but unused, used but not asked, and what the text of the
--- code does not tell.
local json = require "sy.json"
local lint = require "kit.author.lint"
local problem = require "kit.problem"
local uses = require "kit.author.uses"

local M = {}

local WORDS = { ["fs.read"] = "reads files", ["fs.write"] = "writes files", process = "starts programs",
  net = "asks hosts", editor = "uses the editor" }

--- Whether one of the granted words covers what is used.
local function covers(granted, what)
  for _, one in ipairs(granted) do
    local pattern = "^" .. one:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
    if one == what or what:match(pattern) then return true end
  end
  return false
end

local function not_asked(check, use, what)
  local read = check.reads[use.path]
  check.out[#check.out + 1] = lint.at(check.shown(use.path), check.files[use.path], read.tokens[use.at],
    what and ("it uses `%s`, which the manifest does not ask for"):format(what)
      or ("it %s, which the manifest does not ask for"):format(WORDS[use.kind]),
    { code = "permission_denied", hint = ("[capabilities]  %s = %s"):format(use.kind,
      what and json.encode(json.array { what }) or use.kind:match "^fs" and '["$PROJECT/**"]' or "[…]") })
end

local function cannot_tell(check, use)
  local read = check.reads[use.path]
  check.out[#check.out + 1] = lint.at(check.shown(use.path), check.files[use.path], read.tokens[use.at],
    ("cannot tell which %s this is"):format(use.kind == "process" and "program" or "host"),
    { code = "permission_denied", severity = "note" })
end

--- One use: fine, or a problem.
local function judge(check, use)
  local granted = check.capabilities[use.kind] or {}
  if #granted == 0 then return not_asked(check, use, use.kind ~= "fs.read" and use.kind ~= "fs.write" and use.what) end
  if use.kind == "fs.read" or use.kind == "fs.write" then return end
  if use.what then
    if not covers(granted, use.what) then not_asked(check, use, use.what) end
  elseif use.kind ~= "editor" and not covers(granted, "*") then
    cannot_tell(check, use)
  end
end

--- The line of the manifest that asks for something.
local function line_of(check, name)
  return check.lines["capabilities." .. name] or check.lines.capabilities
end

local function unused(check, name, what)
  check.out[#check.out + 1] = problem.new("permission_denied",
    what and ("it asks for %s `%s` and does not use it"):format(name, what)
      or ("it asks for %s and does not use it"):format(name),
    { file = check.manifest_file, line = line_of(check, name), severity = "warning",
      hint = "ask for no more than it needs: people are shown what it may do" })
  check.out[#check.out].source_line = check.manifest_lines[line_of(check, name) or 0]
end

--- Each program, host or right in the editor that nothing names, where the text tells all that is used.
local function each_unused(check, name, found)
  local known, whole = {}, true
  for _, use in ipairs(found) do
    if use.kind == name and use.what then known[use.what] = true end
    if use.kind == name and not use.what then whole = false end
  end
  for _, one in ipairs(check.capabilities[name] or {}) do
    local is_used = not whole
    for what in pairs(known) do is_used = is_used or covers({ one }, what) end
    if not is_used then unused(check, name, one) end
  end
end

--- Whether a secret is named anywhere in the code.
local function names_text(check, text)
  for _, read in pairs(check.reads) do
    for _, token in ipairs(read.tokens) do
      if token.kind == "string" and token.text:find(text, 1, true) then return true end
    end
  end
  return false
end

--- Compares.
---@param check { files: table, reads: table, shown: function, capabilities: table, lines: table, manifest_file: string,
--- manifest_lines: string[], out: Problem[] }
function M.check(check)
  local found, kinds = uses.find(check.reads), {}
  for _, use in ipairs(found) do
    kinds[use.kind] = true
    judge(check, use)
  end
  for _, name in ipairs { "fs.read", "fs.write" } do
    if #(check.capabilities[name] or {}) > 0 and not kinds[name] and not kinds.process then unused(check, name) end
  end
  for _, name in ipairs { "process", "net", "editor" } do each_unused(check, name, found) end
  if #(check.capabilities.env or {}) > 0 and not kinds.process then unused(check, "env") end
  for _, name in ipairs(check.capabilities.secrets or {}) do
    if not names_text(check, name) then unused(check, "secrets", name) end
  end
end

return M
