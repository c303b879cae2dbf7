--- Marks in one text. Pure. Secrets are found by the shapes that issuers gave their tokens, and by names that
--- say secret with a value that looks random; a found secret's text never leaves this file.

local M = {}

local MAX_LINE_BYTES = 2000 -- minified code has no marks
local MAX_TEXT_BYTES = 100

--- Plain words that make a token an example.
local PLACEHOLDERS = {
  "example", "changeme", "change_me", "placeholder", "dummy", "your", "xxxx", "fake", "sample", "redacted", "insert",
  "notreal", "not_real", "todo", "foobar", "abcdef", "123456789", "secret_here", "password", "deadbeef",
}

--- Token shapes: what it is, the pattern, and the least number of different characters.
local TOKENS = {
  {"AWS key", "%f[%w]A[KS]IA[A-Z2-7]" .. ("[A-Z2-7]"):rep(15) .. "%f[^%w]"},
  {"GitHub token", "%f[%w]gh[pousr]_" .. ("%w"):rep(36) .. "%f[^%w]"},
  {"GitHub token", "%f[%w]github_pat_[%w_]" .. ("[%w_]"):rep(50)},
  {"GitLab token", "%f[%w]glpat%-[%w_%-]" .. ("[%w_%-]"):rep(19)},
  {"Slack token", "%f[%w]xox[abprs]%-%d%d%d%d%d+%-[%w%-]+"},
  {"Slack webhook", "hooks%.slack%.com/services/T%w+/B%w+/%w+"},
  {"Stripe key", "%f[%w][sr]k_live_%w" .. ("%w"):rep(19)},
  {"Google API key", "%f[%w]AIza[%w_%-]" .. ("[%w_%-]"):rep(34)},
  {"npm token", "%f[%w]npm_" .. ("%w"):rep(36) .. "%f[^%w]"},
  {"Anthropic key", "%f[%w]sk%-ant%-[%w_%-]" .. ("[%w_%-]"):rep(39)},
  {"OpenAI key", "%f[%w]sk%-proj%-[%w_%-]" .. ("[%w_%-]"):rep(39)},
  {"SendGrid key", "%f[%w]SG%.[%w_%-]" .. ("[%w_%-]"):rep(20) .. "[%w_%-]*%.[%w_%-]" .. ("[%w_%-]"):rep(40)},
}

--- Words in a name that make its value a secret.
local SECRET_NAMES = {
  "secret", "token", "passwd", "password", "api_key", "apikey", "api%-key", "access_key", "auth_key", "private_key",
    "credential",
}

--- Characters of entropy a random value has at least, in bits for each.
local LEAST_ENTROPY = 3.5
local LEAST_SECRET_BYTES = 16

--- Debug leftovers: pattern, what it is, and the file endings it belongs to.
local DEBUG = {
  {"%f[%w_]debugger%s*;", "debugger statement", "js jsx mjs cjs ts tsx vue"},
  {"%f[%w_]console%.log%s*%(", "console.log", "js jsx mjs cjs ts tsx vue"},
  {"%f[%w_]%a+%.only%s*%(%s*['\"`]", "a test marked only", "js jsx mjs cjs ts tsx"},
  {"%f[%w_]breakpoint%s*%(%s*%)", "breakpoint()", "py"},
  {"%f[%w_]i?pdb%.set_trace%s*%(", "pdb.set_trace()", "py"},
  {"^%s*import%s+i?pdb%f[%W]", "import pdb", "py"},
  {"%f[%w_]binding%.pry%f[%W]", "binding.pry", "rb"},
  {"^%s*byebug%s*$", "byebug", "rb"},
  {"%f[%w_]dbg!%s*%(", "dbg!", "rs"},
  {"%f[%w_]var_dump%s*%(", "var_dump", "php"},
  {"%f[%w_]print_r%s*%(", "print_r", "php"},
  {"%f[%w_]spew%.Dump%s*%(", "spew.Dump", "go"},
  {"printf?l?n?%s*%([^\"']*[\"']DEBUG", "a DEBUG print", "c h cc cpp cxx hpp go java kt rs py lua pl"},
  {"%f[%w_]__asm__?%s*%(%s*\"int3?%s*%$?3?\"", "a breakpoint instruction", "c cc cpp"},
}

local CONFLICTS = {"^<<<<<<< %S", "^>>>>>>> %S", "^||||||| %S"}

---@param text string
---@return number bits for each character
function M.entropy(text)
  local counts, bits = {}, 0
  for i = 1, #text do
    local byte = text:byte(i)
    counts[byte] = (counts[byte] or 0) + 1
  end
  for _, count in pairs(counts) do
    local p = count / #text
    bits = bits - p * math.log(p, 2)
  end
  return bits
end

local function is_placeholder(text)
  local lower = text:lower()
  for _, word in ipairs(PLACEHOLDERS) do
    if lower:find(word, 1, true) then return true end
  end
  return lower:find "(.)%1%1%1%1" ~= nil
end

local function looks_random(value)
  return #value >= LEAST_SECRET_BYTES and #value <= 200 and value:find "%d" and value:find "%a"
    and not value:find "[^%w+/=_%-%.~]" and not value:find "^https?" and not value:find "%.%a+$"
    and not is_placeholder(value) and M.entropy(value) >= LEAST_ENTROPY
end

local function names_secret(name)
  name = name:lower()
  for _, word in ipairs(SECRET_NAMES) do
    if name:find(word) then return true end
  end
  return false
end

