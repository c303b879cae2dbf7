-- luacheck: the program, the isolates' library, the bundled extensions, the specs.
std = "lua54"
max_line_length = 120
exclude_files = {"build/**", "spec/fixtures/**", "spec/kit/hostile/**", "lua/types/**"}

-- Melodies see `melody` and its words; expressions and operations see nothing more than Lua.
files["lua/melodies/**"] = {globals = {}, read_globals = {"melody"}}

files["spec/**/*_spec.lua"] = {std = "lua54+busted", max_line_length = 140}
files["extensions/**/spec/*_spec.lua"] = {std = "lua54+busted", max_line_length = 140}
