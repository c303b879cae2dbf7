--- ext sign: a detached signature of a file, as minisign makes and checks it.
local args = require "cli.args"
local exit = require "cli.exit"
local password = require "cli.ext.password"
local paths = require "kit.paths"
local problem = require "kit.problem"
local sign = require "sy.sign"
local time = require "sy.time"

local USAGE = "ext sign FILE --key KEYFILE [--comment TEXT] [--password-file FILE | --password-fd N]"

local function read_key(path)
  local text, message = paths.read(path)
  if not text then return problem.fail("not_found", message, { hint = "symphony ext keygen NAME   makes a key" }) end
  local encrypted, why, code = sign.encrypted(text)
  if encrypted == nil then return problem.fail(code, ("%s: %s"):format(path, why)) end
  return text, encrypted
end

local function run(ctx, words)
  local ok, why = args.count(words, 1, 1, USAGE)
  if not ok then return nil, why end
  local file, options = words[1], words.options
  if not options.key then return problem.fail("usage", "--key KEYFILE is missing") end
  if paths.kind(file) ~= "file" then return problem.fail("not_found", ("there is no file %s"):format(file)) end
  local key, encrypted = read_key(options.key)
  if not key then return nil, encrypted end
  local secret, bad
  if encrypted then
    secret, bad = password.ask(ctx, options, false)
    if not secret then return nil, bad end
  end
  local comment = options.comment
    or ("timestamp:%d\tfile:%s\thashed"):format(time.now_ms() // 1000, paths.name(file))
  local text, message, code = sign.sign(key, secret, file, comment)
  if not text then return problem.fail(code, ("%s: %s"):format(options.key, message)) end
  local written, unwritten, failed = paths.write(file .. ".minisig", text, tonumber("644", 8))
  if not written then return problem.fail(failed, unwritten) end
  if ctx.json then
    ctx:document { file = file, signature = file .. ".minisig", key = sign.id(text), comment = comment }
  else
    ctx:say(("%s.minisig  signed with the key %s"):format(file, sign.id(text)))
  end
  return exit.DONE
end

return {
  name = "sign",
  summary = "sign a package: FILE.minisig, which minisign can check, too",
  usage = USAGE,
  options = { { name = "key", argument = "KEYFILE", doc = "the secret key, of ext keygen or of minisign" },
    { name = "comment", argument = "TEXT", doc = "a line that is signed as well" }, table.unpack(password.OPTIONS) },
  example = "symphony ext sign acme-textkit-1.2.0.sympkg --key acme.key",
  run = run,
}
