--- What linters print, as findings {line, column?, severity, rule?, message}. Pure.

local M = {}

local SEVERITIES = {
  error = "error", fatal = "error", warning = "warning", note = "note", info = "note", style = "note",
    information = "note",
  performance = "warning", portability = "warning",
}

local function integer(text)
  return text and math.tointeger(tonumber(text)) or nil
end

local function severity(word)
  return SEVERITIES[(word or ""):lower()] or "warning"
end

--- Lines as gcc prints them: path:line:column: severity: message [rule]. clang-tidy, shellcheck -f gcc.
---@param text string
---@return table[]
function M.gcc(text)
  local list = {}
  for row in text:gmatch "[^\n]+" do
    local line, column, word, message = row:match "^.-:(%d+):(%d+): (%a+): (.*)$"
    if not line then
      column, line, word, message = nil, row:match "^.-:(%d+): (%a+): (.*)$"
    end
    if line and SEVERITIES[word:lower()] then
      local said, rule = message:match "^(.-) %[([^%]]+)%]$"
      list[#list + 1] = {
        line = integer(line), column = integer(column), severity = severity(word), rule = rule, message = said
          or message,
      }
    end
  end
  return list
end

--- cppcheck --template='{line}\t{column}\t{severity}\t{id}\t{message}'
---@param text string
---@return table[]
function M.cppcheck(text)
  local list = {}
  for row in text:gmatch "[^\n]+" do
    local line, column, word, rule, message = row:match "^(%d+)\t(%d*)\t(%a+)\t(%S+)\t(.*)$"
    if line then
      list[#list + 1] = {
        line = integer(line), column = integer(column), severity = severity(word), rule = rule, message = message,
      }
    end
  end
  return list
end

--- luacheck --formatter plain --codes: path:line:column: (W211) message
---@param text string
---@return table[]
function M.luacheck(text)
  local list = {}
  for row in text:gmatch "[^\n]+" do
    local line, column, rule, message = row:match ":(%d+):(%d+): %((%a%d+)%) (.*)$"
    if line then
      list[#list + 1] = {
        line = integer(line), column = integer(column), rule = rule, message = message,
        severity = rule:sub(1, 1) == "E" and "error" or "warning",
      }
    end
  end
  return list
end

--- path:line:column: message, or path:line: message. pyflakes, gofmt, luac.
---@param text string
---@param word string its severity
---@return table[]
function M.plain(text, word)
  local list = {}
  for row in text:gmatch "[^\n]+" do
    local line, column, message = row:match "^.-:(%d+):(%d+):? (.*)$"
    if not line then
      column, line, message = nil, row:match "^.-:(%d+):? (.*)$"
    end
    if line then list[#list + 1] = {line = integer(line), column = integer(column), severity = word,
      message = message} end
  end
  return list
end

--- yamllint -f parsable: path:line:column: [level] message (rule)
---@param text string
---@return table[]
function M.yamllint(text)
  local list = {}
  for row in text:gmatch "[^\n]+" do
    local line, column, word, message = row:match ":(%d+):(%d+): %[(%a+)%] (.*)$"
    if line then
      local said, rule = message:match "^(.-) %(([%w%-]+)%)$"
      list[#list + 1] = {
        line = integer(line), column = integer(column), severity = severity(word), rule = rule, message = said
          or message,
      }
    end
  end
  return list
end

--- "… on line 12" (php -l), "path:12: syntax error" (ruby -c), "12:message" (our own Python)
---@param text string
---@return table[]
function M.syntax(text)
  local list = {}
  for row in text:gmatch "[^\n]+" do
    local message, line = row:match "^(.*%S) in .- on line (%d+)$"
    if not line then line, message = row:match "^(%d+):(.*)$" end
    if not line then line, message = row:match "^.-:(%d+): (.*[Ee]rror.*)$" end
    if line then list[#list + 1] = {line = integer(line), severity = "error", message = message} end
  end
  return list
end

--- node --check: the place in the first line, the error in the line that names it.
---@param text string
---@return table[]
function M.node(text)
  local line = text:match "^[^\n]-:(%d+)\n"
  local message = text:match "\n(%a*Error: [^\n]*)"
  if not line or not message then return {} end
  return {{line = integer(line), severity = "error", message = message}}
end

--- ruff check --output-format json, decoded.
---@param rows table[]
---@return table[]
function M.ruff(rows)
  local list = {}
  for _, row in ipairs(rows) do
    local place = row.location or {}
    list[#list + 1] = {
      line = integer(place.row) or 1, column = integer(place.column), severity = row.code and "warning" or "error",
      rule = type(row.code) == "string" and row.code or nil, message = tostring(row.message),
    }
  end
  return list
end

--- eslint --format json, decoded.
---@param files table[]
---@return table[]
function M.eslint(files)
  local list = {}
  for _, file in ipairs(files) do
    for _, row in ipairs(file.messages or {}) do
      list[#list + 1] = {
        line = integer(row.line) or 1, column = integer(row.column), severity = row.severity == 2 and "error"
          or "warning",
        rule = type(row.ruleId) == "string" and row.ruleId or nil, message = tostring(row.message),
      }
    end
  end
  return list
end

return M
