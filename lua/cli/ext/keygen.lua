--- ext keygen: a key pair in the format of minisign, to sign packages with.
local args = require "cli.args"
local exit = require "cli.exit"
local password = require "cli.ext.password"
local paths = require "kit.paths"
local problem = require "kit.problem"
local sign = require "sy.sign"

local USAGE = "ext keygen NAME [--password-file FILE | --password-fd N | --no-password]"

local function free(path)
  if not paths.stat(path, false) then return true end
  return problem.fail("usage", ("there is a file %s already"):format(path), { hint = "a key is never overwritten" })
end

local function make(options, ctx)
  local secret, why
  if not options["no-password"] then
    secret, why = password.ask(ctx, options, true)
    if not secret then return nil, why end
    if secret == "" then
      return problem.fail("usage", "an empty password protects nothing", { hint = "--no-password   says so openly" })
    end
  end
  local public, key, code = sign.keypair(secret)
  if not public then return nil, problem.from(key, code) end
  return { public = public, secret = key }
end

local function keygen(ctx, words)
  local ok, why = args.count(words, 1, 1, USAGE)
  if not ok then return nil, why end
  local public_file, secret_file = words[1] .. ".pub", words[1] .. ".key"
  for _, path in ipairs { public_file, secret_file } do
    local fine, taken = free(path)
    if not fine then return nil, taken end
  end
  local pair, bad = make(words.options, ctx)
  if not pair then return nil, bad end
  for path, text in pairs { [public_file] = pair.public, [secret_file] = pair.secret } do
    local mode = path == secret_file and tonumber("600", 8) or tonumber("644", 8)
    local written, message, code = paths.write(path, text, mode)
    if not written then return problem.fail(code, message) end
  end
  local id = sign.id(pair.public)
  if ctx.json then
    ctx:document { key = id, public = public_file, secret = secret_file }
  else
    ctx:say(("%s  the key %s, to give away"):format(public_file, id))
    ctx:say(("%s  keep it; symphony ext sign FILE --key %s"):format(secret_file, secret_file))
  end
  return exit.DONE
end

return {
  name = "keygen",
  summary = "a key pair to sign packages with, in the format of minisign",
  usage = USAGE,
  options = { password.OPTIONS[1], password.OPTIONS[2],
    { name = "no-password", doc = "the secret key is not encrypted" } },
  example = "symphony ext keygen acme",
  run = keygen,
}
