/* json_fuzz.c: sy__json_valid against SQLite's json_valid. SQLite reads up to a NUL; otherwise both must agree, but for
 * the words infinity and NaN that some versions of SQLite take. */
#include "base/text.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sqlite3 *conn = NULL;
    sqlite3_stmt *ask = NULL;
    if (size > 4096 || memchr(data, 0, size)) return 0;
    if (sqlite3_open(":memory:", &conn) || sqlite3_prepare_v2(conn, "SELECT json_valid(?1)", -1, &ask, NULL)) abort();
    (void)sqlite3_bind_text64(ask, 1, (const char *)data, size, SQLITE_STATIC, SQLITE_UTF8);
    bool theirs = sqlite3_step(ask) == SQLITE_ROW && sqlite3_column_int(ask, 0) == 1;
    (void)sqlite3_finalize(ask);
    (void)sqlite3_close(conn);
    bool ours = sy__json_valid((const char *)data, size), odd = false;
    for (size_t i = 0; i < size; i++) odd = odd || (data[i] | 0x20) == 'i' || data[i] == 'N';
    if (ours && !theirs) abort();
    if (theirs && !ours && !odd) abort();
    return 0;
}
