--- Whose signature a .sympkg file bears: FILE.minisig beside it, checked with a key that the person names, or one of
--- those in …/symphony/keys/*.pub.
local paths = require "kit.paths"
local person = require "kit.person"
local problem = require "kit.problem"
local sign = require "sy.sign"

local M = {}

local MOST_BYTES = 16 << 10

--- The folder of the keys that are known.
---@return string
function M.keys_dir()
  return paths.join(person.data_dir(), "keys")
end

local function read(path)
  local st = paths.stat(path)
  if not st or st.type ~= "file" or st.size > MOST_BYTES then return nil end
  return paths.read(path)
end

--- A public key: a file, or the key itself as one line.
---@param typed string
---@return { text: string, id: string, signer: string }?, Problem?
function M.key(typed)
  local text = read(typed) or typed
  local id = sign.id(text)
  if not id or text:find("\ntrusted comment: ", 1, true) then
    return problem.fail("file_invalid", ("%s is no public key of minisign"):format(typed),
      { hint = "a .pub file, or its second line" })
  end
  return { text = text, id = id, signer = text ~= typed and paths.name(typed):gsub("%.pub$", "") or id }
end

--- The known keys, by id.
local function known()
  local keys = {}
  for _, name in ipairs(paths.names(M.keys_dir()) or {}) do
    local path = paths.join(M.keys_dir(), name)
    local key = name:match "%.pub$" and read(path) and M.key(path)
    if key then keys[key.id] = key end
  end
  return keys
end

local function refuse(path, why)
  return problem.fail("not_trusted", ("%s: %s"):format(path, why),
    { hint = "nothing was installed; ask who published it" })
end

local function verified(path, key, text)
  local comment, why = sign.verify(key.text, text, path)
  if not comment then return refuse(path, why) end
  return { state = "verified", key = key.id, signer = key.signer, comment = comment }
end

--- What the signature of a file is worth. With a key, only its own signature will do.
---@param path string
---@param typed? string key that the person named
---@return table?, Problem?
function M.check(path, typed)
  local key, why
  if typed then
    key, why = M.key(typed)
    if not key then return nil, why end
  end
  local text = read(path .. ".minisig")
  if not text then
    if key then return refuse(path, ("there is no signature %s.minisig"):format(paths.name(path))) end
    return { state = "none" }
  end
  if key then return verified(path, key, text) end
  local id, message = sign.id(text)
  if not id then return refuse(path .. ".minisig", message) end
  local one = known()[id]
  if one then return verified(path, one, text) end
  return { state = "unknown", key = id }
end

--- Refuses an update that bears less than what it replaces: who signed once signs again.
---@param name string
---@param before table signature of the version in use
---@param after table
---@return boolean?, Problem?
function M.continues(name, before, after)
  if before.state == "none" or after.state == "verified" then return true end
  if after.key == before.key and before.state ~= "verified" then return true end
  return problem.fail("not_trusted", ("%s was signed with the key %s, the new version is not"):format(name, before.key),
    { hint = "if that is right:  symphony ext remove " .. name .. "  and install it anew" })
end

return M
