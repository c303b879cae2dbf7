# The migrations of the person's database as rows for core/db/userdb.c; those of the project's are in embed.cmake.
if(TARGET sy_db)
  file(GLOB user_migrations CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} core/db/user/*.sql)
  sy_embed_files(${SYMPHONY_GENERATED}/db/user_list.h ROWS FILES ${user_migrations})
  target_sources(sy_db PRIVATE ${SYMPHONY_GENERATED}/db/user_list.h)
endif()
