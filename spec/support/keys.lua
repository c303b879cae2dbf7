--- A project with an extension that uses the secret `canary`, for specs of secrets.
local paths = require "kit.paths"
local support = require "support"

local M = {}

--- Characters that base64, JSON, percent-encoding and hex write differently.
M.VALUE = [[cAnArY-7f"3\x/+=%~kept-by-name]]

local MANIFEST = [[
[extension]
name = "keys"
version = "0.1.0"
type = "operator"
description = "Uses a secret."
[operator]
operator_type = "test"
%s
[capabilities]
net = [%s]
process = ["sh"]
fs.read = ["$PROJECT/**"]
fs.write = ["$PROJECT/kept/**"]
secrets = ["canary", "other"]
timeout = "60s"
]]

local CODE = [[
local http, process, json = require "http", require "process", require "json"
local keys = {}

function keys.get(input, ctx)
  local pieces = {}
  local answer, message, code = http.request {
    url = input.url, stream = input.stream, body = input.body, follow = input.follow,
    on_body = input.pieces and function(bytes) pieces[#pieces + 1] = bytes end or nil,
    headers = { Accept = "text/plain", ["X-Key"] = { secret = input.name or "canary" },
      Authorization = { secret = input.name or "canary", prefix = "Bearer " } },
  }
  if not answer and input.retry then return ctx.retry(message) end
  if not answer then return nil, message, code end
  local body = input.pieces and table.concat(pieces) or answer.body
  if input.say then
    ctx.log("debug", body)
    ctx.log("error", answer.headers["x-word"] or "")
    ctx.emit("keys.answered", { body = body, headers = answer.headers })
    ctx.progress(1, 2, body:sub(1, 400))
    ctx.stream(body)
    print(body)
  end
  if input.fail then error(body) end
  if input.deny then return nil, body end
  return { body = body, word = answer.headers["x-word"], url = answer.url, status = answer.status,
    file = input.keep and ctx.artifact("data", body:rep(input.keep)) or nil }
end

function keys.child(input, ctx)
  local r, message, code = process.run {
    argv = { "sh", "-c", input.script }, check = input.check, stream = input.stream,
    env = { TOKEN = { secret = input.name or "canary" }, PAIR = { secret = "canary", prefix = "user:" } },
  }
  if not r then return nil, message, code end
  return { out = r.stdout, err = r.stderr, code = r.exit_code }
end

function keys.wrong(input)
  local done, why
  if input.how == "argv" then
    done, why = pcall(process.run, { argv = { "sh", { secret = "canary" } } })
  elseif input.how == "field" then
    done, why = pcall(http.request, { url = input.url, headers = { A = { secret = "canary", suffix = "x" } } })
  elseif input.how == "prefix" then
    local answer, message, code = http.request { url = input.url,
      headers = { A = { secret = "canary", prefix = "a\r\nB: " } } }
    return answer or nil, message, code
  end
  return { done = done, why = why }
end

return keys
]]

--- A trusted project with the extension, which may ask these ports of the loopback; its folder.
---@param ports integer[]
function M.project(ports)
  local dir = paths.real(support.tmpdir()) .. "/project"
  local operations = {}
  for i, name in ipairs { "get", "child", "wrong" } do
    operations[i] = ('[operation.%s]\ndoc = "It uses a secret."\neffects = "read"\n'):format(name)
  end
  local hosts = { '"192.0.2.1:80"' }
  for i, port in ipairs(ports) do hosts[i + 1] = ('"127.0.0.1:%d", "localhost:%d"'):format(port, port) end
  support.write_file(dir .. "/extensions/keys/Symphony.toml",
    MANIFEST:format(table.concat(operations), table.concat(hosts, ", ")))
  support.write_file(dir .. "/extensions/keys/init.lua", CODE)
  support.write_file(dir .. "/kept/.here", "")
  assert(support.symphony({ "trust" }, { cwd = dir }).code == 0)
  return dir
end

--- Sets a secret.
function M.set(name, value, options)
  local words = { "secret", "set", name, "--stdin", "--json" }
  for _, word in ipairs(options and options.words or {}) do words[#words + 1] = word end
  return support.symphony(words, { stdin = value, env = options and options.env, cwd = options and options.cwd })
end

-- ---- what a value may look like ----

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- Base64 of whole groups of three bytes.
local function base64(text)
  local out = {}
  for a, b, c in text:gmatch "(.)(.)(.)" do
    local n = a:byte() << 16 | b:byte() << 8 | c:byte()
    for shift = 18, 0, -6 do
      local at = (n >> shift & 63) + 1
      out[#out + 1] = DIGITS:sub(at, at)
    end
  end
  return table.concat(out)
end

--- The value and what may stand for it; base64 without the letters at its ends that depend on what is beside it.
function M.forms(value)
  local function each(format, keep)
    return (value:gsub(keep, function(c) return format:format(c:byte()) end))
  end
  local escaped = (value:gsub('[\\"]', "\\%0"))
  local forms = { value, escaped, (escaped:gsub("/", "\\/")), each("%02x", "."), each("%02X", "."),
    each("%%%02X", "[^%w._~-]"), each("%%%02x", "[^%w._~-]") }
  for shift = 0, 2 do
    local whole = base64(value:sub(shift + 1))
    forms[#forms + 1] = whole
    forms[#forms + 1] = (whole:gsub("[+/]", { ["+"] = "-", ["/"] = "_" }))
  end
  return forms
end

return M
