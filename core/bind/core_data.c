/* core_data.c: rows and artifacts for trusted Lua. Methods of the host of core.c. */
#include "bind/core.h"
#include "kit/luavalue.h"
#include "pit/stale/stale.h"

#include <string.h>

/* ---- rows ---- */

/* Binds the array at `index` to ?1, ?2, …: nil and null, booleans, numbers, text. */
static int
bind_all(lua_State *L, int index, sqlite3_stmt *stmt)
{
    int count = sqlite3_bind_parameter_count(stmt);
    for (int i = 1; i <= count; i++) {
        int status;
        size_t len;
        switch (lua_isnoneornil(L, index) ? LUA_TNIL : lua_rawgeti(L, index, i)) {
        case LUA_TSTRING: {
            const char *s = lua_tolstring(L, -1, &len);
            status = sqlite3_bind_text64(stmt, i, s, len, SQLITE_TRANSIENT, SQLITE_UTF8);
            break;
        }
        case LUA_TNUMBER:
            status = lua_isinteger(L, -1) ? sqlite3_bind_int64(stmt, i, lua_tointeger(L, -1))
                                          : sqlite3_bind_double(stmt, i, lua_tonumber(L, -1));
            break;
        case LUA_TBOOLEAN: status = sqlite3_bind_int(stmt, i, lua_toboolean(L, -1)); break;
        default: status = sqlite3_bind_null(stmt, i);
        }
        if (!lua_isnoneornil(L, index)) lua_pop(L, 1);
        if (status != SQLITE_OK) return status;
    }
    return SQLITE_OK;
}

static void
push_column(lua_State *L, sqlite3_stmt *stmt, int i)
{
    switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_INTEGER: lua_pushinteger(L, sqlite3_column_int64(stmt, i)); break;
    case SQLITE_FLOAT: lua_pushnumber(L, sqlite3_column_double(stmt, i)); break;
    case SQLITE_NULL: lua_pushlightuserdata(L, NULL); break;
    default: {
        const char *s = sqlite3_column_blob(stmt, i);
        lua_pushlstring(L, s ? s : "", (size_t)sqlite3_column_bytes(stmt, i));
    }
    }
}

/* What a query needs to be closed on every way out. */
typedef struct query {
    sy__db *db;
    sqlite3 *conn;
    sqlite3_stmt *stmt;
} query;

static int
query_close(lua_State *L)
{
    query *q = lua_touserdata(L, 1);
    (void)sqlite3_finalize(q->stmt);
    if (q->conn) sy__db_reader_release(q->db, q->conn);
    *q = (query){0};
    return 0;
}

static query *
push_query(lua_State *L, sy__db *db)
{
    query *q = lua_newuserdatauv(L, sizeof *q, 0);
    *q = (query){.db = db};
    if (luaL_newmetatable(L, "symphony.query")) {
        lua_pushcfunction(L, query_close);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, query_close);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return q;
}

static int
query_failed(lua_State *L, const query *q)
{
    sy__error err = {0};
    int code = sqlite3_errcode(q->conn);
    (void)sy__error_set(&err, code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? SY_EDAMAGED : SY_EIO,
                        "the database cannot be read: %s", sqlite3_errmsg(q->conn));
    return sy__core_fail(L, &err);
}

/* host:query(sql, {params}) → array of rows; NULL is json.null */
int
sy__core_query(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    const char *sql = luaL_checkstring(L, 2);
    sy__error err = {0};
    query *q = push_query(L, sy__project_db(h->project));
    q->conn = sy__db_reader(q->db, &err);
    if (!q->conn) return sy__core_fail(L, &err);
    if (sqlite3_prepare_v2(q->conn, sql, -1, &q->stmt, NULL) || bind_all(L, 3, q->stmt)) return query_failed(L, q);
    lua_newtable(L);
    int status;
    for (lua_Integer n = 1; (status = sqlite3_step(q->stmt)) == SQLITE_ROW; n++) {
        int columns = sqlite3_column_count(q->stmt);
        lua_createtable(L, 0, columns);
        for (int i = 0; i < columns; i++) {
            push_column(L, q->stmt, i);
            lua_setfield(L, -2, sqlite3_column_name(q->stmt, i));
        }
        lua_rawseti(L, -2, n);
    }
    return status == SQLITE_DONE ? 1 : query_failed(L, q);
}

