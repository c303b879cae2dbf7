--- What the documents say is so: commands run as they are shown, what is named exists, links lead somewhere.
---
--- A block ```sh of README.md or docs/guide is typed into a Git repository, one for each document, block after block:
--- a line that begins with "$ " is a command, the lines behind it are what it prints. Times, dates, ids and hashes may
--- differ, `…` stands for anything, a line that is only `…` for any lines, and nothing behind a command means that its
--- output is not shown. A command fails only where the block then says `echo $?` or shows the error. A block of any
--- language whose paragraph before is "`PATH`:" is written to that file first.
local args = require "cli.args"
local command = require "cli.command"
local document = require "document"
local paths = require "kit.paths"
local support = require "support"

local ROOT, BIN = document.root, paths.real(support.bin)
local read, blocks = document.read, document.blocks

local ALL = document.list "*.md docs/*.md docs/guide/*.md docs/reference/*.md docs/decisions/*.md"
local GUIDES = document.list "README.md docs/guide/*.md"

-- ---- a repository to type into: a project of its own, whatever lies above it ----

local SCENE = [[
mkdir -p home bin repo && mkdir -m 700 repo/.symphony && ln -s "$SYMPHONY" bin/symphony
printf '[user]\n name = Ada\n email = ada@example.invalid\n[init]\n defaultBranch = main\n' >home/.gitconfig
cd repo && git init -q && mkdir src
printf '# Pool\n\nA pool of sockets.\n' >README.md && cp README.md LICENSE
printf 'int\nsum(int a, int b)\n{\n    return a + b;\n}\n' >src/pool.c
git add -A && git commit -qm 'a pool'
printf '/* TODO handle EINTR */\nint\nsum(int a, int b)\n{\n    return a + b;\n}\n' >src/pool.c
printf '#!/bin/sh\nexport AWS_KEY=AKIAQ3EGT7XK2ZPL5MRW\nscp -r build $HOST:/srv\n' >deploy.sh
]]

local function scene()
  local dir = paths.real(support.tmpdir())
  local env = { HOME = dir .. "/home", PATH = dir .. "/bin:" .. os.getenv "PATH", SYMPHONY = BIN, LC_ALL = "C.UTF-8",
                NO_COLOR = "1", TZ = "UTC", SYMPHONY_ROOT = ROOT }
  for _, name in ipairs { "CONFIG_HOME", "DATA_HOME", "CACHE_HOME", "STATE_HOME", "RUNTIME_DIR" } do
    env["XDG_" .. name] = false
  end
  support.sh(SCENE, { cwd = dir, env = env })
  return { dir = dir .. "/repo", env = env, code = 0 }
end

--- The commands of a block: {text, output}.
local function commands(block)
  local all = {}
  for _, line in ipairs(block.lines) do
    local typed = line:match "^%$ (.*)$"
    if typed then
      all[#all + 1] = { text = typed, output = {} }
    elseif line ~= "" then
      assert(all[#all], "a block ```sh begins with a command: " .. line)
      table.insert(all[#all].output, line)
    end
  end
  return all
end

local function perform(place, one, following)
  local line = ("(exit %d)\n{ %s\n} 2>&1"):format(place.code, one.text)
  local r = support.run({ "sh", "-c", line }, { cwd = place.dir, env = place.env, timeout_s = 120 })
  place.code = r.code or 128 + r.signal
  local shown = table.concat(one.output, "\n")
  if place.code ~= 0 and not shown:find("error[", 1, true) and not (following and following.text == "echo $?") then
    error(("`%s` ended with %d:\n%s"):format(one.text, place.code, r.out), 0)
  end
  if #one.output > 0 and not document.same(document.lines(r.out), one.output) then
    error(("`%s` printed\n%s\nand not\n%s"):format(one.text, r.out, shown), 0)
  end
end

for _, name in ipairs(GUIDES) do
  describe(name, function()
    local place, number = nil, 0
    for _, block in ipairs(blocks(read(name))) do
      if block.file then
        it("has the file " .. block.file, function()
          place = place or scene()
          support.write_file(place.dir .. "/" .. block.file, table.concat(block.lines, "\n") .. "\n")
        end)
      elseif block.language == "sh" then
        number = number + 1
        it("shows what happens: block " .. number, function()
          place = place or scene()
          local all = commands(block)
          for i, one in ipairs(all) do perform(place, one, all[i + 1]) end
        end)
      end
    end
  end)
end

describe("the melodies of docs/guide/melodies.md", function()
  local place, number = nil, 0
  for _, block in ipairs(blocks(read "docs/guide/melodies.md")) do
    if block.language == "lua" or block.language == "json" then
      number = number + 1
      local file = ("melodies/snippet%d.%s"):format(number, block.language)
      it("run: " .. number, function()
        place = place or scene()
        local text = table.concat(block.lines, "\n")
        local given = text:find('m:param("name"', 1, true) and " -p name=Ada" or ""
        support.write_file(place.dir .. "/" .. file, text)
        perform(place, { text = "symphony trust && symphony run " .. file .. given, output = {} })
      end)
    end
  end
end)

it("the definition in docs/definition.md is a melody", function()
  local place = scene()
  local block = blocks(read "docs/definition.md")[1]
  support.write_file(place.dir .. "/melodies/defined.json", table.concat(block.lines, "\n"))
  perform(place, { text = "symphony trust && symphony run melodies/defined.json", output = {} })
end)

-- ---- what is named ----

--- Pieces of code in a text: its blocks' lines, and what stands between backticks.
local function code(text)
  local pieces = {}
  for _, block in ipairs(blocks(text)) do
    for _, line in ipairs(block.lines) do pieces[#pieces + 1] = line end
  end
  for piece in document.prose(text):gmatch "`([^`]+)`" do pieces[#pieces + 1] = piece end
  return pieces
end

local function has_option(entry, option)
  for _, options in ipairs { args.GLOBAL, entry.options or {} } do
    for _, one in ipairs(options) do
      if one.name == option then return true end
    end
  end
  return false
end

--- What is wrong with a piece that begins behind the word `symphony`.
local function unknown(piece)
  local words = {}
  for word in piece:gmatch "%S+" do words[#words + 1] = word end
  if not words[1] or not words[1]:match "^%l+$" or words[1] == "install" then return nil end
  local entry = command.find(words[1])
  if not entry then return "symphony " .. words[1] end
  if entry.subcommands and words[2] and words[2]:match "^%l+$" then
    local sub = command.sub(entry, words[2])
    if not sub then return ("symphony %s %s"):format(words[1], words[2]) end
    entry = sub
  end
  for _, word in ipairs(words) do
    local option = word:match "^%-%-(%l[%l-]*)"
    if option and not entry.subcommands and not has_option(entry, option) then return piece end
  end
end

local function slug(heading)
  return (heading:lower():gsub("[^%w%- ]", ""):gsub(" ", "-"))
end

local function has_heading(text, anchor)
  for heading in ("\n" .. text):gmatch "\n#+ ([^\n]+)" do
    if slug(heading) == anchor then return true end
  end
  return false
end

--- A path of the tree, without placeholders; nil when the piece is none.
local function tree_path(piece)
  local path = piece:match "^[%w_./-]+/[%w_./-]*$"
  local top = path and path:match "^([%w]+)/"
  local known = { core = true, lua = true, stdlib = true, extensions = true, spec = true, docs = true, cmake = true }
  if not top or not known[top] or path:match "%u%u" then return nil end
  return path
end

describe("the documents", function()
  local sources
  for _, name in ipairs(ALL) do
    it("lead to what is there: " .. name, function()
      local text, folder = read(name), name:match "^(.*/)" or ""
      for target in document.prose(text):gmatch "%]%(([^)%s]+)%)" do
        if not target:match "^%a+://" then
          local file, anchor = target:match "^([^#]*)#?(.*)$"
          local found = file == "" and text or paths.stat(ROOT .. "/" .. folder .. file)
          assert.truthy(found, target)
          if anchor ~= "" then
            assert.is_true(has_heading(file == "" and text or read(folder .. file), anchor), target)
          end
        end
      end
    end)

    it("name commands and options that are there: " .. name, function()
      for _, piece in ipairs(code(read(name))) do
        for rest in (" " .. piece):gmatch "[%s/]symphony ([^|;&#]+)" do assert.is_nil(unknown(rest:gsub("   .*", ""))) end
      end
    end)

    it("name files and functions that are there: " .. name, function()
      sources = sources or support.sh("cat core/*/*.[ch] core/*/*/*.[ch]", { cwd = ROOT })
      local shown = {} -- files that the document itself has, and their folders
      for _, block in ipairs(blocks(read(name))) do
        if block.file then shown[block.file], shown[block.file:match "^(.*)/" or ""] = true, true end
      end
      for _, piece in ipairs(code(read(name))) do
        local path = tree_path(piece)
        if path and not shown[path] then assert.truthy(paths.stat(ROOT .. "/" .. path), path) end
        for symbol in piece:gmatch "%f[%w_](sy__[%l%d_]+)" do
          assert.truthy(sources:find(symbol, 1, true), symbol)
        end
      end
    end)

    it("name functions where they are: " .. name, function()
      for symbol, path in read(name):gmatch "`([%l_]+)` in%s+`(core/[%w_/]+%.c)`" do
        assert.truthy(read(path):find("\n" .. symbol .. "(", 1, true), ("%s in %s"):format(symbol, path))
      end
    end)
  end

  it("show an example within the first 25 lines of README.md", function()
    local at = 0
    for line in read("README.md"):gmatch "([^\n]*)\n" do
      at = at + 1
      if line:match "^%$ symphony run" then break end
    end
    assert.is_true(at <= 25)
  end)
end)
