--- What a reviewer wants to know of a change, without network or model: what changed, what was left behind in it,
--- what the linters say, in one report.

local melody = require "melody"

local review = melody "review"
review.doc = "Review what changed and write a report."

local base = review:param("base", {
  type = "string", default = "auto",
  doc = "what to compare the working tree with; auto: HEAD, and on a clean tree the last commit",
})

local diff = review:task("diff", "git.diff", { base = base })

local marks = review:task("marks", "search.marks", { paths = diff.present }, { on_error = "skip" })

local checks = review:each("checks", diff.present, "lint.check", function(file)
  return { path = file.path, ranges = file.ranges }
end, { max_parallel = 4, on_error = "skip" })

local outline = review:task("outline", "outline.summarise",
                            { patch = diff.patch, partial = diff.patch_truncated, max_files = 20 },
                            { on_error = "skip" })

local report = review:task("report", "report.write", {
  title = "Review",
  base = diff.base,
  scope = diff.scope,
  note = diff.note,
  diff = diff.stat,
  files = diff.files,
  marks = melody.soft(marks.marks),
  checks = melody.soft(checks),
  notes = melody.soft(outline.text, ""),
})

review:output("report", report)
review:output("note", diff.note)
review:output("highlights", report.highlights)

return review
