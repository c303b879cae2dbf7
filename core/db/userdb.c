/* userdb.c: the same file rules as a project's database; writes are rare, so each is fsynced by itself. */
#include "db/userdb.h"

#include "db/folder.h"
#include "db/locks.h"
#include "db/migrate.h"
#include "db/sql.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x53594D55 /* "SYMU" */, BUSY_MS = 30000 };

static const sy__migration migrations[] = {
#include "db/user_list.h"
};

struct sy__userdb {
    const sy__alloc *alloc;
    const sy__clock *clock;
    sqlite3 *conn;
    int lock_fd; /* user.lock, held shared */
};

/* mkdir -p, each new folder 0700; what cannot be made shows when the file in it is opened. */
static void
make_parents(const char *dir)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s", dir) >= PATH_MAX) return;
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        (void)mkdir(path, 0700);
        *p = '/';
    }
    (void)mkdir(path, 0700);
}

static int
open_files(sy__userdb *u, const char *dir, sy__error *err)
{
    char file[PATH_MAX], lock[PATH_MAX], backup[PATH_MAX];
    make_parents(dir);
    if (snprintf(file, sizeof file, "%s/user.db", dir) >= PATH_MAX ||
        snprintf(lock, sizeof lock, "%s/user.lock", dir) >= PATH_MAX ||
        snprintf(backup, sizeof backup, "%s/backup", dir) >= PATH_MAX)
        return sy__error_set(err, SY_EIO, "the path is too long: %s", dir);
    int code = sy__folder_check(dir, err);
    if (code == SY_OK) code = sy__lock_open(&u->lock_fd, lock, err);
    if (code) return code;
    (void)mkdir(backup, 0700);
    const sy__schema_set set = {.migrations = migrations,
                                .count = sizeof migrations / sizeof *migrations,
                                .application_id = APPLICATION_ID,
                                .dir = dir,
                                .lock_fd = u->lock_fd,
                                .clock = u->clock};
    code = sy__migrate_open(&u->conn, file, &set, err);
    if (code == SY_OK) (void)sqlite3_busy_timeout(u->conn, BUSY_MS);
    return code;
}

int
sy__userdb_open(sy__userdb **out, const sy__alloc *a, const sy__clock *clock, const char *dir, sy__error *err)
{
    sy__userdb *u = sy__calloc(a, 1, sizeof *u);
    *out = NULL;
    if (!u) return sy__error_set(err, SY_ENOMEM, "no memory to open %s", dir);
    u->alloc = a;
    u->clock = clock;
    u->lock_fd = -1;
    int code = open_files(u, dir, err);
    if (code) {
        sy__userdb_close(u);
        return code;
    }
    *out = u;
    return SY_OK;
}

void
sy__userdb_close(sy__userdb *u)
{
    if (!u) return;
    (void)sqlite3_close(u->conn);
    if (u->lock_fd >= 0) (void)close(u->lock_fd);
    sy__free(u->alloc, u);
}

int
sy__userdb_person(sy__userdb *u, const char *name, const char *email, const char *preferences, char id[SY__ID_BYTES],
                  sy__error *err)
{
    sy__id_source ids;
    char now[SY__STAMP_BYTES], fresh[SY__ID_BYTES];
    sy__id_source_init(&ids, u->clock);
    sy__id_next(&ids, fresh);
    sy__stamp(sy__wall_ms(u->clock), now);
    const char *texts[] = {fresh, name, email, preferences, now};
    int code = sy__sql_texts(u->conn,
                             "INSERT INTO user (id, name, email, preferences, created_at) VALUES (?1, ?2, ?3, ?4, ?5)"
                             " ON CONFLICT (singleton) DO UPDATE SET name = ?2, email = ?3, preferences = ?4"
                             " WHERE (name, email, preferences) IS NOT (?2, ?3, ?4)",
                             texts, 5, err);
    return code ? code : sy__sql_text(u->conn, "SELECT id FROM user", NULL, 0, id, SY__ID_BYTES, err);
}

int
sy__userdb_project(sy__userdb *u, const char *project_id, const char *path, const char *name, const char *configuration,
                   sy__error *err)
{
    char now[SY__STAMP_BYTES];
    sy__stamp(sy__wall_ms(u->clock), now);
    const char *texts[] = {project_id, path, name, configuration, now};
    return sy__sql_texts(
        u->conn,
        "INSERT INTO project (id, user_id, name, configuration, created_at, path, opened_at)"
        " SELECT ?1, id, ?3, ?4, ?5, ?2, ?5 FROM user WHERE true ON CONFLICT (id) DO UPDATE SET name = ?3,"
        " configuration = ?4, path = ?2, opened_at = ?5",
        texts, 5, err);
}

int
sy__userdb_projects(sy__userdb *u, void (*each)(void *ud, const sy__known_project *p), void *ud, sy__error *err)
{
    static const char sql[] = "SELECT id, name, path, created_at, opened_at FROM project ORDER BY opened_at DESC, id";
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(u->conn, sql, -1, &s, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *text[5];
        for (int i = 0; i < 5; i++) text[i] = (const char *)sqlite3_column_text(s, i);
        const sy__known_project p = {text[0], text[1], text[2], text[3], text[4]};
        each(ud, &p);
        rc = SQLITE_OK;
    }
    int code = rc == SQLITE_DONE ? SY_OK : sy__sql_error(err, u->conn, rc, "cannot list the projects");
    (void)sqlite3_finalize(s);
    return code;
}

int
sy__userdb_forget(sy__userdb *u, const char *project_id, sy__error *err)
{
    int code = sy__sql_texts(u->conn, "DELETE FROM project WHERE id = ?1", &project_id, 1, err);
    if (code || sqlite3_changes(u->conn) > 0) return code;
    return sy__error_set(err, SY_ENOTFOUND, "no project has the id %s", project_id);
}
