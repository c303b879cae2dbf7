--- Results of tests for people, as TAP (version 13) and as JUnit's XML.
local json = require "sy.json"
local text = require "cli.output.text"

local M = {}

---@class TestResult
---@field test string name of the test
---@field file string
---@field melody string
---@field case string
---@field line integer?
---@field ok boolean
---@field pending boolean? it was not run
---@field ms number
---@field problems string[]
---@field hint string? what to do next

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&apos;" }

--- Text within XML: what it may not contain at all is left out.
local function xml(said)
  return (text.clean(said):gsub("[&<>\"']", ESCAPES):gsub("[\1-\8\11\12\14-\31]", ""))
end

local function counts(results)
  local failed, pending = 0, 0
  for _, one in ipairs(results) do
    failed = failed + (one.ok and 0 or 1)
    pending = pending + (one.pending and 1 or 0)
  end
  return #results - failed - pending, failed, pending
end

--- By test file, in their order.
local function groups(results)
  local list, by_name = {}, {}
  for _, one in ipairs(results) do
    if not by_name[one.test] then
      by_name[one.test] = { name = one.test, file = one.file }
      list[#list + 1] = by_name[one.test]
    end
    table.insert(by_name[one.test], one)
  end
  return list
end

local function case_xml(one)
  local head = ('    <testcase classname="%s" name="%s" time="%.3f"'):format(xml(one.test), xml(one.case),
    one.ms / 1000)
  if one.pending then return head .. "><skipped/></testcase>" end
  if one.ok then return head .. "/>" end
  local lines = {}
  for i, why in ipairs(one.problems) do lines[i] = xml(why) end
  if one.hint then lines[#lines + 1] = xml(one.hint) end
  return ('%s>\n      <failure message="%s">%s</failure>\n    </testcase>'):format(head,
    lines[1] or "it failed", table.concat(lines, "\n"))
end

--- The document of --junit.
---@param results TestResult[]
---@return string
function M.junit(results)
  local _, failed = counts(results)
  local lines = { '<?xml version="1.0" encoding="UTF-8"?>',
                  ('<testsuites tests="%d" failures="%d">'):format(#results, failed) }
  for _, group in ipairs(groups(results)) do
    local _, bad = counts(group)
    lines[#lines + 1] = ('  <testsuite name="%s" file="%s" tests="%d" failures="%d">'):format(xml(group.name),
      xml(group.file), #group, bad)
    for _, one in ipairs(group) do lines[#lines + 1] = case_xml(one) end
    lines[#lines + 1] = "  </testsuite>"
  end
  lines[#lines + 1] = "</testsuites>"
  return table.concat(lines, "\n") .. "\n"
end

--- The lines of --tap.
---@param results TestResult[]
---@return string[]
function M.tap(results)
  local lines = { "TAP version 13", ("1..%d"):format(#results) }
  for i, one in ipairs(results) do
    local name = ("%s: %s"):format(one.test, one.case):gsub("#", "\\#"):gsub("%c", " ")
    lines[#lines + 1] = ("%s %d - %s%s"):format(one.ok and "ok" or "not ok", i, name, one.pending and " # SKIP" or "")
    if not one.ok then
      lines[#lines + 1] = "  ---"
      lines[#lines + 1] = "  message: " .. json.encode(one.problems[1] or "it failed")
      lines[#lines + 1] = "  problems: " .. json.encode(json.array(one.problems))
      if one.hint then lines[#lines + 1] = "  hint: " .. json.encode(one.hint) end
      lines[#lines + 1] = ("  at: %s"):format(json.encode(("%s:%s"):format(one.file, one.line or 1)))
      lines[#lines + 1] = "  ..."
    end
  end
  return lines
end

--- The document of --json.
---@param results TestResult[]
---@return table
function M.document(results)
  local passed, failed = counts(results)
  local cases = json.array {}
  for i, one in ipairs(results) do
    cases[i] = { test = one.test, file = one.file, line = one.line or json.null, melody = one.melody, case = one.case,
                 ok = one.ok, ms = one.ms, problems = json.array(one.problems), hint = one.hint or json.null }
  end
  return { passed = passed, failed = failed, cases = cases }
end

--- The lines for people.
---@param results TestResult[]
---@param style Style
---@return string[]
function M.lines(results, style)
  local lines = {}
  for _, group in ipairs(groups(results)) do
    lines[#lines + 1] = style:paint("bold", group.name)
    local rows = {}
    for i, one in ipairs(group) do
      local sign = one.pending and "skip" or one.ok and "ok" or "fail"
      rows[i] = { style:sign(sign), text.clean(one.case), text.duration(one.ms) }
    end
    local drawn = text.table(rows, { indent = "  ", right = { [3] = true } })
    for i, one in ipairs(group) do
      lines[#lines + 1] = drawn[i]
      for _, why in ipairs(one.problems) do lines[#lines + 1] = "      " .. text.clean(why) end
      if one.hint then lines[#lines + 1] = "      " .. text.clean(one.hint) end
    end
  end
  local passed, failed, pending = counts(results)
  lines[#lines + 1] = ("%d passed, %d failed%s"):format(passed, failed,
    pending > 0 and (", %d pending"):format(pending) or "")
  return lines
end

return M
