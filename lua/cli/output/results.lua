--- What a run gave, for people: findings as places, texts, and artifacts put into .symphony/out/NUMBER/.
local board = require "cli.output.board"
local hash = require "sy.hash"
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local text = require "cli.output.text"

local M = {}

local MAX_PLACES = 20
local MAX_TEXT_LINES = 40

local EXTENSIONS = { markdown = "md", html = "html", json = "json", text = "txt", csv = "csv", svg = "svg",
  patch = "patch" }

local function is_artifact(value)
  return type(value) == "table" and type(value["$artifact"]) == "string"
end

local function sorted(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

--- A file name without folders, from what an artifact says of itself or from where it stands in the outputs.
---@param reference table
---@param output string the output's name
---@param field? string
---@return string
function M.file_name(reference, output, field)
  local metadata = type(reference.metadata) == "table" and reference.metadata or {}
  local named = metadata.filename or metadata.name or reference.name
  if type(named) == "string" and named:match("^[%w_][%w_.%-]*$") then return named end
  local extension = EXTENSIONS[field or ""] or EXTENSIONS[reference.type or ""]
  if field and extension then return ("%s.%s"):format(output, extension) end
  return output .. (field and "-" .. field or "") .. (extension and "." .. extension or "")
end

--- Artifacts among the outputs: {reference, name}.
---@param outputs table<string, any>
---@return { reference: table, name: string, output: string, field: string? }[]
function M.artifacts(outputs)
  local list = {}
  local function take(reference, output, field)
    list[#list + 1] = { reference = reference, output = output, field = field,
      name = M.file_name(reference, output, field) }
  end
  for _, output in ipairs(sorted(outputs)) do
    local value = outputs[output]
    if is_artifact(value) then
      take(value, output)
    elseif type(value) == "table" then
      for _, field in ipairs(sorted(value)) do
        if is_artifact(value[field]) then take(value[field], output, field) end
      end
    end
  end
  return list
end

--- Writes the artifacts among the outputs beside each other.
---@param host table
---@param place Place
---@param number integer
---@param outputs table<string, any>
---@return table[]? written {name, path, output, field}
---@return Problem?
function M.export(host, place, number, outputs)
  local list, dir = M.artifacts(outputs), paths.join(place.state_dir, "out", tostring(number))
  if #list == 0 then return {} end
  local ok, message, code = paths.make(dir, tonumber("700", 8))
  if not ok then return problem.fail(code, message) end
  for _, entry in ipairs(list) do
    local bytes, failure, why = host:artifact_get(entry.reference["$artifact"])
    if not bytes then return nil, problem.from(failure, why) end
    ok, message, code = paths.write(paths.join(dir, entry.name), bytes)
    if not ok then return problem.fail(code, message) end
    entry.path = paths.join(".symphony/out", tostring(number), entry.name)
  end
  return list
end

--- A text; one that is not UTF-8 is {"$bytes": base64} in JSON.
local function bytes_of(value)
  local coded = type(value) == "table" and value["$bytes"]
  return type(coded) == "string" and hash.unbase64(coded) or value
end

local function place_line(item)
  local path = type(item) == "table" and bytes_of(item.path)
  if type(path) ~= "string" then return nil end
  local said = bytes_of(item.message or item.text)
  if item.kind and not item.message and type(said) == "string" then said = ("%s: %s"):format(item.kind, said) end
  if type(said) ~= "string" then return nil end
  local where = path .. (math.type(item.line) and (":%d"):format(math.tointeger(item.line) or 0) or "")
  return { text.clean(where), text.clean(said) }
end

local function add_places(lines, list, style)
  local rows = {}
  for i, item in ipairs(list) do
    if i > MAX_PLACES then break end
    rows[i] = place_line(item)
  end
  for _, line in ipairs(text.table(rows)) do
    lines[#lines + 1] = text.cut(line, style.columns, style:letter "ellipsis")
  end
  if #list > MAX_PLACES then lines[#lines + 1] = ("and %d more"):format(#list - MAX_PLACES) end
end

local function add_text(lines, name, value, style)
  local all, count = {}, 0
  for line in (value:gsub("\n$", "") .. "\n"):gmatch("(.-)\n") do
    count = count + 1
    if count <= MAX_TEXT_LINES then all[#all + 1] = text.clean(line) end
  end
  if count == 1 then
    lines[#lines + 1] = ("%s  %s"):format(name,
      text.cut(all[1], math.max(20, style.columns - #name - 2), style:letter "ellipsis"))
    return
  end
  lines[#lines + 1] = name
  for _, line in ipairs(all) do lines[#lines + 1] = "  " .. line end
  if count > MAX_TEXT_LINES then lines[#lines + 1] = ("  and %d more lines"):format(count - MAX_TEXT_LINES) end
end

--- A list of {path, line, message}, or of things that each have such `findings`, as one list; nil: it is neither.
local function places_of(value)
  if type(value) ~= "table" or #value == 0 then return nil end
  local list, any = {}, false
  for _, item in ipairs(value) do
    local nested = type(item) == "table" and item.findings
    any = any or type(nested) == "table" or place_line(item) ~= nil
    for _, one in ipairs(type(nested) == "table" and nested or { item }) do
      if place_line(one) then list[#list + 1] = one end
    end
  end
  return any and list or nil
end

local function has_artifact(value)
  if is_artifact(value) then return true end
  for _, item in pairs(type(value) == "table" and value or {}) do
    if is_artifact(item) then return true end
  end
  return false
end

local function add_output(lines, name, value, style)
  if value == json.null or has_artifact(value) then return end
  local places = places_of(value)
  if places then
    add_places(lines, places, style)
  elseif type(value) == "string" then
    if value ~= "" then add_text(lines, name, value, style) end
  elseif type(value) == "table" and type(value.text) == "string" then
    add_text(lines, name, value.text, style)
  elseif type(value) ~= "table" or next(value) ~= nil then
    add_text(lines, name, json.encode(value), style)
  end
end

--- The outputs as lines.
---@param outputs table<string, any>
---@param style Style
---@return string[]
function M.lines(outputs, style)
  local lines = {}
  for _, name in ipairs(sorted(outputs)) do add_output(lines, name, outputs[name], style) end
  if style.utf8 then return lines end
  for i, line in ipairs(lines) do lines[i] = board.ascii(line) end
  return lines
end

--- The line that says where the report lies and what to type next.
---@param written table[]
---@param number integer
---@param style Style
---@return string
function M.footer(written, number, style)
  local best
  for _, entry in ipairs(written) do
    if not best or entry.name:match("%.html$") then best = entry end
  end
  local next_command = "symphony show " .. number
  if not best then return next_command end
  local title = best.output:sub(1, 1):upper() .. best.output:sub(2)
  return ("%s  %s   %s   %s"):format(title, best.path, style:letter "dot", next_command)
end

return M
