--- What the documents say is so: commands run as they are shown, what is named exists, links lead somewhere.
---
--- A block ```sh of README.md or docs/guide is typed into a Git repository, one for each document, block after block:
--- a line that begins with "$ " is a command, the lines behind it are what it prints. Times, dates, ids and hashes may
--- differ, `…` stands for anything, a line that is only `…` for any lines, and nothing behind a command means that its
--- output is not shown. A command fails only where the block then says `echo $?` or shows the error. A block of any
--- language whose paragraph before is "`PATH`:" is written to that file first.
local args = require "cli.args"
local command = require "cli.command"
local paths = require "kit.paths"
local support = require "support"

local ROOT = paths.real(support.root)
local BIN = paths.real(support.bin)

local function read(path)
  return (support.read_file(ROOT .. "/" .. path):gsub("\r", ""))
end

local function list(globs)
  local found = {}
  for path in support.sh("ls " .. globs, { cwd = ROOT }):gmatch "[^\n]+" do found[#found + 1] = path end
  return found
end

local ALL = list "*.md docs/*.md docs/guide/*.md docs/decisions/*.md"
local GUIDES = list "README.md docs/guide/*.md"

--- The fenced blocks of a text: {language, lines, file = what the line before names}.
local function blocks(text)
  local found, open, before = {}, nil, ""
  for line in text:gmatch "([^\n]*)\n" do
    local fence = line:match "^```(.*)$"
    if fence and open then
      open, before = nil, ""
    elseif fence then
      open = { language = fence, lines = {}, file = before:match "^`([%w_./-]+)`[^`]*:$" }
      found[#found + 1] = open
    elseif open then
      open.lines[#open.lines + 1] = line
    elseif line ~= "" then
      before = line
    end
  end
  return found
end

-- ---- what may differ ----

local function plain(line)
  line = line:gsub("\r", ""):gsub("%d%d%d%d%-%d%d%-%d%d[ T]%d%d:%d%d:%d%d[%d.]*Z?", "DATE")
  line = line:gsub("%x+%-%x+%-%x+%-%x+%-%x+", "ID"):gsub("sha256:%x+", "HASH")
  line = line:gsub("%d[%d.]* ms%f[%A]", "TIME"):gsub("%d[%d.]* s%f[%A]", "TIME")
  return (line:gsub("%s+", " "):gsub(" $", ""))
end

local function fits(line, expected)
  local pattern = plain(expected):gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0"):gsub("…", ".*")
  return plain(line):match("^" .. pattern .. "$") ~= nil
end

--- Whether the lines from `at` are what is expected from `from`.
local function same(lines, expected, at, from)
  local want = expected[from]
  if not want then return lines[at] == nil end
  if want == "…" then
    for skip = at, #lines + 1 do
      if same(lines, expected, skip, from + 1) then return true end
    end
    return false
  end
  return lines[at] ~= nil and fits(lines[at], want) and same(lines, expected, at + 1, from + 1)
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  return lines
end

-- ---- a repository to type into ----

local SCENE = [[
mkdir home bin repo && ln -s "$SYMPHONY" bin/symphony
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
  if #one.output > 0 and not same(lines_of(r.out), one.output, 1, 1) then
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

-- ---- what is named ----

--- Pieces of code in a text: its blocks' lines, and what stands between backticks.
local function code(text)
  local pieces = {}
  for _, block in ipairs(blocks(text)) do
    for _, line in ipairs(block.lines) do pieces[#pieces + 1] = line end
  end
  for piece in text:gsub("\n```.-\n```", "\n"):gmatch "`([^`]+)`" do pieces[#pieces + 1] = piece end
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
      for target in text:gsub("\n```.-\n```", "\n"):gmatch "%]%(([^)%s]+)%)" do
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
      sources = sources or support.sh("cat core/*/*.[ch]", { cwd = ROOT })
      for _, piece in ipairs(code(read(name))) do
        local path = tree_path(piece)
        local home = name == "docs/guide/extensions.md" and path and path:match "^extensions/count"
        if path and not home then assert.truthy(paths.stat(ROOT .. "/" .. path), path) end
        for symbol in piece:gmatch "%f[%w_](sy__[%l%d_]+)" do
          assert.truthy(sources:find(symbol, 1, true), symbol)
        end
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
