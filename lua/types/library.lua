--- Every function of the library inside isolates, of `ctx`, and of `testing` in specs: the one table that the stubs for
--- editors are generated from (types.gen_library), and that a spec compares with a real isolate. `params` and `returns`
--- are LuaLS types; a function that may fail as expected gives nil, message, code.
local FAIL = { "string?", "string?" }

local function may(kind)
  return { kind .. "?", FAIL[1], FAIL[2] }
end

return {
  {
    module = "json",
    doc = "JSON text and Lua values.",
    fields = { { "null", "lightuserdata", "what null is in Lua" } },
    functions = {
      { "encode", { { "value", "any" }, { "options?", "{ pretty: boolean?, lossy: boolean? }" } }, { "string" }, "keys come out sorted" },
      { "decode", { { "text", "string" } }, { "any", "string?", "string?" }, "value, or nil, message, code" },
      { "array", { { "list", "table" } }, { "table" }, "marks a table as an array, also when it is empty" },
      { "is_array", { { "value", "any" } }, { "boolean" }, "whether it crosses as an array" },
    },
  },
  {
    module = "fs",
    doc = "Files that were granted (fs.read, fs.write); paths are relative to the project, or absolute.",
    functions = {
      { "read", { { "path", "string" }, { "options?", "{ max: integer? }" } }, may "string", "the bytes of a file" },
      { "write", { { "path", "string" }, { "bytes", "string" } }, may "boolean", "replaces a file at once" },
      { "append", { { "path", "string" }, { "bytes", "string" } }, may "boolean", "adds at the end" },
      { "copy", { { "from", "string" }, { "to", "string" } }, may "boolean", "copies a file" },
      { "move", { { "from", "string" }, { "to", "string" } }, may "boolean", "renames" },
      { "rename", { { "from", "string" }, { "to", "string" } }, may "boolean", "renames" },
      { "remove", { { "path", "string" } }, may "boolean", "a file, a link or an empty folder" },
      { "mkdir", { { "path", "string" } }, may "boolean", "a folder, with its parents" },
      { "list", { { "path", "string" } }, may "{ name: string, type: string }[]", "what is in a folder, sorted" },
      { "stat", { { "path", "string" } }, may "{ type: string, size: integer, mode: integer, mtime: number, mtime_ms: integer, mtime_ns: integer }", "what lies there" },
      { "exists", { { "path", "string" } }, { "boolean" }, "whether something is there" },
      { "glob", { { "pattern", "string" }, { "options?", "table" } }, may "table[]", "files that match" },
      { "walk", { { "path", "string" }, { "options?", "table" } }, may "table[]", "files below a folder" },
    },
  },
  {
    module = "path",
    doc = "Paths as text.",
    functions = {
      { "is_absolute", { { "path", "string" } }, { "boolean" }, "whether it starts at the root" },
      { "join", { { "...", "string" } }, { "string" }, "parts joined with single slashes" },
      { "normal", { { "path", "string" } }, { "string" }, "without `.`, double slashes and `..`" },
      { "split", { { "path", "string" } }, { "string[]" }, "its names, in order" },
      { "dirname", { { "path", "string" } }, { "string" }, "the folder that holds the last name" },
      { "basename", { { "path", "string" } }, { "string" }, "the last name" },
      { "extension", { { "path", "string" } }, { "string" }, "the ending with its dot" },
      { "stem", { { "path", "string" } }, { "string" }, "the last name without its ending" },
      { "relative", { { "path", "string" }, { "base", "string" } }, may "string", "the way from a folder to it" },
    },
  },
  {
    module = "http",
    doc = "HTTP, to hosts that were granted (net).",
    functions = {
      { "request", { { "options", "{ url: string, method: string?, headers: table<string, string>?, body: string?, timeout: number?, follow: integer|false|nil, max_body: integer?, on_body: nil|fun(piece: string), stream: boolean? }" } },
        may "{ status: integer, headers: table<string, string>, body: string, url: string }", "waits for the answer; a status of 404 is one" },
    },
  },
  {
    module = "process",
    doc = "Programs that were granted (process), by argument vector.",
    functions = {
      { "run", { { "options", "{ argv: string[], stdin: string?, cwd: string?, env: table<string, string>?, timeout: number?, check: boolean?, stream: boolean?, on_output: nil|fun(stream: string, piece: string), reads: string[]|false|nil }" } },
        may "{ exit_code: integer, stdout: string, stderr: string }", "runs a program to its end" },
      { "which", { { "name", "string" } }, may "string", "where a program lies" },
    },
  },
  {
    module = "re",
    doc = "Perl-compatible regular expressions.",
    functions = {
      { "compile", { { "pattern", "string" }, { "flags?", "string" } }, may "table", "flags: i m s x u b" },
      { "escape", { { "text", "string" } }, { "string" }, "a pattern that matches the text" },
    },
  },
  {
    module = "text",
    doc = "UTF-8 and columns on a terminal.",
    functions = {
      { "valid", { { "s", "string" } }, { "boolean" }, "whether it is UTF-8" },
      { "clean", { { "s", "string" } }, { "string" }, "U+FFFD for what is not UTF-8" },
      { "width", { { "s", "string" } }, { "integer" }, "columns" },
      { "truncate", { { "s", "string" }, { "columns", "integer" }, { "mark?", "string" } }, { "string" }, "cut to a width, with a mark" },
      { "pad", { { "s", "string" }, { "columns", "integer" }, { "where?", '"left"|"right"|"center"' } }, { "string" }, "filled with spaces" },
    },
  },
  {
    module = "schema",
    doc = "JSON Schema 2020-12, a subset.",
    functions = {
      { "compile", { { "schema", "table" } }, may "userdata", "a schema for many checks" },
      { "check", { { "schema", "table|userdata" }, { "value", "any" } }, { "any", "string?", "string?", "string?" }, "value with defaults, or nil, message, code, path" },
    },
  },
  {
    module = "time",
    doc = "Clocks, waiting and ISO 8601.",
    functions = {
      { "now_ms", {}, { "integer" }, "milliseconds since 1970, UTC" },
      { "monotonic", {}, { "number" }, "milliseconds, never stepping back" },
      { "iso", { { "ms", "integer" } }, { "string" }, "2026-11-22T13:00:00.000Z" },
      { "parse_iso", { { "text", "string" } }, may "integer", "milliseconds" },
      { "sleep", { { "seconds", "number" } }, {}, "waits without holding a thread" },
    },
  },
  {
    module = "log",
    doc = "The log of the task: `symphony logs`.",
    functions = {
      { "debug", { { "text", "string" } }, {}, "a record" },
      { "info", { { "text", "string" } }, {}, "a record" },
      { "warn", { { "text", "string" } }, {}, "a record" },
      { "error", { { "text", "string" } }, {}, "a record" },
    },
  },
  {
    module = "hash",
    doc = "Hashes and the alphabets they are written in.",
    functions = {
      { "sha256", { { "bytes", "string" }, { "raw?", "boolean" } }, { "string" }, "64 hex digits, or 32 bytes" },
      { "hmac_sha256", { { "key", "string" }, { "bytes", "string" }, { "raw?", "boolean" } }, { "string" }, "64 hex digits, or 32 bytes" },
      { "hex", { { "bytes", "string" } }, { "string" }, "two digits a byte" },
      { "unhex", { { "text", "string" } }, may "string", "bytes" },
      { "base64", { { "bytes", "string" } }, { "string" }, "RFC 4648, padded" },
      { "unbase64", { { "text", "string" } }, may "string", "bytes" },
      { "equal", { { "a", "string" }, { "b", "string" } }, { "boolean" }, "in a time that does not depend on where they differ" },
    },
  },
  {
    module = "csv",
    doc = "Comma-separated values, RFC 4180.",
    functions = {
      { "decode", { { "text", "string" }, { "options?", "{ separator: string?, header: boolean? }" } }, may "table[]", "rows" },
      { "encode", { { "rows", "table[]" }, { "options?", "{ separator: string?, names: string[]? }" } }, { "string" }, "text" },
      { "reader", { { "options?", "{ separator: string?, header: boolean? }" } }, { "table" }, "for text that comes in pieces: feed, finish" },
    },
  },
  {
    module = "toml",
    doc = "TOML text.",
    functions = {
      { "decode", { { "text", "string" } }, { "table?", "any", "string?", "integer?" }, "value and the line of each key; or nil, message, code, line" },
    },
  },
  {
    module = "diff",
    doc = "What changed between two texts.",
    functions = {
      { "lines", { { "old", "string" }, { "new", "string" }, { "options?", "{ max_cost: integer? }" } }, { "table[]" }, "every line of both, in order" },
      { "unified", { { "old", "string" }, { "new", "string" }, { "options?", "{ context: integer?, from: string?, to: string?, max_cost: integer? }" } }, { "string" }, "a patch" },
      { "parse", { { "patch", "string" } }, may "table[]", "the files of a patch" },
    },
  },
  {
    module = "template",
    doc = "Text with holes, as Mustache has it.",
    functions = {
      { "compile", { { "text", "string" }, { "options?", "table" } }, may "fun(values: table): string", "a template for many values" },
      { "render", { { "text", "string" }, { "values", "table" }, { "options?", "table" } }, may "string", "fills a template" },
      { "escape", { { "text", "any" } }, { "string" }, "safe between tags and in quoted attributes of HTML" },
    },
  },
  {
    class = "symphony.Ctx",
    doc = "What an operation may ask of the engine: its second argument.",
    fields = {
      { "trusted", "boolean", "the project's own code may run" },
      { "deadline", "number?", "seconds that are left" },
      { "idempotency_key", "string?", "the same for each attempt of one call" },
      { "editor", "symphony.Editor?", "with the capability editor" },
    },
    functions = {
      { "artifact", { { "type", "string" }, { "bytes", "string" }, { "metadata?", "table" } }, may "table", "stores content; a reference to it" },
      { "writer", { { "type", "string" }, { "metadata?", "table" } }, { "symphony.Writer" }, "stores content piece by piece" },
      { "open", { { "ref", "table|string" } }, may "symphony.Reader", "an artifact's content" },
      { "emit", { { "event_type", "string" }, { "payload?", "any" } }, may "boolean", "an event of its own" },
      { "progress", { { "done", "number" }, { "total?", "number" }, { "text?", "string" } }, {}, "how far it is" },
      { "stream", { { "chunk", "string" } }, {}, "a piece of its output, while it works" },
      { "log", { { "level", '"debug"|"info"|"warn"|"error"' }, { "text", "string" } }, {}, "a record" },
      { "usage", { { "used", "{ usd: number?, tokens: integer? }" } }, {}, "what it cost; kept when it fails, too" },
      { "retry", { { "message", "string" }, { "code?", "string" } }, { "nil", "string", "string" }, "`return ctx.retry(...)`: it failed, and may work later" },
      { "cancelled", {}, { "boolean" }, "whether it should end" },
    },
  },
  {
    class = "symphony.Editor",
    doc = "The editor of the person, where one is attached.",
    functions = {
      { "buffer", {}, may "table", "the text being edited" },
      { "selection", {}, may "table", "what is selected" },
      { "edit", { { "edits", "table[]" } }, may "boolean", "changes the text" },
      { "diagnostics", { { "list", "table[]" } }, may "boolean", "shows findings" },
      { "open", { { "path", "string" }, { "line?", "integer" } }, may "boolean", "shows a file" },
      { "pick", { { "items", "table[]" } }, may "any", "lets the person choose" },
      { "input", { { "schema", "table" } }, may "any", "asks the person" },
      { "notify", { { "text", "string" } }, may "boolean", "says something" },
    },
  },
  {
    class = "symphony.Writer",
    methods = true,
    doc = "An artifact that is written.",
    functions = {
      { "write", { { "...", "string" } }, { "symphony.Writer" }, "adds bytes" },
      { "close", {}, may "table", "a reference to what was written" },
    },
  },
  {
    class = "symphony.Reader",
    methods = true,
    doc = "An artifact that is read.",
    functions = {
      { "read", { { "count?", "integer" } }, { "string?" }, "bytes; all that is left without a count" },
      { "lines", {}, { "fun(): string?" }, "line after line" },
      { "close", {}, {}, "gives it back" },
    },
  },
  {
    module = "testing",
    doc = "In specs only: the project, network, programs and clock of a test, each new for each test.",
    functions = {
      { "call", { { "operation", "string" }, { "input?", "table" } }, { "any", "string?", "string?" }, "calls an operation as the engine does, schemas included" },
      { "ctx", {}, { "symphony.Ctx" }, "a ctx, for functions that a spec calls itself" },
      { "last", {}, { "{ artifacts: table[], events: table[], logs: table[], progress: table[], stream: string, usage: { usd: number, tokens: integer }, transient: boolean }" }, "what the last call left" },
      { "files", { { "tree", "table<string, string>" } }, {}, "puts files into the project: path to content" },
      { "read", { { "path", "string" } }, { "string?" }, "a file of the project" },
      { "sh", { { "line", "string" } }, { "string" }, "runs a line of shell in the project, to set a scene; it reaches nothing else" },
      { "reply", { { "url", "string" }, { "answer", "table|fun(request: table): table?, string?, string?" }, { "method?", "string" } }, {}, "answers HTTP requests; * at the end of the URL is anything" },
      { "requests", {}, { "{ method: string, url: string, body: string?, headers: table }[]" }, "the HTTP requests that were made" },
      { "program", { { "argv", "string[]" }, { "answer", "table|fun(options: table): table?, string?, string?" } }, {}, "answers for a program whose arguments begin so" },
      { "real", { { "program", "string" } }, {}, "lets a program really run, as far as it is granted" },
      { "ran", {}, { "table[]" }, "the programs that were run" },
      { "now_ms", {}, { "integer" }, "the clock of the test" },
      { "set_now", { { "ms", "integer" } }, {}, "sets it" },
      { "advance", { { "ms", "integer" } }, {}, "moves it" },
      { "slept_ms", {}, { "integer" }, "how long was slept" },
      { "trusted", { { "yes", "boolean" } }, {}, "what ctx.trusted says from now on" },
      { "cancelled", { { "yes", "boolean" } }, {}, "what ctx.cancelled() says from now on" },
    },
  },
}
