--- A project of a spec's own with one of spec/fixtures/extensions, and what most specs of whole runs do in it:
---
---   local trial = require "trial".new "toy"
---   before_each(trial.open)   -- from then on trial.dir is its folder
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local FIXTURES = (os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/fixtures/extensions/"

local M = {}

---@param extension string a folder of spec/fixtures/extensions
function M.new(extension)
  local trial = { dir = nil }

  function trial.open()
    trial.dir = paths.real(support.tmpdir())
    for _, name in ipairs { "Symphony.toml", "init.lua" } do
      local path = extension .. "/" .. name
      support.write_file(trial.dir .. "/extensions/" .. path, support.read_file(FIXTURES .. path))
    end
    assert(trial.symphony("trust").code == 0)
  end

  function trial.symphony(...)
    return support.symphony({ ... }, { cwd = trial.dir })
  end

  --- Begins `symphony ...` beside the spec.
  function trial.start(...)
    return support.start_symphony({ ... }, { cwd = trial.dir })
  end

  function trial.melody(name, body)
    support.write_file(("%s/melodies/%s.lua"):format(trial.dir, name),
      ('local melody = require "melody"\nlocal m = melody %q\n%s\nreturn m\n'):format(name, body))
  end

  function trial.document(result)
    return assert(json.decode(result.out), result.out .. result.err)
  end

  --- Runs a melody `v` of this body and gives its document; fails unless it ends with `code`.
  function trial.run(body, code, ...)
    trial.melody("v", body)
    local result = trial.symphony("run", "v", "--json", ...)
    assert(result.code == (code or 0), result.out .. result.err)
    return trial.document(result)
  end

  function trial.task(doc, key)
    for _, one in ipairs(doc.tasks) do
      if one.key == key then return one end
    end
    error("there is no task " .. key .. " in " .. json.encode(doc.tasks))
  end

  function trial.log()
    return support.read_file(trial.dir .. "/log.txt") or ""
  end

  --- Writes the file that some operations wait for.
  function trial.go(what)
    support.write_file(trial.dir .. "/" .. (what or "go"), "")
  end

  return trial
end

return M
