--- Defaults fit their types; a parameter that nothing uses is worth a warning.
local params = require "melody.params"
local refs = require "melody.refs"
local suggest = require "melody.suggest"

local M = {}

local function used_params(context)
  local used = {}
  for _, task in ipairs(context.definition.tasks) do
    if task.verb == "flow" then return nil end -- its function has them all
  end
  local function see(form, content)
    if form == "$param" and type(content) == "table" then used[content[1]] = true end
  end
  refs.walk(context.definition.outputs, see)
  for _, task in ipairs(context.definition.tasks) do
    for _, item in ipairs(refs.values(task)) do refs.walk(item.value, see) end
    for _, item in ipairs(refs.functions(task)) do
      local names, read = refs.globals(item.fn)
      if names.params then return nil end -- the whole table is used
      for name in pairs(read) do
        used[name] = true
        if not context.definition.params[name] then
          local known = {}
          for other in pairs(context.definition.params) do known[#known + 1] = other end
          context.report("unknown_param", task, ("there is no parameter `%s`"):format(name),
                         { note = suggest.phrase(name, known), target = { path = { item.name }, part = name } })
        end
      end
    end
  end
  return used
end

--- Adds the problems of this stage.
---@param context table
function M.run(context)
  local names, used = {}, used_params(context)
  for name in pairs(context.definition.params) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local param = context.definition.params[name]
    local why = param.default ~= nil and params.mismatch(param, param.default) or nil
    if why then
      context.report("type_mismatch", nil, ("the default of parameter `%s`: %s"):format(name, why),
                     { line = param.line })
    end
    if used and not used[name] then
      context.report("melody_invalid", nil, ("nothing uses the parameter `%s`"):format(name),
                     { severity = "warning", line = param.line })
    end
  end
end

return M
