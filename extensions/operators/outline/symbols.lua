--- Names that a line of source defines. Pure, by the file's ending; a guess that is right for code as people
--- write it, and silent where it is not sure.

local M = {}

local C_WORDS = {["if"] = true, ["for"] = true, ["while"] = true, ["switch"] = true, ["return"] = true,
  ["sizeof"] = true,
                 ["else"] = true, ["do"] = true, ["case"] = true, ["defined"] = true, ["catch"] = true}

local C = {"^[%w_].-%f[%w_]([%a_][%w_]*)%s*%([^;]*$", "^([%a_][%w_]*)%s*%([^;]*$", "^%s*struct%s+([%a_][%w_]*)%s*{",
  "^%s*enum%s+([%a_][%w_]*)%s*{",
           "^%s*union%s+([%a_][%w_]*)%s*{", "^#%s*define%s+([%a_][%w_]*)", "^%s*class%s+([%a_][%w_]*)",
             "^}%s*([%a_][%w_]*)%s*;"}
local LUA = {"^%s*local%s+function%s+([%w_]+)", "^%s*function%s+([%w_%.:]+)", "^%s*([%w_%.]+)%s*=%s*function"}
local PYTHON = {"^%s*def%s+([%w_]+)", "^%s*async%s+def%s+([%w_]+)", "^%s*class%s+([%w_]+)"}
local JS = {"^%s*export%s+default%s+function%s+([%w_$]+)", "^%s*export%s+a?s?y?n?c?%s*function%s+([%w_$]+)",
  "^%s*a?s?y?n?c?%s*function%s+([%w_$]+)",
            "^%s*e?x?p?o?r?t?%s*d?e?f?a?u?l?t?%s*class%s+([%w_$]+)",
              "^%s*e?x?p?o?r?t?%s*const%s+([%w_$]+)%s*=%s*a?s?y?n?c?%s*%(?[%w_$,%s]*%)?%s*=>",
            "^%s*e?x?p?o?r?t?%s*interface%s+([%w_$]+)", "^%s*e?x?p?o?r?t?%s*type%s+([%w_$]+)%s*="}
local RUST = {"^%s*p?u?b?%S*%s*fn%s+([%w_]+)", "^%s*p?u?b?%s*struct%s+([%w_]+)", "^%s*p?u?b?%s*enum%s+([%w_]+)",
  "^%s*p?u?b?%s*trait%s+([%w_]+)"}
local GO = {"^func%s+%([^)]*%)%s*([%w_]+)", "^func%s+([%w_]+)", "^type%s+([%w_]+)"}
local JAVA = {"^%s*[%w_<>%[%],%s]*%f[%w]class%s+([%w_]+)", "^%s*[%w_<>%[%],%s]*%f[%w]interface%s+([%w_]+)",
              "^%s*p[urotecdivablic]+%s+[%w_<>%[%],%s]-([%w_]+)%s*%([^;]*$"}
local SHELL = {"^%s*function%s+([%w_%-]+)", "^([%w_%-]+)%s*%(%)"}
local RUBY = {"^%s*def%s+([%w_%.?!=]+)", "^%s*class%s+([%w_:]+)", "^%s*module%s+([%w_:]+)"}
local PHP = {"function%s+([%w_]+)", "^%s*class%s+([%w_]+)"}
local SQL = {"^%s*[Cc][Rr][Ee][Aa][Tt][Ee]%s+%a*%s*[Tt][Aa][Bb][Ll][Ee]%s+([%w_]+)"}
local MARKDOWN = {"^#+%s+(.-)%s*$"}

local BY_ENDING = {
  c = C, h = C, cc = C, cpp = C, cxx = C, hpp = C, lua = LUA, py = PYTHON, js = JS, mjs = JS, cjs = JS, jsx = JS,
    ts = JS, tsx = JS,
  rs = RUST, go = GO, java = JAVA, kt = JAVA, cs = JAVA, sh = SHELL, bash = SHELL, rb = RUBY, php = PHP, sql = SQL,
    md = MARKDOWN,
}

--- The name that a line defines, or nil.
---@param ending string
---@param line string
---@return string?
function M.defined(ending, line)
  for _, pattern in ipairs(BY_ENDING[ending] or {}) do
    local name = line:match(pattern)
    if name and not C_WORDS[name] and #name <= 80 then return name end
  end
end

--- The name in the text behind a hunk's second @@: the function that surrounds it.
---@param ending string
---@param text string
---@return string?
function M.around(ending, text)
  if text == "" then return nil end
  return M.defined(ending, text) or text:match "([%a_][%w_]*)%s*%(" or nil
end

return M
