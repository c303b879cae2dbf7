--- What doctor says about the kernel: what holds extensions and the programs they start, and what to do where it is
--- missing. A check gives "ok", "warn" or "fail", what it found, and what to do.
local system = require "sy.system"

local M = {}

--- What each level of Landlock brought, and what goes unheld without it.
local LEVELS = {
  { 1, "which files children use" },
  { 2, "moving files between granted folders" },
  { 3, "truncating: a filter of system calls refuses it instead" },
  { 4, "ports: no port can be granted to children" },
  { 5, "device controls: a filter refuses the known dangerous ones" },
  { 6, "signals: a child can send them to your other programs" },
}
local NEWER_KERNEL = { "5.13", "5.19", "6.2", "6.7", "6.10", "6.12" }

local function newer(level)
  return ("a kernel from %s on"):format(NEWER_KERNEL[level])
end

local function landlock()
  local level = system.kernel().landlock
  if level == 0 then
    return "warn", "not offered by this kernel: children of extensions can use all your files",
      newer(1) .. " with Landlock in its list of security modules (/sys/kernel/security/lsm, option lsm=landlock,…)"
  end
  local missing = {}
  for _, entry in ipairs(LEVELS) do
    if entry[1] > level then missing[#missing + 1] = entry[2] end
  end
  if #missing == 0 then return "ok", "level " .. level end
  return "warn", ("level %d; not held: %s"):format(level, table.concat(missing, "; ")), newer(6)
end

local function feature(name, has, lacks, action)
  return function()
    local kernel = system.kernel()
    if kernel[name] then return "ok", has end
    return "warn", ("%s (kernel %s)"):format(lacks, tostring(kernel.release)), action
  end
end

M.list = {
  { name = "openat2", look = feature("openat2", "there",
    "missing: paths are walked one part at a time, which is slower", "a kernel from 5.6 on") },
  { name = "pidfd", look = feature("pidfd", "there", "missing: no program can be started", "a kernel from 5.4 on") },
  { name = "close_range", look = feature("close_range", "there", "missing: no program can be started",
    "a kernel from 5.11 on") },
  { name = "Landlock", look = landlock },
  { name = "seccomp", look = feature("seccomp", "system calls and sockets of children are held",
    "missing: extensions start no programs", "a kernel with CONFIG_SECCOMP_FILTER") },
  { name = "left-over programs", look = feature("marks", "found and ended after each call",
    "this process has a limit on file locks: what a child hides from its group is not found",
    "ulimit -x unlimited; inside of another Symphony that one does it") },
  { name = "user namespaces", look = feature("userns", "there, not needed", "not for this user; not needed", nil) },
}

return M
