--- What kind of file a linter would look at: by name, else by its first line. Pure.

local M = {}

local ENDINGS = {
  c = "c", h = "header", hh = "header", hpp = "header", hxx = "header", cc = "cpp", cpp = "cpp", cxx = "cpp",
  lua = "lua", js = "javascript", mjs = "javascript", cjs = "javascript", jsx = "typescript", ts = "typescript",
    tsx = "typescript",
  sh = "shell", bash = "shell", dash = "shell", ksh = "shell", py = "python", pyi = "python",
  yml = "yaml", yaml = "yaml", json = "json", toml = "toml", xml = "xml", svg = "xml", go = "go", php = "php",
    rb = "ruby",
}

local INTERPRETERS = {
  {"python", "python"}, {"bash", "shell"}, {"dash", "shell"}, {"ksh", "shell"}, {"sh", "shell"}, {"lua", "lua"},
  {"node", "javascript"}, {"ruby", "ruby"}, {"php", "php"},
}

---@param path string
---@param first_line string
---@return string? kind
function M.of(path, first_line)
  local ending = path:lower():match "[^/]%.(%w+)$"
  if ending then return ENDINGS[ending] end
  local program = first_line:match "^#!%s*(%S+)"
  if not program then return nil end
  local name = program:match "[^/]*$"
  if name == "env" then name = first_line:match "env%s+%-?S?%s*(%S+)" or "" end
  for _, entry in ipairs(INTERPRETERS) do
    if name:sub(1, #entry[1]) == entry[1] then return entry[2] end
  end
end

return M
