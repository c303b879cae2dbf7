--- docs/data-model.md is what the table of the data model and the schema say. SYMPHONY_UPDATE=1 writes it anew.
local support = require "support"

local function load(name) return assert(loadfile(("%s/spec/%s.lua"):format(support.root, name)))() end

local docs, erd = load "erd_docs", load "erd"

local function migrations()
  local texts = {}
  for path in support.sh("ls core/db/migrations/*.sql", { cwd = support.root }):gmatch("%S+") do
    texts[#texts + 1] = support.read_file(support.root .. "/" .. path)
  end
  return table.concat(texts, "\n")
end

describe("docs/data-model.md", function()
  it("is what the table and the schema say", function()
    local path, text = support.root .. "/docs/data-model.md", docs.text(erd, migrations())
    if os.getenv "SYMPHONY_UPDATE" then support.write_file(path, text) end
    assert.equal(text, support.read_file(path))
  end)

  it("says of each scene what a person does", function()
    for name in pairs(erd.scenes) do assert.is_string(docs.actions[name], name) end
  end)

  it("names every table of the schema", function()
    local text, count = docs.text(erd, migrations()), 0
    for name in migrations():gmatch("CREATE TABLE ([%w_]+)") do
      assert.is_truthy(text:find("### `" .. name .. "`", 1, true), name)
      count = count + 1
    end
    assert.is_true(count > 20)
  end)
end)
