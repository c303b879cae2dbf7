# The migrations of the project's and of the person's database, as C headers for core/db.
function(sy_embed_sql name dir)
  file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${dir}/*.sql)
  string(REPLACE ";" "|" joined "${files}")
  set(out ${PROJECT_BINARY_DIR}/generated/db/${name}.h)
  add_custom_command(OUTPUT ${out} VERBATIM
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAME=${name} -DFILES=${joined} -P ${PROJECT_SOURCE_DIR}/cmake/embed_sql.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed_sql.cmake COMMENT "Embedding ${dir}")
  target_sources(sy_db PRIVATE ${out})
endfunction()

if(TARGET sy_db)
  sy_embed_sql(project_migrations core/db/migrations)
  sy_embed_sql(user_migrations core/db/user)
  target_include_directories(sy_db PRIVATE ${PROJECT_BINARY_DIR}/generated)
endif()
