/* core_person.c: the person and the list of projects, for trusted Lua. */
#include "bind/core.h"
#include "db/userdb.h"
#include "io/vault.h"
#include "kit/luavalue.h"

#include <string.h>

/* A text field, kept on the stack so that it lives. */
/*
 * host:identity{user_dir=, name=, email=, preferences=JSON, project=NAME, configuration=JSON} → user id
 *
 * Makes or refreshes the person in user_dir/user.db, the copies in this project's database, and the list of
 * projects.
 */
int
sy__core_identity(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    sy__userdb *u = NULL;
    char id[SY__ID_BYTES];
    luaL_checktype(L, 2, LUA_TTABLE);
    const char *dir = sy__lib_text_field(L, 2, "user_dir", NULL), *name = sy__lib_text_field(L, 2, "name", "");
    const char *email = sy__lib_text_field(L, 2, "email", ""),
               *preferences = sy__lib_text_field(L, 2, "preferences", "{}");
    const char *project = sy__lib_text_field(L, 2, "project", ""),
               *configuration = sy__lib_text_field(L, 2, "configuration", "{}");
    luaL_argcheck(L, dir != NULL, 2, "a user_dir is needed");
    sy__db *db = sy__project_db(h->project);
    int status = sy__userdb_open(&u, sy__project_alloc(h->project), sy__project_clock(h->project), dir, &err);
    if (!status) status = sy__userdb_person(u, name, email, preferences, id, &err);
    if (!status) status = sy__db_identity(db, id, name, email, preferences, project, configuration, &err);
    if (!status)
        status =
            sy__userdb_project(u, sy__db_known(db)->project, sy__project_dir(h->project), project, configuration, &err);
    sy__userdb_close(u);
    if (!status) status = sy__vault_open(sy__project_vault(h->project), lua_pushfstring(L, "%s/secrets", dir));
    if (status && !err.code) (void)sy__error_set(&err, status, "%s", sy_strerror(status));
    if (status) return sy__core_fail(L, &err);
    lua_pushstring(L, id);
    return 1;
}

/* The names and texts of one project, flattened: Lua must not raise while the query is open. */
static void
add_project(void *ud, const sy__known_project *p)
{
    sy__vbuf *b = ud;
    const char *const names[] = {"id", "name", "path", "created_at", "opened_at"};
    const char *const texts[] = {p->id, p->name, p->path, p->created_at, p->opened_at};
    sy__vbuf_map(b);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        sy__vbuf_key(b, names[i], strlen(names[i]));
        sy__vbuf_cstr(b, texts[i] ? texts[i] : "");
    }
    sy__vbuf_end(b);
}

/* projects(user_dir) → array of {id=, name=, path=, created_at=, opened_at=}, the one opened last first */
int
sy__core_projects(lua_State *L)
{
    sy__error err = {0};
    sy__userdb *u = NULL;
    sy__value v;
    const char *dir = luaL_checkstring(L, 1);
    sy__vbuf *b = sy__lib_vbuf(L);
    sy__vbuf_array(b);
    int status = sy__userdb_open(&u, &sy__alloc_default, &sy__clock_system, dir, &err);
    if (!status) status = sy__userdb_projects(u, add_project, b, &err);
    sy__userdb_close(u);
    sy__vbuf_end(b);
    if (!status) status = sy__vbuf_done(b, &v);
    if (status) {
        if (!err.code) (void)sy__error_set(&err, status, "%s", sy_strerror(status));
        return sy__core_fail(L, &err);
    }
    sy__value_to_lua(L, v);
    return 1;
}
