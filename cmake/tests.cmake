# What tests and checks: C test programs, fuzz targets, the host of the specs, the checkers of the source.

foreach(check format cppcheck tidy luacheck shellcheck)
  add_custom_target(lint-${check} COMMAND ${PROJECT_SOURCE_DIR}/spec/lint ${check} --build ${PROJECT_BINARY_DIR}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} USES_TERMINAL VERBATIM)
endforeach()
add_custom_target(lint DEPENDS lint-format lint-cppcheck lint-luacheck lint-shellcheck)
add_custom_target(format COMMAND ${PROJECT_SOURCE_DIR}/spec/lint format --fix VERBATIM)

if(NOT SYMPHONY_TESTS)
  return()
endif()
enable_testing()
add_custom_target(symphony-tests)

# spec/ROOM/NAME_test.c is the program ROOM_NAME_test and the test ROOM/NAME_test.
foreach(room base router db io kit pit bind host)
  file(GLOB tests CONFIGURE_DEPENDS spec/${room}/*_test.c)
  foreach(test ${tests})
    get_filename_component(name ${test} NAME_WE)
    add_executable(${room}_${name} EXCLUDE_FROM_ALL ${test})
    target_link_libraries(${room}_${name} PRIVATE sy_${room})
    target_include_directories(${room}_${name} PRIVATE spec)
    add_test(NAME ${room}/${name} COMMAND ${room}_${name})
    set_tests_properties(${room}/${name} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)
    add_dependencies(symphony-tests ${room}_${name})
  endforeach()
endforeach()

# A server with TLS of its own, and names that resolve as the tests want: what is loaded later finds their getaddrinfo.
sy_package(SSL libssl libcrypto)
foreach(test io_http_test bind_cancel_test bind_http_test)
  target_link_libraries(${test} PRIVATE PkgConfig::SSL)
  set_target_properties(${test} PROPERTIES ENABLE_EXPORTS ON)
endforeach()

# Every attack three times, each to the end of its time.
set_tests_properties(kit/hostile_test PROPERTIES TIMEOUT 900)

# spec/host/powerloss_layer.c takes the place of the C library's calls. 500 seeds in the long form.
set_tests_properties(host/powerloss_test PROPERTIES TIMEOUT 1800)
target_sources(host_powerloss_test PRIVATE spec/host/powerloss_disk.c spec/host/powerloss_layer.c)
foreach(call open openat mkdir mkdirat write fsync rename renameat unlink unlinkat)
  target_link_options(host_powerloss_test PRIVATE LINKER:--wrap=${call})
endforeach()

# spec/fuzz/NAME_fuzz.c defines LLVMFuzzerTestOneInput; its seeds lie in spec/fuzz/seeds/NAME/.
file(GLOB fuzzers CONFIGURE_DEPENDS spec/fuzz/*_fuzz.c)
foreach(fuzzer ${fuzzers})
  get_filename_component(name ${fuzzer} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" seeds ${name})
  add_executable(${name} EXCLUDE_FROM_ALL ${fuzzer})
  target_link_libraries(${name} PRIVATE symphony_static)
  target_include_directories(${name} PRIVATE spec ${SYMPHONY_GENERATED})
  if(SYMPHONY_FUZZER)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE spec/support/fuzz_main.c)
  endif()
  add_test(NAME fuzz/${seeds} COMMAND ${name} ${PROJECT_SOURCE_DIR}/spec/fuzz/seeds/${seeds})
  set_tests_properties(fuzz/${seeds} PROPERTIES TIMEOUT 300)
  add_dependencies(symphony-tests ${name})
endforeach()

# The built host that runs the busted specs.
add_executable(symphony-spec spec/support/host.c spec/support/child.c spec/support/echo.c)
target_link_libraries(symphony-spec PRIVATE symphony_static)
target_include_directories(symphony-spec PRIVATE spec ${SYMPHONY_GENERATED})
add_dependencies(symphony-tests symphony-spec symphony_program)
