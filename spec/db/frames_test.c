/* The log's frames: collected until a transaction ends, in order, and never lost to a write that failed. */
#include "db/frames.h"

#include "test.h"

#include <string.h>

enum { PAGE = 4096, FRAME = 24 + PAGE };

/* A file that keeps what it is given, and counts; it fails while `broken`. */
typedef struct memory {
    sqlite3_file base;
    char bytes[64 * FRAME];
    sqlite3_int64 size, synced;
    int writes, closed;
    bool broken;
} memory;

static int
memory_write(sqlite3_file *f, const void *bytes, int count, sqlite3_int64 at)
{
    memory *m = (memory *)f;
    if (m->broken) return SQLITE_FULL;
    memcpy(m->bytes + at, bytes, (size_t)count);
    if (at + count > m->size) m->size = at + count;
    m->writes++;
    return SQLITE_OK;
}

static int
memory_read(sqlite3_file *f, void *to, int count, sqlite3_int64 at)
{
    memcpy(to, ((memory *)f)->bytes + at, (size_t)count);
    return SQLITE_OK;
}

static int
memory_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    ((memory *)f)->size = size;
    return SQLITE_OK;
}

static int
memory_sync(sqlite3_file *f, int flags)
{
    (void)flags;
    ((memory *)f)->synced = ((memory *)f)->size;
    return SQLITE_OK;
}

static int
memory_size(sqlite3_file *f, sqlite3_int64 *size)
{
    *size = ((memory *)f)->size;
    return SQLITE_OK;
}

static int
memory_close(sqlite3_file *f)
{
    ((memory *)f)->closed++;
    return SQLITE_OK;
}

static const sqlite3_io_methods memory_methods = {.iVersion = 1,
                                                  .xClose = memory_close,
                                                  .xRead = memory_read,
                                                  .xWrite = memory_write,
                                                  .xTruncate = memory_truncate,
                                                  .xSync = memory_sync,
                                                  .xFileSize = memory_size};

static memory *
begin(sy__frames *f)
{
    memory *m = calloc(1, sizeof *m);
    m->base.pMethods = &memory_methods;
    *f = (sy__frames){0};
    sy__frames_between(f, &sy__alloc_default, &m->base);
    return m;
}

static void
end(memory *m)
{
    CHECK_INT(m->base.pMethods->xClose(&m->base), SQLITE_OK);
    CHECK_INT(m->closed, 1);
    CHECK(m->base.pMethods == &memory_methods);
    free(m);
}

static int
header(memory *m, int n, bool last)
{
    char bytes[24] = {0};
    bytes[0] = (char)n;
    bytes[7] = last ? 9 : 0;
    return m->base.pMethods->xWrite(&m->base, bytes, sizeof bytes, n * FRAME);
}

static int
frame(memory *m, int n, bool last)
{
    char page[PAGE];
    memset(page, n, sizeof page);
    int rc = header(m, n, last);
    return rc ? rc : m->base.pMethods->xWrite(&m->base, page, sizeof page, n * FRAME + 24);
}

static void
check_frames(const memory *m, int count)
{
    CHECK_INT(m->size, count * FRAME);
    for (int n = 0; n < count; n++) {
        CHECK_INT(m->bytes[n * FRAME], n);
        CHECK_INT(m->bytes[n * FRAME + 24], n);
        CHECK_INT(m->bytes[(n + 1) * FRAME - 1], n);
    }
}

static void
a_transaction_is_written_when_it_ends(void)
{
    sy__frames f;
    memory *m = begin(&f);
    for (int n = 0; n < 9; n++) CHECK_INT(frame(m, n, false), SQLITE_OK);
    CHECK_INT(m->writes, 0);
    CHECK_INT(frame(m, 9, true), SQLITE_OK);
    CHECK(m->writes <= 2);
    check_frames(m, 10);
    end(m);
}

