--- The report as one HTML page. Everything from outside goes through `escape`; a content security policy in the
--- page allows no script and no load, should that ever fail.

local model = require "model"
local style = require "style"

local M = {}

local ENTITIES = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;"}
local REPLACEMENT = "\u{FFFD}"

--- Well-formed UTF-8 without control characters, escaped for text and attributes.
---@param s string
---@return string
function M.escape(s)
  local ok, bad = utf8.len(s)
  while not ok do
    s = s:sub(1, bad - 1) .. REPLACEMENT .. s:sub(bad + 1)
    ok, bad = utf8.len(s, bad)
  end
  return (s:gsub("[%z\1-\8\11-\31\127]", REPLACEMENT):gsub("[&<>\"']", ENTITIES))
end

local escape = M.escape

--- Fills {name} with escaped values; {=name} takes markup made here.
local function fill(template, values)
  return (template:gsub("{(=?)([%w_]+)}", function (raw, name)
    local value = values[name]
    if raw == "=" then return value end
    return escape(tostring(value))
  end))
end

local function add(out, template, values)
  out[#out + 1] = values and fill(template, values) or template
end

--- Paragraphs, lists, headings and code spans of Markdown; all else stays text.
local function inline(s)
  return (escape(s):gsub("`([^`]+)`", "<code>%1</code>"):gsub("%*%*([^*]+)%*%*", "<b>%1</b>"))
end

local function prose(text)
  local out, in_list = {}, false
  for line in text:gmatch "[^\n]+" do
    local item, heading = line:match "^%s*[%-%*]%s+(.*)$", line:match "^#+%s+(.*)$"
    if in_list ~= (item ~= nil) then
      out[#out + 1] = item and "<ul>" or "</ul>"
      in_list = item ~= nil
    end
    if item then
      out[#out + 1] = "<li>" .. inline(item) .. "</li>"
    elseif heading then
      out[#out + 1] = "<h3>" .. inline(heading) .. "</h3>"
    elseif line:find "%S" then
      out[#out + 1] = "<p>" .. inline(line) .. "</p>"
    end
  end
  if in_list then out[#out + 1] = "</ul>" end
  return table.concat(out, "\n")
end

local function header(out, m)
  add(out, "<header><h1>{title}</h1>", m)
  if m.subtitle then add(out, '<div class="sub">{subtitle}</div>', m) end
  if m.note then add(out, '<p class="note">{note}</p>', m) end
  add(out, "</header>")
end

local function tile(out, number, label, class)
  add(out, '<div><b class="{class}">{number}</b><span>{label}</span></div>', {number = number, label = label,
    class = class or ""})
end

local function overview(out, m)
  add(out, '<section aria-label="Summary"><div class="tiles">')
  if m.totals.files > 0 then
    tile(out, m.totals.files, m.totals.files == 1 and "file" or "files")
    tile(out, "+" .. m.added, "added", "plus")
    tile(out, "−" .. m.removed, "removed", "minus")
  elseif m.diff then
    tile(out, m.diff, "diff")
  end
  if m.has_marks then tile(out, m.totals.marks, m.totals.marks == 1 and "mark" or "marks") end
  if m.has_checks then tile(out, m.totals.findings, m.totals.findings == 1 and "lint finding" or "lint findings") end
  add(out, '</div><ul class="chips">')
  for _, v in ipairs(model.verdicts(m)) do add(out, '<li class="chip {level}">{text}</li>', v) end
  add(out, "</ul></section>")
end

local function rest(out, total, m)
  if total > m.max_rows then add(out, '<p class="quiet">…and {n} more.</p>', {n = total - m.max_rows}) end
end

local MARKS = {
  secret = {"bad", "secret"}, conflict = {"bad", "conflict"}, debug = {"warn", "debug"}, todo = {"info", "TODO"},
    match = {"info", "match"},
}

local function marks(out, m)
  if not m.has_marks then return end
  add(out, "<section><h2>Marks <small>{n}</small></h2>", {n = m.totals.marks})
  if #m.marks == 0 then add(out,
    '<p class="quiet">No leftovers, no open ends, nothing that looks like a secret.</p>') end
  add(out, '<ul class="rows">')
  for _, mark in ipairs(m.marks) do
    local kind = MARKS[mark.kind]
    add(out,
      '<li><span class="chip {level}">{label}</span><div><div class="what">{text}</div>'
        .. '<div class="place">{path}:{line}</div>', {
      level = kind[1], label = kind[2], text = mark.text, path = mark.path, line = mark.line,
    })
    if mark.excerpt and mark.excerpt ~= "" then add(out, "<pre>{excerpt}</pre>", mark) end
    add(out, "</div></li>")
  end
  add(out, "</ul>")
  rest(out, m.totals.marks, m)
  add(out, "</section>")
end

local LEVELS = {error = "bad", warning = "warn", note = "info"}

local function skipped(out, c)
  if #c.skipped == 0 and c.failed == 0 and c.without_tool == 0 then return end
  add(out, "<details><summary>What was not checked</summary><ul>")
  if c.without_tool > 0 then add(out, "<li>{n}: no linter for this kind of file</li>",
    {n = model.plural(c.without_tool, "file")}) end
  if c.failed > 0 then add(out, "<li>{n}: the check failed</li>", {n = model.plural(c.failed, "file")}) end
  for _, reason in ipairs(c.skipped) do add(out, "<li>{reason}</li>", {reason = reason}) end
  add(out, "</ul></details>")
end

local function checks(out, m)
  if not m.has_checks then return end
  local c = m.checks
  add(out, "<section><h2>Lint <small>{tools}</small></h2>", {tools = table.concat(c.tools, ", ")})
  if #c.findings == 0 then
    add(out, '<p class="quiet">{text}</p>', {text = #c.tools == 0 and "No linter for these files was found."
      or "Nothing found."})
  end
  add(out, '<ul class="rows">')
  for _, f in ipairs(c.findings) do
    add(out, '<li><span class="chip {level}">{severity}</span><div><div class="what">{text}</div>'
      .. '<div class="place">{path}:{line} · {tool}{rule}{new}</div></div></li>', {
      level = LEVELS[f.severity], severity = f.severity, text = f.text, path = f.path, line = f.line, tool = f.tool,
      rule = f.rule and " " .. f.rule or "", new = f.new and " · in a changed line" or "",
    })
  end
  add(out, "</ul>")
  rest(out, m.totals.findings, m)
  skipped(out, c)
  add(out, "</section>")
end

local function width(n, most)
  if n == 0 then return 0 end
  return math.max(2, math.floor(100 * n / most + 0.5))
end

local function files(out, m)
  if #m.files == 0 then return end
  add(out, "<section><h2>Files <small>{n}</small></h2><table><thead><tr><th>File</th><th>Change</th><th></th><th></th>"
    .. '<th class="bar"></th></tr></thead><tbody>', {n = m.totals.files})
  for _, f in ipairs(m.files) do
    add(out, '<tr><td class="place">{path}</td><td class="s">{status}</td>', {path = f.path,
      status = f.status:gsub("_", " ")})
    if f.binary then
      add(out, '<td class="s" colspan="3">binary</td></tr>')
    else
      add(out, '<td class="n plus">+{added}</td><td class="n minus">−{removed}</td><td class="bar">'
        .. '<i class="a" style="width:{a}%"></i><i class="r" style="width:{r}%"></i></td></tr>', {
        added = f.added, removed = f.removed, a = width(f.added, m.most), r = width(f.removed, m.most),
      })
    end
  end
  add(out, "</tbody></table>")
  rest(out, m.totals.files, m)
  add(out, "</section>")
end

local HEAD = [[<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{=style}</style>
</head>
<body>
<main>
]]

---@param m table of model.read
---@return string
function M.render(m)
  local out = {}
  add(out, HEAD, {title = m.title, style = style})
  header(out, m)
  overview(out, m)
  if m.notes then add(out, '<section class="text"><h2>What changed</h2>{=notes}</section>',
    {notes = prose(m.notes)}) end
  marks(out, m)
  checks(out, m)
  files(out, m)
  add(out,
    "<footer>Made by Symphony. Findings are hints from tools, not a verdict.</footer>\n</main>\n</body>\n</html>\n")
  return table.concat(out, "\n")
end

return M
