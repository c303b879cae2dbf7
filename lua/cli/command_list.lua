--- The commands there are, in the order in which help shows them. Each is one file of cli/commands with the
--- constant entry {name, summary, usage, options, example, run} or {name, summary, subcommands}.
return {
  "init",
  "run",
  "call",
  "resume",
  "cancel",
  "runs",
  "show",
  "logs",
  "events",
  "artifact",
  "data",
  "melody",
  "ext",
  "projects",
  "config",
  "trust",
  "untrust",
  "doctor",
  "version",
  "help",
}
