local check = require "melody.check"
local load_melody = require "melody.load"
local options = require "melody.options"
local registry = require "kit.registry"
local render = require "melody.render_error"
local runner = require "kit.runner"

local root = os.getenv "SYMPHONY_ROOT" or "."

local function read(path)
  local handle = assert(io.open(root .. "/" .. path, "rb"))
  local text = handle:read "a"
  handle:close()
  return text
end

local guide = read "docs/guide/melodies.md"
local ops = runner.operations(registry.new({}, { bundled_only = true }))

--- What is wrong with a melody, as a person would see it; "" when nothing is.
local function problems_of(text, file)
  local loaded = load_melody.text(text, { file = file })
  return render.render_all(check.run(loaded.definition, {
    ops = ops, sources = loaded.sources, problems = loaded.problems,
  }))
end

describe("the guide to melodies", function()
  for _, kind in ipairs { "lua", "json" } do
    local number = 0
    for snippet in guide:gmatch("```" .. kind .. "\n(.-)```") do
      number = number + 1
      it(("has only snippets without a problem: %s %d"):format(kind, number), function()
        assert.equal("", problems_of(snippet, ("snippet%d.%s"):format(number, kind)))
      end)
    end
    it(("has snippets in %s"):format(kind), function() assert.truthy(number > 0) end)
  end

  it("lists exactly the options there are", function()
    local listed = {}
    local section = guide:match "\n## Options\n(.-)\n## "
    for name in section:gmatch "\n| `([%a_]+)` |" do listed[#listed + 1] = name end
    local names = {}
    for i, option in ipairs(options.list) do names[i] = option.name end
    assert.same(names, listed)
  end)

  it("shows an error as it is printed", function()
    local problem = {
      code = "unknown_field", message = "git.diff has no output `fiels`",
      where = { file = "melodies/review.lua", line = 9 },
      source_line = "paths = diff.fiels", col = 14, length = 5, note = "did you mean `files`?",
      hint = "symphony ext show git.diff   lists its outputs",
    }
    assert.truthy(guide:find(render.render(problem), 1, true))
  end)
end)

describe("the bundled melodies", function()
  for _, name in ipairs { "hello", "review" } do
    it("have no problem: " .. name, function()
      assert.equal("", problems_of(read(("lua/melodies/%s.lua"):format(name)), name .. ".lua"))
    end)
  end
end)
