/* error.c: the error record, and the one table of codes generated from SY_ERRORS. */
#include "base/error.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct sy__error_row {
    int code;
    const char *name;
    const char *sentence;
} sy__error_row;

static const sy__error_row rows[] = {
#define SY__ROW(number, cname, name, exit_code, sentence) {number, name, sentence},
    SY_ERRORS(SY__ROW)
#undef SY__ROW
};

static const sy__error_row *
row_of(int code)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code) return &rows[i];
    return NULL;
}

static void
put_text(char *to, size_t room, const char *text)
{
    size_t len = strlen(text);
    if (len >= room) len = sy__utf8_cut(text, room - 1);
    memcpy(to, text, len);
    to[len] = '\0';
}

static void
put_format(char *to, size_t room, const char *format, va_list args)
{
    int n = vsnprintf(to, room, format, args);
    if (n >= 0 && (size_t)n >= room) to[sy__utf8_cut(to, room - 1)] = '\0';
}

int
sy__error_set(sy__error *err, int code, const char *format, ...)
{
    if (!err) return code;
    char message[SY__ERROR_MESSAGE_BYTES]; /* the arguments may point into *err */
    va_list args;
    va_start(args, format);
    put_format(message, sizeof message, format, args);
    va_end(args);
    sy__error_clear(err);
    err->code = code;
    put_text(err->message, sizeof err->message, message);
    return code;
}

int
sy__error_errno(sy__error *err, int errnum, const char *format, ...)
{
    int code = errnum == ENOSPC || errnum == EDQUOT ? SY_EDISKFULL
               : errnum == ENOENT                   ? SY_ENOTFOUND
               : errnum == ENOMEM                   ? SY_ENOMEM
                                                    : SY_EIO;
    if (!err) return code;
    char what[SY__ERROR_MESSAGE_BYTES];
    const char *why = strerrordesc_np(errnum); /* never translated, safe in any thread */
    va_list args;
    va_start(args, format);
    put_format(what, sizeof what, format, args);
    va_end(args);
    return why ? sy__error_set(err, code, "%s: %s", what, why) : sy__error_set(err, code, "%s: error %d", what, errnum);
}

void
sy__error_where(sy__error *err, const char *file, int line, const char *task)
{
    if (!err) return;
    if (file) put_text(err->file, sizeof err->file, file);
    if (task) put_text(err->task, sizeof err->task, task);
    err->line = line;
}

void
sy__error_hint(sy__error *err, const char *format, ...)
{
    if (!err) return;
    va_list args;
    va_start(args, format);
    put_format(err->hint, sizeof err->hint, format, args);
    va_end(args);
}

void
sy__error_clear(sy__error *err)
{
    if (!err) return;
    err->code = SY_OK;
    err->line = 0;
    err->message[0] = err->file[0] = err->task[0] = err->hint[0] = '\0';
}

static void
text_or_null(sy__buf *out, const char *name, const char *text)
{
    sy__buf_addf(out, "\"%s\":", name);
    if (*text)
        sy__json_string(out, text, strlen(text));
    else
        sy__buf_adds(out, "null");
}

void
sy__error_json(const sy__error *err, sy__buf *out)
{
    sy__buf_addf(out, "{\"code\":\"%s\",\"message\":", sy_errname(err->code));
    sy__json_string(out, err->message, strlen(err->message));
    sy__buf_adds(out, ",\"where\":{");
    text_or_null(out, "file", err->file);
    if (err->line > 0)
        sy__buf_addf(out, ",\"line\":%d,", err->line);
    else
        sy__buf_adds(out, ",\"line\":null,");
    text_or_null(out, "task", err->task);
    sy__buf_adds(out, "},");
    text_or_null(out, "hint", err->hint);
    sy__buf_addc(out, '}');
}

int
sy__error_code(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0) return rows[i].code;
    return 0;
}

const char *
sy_strerror(int code)
{
    const sy__error_row *row = row_of(code);
    return code == SY_OK ? "no error" : row ? row->sentence : "unknown error code";
}

const char *
sy_errname(int code)
{
    const sy__error_row *row = row_of(code);
    return code == SY_OK ? "ok" : row ? row->name : "unknown";
}
