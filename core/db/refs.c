/* refs.c: what a statement refers to is read from the schema; what a row refers to is found with few searches. */
#include "db/refs.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- the foreign keys of a statement ---- */

/* The number of the parameter that fills a column of "INSERT INTO t (a, b, …)"; -1: none does. */
static int
param_of(const char *columns, const char *end, const char *name)
{
    size_t len = strlen(name);
    int at = 0;
    while (columns < end) {
        size_t n = strcspn(columns, ",)");
        if (n == len && memcmp(columns, name, len) == 0) return at;
        columns += n + 1;
        columns += strspn(columns, " ");
        at++;
    }
    return -1;
}

static int
add_ref(sy__refs *r, sqlite3 *conn, const char *parent, const char *column, int param)
{
    if (r->count == SY__REFS_MAX || !column || strlen(parent) >= sizeof r->list->parent) return SQLITE_MISUSE;
    sy__ref *ref = &r->list[r->count];
    ref->param = param;
    (void)snprintf(ref->parent, sizeof ref->parent, "%s", parent);
    char *sql = sqlite3_mprintf("SELECT 1 FROM \"%w\" WHERE \"%w\" = ?1", parent, column);
    int rc = sql ? sqlite3_prepare_v3(conn, sql, -1, SQLITE_PREPARE_PERSISTENT, &ref->find, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    r->count += rc == SQLITE_OK;
    return rc;
}

static int
read_keys(sy__refs *r, sqlite3 *conn, const char *columns, const char *end)
{
    static const char sql[] = "SELECT seq, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1)";
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(conn, sql, -1, &s, NULL), found = SQLITE_OK;
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(s, 1, r->table, -1, SQLITE_STATIC);
    while (rc == SQLITE_OK && found == SQLITE_OK && (found = sqlite3_step(s)) == SQLITE_ROW) {
        int param = param_of(columns, end, (const char *)sqlite3_column_text(s, 2));
        found = sqlite3_column_int(s, 0) > 0 ? SQLITE_MISUSE /* of several columns */
                : param < 0                  ? SQLITE_OK     /* stays null */
                                             : add_ref(r, conn, (const char *)sqlite3_column_text(s, 1),
                                                       (const char *)sqlite3_column_text(s, 3), param);
    }
    (void)sqlite3_finalize(s);
    if (rc != SQLITE_OK) return rc;
    return found == SQLITE_DONE ? SQLITE_OK : found;
}

int
sy__refs_new(sy__refs **out, const sy__alloc *a, sqlite3 *conn, const char *insert)
{
    static const char into[] = "INSERT INTO ";
    *out = NULL;
    if (strncmp(insert, into, sizeof into - 1) != 0) return SQLITE_MISUSE;
    const char *name = insert + sizeof into - 1, *columns = strstr(name, " ("), *end = strchr(name, ')');
    if (!columns || !end || (size_t)(columns - name) >= sizeof(*out)->table) return SQLITE_MISUSE;
    sy__refs *r = sy__calloc(a, 1, sizeof *r);
    if (!r) return SQLITE_NOMEM;
    memcpy(r->table, name, (size_t)(columns - name));
    int rc = read_keys(r, conn, columns + 2, end);
    if (rc == SQLITE_OK)
        *out = r;
    else
        sy__refs_free(r, a);
    return rc;
}

void
sy__refs_free(sy__refs *r, const sy__alloc *a)
{
    if (!r) return;
    for (int i = 0; i < r->count; i++) (void)sqlite3_finalize(r->list[i].find);
    sy__free(a, r);
}

void
sy__refs_forget(sy__refs *r, uint64_t attempt)
{
    if (r->attempt == attempt) return;
    r->attempt = attempt;
    for (int i = 0; i < r->count; i++) {
        r->list[i].known = NULL;
        r->list[i].hint = 0;
    }
}

/* ---- the references of a row ---- */

static bool
is_same(const sy__param *a, const sy__param *b)
{
    return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

/* Rows and events come in nearly the same order, so it is mostly the row found last or the next. */
static bool
is_among(const sy__rows *rows, size_t count, const sy__param *key, size_t *hint)
{
    for (size_t at = *hint; at < count && at < *hint + 2; at++)
        if (is_same(&rows->list[at]->params[0], key)) {
            *hint = at;
            return true;
        }
    for (size_t low = 0, high = count; low < high;) {
        size_t at = low + (high - low) / 2;
        const sy__param *p = &rows->list[at]->params[0];
        int order = sy__text_order(key->p, key->len, p->p, p->len);
        if (order == 0) {
            *hint = at;
            return true;
        }
        if (order < 0)
            high = at;
        else
            low = at + 1;
    }
    return false;
}

static int
search(sqlite3_stmt *find, const sy__param *p)
{
    int rc = sqlite3_bind_text64(find, 1, p->p, p->len, SQLITE_STATIC, SQLITE_UTF8);
    if (rc != SQLITE_OK) return rc;
    bool there = sqlite3_step(find) == SQLITE_ROW;
    rc = sqlite3_reset(find);
    return rc != SQLITE_OK || there ? rc : SQLITE_CONSTRAINT_FOREIGNKEY;
}

int
sy__refs_check(sy__refs *r, const sy__change *c, const sy__rows *same, size_t same_count, const char *table)
{
    for (int i = 0; i < r->count; i++) {
        sy__ref *ref = &r->list[i];
        const sy__param *p = &c->params[ref->param];
        if (ref->param >= c->count || p->kind == SY__P_NULL) continue;
        if (p->kind != SY__P_TEXT) return SQLITE_CONSTRAINT_FOREIGNKEY;
        if (ref->known && is_same(ref->known, p)) continue;
        bool may_be = table && strcmp(table, ref->parent) == 0;
        int rc = may_be && is_among(same, same_count, p, &ref->hint) ? SQLITE_OK : search(ref->find, p);
        if (rc != SQLITE_OK) return rc;
        ref->known = p;
    }
    return SQLITE_OK;
}
