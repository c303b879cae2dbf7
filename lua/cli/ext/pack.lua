--- ext pack: the folder of an extension as one file, the same bytes for the same files.
local args = require "cli.args"
local check = require "cli.ext.check"
local exit = require "cli.exit"
local from_archive = require "kit.package.from_archive"
local from_folder = require "kit.package.from_folder"
local hash = require "sy.hash"
local paths = require "kit.paths"
local problem = require "kit.problem"
local rules = require "kit.package.rules"
local text = require "cli.output.text"

local USAGE = "ext pack [FOLDER] [-o FILE]"

--- The check's findings go to stderr; its own document and success are not ours.
local function is_fine(ctx, dir)
  local quiet = setmetatable({ json = false, say = function() end }, { __index = ctx })
  local code, why = check.run(quiet, { dir, options = {} })
  if code == exit.DONE then return true end
  return nil, why or problem.new("manifest_invalid", ("%s is not fit to be packed"):format(dir),
    { hint = "correct what is listed above" })
end

local function target(content, typed)
  local path = typed or rules.file_name(content.name, content.version)
  if paths.kind(path) == "directory" then path = paths.join(path, rules.file_name(content.name, content.version)) end
  if paths.stat(path, false) then
    return problem.fail("usage", ("there is a file %s already"):format(path),
      { hint = "remove it, raise the version, or  -o FILE" })
  end
  return path
end

local function pack(ctx, words)
  local ok, why = args.count(words, 0, 1, USAGE)
  if not ok then return nil, why end
  local dir = words[1] or "."
  local content, bad = from_folder.read(dir, { secrets = true })
  if not content then return nil, bad end
  local fine, failed = is_fine(ctx, dir)
  if not fine then return nil, failed end
  local path, taken = target(content, words.options.output)
  if not path then return nil, taken end
  local written, unwritten = from_archive.write(path, content)
  if not written then
    os.remove(path)
    return nil, unwritten
  end
  local bytes = paths.read(path)
  local sum = "sha256:" .. hash.sha256(bytes)
  if ctx.json then
    ctx:document { file = path, name = content.name, version = content.version, files = #content.names, size = #bytes,
      sha256 = sum, hash = content.hash }
  else
    ctx:say(("%s  %s %s, %d files, %s"):format(path, content.name, content.version, #content.names, text.size(#bytes)))
    ctx:say("  " .. sum)
  end
  return exit.DONE
end

return {
  name = "pack",
  summary = "the folder of an extension as one file: the same bytes for the same files",
  usage = USAGE,
  options = { { name = "output", short = "o", argument = "FILE", doc = "the file to write, or its folder" } },
  example = "symphony ext pack extensions/mine",
  run = pack,
}