/* The statements of one transaction, encoded: the writer thread must not touch Lua. */
static int
write_all(sqlite3 *conn, void *ud, sy__error *err)
{
    const sy__value *list = ud;
    sy__value_iter steps;
    sy__value_iter_init(&steps, *list);
    while (sy__value_iter_next(&steps)) {
        sy__value sql, params, item;
        size_t len;
        sqlite3_stmt *stmt = NULL;
        if (!sy__value_at(steps.value, 0, &sql)) continue;
        const char *text = sy__value_str(sql, &len);
        int status = sqlite3_prepare_v2(conn, text, (int)len, &stmt, NULL);
        bool has = sy__value_at(steps.value, 1, &params);
        for (int i = 1; status == SQLITE_OK && i <= sqlite3_bind_parameter_count(stmt); i++) {
            size_t n;
            const char *s;
            if (!has || !sy__value_at(params, (size_t)i - 1, &item)) item = sy__value_null();
            switch (sy__value_kind(item)) {
            case SY__STR:
                s = sy__value_str(item, &n);
                status = sqlite3_bind_text64(stmt, i, s, n, SQLITE_STATIC, SQLITE_UTF8);
                break;
            case SY__INT: status = sqlite3_bind_int64(stmt, i, sy__value_int(item)); break;
            case SY__NUM: status = sqlite3_bind_double(stmt, i, sy__value_num(item)); break;
            case SY__TRUE:
            case SY__FALSE: status = sqlite3_bind_int(stmt, i, sy__value_bool(item)); break;
            default: status = sqlite3_bind_null(stmt, i);
            }
        }
        if (status == SQLITE_OK) status = sqlite3_step(stmt) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(conn);
        if (status != SQLITE_OK)
            (void)sy__error_set(err, status == SQLITE_FULL ? SY_EDISKFULL : SY_EIO,
                                "the database cannot be written: %s", sqlite3_errmsg(conn));
        (void)sqlite3_finalize(stmt);
        if (status != SQLITE_OK) return status == SQLITE_FULL ? SY_EDISKFULL : SY_EIO;
    }
    return SY_OK;
}

/* Parameters may have holes (nil): they become null. */
static void
add_step(lua_State *L, int sql, int params, sy__vbuf *b, sy__error *err)
{
    size_t len;
    const char *text = luaL_checklstring(L, sql, &len);
    lua_Integer count = 0;
    sy__vbuf_array(b);
    sy__vbuf_str(b, text, len);
    sy__vbuf_array(b);
    if (lua_istable(L, params)) {
        for (lua_pushnil(L); lua_next(L, params); lua_pop(L, 1))
            if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > count) count = lua_tointeger(L, -2);
        for (lua_Integer i = 1; i <= count; i++) {
            if (lua_rawgeti(L, params, i) == LUA_TNIL)
                sy__vbuf_null(b);
            else
                (void)sy__lua_to_value(L, -1, b, err);
            lua_pop(L, 1);
        }
    }
    sy__vbuf_end(b);
    sy__vbuf_end(b);
}

static int
run_steps(lua_State *L, sy__lua_host *h, sy__vbuf *b, sy__error *err)
{
    sy__value list;
    sy__vbuf_end(b);
    int status = sy__vbuf_done(b, &list);
    if (status && !err->code) (void)sy__error_set(err, status, "a parameter cannot be stored");
    if (!status) status = sy__db_exclusive(sy__project_db(h->project), write_all, &list, err);
    if (status) return sy__core_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

/* host:write(sql, {params}) → true, when it is committed */
int
sy__core_write(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    lua_settop(L, 3);
    sy__vbuf *b = sy__lib_vbuf(L);
    sy__vbuf_array(b);
    add_step(L, 2, 3, b, &err);
    return run_steps(L, h, b, &err);
}

/* host:transaction{ {sql, {params}}, … } → true, when all of it is committed */
int
sy__core_transaction(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    luaL_checktype(L, 2, LUA_TTABLE);
    sy__vbuf *b = sy__lib_vbuf(L);
    sy__vbuf_array(b);
    for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TTABLE; i++) {
        int step = lua_gettop(L);
        lua_rawgeti(L, step, 1);
        lua_rawgeti(L, step, 2);
        add_step(L, step + 1, step + 2, b, &err);
        lua_settop(L, step - 1);
    }
    return run_steps(L, h, b, &err);
}

