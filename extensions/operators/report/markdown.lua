--- The report as Markdown. Text from outside never becomes markup.

local model = require "model"

local M = {}

--- One line of plain text.
local function plain(s)
  s = s:gsub("[%c]+", " ")
  return (s:gsub("[\\`*_{}%[%]<>#|~]", "\\%0"))
end

--- A code span that holds whatever backticks the text has.
local function code(s)
  s = s:gsub("[%c]+", " "):gsub("|", "\\|")
  local longest = 0
  for ticks in s:gmatch "`+" do longest = math.max(longest, #ticks) end
  if longest == 0 then return "`" .. s .. "`" end
  local fence = ("`"):rep(longest + 1)
  return ("%s %s %s"):format(fence, s, fence)
end

local function more(out, total, m, what)
  if total > m.max_rows then out[#out + 1] = ("\n…and %d more %s."):format(total - m.max_rows, what) end
end

local function marks(out, m)
  if not m.has_marks then return end
  out[#out + 1] = "\n## Marks\n"
  if #m.marks == 0 then out[#out + 1] = "None." end
  for _, mark in ipairs(m.marks) do
    out[#out + 1] = ("- %s %s"):format(code(("%s:%d"):format(mark.path, mark.line)), plain(mark.text))
  end
  more(out, m.totals.marks, m, "marks")
end

local function checks(out, m)
  if not m.has_checks then return end
  local c = m.checks
  out[#out + 1] = "\n## Lint\n"
  if #c.findings == 0 then
    out[#out + 1] = #c.tools == 0 and "No linter for these files was found." or ("%s found nothing."):format(
      table.concat(c.tools, ", "))
  end
  for _, f in ipairs(c.findings) do
    out[#out + 1] = ("- %s **%s** %s (%s)"):format(code(("%s:%d"):format(f.path, f.line)), f.severity, plain(f.text),
      plain(f.tool .. (f.rule and " " .. f.rule or "")))
  end
  more(out, m.totals.findings, m, "findings")
  for _, reason in ipairs(c.skipped) do out[#out + 1] = "- skipped " .. plain(reason) end
  if c.failed > 0 then out[#out + 1] = ("\n%s could not be checked."):format(model.plural(c.failed, "file")) end
end

local function files(out, m)
  if #m.files == 0 then return end
  out[#out + 1] = "\n## Files\n\n| file | change | + | − |\n|---|---|--:|--:|"
  for _, f in ipairs(m.files) do
    out[#out + 1] = ("| %s | %s | %s | %s |"):format(code(f.path), plain(f.status), f.binary and "binary" or f.added,
      f.binary and "" or f.removed)
  end
  more(out, m.totals.files, m, "files")
end

---@param m table of model.read
---@return string
function M.render(m)
  local out = {"# " .. plain(m.title)}
  if m.subtitle then out[#out + 1] = "\n" .. plain(m.subtitle) end
  if m.note then out[#out + 1] = "\n> " .. plain(m.note) end
  local verdicts = {}
  for i, v in ipairs(model.verdicts(m)) do verdicts[i] = v.text end
  out[#out + 1] = "\n## Summary\n"
  if m.diff then out[#out + 1] = plain(m.diff) .. "  " end
  out[#out + 1] = table.concat(verdicts, ", ")
  if m.notes then out[#out + 1] = "\n## What changed\n\n" .. m.notes:gsub("<", "&lt;") end
  marks(out, m)
  checks(out, m)
  files(out, m)
  return table.concat(out, "\n") .. "\n"
end

return M
