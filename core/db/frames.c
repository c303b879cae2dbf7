/*
 * frames.c: bytes that follow one another wait in a buffer. Whatever else is done with the file writes them first, so
 * their order is that of the calls; what could not be written stays in front and is tried again. The header of a
 * transaction's last frame has the size of the database in it, all others zero: such a header and what comes next are
 * written at once. (It comes alone when SQLite wrote pages of the transaction twice and corrects the checksums.)
 */
#include "db/frames.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { HEADER_BYTES = 24, AT_SIZE = 4 };

static sy__frames *
frames_of(sqlite3_file *file)
{
    return (sy__frames *)((uintptr_t)file->pMethods - offsetof(sy__frames, methods));
}

/* The file as SQLite made it, for one call of its own methods. */
static const sqlite3_io_methods *
step_aside(sy__frames *f, sqlite3_file *file)
{
    return file->pMethods = f->real;
}

static int
step_between(sy__frames *f, sqlite3_file *file, int rc)
{
    file->pMethods = &f->methods;
    return rc;
}

static int
flush(sy__frames *f, sqlite3_file *file)
{
    if (f->count == 0) return SQLITE_OK;
    int rc = step_between(f, file, step_aside(f, file)->xWrite(file, f->bytes, f->count, f->at));
    if (rc == SQLITE_OK) f->count = 0;
    return rc;
}

static int
collect(sy__frames *f, sqlite3_file *file, const char *bytes, int count, sqlite3_int64 at)
{
    bool follows = at == f->at + f->count && count <= SY__FRAMES_BYTES - f->count;
    int rc = follows ? SQLITE_OK : flush(f, file);
    if (rc != SQLITE_OK) return rc;
    if (!f->bytes) f->bytes = sy__malloc(f->alloc, SY__FRAMES_BYTES);
    if (!f->bytes || count > SY__FRAMES_BYTES)
        return step_between(f, file, step_aside(f, file)->xWrite(file, bytes, count, at));
    if (f->count == 0) f->at = at;
    memcpy(f->bytes + f->count, bytes, (size_t)count);
    f->count += count;
    return SQLITE_OK;
}

static bool
is_last(const char *header)
{
    static const char none[4];
    return memcmp(header + AT_SIZE, none, sizeof none) != 0;
}

static int
frames_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    sy__frames *f = frames_of(file);
    bool ending = f->ending;
    f->ending = count == HEADER_BYTES && is_last(bytes);
    int rc = collect(f, file, bytes, count, at);
    return rc == SQLITE_OK && (ending || f->ending) ? flush(f, file) : rc;
}

static int
frames_read(sqlite3_file *file, void *to, int count, sqlite3_int64 at)
{
    sy__frames *f = frames_of(file);
    int rc = flush(f, file);
    return rc == SQLITE_OK ? step_between(f, file, step_aside(f, file)->xRead(file, to, count, at)) : rc;
}

static int
frames_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sy__frames *f = frames_of(file);
    int rc = flush(f, file);
    return rc == SQLITE_OK ? step_between(f, file, step_aside(f, file)->xTruncate(file, size)) : rc;
}

static int
frames_sync(sqlite3_file *file, int flags)
{
    sy__frames *f = frames_of(file);
    int rc = flush(f, file);
    return rc == SQLITE_OK ? step_between(f, file, step_aside(f, file)->xSync(file, flags)) : rc;
}

static int
frames_size(sqlite3_file *file, sqlite3_int64 *size)
{
    sy__frames *f = frames_of(file);
    int rc = flush(f, file);
    return rc == SQLITE_OK ? step_between(f, file, step_aside(f, file)->xFileSize(file, size)) : rc;
}

static int
frames_control(sqlite3_file *file, int what, void *with)
{
    sy__frames *f = frames_of(file);
    return step_between(f, file, step_aside(f, file)->xFileControl(file, what, with));
}

/* What is left belongs to a transaction that was rolled back. */
static int
frames_close(sqlite3_file *file)
{
    sy__frames *f = frames_of(file);
    const sqlite3_io_methods *real = step_aside(f, file);
    sy__free(f->alloc, f->bytes);
    *f = (sy__frames){0};
    return real->xClose(file);
}

void
sy__frames_between(sy__frames *f, const sy__alloc *a, sqlite3_file *log)
{
    if (f->real || !log || !log->pMethods) return;
    *f = (sy__frames){.methods = *log->pMethods, .real = log->pMethods, .alloc = a};
    f->methods.xWrite = frames_write;
    f->methods.xRead = frames_read;
    f->methods.xTruncate = frames_truncate;
    f->methods.xSync = frames_sync;
    f->methods.xFileSize = frames_size;
    f->methods.xFileControl = frames_control;
    f->methods.xClose = frames_close;
    log->pMethods = &f->methods;
}