/* ---- artifacts ---- */

/* host:artifact_get(hash) → bytes */
int
sy__core_artifact_get(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    sy__buf *b = sy__lib_buf(L);
    if (sy__artifact_get(sy__project_artifacts(h->project), luaL_checkstring(L, 2), b, &err))
        return sy__core_fail(L, &err);
    lua_pushlstring(L, b->data ? b->data : "", b->len);
    return 1;
}

/* host:artifact_put(bytes) → {hash=, size=, stored_size=, dedup=}, durable */
int
sy__core_artifact_put(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    sy__error err = {0};
    sy__stored stored;
    sy__artifacts *s = sy__project_artifacts(h->project);
    sy__db *db = sy__project_db(h->project);
    int status = sy__artifact_put(s, SY__LEVEL_FULL, bytes, len, &stored, &err);
    if (!status) status = sy__artifacts_flush(s, &err);
    if (!status) status = sy__db_wait(db, sy__db_now(db), true, &err);
    if (status) return sy__core_fail(L, &err);
    lua_createtable(L, 0, 4);
    lua_pushstring(L, stored.hash);
    lua_setfield(L, -2, "hash");
    lua_pushinteger(L, stored.size);
    lua_setfield(L, -2, "size");
    lua_pushinteger(L, stored.stored_size);
    lua_setfield(L, -2, "stored_size");
    lua_pushboolean(L, stored.dedup);
    lua_setfield(L, -2, "dedup");
    return 1;
}

int
sy__core_artifact_verify(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    if (sy__artifact_verify(sy__project_artifacts(h->project), luaL_checkstring(L, 2), &err))
        return sy__core_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- retention ---- */

/* host:collect{hot_ms=, archive_ms=, max_bytes=, grace_ms=, cache_ms=, cache_bytes=, budget_ms=, dry_run=} → report */
int
sy__core_collect(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    sy__error err = {0};
    sy__stale_report r = {0};
    sy__stale_policy p = {
        .hot_ms = sy__lib_int_field(L, 2, "hot_ms"),
        .archive_ms = sy__lib_int_field(L, 2, "archive_ms"),
        .max_bytes = sy__lib_int_field(L, 2, "max_bytes"),
        .grace_ms = sy__lib_int_field(L, 2, "grace_ms"),
        .cache_ms = sy__lib_int_field(L, 2, "cache_ms"),
        .cache_bytes = sy__lib_int_field(L, 2, "cache_bytes"),
        .budget_ms = sy__lib_int_field(L, 2, "budget_ms"),
    };
    lua_getfield(L, 2, "dry_run");
    p.dry_run = lua_toboolean(L, -1);
    if (sy__stale_collect(sy__project_artifacts(h->project), &p, &r, &err)) return sy__core_fail(L, &err);
    lua_createtable(L, 0, 9);
    sy__lib_set_int(L, "examined", r.examined);
    sy__lib_set_int(L, "archived", r.archived);
    sy__lib_set_int(L, "deleted", r.deleted);
    sy__lib_set_int(L, "kept_pinned", r.kept_pinned);
    sy__lib_set_int(L, "kept_referenced", r.kept_referenced);
    sy__lib_set_int(L, "bytes_before", r.bytes_before);
    sy__lib_set_int(L, "bytes_after", r.bytes_after);
    sy__lib_set_int(L, "cache_dropped", r.cache_dropped);
    sy__lib_set_int(L, "orphans", r.orphans);
    return 1;
}

/* host:pin(id_or_hash, on) → true */
int
sy__core_pin(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    if (sy__stale_pin(sy__project_artifacts(h->project), luaL_checkstring(L, 2), lua_toboolean(L, 3), &err))
        return sy__core_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}
