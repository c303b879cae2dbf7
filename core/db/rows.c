/* rows.c: a table-valued function without arguments; its cursor is an index into the list. */
#include "db/rows.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

int
sy__rows_add(sy__rows *rows, const sy__alloc *a, const sy__change *c)
{
    if (rows->count == rows->cap) {
        size_t cap = rows->cap ? rows->cap * 2 : 256;
        const sy__change **list = sy__realloc(a, rows->list, cap * sizeof *list);
        if (!list) return SY_ENOMEM;
        rows->list = list;
        rows->cap = cap;
    }
    rows->list[rows->count++] = c;
    return SY_OK;
}

static int
by_key(const void *a, const void *b)
{
    const sy__param *x = (*(const sy__change *const *)a)->params, *y = (*(const sy__change *const *)b)->params;
    return sy__text_order(x->p, x->len, y->p, y->len);
}

void
sy__rows_sort(sy__rows *rows)
{
    size_t at = 1;
    while (at < rows->count && by_key(&rows->list[at - 1], &rows->list[at]) <= 0) at++;
    if (at < rows->count) qsort(rows->list, rows->count, sizeof *rows->list, by_key);
}

void
sy__rows_close(sy__rows *rows, const sy__alloc *a)
{
    sy__free(a, rows->list);
    *rows = (sy__rows){0};
}

/* ---- the table ---- */

typedef struct rows_table {
    sqlite3_vtab base;
    const sy__rows **from;
} rows_table;

typedef struct rows_cursor {
    sqlite3_vtab_cursor base;
    const sy__rows *rows;
    size_t at;
} rows_cursor;

static int
rows_connect(sqlite3 *conn, void *from, int argc, const char *const *argv, sqlite3_vtab **out, char **why)
{
    char sql[SY__ROWS_COLUMNS * 4 + 32] = "CREATE TABLE x(c0";
    size_t len = strlen(sql);
    (void)argc, (void)argv, (void)why;
    for (int i = 1; i < SY__ROWS_COLUMNS; i++) len += (size_t)snprintf(sql + len, sizeof sql - len, ",c%d", i);
    (void)snprintf(sql + len, sizeof sql - len, ")");
    int rc = sqlite3_declare_vtab(conn, sql);
    rows_table *t = rc == SQLITE_OK ? sqlite3_malloc(sizeof *t) : NULL;
    if (!t) return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    *t = (rows_table){.from = from};
    *out = &t->base;
    return SQLITE_OK;
}

static int
rows_disconnect(sqlite3_vtab *t)
{
    sqlite3_free(t);
    return SQLITE_OK;
}

static int
rows_best(sqlite3_vtab *t, sqlite3_index_info *info)
{
    (void)t;
    info->estimatedCost = 1000;
    info->estimatedRows = 1000;
    return SQLITE_OK;
}

static int
rows_cursor_open(sqlite3_vtab *t, sqlite3_vtab_cursor **out)
{
    rows_cursor *c = sqlite3_malloc(sizeof *c);
    if (!c) return SQLITE_NOMEM;
    *c = (rows_cursor){.rows = *((rows_table *)t)->from};
    *out = &c->base;
    return SQLITE_OK;
}

static int
rows_cursor_close(sqlite3_vtab_cursor *c)
{
    sqlite3_free(c);
    return SQLITE_OK;
}

static int
rows_filter(sqlite3_vtab_cursor *cursor, int plan, const char *text, int argc, sqlite3_value **argv)
{
    rows_cursor *c = (rows_cursor *)cursor;
    (void)plan, (void)text, (void)argc, (void)argv;
    c->rows = *((rows_table *)cursor->pVtab)->from;
    c->at = 0;
    return SQLITE_OK;
}

static int
rows_next(sqlite3_vtab_cursor *c)
{
    ((rows_cursor *)c)->at++;
    return SQLITE_OK;
}

static int
rows_eof(sqlite3_vtab_cursor *cursor)
{
    const rows_cursor *c = (rows_cursor *)cursor;
    return !c->rows || c->at >= c->rows->count;
}

/* Texts are not copied: they stay in the group's memory until it was committed. */
static int
rows_column(sqlite3_vtab_cursor *cursor, sqlite3_context *to, int column)
{
    const rows_cursor *c = (rows_cursor *)cursor;
    const sy__change *change = c->rows->list[c->at];
    if (column >= change->count) return SQLITE_OK;
    const sy__param *p = &change->params[column];
    switch (p->kind) {
    case SY__P_INT: sqlite3_result_int64(to, p->i); break;
    case SY__P_NUM: sqlite3_result_double(to, p->d); break;
    case SY__P_TEXT: sqlite3_result_text64(to, p->p, p->len, SQLITE_STATIC, SQLITE_UTF8); break;
    case SY__P_BLOB: sqlite3_result_blob64(to, p->p, p->len, SQLITE_STATIC); break;
    case SY__P_NULL: break;
    }
    return SQLITE_OK;
}

static int
rows_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((rows_cursor *)c)->at;
    return SQLITE_OK;
}

int
sy__rows_open(sqlite3 *conn, const sy__rows **from)
{
    static const sqlite3_module module = {.xConnect = rows_connect,
                                          .xBestIndex = rows_best,
                                          .xDisconnect = rows_disconnect,
                                          .xOpen = rows_cursor_open,
                                          .xClose = rows_cursor_close,
                                          .xFilter = rows_filter,
                                          .xNext = rows_next,
                                          .xEof = rows_eof,
                                          .xColumn = rows_column,
                                          .xRowid = rows_rowid};
    return sqlite3_create_module(conn, "sy_rows", &module, (void *)from);
}

int
sy__rows_prepare(sqlite3 *conn, const char *insert, sqlite3_stmt **out)
{
    const char *values = strstr(insert, " VALUES");
    int columns = 0;
    for (const char *p = values; p && *p; p++) columns += *p == '?';
    if (!values || columns > SY__ROWS_COLUMNS) return SQLITE_MISUSE;
    sqlite3_str *sql = sqlite3_str_new(conn);
    sqlite3_str_appendf(sql, "%.*s SELECT c0", (int)(values - insert), insert);
    for (int i = 1; i < columns; i++) sqlite3_str_appendf(sql, ",c%d", i);
    sqlite3_str_appendall(sql, " FROM sy_rows");
    char *text = sqlite3_str_finish(sql);
    int rc = text ? sqlite3_prepare_v3(conn, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) : SQLITE_NOMEM;
    sqlite3_free(text);
    return rc;
}