static void
more_than_fits_is_written_on_the_way(void)
{
    sy__frames f;
    memory *m = begin(&f);
    for (int n = 0; n < 63; n++) CHECK_INT(frame(m, n, n == 62), SQLITE_OK);
    CHECK(m->writes > 2 && m->writes < 10);
    check_frames(m, 63);
    end(m);
}

/* SQLite corrects checksums by writing headers alone. */
static void
a_last_header_alone_is_written_at_once(void)
{
    sy__frames f;
    memory *m = begin(&f);
    for (int n = 0; n < 3; n++) CHECK_INT(frame(m, n, n == 2), SQLITE_OK);
    m->writes = 0;
    CHECK_INT(header(m, 1, false), SQLITE_OK);
    CHECK_INT(m->writes, 0);
    CHECK_INT(header(m, 2, true), SQLITE_OK);
    CHECK_INT(m->writes, 2);
    check_frames(m, 3);
    end(m);
}

static void
what_else_is_done_with_the_file_comes_after(void)
{
    sy__frames f;
    memory *m = begin(&f);
    char byte = 0;
    sqlite3_int64 size = 0;
    CHECK_INT(frame(m, 0, false), SQLITE_OK);
    CHECK_INT(frame(m, 1, false), SQLITE_OK);
    CHECK_INT(m->base.pMethods->xRead(&m->base, &byte, 1, FRAME + 24), SQLITE_OK);
    CHECK_INT(byte, 1);
    CHECK_INT(frame(m, 2, false), SQLITE_OK);
    CHECK_INT(m->base.pMethods->xSync(&m->base, SQLITE_SYNC_NORMAL), SQLITE_OK);
    CHECK_INT(m->synced, 3 * FRAME);
    CHECK_INT(frame(m, 3, false), SQLITE_OK);
    CHECK_INT(m->base.pMethods->xFileSize(&m->base, &size), SQLITE_OK);
    CHECK_INT(size, 4 * FRAME);
    CHECK_INT(frame(m, 4, false), SQLITE_OK);
    CHECK_INT(frame(m, 1, false), SQLITE_OK); /* again, after a rollback */
    check_frames(m, 5);
    CHECK_INT(m->base.pMethods->xTruncate(&m->base, 0), SQLITE_OK);
    CHECK_INT(m->size, 0);
    end(m);
}

static void
what_could_not_be_written_is_tried_again(void)
{
    sy__frames f;
    memory *m = begin(&f);
    CHECK_INT(frame(m, 0, false), SQLITE_OK);
    m->broken = true;
    CHECK_INT(frame(m, 1, true), SQLITE_FULL);
    CHECK_INT(m->base.pMethods->xSync(&m->base, SQLITE_SYNC_NORMAL), SQLITE_FULL);
    CHECK_INT(m->synced, 0);
    m->broken = false;
    CHECK_INT(frame(m, 0, false), SQLITE_OK); /* the transaction once more */
    CHECK_INT(frame(m, 1, true), SQLITE_OK);
    check_frames(m, 2);
    end(m);
}

static void *
nothing(void *ud, void *p, size_t bytes)
{
    (void)ud, (void)bytes;
    free(p);
    return NULL;
}

static void
without_memory_every_write_goes_through(void)
{
    const sy__alloc none = {.fn = nothing};
    sy__frames f = {0};
    memory *m = calloc(1, sizeof *m);
    m->base.pMethods = &memory_methods;
    sy__frames_between(&f, &none, &m->base);
    for (int n = 0; n < 3; n++) CHECK_INT(frame(m, n, n == 2), SQLITE_OK);
    CHECK_INT(m->writes, 6);
    check_frames(m, 3);
    end(m);
}

int
main(void)
{
    a_transaction_is_written_when_it_ends();
    more_than_fits_is_written_on_the_way();
    a_last_header_alone_is_written_at_once();
    what_else_is_done_with_the_file_comes_after();
    what_could_not_be_written_is_tried_again();
    without_memory_every_write_goes_through();
    TEST_END();
}
