--- Every key of a Symphony.toml: type, default and meaning. `*` stands for names the author chooses.
---
--- Types: string, integer, number, boolean, strings (a list of them), schema (a JSON Schema), table (anything),
--- estimate ({ usd, tokens }), size ("64MiB"), duration ("30s"). One of `choices`, a Lua `pattern` or what
--- kit.manifest_bounds knows (least and most, glob, package, file, version, range) narrows it.
local NAME = "^[a-z][a-z0-9_]*$"

---@class ManifestKey
---@field type string
---@field doc string
---@field required boolean?
---@field default any
---@field choices string[]?
---@field least string|number? of an amount
---@field most string|number?
---@field glob boolean?
---@field package boolean? the name of a package
---@field file boolean? a path without `..`
---@field pattern string?
---@field shape string? what the pattern asks for, in words

---@type table<string, table<string, ManifestKey>>
return {
  extension = {
    name = { type = "string", required = true, package = true,
      shape = "up to 64 lower case letters, digits, _ and -, with one / after a publisher",
      doc = "What it is called; publisher/name once it is published." },
    version = { type = "string", required = true, version = true, doc = "Its version: major.minor.patch." },
    type = { type = "string", required = true, choices = { "instrument", "operator", "motif" },
      doc = "What kind of extension it is." },
    category = { type = "string", default = "", doc = "Where a list would file it." },
    description = { type = "string", required = true, doc = "What it does, in one sentence." },
    license = { type = "string", default = "", doc = "Its licence, as SPDX writes it." },
    symphony = { type = "string", default = "*", range = true,
      doc = "The versions of Symphony it works with: a minimum and a major." },
    entry = { type = "string", default = "init.lua", file = true, pattern = "^[%w_%-][%w_%-./]*%.lua$",
      shape = "a path of a .lua file within the extension",
      doc = "The Lua file that returns its operations." },
  },
  operator = {
    operator_type = { type = "string", required = true, doc = "The kind of work: file, git, data, …" },
  },
  instrument = {
    model_type = { type = "string", required = true, doc = "The kind of model: llm, vision, audio, …" },
    model_configuration = { type = "table", default = {},
      doc = "Its models by name, with prices, limits and capabilities." },
  },
  motif = {
    ui_components = { type = "table", default = {}, doc = "The components it declares." },
    theme_integration = { type = "table", default = {}, doc = "The theme tokens it uses or sets." },
  },
  ["operation.*"] = {
    doc = { type = "string", required = true, doc = "What it does, in one sentence." },
    effects = { type = "string", default = "external", choices = { "none", "read", "write", "external" },
      doc = "What a call changes: nothing, nothing but it reads, files, or the world outside." },
    idempotent = { type = "boolean", doc = "Twice does what once does; by default for none and read." },
    cache = { type = "boolean", default = false, doc = "A pure function of its input and of what it read." },
    reads = { type = "strings", default = {}, doc = "What its child processes read: globs, or \"$input.paths\"." },
    estimate = { type = "estimate", default = {},
      doc = "What a call costs at most: usd, tokens. Or a function `estimate` in its code says it." },
    input = { type = "schema", doc = "JSON Schema of its input." },
    output = { type = "schema", doc = "JSON Schema of its output." },
  },
  capabilities = {
    ["fs.read"] = { type = "strings", default = {}, glob = true, doc = "Globs of paths it may read." },
    ["fs.write"] = { type = "strings", default = {}, glob = true, doc = "Globs of paths it may write." },
    process = { type = "strings", default = {}, doc = "Programs it may start." },
    net = { type = "strings", default = {}, pattern = "^[%w%.%-%*:%[%]]+:%d+$", shape = "host:port",
      doc = "Hosts it may talk to, as host:port." },
    env = { type = "strings", default = {}, doc = "Environment variables it may read." },
    secrets = { type = "strings", default = {}, doc = "Secrets it may use by name, see docs/guide/secrets.md." },
    editor = { type = "strings", default = {}, choices = { "read", "edit", "ui" },
      doc = "What it may do in an editor." },
    memory = { type = "size", default = "64MiB", least = "1MiB", most = "64GiB", doc = "Memory of an isolate." },
    cpu = { type = "duration", default = "2s", least = "1ms", most = "24h", doc = "Time of Lua running in one call." },
    timeout = { type = "duration", default = "30s", least = "1ms", most = "7d", doc = "Time one call may take." },
  },
  player = {
    max_error_rate = { type = "number", least = 0, most = 1,
      doc = "Above this share of failed calls it is passed over." },
    p95_ms = { type = "number",
      doc = "When more than one call in twenty takes longer, it is passed over: milliseconds." },
  },
  ["contributes.command[]"] = {
    title = { type = "string", required = true, doc = "What the editor shows." },
    operation = { type = "string", required = true, pattern = NAME, shape = "the name of an operation",
      doc = "The operation it calls." },
    key = { type = "string", doc = "A key that the editor may bind." },
  },
  ["contributes.on[]"] = {
    event = { type = "string", required = true, doc = "The event it answers, such as editor.save." },
    glob = { type = "string", doc = "Only for files that match." },
    operation = { type = "string", required = true, pattern = NAME, shape = "the name of an operation",
      doc = "The operation it calls." },
  },
}
