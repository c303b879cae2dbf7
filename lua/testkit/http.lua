--- Inside an isolate under test: `http`. A request is answered by what the test says, else by the recording beside the
--- spec; with --record by the network, which is then recorded. Grants count as they do always.
local host = require "testing.host"
local state = require "testing.state"

local M = {}

local function place(url)
  local scheme, authority = url:match "^(https?)://([^/?#]+)"
  if not scheme then return nil end
  local name, port = authority:match "^(.*):(%d+)$"
  return name or authority, math.tointeger(tonumber(port)) or (scheme == "https" and 443 or 80)
end

--- Whether a test's word for a URL means this one: the same, or up to a * at its end.
local function is_url(said, url)
  if said:sub(-1) == "*" then return url:sub(1, #said - 1) == said:sub(1, -2) end
  return said == url
end

local function told(request)
  for _, reply in ipairs(state.replies) do
    if is_url(reply.url, request.url) and (not reply.method or reply.method == request.method) then
      if type(reply.answer) == "function" then return reply.answer(request) end
      return reply.answer
    end
  end
end

local function recorded(request)
  local key = request.method .. " " .. request.url .. " " .. (request.body or "")
  local nth, seen, last = (state.taken[key] or 0) + 1, 0, nil
  state.taken[key] = nth
  for _, one in ipairs(state.about.recorded) do
    local asked = one.request
    if asked.method == request.method and asked.url == request.url and (asked.body or "") == (request.body or "") then
      seen, last = seen + 1, one.answer
      if seen == nth then break end
    end
  end
  return last
end

local function ask_network(options, request)
  local asked = {}
  for key, value in pairs(options) do asked[key] = value end
  asked.on_body, asked.stream = nil, nil
  local answer, message, code = require("real.http").request(asked)
  if not answer then return nil, message, code end
  host.ask("record", { request = request, answer = answer })
  return answer
end

local function hand_over(options, answer)
  local body = answer.body or ""
  if options.stream then state.last.stream = state.last.stream .. body end
  if options.on_body and body ~= "" then options.on_body(body) end
  return { status = answer.status or 200, headers = answer.headers or {}, url = answer.url or options.url,
           body = options.on_body and "" or body }
end

function M.request(options)
  if type(options) ~= "table" then error("bad argument #1 to 'request' (table expected)", 2) end
  local name, port = place(options.url or "")
  if not name then return nil, ("`%s` is no http:// or https:// URL"):format(tostring(options.url)), "usage" end
  if not host.allows("net", name, port) then
    return nil, ("may not ask `%s:%d`: it was not granted; add  net = [\"%s:%d\"]  to Symphony.toml"):format(name, port,
      name, port), "permission_denied"
  end
  local request = { method = options.method or options.body and "POST" or "GET", url = options.url,
                    body = options.body }
  table.insert(state.requests, { method = request.method, url = request.url, body = request.body,
    headers = options.headers or {} })
  local answer, message, code = told(request)
  if answer == nil and message then return nil, message, code end
  if not answer and state.about.recording then
    answer, message, code = ask_network(options, request)
    if not answer then return nil, message, code end
  end
  answer = answer or recorded(request)
  if answer then return hand_over(options, answer) end
  local missing = ("%s %s has no answer in this test: testing.reply, or a recording"):format(request.method,
    request.url)
  table.insert(state.unanswered, missing)
  error(missing, 2)
end

return M
