--- From the input of report.write to what both documents show. Pure. Values of the wrong shape are left out:
--- a report with a part missing is worth more than none.

local M = {}

local MAX_HIGHLIGHTS = 20
local MAX_ROWS = 500 -- of each table; the count says how many there are

local KINDS = {secret = 1, conflict = 2, debug = 3, todo = 4, match = 5}
local SEVERITIES = {error = 1, warning = 2, note = 3}

local function text(value)
  if type(value) == "string" then return value end
  if type(value) == "number" then return tostring(value) end
end

local function rows(value)
  return type(value) == "table" and value or {}
end

local function cut(list)
  return #list > MAX_ROWS and table.move(list, 1, MAX_ROWS, 1, {}) or list
end

--- nil where a value is json.null or anything but a string with something in it.
local function words(value)
  local s = text(value)
  return s and s:find "%S" and s or nil
end

local function by_place(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  if a.path ~= b.path then return a.path < b.path end
  if a.line ~= b.line then return a.line < b.line end
  return a.text < b.text
end

local function read_marks(value)
  local list, counts = {}, {}
  for _, mark in ipairs(rows(value)) do
    if type(mark) == "table" and text(mark.path) then
      local kind = KINDS[mark.kind] and mark.kind or "match"
      counts[kind] = (counts[kind] or 0) + 1
      list[#list + 1] = {
        path = mark.path, line = tonumber(mark.line) or 0, kind = kind, rank = KINDS[kind], text = text(mark.message)
          or text(mark.text)
          or "",
        excerpt = text(mark.excerpt),
      }
    end
  end
  table.sort(list, by_place)
  return list, counts
end

--- Findings of lint results, with how many files were looked at and how many had no tool or no result.
local function read_checks(value)
  local out = {findings = {}, files = 0, failed = 0, without_tool = 0, tools = {}, skipped = {}}
  local tools, skipped = {}, {}
  local function finding(f)
    if type(f) ~= "table" or not text(f.path) then return end
    local severity = SEVERITIES[f.severity] and f.severity or "warning"
    out.findings[#out.findings + 1] = {
      path = f.path, line = tonumber(f.line) or 0, text = text(f.message) or "", tool = text(f.tool) or "",
        rule = text(f.rule),
      severity = severity, new = f.new == true, rank = (f.new == false and 10 or 0) + SEVERITIES[severity],
    }
  end
  for i = 1, type(value) == "table" and (value.n or #value) or 0 do
    local check = value[i]
    if type(check) ~= "table" then
      out.failed, out.files = out.failed + 1, out.files + 1
    elseif check.findings then
      out.files = out.files + 1
      for _, f in ipairs(rows(check.findings)) do finding(f) end
      if #rows(check.tools) == 0 then out.without_tool = out.without_tool + 1 end
      for _, tool in ipairs(rows(check.tools)) do tools[tostring(tool)] = true end
      for _, skip in ipairs(rows(check.skipped)) do
        if type(skip) == "table" then skipped[("%s: %s"):format(text(skip.tool) or "?", text(skip.reason)
          or "?")] = true end
      end
    else
      finding(check)
    end
  end
  for tool in pairs(tools) do out.tools[#out.tools + 1] = tool end
  for reason in pairs(skipped) do out.skipped[#out.skipped + 1] = reason end
  table.sort(out.tools)
  table.sort(out.skipped)
  table.sort(out.findings, by_place)
  return out
end

local function read_files(value)
  local list, added, removed, most = {}, 0, 0, 1
  for _, file in ipairs(rows(value)) do
    if type(file) == "table" and text(file.path) then
      local a, r = tonumber(file.added) or 0, tonumber(file.removed) or 0
      added, removed, most = added + a, removed + r, math.max(most, a + r)
      list[#list + 1] = {
        path = file.path, old_path = text(file.old_path), status = text(file.status) or "modified", added = a,
          removed = r,
        binary = file.binary == true,
      }
    end
  end
  return list, math.tointeger(added) or added, math.tointeger(removed) or removed, most
end

local function plural(n, one, many)
  return ("%d %s"):format(n, n == 1 and one or many or one .. "s")
end

M.plural = plural

---@param input table
---@return table
function M.read(input)
  local m = {title = words(input.title) or "Report", note = words(input.note), notes = words(input.notes),
    diff = words(input.diff)}
  m.subtitle = words(input.subtitle)
  if not m.subtitle and words(input.scope) then
    m.subtitle = input.scope == "working tree" and words(input.base) and input.base .. " → working tree"
      or words(input.base) and input.scope ~= "whole tree" and ("%s (%s)"):format(input.scope, input.base)
        or input.scope
  end
  m.files, m.added, m.removed, m.most = read_files(input.files)
  m.marks, m.mark_counts = read_marks(input.marks)
  m.checks = read_checks(input.checks)
  m.has_marks, m.has_checks = type(input.marks) == "table", type(input.checks) == "table"
  m.totals = {files = #m.files, marks = #m.marks, findings = #m.checks.findings}
  m.files, m.marks, m.checks.findings = cut(m.files), cut(m.marks), cut(m.checks.findings)
  m.max_rows = MAX_ROWS
  return m
end

--- What is worth a line on a terminal, gravest first: marks, then lint errors and warnings in lines that changed.
---@param m table
---@return {path: string, line: integer, message: string}[]
function M.highlights(m)
  local list = {}
  local function take(items, least, most)
    for _, item in ipairs(items) do
      if item.rank >= least and item.rank <= most and #list < MAX_HIGHLIGHTS then
        local said = item.tool and ("%s (%s)"):format(item.text, item.tool) or item.text
        list[#list + 1] = {path = item.path, line = math.tointeger(item.line) or 0, message = said}
      end
    end
  end
  take(m.marks, KINDS.secret, KINDS.conflict)
  take(m.checks.findings, SEVERITIES.error, SEVERITIES.error)
  take(m.marks, KINDS.debug, KINDS.todo)
  take(m.checks.findings, SEVERITIES.warning, SEVERITIES.warning)
  return list
end

--- What a reader wants to know first, gravest first: {level, text} each.
---@param m table
---@return {level: string, text: string}[]
function M.verdicts(m)
  local list, c, errors = {}, m.mark_counts, 0
  local function say(level, ...) list[#list + 1] = {level = level, text = plural(...)} end
  for _, f in ipairs(m.checks.findings) do
    if f.severity == "error" then errors = errors + 1 end
  end
  if c.secret then say("bad", c.secret, "likely secret") end
  if c.conflict then say("bad", c.conflict, "merge conflict marker") end
  if errors > 0 then say("bad", errors, "lint error") end
  if c.debug then say("warn", c.debug, "debug leftover") end
  if m.totals.findings > errors then say("warn", m.totals.findings - errors, "lint remark") end
  if c.todo then say("info", c.todo, "TODO", "TODOs") end
  if c.match then say("info", c.match, "match", "matches") end
  if m.checks.failed > 0 then say("warn", m.checks.failed, "file not checked", "files not checked") end
  if #list == 0 then list[1] = {level = "good", text = "nothing stands out"} end
  return list
end

return M
