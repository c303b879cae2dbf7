/*
 * tar.h: the functions of libarchive that are used, loaded when the first packed file wants them: linking the library
 * and what it brings (libxml2 and its tables of all writing) would cost every start of the program several ms.
 */
#ifndef SY_IO_TAR_H
#define SY_IO_TAR_H

#include "base/error.h"

#include <archive.h>
#include <archive_entry.h>

/* A member for each function: `name` of archive_NAME. */
#define SY__TAR_FUNCTIONS(X)     \
    X(entry_clear)               \
    X(entry_filetype)            \
    X(entry_free)                \
    X(entry_hardlink)            \
    X(entry_new)                 \
    X(entry_pathname)            \
    X(entry_set_filetype)        \
    X(entry_set_mtime)           \
    X(entry_set_pathname)        \
    X(entry_set_perm)            \
    X(entry_set_size)            \
    X(entry_size)                \
    X(entry_size_is_set)         \
    X(entry_sparse_count)        \
    X(entry_symlink)             \
    X(error_string)              \
    X(read_data)                 \
    X(read_free)                 \
    X(read_new)                  \
    X(read_next_header)          \
    X(read_open_filename)        \
    X(read_support_filter_zstd)  \
    X(read_support_format_tar)   \
    X(write_add_filter_zstd)     \
    X(write_close)               \
    X(write_data)                \
    X(write_free)                \
    X(write_header)              \
    X(write_new)                 \
    X(write_open_fd)             \
    X(write_set_bytes_per_block) \
    X(write_set_filter_option)   \
    X(write_set_format_pax_restricted)

typedef struct sy__tar {
#define SY__TAR_MEMBER(name) __typeof__(archive_##name) *(name);
    SY__TAR_FUNCTIONS(SY__TAR_MEMBER)
#undef SY__TAR_MEMBER
} sy__tar;

/* Fills `t`; it stays loaded as long as the process lives. SY_EIO names the package that is missing. Any thread. */
int sy__tar_load(sy__tar *t, sy__error *err);

#endif
