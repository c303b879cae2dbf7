--- Looks at what a file that was read says of a run, as a whole: its list of contents, the run's row, the melody, the
--- extensions.
local check = require "kit.import_check"
local definition_of = require "melody.definition"
local hash = require "sy.hash"
local json = require "sy.json"

local M = {}

local function is_object(value)
  return type(value) == "table" and not json.is_array(value)
end

--- Each entry is listed with its size and hash, and nothing else is.
local function compare_sums(self)
  local files = is_object(self.given_sums) and self.given_sums.files
  if type(files) ~= "table" then return check.refuse "its list of contents is missing" end
  local listed = { ["sums.json"] = true }
  for _, one in ipairs(files) do
    local seen = is_object(one) and self.sums[one.name]
    if not seen then return check.refuse(("`%s` is missing"):format(is_object(one) and tostring(one.name) or "?")) end
    if seen.size ~= one.size or seen.hash ~= one.hash then return check.refuse(one.name .. " is not what it was") end
    listed[one.name] = true
  end
  for name in pairs(self.sums) do
    if not listed[name] then return check.refuse(name .. " is not in its list of contents") end
  end
  return true
end

local STATUS = { pending = true, running = true, waiting = true, paused = true, completed = true, failed = true,
  cancelled = true }
local LEVELS = { full = true, process = true, none = true }

local RUN = { "id", "number", "status", "durability", "options", "params", "task_dag", "created_at", "root_task_id" }

local function check_run(self)
  local ok, why = self.check.run(self.run, "run.json")
  if not ok then return nil, why end
  for _, name in ipairs(RUN) do
    if self.run[name] == nil or self.run[name] == json.null then return check.refuse("run.json has no " .. name) end
  end
  if not STATUS[self.run.status] or not LEVELS[self.run.durability] then
    return check.refuse "the run has a status that there is not"
  end
  if not is_object(json.decode(self.run.options)) then return check.refuse "the run's options are no object" end
  local named = self.manifest.run
  if named.run ~= self.run.id or named.number ~= self.run.number or type(named.melody) ~= "string"
    or #named.melody > 200 or named.melody:find "%c" then
    return check.refuse "its first page does not fit the run"
  end
  return true
end

--- The definition, in the form that runs, and its hash.
local function check_melody(self)
  local text
  if self.melody ~= nil then
    local melody = self.melody
    text = is_object(melody) and melody.definition
    if type(text) ~= "string" or not check.is_name(melody.name) or melody.id ~= self.run.melody_id
      or melody.hash ~= self.run.melody_hash or "sha256:" .. hash.sha256(text) ~= melody.hash then
      return check.refuse "the melody is not the one the run pinned"
    end
  elseif self.run.melody_id ~= nil and self.run.melody_id ~= json.null then
    return check.refuse "the melody is missing"
  else
    local dag = json.decode(self.run.task_dag)
    text = is_object(dag) and dag.definition and json.encode(dag.definition) or "null"
  end
  local definition, problems = definition_of.decode(text)
  if not definition then return check.refuse("the melody: " .. problems[1].message) end
  self.definition = definition
  return true
end

local TYPES = { operator = true, instrument = true, motif = true }
local SOURCES = { bundled = true, user = true, project = true, store = true, dev = true }

local function check_extensions(self)
  if not json.is_array(self.extensions) then return check.refuse "its list of extensions is missing" end
  for _, one in ipairs(self.extensions) do
    local fine = is_object(one) and check.is_name(one.name) and check.is_id(one.id) and check.is_id(one.version_id)
      and TYPES[one.type] and SOURCES[one.source] and type(one.version) == "string" and #one.version <= 64
      and not one.version:find "%c" and (check.is_hash(one.code_hash) or one.code_hash == "builtin")
      and type(one.manifest) == "string" and is_object(json.decode(one.manifest)) and json.is_array(one.files)
    if not fine then return check.refuse "an extension is not described as it should be" end
  end
  return true
end

--- Whether all of it fits together; sets `definition`.
---@param parcel Parcel
---@return boolean?, Problem?
function M.all(parcel)
  if not is_object(parcel.run) then return check.refuse "the run's row is missing" end
  for _, fits in ipairs { compare_sums, check_run, check_melody, check_extensions } do
    local ok, why = fits(parcel)
    if not ok then return nil, why end
  end
  return true
end

return M
