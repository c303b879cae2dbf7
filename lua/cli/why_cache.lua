--- Why a task ran although a result might have been used again: what differs from which earlier run; or why its
--- operation is not cached at all.
local json = require "sy.json"
local null = require "kit.null"

local decoded = null.object

local M = {}

local MOST_FIELDS = 20
local PART_WORDS = { operation = "the operation", program = "Symphony" }

local EARLIER = [[
SELECT t.execution_context, t.extension_version_id, p.number FROM pipeline_orchestration p
JOIN task t ON t.pipeline_orchestration_id = p.id AND t.key = ?3
WHERE p.melody_id IS ?1 AND p.number < ?2 AND t.execution_context ->> '$.cache.key' IS NOT NULL
ORDER BY p.number DESC LIMIT 1]]

local VERSION = [[
SELECT e.name, v.version, v.manifest, e.capabilities FROM extension_version v JOIN extension e ON e.id = v.extension_id
WHERE v.id = ?1]]

local function sorted_keys(...)
  local seen, keys = {}, {}
  for _, map in ipairs { ... } do
    for key in pairs(map) do
      if not seen[key] then keys[#keys + 1] = key end
      seen[key] = true
    end
  end
  table.sort(keys)
  return keys
end

local function reason(kind, text, run, fields)
  local out = { kind = kind, text = text, run = run or json.null }
  for name, value in pairs(fields or {}) do out[name] = value end
  return out
end

-- ---- what differs between two keys ----

local function version_of(host, id)
  return host:query(VERSION, { id })[1] or {}
end

local function code_change(host, before, now, run)
  local old, new = version_of(host, before.version), version_of(host, now.version)
  if old.version and new.version and old.version ~= new.version then
    return reason("code", ("the code of %s changed"):format(new.name), run,
      { part = "code", was = old.version, is = new.version })
  end
  return reason("code", ("the code of %s changed"):format(new.name or "the extension"), run, { part = "code" })
end

local function field_change(name, was, is, run)
  local part, old, new = "input." .. name, was and was.text, is and is.text
  local how = not was and "was added" or not is and "was removed" or "changed"
  return reason("input", ("%s %s"):format(part, how), run,
    { part = part, was = old or json.null, is = new or json.null })
end

local function input_changes(was, is, run, list)
  if was.hash == is.hash then return end
  local before, now = was.fields or {}, is.fields or {}
  local count = #list
  for _, name in ipairs(sorted_keys(before, now)) do
    local a, b = before[name], now[name]
    if (a and a.hash) ~= (b and b.hash) and #list - count < MOST_FIELDS then
      list[#list + 1] = field_change(name, a, b, run)
    end
  end
  if #list == count then list[#list + 1] = reason("input", "the input changed", run, { part = "input" }) end
end

local function env_changes(was, is, run, list)
  for _, name in ipairs(sorted_keys(was, is)) do
    if was[name] ~= is[name] then
      local how = not was[name] and "was set" or not is[name] and "was unset" or "changed"
      list[#list + 1] = reason("env", ("the environment variable %s %s"):format(name, how), run,
        { part = "env." .. name })
    end
  end
end

--- What differs between the parts of two keys.
local function part_changes(host, before, now, run)
  local list, was, is = {}, before.parts, now.parts
  if was.code ~= is.code then list[#list + 1] = code_change(host, before, now, run) end
  for _, part in ipairs { "operation", "program" } do
    if was[part] ~= is[part] then
      list[#list + 1] = reason(part, PART_WORDS[part] .. " changed", run,
        { part = part, was = was[part], is = is[part] })
    end
  end
  if was.trusted ~= is.trusted then
    list[#list + 1] = reason("trusted", is.trusted and "the project is trusted now" or
      "the project is not trusted any more", run, { part = "trusted" })
  end
  env_changes(was.env or {}, is.env or {}, run, list)
  input_changes(was.input or {}, is.input or {}, run, list)
  return list
end

local function parts_of(host, key)
  local row = host:query("SELECT parts FROM cache_key WHERE key = ?1", { key })[1]
  return row and decoded(row.parts)
end

-- ---- a look-up that found nothing ----

local function without_result(earlier, cache, spec)
  if cache.none_since then
    local ttl = spec.options and spec.options.cache
    local ms = type(ttl) == "table" and ttl.ttl_ms or 0
    return reason("expired", ("there is no result younger than %d s"):format(ms // 1000), earlier.number)
  end
  local past = decoded(earlier.execution_context).cache
  if past.not_kept then
    return reason("not_kept", ("its result was not kept then: %s"):format(past.not_kept), earlier.number)
  end
  if past.verdict == "miss" and not past.kept then
    return reason("not_kept", "it gave no result then", earlier.number)
  end
  return reason("gone", "its result left the cache", earlier.number)
end

local function against_earlier(host, run, row, cache, spec)
  local earlier = host:query(EARLIER, { run.melody_id, run.number, row.key })[1]
  if not earlier then
    return { reason("first", "no earlier run has this task with its results kept") }
  end
  local past = decoded(earlier.execution_context).cache
  if past.key == cache.key then return { without_result(earlier, cache, spec) } end
  local was, is = parts_of(host, past.key), parts_of(host, cache.key)
  if not was or not is then
    return { reason("gone", "what it depended on is not kept any more", earlier.number) }
  end
  return part_changes(host, { parts = was, version = earlier.extension_version_id },
    { parts = is, version = row.extension_version_id }, earlier.number)
end

--- The last run that still had the result it was compared with: who made it, or used it later.
local function last_user(host, run, row, cache)
  local earlier = host:query(EARLIER, { run.melody_id, run.number, row.key })[1]
  local past, against = earlier and decoded(earlier.execution_context).cache or {}, cache.against or {}
  local used = past.key == cache.key and past.from and past.from.run == against.run
  return used and earlier.number or against.number
end

local function read_changes(host, run, row, cache)
  local list, from = {}, last_user(host, run, row, cache)
  for i, one in ipairs(cache.changed) do
    list[i] = reason(one.kind, ("%s %s %s"):format(one.kind, one.path, one.how), from,
      { part = "reads", path = one.path })
  end
  return list
end

--- Why a task whose operation is cached ran, or what it was given.
---@param host table
---@param run table
---@param row table of task
---@param cache table what the engine noted in its execution_context
---@param spec table the task of the definition
---@return table[] reasons
function M.looked_up(host, run, row, cache, spec)
  if cache.verdict == "hit" then
    local from = cache.from or {}
    local reads = cache.reads or 0
    local same = reads == 0 and "its input and code are the same"
      or ("its input, its code and the %d thing%s it read are the same"):format(reads, reads == 1 and "" or "s")
    return { reason("cached", ("taken from %s of run #%s: %s"):format(from.task or "?", from.number or "?", same),
      from.number, { saved_ms = cache.saved_ms }) }
  end
  local list
  if cache.damaged then
    list = { reason("damaged", "the result that was kept is damaged; it was dropped") }
  elseif cache.changed and #cache.changed > 0 then
    list = read_changes(host, run, row, cache)
  else
    list = against_earlier(host, run, row, cache, spec)
  end
  if cache.not_kept then
    list[#list + 1] = reason("not_kept", ("this result is not kept: %s"):format(cache.not_kept))
  end
  return list
end

-- ---- operations that are not cached ----

local function own_words(operation)
  if operation == "host.each" then return "a map is not cached itself; its tasks are" end
  if operation == "host.loop" then return "a loop is not cached itself; its iterations are" end
  if operation == "host.sub" then return "a melody is not cached itself; its tasks are" end
  return ("%s is never cached"):format(operation)
end

--- Why nothing was looked up.
---@param host table
---@param run table
---@param row table of task
---@param spec table the task of the definition
---@return table reason
function M.not_looked_up(host, run, row, spec)
  if row.operation:match("^host%.") then return reason("not_cacheable", own_words(row.operation)) end
  if decoded(run.options).cache == false then return reason("switched_off", "the run was started with --no-cache") end
  if spec.options and spec.options.cache == false then
    return reason("switched_off", "the melody says cache = false")
  end
  local version = version_of(host, row.extension_version_id)
  local operation = (decoded(version.manifest).operation or {})[row.operation:match("([^%.]+)$")] or {}
  local granted = decoded(version.capabilities)
  local why = "its manifest does not say cache = true"
  if operation.effects == "write" or operation.effects == "external" then
    why = ("it changes something: effects = \"%s\""):format(operation.effects)
  elseif operation.cache and #(granted.process or {}) > 0 and #(operation.reads or {}) == 0 then
    why = "it starts programs, and its manifest does not say what they read (reads)"
  elseif operation.cache then
    why = "it ended before its results were looked for"
  end
  return reason("not_cacheable", ("%s is not cached: %s"):format(row.operation, why))
end

return M
