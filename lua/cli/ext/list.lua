--- The subcommands of ext, in the order in which help shows them. Each is one file of cli/ext with the constant entry
--- {name, summary, usage, options, example, run}.
return {
  "ls",
  "show",
  "new",
  "check",
  "test",
  "dev",
  "types",
  "install",
  "update",
  "rollback",
  "remove",
  "trust",
  "pause",
  "resume",
  "permissions",
  "pack",
  "sign",
  "keygen",
}
