--- The words after `symphony`, read against what a command declares.
---
--- An option is declared as {name, short?, argument?, repeated?, doc, default?}; without `argument` it is a flag.
--- Options stand anywhere; `--name value`, `--name=value`, `-n value`; `--` ends them.
local problem = require "kit.problem"
local suggest = require "kit.suggest"

local M = {}

--- Accepted by every command.
M.GLOBAL = {
  { name = "project", argument = "DIR", doc = "the project's folder; searched upwards when left out" },
  { name = "json", doc = "one JSON document on stdout and nothing else" },
  { name = "quiet", doc = "no progress, no summary; errors only" },
  { name = "color", argument = "WHEN", choices = { "auto", "always", "never" }, doc = "auto, always or never" },
  { name = "help", short = "h", doc = "what the command does, with an example" },
}

local function index(options, into)
  for _, option in ipairs(options or {}) do
    into["--" .. option.name] = option
    if option.short then into["-" .. option.short] = option end
  end
  return into
end

local function spelled(option)
  return "--" .. option.name
end

local function unknown(word, known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  return problem.fail("usage", ("there is no option `%s` here"):format(word), { hint = suggest.hint(word, names) })
end

local function choose(option, value)
  if not option.choices then return value end
  for _, choice in ipairs(option.choices) do
    if choice == value then return value end
  end
  return problem.fail("usage", ("%s is one of %s, not `%s`"):format(spelled(option),
    table.concat(option.choices, ", "), value),
    { hint = suggest.hint(value, option.choices) })
end

local function store(found, option, value)
  if option.repeated then
    local list = found[option.name] or {}
    list[#list + 1] = value
    found[option.name] = list
    return true
  end
  if found[option.name] ~= nil and found[option.name] ~= value then
    return problem.fail("usage", spelled(option) .. " is given twice, with different values")
  end
  found[option.name] = value
  return true
end

--- Reads one option at words[at]. Gives the index of its last word.
local function take(found, known, words, at)
  local word, attached = words[at], nil
  local option = known[word]
  if not option then
    local name, value = word:match("^(%-%-[^=]+)=(.*)$")
    option, attached = known[name or word], value
    if not option then return unknown(name or word, known) end
  end
  if not option.argument then
    if attached then return problem.fail("usage", spelled(option) .. " takes no value") end
    local ok, why = store(found, option, true)
    if not ok then return nil, why end
    return at
  end
  local value = attached
  if value == nil then
    at = at + 1
    value = words[at]
  end
  if value == nil then return problem.fail("usage", ("%s needs a value: %s %s"):format(word, word, option.argument)) end
  local chosen, bad = choose(option, value)
  if chosen == nil then return nil, bad end
  local ok, why = store(found, option, chosen)
  if not ok then return nil, why end
  return at
end

local function is_option(word)
  return word:sub(1, 1) == "-" and #word > 1 and not word:match("^%-%d")
end

--- Splits words into positional ones and options.
---@param words string[]
---@param declared? table[] options of the command; those of every command are added
---@return table? args array of positional words, with `options`
---@return Problem?
function M.parse(words, declared)
  local known = index(M.GLOBAL, index(declared, {}))
  local args, found, at = {}, {}, 1
  while at <= #words do
    local word = words[at]
    if word == "--" then
      table.move(words, at + 1, #words, #args + 1, args)
      break
    elseif is_option(word) then
      local last, why = take(found, known, words, at)
      if not last then return nil, why end
      at = last
    else
      args[#args + 1] = word
    end
    at = at + 1
  end
  args.options = found
  for _, option in ipairs(declared or {}) do
    if found[option.name] == nil then found[option.name] = option.default end
  end
  return args
end

--- The index of the first word that is no option of every command: the command's name.
---@param words string[]
---@return integer?
function M.command_at(words)
  local known = index(M.GLOBAL, {})
  local at = 1
  while at <= #words do
    local word = words[at]
    if word == "--" then return words[at + 1] and at + 1 or nil end
    if not is_option(word) then return at end
    local option = known[word]
    if option and option.argument then at = at + 1 end
    at = at + 1
  end
  return nil
end

--- Whether --json stands among the words before `--`, whatever else is wrong with them.
---@param words string[]
---@return boolean
function M.wants_json(words)
  for _, word in ipairs(words) do
    if word == "--" then return false end
    if word == "--json" then return true end
  end
  return false
end

--- The name of a positional word in a usage line, such as FILE in "artifact export ARTIFACT FILE".
local function placeholder(usage, position)
  local at = 0
  for word in usage:gmatch("%S+") do
    if word:match("^%u") then at = at + 1 end
    if at == position then return word end
  end
  return "something"
end

--- Refuses too few or too many positional words.
---@param args table
---@param least integer
---@param most integer
---@param usage string
---@return boolean?, Problem?
function M.count(args, least, most, usage)
  if #args < least then
    return problem.fail("usage", placeholder(usage, #args + 1) .. " is missing", { hint = "symphony " .. usage })
  end
  if #args > most then
    return problem.fail("usage", ("`%s` is one word too many"):format(args[most + 1]), { hint = "symphony " .. usage })
  end
  return true
end

return M
