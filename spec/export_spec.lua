--- `symphony export` and `import`: a run as one file, shown and continued elsewhere; files that were damaged or made to
--- do damage change nothing.
local hash = require "sy.hash"
local json = require "sy.json"
local paths = require "kit.paths"
local parcel = require "parcel"
local support = require "support"

local project, run, document, refused, packed = parcel.project, parcel.run, parcel.document, parcel.refused, parcel.packed
local MELODY, CODE = parcel.MELODY, parcel.CODE

--- A run document without what differs from place to place.
local function same(doc)
  doc.number, doc.alive = nil, nil
  return doc
end

local source, file

setup(function()
  source = project()
  assert.equal(0, run(source, "run", "moved", "-p", "name=Ada").code)
  file = source .. "/run.tar.zst"
  local r = run(source, "export", "1", "--output", file, "--json")
  assert.equal(0, r.code, r.out .. r.err)
end)

describe("an exported run", function()
  it("is one tar under zstd that any tar reads, the manifest first, each entry in its list of hashes", function()
    local names = {}
    for name in support.sh("zstd -dc run.tar.zst | tar -t", { cwd = source }):gmatch "[^\n]+" do
      names[#names + 1] = name
    end
    assert.equal("manifest.json", names[1])
    assert.equal("sums.json", names[#names])
    local dir = support.tmpdir()
    support.sh("zstd -dc run.tar.zst | tar -x -C " .. dir, { cwd = source })
    for _, one in ipairs(json.decode(support.read_file(dir .. "/sums.json")).files) do
      assert.equal(one.hash, "sha256:" .. hash.sha256(support.read_file(dir .. "/" .. one.name)), one.name)
    end
    assert.equal(CODE:format "Hello", support.read_file(dir .. "/code/own/init.lua"))
  end)

  it("gives the same bytes each time, to a file and to stdout", function()
    support.sh(("'%s' export 1 > again.tar.zst"):format(support.bin), { cwd = source })
    assert.equal(support.read_file(file), support.read_file(source .. "/again.tar.zst"))
  end)

  it("is refused to a terminal, with --json without a name, and while the run lives", function()
    local r = support.run({ support.bin, "export", "1" }, { cwd = source, pty = true })
    assert.equal(2, r.code)
    assert.equal(2, run(source, "export", "1", "--json").code)
    assert.equal(4, run(source, "export", "99", "--output", source .. "/no").code)
    assert.is_false(support.exists(source .. "/no"))
  end)
end)

describe("an imported run", function()
  it("has its own number, its ids where they are free, and the same document", function()
    local dir = project()
    local doc = assert(document(dir, "import", file, "--json"))
    assert.is_true(doc.imported)
    assert.is_false(doc.new_ids)
    assert.equal(1, doc.number)
    assert.same(same(document(source, "show", "1", "--json")), same(document(dir, "show", "1", "--json")))
    assert.equal(run(source, "logs", "1", "--json").out:gsub('"seq":%d+,', ""),
      (run(dir, "logs", "1", "--json").out:gsub('"seq":%d+,', "")))
  end)

  it("a second time has new ids, and diff finds nothing else", function()
    local dir = project()
    run(dir, "import", file)
    local doc = document(dir, "import", file, "--json")
    assert.is_true(doc.new_ids)
    assert.equal(2, doc.number)
    local diff = document(dir, "diff", "1", "2", "--json")
    assert.is_true(diff.same)
    assert.not_equal(diff.from.run, diff.to.run)
    assert.equal(0, run(dir, "doctor").code)
  end)

  it("brings large values and artifacts along", function()
    local dir = project()
    run(dir, "import", file)
    assert.equal(0, run(dir, "artifact", "verify").code)
    assert.same(document(source, "show", "1", "--json").outputs, document(dir, "show", "1", "--json").outputs)
  end)

  it("says how the extensions it called are here; their code is not installed", function()
    local dir = paths.real(support.tmpdir())
    local function own(place)
      for _, one in ipairs(document(place, "import", file, "--json").extensions) do
        if one.name == "own" then return one end
      end
    end
    assert.equal("missing", own(dir).state)
    assert.equal(2, own(dir).files)
    assert.is_false(support.exists(dir .. "/extensions"))
    assert.equal("same", own(project()).state)
    assert.equal("other_code", own(project "Bye").state)
    assert.matches("not here; its 2 files are in the file", run(dir, "import", file).out, 1, true)
  end)

  it("is only looked at with --dry-run", function()
    local dir = project()
    run(dir, "init")
    local doc = document(dir, "import", file, "--dry-run", "--json")
    assert.is_false(doc.imported)
    assert.equal(5, doc.tasks)
    assert.same({}, document(dir, "runs", "--json").runs)
  end)
end)

-- ---- going on elsewhere ----

local PARKED = MELODY:gsub("local found", [[
m:task("gate", "process.run", { argv = { "sh", "-c", "while [ ! -e go ]; do sleep 0.01; done" } })
local found]]):gsub('after = { "read" }', 'after = { "read", "gate" }')

--- The file of a run that was parked while its first task waited.
local function parked()
  local dir = project()
  support.write_file(dir .. "/melodies/moved.lua", PARKED)
  local c = support.start_symphony({ "run", "moved", "-p", "name=Ada" }, { cwd = dir })
  support.wait_until(function()
    local doc = document(dir, "show", "--json")
    local done = {}
    for _, task in ipairs(doc.tasks or {}) do done[task.key] = task.status end
    return done.read == "completed" and done.gate == "executing"
  end, 30)
  assert.equal(1, run(dir, "export", "1", "--output", dir .. "/no").code)
  c:kill "INT"
  support.wait_until(function() return c:err():find "stopping" end)
  support.write_file(dir .. "/go", "")
  assert.equal(130, assert(c:wait(30)).code)
  assert.equal(0, run(dir, "export", "1", "--output", dir .. "/run.tar.zst").code)
  return dir .. "/run.tar.zst"
end

describe("a run that had not ended", function()
  local unfinished
  setup(function() unfinished = parked() end)

  it("goes on elsewhere, with the results it had", function()
    local dir = project()
    support.sh("rm a.txt b.txt", { cwd = dir })
    local doc = document(dir, "import", unfinished, "--json")
    assert.equal("paused", doc.status)
    assert.is_true(doc.resumable)
    local resumed, r = document(dir, "resume", "1", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("Hello Ada", resumed.outputs.said)
    assert.equal(2, #resumed.outputs.read)
  end)

  it("with other code of an extension goes on only with --accept-code", function()
    local dir = project "Bye"
    assert.matches("resume 1 --accept-code", run(dir, "import", unfinished).out, 1, true)
    local r = run(dir, "resume", "1")
    assert.equal(2, r.code)
    assert.matches("--accept-code", r.err, 1, true)
    assert.equal("Bye Ada", document(dir, "resume", "1", "--accept-code", "--json").outputs.said)
  end)

  it("without an extension says which is missing", function()
    local dir = paths.real(support.tmpdir())
    run(dir, "import", unfinished)
    local r = run(dir, "resume", "1")
    assert.equal(4, r.code)
    assert.matches("there is no extension `own`", r.err, 1, true)
  end)
end)

-- ---- files that are not to be believed ----


describe("a file", function()
  it("that is not there is refused with 4", function()
    assert.equal("not_found", refused("/nowhere/run.tar.zst", 4).code)
  end)

  it("that is something else is refused", function()
    local dir = support.tmpdir()
    for name, text in pairs { empty = "", text = "hello\n", json = '{"kind":"run"}', zstd = "\x28\xb5\x2f\xfd" } do
      support.write_file(dir .. "/" .. name, text)
      assert.equal("file_invalid", refused(dir .. "/" .. name).code)
    end
    refused(dir)
    support.sh("echo hi > x && tar -c x | zstd -q > other.tar.zst", { cwd = dir })
    refused(dir .. "/other.tar.zst", 2, "no export of a run")
  end)

  it("that was cut off is refused, wherever", function()
    local text, dir = support.read_file(file), support.tmpdir()
    for _, share in ipairs { 0.01, 0.2, 0.5, 0.9, 0.999 } do
      support.write_file(dir .. "/cut", text:sub(1, math.floor(#text * share)))
      refused(dir .. "/cut")
    end
  end)

  it("with a byte that was turned is refused, or gives the very same run", function()
    local text, dir = support.read_file(file), support.tmpdir()
    local place = project()
    run(place, "init")
    for i = 1, 24 do
      local at = (i * 2654435761) % #text + 1
      local turned = text:sub(1, at - 1) .. string.char(text:byte(at) ~ (1 << i % 8)) .. text:sub(at + 1)
      support.write_file(dir .. "/turned", turned)
      local r = run(place, "import", dir .. "/turned", "--dry-run", "--json")
      if r.code ~= 0 then
        assert.equal(2, r.code, r.out .. r.err)
        assert.equal("file_invalid", json.decode(r.out).error.code)
      else
        assert.equal(document(source, "show", "1", "--json").run, json.decode(r.out).from.run)
      end
    end
    assert.same({}, document(place, "runs", "--json").runs)
  end)

  it("whose parts do not have their hash is refused", function()
    local dir, names = parcel.unpacked(file), parcel.order_of(file)
    packed(dir, names)
    for _, name in ipairs { "run.json", "task/000001.json", "melody.json" } do
      local text = support.read_file(dir .. "/" .. name)
      support.write_file(dir .. "/" .. name, (text:gsub("Ada", "Eve"):gsub("you", "yon")))
      support.sh("tar --format=ustar -c -T list | zstd -q > made.tar.zst", { cwd = dir })
      refused(dir .. "/made.tar.zst")
      support.write_file(dir .. "/" .. name, text)
    end
  end)

  it("that was packed again with nothing changed is taken", function()
    local dir = project()
    assert.equal(0, run(dir, "import", packed(parcel.unpacked(file), parcel.order_of(file))).code)
  end)

  local function changed(name, fn)
    local dir = parcel.unpacked(file)
    local text = fn(support.read_file(dir .. "/" .. name))
    support.write_file(dir .. "/" .. name, type(text) == "string" and text or json.encode(text))
    return packed(dir, parcel.order_of(file))
  end

  it("with a melody that is not the one of its hash is refused", function()
    refused(changed("melody.json", function(text)
      local melody = json.decode(text)
      melody.definition = melody.definition:gsub("file%.glob", "file.list")
      return melody
    end), 2, "not the one the run pinned")
  end)

  local function with_row(change)
    return changed("task/000001.json", function(text)
      local rows = json.decode(text)
      change(rows[2], rows)
      return rows
    end)
  end

  it("with rows that are none is refused", function()
    refused(with_row(function(row) row.extra = 1 end), 2, "does not know")
    refused(with_row(function(row) row.id = "1; DROP TABLE task" end))
    refused(with_row(function(row) row.key = "../../x" end))
    refused(with_row(function(row) row.key = "a\27[2J" end))
    refused(with_row(function(row) row.task_status = "done" end))
    refused(with_row(function(row) row.attempts = "many" end))
    refused(with_row(function(row) row.output = "{" end))
    refused(with_row(function(row) row.output = ("["):rep(5000) end))
    refused(with_row(function(row) row.created_at = "yesterday" end))
    refused(with_row(function(row, rows) rows[3].id = row.id end))
    refused(with_row(function(row, rows) rows[3].key = row.key end))
    refused(with_row(function(row) row.extension_id = json.null end))
    refused(changed("task/000001.json", function() return { 1, "two" } end))
    refused(changed("run.json", function(text) return (text:gsub('"status":"%l+"', '"status":"sleeping"')) end))
    refused(changed("extensions.json", function() return "{}" end))
  end)

  it("with rows that hang at a run that is here does not touch it", function()
    local place = project()
    run(place, "run", "moved")
    local task = document(place, "show", "1", "--json").tasks[1].id
    local path = changed("event/000001.json", function(text)
      local rows = json.decode(text)
      for _, row in ipairs(rows) do row.task_id = task end
      return rows
    end)
    local before = run(place, "logs", "1", "--json").out
    run(place, "import", path)
    assert.equal(before, run(place, "logs", "1", "--json").out)
  end)

  it("with entries that lead elsewhere is refused", function()
    local dir, names = parcel.unpacked(file), parcel.order_of(file)
    packed(dir, names)
    support.write_file(dir .. "/evil", "evil\n")
    support.sh("ln -s /etc/passwd link; mkdir -p sub; ln run.json hard; mkfifo pipe; head -n -1 list > most", { cwd = dir })
    for _, one in ipairs { "--transform 's|^evil$|../../evil|' evil", "--transform 's|^evil$|/tmp/evil|' evil", "link",
      "pipe", "sub", "evil", "hard", "run.json", "--transform 's|^evil$|blobs/00|' evil",
      "--transform 's|^evil$|blobs/" .. ("0"):rep(64) .. "|' evil", "--transform 's|^evil$|code/.ssh/x|' evil" } do
      support.sh(("{ tar --format=ustar -P -c -T most %s sums.json; } | zstd -q > made.tar.zst"):format(one), { cwd = dir })
      refused(dir .. "/made.tar.zst")
    end
    assert.is_false(support.exists "/tmp/evil")
  end)

  it("that goes on behind its end is refused", function()
    local dir = parcel.unpacked(file)
    packed(dir, parcel.order_of(file))
    support.write_file(dir .. "/evil", "{}")
    support.sh("tar --format=ustar -c -T list --transform 's|^evil$|code/own/late.lua|' evil | zstd -q > made.tar.zst", { cwd = dir })
    refused(dir .. "/made.tar.zst", 2, "behind its end")
  end)

  it("that unpacks to far more than its size is refused early", function()
    local dir = parcel.unpacked(file)
    support.sh("truncate -s 700M big && tar --format=ustar -c manifest.json --transform 's|^big$|blobs/"
      .. ("0"):rep(64) .. "|' big | zstd -q -19 > made.tar.zst", { cwd = dir, timeout_s = 120 })
    refused(dir .. "/made.tar.zst", 2, "far more than its size")
  end)
end)
