--- Which versions of packages go together: one of each, so that every range of every one that was chosen holds. What a
--- source lists first is tried first; what does not fit is undone and the next is tried. A failure is told as the first
--- thing that did not fit, with the way that led there.
local problem = require "kit.problem"
local semver = require "kit.semver"

local M = {}

local MOST_STEPS = 20000

---@class PackageCandidate
---@field name string
---@field version string
---@field needs table<string, string>
---@field hash string? known before it is read
---@field read fun(): PackageContent?, Problem? nil when it is installed

---@class PackageSource
---@field versions fun(self: table, name: string): PackageCandidate[]?, Problem? the best first

---@class PackageDemand
---@field name string
---@field range string
---@field chain string[] who wants it, from the person's choice on: "acme/tool 1.0.0"

local Search = {}
Search.__index = Search

local function label(candidate)
  return candidate.name .. " " .. candidate.version
end

local function way(chain, name)
  return #chain == 0 and name or table.concat(chain, " -> ") .. " -> " .. name
end

local function wants(demand)
  local by = demand.chain[#demand.chain]
  return ("%s needs %s"):format(by or demand.by or "you", demand.range)
end

--- Remembers the first thing that did not fit.
function Search:fail(code, message, hint)
  self.failure = self.failure or problem.new(code, message, { hint = hint })
  return false
end

function Search:missing(demand, found)
  local by = demand.chain[#demand.chain]
  if #found == 0 then
    return self:fail("not_found", ("there is no package %s%s"):format(demand.name,
      by and (", which %s depends on (%s)"):format(by, way(demand.chain, demand.name)) or ""),
      "give a folder that has it:  --from FOLDER")
  end
  local versions = {}
  for i, one in ipairs(found) do versions[i] = one.version end
  return self:fail("not_found", ("no version of %s fits: %s; there %s %s%s"):format(demand.name, wants(demand),
    #versions == 1 and "is" or "are", table.concat(versions, ", "),
    by and (" (%s)"):format(way(demand.chain, demand.name)) or ""), "give a folder that has one:  --from FOLDER")
end

function Search:conflict(demand)
  local told = {}
  for i, one in ipairs(self.demands[demand.name]) do told[i] = wants(one) end
  return self:fail("manifest_invalid", ("no version of %s suits all: %s"):format(demand.name,
    table.concat(told, "; ")), "update or remove one of them")
end

local function names_cycle(demand)
  for i, one in ipairs(demand.chain) do
    if one:match "^%S+" == demand.name then
      local circle = table.move(demand.chain, i, #demand.chain, 1, {})
      circle[#circle + 1] = demand.name
      return table.concat(circle, " -> ")
    end
  end
  return nil
end

function Search:list(name)
  if self.known[name] then return self.known[name] end
  local list, seen = {}, {}
  for _, source in ipairs(self.sources) do
    for _, one in ipairs(source:versions(name) or {}) do
      local key = one.version .. (one.hash or "")
      if not seen[key] and not seen[one.version] then list[#list + 1] = one end
      seen[key], seen[one.version] = true, true
    end
  end
  self.known[name] = list
  return list
end

--- The demands of a candidate behind those that are left.
local function with_needs(queue, at, candidate, chain)
  local rest = table.move(queue, at + 1, #queue, 1, {})
  local longer, names = table.move(chain, 1, #chain, 1, {}), {}
  longer[#longer + 1] = label(candidate)
  for name in pairs(candidate.needs) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    rest[#rest + 1] = { name = name, range = candidate.needs[name], chain = longer }
  end
  return rest
end

function Search:suits(candidate)
  for _, demand in ipairs(self.demands[candidate.name]) do
    if not semver.satisfies(candidate.version, demand.range) then return false end
  end
  return true
end

function Search:try_each(queue, at, demand)
  local found, fitting = self:list(demand.name), false
  for _, candidate in ipairs(found) do
    if self:suits(candidate) then
      fitting = true
      self.chosen[demand.name] = candidate
      if self:step(with_needs(queue, at, candidate, demand.chain), 1) then return true end
      self.chosen[demand.name] = nil
      if self.steps > MOST_STEPS then return false end
    end
  end
  if not fitting then
    if #self.demands[demand.name] > 1 and #found > 0 then return self:conflict(demand) end
    return self:missing(demand, found)
  end
  return false
end

--- Satisfies the demands from `at` on.
function Search:step(queue, at)
  local demand = queue[at]
  if not demand then return true end
  self.steps = self.steps + 1
  if self.steps > MOST_STEPS then
    self.failure = problem.new("manifest_invalid", "the dependencies are too tangled to be resolved")
    return false
  end
  local circle = names_cycle(demand)
  if circle then
    return self:fail("manifest_invalid", "packages depend on each other in a circle: " .. circle,
      "one of them must do without another")
  end
  local held = self.demands[demand.name] or {}
  self.demands[demand.name] = held
  held[#held + 1] = demand
  local chosen, done = self.chosen[demand.name], false
  if not chosen then
    done = self:try_each(queue, at, demand)
  elseif semver.satisfies(chosen.version, demand.range) then
    done = self:step(queue, at + 1)
  else
    self:conflict(demand)
  end
  if not done then held[#held] = nil end
  return done
end

--- Chooses a version of each package that the demands lead to.
---@param demands PackageDemand[]
---@param sources PackageSource[] in the order in which they are asked
---@return table<string, PackageCandidate>?, Problem?
function M.solve(demands, sources)
  local self = setmetatable({ sources = sources, known = {}, chosen = {}, demands = {}, steps = 0 }, Search)
  for _, demand in ipairs(demands) do demand.chain = demand.chain or {} end
  if self:step(demands, 1) then return self.chosen end
  return nil, self.failure
end

return M
