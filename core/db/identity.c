/* identity.c: this database's copies of the person and of the project. Unchanged rows are not written. */
#include "db/internal.h"

#include "db/sql.h"

#include <string.h>

typedef struct identity {
    sy__db *db;
    const char *user_id, *name, *email, *preferences, *project_name, *configuration;
    char project_id[SY__ID_BYTES];
    char now[SY__STAMP_BYTES];
} identity;

static int
write_user(sqlite3 *conn, const identity *i, sy__error *err)
{
    const char *texts[] = {i->user_id, i->name, i->email, i->preferences, i->now};
    return sy__sql_texts(conn,
                         "INSERT INTO user (id, name, email, preferences, created_at) VALUES (?1, ?2, ?3, ?4, ?5)"
                         " ON CONFLICT (id) DO UPDATE SET name = ?2, email = ?3, preferences = ?4"
                         " WHERE (name, email, preferences) IS NOT (?2, ?3, ?4)",
                         texts, 5, err);
}

/* A database has one project; the first opening gives it its id and its owner. */
static int
write_project(sqlite3 *conn, identity *i, sy__error *err)
{
    int code =
        sy__sql_text(conn, "SELECT id FROM project ORDER BY id LIMIT 1", NULL, 0, i->project_id, SY__ID_BYTES, err);
    if (code) return code;
    if (!i->project_id[0]) {
        sy__id_source ids;
        sy__id_source_init(&ids, i->db->clock);
        sy__id_next(&ids, i->project_id);
    }
    const char *texts[] = {i->project_id, i->user_id, i->project_name, i->configuration, i->now};
    return sy__sql_texts(conn,
                         "INSERT INTO project (id, user_id, name, configuration, created_at)"
                         " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET name = ?3, configuration = ?4"
                         " WHERE (name, configuration) IS NOT (?3, ?4)",
                         texts, 5, err);
}

static int
write_both(sqlite3 *conn, void *ud, sy__error *err)
{
    int code = write_user(conn, ud, err);
    return code ? code : write_project(conn, ud, err);
}

int
sy__db_identity(sy__db *db, const char *user_id, const char *name, const char *email, const char *preferences,
                const char *project_name, const char *configuration, sy__error *err)
{
    identity i = {.db = db,
                  .user_id = user_id,
                  .name = name,
                  .email = email,
                  .preferences = preferences,
                  .project_name = project_name,
                  .configuration = configuration};
    sy__stamp(sy__wall_ms(db->clock), i.now);
    int code = sy__db_exclusive(db, write_both, &i, err);
    if (code) return code;
    memcpy(db->ids.project, i.project_id, SY__ID_BYTES);
    memcpy(db->ids.user, user_id, strnlen(user_id, SY__ID_BYTES - 1));
    return SY_OK;
}
