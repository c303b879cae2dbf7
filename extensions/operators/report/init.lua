--- The report operator.

local html = require "html"
local markdown = require "markdown"
local model = require "model"

local M = {}

--- A file name out of a title.
local function slug(title)
  local name = title:lower():gsub("[^%w]+", "-"):gsub("^%-+", ""):gsub("%-+$", ""):sub(1, 40)
  return name ~= "" and name or "report"
end

local function summarise(m)
  local parts = {}
  for i, verdict in ipairs(model.verdicts(m)) do parts[i] = verdict.text end
  return table.concat(parts, ", ")
end

function M.write(input, ctx)
  local m = model.read(input)
  local name = slug(m.title)
  return {
    markdown = ctx.artifact("documentation", markdown.render(m), {name = "report.md", title = name,
      media_type = "text/markdown"}),
    html = ctx.artifact("documentation", html.render(m), {name = "report.html", title = name,
      media_type = "text/html"}),
    highlights = model.highlights(m), summary = summarise(m),
  }
end

return M
