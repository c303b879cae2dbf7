--- A first melody: finds the files of a folder and looks at each of them, four at a time.

local melody = require "melody"

local hello = melody "hello"
hello.doc = "A first melody: finds files and looks at each of them."

hello:param("name", { type = "string", default = "world", doc = "whom to greet" })
local pattern = hello:param("pattern", { type = "string", default = "*", doc = "which files to look at" })

local found = hello:task("found", "file.glob", { pattern = pattern })

local looked = hello:each("looked", found.files, "file.stat", function(file)
  return { path = file.path }
end, { max_parallel = 4, on_error = "skip" })

hello:output("greeting", hello:text "Hello, {params.name}!")
hello:output("files", looked)

return hello
