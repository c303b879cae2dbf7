# Files that become part of the binary, through a small C program that is built first (no other tool needed).

add_executable(sy_embed cmake/embed.c)
set_target_properties(sy_embed PROPERTIES EXCLUDE_FROM_ALL ON)

# sy_embed_files(OUTPUT LIST-NAME MODE... FILES f...): writes OUTPUT from the files, given relative to the source tree.
function(sy_embed_files output)
  cmake_parse_arguments(arg "ROWS" "" "FILES" ${ARGN})
  set(list ${output}.list)
  list(JOIN arg_FILES "\n" lines)
  file(CONFIGURE OUTPUT ${list} CONTENT "${lines}\n" @ONLY) # written only when the set of files changed
  list(TRANSFORM arg_FILES PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE inputs)
  set(mode "")
  if(arg_ROWS)
    set(mode --rows)
  endif()
  add_custom_command(OUTPUT ${output}
    COMMAND sy_embed ${mode} ${output} ${PROJECT_SOURCE_DIR} ${list}
    DEPENDS sy_embed ${list} ${inputs} VERBATIM)
endfunction()

set(SYMPHONY_GENERATED ${PROJECT_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${SYMPHONY_GENERATED}/bind ${SYMPHONY_GENERATED}/db)

# The program in Lua, the isolates' library, the bundled extensions: all their text files but the specs.
file(GLOB_RECURSE embedded CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} lua/* stdlib/* extensions/*)
list(FILTER embedded EXCLUDE REGEX "/spec/|/\\.|~$|\\.(so|o|png|jpg)$")
sy_embed_files(${SYMPHONY_GENERATED}/embed_files.c FILES ${embedded})

# The migrations: {"core/db/migrations/0001_….sql", "SQL", size}, rows to be included in an initialiser.
file(GLOB migrations CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} core/db/migrations/*.sql)
sy_embed_files(${SYMPHONY_GENERATED}/db/migrations_list.h ROWS FILES ${migrations})
file(GLOB migrations CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} core/db/user/*.sql)
sy_embed_files(${SYMPHONY_GENERATED}/db/user_list.h ROWS FILES ${migrations})

# One line SY__MODULE(name) for each luaopen_sy_name that core/bind defines; see core/bind/modules.h.
file(GLOB bindings CONFIGURE_DEPENDS core/bind/*.c)
add_custom_command(OUTPUT ${SYMPHONY_GENERATED}/bind/modules_list.h
  COMMAND ${CMAKE_COMMAND} "-DSOURCES=${bindings}" -DOUTPUT=${SYMPHONY_GENERATED}/bind/modules_list.h
          -P ${PROJECT_SOURCE_DIR}/cmake/modules.cmake
  DEPENDS ${bindings} cmake/modules.cmake VERBATIM)
add_custom_target(sy_generated
  DEPENDS ${SYMPHONY_GENERATED}/bind/modules_list.h ${SYMPHONY_GENERATED}/db/migrations_list.h
          ${SYMPHONY_GENERATED}/db/user_list.h)
