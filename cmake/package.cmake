# What others use: the shared and the static library, the program, and the files that tell where they are.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(rooms "")
foreach(room base router db io kit pit bind host)
  if(TARGET sy_${room})
    list(APPEND rooms sy_${room})
  endif()
endforeach()
set(objects "")
set(libraries "")
foreach(room ${rooms})
  list(APPEND objects $<TARGET_OBJECTS:${room}>)
  get_target_property(linked ${room} LINK_LIBRARIES)
  list(APPEND libraries ${linked})
endforeach()
list(FILTER libraries EXCLUDE REGEX "^sy_")
list(REMOVE_DUPLICATES libraries)

# Where isolates in processes of their own find the program when nobody says (core/bind/program.c).
target_compile_definitions(sy_bind PRIVATE SYMPHONY_INSTALLED="${CMAKE_INSTALL_FULL_BINDIR}/symphony")

# One archive with every room, for programs that link it in.
add_library(symphony_static STATIC ${objects})
set_target_properties(symphony_static PROPERTIES OUTPUT_NAME symphony LINKER_LANGUAGE CXX)
target_link_libraries(symphony_static PUBLIC sy_flags ${libraries})
target_include_directories(symphony_static PUBLIC ${SYMPHONY_GENERATED})

# The program: one file, everything in it but Debian's own libraries.
add_executable(symphony_program core/cli/main.c)
set_target_properties(symphony_program PROPERTIES OUTPUT_NAME symphony)
target_link_libraries(symphony_program PRIVATE symphony_static)
target_link_options(symphony_program PRIVATE -Wl,--as-needed)

# The shared library shows sy_ symbols only. A sanitised one cannot be loaded by other programs: not built.
if(NOT SYMPHONY_SANITIZE)
  add_library(symphony_shared SHARED ${objects})
  set_target_properties(symphony_shared PROPERTIES OUTPUT_NAME symphony EXPORT_NAME symphony LINKER_LANGUAGE CXX
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/symphony.map)
  target_link_libraries(symphony_shared PRIVATE sy_flags ${libraries})
  target_link_options(symphony_shared PRIVATE -Wl,--as-needed -Wl,-z,defs
    -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/symphony.map)
  target_include_directories(symphony_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

  string(JOIN " " SYMPHONY_PC_REQUIRES ${SYMPHONY_PACKAGES})
  file(RELATIVE_PATH SYMPHONY_PC_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix) # the file may be moved
  configure_file(cmake/symphony.pc.in ${PROJECT_BINARY_DIR}/symphony.pc @ONLY)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/symphony)
  configure_package_config_file(cmake/symphonyConfig.cmake.in ${PROJECT_BINARY_DIR}/symphonyConfig.cmake
    INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/symphonyConfigVersion.cmake COMPATIBILITY SameMinorVersion)

  install(TARGETS symphony_shared EXPORT symphonyTargets)
  install(EXPORT symphonyTargets NAMESPACE symphony:: DESTINATION ${package_dir})
  install(FILES ${PROJECT_BINARY_DIR}/symphonyConfig.cmake ${PROJECT_BINARY_DIR}/symphonyConfigVersion.cmake
    DESTINATION ${package_dir})
  install(FILES ${PROJECT_BINARY_DIR}/symphony.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  install(FILES core/include/symphony.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(TARGETS symphony_static ARCHIVE)
  install(TARGETS symphony_program RUNTIME)
endif()
