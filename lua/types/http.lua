---@meta
-- The module `http` of extensions: core/bind/http.c.

---@class http
local http = {}

---@class http.Request
---@field url string http:// or https://; host and port as granted by `net` in the manifest
---@field method? string GET, or POST with a body
---@field headers? table<string, string>
---@field body? string
---@field timeout? number seconds, for all of it
---@field follow? integer|boolean redirects that are followed; 5 when left out
---@field max_body? integer bytes of the collected body; 8 MiB when left out
---@field stream? boolean the body also goes to the task's stream of tokens
---@field on_body? fun(bytes: string) is called with each piece of the body, which is not collected then

---@class http.Response
---@field status integer
---@field headers table<string, string> names in lower case; several of one name are joined by ", ", cookies by "\n"
---@field body string "" when it was streamed
---@field url string the last one asked

--- Asks and waits for the answer; a status of 404 is an answer.
---@param request http.Request
---@return http.Response?
---@return string? message
---@return string? code permission_denied, timeout, usage or io_error
function http.request(request) end

return http
