--- Every error code: its exit code and meaning as the C core has them, an example, what to do. `symphony help CODE`
--- prints one. The list has the order of the core.
local core = require "sy.core"

local texts = {
  usage = {
    example = "symphony run\nerror[usage]: MELODY is missing",
    action = "Look at the command's --help; nothing was done.",
  },
  melody_invalid = {
    example = "melodies/review.lua:4   local diff = review:task(\"diff\"",
    action = "Correct the line that is named, then: symphony melody check FILE",
  },
  cycle = {
    example = "error[cycle]: tasks wait for each other in a circle: a -> b -> a",
    action = "Take one of the named edges away; `after` and references both make edges.",
  },
  unknown_operation = {
    example = "review:task(\"diff\", \"git.dif\")\n"
      .. "error[unknown_operation]: no installed extension has the operation `git.dif`",
    action = "symphony ext ls   lists the extensions, symphony ext show NAME its operations.",
  },
  unknown_field = {
    example = "paths = diff.fiels\nerror[unknown_field]: git.diff has no output `fiels`",
    action = "symphony ext show EXT.OP   lists the fields.",
  },
  type_mismatch = {
    example = "symphony run review -p depth=many\n"
      .. "error[type_mismatch]: the parameter `depth`: it must be an integer, it is a string",
    action = "Give a value of the type that is named.",
  },
  missing_param = {
    example = "symphony run deploy\nerror[missing_param]: deploy needs the parameter `target`",
    action = "Give it: symphony run deploy -p target=staging",
  },
  unknown_param = {
    example = "symphony run review -p bse=main\nerror[unknown_param]: did you mean `base`?",
    action = "symphony melody show NAME   lists the parameters.",
  },
  expression_error = {
    example = "when = \"#diff.files >\"\nerror[expression_error]: unexpected symbol",
    action = "Correct the expression at the line that is named.",
  },
  manifest_invalid = {
    example = "extensions/mine/Symphony.toml:3   verson = \"0.1.0\"\nerror[manifest_invalid]: did you mean `version`?",
    action = "Correct the line, then: symphony ext check FOLDER",
  },
  permission_denied = {
    example = "error[permission_denied]: may not read `/etc/passwd`: it was not granted",
    action = "If it should, add the path to [capabilities] in its Symphony.toml.",
  },
  not_trusted = {
    example = "symphony run build\n"
      .. "error[not_trusted]: melodies/build.lua belongs to this project, which is not trusted",
    action = "Read the project's melodies and extensions, then: symphony trust",
  },
  not_found = {
    example = "symphony show 99\nerror[not_found]: there is no run 99",
    action = "symphony runs, symphony melody ls and symphony ext ls   list what there is.",
  },
  no_model = {
    example = "notes   skipped: no model",
    action = "This release has no models. Give the task a fallback or on_error = \"skip\".",
  },
  no_editor = {
    example = "error[no_editor]: ctx.editor.selection needs an editor",
    action = "This release attaches to no editor. Give the task on_error = \"skip\", or leave it out.",
  },
  timeout = {
    example = "checks/3   timeout after 30 s",
    action = "Give the task more time (timeout = \"2m\"), or less to do.",
  },
  memory_limit = {
    example = "error[memory_limit]: search may use 64 MiB",
    action = "Give it less at once, or raise memory in [capabilities] of its Symphony.toml.",
  },
  cancelled = {
    example = "symphony cancel 7\nrun #7: cancelled",
    action = "Start the melody again when you want it.",
  },
  budget_exceeded = {
    example = "error[budget_exceeded]: the run's budget is 0.5 usd: 0.46 usd spent, and `llm.ask` asks for 0.05 usd",
    action = "symphony resume RUN --budget 1usd   goes on with more. Or use a cheaper operation.",
  },
  extension_error = {
    example = "extensions/mine/init.lua:12: attempt to index a nil value",
    action = "symphony logs RUN --failed   shows what it said; correct the extension or its input.",
  },
  process_failed = {
    example = "error[process_failed]: git diff ended with 128: not a git repository",
    action = "Run the program by hand in the project's folder; install it if it is missing.",
  },
  effect_uncertain = {
    example = "`upload` may have taken effect before the crash",
    action = "Look, then: symphony resume RUN --retry TASK, --skip TASK or --result TASK=JSON",
  },
  disk_full = {
    example = "error[disk_full]: .symphony/symphony.db: No space left on device",
    action = "Free some space (symphony artifact gc may help), then: symphony resume",
  },
  db_damaged = {
    example = "error[db_damaged]: .symphony/symphony.db is not a database",
    action = "symphony doctor   looks closer; copies from before migrations lie in .symphony/backup/.",
  },
  db_newer = {
    example = "error[db_newer]: the database has version 9, this program knows 4",
    action = "Use the newer program; nothing was changed.",
  },
  run_owned = {
    example = "symphony resume 7\nerror[run_owned]: run #7 is being run by another process",
    action = "Wait for it, end it with symphony cancel, or end that process.",
  },
  forked = {
    example = "sy_open(...); fork(); sy_step(...) in the child",
    action = "Open a host after fork(); one host serves one process.",
  },
  out_of_memory = {
    example = "error[out_of_memory]: no memory for a Lua state",
    action = "Close other programs, or run fewer tasks at once: --parallel 2",
  },
  io_error = {
    example = "error[io_error]: .symphony: Input/output error",
    action = "Look at the file that is named, and at the disk: symphony doctor",
  },
  again = {
    example = "sy_next_event(...) == SY_EAGAIN",
    action = "Call it again when sy_fd is readable.",
  },
  interrupted = {
    example = "^C\nrun #7 is parked   symphony resume 7",
    action = "symphony resume   goes on with it.",
  },
  invalid_value = {
    example = "symphony call file.read '{path}'\nerror[invalid_value]: line 1: '\"' expected",
    action = "Values are JSON: names and texts in double quotes.",
  },
  internal = {
    example = "error[internal]: lua/cli/main.lua:60: attempt to index a nil value",
    action = "Report it with the command you typed and what symphony version says.",
  },
  suspended = {
    example = "error[suspended]: git is paused",
    action = "symphony ext resume NAME   lets a paused extension be called again. One that keeps failing comes back by "
      .. "itself: symphony ext show NAME",
  },
  file_invalid = {
    example = "symphony import run.tar.zst\nerror[file_invalid]: the file is damaged: blobs/3f… is not what it was",
    action = "Nothing was changed. Export the run once more, or copy the file again.",
  },
}

---@class ErrorHelp
---@field code string
---@field exit integer
---@field meaning string
---@field example string
---@field action string

---@type ErrorHelp[]
local list = {}
for i, row in ipairs(core.errors()) do
  local text = texts[row.code] or {}
  list[i] = { code = row.code, exit = row.exit, meaning = row.sentence, example = text.example, action = text.action }
end

return list