--- name = "value", name: 'value', "name": "value", NAME=value (at the start of a line, as in .env)
local function assigned_secret(line)
  for name, quote, from, value in line:gmatch "([%w_%-%.]+)[\"']?%s*[:=]+>?%s*([\"'])()([^\"']+)%f[\"']" do
    if names_secret(name) and looks_random(value) then return from, from + #value - 1, "value of " .. name, quote end
  end
  local name, from, value = line:match "^%s*e?x?p?o?r?t?%s*([%u%d_]+)=()(%S+)%s*$"
  if name and names_secret(name) and looks_random(value) then return from, from + #value - 1, "value of " .. name end
end

local function password_in_url(line)
  local from, password, stop = line:match "%a[%w+.-]*://[%w._~%-]+:()([^%s/@:\"'<>${}]+)()@[%w.]"
  if not from or #password < 8 or is_placeholder(password) or not password:find "%d" then return end
  return from, stop - 1, "password in a URL"
end

--- The first secret of a line: from, to, what; nothing when there is none.
---@param line string
---@return integer?, integer?, string?
function M.secret(line)
  for _, token in ipairs(TOKENS) do
    local from, to = line:find(token[2])
    if from and not is_placeholder(line:sub(from, to)) then return from, to, token[1] end
  end
  local from, to = line:find "%-%-%-%-%-BEGIN [%u ]*PRIVATE KEY[%u ]*%-%-%-%-%-"
  if from then return from, to, "private key" end
  local what
  from, to, what = password_in_url(line)
  if from then return from, to, what end
  from, to, what = assigned_secret(line)
  return from, to, what
end

local function trimmed(text, max)
  text = text:gsub("^%s+", ""):gsub("%s+$", "")
  if #text <= max then return text end
  local cut = max
  while cut > 1 and (text:byte(cut + 1) or 0) & 0xC0 == 0x80 do cut = cut - 1 end
  return text:sub(1, cut) .. "…"
end

--- The line with every secret in it replaced.
---@param line string
---@return string
function M.masked(line)
  for _ = 1, 20 do
    local from, to = M.secret(line)
    if not from then break end
    line = line:sub(1, from - 1) .. "•••" .. line:sub(to + 1)
  end
  return line
end

--- "TODO(ann): handle EINTR */" → "TODO handle EINTR"
local function todo(line)
  for _, word in ipairs {"TODO", "FIXME", "XXX", "HACK"} do
    local from, to = line:find("%f[%w_]" .. word .. "%f[^%w_]")
    if from and not line:sub(from - 1, from - 1):find "[\"'`]" and not line:sub(to + 1, to + 1):find "[\"'`]" then
      local rest = line:sub(to + 1):gsub("^%s*%b()", ""):gsub("^[%s:%-]+", ""):gsub("%s*[%*#%-]*[/>]*%s*$", "")
      return from, word .. (rest ~= "" and " " .. trimmed(rest, MAX_TEXT_BYTES) or "")
    end
  end
end

local function debug_leftover(line, ending)
  for _, rule in ipairs(DEBUG) do
    if (" " .. rule[3] .. " "):find(" " .. ending .. " ", 1, true) then
      local from = line:find(rule[1])
      local comment = from and line:sub(1, from - 1):find "^%s*[/#%-*]"
      if from and not comment then return from, "debug leftover: " .. rule[2] end
    end
  end
end

local function conflict(line)
  for _, pattern in ipairs(CONFLICTS) do
    if line:find(pattern) then return 1, "merge conflict marker" end
  end
end

--- What is on one line, the gravest first: column, kind, text.
---@param line string
---@param ending string of the file's name
---@return integer?, string?, string?
function M.line(line, ending)
  local column, _, what = M.secret(line)
  if column then return column, "secret", "likely secret: " .. what end
  local text
  column, text = conflict(line)
  if column then return column, "conflict", text end
  column, text = debug_leftover(line, ending)
  if column then return column, "debug", text end
  column, text = todo(line)
  if column then return column, "todo", M.masked(text) end
end

--- The marks of a file, appended to `list`; false when `max` is reached.
---@param path string
---@param content string
---@param ranges integer[][]? lines to look at; nil: all
---@param list table[]
---@param max integer
---@return boolean
function M.scan(path, content, ranges, list, max)
  local number, at = 0, 1
  local ending = path:lower():match "%.(%w+)$" or ""
  for line in content:gmatch "([^\n]*)\n?" do
    number = number + 1
    while ranges and ranges[at] and ranges[at][2] < number do at = at + 1 end
    if ranges and not ranges[at] then return true end
    if #line <= MAX_LINE_BYTES and (not ranges or ranges[at][1] <= number) then
      local column, kind, text = M.line(line, ending)
      if column then
        if #list >= max then return false end
        list[#list + 1] = {
          path = path, line = number, column = column, kind = kind, message = text, excerpt = trimmed(M.masked(line),
            160),
        }
      end
    end
  end
  return true
end

local NAMES = {{"secret", "likely secret"}, {"conflict", "merge conflict"}, {"debug", "debug leftover"}, {"todo",
  "TODO"}}

--- "3 TODO, 1 likely secret"
---@param marks table[]
---@return string text, table<string, integer> counts
function M.summary(marks)
  local counts, parts = {}, {}
  for _, mark in ipairs(marks) do counts[mark.kind] = (counts[mark.kind] or 0) + 1 end
  for _, name in ipairs(NAMES) do
    local n = counts[name[1]]
    if n then parts[#parts + 1] = ("%d %s%s"):format(n, name[2], n > 1 and name[1] ~= "todo" and "s" or "") end
  end
  return #parts > 0 and table.concat(parts, ", ") or "nothing found", counts
end

return M
